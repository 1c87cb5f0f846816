#include "src/base/io_error.h"

#include <string.h>

static const char *remedy(int number)
{
	if (thaw_is_full(number))
		return ": free some space or choose another folder";
	return number == EFBIG ? ": raise the limit of the shell (ulimit -f)" : "";
}

thaw_status thaw_fail_io(const char *what, const char *path)
{
	int number = errno;
	thaw_fail(THAW_IO, "%s: %s: %s%s", what, path, strerror(number), remedy(number));
	thaw_set_failed_errno(number);
	return THAW_IO;
}
