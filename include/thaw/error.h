/* Errors: how every function of the library reports failure.
 *
 * A function that can fail returns `thaw_status`: THAW_OK (0) or a reason. The values are those of sysexits.h, and the
 * exit codes of the program. The message is stored per thread and stays valid until the next failure on that thread:
 *
 *     if (thaw_graph_infer(g, shape) != THAW_OK) puts(thaw_error_message());
 *
 * On failure, output arguments are unchanged unless a function says otherwise, and the function has freed whatever it
 * allocated.
 */
#ifndef THAW_ERROR_H
#define THAW_ERROR_H

#include "thaw/api.h"

THAW_BEGIN_DECLS

typedef enum thaw_status {
	THAW_OK = 0,
	THAW_USAGE = 64,      /* invalid usage: an unknown word or a value out of range */
	THAW_DATA = 65,       /* damaged or unusable input: image, model, checkpoint */
	THAW_SOFTWARE = 70,   /* a broken invariant: a bug, of the library or of its caller */
	THAW_RESOURCE = 71,   /* memory, a thread or MPI is not available */
	THAW_IO = 74,         /* a read or write failed: missing file, full disk */
	THAW_UNFINISHED = 75, /* stopped on request; the state is saved: run the job again */
	THAW_CONFIG = 78,     /* valid values that do not fit each other or this machine */
} thaw_status;

/* Records a message in the form "what went wrong: file or flag: what to do" and returns `status`.
 * Messages are one line of at most 1 KiB: longer ones are cut, and control characters and bytes that are not UTF-8,
 * which names of files may have, are replaced by question marks. Cannot fail. */
thaw_status thaw_fail(thaw_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prepends context to the recorded message, "context: message", and returns `status`:
 * `return thaw_fail_in(status, "%s", path);`. */
thaw_status thaw_fail_in(thaw_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The last message recorded on this thread, "" when there is none. Memory of the library. */
const char *thaw_error_message(void);

THAW_END_DECLS

#endif
