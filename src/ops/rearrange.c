/* Rearrange: y has all or some elements of x, in another order and shape. Reads attrs.factors. */
#include <string.h>

#include "src/ops/factors.h"
#include "src/ops/registry.h"

static thaw_status rearrange_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	return thaw_factors_infer(&desc->attrs->factors, &desc->x[0], "rearrange", y);
}

static void rearrange_forward(const struct thaw_op_args *args)
{
	int64_t start;
	struct thaw_strides s = thaw_factors_strides(&args->attrs->factors, &args->x[0].shape, &start);
	thaw_strided_copy(args->y.data, false, args->x[0].data + start, &s);
}

/* Elements of x that are not in y have gradient 0. */
static void rearrange_backward(const struct thaw_op_args *args)
{
	const struct thaw_factors *f = &args->attrs->factors;
	const struct thaw_shape *x = &args->x[0].shape;
	int64_t start;
	struct thaw_strides forth = thaw_factors_strides(f, x, &start), back = forth;
	if (!args->dx[0])
		return;
	memcpy(back.to, forth.from, sizeof(back.to));
	memcpy(back.from, forth.to, sizeof(back.from));
	if (!args->dx_add[0] && !thaw_factors_all(f, x))
		memset(args->dx[0], 0, (size_t)thaw_shape_count(x) * sizeof(float));
	thaw_strided_copy(args->dx[0] + start, args->dx_add[0], args->dy, &back);
}

/* Offset in x of the element with these indices of the factors; negative indices count from the end. */
static int64_t offset_of(const struct thaw_factors *f, const struct thaw_shape *x, const int64_t *index)
{
	int64_t at = 0;
	for (int axis = 0, i = 0; axis < x->ndim; axis++) {
		int64_t others = 1, here = 0;
		for (int k = 0; k < f->count; k++)
			others *= f->axis[k] == axis && f->size[k] ? f->size[k] : 1;
		for (; i < f->count && f->axis[i] == axis; i++) {
			int64_t size = f->size[i] ? f->size[i] : x->dim[axis] / others;
			here = here * size + (index[i] < 0 ? index[i] + size : index[i]);
		}
		at = at * x->dim[axis] + here;
	}
	return at;
}

/* For each element of y, its position gives the index of each factor, the fastest first. */
static void rearrange_reference(const struct thaw_op_args *args)
{
	const struct thaw_factors *f = &args->attrs->factors;
	const struct thaw_shape *x = &args->x[0].shape;
	int64_t start, index[THAW_MAX_FACTORS];
	struct thaw_strides s = thaw_factors_strides(f, x, &start);
	for (int64_t i = 0; i < thaw_shape_count(&args->y.shape); i++) {
		int64_t rest = i;
		for (int k = f->count - 1; k >= 0; k--) {
			int from = f->order[k];
			int64_t taken = rest % s.size[k], step = f->step[from] ? f->step[from] : 1;
			rest /= s.size[k];
			index[from] = f->start[from] + taken * step;
		}
		args->y.data[i] = args->x[0].data[offset_of(f, x, index)];
	}
}

