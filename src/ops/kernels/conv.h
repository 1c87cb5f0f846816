/* Convolution kernels: several implementations of the same passes, in one table.
 *
 * Each pass uses the first kernel of the table in conv_choose.c that fits. The choice and the sizes of blocks depend on
 * shapes only, so the same call always gives the same bits.
 */
#ifndef THAW_SRC_OPS_KERNELS_CONV_H
#define THAW_SRC_OPS_KERNELS_CONV_H

#include "src/ops/kernels/bf16_values.h"
#include "thaw/ops.h"

/* x (n,h,w,ci), weight (kh,kw,ci/groups,co), y (n,ho,wo,co). Padding at the bottom and right follows from ho and wo. */
struct thaw_conv {
	int64_t n, h, w, ci;
	int64_t ho, wo, co;
	int64_t kh, kw;
	int64_t stride_y, stride_x;
	int64_t top, left; /* padding; negative: the image is cropped */
	int64_t groups;
	int64_t gap_y, gap_x; /* pixels between neighbouring taps: dilation - 1 */
	enum thaw_precision precision;
};

/* Applied to results while they are in the cache: y = activation(y + bias + residual). */
struct thaw_conv_epilogue {
	const float *bias;             /* (co) or NULL */
	const float *residual;         /* shape of y, or NULL */
	const uint16_t *residual_bf16; /* instead of `residual` */
	enum thaw_activation activation;
};

enum thaw_conv_pass { THAW_CONV_FORWARD, THAW_CONV_DATA, THAW_CONV_WEIGHT };

struct thaw_conv_kernel {
	const char *name;
	bool dilates; /* supports gaps; other kernels are used without gaps only */
	bool bf16;    /* takes x, y and the residual in either storage; for others conv_values.c converts them */
	bool (*fits)(const struct thaw_conv *c, enum thaw_conv_pass pass);
	/* Bytes of scratch for a pass; does not decrease with n. */
	size_t (*scratch)(const struct thaw_conv *c, enum thaw_conv_pass pass);
	/* packed_bytes and pack: the kernel's form of the weights of a frozen layer, computed once. Both NULL: none.
	 * The size may depend on the weight's shape and on h and w, not on n. */
	size_t (*packed_bytes)(const struct thaw_conv *c);
	void (*pack)(const struct thaw_conv *c, const float *weight, void *packed);
	/* packed: what `pack` wrote, or NULL. The result has the same bits with and without. */
	void (*forward)(const struct thaw_conv *c, struct thaw_values x, const float *weight, const void *packed,
			const struct thaw_conv_epilogue *epilogue, const struct thaw_view *y, void *scratch);
	/* Writes dx (n,h,w,ci), or adds to it if `add`. */
	void (*data)(const struct thaw_conv *c, const float *dy, const float *weight, float *dx, bool add,
		     void *scratch);
	/* Adds to dweight. */
	void (*weight)(const struct thaw_conv *c, struct thaw_values x, const float *dy, float *dweight, void *scratch);
};

/* The kernel for a pass. Does not depend on n: the choice is the same for one image and for a batch. */
const struct thaw_conv_kernel *thaw_conv_choose(const struct thaw_conv *c, enum thaw_conv_pass pass);

/* to (kh,kw,co/groups,ci) = weight (kh,kw,ci/groups,co) with input and output channels exchanged; `mirror` also
 * reverses both kernel axes. */
void thaw_conv_transpose_weights(const struct thaw_conv *c, const float *weight, bool mirror, float *to);
/* The convolution that computes dx from dy with the mirrored weights, for stride 1. */
struct thaw_conv thaw_conv_mirrored(const struct thaw_conv *c);

extern const struct thaw_conv_kernel thaw_conv_depthwise;     /* one channel per group */
extern const struct thaw_conv_kernel thaw_conv_stem;          /* few input channels; no data pass */
extern const struct thaw_conv_kernel thaw_conv_rows_bf16;     /* the same in bfloat16 */
extern const struct thaw_conv_kernel thaw_conv_winograd;      /* 3x3, stride 1, multiples of 16 channels */
extern const struct thaw_conv_kernel thaw_conv_winograd_bf16; /* winograd in bfloat16 */
extern const struct thaw_conv_kernel thaw_conv_bf16;          /* nodes in bfloat16, except very few channels */
extern const struct thaw_conv_kernel thaw_conv_gemm;          /* every shape */

/* Applies the epilogue to `results`, rows [first, first + rows) of y (n*ho*wo, co). */
void thaw_conv_finish(const struct thaw_conv *c, const struct thaw_conv_epilogue *epilogue, float *results,
		      int64_t first, int64_t rows);

#endif
