/* A monotonic clock for durations. Inline: libthaw-mpi uses it, and libthaw exports public functions only. */
#ifndef THAW_SRC_BASE_CLOCK_H
#define THAW_SRC_BASE_CLOCK_H

#include <time.h>

/* Seconds since an arbitrary fixed moment. */
static inline double thaw_clock(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
