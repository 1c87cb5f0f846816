#include "src/base/grow.h"

#include <string.h>

#include "thaw/memory.h"

/* Arrays grow by doubling: they are full at 0 and at every power of two. */
void *thaw_grow(void *array, int count, size_t size)
{
	if (count != 0 && (count & (count - 1)) != 0)
		return array;
	void *larger = thaw_alloc(count ? 2 * (size_t)count : 1, size);
	if (larger && array) {
		memcpy(larger, array, (size_t)count * size);
		thaw_free(array);
	}
	return larger;
}
