#include "src/base/io_error.h"

#include <errno.h>
#include <string.h>

thaw_status thaw_fail_io(const char *what, const char *path)
{
	switch (errno) {
	case ENOSPC:
	case EDQUOT:
		return thaw_fail(THAW_IO, "%s: %s: %s: free some space or choose another folder", what, path,
				 strerror(errno));
	case EFBIG:
		return thaw_fail(THAW_IO, "%s: %s: %s: raise the limit of the shell (ulimit -f)", what, path,
				 strerror(errno));
	case EMFILE:
	case ENFILE:
		return thaw_fail(THAW_RESOURCE, "%s: %s: %s: raise the limit of open files (ulimit -n)", what, path,
				 strerror(errno));
	case ENOMEM:
		return thaw_fail(THAW_RESOURCE, "%s: %s: %s", what, path, strerror(errno));
	default:
		return thaw_fail(THAW_IO, "%s: %s: %s", what, path, strerror(errno));
	}
}
