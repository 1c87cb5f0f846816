/* Aligned and zeroed memory, and text in it.
 *
 * posix_memalign keeps the exact size, so that AddressSanitizer detects a read one byte beyond the end. Large blocks
 * are zeroed by returning their pages to the system, which provides zeroed pages on first access. So the memory of a
 * network whose weights are read from a file grows as they are read. */
#include "thaw/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "thaw/error.h"

#define LARGE ((size_t)32 << 20) /* bytes; malloc maps each such block from the system separately */

static void zero(char *p, size_t bytes)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t first = -(uintptr_t)p % page, pages = bytes < LARGE ? 0 : (bytes - first) / page * page;
	if (pages == 0 || madvise(p + first, pages, MADV_DONTNEED) != 0) { /* refused for locked memory */
		memset(p, 0, bytes);
		return;
	}
	memset(p, 0, first);
	memset(p + first + pages, 0, bytes - first - pages);
}

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
	zero(p, bytes);
	return p;
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
		thaw_fail(THAW_RESOURCE, "cannot format text: %s", format);
	else if ((text = thaw_alloc((size_t)length + 1, 1)) != NULL)
		vsnprintf(text, (size_t)length + 1, format, again);
	va_end(again);
	return text;
}
