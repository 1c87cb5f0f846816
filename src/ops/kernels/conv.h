/* Convolution kernels: several ways to do the same arithmetic, behind one table.
 *
 * For each pass the first kernel of the table in conv_choose.c that fits is taken. Which one it is, and in what
 * blocks it works, follows from shapes alone, so that the same call gives the same bits every time.
 */
#ifndef THAW_SRC_OPS_KERNELS_CONV_H
#define THAW_SRC_OPS_KERNELS_CONV_H

#include "thaw/ops.h"

/* x (n,h,w,ci), weight (kh,kw,ci/groups,co), y (n,ho,wo,co). Padding after the image shows in ho and wo. */
struct thaw_conv {
	int64_t n, h, w, ci;
	int64_t ho, wo, co;
	int64_t kh, kw;
	int64_t stride_y, stride_x;
	int64_t top, left; /* padding; negative: the image is cropped */
	int64_t groups;
	int64_t gap_y, gap_x; /* pixels between neighbouring taps: dilation - 1 */
};

/* What is done to a result before it leaves the cache: y = activation(y + bias + residual). */
struct thaw_conv_epilogue {
	const float *bias;     /* (co) or NULL */
	const float *residual; /* shape of y, or NULL */
	enum thaw_activation activation;
};

enum thaw_conv_pass { THAW_CONV_FORWARD, THAW_CONV_DATA, THAW_CONV_WEIGHT };

struct thaw_conv_kernel {
	const char *name;
	bool dilates; /* honours gaps; other kernels are not asked to */
	bool (*fits)(const struct thaw_conv *c, enum thaw_conv_pass pass);
	/* Bytes; never less for a larger n. */
	size_t (*scratch)(const struct thaw_conv *c, enum thaw_conv_pass pass);
	/* Weights of a frozen layer in the kernel's own form, made once; both NULL: wants none. Bytes may depend on
	 * the weight's shape and on h and w, never on n. */
	size_t (*prepared_bytes)(const struct thaw_conv *c);
	void (*pack)(const struct thaw_conv *c, const float *weight, void *packed);
	/* packed: what `pack` wrote, or NULL. The same bits with and without. */
	void (*forward)(const struct thaw_conv *c, const float *x, const float *weight, const void *packed,
			const struct thaw_conv_epilogue *epilogue, float *y, void *scratch);
	/* dx (n,h,w,ci) is overwritten, or added to if `add`. */
	void (*data)(const struct thaw_conv *c, const float *dy, const float *weight, float *dx, bool add,
		     void *scratch);
	/* dweight is added to. */
	void (*weight)(const struct thaw_conv *c, const float *x, const float *dy, float *dweight, void *scratch);
};

/* The kernel of a pass. Never depends on n: the choice is the same for one image and for a batch. */
const struct thaw_conv_kernel *thaw_conv_choose(const struct thaw_conv *c, enum thaw_conv_pass pass);

/* weight (kh,kw,ci/groups,co) to (kh,kw,co/groups,ci); `mirror` reverses both kernel axes. */
void thaw_conv_turn_weights(const struct thaw_conv *c, const float *weight, bool mirror, float *to);
/* Bytes of scratch that are enough for both backward passes, one after the other. */
size_t thaw_conv_backward_scratch(const struct thaw_conv *c);

extern const struct thaw_conv_kernel thaw_conv_depthwise; /* one channel a group */
extern const struct thaw_conv_kernel thaw_conv_stem;      /* few input channels; not the data pass */
extern const struct thaw_conv_kernel thaw_conv_winograd;  /* 3x3, stride 1, channels in sixteens */
extern const struct thaw_conv_kernel thaw_conv_gemm;      /* all of them */

/* Applies the epilogue to rows [first, first + rows) of y (n*ho*wo, co). */
void thaw_conv_finish(const struct thaw_conv *c, const struct thaw_conv_epilogue *epilogue, float *y, int64_t first,
		      int64_t rows);

#endif
