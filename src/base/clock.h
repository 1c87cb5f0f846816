/* The clock that measures how long things take. */
#ifndef THAW_SRC_BASE_CLOCK_H
#define THAW_SRC_BASE_CLOCK_H

/* Seconds from some fixed moment; never goes back. */
double thaw_clock(void);

#endif
