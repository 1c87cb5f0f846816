/* Reshape: y has the elements of x in the same order and another shape. Reads attrs.factors, which must be in order and
 * complete. */
#include "src/base/try.h"
#include "src/ops/factors.h"
#include "src/ops/registry.h"
#include "src/ops/same_elements.h"

static thaw_status reshape_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	const struct thaw_factors *f = &desc->attrs->factors;
	THAW_TRY(thaw_factors_infer(f, &desc->x[0], "reshape", y));
	if (!thaw_factors_in_order(f, &desc->x[0]))
		return thaw_fail(THAW_CONFIG, "factors are in another order or incomplete: reshape: use rearrange");
	return THAW_OK;
}

static void reshape_reference(const struct thaw_op_args *args)
{
	for (int64_t i = 0; i < thaw_shape_count(&args->x[0].shape); i++)
		args->y.data[i] = args->x[0].data[i];
}

static const struct thaw_op_case cases[] = {
	{.name = "b h w c -> b (h w) c",
	 .attrs.factors = {.count = 4, .ndim = 3, .axis = {0, 1, 2, 3}, .order = {0, 1, 2, 3}, .target = {0, 1, 1, 2}},
	 .inputs = 1,
	 .x = {{4, {3, 4, 2, 5}}}},
	{.name = "b t (3 h d) -> b t 3 h d",
	 .attrs.factors = {.count = 5,
			   .ndim = 5,
			   .axis = {0, 1, 2, 2, 2},
			   .size = {0, 0, 3, 2, 0},
			   .order = {0, 1, 2, 3, 4},
			   .target = {0, 1, 2, 3, 4}},
	 .inputs = 1,
	 .x = {{3, {2, 5, 24}}}},
	{.name = "b 1 c -> b c 1",
	 .attrs.factors = {.count = 2, .ndim = 3, .axis = {0, 2}, .order = {0, 1}, .target = {0, 1}},
	 .inputs = 1,
	 .x = {{3, {3, 1, 7}}}},
};

const struct thaw_op thaw_op_reshape = {
	.name = "reshape",
	.min_inputs = 1,
	.max_inputs = 1,
	.param_names = (const char *const[]){NULL},
	.infer = reshape_infer,
	.forward = thaw_same_elements_forward,
	.backward = thaw_same_elements_backward,
	.reference = reshape_reference,
	.in_place = true,
	.bf16 = true,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
