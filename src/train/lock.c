/* The lock of a run directory, in the file .lock.
 *
 * A file lock (flock, else fcntl's) is released by the system when the process ends, however it ends. But a file system
 * may not have locks (NFS without lockd, Lustre mounted without -o flock), or only ones that other nodes do not see
 * (Lustre's localflock, NFS's local_lock). So the holder also writes a record of itself into the file and rewrites it
 * every few seconds, the beat. A process that finds the record of a holder whose locks it could not see watches whether
 * the record changes: no clocks are compared. If two processes hold the lock all the same, because both started at the
 * same moment, the record has the token of one, and the other one finds that at its next beat or write, and stops.
 */
#include "src/train/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/clock.h"
#include "src/base/file_lock.h"
#include "src/base/io_error.h"
#include "src/base/thread.h"
#include "src/base/try.h"
#include "src/train/lock_owner.h"
#include "thaw/memory.h"

#define POLL_SECONDS   0.1
#define SETTLE_SECONDS 1.0 /* after which two processes that take a lease at once see the same record */
#define LINE_BYTES     512

const struct thaw_lock_times thaw_lock_default_times = {.beat = 4.0, .lease = 20.0, .grace = 10.0};

struct thaw_lock {
	char *directory, *path;
	struct thaw_lock_times times;
	const struct thaw_callbacks *callbacks;
	struct stat place; /* of the directory */
	pthread_t thread;
	bool beating; /* the thread was started */

	pthread_mutex_t mutex; /* guards the rest while the thread runs */
	pthread_cond_t stopped;
	bool stop;
	int fd; /* of the lock file; -1: none */
	struct lock_owner self;
	bool lost; /* another process has written its record */
};

enum outcome {
	TAKEN,
	HELD,
	WITHOUT_LOCKS, /* the file system has none */
	FAILED,        /* with a message */
};

static void write_log(const struct thaw_lock *l, const char *line)
{
	if (l->callbacks && l->callbacks->log)
		l->callbacks->log(l->callbacks->context, line);
}

