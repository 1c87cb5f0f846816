#include "src/base/text.h"

#include "src/base/minmax.h"

void thaw_text_printable(char *to, size_t size, const char *text, size_t length)
{
	size_t n = min_size(length, size - 1);
	for (size_t i = 0; i < n; i++)
		to[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
	to[n] = '\0';
}
