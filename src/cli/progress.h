/* What a person sees while a run goes on: a bar on a terminal, lines now and then in a log. */
#ifndef THAW_SRC_CLI_PROGRESS_H
#define THAW_SRC_CLI_PROGRESS_H

#include <stdio.h>

#include "thaw/train.h"

struct progress {
	FILE *out; /* NULL: shows nothing */
	bool terminal;
	bool bar_shown; /* the cursor stands behind a bar */
	double shown;   /* seconds on the monotonic clock, of the last bar or line */
};

/* Callbacks whose progress and log functions write to `out`; `stop` is left to the caller. */
struct thaw_callbacks progress_start(struct progress *p, FILE *out);
/* Ends the bar's line. */
void progress_end(struct progress *p);

#endif
