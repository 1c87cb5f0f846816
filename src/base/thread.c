#include "src/base/thread.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

int thaw_thread_start(pthread_t *thread, void *(*run)(void *context), void *context)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(thread, NULL, run, context);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

void thaw_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

bool thaw_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, double end)
{
	struct timespec t = {.tv_sec = (time_t)end};
	t.tv_nsec = (long)((end - (double)t.tv_sec) * 1e9);
	return pthread_cond_timedwait(cond, mutex, &t) != ETIMEDOUT;
}
