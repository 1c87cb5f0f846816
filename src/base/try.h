/* Passing failures on to the caller. */
#ifndef THAW_SRC_BASE_TRY_H
#define THAW_SRC_BASE_TRY_H

#include "thaw/error.h"

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

#endif
