/* Loops of batch norm over x[rows][channels], where rows are all pixels of all images. */
#ifndef THAW_SRC_OPS_KERNELS_NORM_H
#define THAW_SRC_OPS_KERNELS_NORM_H

#include <stdbool.h>
#include <stdint.h>

#include "thaw/ops.h"

/* y = activation((x - mean) * factor + shift), with factor = scale / standard deviation. The mean is subtracted first,
 * not folded into the shift, so that channels far from zero keep their precision. */
struct thaw_norm {
	int64_t channels;
	const float *mean, *factor, *shift; /* [channels] */
	enum thaw_activation activation;
};

/* Rows of a block: they stay in cache, and are few enough to be summed in single precision. */
int64_t thaw_norm_block(int64_t channels);

/* Mean and biased variance of each channel of x, in either storage, in a fixed order of additions; rows >= 1. room: a
 * block of x. */
void thaw_norm_moments(float *mean, float *variance, const struct thaw_view *x, int64_t rows, int64_t channels,
		       double *scratch /* [3 * channels] */, float *room);
/* The same with fewer additions in single precision. Where the statistics follow the image or the weights also in
 * inference, their errors add up over the layers. */
void thaw_norm_fine_moments(float *mean, float *variance, const struct thaw_view *x, int64_t rows, int64_t channels,
			    double *scratch /* [3 * channels] */, float *room);

/* Applies the norm: y as above; may be x. */
void thaw_norm_forward(float *y, const float *x, int64_t rows, const struct thaw_norm *norm);

/* g is the gradient before the activation. Adds to sum_g and sum_gx the sums of g and of g * (x - mean) per channel,
 * over at most one block of rows. */
void thaw_norm_sums(double *sum_g, double *sum_gx, const float *dy, const float *x, int64_t rows,
		    const struct thaw_norm *norm, float *scratch /* [2 * channels] */);

/* dx = g * factor, added to dx if `add`. */
void thaw_norm_backward_fixed(float *dx, bool add, const float *dy, const float *x, int64_t rows,
			      const struct thaw_norm *norm);

/* dx = (g - mean_g - (x - mean) * slope) * factor, added to dx if `add`. */
void thaw_norm_backward_batch(float *dx, bool add, const float *dy, const float *x, int64_t rows,
			      const struct thaw_norm *norm, const float *mean_g, const float *slope);

#endif
