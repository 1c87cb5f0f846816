/* What the passes of the depthwise convolution share: bands of rows, done for one vector of channels after the other.
 */
#ifndef THAW_SRC_OPS_KERNELS_CONV_DEPTHWISE_H
#define THAW_SRC_OPS_KERNELS_CONV_DEPTHWISE_H

#include "src/base/multiversion.h"
#include "src/ops/kernels/conv.h"

enum {
	LANES = 16,
	LINE = LANES * sizeof(float), /* bytes of a vector, and of a cache line */
	NEAR_BYTES = 32 << 10,        /* of a vector of channels in a band: the first cache */
	BAND_BYTES = 256 << 10,       /* of all channels in a band: a part of the second cache */
};

typedef float vec __attribute__((vector_size(LINE), aligned(sizeof(float)), may_alias));

static inline int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

THAW_INLINE void load(vec *v, const float *from, int64_t lanes)
{
	if (lanes == LANES) {
		*v = *(const vec *)from;
		return;
	}
	*v = (vec){0};
	for (int64_t i = 0; i < lanes; i++)
		(*v)[i] = from[i];
}

/* Rows of output in a band, of which each takes `near` bytes for a vector of channels and `far` for all. */
static inline int64_t band_rows(int64_t near, int64_t far)
{
	return most(1, least(NEAR_BYTES / near, BAND_BYTES / far));
}

/* Where the vector of channels from `from` on begins: a last one of fewer takes earlier ones too, if there are any. */
static inline int64_t vector_begin(int64_t channels, int64_t from)
{
	return most(0, least(from, channels - LANES));
}

/* The pass `weight` of struct thaw_conv_kernel; needs no buffer. */
void thaw_depthwise_weight(const struct thaw_conv *c, const float *x, const float *dy, float *dweight, void *buffer);

#endif
