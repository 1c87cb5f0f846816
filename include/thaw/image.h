/* Images: decoding and resampling. */
#ifndef THAW_IMAGE_H
#define THAW_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "thaw/error.h"

#define THAW_MAX_IMAGE_PIXELS (178956970LL) /* 2^31 / 12: where Pillow calls it a decompression bomb */

/* Upright (EXIF orientation applied), 8-bit RGB, rows without padding: pixels[height][width][3]. */
struct thaw_image {
	int width, height;
	uint8_t *pixels; /* from thaw_alloc */
};

void thaw_image_free(struct thaw_image *image); /* zeroed is fine */

/* Decodes a JPEG or PNG found by its first bytes (table in src/data/image_formats.h), whatever its name says.
 * THAW_DATA for anything damaged, truncated, too large or unknown; `name` is for the message. */
thaw_status thaw_image_decode(struct thaw_image *image, const void *bytes, size_t size, const char *name);

enum thaw_filter { THAW_BILINEAR, THAW_BICUBIC };

/* Resamples the box (x, y, width, height of `from`, in pixels, may be fractional) to width x height,
 * with antialiasing, bit for bit as Pillow's Image.resize does on 8-bit images when it resamples columns before
 * rows. (Pillow 13 takes rows first for some sizes; then a few values differ by one level.) */
thaw_status thaw_image_resize(struct thaw_image *to, const struct thaw_image *from, const double box[4], int width,
                              int height, enum thaw_filter filter);

#endif
