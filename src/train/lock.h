/* The lock of a run directory: keeps a second job out. docs/design.md has what it guarantees on which file system. */
#ifndef THAW_TRAIN_LOCK_H
#define THAW_TRAIN_LOCK_H

#include "thaw/train.h"

struct thaw_lock;

/* Seconds. */
struct thaw_lock_times {
	double beat;  /* between two signs of life of the holder */
	double lease; /* without a sign of life, after which a holder that may live elsewhere counts as dead */
	double grace; /* to wait for a holder to end: the ranks of a killed job need a moment */
};
extern const struct thaw_lock_times thaw_lock_default_times;

/* Takes the lock of the directory, which must exist. Waits, with a line in the log, for a holder that may be ending or
 * dead. callbacks: log and stop; may be NULL. THAW_CONFIG if another job holds it, THAW_UNFINISHED if it was asked to
 * stop while it waited. One process of a job only; it starts a thread, which keeps up the signs of life. */
thaw_status thaw_lock_take(struct thaw_lock **lock, const char *directory, const struct thaw_lock_times *times,
			   const struct thaw_callbacks *callbacks);

/* Whether the directory is still that of the lock, and the lock still this process's; call before each write. Takes a
 * lock file that was removed again, if no other job has. THAW_CONFIG if another job has it; THAW_IO if the directory is
 * gone or cannot be read. */
thaw_status thaw_lock_check(struct thaw_lock *lock);

void thaw_lock_release(struct thaw_lock *lock); /* NULL is fine */

#endif
