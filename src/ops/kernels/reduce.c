/* The reductions of reduce_list.h as loops over a block. */
#include "src/ops/kernels/reduce.h"

#include "src/ops/kernels/sums.h"
#include "src/ops/kernels/vector_math.h"

THAW_INLINE float either(bool first, float value, float otherwise)
{
	return first ? value : otherwise;
}

/* The product of the other elements: `product` of all but zeros, of which there are `zeros`. */
THAW_INLINE float product_slope(float x, float product, float zeros)
{
	float divided = product / x;
	return either(zeros == 0.0f, divided, either((zeros == 1.0f) & (x == 0.0f), product, 0.0f));
}

float thaw_reduce_start(enum thaw_reduction kind)
{
	switch (kind) {
#define SUMMED(name, term, slope, result)
#define FOLDED(name, start, step, slope) \
	case THAW_REDUCE_##name:         \
		return start;
#include "src/ops/kernels/reduce_list.h"
#undef SUMMED
#undef FOLDED
	default:
		return 0;
	}
}

/* Runs `statement` for each element x of the block; `at` is its index in the block, o that of its result. */
#define EACH(statement)                                                        \
	for (int64_t r = 0, i = 0; r < block->rows; r++) {                     \
		const float *row = from + block->first[0] + r * block->row[0]; \
		int64_t first = block->first[1] + r * block->row[1];           \
		if (block->column[1]) {                                        \
			THAW_INDEPENDENT                                       \
			for (int64_t c = 0; c < block->columns; c++) {         \
				float x = row[c];                              \
				int64_t o = first + c, at = i + c;             \
				(void)x, (void)o, (void)at;                    \
				statement;                                     \
			}                                                      \
		} else {                                                       \
			for (int64_t c = 0; c < block->columns; c++) {         \
				float x = row[c];                              \
				int64_t o = first, at = i + c;                 \
				(void)x, (void)o, (void)at;                    \
				statement;                                     \
			}                                                      \
		}                                                              \
		i += block->columns;                                           \
	}

/* SUMMED: writes the terms. FOLDED: updates y. */
THAW_MULTIVERSION
static void reduce_terms(enum thaw_reduction kind, const struct thaw_block *block, const struct thaw_reduce *to,
			 const float *from, float *terms)
{
	float *result = to->y;
	const float *peaks = to->other;
	switch (kind) {
#define SUMMED(name, term, slope, result_)                                                                  \
	case THAW_REDUCE_##name:                                                                            \
		EACH(float peak = THAW_REDUCE_##name == THAW_REDUCE_LOG_SUM_EXP ? peaks[o] : 0; (void)peak; \
		     terms[at] = (term))                                                                    \
		break;
#define FOLDED(name, start, step, slope)                      \
	case THAW_REDUCE_##name:                              \
		EACH(float y = result[o]; result[o] = (step)) \
		break;
#include "src/ops/kernels/reduce_list.h"
#undef SUMMED
#undef FOLDED
	case THAW_REDUCTIONS:
		break;
	}
}

static bool is_folded(enum thaw_reduction kind)
{
	return kind == THAW_REDUCE_MAX || kind == THAW_REDUCE_MIN || kind == THAW_REDUCE_PROD;
}

void thaw_reduce_block(enum thaw_reduction kind, const struct thaw_block *block, const struct thaw_reduce *to,
		       const float *from, float *terms)
{
	bool plain = kind == THAW_REDUCE_MEAN || kind == THAW_REDUCE_SUM || kind == THAW_REDUCE_LOG_SUM;
	if (!plain)
		reduce_terms(kind, block, to, from, terms);
	if (!is_folded(kind))
		thaw_sums_add(to->y + block->first[1], plain ? from + block->from : terms, block, 1);
}

void thaw_reduce_finish(enum thaw_reduction kind, const struct thaw_reduce *to, int64_t count)
{
	float n = to->n;
	for (int64_t i = 0; i < count; i++) {
		float y = to->y[i], peak = to->other ? to->other[i] : 0.0f;
		(void)n, (void)peak;
		switch (kind) {
#define SUMMED(name, term, slope, result) \
	case THAW_REDUCE_##name:          \
		to->y[i] = (result);      \
		break;
#define FOLDED(name, start, step, slope)
#include "src/ops/kernels/reduce_list.h"
#undef SUMMED
#undef FOLDED
		default:
			break;
		}
	}
}

THAW_MULTIVERSION
void thaw_reduce_count(enum thaw_reduction kind, const struct thaw_block *block, const struct thaw_reduce *to,
		       const float *from)
{
	if (kind == THAW_REDUCE_PROD)
		EACH(to->zeros[o] += either(x == 0.0f, 1.0f, 0.0f); to->other[o] *= either(x == 0.0f, 1.0f, x))
	else if (is_folded(kind))
		EACH(to->other[o] += either(x == to->y[o], 1.0f, 0.0f))
}

THAW_MULTIVERSION
void thaw_reduce_slope(enum thaw_reduction kind, const struct thaw_block *block, const struct thaw_reduce *result,
		       const float *from, float *dx, bool add)
{
	const float *ys = result->y, *dy = result->dy, *others = result->other, *all_zeros = result->zeros;
	float n = result->n;
	(void)n;
	switch (kind) {
#define SUMMED(name, term, slope, result_)                                        \
	case THAW_REDUCE_##name:                                                  \
		if (add)                                                          \
			EACH(float y = ys[o]; (void)y; dx[at] += dy[o] * (slope)) \
		else                                                              \
			EACH(float y = ys[o]; (void)y; dx[at] = dy[o] * (slope))  \
		break;
#define FOLDED(name, start, step, slope)                                                                               \
	case THAW_REDUCE_##name:                                                                                       \
		EACH(float y = ys[o]; float other = others[o];                                                         \
		     float zeros = THAW_REDUCE_##name == THAW_REDUCE_PROD ? all_zeros[o] : 0.0f; (void)y; (void)zeros; \
		     dx[at] = (add ? dx[at] : 0.0f) + dy[o] * (slope))                                                 \
		break;
#include "src/ops/kernels/reduce_list.h"
#undef SUMMED
#undef FOLDED
	case THAW_REDUCTIONS:
		break;
	}
}
