/* Winograd's transforms for F(4x4,3x3): the 4x4 results of a 3x3 convolution of a 6x6 tile of the image, in 36 products
 * per pair of channels instead of 144 (Lavin and Gray, arXiv 1509.09308).
 *
 *   y = A' [ (G g G') . (B' d B) ] A      d 6x6 image tile, g 3x3 filter, y 4x4 results
 *
 * Over all tiles and channels these are 36 matrix products, one for each element (i,j) of the 6x6 tile. Transformed
 * data is stored in 36 planes: images (plane, tile, channel), filters (plane, Ci, Co).
 *
 * The transforms work on vectors of channels: numbers of channels must be multiples of THAW_VECTOR_WIDTH.
 */
#ifndef THAW_SRC_OPS_KERNELS_WINOGRAD_H
#define THAW_SRC_OPS_KERNELS_WINOGRAD_H

#include "src/ops/kernels/conv.h"
#include "src/ops/kernels/vector.h"

enum {
	WINOGRAD_OUT = 4, /* results of a tile along one axis */
	WINOGRAD_IN = 6,  /* image pixels of a tile along one axis */
	WINOGRAD_PLANES = WINOGRAD_IN * WINOGRAD_IN,
};

/* Tiles [first, first + count) of all images, row by row within an image; planes are `stride` floats apart. */
struct thaw_winograd_tiles {
	int64_t first, count;
	int64_t stride;
};

/* Whether the shape suits Winograd's methods: 3x3, stride 1, channels in whole vectors and not too few. */
bool thaw_winograd_takes(const struct thaw_conv *c);

int64_t thaw_winograd_tiles_of_image(const struct thaw_conv *c);

/* U (36, Ci, Co) = G g G' of weight (3,3,Ci,Co). */
void thaw_winograd_filters(const struct thaw_conv *c, const float *weight, float *u);
/* dweight += G' dU G. */
void thaw_winograd_filter_gradient(const struct thaw_conv *c, const float *du, float *dweight);

/* V (36, tile, Ci) = B' d B of x (n,h,w,Ci). */
void thaw_winograd_image(const struct thaw_conv *c, const float *x, struct thaw_winograd_tiles tiles, float *v);
/* y (n,ho,wo,Co) = epilogue(A' M A) of M (36, tile, Co). */
void thaw_winograd_result(const struct thaw_conv *c, const float *m, struct thaw_winograd_tiles tiles,
			  const struct thaw_conv_epilogue *epilogue, float *y);
/* Z (36, tile, Co) = A dy A' of dy (n,ho,wo,Co): the transpose of the step from M to y. */
void thaw_winograd_result_gradient(const struct thaw_conv *c, const float *dy, struct thaw_winograd_tiles tiles,
				   float *z);

#endif
