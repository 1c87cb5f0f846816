/* Text from files that are not trusted: what may appear on a terminal. */
#include "src/base/text.h"

void thaw_text_printable(char *to, size_t size, const char *text, size_t length)
{
	size_t n = length < size - 1 ? length : size - 1;
	for (size_t i = 0; i < n; i++)
		to[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
	to[n] = '\0';
}
