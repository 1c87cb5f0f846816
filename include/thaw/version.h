/* The version of this header and of the library. The one place where the number is written: the Makefile reads it here.
 */
#ifndef THAW_VERSION_H
#define THAW_VERSION_H

#include "thaw/api.h"

THAW_BEGIN_DECLS

#define THAW_VERSION_MAJOR 0
#define THAW_VERSION_MINOR 1
#define THAW_VERSION_PATCH 0

#define THAW_VERSION_TEXT_(major, minor, patch) #major "." #minor "." #patch
#define THAW_VERSION_TEXT(major, minor, patch)  THAW_VERSION_TEXT_(major, minor, patch)

/* The version compiled against, "0.1.0". */
#define THAW_VERSION THAW_VERSION_TEXT(THAW_VERSION_MAJOR, THAW_VERSION_MINOR, THAW_VERSION_PATCH)

/* The version of the library that the program runs with, "0.1.0". Static storage. */
const char *thaw_version(void);

/* The same with a digest of the library's code, "0.1.0 (build 0123456789abcdef)". Equal sources, compilers and flags
 * give equal digests, in whatever folder. Only equal builds are sure to compute the same bits. Static storage. */
const char *thaw_build(void);

THAW_END_DECLS

#endif
