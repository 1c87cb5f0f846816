/* Arrays that grow by one element at a time. */
#ifndef THAW_SRC_BASE_GROW_H
#define THAW_SRC_BASE_GROW_H

#include <stddef.h>

/* Room for one more element in an array of `count`: the array itself, or a larger one that took its
 * place (the old one is released). NULL without memory; the old one then stays. */
void *thaw_grow(void *array, int count, size_t size);

#endif
