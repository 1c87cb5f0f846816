/* Shared by the passes of the depthwise convolution: bands of rows, computed for one vector of channels at a time. */
#ifndef THAW_SRC_OPS_KERNELS_CONV_DEPTHWISE_H
#define THAW_SRC_OPS_KERNELS_CONV_DEPTHWISE_H

#include "src/base/minmax.h"
#include "src/base/multiversion.h"
#include "src/ops/kernels/conv.h"
#include "src/ops/kernels/vector.h"

enum {
	LINE = THAW_VECTOR_WIDTH * sizeof(float), /* bytes of a vector, which is a cache line */
	VECTOR_BAND_BYTES = 32 << 10, /* size of one vector of channels in a band: fits the first-level cache */
	BAND_BYTES = 256 << 10,       /* size of all channels in a band: fits the second-level cache */
};

/* The first `width` channels; the others are 0. */
THAW_INLINE void load_channels(thaw_vec *v, const float *from, int64_t width)
{
	if (width == THAW_VECTOR_WIDTH) {
		*v = *(const thaw_vec *)from;
		return;
	}
	*v = (thaw_vec){0};
	for (int64_t i = 0; i < width; i++)
		(*v)[i] = from[i];
}

/* Rows of output in a band, each of which takes vector_bytes for one vector of channels and row_bytes for all. */
static inline int64_t band_rows(int64_t vector_bytes, int64_t row_bytes)
{
	return max_int64(1, min_int64(VECTOR_BAND_BYTES / vector_bytes, BAND_BYTES / row_bytes));
}

/* First channel of the vector for channels from `from` on. The last vector overlaps the one before it, if there is one,
 * so that it is whole. */
static inline int64_t vector_begin(int64_t channels, int64_t from)
{
	return max_int64(0, min_int64(from, channels - THAW_VECTOR_WIDTH));
}

/* Adds to dweight; does not use the buffer. */
void thaw_depthwise_weight(const struct thaw_conv *c, const float *x, const float *dy, float *dweight, void *buffer);

#endif
