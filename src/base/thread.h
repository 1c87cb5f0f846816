/* Threads, and waits with a limit. */
#ifndef THAW_SRC_BASE_THREAD_H
#define THAW_SRC_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Starts a thread with all signals blocked, so that the program's main thread handles them. Returns 0 or an error
 * number, as pthread_create does. */
int thaw_thread_start(pthread_t *thread, void *(*run)(void *context), void *context);

/* For thaw_cond_wait_until. */
void thaw_cond_init(pthread_cond_t *cond);
/* Waits for the condition until thaw_clock() reaches `end`; the clock does not follow changes of the date. The caller
 * holds the mutex. Returns false if the time is over. May return true early, as pthread_cond_wait may. */
bool thaw_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, double end);

#endif
