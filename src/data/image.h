/* Shared by the image formats and the resampler. Internal to src/data. */
#ifndef THAW_SRC_DATA_IMAGE_H
#define THAW_SRC_DATA_IMAGE_H

#include <stdbool.h>

#include "thaw/image.h"

/* The header of an image file. */
struct image_header {
	int width, height; /* as stored, before the orientation is applied */
	int orientation;   /* EXIF or XMP, 1 .. 8; 1 if there is none */
};

#define THAW_IMAGE_HEAD 256 /* bytes at the start of a file that decide its format */

/* An image format: one file in src/data and one line in image_formats.h. */
struct image_format {
	const char *name;              /* "JPEG" */
	const char *const *extensions; /* lower case, with the dot; NULL-terminated */
	/* Whether a file that begins with these bytes has this format; at most THAW_IMAGE_HEAD bytes are needed. */
	bool (*detect)(const uint8_t *bytes, size_t size);
	/* Decodes the whole image as stored; sets *orientation if the file has one. */
	thaw_status (*decode)(struct thaw_image *image, int *orientation, const uint8_t *bytes, size_t size,
			      const char *name);
	/* Optional, both or neither: reads the header and checks the size; decodes a region. With `shrink` 1, 2, 4 or 8
	 * the decoder makes one pixel from shrink x shrink; `region` is in pixels of the shrunk image as stored. */
	thaw_status (*header)(struct image_header *header, const uint8_t *bytes, size_t size, const char *name);
	thaw_status (*decode_region)(struct thaw_image *image, const struct thaw_rectangle *region, int shrink,
				     const uint8_t *bytes, size_t size, const char *name);
	/* Optional: whether the pixels of an undamaged file are stored as inks. */
	bool (*is_cmyk)(const uint8_t *bytes, size_t size);
};

#define FORMAT(name) extern const struct image_format thaw_image_##name;
#include "src/data/image_formats.h"
#undef FORMAT

/* Whether the file name has the extension of an image format; case is ignored. */
bool thaw_image_extension(const char *file_name);

/* Name of the format of a file that begins with bytes[size]; NULL if thaw does not read it. */
const char *thaw_image_format_name(const uint8_t *bytes, size_t size);

/* Name, for messages, of a common kind of file that thaw does not read: "an AVIF image", "a web page"; NULL if the
 * bytes match none. */
const char *thaw_image_foreign_name(const uint8_t *bytes, size_t size);

/* Whether the file name has the extension of a camera's raw format. Many of these are TIFF files whose first page is a
 * thumbnail. */
bool thaw_image_raw_extension(const char *file_name);

/* THAW_DATA if an image of width x height is empty or too large; `name` is for the message. */
thaw_status thaw_image_check_size(int64_t width, int64_t height, const char *name);

/* Checks the size and allocates the pixels, zeroed. */
thaw_status thaw_image_allocate(struct thaw_image *image, int64_t width, int64_t height, const char *name);

/* RGB of one CMYK pixel (0: no ink), as Pillow converts it. */
void thaw_rgb_of_cmyk(uint8_t rgb[3], const uint8_t cmyk[4]);

/* The orientation, 1 .. 8, in a block of EXIF data, with or without the prefix "Exif"; 0 if there is none or the block
 * is damaged; 1 if its value is not valid. */
int thaw_exif_orientation(const uint8_t *tiff, size_t size);

/* The orientation, 1 .. 8, in XMP text; 0 if there is none; 1 if its value is not valid. */
int thaw_xmp_orientation(const void *text, size_t size);

/* The orientation of an image, from the two above: EXIF goes before XMP; 1 without both. */
int thaw_orientation(int exif, int xmp);

/* Turns a stored image of this EXIF orientation upright, in place. */
thaw_status thaw_image_upright(struct thaw_image *image, int orientation);

/* Maps a rectangle of the upright image to the stored image of width x height pixels. */
struct thaw_rectangle thaw_rectangle_as_stored(const struct thaw_rectangle *upright, int orientation, int width,
					       int height);

/* Pixels of an image or of a region of it. */
struct image_view {
	const uint8_t *pixels;
	int width, height;
	size_t stride; /* bytes from row to row */
};

struct image_view thaw_image_view(const struct thaw_image *image);
struct image_view thaw_view_region(const struct image_view *view, struct thaw_rectangle region);

/* The largest shrink (1, 2, 4 or 8) that leaves `region` at least width x height pixels; 1 if the pixels are already
 * decoded. */
int thaw_encoded_image_max_shrink(const struct thaw_encoded_image *encoded, const struct thaw_rectangle *region,
				  int width, int height);

/* The size of the upright image after shrinking. */
void thaw_encoded_image_shrunk_size(const struct thaw_encoded_image *encoded, int shrink, int *width, int *height);

/* A region of the shrunk upright image. *view points into `encoded` or into *decoded, which the caller frees after use;
 * *decoded is set also on failure. */
thaw_status thaw_encoded_image_decode_region(const struct thaw_encoded_image *encoded,
					     const struct thaw_rectangle *region, int shrink, struct image_view *view,
					     struct thaw_image *decoded);

/* The resampling of a box of the source to width x height, of which only the rectangle `output` is computed. */
struct resampling {
	int source_width, source_height;
	double box[4]; /* x, y, width, height in pixels of the source; pixels outside the source are never read */
	int width, height;
	struct thaw_rectangle output;
	enum thaw_filter filter;
};

/* The filter along one axis: output position i is the sum of tap_count[i] source positions from first[i] on. */
struct axis {
	int count; /* output positions */
	int max_taps;
	int *first;       /* [count] */
	int *tap_count;   /* [count], at most max_taps */
	int32_t *weights; /* [count][max_taps] fixed point */
};

/* The filters of a resampling; independent of the pixels. */
struct resampler {
	struct axis across, down;
};

thaw_status thaw_resampler_init(struct resampler *s, const struct resampling *r);
void thaw_resampler_free(struct resampler *s);

/* The region of the source that thaw_resampler_run reads. */
struct thaw_rectangle thaw_resampler_region(const struct resampler *s);

/* Resamples `from`, which is that region, and writes row y of the output rectangle to `to` + y * to_stride bytes. */
thaw_status thaw_resampler_run(const struct resampler *s, uint8_t *to, size_t to_stride, const struct image_view *from);

#endif
