/* Failed system calls on files, as thaw_status. */
#ifndef THAW_SRC_BASE_IO_ERROR_H
#define THAW_SRC_BASE_IO_ERROR_H

#include "thaw/error.h"

/* THAW_IO with the message "what: path: reason", the reason from errno, and a remedy for a full disk and for a limit of
 * file size or open files. THAW_RESOURCE where memory or open files ran out, which is not the file's fault. */
thaw_status thaw_fail_io(const char *what, const char *path);

#endif
