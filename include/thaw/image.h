/* Images: decoding, of the whole or of a part, and resampling. */
#ifndef THAW_IMAGE_H
#define THAW_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "thaw/api.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

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

/* A rectangle of pixels. */
struct thaw_rectangle {
	int left, top, width, height;
};

struct image_format;

/* An image whose size is known and whose pixels may still have to be decoded: transforms choose their crop first and
 * have only that decoded. Made by one of the two functions below. */
struct thaw_encoded_image {
	int width, height;       /* upright */
	struct thaw_image image; /* the pixels where they are there already; else the file: */
	void *bytes;             /* [size] */
	size_t size;
	const struct image_format *format;
	int orientation;  /* EXIF's */
	const char *name; /* for messages */
};

/* Reads the header of a JPEG, or decodes a PNG. `bytes`, from thaw_alloc, are the picture's from here on, also when
 * this fails; `name` must live as long as the encoded image. Fails like thaw_image_decode. A JPEG that is damaged
 * behind its header is refused when pixels are wanted; damage below them may pass, but a file without its end mark
 * never does. */
thaw_status thaw_encoded_image_open(struct thaw_encoded_image *encoded, void *bytes, size_t size, const char *name);

/* The picture of an image, which it takes over. */
struct thaw_encoded_image thaw_encoded_image_of(struct thaw_image image);

void thaw_encoded_image_free(struct thaw_encoded_image *encoded); /* zeroed is fine */

enum thaw_filter { THAW_BILINEAR, THAW_BICUBIC };

/* Resamples the box (x, y, width, height of `from`, in pixels, may be fractional) to width x height,
 * with antialiasing, bit for bit as Pillow's Image.resize does on 8-bit images when it resamples columns before
 * rows. (Pillow 13 takes rows first for some sizes; then a few values differ by one level.) */
thaw_status thaw_image_resize(struct thaw_image *to, const struct thaw_image *from, const double box[4], int width,
			      int height, enum thaw_filter filter);

THAW_END_DECLS

#endif
