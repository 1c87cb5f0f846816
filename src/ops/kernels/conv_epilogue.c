/* Bias, residual and activation, applied to a block of results that is still in the cache. */
#include "src/base/multiversion.h"
#include "src/ops/kernels/activate.h"
#include "src/ops/kernels/bf16_values.h"
#include "src/ops/kernels/conv.h"

/* NULL constants for missing pointers let the compiler remove them from the loop. */
THAW_INLINE void rows_finish(float *y, const float *bias, const float *residual, int64_t rows, int64_t columns,
			     float low, float high)
{
	for (int64_t r = 0; r < rows; r++, y += columns) {
		for (int64_t i = 0; i < columns; i++) {
			float v = y[i] + (bias ? bias[i] : 0.0f) + (residual ? residual[i] : 0.0f);
			v = v < low ? low : v;
			y[i] = v > high ? high : v;
		}
		if (residual)
			residual += columns;
	}
}

THAW_MULTIVERSION
void thaw_conv_finish(const struct thaw_conv *c, const struct thaw_conv_epilogue *epilogue, float *results,
		      int64_t first, int64_t rows)
{
	const float *bias = epilogue->bias, *residual = epilogue->residual;
	float low = thaw_activation_low(epilogue->activation), high = thaw_activation_high(epilogue->activation);
	if (residual)
		residual += first * c->co;
	if (epilogue->residual_bf16)
		thaw_bf16_add(results, epilogue->residual_bf16 + first * c->co, rows * c->co);
	if (bias && residual)
		rows_finish(results, bias, residual, rows, c->co, low, high);
	else if (bias)
		rows_finish(results, bias, NULL, rows, c->co, low, high);
	else if (residual)
		rows_finish(results, NULL, residual, 1, rows * c->co, low, high);
	else if (epilogue->activation != THAW_ACT_NONE)
		rows_finish(results, NULL, NULL, 1, rows * c->co, low, high);
}
