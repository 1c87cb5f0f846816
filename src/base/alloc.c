/* Memory that is aligned for vectors and zeroed, and what is made in it: copies of text, digests.
 *
 * posix_memalign keeps the exact size, so that AddressSanitizer sees a read one byte too far. */
#include "thaw/tensor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void *thaw_alloc(size_t count, size_t size)
{
	size_t bytes;
	void *p = NULL;
	if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX ||
	    posix_memalign(&p, THAW_ALIGNMENT, bytes ? bytes : 1) != 0) {
		thaw_fail(THAW_RESOURCE, "out of memory: %zu x %zu bytes: use a smaller batch or more nodes", count,
			  size);
		return NULL;
	}
	return memset(p, 0, bytes);
}

void thaw_free(void *p)
{
	free(p);
}

char *thaw_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = thaw_alloc(size, 1);
	return copy ? memcpy(copy, text, size) : NULL;
}

char *thaw_format(const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	char *text = NULL;
	if (length < 0)
		thaw_fail(THAW_RESOURCE, "a text cannot be formatted: %s", format);
	else if ((text = thaw_alloc((size_t)length + 1, 1)) != NULL)
		vsnprintf(text, (size_t)length + 1, format, again);
	va_end(again);
	return text;
}

uint64_t thaw_digest(const void *data, size_t bytes, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, bytes, seed);
}
