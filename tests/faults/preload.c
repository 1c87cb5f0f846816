/* Injects a fault into one system call of a program and logs its calls.
 *
 * Loaded by LD_PRELOAD. Only calls on files under THAW_FAULT_FOLDER count; THAW_FAULT_DO applies to the
 * THAW_FAULT_AT-th of them, from 1:
 * - before: the process ends before the call
 * - half: a write ends the process after half of its bytes; other calls as `before`
 * - after: the process ends after the call
 * - NUMBER: the call fails with this errno, without being made (except close)
 * The process ends by _exit, without flushing or cleaning up, as if it was killed. THAW_FAULT_FLOCK: flock and the
 * locks of fcntl always fail with this errno, and do not count. THAW_FAULT_SLOW: seconds that each fsync of a
 * checkpoint takes. THAW_FAULT_LOG receives a line for each call: its name and paths.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXIT_CODE 99

static atomic_int calls;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static bool counts(const char *path)
{
	const char *folder = getenv("THAW_FAULT_FOLDER");
	return folder && strncmp(path, folder, strlen(folder)) == 0;
}

static bool counts_fd(int fd, char path[PATH_MAX])
{
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, PATH_MAX - 1);
	if (length < 0)
		return false;
	path[length] = '\0';
	return counts(path);
}

static void record(const char *call, const char *path, const char *to)
{
	const char *log = getenv("THAW_FAULT_LOG");
	int fd = log ? REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
	if (fd < 0)
		return;
	dprintf(fd, to ? "%s %s %s\n" : "%s %s\n", call, path, to);
	syscall(SYS_close, fd);
}

/* The fault of this call: THAW_FAULT_DO, or "" for none. Ends the process if it is `before`. */
static const char *enter(const char *call, const char *path, const char *to)
{
	record(call, path, to);
	const char *at = getenv("THAW_FAULT_AT"), *what = getenv("THAW_FAULT_DO"), *slow = getenv("THAW_FAULT_SLOW");
	if (slow && strcmp(call, "fsync") == 0 && strstr(path, "/step-"))
		sleep((unsigned)atoi(slow));
	if (atomic_fetch_add(&calls, 1) + 1 != (at ? atoi(at) : 0) || !what)
		return "";
	if (strcmp(what, "before") == 0 ||
	    (strcmp(what, "half") == 0 && strcmp(call, "write") != 0 && strcmp(call, "pwrite") != 0))
		_exit(EXIT_CODE);
	return what;
}

/* Whether the call must fail; sets errno. */
static bool fails(const char *what)
{
	int number = atoi(what);
	if (number > 0)
		errno = number;
	return number > 0;
}

static void leave(const char *what)
{
	if (strcmp(what, "after") == 0)
		_exit(EXIT_CODE);
}

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	if (flags & O_CREAT) {
		va_list args;
		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	if (!counts(path))
		return REAL(open)(path, flags, mode);
	const char *what = enter("open", path, NULL);
	if (fails(what))
		return -1;
	int fd = REAL(open)(path, flags, mode);
	leave(what);
	return fd;
}

ssize_t write(int fd, const void *bytes, size_t size)
{
	char path[PATH_MAX];
	if (!counts_fd(fd, path))
		return REAL(write)(fd, bytes, size);
	const char *what = enter("write", path, NULL);
	if (fails(what))
		return -1;
	bool half = strcmp(what, "half") == 0;
	ssize_t written = REAL(write)(fd, bytes, half ? size / 2 : size);
	if (half)
		_exit(EXIT_CODE);
	leave(what);
	return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
	char path[PATH_MAX];
	if (!counts_fd(fd, path))
		return REAL(pwrite)(fd, bytes, size, at);
	const char *what = enter("pwrite", path, NULL);
	if (fails(what))
		return -1;
	bool half = strcmp(what, "half") == 0;
	ssize_t written = REAL(pwrite)(fd, bytes, half ? size / 2 : size, at);
	if (half)
		_exit(EXIT_CODE);
	leave(what);
	return written;
}

/* Defines a function of a file descriptor, with more parameters and arguments. */
#define ON_DESCRIPTOR(name, parameters, arguments)           \
	int name parameters                                  \
	{                                                    \
		char path[PATH_MAX];                         \
		if (!counts_fd(fd, path))                    \
			return REAL(name) arguments;         \
		const char *what = enter(#name, path, NULL); \
		if (fails(what))                             \
			return -1;                           \
		int result = REAL(name) arguments;           \
		leave(what);                                 \
		return result;                               \
	}
ON_DESCRIPTOR(fsync, (int fd), (fd))
ON_DESCRIPTOR(fdatasync, (int fd), (fd))
ON_DESCRIPTOR(ftruncate, (int fd, off_t size), (fd, size))

/* The same for a function of a path. */
#define ON_PATH(name, parameters, arguments)                 \
	int name parameters                                  \
	{                                                    \
		if (!counts(path))                           \
			return REAL(name) arguments;         \
		const char *what = enter(#name, path, NULL); \
		if (fails(what))                             \
			return -1;                           \
		int result = REAL(name) arguments;           \
		leave(what);                                 \
		return result;                               \
	}
ON_PATH(unlink, (const char *path), (path))
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode))

int unlinkat(int directory, const char *name, int flags)
{
	char path[PATH_MAX];
	if (!counts_fd(directory, path))
		return REAL(unlinkat)(directory, name, flags);
	const char *what = enter("unlinkat", path, name);
	if (fails(what))
		return -1;
	int result = REAL(unlinkat)(directory, name, flags);
	leave(what);
	return result;
}

/* The errno with which locks fail; 0: they work. */
static int lock_error(void)
{
	const char *number = getenv("THAW_FAULT_FLOCK");
	return number ? atoi(number) : 0;
}

int flock(int fd, int operation)
{
	errno = lock_error();
	return errno ? -1 : REAL(flock)(fd, operation);
}

int fcntl(int fd, int command, ...)
{
	va_list args;
	va_start(args, command);
	void *argument = va_arg(args, void *);
	va_end(args);
	errno = command == F_OFD_SETLK ? lock_error() : 0;
	return errno ? -1 : REAL(fcntl)(fd, command, argument);
}

int close(int fd)
{
	char path[PATH_MAX];
	if (!counts_fd(fd, path))
		return REAL(close)(fd);
	const char *what = enter("close", path, NULL);
	int result = REAL(close)(fd);
	leave(what);
	return fails(what) ? -1 : result;
}

int rename(const char *from, const char *to)
{
	if (!counts(from))
		return REAL(rename)(from, to);
	const char *what = enter("rename", from, to);
	if (fails(what))
		return -1;
	int result = REAL(rename)(from, to);
	leave(what);
	return result;
}