static const struct thaw_op_case cases[] = {
	{.name = "b h w c -> b c h w",
	 .attrs.factors = {.count = 4, .ndim = 4, .axis = {0, 1, 2, 3}, .order = {0, 3, 1, 2}, .target = {0, 1, 2, 3}},
	 .inputs = 1,
	 .x = {{4, {3, 5, 7, 33}}}},
	{.name = "b c h w -> b h w c",
	 .attrs.factors = {.count = 4, .ndim = 4, .axis = {0, 1, 2, 3}, .order = {0, 2, 3, 1}, .target = {0, 1, 2, 3}},
	 .inputs = 1,
	 .x = {{4, {2, 16, 4, 4}}}},
	{.name = "windows: b (h 2) (w 3) c -> (b h w) (2 3) c",
	 .attrs.factors = {.count = 6,
			   .ndim = 3,
			   .axis = {0, 1, 1, 2, 2, 3},
			   .size = {0, 0, 2, 0, 3, 0},
			   .order = {0, 1, 3, 2, 4, 5},
			   .target = {0, 0, 0, 1, 1, 2}},
	 .inputs = 1,
	 .x = {{4, {3, 4, 9, 5}}}},
	{.name = "windows back: (b 2 3) (h w) c -> b (2 h) (3 w) c",
	 .attrs.factors = {.count = 6,
			   .ndim = 4,
			   .axis = {0, 0, 0, 1, 1, 2},
			   .size = {0, 2, 3, 2, 0, 0},
			   .order = {0, 1, 3, 2, 4, 5},
			   .target = {0, 1, 1, 2, 2, 3}},
	 .inputs = 1,
	 .x = {{3, {18, 8, 5}}},
	 .images = 3},
	{.name = "heads: b t (h d) -> b h t d",
	 .attrs.factors = {.count = 4,
			   .ndim = 4,
			   .axis = {0, 1, 2, 2},
			   .size = {0, 0, 3, 0},
			   .order = {0, 2, 1, 3},
			   .target = {0, 1, 2, 3}},
	 .inputs = 1,
	 .x = {{3, {2, 5, 24}}}},
	{.name = "keys: b t (h d) -> b h d t",
	 .attrs.factors = {.count = 4,
			   .ndim = 4,
			   .axis = {0, 1, 2, 2},
			   .size = {0, 0, 2, 0},
			   .order = {0, 2, 3, 1},
			   .target = {0, 1, 2, 3}},
	 .inputs = 1,
	 .x = {{3, {2, 19, 36}}}},
	{.name = "shuffle: b h w (2 c) -> b h w (c 2)",
	 .attrs.factors = {.count = 5,
			   .ndim = 4,
			   .axis = {0, 1, 2, 3, 3},
			   .size = {0, 0, 0, 2, 0},
			   .order = {0, 1, 2, 4, 3},
			   .target = {0, 1, 2, 3, 3}},
	 .inputs = 1,
	 .x = {{4, {2, 3, 3, 20}}}},
	{.name = "channels backwards",
	 .attrs.factors = {.count = 3,
			   .ndim = 3,
			   .axis = {0, 1, 2},
			   .start = {0, 0, -1},
			   .step = {1, 1, -1},
			   .order = {0, 1, 2},
			   .target = {0, 1, 2}},
	 .inputs = 1,
	 .x = {{3, {2, 3, 7}}}},
	{.name = "every other row, from the second",
	 .attrs.factors = {.count = 4,
			   .ndim = 4,
			   .axis = {0, 1, 2, 3},
			   .start = {0, 1, 0, 0},
			   .step = {0, 2, 0, 0},
			   .order = {0, 1, 2, 3},
			   .target = {0, 1, 2, 3}},
	 .inputs = 1,
	 .x = {{4, {2, 6, 3, 8}}}},
	{.name = "one token: b t c -> b c",
	 .attrs.factors =
		 {.count = 3, .ndim = 2, .axis = {0, 1, 2}, .take = {0, 1, 0}, .order = {0, 1, 2}, .target = {0, 0, 1}},
	 .inputs = 1,
	 .x = {{3, {3, 5, 12}}}},
	{.name = "a range of channels",
	 .attrs.factors = {.count = 2,
			   .ndim = 2,
			   .axis = {0, 1},
			   .start = {0, 4},
			   .take = {0, 5},
			   .order = {0, 1},
			   .target = {0, 1}},
	 .inputs = 1,
	 .x = {{2, {3, 12}}}},
};

const struct thaw_op thaw_op_rearrange = {
	.name = "rearrange",
	.min_inputs = 1,
	.max_inputs = 1,
	.param_names = (const char *const[]){NULL},
	.infer = rearrange_infer,
	.forward = rearrange_forward,
	.backward = rearrange_backward,
	.reference = rearrange_reference,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
