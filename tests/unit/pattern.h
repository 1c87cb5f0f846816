/* The image that tests/golden/make_resize.py resizes: noise and bands with hard edges. */
#ifndef THAW_TESTS_UNIT_PATTERN_H
#define THAW_TESTS_UNIT_PATTERN_H

#include "thaw/image.h"
#include "thaw/memory.h"

static inline struct thaw_image pattern(int width, int height)
{
	uint32_t n = (uint32_t)width * (uint32_t)height * 3;
	struct thaw_image image = {.width = width, .height = height, .pixels = thaw_alloc(n, 1)};
	for (uint32_t i = 0; i < n && image.pixels; i++)
		image.pixels[i] = (uint8_t)(i / 1000 % 2 == 0 ? i * 2654435761u >> 24 : i / 97 % 3 * 127);
	return image;
}

#endif