static enum outcome lock_file(int fd)
{
	static const enum outcome outcomes[] = {
		[THAW_LOCK_TAKEN] = TAKEN, [THAW_LOCK_HELD] = HELD, [THAW_LOCK_UNSUPPORTED] = WITHOUT_LOCKS};
	return outcomes[thaw_file_lock(fd)];
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether the path leads to the open file: it may have been removed and made again. */
static bool is_at(int fd, const char *path)
{
	struct stat opened, named;
	return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && same_file(&opened, &named);
}

static void close_file(struct thaw_lock *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

static enum outcome open_file(struct thaw_lock *l)
{
	struct stat st;
	close_file(l);
	l->fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
	if (l->fd < 0) {
		thaw_fail(THAW_IO, "cannot open the lock file: %s: %s: give a writable folder", l->path,
			  strerror(errno));
		return FAILED;
	}
	if (fstat(l->fd, &st) == 0 && S_ISREG(st.st_mode))
		return TAKEN;
	thaw_fail(THAW_IO, "the lock file is not a regular file: %s: remove it", l->path);
	return FAILED;
}

/* Reads the record anew: a network file system shows what another node wrote only to who opens the file again. */
static bool read_owner(const struct thaw_lock *l, struct lock_owner *owner)
{
	int fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	bool read = lock_owner_read(owner, fd);
	close(fd);
	return read;
}

static bool stop_requested(const struct thaw_lock *l)
{
	return l->callbacks && l->callbacks->stop && l->callbacks->stop(l->callbacks->context);
}

/* Waits for a sign of life of the owner of the record. HELD: there was one, or this job was asked to stop. */
static enum outcome watch(const struct thaw_lock *l, const struct lock_owner *owner)
{
	char line[LINE_BYTES];
	snprintf(line, sizeof(line),
		 "process %ld on %s used the run directory last: waiting up to %.0f s for a sign of life", owner->pid,
		 owner->host, l->times.lease);
	write_log(l, line);
	struct lock_owner now;
	for (double end = thaw_clock() + l->times.lease; thaw_clock() < end;) {
		if (stop_requested(l))
			return HELD;
		thaw_pause(POLL_SECONDS);
		if (!read_owner(l, &now))
			continue;
		if (now.token == 0)
			return TAKEN;
		if (now.token != owner->token || now.beat != owner->beat)
			return HELD;
	}
	snprintf(line, sizeof(line), "process %ld on %s gives no sign of life: it counts as dead", owner->pid,
		 owner->host);
	write_log(l, line);
	return TAKEN;
}

/* Whether the record's owner lets this process have the directory. locked: this process has a file lock. */
static enum outcome judge_owner(const struct thaw_lock *l, bool locked, struct lock_owner *owner)
{
	if (!lock_owner_read(owner, l->fd) || owner->token == 0)
		return TAKEN;
	/* The owner's lock would have been seen: processes of one kernel share their locks. */
	if (locked && !owner->lease && strcmp(owner->boot, l->self.boot) == 0)
		return TAKEN;
	switch (lock_owner_life(owner)) {
	case LOCK_ALIVE:
		return HELD;
	case LOCK_DEAD:
		return TAKEN;
	default:
		return watch(l, owner);
	}
}

/* Writes this process's record. With a file lock, a failure only weakens the protection. */
static enum outcome claim(struct thaw_lock *l, bool locked)
{
	char line[LINE_BYTES];
	l->self.lease = !locked;
	bool written = lock_owner_write(&l->self, l->fd);
	if (!written && !locked) {
		thaw_fail_io("cannot write the lock file", l->path);
		return FAILED;
	}
	if (!written) {
		snprintf(line, sizeof(line), "cannot write the lock file: %s: %s: a job on another node may not see it",
			 l->path, strerror(errno));
		write_log(l, line);
		return TAKEN;
	}
	if (locked)
		return TAKEN;
	struct lock_owner now;
	thaw_pause(SETTLE_SECONDS);
	return read_owner(l, &now) && now.token == l->self.token ? TAKEN : HELD;
}

/* One attempt. *owner: who holds it, token 0 if that is not known. */
static enum outcome try_take(struct thaw_lock *l, struct lock_owner *owner)
{
	*owner = (struct lock_owner){0};
	enum outcome outcome = open_file(l);
	if (outcome == FAILED)
		return FAILED;
	outcome = lock_file(l->fd);
	bool locked = outcome == TAKEN;
	if (outcome == HELD) {
		lock_owner_read(owner, l->fd);
		return HELD;
	}
	if (!is_at(l->fd, l->path))
		return HELD; /* until the next attempt */
	outcome = judge_owner(l, locked, owner);
	return outcome == TAKEN ? claim(l, locked) : outcome;
}

static thaw_status fail_held(const struct thaw_lock *l, const struct lock_owner *owner)
{
	char who[LOCK_NAME_SIZE + 64] = "";
	if (owner->token != 0)
		snprintf(who, sizeof(who), " (process %ld on %s)", owner->pid, owner->host);
	return thaw_fail(THAW_CONFIG,
			 "another job uses this run directory%s: --out %s: wait for it or give another folder", who,
			 l->directory);
}

static thaw_status wait_for_lock(struct thaw_lock *l)
{
	struct lock_owner owner;
	char line[LINE_BYTES];
	double end = thaw_clock() + l->times.grace;
	for (bool logged = false;; logged = true) {
		enum outcome outcome = try_take(l, &owner);
		if (outcome == TAKEN)
			return THAW_OK;
		if (outcome == FAILED)
			return THAW_IO;
		close_file(l);
		if (stop_requested(l))
			return thaw_fail(THAW_UNFINISHED,
					 "asked to stop while another job used the run directory: --out %s: run the "
					 "same command again",
					 l->directory);
		if (thaw_clock() >= end)
			return fail_held(l, &owner);
		if (!logged) {
			snprintf(line, sizeof(line),
				 "another job uses the run directory: waiting up to %.0f s for it to end",
				 l->times.grace);
			write_log(l, line);
		}
		thaw_pause(POLL_SECONDS);
	}
}

/* A sign of life, unless another process has the lock now. Holds the mutex. */
static void give_beat(struct thaw_lock *l)
{
	struct lock_owner now;
	if (!read_owner(l, &now) || !is_at(l->fd, l->path))
		return; /* thaw_lock_check finds out why */
	if (now.token != 0 && now.token != l->self.token) {
		l->lost = true;
		return;
	}
	l->self.beat++;
	(void)lock_owner_write(&l->self, l->fd); /* tried again at the next beat */
}

/* The thread. */
static void *keep_beating(void *context)
{
	struct thaw_lock *l = context;
	pthread_mutex_lock(&l->mutex);
	while (!l->stop && !l->lost) {
		if (!thaw_cond_wait_until(&l->stopped, &l->mutex, thaw_clock() + l->times.beat) && !l->stop)
			give_beat(l);
	}
	pthread_mutex_unlock(&l->mutex);
	return NULL;
}

static thaw_status start_beating(struct thaw_lock *l)
{
	thaw_cond_init(&l->stopped);
	int error = thaw_thread_start(&l->thread, keep_beating, l);
	l->beating = error == 0;
	return error ? thaw_fail(THAW_RESOURCE, "cannot start the thread of the lock: %s", strerror(error)) : THAW_OK;
}

thaw_status thaw_lock_take(struct thaw_lock **lock, const char *directory, const struct thaw_lock_times *times,
			   const struct thaw_callbacks *callbacks)
{
	struct thaw_lock *l = thaw_alloc(1, sizeof(*l));
	if (!l)
		return THAW_RESOURCE;
	l->fd = -1;
	l->times = *times;
	l->callbacks = callbacks;
	l->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	l->self = lock_owner_self(false);
	l->directory = thaw_strdup(directory);
	l->path = thaw_format("%s/.lock", directory);
	thaw_status status = l->directory && l->path ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK && stat(directory, &l->place) != 0)
		status = thaw_fail_io("cannot read the folder", directory);
	if (status == THAW_OK)
		status = wait_for_lock(l);
	if (status == THAW_OK && l->self.lease)
		write_log(l, "this file system has no file locks: the run directory is kept by signs of life in .lock");
	if (status == THAW_OK)
		status = start_beating(l);
	if (status != THAW_OK) {
		close_file(l);
		thaw_lock_release(l);
		return status;
	}
	*lock = l;
	return THAW_OK;
}

static thaw_status fail_lost(const struct thaw_lock *l)
{
	return thaw_fail(THAW_CONFIG,
			 "another job has taken the run directory: --out %s: this one stops: start only one job there",
			 l->directory);
}

/* The lock file was removed or replaced: takes it unless another job has. */
static thaw_status take_again(struct thaw_lock *l)
{
	struct lock_owner owner;
	switch (try_take(l, &owner)) {
	case TAKEN:
		write_log(l, "the lock file was removed: made a new one");
		return THAW_OK;
	case FAILED:
		return THAW_IO;
	default:
		return fail_lost(l);
	}
}

/* Holds the mutex. */
static thaw_status check(struct thaw_lock *l)
{
	struct stat st;
	struct lock_owner now;
	if (l->lost)
		return fail_lost(l);
	if (stat(l->directory, &st) != 0)
		return errno == ENOENT
			       ? thaw_fail(THAW_IO, "the run directory is gone: --out %s: put it back", l->directory)
			       : thaw_fail_io("cannot read the run directory", l->directory);
	if (!same_file(&st, &l->place))
		return thaw_fail(THAW_IO, "the run directory is another folder now: --out %s: put it back",
				 l->directory);
	if (l->fd < 0 || !is_at(l->fd, l->path))
		return take_again(l);
	if (!read_owner(l, &now))
		return thaw_fail_io("cannot read the lock file", l->path);
	l->lost = now.token != 0 && now.token != l->self.token;
	return l->lost ? fail_lost(l) : THAW_OK;
}

thaw_status thaw_lock_check(struct thaw_lock *l)
{
	pthread_mutex_lock(&l->mutex);
	thaw_status status = check(l);
	l->lost |= status == THAW_CONFIG;
	pthread_mutex_unlock(&l->mutex);
	return status;
}

void thaw_lock_release(struct thaw_lock *l)
{
	if (!l)
		return;
	if (l->beating) {
		pthread_mutex_lock(&l->mutex);
		l->stop = true;
		pthread_cond_signal(&l->stopped);
		pthread_mutex_unlock(&l->mutex);
		pthread_join(l->thread, NULL);
		pthread_cond_destroy(&l->stopped);
	}
	struct lock_owner now;
	if (l->fd >= 0 && !l->lost && lock_owner_read(&now, l->fd) && now.token == l->self.token) {
		l->self.token = 0;
		(void)lock_owner_write(&l->self,
				       l->fd); /* else the next job on another node waits for a sign of life */
	}
	close_file(l);
	pthread_mutex_destroy(&l->mutex);
	thaw_free(l->directory);
	thaw_free(l->path);
	thaw_free(l);
}
