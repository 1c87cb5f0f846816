/* Heat maps: the scores of a class over an image, as a picture. */
#ifndef THAW_HEATMAP_H
#define THAW_HEATMAP_H

#include "thaw/api.h"
#include "thaw/image.h"
#include "thaw/transform.h"

THAW_BEGIN_DECLS

/* A grid of values over the square that a network sees. */
struct thaw_heatmap {
	int height, width;
	int64_t reach[2];   /* see struct thaw_grid: where the values are */
	const float *value; /* [height][width] */
};

/* Makes a picture of the whole image, at most 1024 and at least 256 pixels on its longer side, with the map over the
 * part that thaw_transform_eval crops for the network: values between those of the map are interpolated linearly; its
 * smallest one is black and its largest one yellow, in colours of rising lightness. What the network does not see is
 * grey. The caller frees *picture with thaw_image_free. Returns THAW_DATA if the image is damaged. */
thaw_status thaw_heatmap_draw(struct thaw_image *picture, const struct thaw_encoded_image *image,
			      const struct thaw_preprocess *p, const struct thaw_heatmap *map);

/* Writes a PNG file. Atomic. Returns THAW_IO if it cannot be written. */
thaw_status thaw_image_write_png(const struct thaw_image *image, const char *path);

THAW_END_DECLS

#endif
