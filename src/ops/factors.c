#include "src/ops/factors.h"

#include <limits.h>

#include "src/base/try.h"

_Static_assert(THAW_COPY_AXES >= THAW_MAX_FACTORS, "a factor is an axis of the copy");

/* A factor for a given x, with the defaults resolved. */
struct factor {
	int64_t size, stride;      /* elements, and floats from one to the next */
	int64_t start, step, take; /* the range */
};

/* Size of factor i if it takes the rest of its axis; -1 if the axis is not divisible by its other factors. */
static int64_t size_left(const struct thaw_factors *f, const struct thaw_shape *x, int i)
{
	int64_t left = x->dim[f->axis[i]];
	for (int k = 0; k < f->count; k++) {
		if (k == i || f->axis[k] != f->axis[i])
			continue;
		if (f->size[k] == 0 || left % f->size[k] != 0)
			return -1;
		left /= f->size[k];
	}
	return left;
}

static void sizes_set(const struct thaw_factors *f, const struct thaw_shape *x, struct factor *factor)
{
	for (int i = 0; i < f->count; i++)
		factor[i].size = f->size[i] ? f->size[i] : size_left(f, x, i);
}

/* Sets factor[count] for x. */
static void factors_resolve(const struct thaw_factors *f, const struct thaw_shape *x, struct factor *factor)
{
	int64_t stride = 1;
	sizes_set(f, x, factor);
	for (int i = f->count - 1; i >= 0; i--) {
		struct factor *to = &factor[i];
		to->stride = stride;
		stride *= to->size;
		to->step = f->step[i] ? f->step[i] : 1;
		to->start = f->start[i] < 0 ? f->start[i] + to->size : f->start[i];
		to->take = f->take[i];
		if (to->take == 0)
			to->take = to->step > 0 ? (to->size - to->start + to->step - 1) / to->step
						: to->start / -to->step + 1;
	}
}

static thaw_status check_form(const struct thaw_factors *f, const struct thaw_shape *x, const char *op)
{
	unsigned seen = 0;
	if (f->count < 0 || f->count > THAW_MAX_FACTORS || f->ndim < 1 || f->ndim > THAW_MAX_DIMS)
		return thaw_fail(THAW_CONFIG, "%d factors for %d axes: %s: use at most %d factors and %d axes",
				 f->count, f->ndim, op, THAW_MAX_FACTORS, THAW_MAX_DIMS);
	for (int i = 0; i < f->count; i++) {
		if (f->axis[i] < (i ? f->axis[i - 1] : 0) || f->axis[i] >= x->ndim || f->target[i] >= f->ndim ||
		    f->target[i] < (i ? f->target[i - 1] : 0) || f->order[i] < 0 || f->order[i] >= f->count)
			return thaw_fail(THAW_CONFIG,
					 "factor %d has an invalid axis or is out of order: %s: list factors in the "
					 "order of the axes",
					 i, op);

		int64_t most = x->dim[f->axis[i]]; /* these bounds exclude overflow in factors_resolve */
		if (f->size[i] < 0 || f->take[i] < 0 || f->start[i] > most || f->start[i] < -most ||
		    f->step[i] > INT_MAX || f->step[i] < -INT_MAX)
			return thaw_fail(THAW_CONFIG, "factor %d exceeds its axis: %s: give a range inside the axis", i,
					 op);
		seen |= 1u << f->order[i];
	}
	if (seen != (1u << f->count) - 1)
		return thaw_fail(THAW_CONFIG, "a factor is used twice: %s: use each factor once", op);
	return THAW_OK;
}

/* Checks that the product of the factors of each axis is the axis's size. */
static thaw_status check_sizes(const struct thaw_factors *f, const struct thaw_shape *x, const char *op)
{
	struct factor factor[THAW_MAX_FACTORS];
	char have[THAW_SHAPE_TEXT];
	sizes_set(f, x, factor);
	for (int axis = 0; axis < x->ndim; axis++) {
		int64_t left = x->dim[axis];
		bool fits = true;
		for (int i = 0; i < f->count && fits; i++) {
			if (f->axis[i] != axis)
				continue;
			fits = factor[i].size > 0 && left % factor[i].size == 0;
			left /= fits ? factor[i].size : 1;
		}
		if (!fits || left != 1)
			return thaw_fail(
				THAW_CONFIG,
				"axis %d of %s is not the product of its factors: %s: give factors that divide it",
				axis, thaw_shape_text(x, have, sizeof(have)), op);
	}
	return THAW_OK;
}

thaw_status thaw_factors_infer(const struct thaw_factors *f, const struct thaw_shape *x, const char *op,
			       struct thaw_shape *y)
{
	struct factor factor[THAW_MAX_FACTORS];
	char have[THAW_SHAPE_TEXT];
	THAW_TRY(check_form(f, x, op));
	THAW_TRY(check_sizes(f, x, op));
	factors_resolve(f, x, factor);
	for (int i = 0; i < f->count; i++) {
		const struct factor *from = &factor[i];
		int64_t room = from->step > 0 ? (from->size - 1 - from->start) / from->step : from->start / -from->step;
		if (from->start < 0 || from->start >= from->size || from->take < 1 || from->take - 1 > room)
			return thaw_fail(
				THAW_CONFIG,
				"the range of factor %d exceeds axis %d of %s: %s: give a range inside the factor", i,
				f->axis[i], thaw_shape_text(x, have, sizeof(have)), op);
	}
	*y = (struct thaw_shape){.ndim = f->ndim};
	for (int i = 0; i < f->ndim; i++)
		y->dim[i] = 1;
	for (int i = 0; i < f->count; i++)
		y->dim[f->target[i]] *= factor[f->order[i]].take;
	return THAW_OK;
}

bool thaw_factors_all(const struct thaw_factors *f, const struct thaw_shape *x)
{
	struct factor factor[THAW_MAX_FACTORS];
	factors_resolve(f, x, factor);
	for (int i = 0; i < f->count; i++)
		if (factor[i].take != factor[i].size)
			return false;
	return true;
}

bool thaw_factors_in_order(const struct thaw_factors *f, const struct thaw_shape *x)
{
	struct factor factor[THAW_MAX_FACTORS];
	factors_resolve(f, x, factor);
	for (int i = 0; i < f->count; i++)
		if (f->order[i] != i || factor[i].take != factor[i].size || factor[i].start != 0)
			return false;
	return true;
}

struct thaw_strides thaw_factors_strides(const struct thaw_factors *f, const struct thaw_shape *x, int64_t *start)
{
	struct factor factor[THAW_MAX_FACTORS];
	struct thaw_strides s = {.axes = f->count};
	int64_t stride = 1;
	factors_resolve(f, x, factor);
	*start = 0;
	for (int i = f->count - 1; i >= 0; i--) {
		const struct factor *from = &factor[f->order[i]];
		s.size[i] = from->take;
		s.to[i] = stride;
		s.from[i] = from->stride * from->step;
		*start += from->start * from->stride;
		stride *= from->take;
	}
	return s;
}
