/* Arrays that grow by one element at a time. */
#ifndef THAW_SRC_BASE_GROW_H
#define THAW_SRC_BASE_GROW_H

#include <stddef.h>

/* Makes room for one more element in an array of `count`. Returns the array, or a larger copy, after which the old one
 * is freed. NULL with THAW_RESOURCE recorded when memory is short; the old array then is unchanged. */
void *thaw_grow(void *array, int count, size_t size);

#endif
