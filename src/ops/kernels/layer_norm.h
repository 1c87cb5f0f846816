/* Loops of layer norm over x[rows][columns]; each row has its own mean and deviation. */
#ifndef THAW_SRC_OPS_KERNELS_LAYER_NORM_H
#define THAW_SRC_OPS_KERNELS_LAYER_NORM_H

#include <stdbool.h>
#include <stdint.h>

/* y = (x - mean) * inverse * scale + shift, where inverse is 1 / sqrt(variance + epsilon), of the biased variance. mean
 * and inverse [rows] are written; both NULL: not wanted. */
void thaw_layer_norm_forward(float *y, float *mean, float *inverse, const float *x, int64_t rows, int64_t columns,
			     const float *scale, const float *shift, float epsilon);

/* What backward reads and writes. */
struct thaw_layer_norm_gradient {
	float *dx; /* NULL: not wanted */
	bool add;  /* to dx */
	const float *dy, *x, *mean, *inverse, *scale;
	int64_t columns;
};

/* dx of `rows` rows, few enough to be summed in single precision; the sums of dy * (x - mean) * inverse are added to
 * dscale[columns], those of dy to dshift[columns]. */
void thaw_layer_norm_backward(const struct thaw_layer_norm_gradient *g, int64_t rows, float *dscale, float *dshift);

#endif
