/* What the image formats and the resampler share; nothing here leaves src/data. */
#ifndef THAW_SRC_DATA_IMAGE_H
#define THAW_SRC_DATA_IMAGE_H

#include <stdbool.h>

#include "thaw/image.h"

/* One way in which an image is stored. */
struct image_format {
	const char *const *extensions; /* with the dot, lower case, ended by NULL */
	const uint8_t *magic;          /* the bytes that every file of this format starts with */
	size_t magic_size;
	/* Fills *image with pixels as stored and *orientation with the EXIF orientation 1 .. 8 if the file has one.
	 * On failure the image is as it was. */
	thaw_status (*decode)(struct thaw_image *image, int *orientation, const uint8_t *bytes, size_t size,
			      const char *name);
};

#define FORMAT(name) extern const struct image_format thaw_image_##name;
#include "src/data/image_formats.h"
#undef FORMAT

/* Whether a file of this name is taken for an image when a folder is listed; case does not matter. */
bool thaw_image_extension(const char *file_name);

/* Pixels for width x height after the bounds are checked; THAW_DATA with `name` when they are not met. */
thaw_status thaw_image_allocate(struct thaw_image *image, int64_t width, int64_t height, const char *name);

/* Orientation 1 .. 8 of a TIFF block as EXIF embeds it; 1 when there is none or the block is damaged. */
int thaw_exif_orientation(const uint8_t *tiff, size_t size);

/* Turns the image upright, given how EXIF says it was stored. */
thaw_status thaw_image_upright(struct thaw_image *image, int orientation);

/* Pixels that someone else owns: pixel (x,y) is at pixels + y * stride + 3 * x. */
struct image_view {
	const uint8_t *pixels;
	int width, height;
	size_t stride; /* bytes */
};

struct image_view thaw_image_view(const struct thaw_image *image);

/* `from.box` resampled to width x height, of which only the rectangle at (left, top) of to->width x to->height
 * is computed, into memory that the caller provides in to->pixels. Nothing outside `from` is ever read. */
struct resampling {
	struct image_view from;
	double box[4]; /* x, y, width, height in pixels of `from` */
	int width, height;
	int left, top;
	enum thaw_filter filter;
};

thaw_status thaw_resample(struct thaw_image *to, const struct resampling *r);

#endif
