/* Signals that request a stop: recorded here, and seen by the trainer when it asks. */
#ifndef THAW_SRC_CLI_SIGNALS_H
#define THAW_SRC_CLI_SIGNALS_H

#include "thaw/error.h"

/* From now on SIGTERM, SIGINT, SIGUSR1, SIGUSR2 and SIGXCPU are only recorded. A second SIGINT ends the process: ^C
 * typed twice. */
thaw_status thaw_signals_install(void);

/* The first of them prints the line at once, before the program can act on it. `line` must stay valid. */
void thaw_signals_announce(const char *line);

/* From now on such a signal prints the line and ends the process at once, with code THAW_UNFINISHED: for times in which
 * there is nothing to save. "": prints nothing; NULL, as at first: signals are recorded. `line` must stay valid. */
void thaw_signals_exit(const char *line);

/* The first such signal since thaw_signals_install, 0 when none. Ranks may receive a signal at different times, so
 * reduce the result over the ranks before acting on it. */
int thaw_stop_requested(void);

/* The name of one of these signals, "SIGTERM"; "a signal" for any other. */
const char *thaw_signal_name(int signal);

#endif
