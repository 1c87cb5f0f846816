/* Errors: how every function of the library reports failure.
 *
 * A function that can fail returns `thaw_status`: THAW_OK (0) or a reason whose value is the exit
 * code of the program (sysexits.h). The text that goes with it is kept per thread, and stays until
 * the next failure on that thread:
 *
 *     if (thaw_graph_infer(g, shape) != THAW_OK) puts(thaw_error_message());
 *
 * On failure, output arguments are untouched unless a function says otherwise, and nothing that the
 * function allocated is left behind.
 */
#ifndef THAW_ERROR_H
#define THAW_ERROR_H

#include "thaw/api.h"

THAW_BEGIN_DECLS

typedef enum thaw_status {
	THAW_OK = 0,
	THAW_USAGE = 64,      /* a command line that cannot be meant */
	THAW_DATA = 65,       /* damaged or unusable input: image, model, checkpoint */
	THAW_SOFTWARE = 70,   /* a broken invariant of the library: always a bug */
	THAW_RESOURCE = 71,   /* memory, threads or the message layer refused */
	THAW_IO = 74,         /* a read or write failed: missing file, full disk */
	THAW_UNFINISHED = 75, /* the state is saved and the job is to be run again */
	THAW_CONFIG = 78,     /* valid words that do not fit together or this machine */
} thaw_status;

/* Records a message in the form "what went wrong: file or flag: what to do" and returns `status`.
 * Messages longer than 1 KiB are cut. Never fails itself. */
thaw_status thaw_fail(thaw_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts context in front of the recorded message, "context: message", and returns `status`, so that
 * a caller can write `return thaw_fail_in(status, "%s", path);`. */
thaw_status thaw_fail_in(thaw_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The last message recorded on this thread, "" when there is none. Owned by the thread. */
const char *thaw_error_message(void);

/* Returns from the calling function with the status of `call` unless it is THAW_OK. */
#define THAW_TRY(call)                            \
	do {                                      \
		thaw_status try_status_ = (call); \
		if (try_status_ != THAW_OK)       \
			return try_status_;       \
	} while (0)

/* Jumps to the function's `out:` label with `status` set unless `call` is THAW_OK. */
#define THAW_TRY_OUT(call)                        \
	do {                                      \
		if ((status = (call)) != THAW_OK) \
			goto out;                 \
	} while (0)

THAW_END_DECLS

#endif
