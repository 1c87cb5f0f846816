#include "src/base/text.h"

#include <stdbool.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/utf8.h"

void thaw_text_printable(char *to, size_t size, const char *text, size_t length)
{
	size_t n = min_size(length, size - 1);
	for (size_t i = 0; i < n; i++)
		to[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
	to[n] = '\0';
}

/* The code of a well-formed UTF-8 sequence of at most three bytes; 0 for longer ones, none of which is a control. */
static uint32_t code_point(const unsigned char *u, size_t length)
{
	switch (length) {
	case 1:
		return u[0];
	case 2:
		return (uint32_t)(u[0] & 0x1F) << 6 | (u[1] & 0x3F);
	case 3:
		return (uint32_t)(u[0] & 0x0F) << 12 | (uint32_t)(u[1] & 0x3F) << 6 | (u[2] & 0x3F);
	default:
		return 0;
	}
}

size_t thaw_text_control(const char *text, uint32_t *code)
{
	/* First and last code point. */
	static const uint32_t controls[][2] = {{0x01, 0x1F},     {0x7F, 0x9F},     {0x061C, 0x061C},
					       {0x200E, 0x200F}, {0x2028, 0x202E}, {0x2066, 0x2069}};
	size_t length = thaw_utf8_length(text);
	*code = code_point((const unsigned char *)text, length);
	for (size_t i = 0; i < sizeof(controls) / sizeof(*controls); i++)
		if (*code >= controls[i][0] && *code <= controls[i][1])
			return length;
	return 0;
}

char *thaw_text_clean(char *text, const char *keep)
{
	char *to = text;
	for (const char *from = text; *from;) {
		uint32_t code;
		size_t length = thaw_utf8_length(from);
		if (length == 0 || (thaw_text_control(from, &code) && !(length == 1 && strchr(keep, *from)))) {
			*to++ = '?';
			from += length ? length : 1;
			continue;
		}
		memmove(to, from, length);
		to += length;
		from += length;
	}
	*to = '\0';
	return text;
}
