#include "src/base/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

enum thaw_file_lock thaw_file_lock(int fd)
{
	int result;
	do {
		result = flock(fd, LOCK_EX | LOCK_NB);
	} while (result != 0 && errno == EINTR);
	if (result == 0)
		return THAW_LOCK_TAKEN;
	if (errno == EWOULDBLOCK)
		return THAW_LOCK_HELD;
	/* Unlike fcntl's other locks, it belongs to the open file and not to the process. */
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
		return THAW_LOCK_TAKEN;
	return errno == EAGAIN || errno == EACCES ? THAW_LOCK_HELD : THAW_LOCK_UNSUPPORTED;
}
