/* Heights and widths, and their texts. */
#include <stdio.h>
#include <stdlib.h>

#include "src/base/minmax.h"
#include "thaw/transform.h"

struct thaw_size thaw_square(int side)
{
	return (struct thaw_size){side, side};
}

bool thaw_size_equal(struct thaw_size a, struct thaw_size b)
{
	return a.height == b.height && a.width == b.width;
}

int thaw_size_shorter(struct thaw_size s)
{
	return min_int(s.height, s.width);
}

int thaw_size_longer(struct thaw_size s)
{
	return max_int(s.height, s.width);
}

size_t thaw_size_floats(struct thaw_size s)
{
	return (size_t)s.height * (size_t)s.width * 3;
}

const char *thaw_size_text(struct thaw_size s, char *text, size_t size)
{
	if (s.height == s.width)
		snprintf(text, size, "%d", s.height);
	else
		snprintf(text, size, "%dx%d", s.height, s.width);
	return text;
}

/* A side, and what follows it. */
static bool read_side(int *side, const char *text, const char **rest)
{
	char *end;
	long value = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : 0;
	if (value < 1 || value > THAW_MAX_SIDE)
		return false;
	*side = (int)value;
	*rest = end;
	return true;
}

bool thaw_size_read(struct thaw_size *s, const char *text)
{
	struct thaw_size read;
	if (!read_side(&read.height, text, &text))
		return false;
	read.width = read.height;
	if (*text == 'x' && !read_side(&read.width, text + 1, &text))
		return false;
	if (*text)
		return false;
	*s = read;
	return true;
}
