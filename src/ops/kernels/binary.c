/* The functions of binary_list.h as loops over a block. */
#include "src/ops/kernels/binary.h"

#include <math.h>

#include "src/base/multiversion.h"
#include "src/ops/kernels/vector_math.h"

/* Both values are computed before the choice: the compiler does not vectorise arithmetic inside a branch. */
THAW_INLINE float either(bool first, float value, float otherwise)
{
	return first ? value : otherwise;
}

/* Derivative of a minimum or maximum with respect to one operand: 1 if that is the result (`wins`), 1/2 if both are
 * equal. */
THAW_INLINE float extremum_slope(bool wins, bool equal)
{
	return wins ? 1.0f : equal ? 0.5f : 0.0f;
}

/* Derivative of pow(a, b) with respect to b; 0 at a = 0, where the logarithm is undefined. */
THAW_INLINE float exponent_slope(float a, float b)
{
	return a == 0.0f && b >= 0.0f ? 0.0f : powf(a, b) * logf(a);
}

/* Runs `statement` for all elements of the block, row by row; it uses the operands a and b and the column c. */
#define EACH(statement)                                                           \
	for (int64_t r = 0; r < block->rows; r++, to += columns, dy += columns) { \
		const float *p = x0 + block->first[0] + r * block->row[0];        \
		const float *q = x1 + block->first[1] + r * block->row[1];        \
		if (block->column[0] && block->column[1]) {                       \
			THAW_INDEPENDENT                                          \
			for (int64_t c = 0; c < columns; c++) {                   \
				float a = p[c], b = q[c];                         \
				(void)a, (void)b;                                 \
				statement;                                        \
			}                                                         \
		} else if (block->column[0]) {                                    \
			float b = q[0];                                           \
			THAW_INDEPENDENT                                          \
			for (int64_t c = 0; c < columns; c++) {                   \
				float a = p[c];                                   \
				(void)a, (void)b;                                 \
				statement;                                        \
			}                                                         \
		} else {                                                          \
			float a = p[0];                                           \
			THAW_INDEPENDENT                                          \
			for (int64_t c = 0; c < columns; c++) {                   \
				float b = q[c];                                   \
				(void)a, (void)b;                                 \
				statement;                                        \
			}                                                         \
		}                                                                 \
	}                                                                         \
	break;

THAW_MULTIVERSION
void thaw_binary_forward(enum thaw_binary f, const struct thaw_block *block, float *to, const float *x0,
			 const float *x1)
{
	int64_t columns = block->columns;
	const float *dy = to; /* for EACH; not read */
	switch (f) {
#define BINARY(name, value, slope_a, slope_b, formula) \
	case THAW_BINARY_##name:                       \
		EACH(to[c] = (value))
#include "src/ops/kernels/binary_list.h"
#undef BINARY
	case THAW_BINARIES:
		break;
	}
}

THAW_MULTIVERSION
static void backward_first(enum thaw_binary f, const struct thaw_block *block, float *to, const float *dy,
			   const float *x0, const float *x1)
{
	int64_t columns = block->columns;
	switch (f) {
#define BINARY(name, value, slope_a, slope_b, formula) \
	case THAW_BINARY_##name:                       \
		EACH(to[c] = dy[c] * (slope_a))
#include "src/ops/kernels/binary_list.h"
#undef BINARY
	case THAW_BINARIES:
		break;
	}
}

THAW_MULTIVERSION
static void backward_second(enum thaw_binary f, const struct thaw_block *block, float *to, const float *dy,
			    const float *x0, const float *x1)
{
	int64_t columns = block->columns;
	switch (f) {
#define BINARY(name, value, slope_a, slope_b, formula) \
	case THAW_BINARY_##name:                       \
		EACH(to[c] = dy[c] * (slope_b))
#include "src/ops/kernels/binary_list.h"
#undef BINARY
	case THAW_BINARIES:
		break;
	}
}

void thaw_binary_backward(enum thaw_binary f, bool by_b, const struct thaw_block *block, float *to, const float *dy,
			  const float *x0, const float *x1)
{
	(by_b ? backward_second : backward_first)(f, block, to, dy, x0, x1);
}

bool thaw_binary_passes(enum thaw_binary f, bool by_b)
{
	return f == THAW_BINARY_ADD || (f == THAW_BINARY_SUB && !by_b);
}
