/* To open a pipe waits for a writer, and a device may have no end. Both would hang a job, so they are refused before a
 * byte is read. */
#include "src/base/open_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "src/base/io_error.h"
#include "src/base/try.h"

const char *thaw_file_kind(mode_t mode)
{
	if (S_ISDIR(mode))
		return "a folder";
	if (S_ISCHR(mode) || S_ISBLK(mode))
		return "a device";
	return S_ISFIFO(mode) ? "a pipe" : "a socket";
}

static thaw_status check_kind(int fd, const struct stat *st, const char *path)
{
	bool of_shell = strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0;
	if (S_ISREG(st->st_mode))
		return THAW_OK;
	if (S_ISFIFO(st->st_mode) && of_shell) {
		int flags = fcntl(fd, F_GETFL);
		if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0)
			return thaw_fail_io("cannot read", path);
		return THAW_OK;
	}
	if (S_ISDIR(st->st_mode)) {
		errno = EISDIR;
		return thaw_fail_io("cannot read", path);
	}
	return thaw_fail(THAW_DATA, "%s, not a regular file: %s: give the path of a file", thaw_file_kind(st->st_mode),
			 path);
}

thaw_status thaw_open_file(int *fd, struct stat *st, const char *path)
{
	int opened = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (opened < 0 && errno == ENXIO) /* a socket, or a device without a driver */
		return thaw_fail(THAW_DATA, "not a regular file: %s: give the path of a file", path);
	if (opened < 0)
		return thaw_fail_io("cannot open", path);
	thaw_status status = fstat(opened, st) == 0 ? check_kind(opened, st, path) : thaw_fail_io("cannot read", path);
	if (status == THAW_OK)
		*fd = opened;
	else
		close(opened);
	return status;
}
