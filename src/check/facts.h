/* What is measured of one image. */
#ifndef THAW_SRC_CHECK_FACTS_H
#define THAW_SRC_CHECK_FACTS_H

#include "src/check/perceptual_hash.h"
#include "thaw/dataset.h"

enum thaw_reading {
	THAW_READ,
	THAW_READ_DAMAGED,
	THAW_READ_EMPTY,
	THAW_READ_FOREIGN,
	THAW_READ_FAILED, /* an I/O error */
};

struct thaw_image_facts {
	uint64_t bytes, pixels;            /* digests of the stored bytes, and of size and pixels; 0: unknown */
	uint64_t hash[THAW_HASH_VIEWS];    /* perceptual hashes; hash[0] of the whole image */
	int32_t width, height;             /* upright */
	float dark;                        /* luminance that 99 % of the pixels do not exceed, 0 .. 1 */
	float light;                       /* luminance that 95 % of the pixels reach, 0 .. 1 */
	float contrast;                    /* standard deviation of the luminance, 0 .. 1 */
	float information;                 /* entropy of the luminance, in bits per pixel, 0 .. 8 */
	float sharpness;                   /* mean absolute Laplacian divided by the contrast; 0: no contrast */
	uint8_t reading;                   /* enum thaw_reading; if not THAW_READ, no other member is set */
	bool misnamed, cmyk, turned, grey; /* grey: no pixel has a colour that is visible */
};

/* Reads and measures an image. Images that cannot be read are no failure: only a lack of memory is. */
thaw_status thaw_measure_image(const struct thaw_dataset *dataset, int64_t sample, void *facts);

/* Why an image cannot be read now; memory from thaw_alloc. NULL without memory. */
char *thaw_reading_message(const struct thaw_dataset *dataset, int64_t sample);

#endif
