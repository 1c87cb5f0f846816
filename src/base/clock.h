/* A monotonic clock for durations. */
#ifndef THAW_SRC_BASE_CLOCK_H
#define THAW_SRC_BASE_CLOCK_H

/* Seconds since an arbitrary fixed moment. */
double thaw_clock(void);

#endif
