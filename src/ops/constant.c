/* Constant: y = the parameter, independent of the images: a position embedding, a class token, a table of biases. */
#include <string.h>

#include "src/ops/kernels/elementwise.h"
#include "src/ops/registry.h"

static thaw_status constant_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	if (desc->params != 1 || desc->param[0].ndim < 1)
		return thaw_fail(THAW_CONFIG, "no value: constant: give one parameter with at least one axis");
	*y = desc->param[0];
	return THAW_OK;
}

static void constant_forward(const struct thaw_op_args *args)
{
	memcpy(args->y.data, args->param[0].data, (size_t)thaw_shape_count(&args->y.shape) * sizeof(float));
}

static void constant_backward(const struct thaw_op_args *args)
{
	if (args->dparam[0])
		thaw_kernel_pass_gradient(args->dparam[0], true, args->dy, NULL, thaw_shape_count(&args->y.shape),
					  THAW_ACT_NONE);
}

static void constant_reference(const struct thaw_op_args *args)
{
	for (int64_t i = 0; i < thaw_shape_count(&args->y.shape); i++)
		args->y.data[i] = args->param[0].data[i];
}

static const struct thaw_op_case cases[] = {
	{.name = "a vector", .params = 1, .param = {{1, {7}}}},
	{.name = "a position embedding", .params = 1, .param = {{3, {1, 17, 8}}}},
};

const struct thaw_op thaw_op_constant = {
	.name = "constant",
	.parameter = true,
	.min_inputs = 0,
	.max_inputs = 0,
	.param_names = (const char *const[]){"value", NULL},
	.infer = constant_infer,
	.forward = constant_forward,
	.backward = constant_backward,
	.reference = constant_reference,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
