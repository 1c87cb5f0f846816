/* Loops of layer norm over x[rows][columns]; each row has its mean and deviation. */
#ifndef THAW_SRC_OPS_KERNELS_LAYER_NORM_H
#define THAW_SRC_OPS_KERNELS_LAYER_NORM_H

#include <stdbool.h>
#include <stdint.h>

/* y = (x - mean) * inverse * scale + shift, with inverse = 1 / sqrt(variance + epsilon) of the biased variance. Writes
 * mean and inverse [rows], unless both are NULL. */
void thaw_layer_norm_forward(float *y, float *mean, float *inverse, const float *x, int64_t rows, int64_t columns,
			     const float *scale, const float *shift, float epsilon);

/* Arguments of backward. */
struct thaw_layer_norm_gradient {
	float *dx; /* NULL: not needed */
	bool add;  /* add to dx instead of overwriting it */
	const float *dy, *x, *mean, *inverse, *scale;
	int64_t columns;
};

/* dx of `rows` rows, at most thaw_norm_block(columns), since they are summed in single precision. Adds the sums of
 * dy * (x - mean) * inverse to dscale[columns] and those of dy to dshift[columns]. */
void thaw_layer_norm_backward(const struct thaw_layer_norm_gradient *g, int64_t rows, float *dscale, float *dshift);

#endif
