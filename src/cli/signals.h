/* Signals that ask the program to stop: noted here, acted on by the trainer between two steps. */
#ifndef THAW_SRC_CLI_SIGNALS_H
#define THAW_SRC_CLI_SIGNALS_H

#include "thaw/error.h"

/* From here on SIGTERM, SIGINT, SIGUSR1, SIGUSR2 and SIGXCPU only leave a note. A second SIGINT ends the
 * process at once: who types ^C twice means it. */
thaw_status thaw_signals_install(void);

/* The first such signal that has come since thaw_signals_install, 0 when none. Per process: a rank may have
 * its signal before the others, so reduce the answer over the ranks before acting on it. */
int thaw_stop_requested(void);

/* The name of one of these signals for messages, "SIGTERM"; "a signal" for any other. */
const char *thaw_signal_name(int signal);

#endif
