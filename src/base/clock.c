#include "src/base/clock.h"

#include <stddef.h>
#include <time.h>

static double seconds_of(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double thaw_clock(void)
{
	return seconds_of(CLOCK_MONOTONIC);
}

double thaw_clock_thread(void)
{
	return seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

void thaw_pause(double seconds)
{
	struct timespec t = {.tv_sec = (time_t)seconds};
	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	nanosleep(&t, NULL);
}
