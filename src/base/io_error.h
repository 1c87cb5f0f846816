/* Failed system calls on files, as thaw_status. */
#ifndef THAW_SRC_BASE_IO_ERROR_H
#define THAW_SRC_BASE_IO_ERROR_H

#include <errno.h>
#include <stdbool.h>

#include "thaw/error.h"

/* THAW_IO with the message "what: path: reason", the reason from errno, and a remedy for a full disk and for a limit of
 * file size or open files. THAW_RESOURCE where memory or open files ran out, which is not the file's fault. */
thaw_status thaw_fail_io(const char *what, const char *path);

/* The errno of the last failure on this thread if thaw_fail_io reported it, else 0. thaw_fail_in keeps it. */
int thaw_failed_errno(void);
void thaw_set_failed_errno(int number); /* by thaw_fail_io */

/* Whether the reason is a full disk or an exhausted quota: another attempt may succeed when space has been freed. */
static inline bool thaw_is_full(int number)
{
	return number == ENOSPC || number == EDQUOT;
}

#endif
