/* The record in a lock file: which process holds the run directory. */
#ifndef THAW_TRAIN_LOCK_OWNER_H
#define THAW_TRAIN_LOCK_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#define LOCK_NAME_SIZE   65  /* of a host or boot id, with its NUL */
#define LOCK_RECORD_SIZE 320 /* bytes of every record, so that rewriting one needs no space on the disk */

/* Members are texts without spaces. */
struct lock_owner {
	uint64_t token;              /* random: which start of a job; 0: no process holds the directory */
	uint64_t beat;               /* counted up by the holder while it lives */
	char host[LOCK_NAME_SIZE];   /* for messages */
	char boot[LOCK_NAME_SIZE];   /* identifies the kernel: its locks are visible to processes with the same */
	char pid_ns[LOCK_NAME_SIZE]; /* identifies the namespace in which `pid` is valid */
	long pid;
	long long started; /* of the process, in clock ticks since boot: a later process may have its id */
	bool lease;        /* the file system has no locks: only the beat shows that the holder lives */
};

/* This process, with a new token. */
struct lock_owner lock_owner_self(bool lease);

/* Both return false with errno set if the file cannot be read or written. A file without a record, such as that of an
 * earlier version, gives token 0. The record is on the disk when the function returns. */
bool lock_owner_read(struct lock_owner *owner, int fd);
bool lock_owner_write(const struct lock_owner *owner, int fd);

enum lock_life {
	LOCK_ALIVE,
	LOCK_DEAD,
	LOCK_UNKNOWN, /* on another node or in another container */
};
/* Whether the process still runs. */
enum lock_life lock_owner_life(const struct lock_owner *owner);

#endif
