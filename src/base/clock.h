/* A monotonic clock for durations, and pauses. */
#ifndef THAW_SRC_BASE_CLOCK_H
#define THAW_SRC_BASE_CLOCK_H

/* Seconds since an arbitrary fixed moment. */
double thaw_clock(void);
/* Seconds of processor time that this thread has used. */
double thaw_clock_thread(void);
void thaw_pause(double seconds);

#endif
