/* Lines to stderr. */
#ifndef THAW_SRC_CLI_LOG_H
#define THAW_SRC_CLI_LOG_H

#include "thaw/comm.h"

/* Writes one line to the log (stderr). Prints on rank 0 only. */
void log_line(const struct thaw_comm *comm, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints "thaw: MESSAGE" to stderr as one line, on any rank. */
void print_error(const char *message);

/* Prints a line to stderr, on any rank and from any thread. */
void print_line(const char *line);

#endif
