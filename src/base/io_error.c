#include "src/base/io_error.h"

#include <string.h>

static const char *remedy(int number)
{
	if (thaw_is_full(number))
		return ": free some space or choose another folder";
	if (number == EMFILE || number == ENFILE)
		return ": raise the limit of open files (ulimit -n)";
	return number == EFBIG ? ": raise the limit of the shell (ulimit -f)" : "";
}

thaw_status thaw_fail_io(const char *what, const char *path)
{
	int number = errno;
	thaw_status status = number == EMFILE || number == ENFILE || number == ENOMEM ? THAW_RESOURCE : THAW_IO;
	thaw_fail(status, "%s: %s: %s%s", what, path, strerror(number), remedy(number));
	thaw_set_failed_errno(number);
	return status;
}
