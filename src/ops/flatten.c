/* Flatten: (N,H,W,C) -> (N,H*W*C). The order in memory stays the same, so in place there is nothing to do.
 *
 * Channels-first frameworks flatten to C*H*W. The difference is compensated once, in the weights of the linear layer
 * after it, when they are imported (THAW_LAYOUT_FC_CHW). */
#include <string.h>

#include "src/ops/registry.h"
#include "src/ops/same_elements.h"

static thaw_status flatten_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	int64_t features = 1;
	if (desc->x[0].ndim < 2)
		return thaw_fail(THAW_CONFIG, "input with %d axes: flatten: give images or features", desc->x[0].ndim);
	for (int i = 1; i < desc->x[0].ndim; i++)
		features *= desc->x[0].dim[i];
	*y = thaw_shape_of(desc->x[0].dim[0], features);
	return THAW_OK;
}

static void flatten_reference(const struct thaw_op_args *args)
{
	const int64_t *dim = args->x[0].shape.dim;
	if (args->x[0].shape.ndim == 2) {
		memmove(args->y.data, args->x[0].data, (size_t)(dim[0] * dim[1]) * sizeof(float));
		return;
	}
	for (int64_t n = 0; n < dim[0]; n++)
		for (int64_t h = 0; h < dim[1]; h++)
			for (int64_t w = 0; w < dim[2]; w++)
				for (int64_t c = 0; c < dim[3]; c++)
					args->y.data[n * dim[1] * dim[2] * dim[3] + (h * dim[2] + w) * dim[3] + c] =
						args->x[0].data[((n * dim[1] + h) * dim[2] + w) * dim[3] + c];
}

static const struct thaw_op_case cases[] = {
	{.name = "images", .inputs = 1, .x = {{4, {3, 5, 3, 7}}}},
	{.name = "one pixel", .inputs = 1, .x = {{4, {2, 1, 1, 9}}}},
	{.name = "features", .inputs = 1, .x = {{2, {2, 9}}}},
};

const struct thaw_op thaw_op_flatten = {
	.name = "flatten",
	.min_inputs = 1,
	.max_inputs = 1,
	.param_names = (const char *const[]){NULL},
	.infer = flatten_infer,
	.forward = thaw_same_elements_forward,
	.backward = thaw_same_elements_backward,
	.reference = flatten_reference,
	.in_place = true,
	.bf16 = true,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
