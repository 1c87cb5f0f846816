/* Exclusive locks of open files, which the system releases when the process ends, however it ends. */
#ifndef THAW_SRC_BASE_FILE_LOCK_H
#define THAW_SRC_BASE_FILE_LOCK_H

enum thaw_file_lock {
	THAW_LOCK_TAKEN,
	THAW_LOCK_HELD,        /* by another open file */
	THAW_LOCK_UNSUPPORTED, /* the file system has no locks; errno has the reason */
};

/* Tries once, without waiting: flock, else fcntl's lock of an open file. The lock lasts until fd is closed. */
enum thaw_file_lock thaw_file_lock(int fd);

#endif
