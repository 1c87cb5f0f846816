/* Callbacks of a run: progress bar or log lines. */
#ifndef THAW_SRC_CLI_PROGRESS_H
#define THAW_SRC_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdio.h>

#include "thaw/train.h"

struct progress {
	FILE *out; /* NULL: no output */
	bool terminal;
	bool bar_shown; /* the cursor is at the end of a bar */
	double shown;   /* time of the last bar or line, in seconds of the monotonic clock */
};

/* Callbacks that write progress and log lines to `out`. `p` must outlive them. `stop` is NULL. */
struct thaw_callbacks progress_start(struct progress *p, FILE *out);
/* Clears the bar. */
void progress_end(struct progress *p);

#endif
