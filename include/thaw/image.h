/* Images: decoding a whole image or a region of it, and resampling. */
#ifndef THAW_IMAGE_H
#define THAW_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thaw/api.h"
#include "thaw/error.h"
#include "thaw/fingerprint.h"

THAW_BEGIN_DECLS

#define THAW_MAX_IMAGE_PIXELS (178956970LL) /* 2^31 / 12: Pillow's limit for decompression bombs */

/* Upright (EXIF orientation applied), 8-bit RGB, rows without padding: pixels[height][width][3]. */
struct thaw_image {
	int width, height;
	uint8_t *pixels; /* from thaw_alloc */
};

void thaw_image_free(struct thaw_image *image); /* zeroed is fine */

/* Decodes an image file. The format is detected from the content (src/data/image_formats.h lists them), not from the
 * name. Returns THAW_DATA if the image is damaged, truncated, too large or of an unknown format. `name` is for the
 * message. The caller frees *image with thaw_image_free. */
thaw_status thaw_image_decode(struct thaw_image *image, const void *bytes, size_t size, const char *name);

/* What an image is that cannot be decoded, by the message of the failure. */
enum thaw_image_fault {
	THAW_FAULT_DAMAGED,
	THAW_FAULT_EMPTY,   /* a file of no bytes */
	THAW_FAULT_FOREIGN, /* not an image, or one of a format that thaw does not read */
};
enum thaw_image_fault thaw_image_fault(const char *message);

/* Whether the file that begins with bytes[size] has an image format that thaw reads. */
bool thaw_image_recognised(const void *bytes, size_t size);

/* A rectangle of pixels. */
struct thaw_rectangle {
	int left, top, width, height;
};

struct image_format;

/* An image of known size whose pixels may not be decoded yet. Transforms choose their crop first, so that only the crop
 * is decoded. Made by one of the two functions below; the members are read-only for the caller. */
struct thaw_encoded_image {
	int width, height;       /* upright */
	struct thaw_image image; /* the pixels, if they are decoded; otherwise the file: */
	void *bytes;             /* [size] */
	size_t size;
	const struct image_format *format;
	int orientation;                     /* EXIF, 1 .. 8; `image` is upright already */
	const char *name;                    /* for messages */
	struct thaw_fingerprint fingerprint; /* of the stored bytes; set by a dataset's `read`, else zero */
};

/* Reads the header of a JPEG; decodes files of other formats. Takes ownership of `bytes` (from thaw_alloc), also on
 * failure; `name` must stay valid as long as the encoded image. Fails like thaw_image_decode. Damage after the header
 * of a JPEG is reported when pixels are decoded; damage below the decoded region may go unnoticed, but a missing
 * end-of-image marker never does. */
thaw_status thaw_encoded_image_open(struct thaw_encoded_image *encoded, void *bytes, size_t size, const char *name);

/* Decodes all pixels into encoded->image, if they are not there yet: width and height are theirs, since the orientation
 * is applied. THAW_DATA if the image is damaged anywhere. */
thaw_status thaw_encoded_image_decode(struct thaw_encoded_image *encoded);

/* What the file of an encoded image is, apart from its pixels. */
struct thaw_image_kind {
	const char *format; /* "JPEG"; NULL: the image is not a file of its own, and no other member is set */
	bool misnamed;      /* the name has the extension of another image format */
	bool cmyk;          /* the pixels are stored as inks */
	bool turned;        /* the orientation, in EXIF or XMP, says that the picture is to be turned or mirrored */
};
struct thaw_image_kind thaw_encoded_image_kind(const struct thaw_encoded_image *encoded, const char *name);

/* Wraps a decoded image, of which it takes ownership. */
struct thaw_encoded_image thaw_encoded_image_from_pixels(struct thaw_image image);

void thaw_encoded_image_free(struct thaw_encoded_image *encoded); /* zeroed is fine */

/* Pillow's filters. */
enum thaw_filter { THAW_BILINEAR, THAW_BICUBIC, THAW_NEAREST, THAW_BOX, THAW_HAMMING, THAW_LANCZOS };

const char *thaw_filter_name(enum thaw_filter filter); /* "bilinear", ... */

/* The filter of this name. Returns false, and leaves *filter unchanged, if there is none. */
bool thaw_filter_find(const char *name, enum thaw_filter *filter);

/* Resamples a box (x, y, width, height; pixels of `from`, may be fractional) to width x height with antialiasing. The
 * result has the same bits as Pillow's Image.resize on 8-bit images when it resamples columns before rows. (Pillow 13
 * resamples rows first for some sizes; then a few values differ by one.) Returns THAW_SOFTWARE if the box exceeds the
 * image. The caller frees *to with thaw_image_free. */
thaw_status thaw_image_resize(struct thaw_image *to, const struct thaw_image *from, const double box[4], int width,
			      int height, enum thaw_filter filter);

THAW_END_DECLS

#endif
