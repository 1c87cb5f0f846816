/* Aligned memory, and text in it. */
#ifndef THAW_MEMORY_H
#define THAW_MEMORY_H

#include <stddef.h>

#include "thaw/api.h"

THAW_BEGIN_DECLS

#define THAW_ALIGNMENT 64 /* bytes: a cache line, and an AVX-512 vector */

/* Zeroed memory of count * size bytes, aligned to THAW_ALIGNMENT. NULL with THAW_RESOURCE recorded when memory is short
 * or the product overflows; never NULL for a count of 0. */
void *thaw_alloc(size_t count, size_t size);
void thaw_free(void *p); /* NULL is fine */

/* A copy of the text in memory from thaw_alloc. NULL as above. */
char *thaw_strdup(const char *text);
/* printf into memory from thaw_alloc. NULL as above. */
char *thaw_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

THAW_END_DECLS

#endif
