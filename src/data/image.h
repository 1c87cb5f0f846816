/* What the image formats and the resampler share; nothing here leaves src/data. */
#ifndef THAW_SRC_DATA_IMAGE_H
#define THAW_SRC_DATA_IMAGE_H

#include <stdbool.h>

#include "thaw/image.h"

/* What the header of a file tells. */
struct image_header {
	int width, height; /* as stored */
	int orientation;   /* EXIF's, 1 .. 8; 1 without one */
};

#define THAW_IMAGE_HEAD 256 /* bytes at the start of a file that decide on its format */

/* One way in which an image is stored. */
struct image_format {
	const char *name;              /* "JPEG" */
	const char *const *extensions; /* with the dot, lower case, ended by NULL */
	/* Whether a file that begins with these bytes is of this format; THAW_IMAGE_HEAD bytes are enough. */
	bool (*recognises)(const uint8_t *bytes, size_t size);
	/* Fills *image with pixels as stored and *orientation with the EXIF orientation 1 .. 8 if the file has one.
	 * On failure the image is as it was. */
	thaw_status (*decode)(struct thaw_image *image, int *orientation, const uint8_t *bytes, size_t size,
			      const char *name);
	/* Both or none: the header, with the bounds checked, and a part of the image. The decoder makes one pixel of
	 * shrink x shrink, shrink 1, 2, 4 or 8; `part` lies in the shrunk image, as stored. */
	thaw_status (*header)(struct image_header *header, const uint8_t *bytes, size_t size, const char *name);
	thaw_status (*decode_part)(struct thaw_image *image, const struct thaw_rectangle *part, int shrink,
				   const uint8_t *bytes, size_t size, const char *name);
};

#define FORMAT(name) extern const struct image_format thaw_image_##name;
#include "src/data/image_formats.h"
#undef FORMAT

/* Whether a file of this name is taken for an image when a folder is listed; case does not matter. */
bool thaw_image_extension(const char *file_name);

/* The name of the image format that a file begins with, of size bytes; NULL when it is none that thaw reads. */
const char *thaw_image_format_name(const uint8_t *bytes, size_t size);

/* What a file that thaw does not read seems to be, for messages: "an AVIF image", "a web page", ...; NULL when the
 * bytes give no hint. */
const char *thaw_image_foreign_name(const uint8_t *bytes, size_t size);

/* THAW_DATA with `name` if an image of width x height is empty or too large. */
thaw_status thaw_image_check_size(int64_t width, int64_t height, const char *name);

/* Pixels for width x height after the bounds are checked; THAW_DATA with `name` when they are not met. */
thaw_status thaw_image_allocate(struct thaw_image *image, int64_t width, int64_t height, const char *name);

/* RGB of one CMYK pixel, as Pillow converts it: 0 is no ink. */
void thaw_rgb_of_cmyk(uint8_t rgb[3], const uint8_t cmyk[4]);

/* Orientation 1 .. 8 of a TIFF block as EXIF embeds it; 1 when there is none or the block is damaged. */
int thaw_exif_orientation(const uint8_t *tiff, size_t size);

/* Turns the image upright, given how EXIF says it was stored. */
thaw_status thaw_image_upright(struct thaw_image *image, int orientation);

/* Where a rectangle of an upright image lies in the stored one, of width x height pixels. */
struct thaw_rectangle thaw_rectangle_as_stored(const struct thaw_rectangle *upright, int orientation, int width,
					       int height);

/* Pixels that someone else owns: pixel (x,y) is at pixels + y * stride + 3 * x. */
struct image_view {
	const uint8_t *pixels;
	int width, height;
	size_t stride; /* bytes */
};

struct image_view thaw_image_view(const struct thaw_image *image);
struct image_view thaw_view_part(const struct image_view *view, struct thaw_rectangle part);

/* The decoder's help with a picture: the largest shrink, 1, 2, 4 or 8, that leaves `part` of it at least `size` pixels
 * wide and high. 1 where the pixels are there already. */
int thaw_encoded_image_shrink(const struct thaw_encoded_image *encoded, const struct thaw_rectangle *part, int size);

/* The size of the picture, upright, once it is shrunk. */
void thaw_encoded_image_shrunk(const struct thaw_encoded_image *encoded, int shrink, int *width, int *height);

/* A part of the shrunk picture, upright. The pixels are the picture's or those of *made, which the caller frees in
 * either case. */
thaw_status thaw_encoded_image_part(const struct thaw_encoded_image *encoded, const struct thaw_rectangle *part,
				    int shrink, struct image_view *view, struct thaw_image *made);

/* `box` of a source resampled to width x height, of which only the rectangle `kept` is computed. */
struct resampling {
	int source_width, source_height;
	double box[4]; /* x, y, width, height in pixels of the source; nothing outside the source is ever read */
	int width, height;
	struct thaw_rectangle kept;
	enum thaw_filter filter;
};

/* How the `count` wanted positions along one axis come from the positions of the source. */
struct axis {
	int count;
	int taps;         /* room for weights of each position */
	int *first;       /* [count] first source position */
	int *used;        /* [count] how many source positions, <= taps */
	int32_t *weights; /* [count][taps] fixed point */
};

/* A resampling worked out, before there are any pixels. */
struct resampler {
	struct axis across, down;
};

thaw_status thaw_resampler_make(struct resampler *s, const struct resampling *r);
void thaw_resampler_free(struct resampler *s);

/* The part of the source that it reads. */
struct thaw_rectangle thaw_resampler_reads(const struct resampler *s);

/* `from` is the part that it reads. Row y of the kept rectangle goes to `to` + y * to_stride bytes. */
thaw_status thaw_resampler_run(const struct resampler *s, uint8_t *to, size_t to_stride, const struct image_view *from);

#endif
