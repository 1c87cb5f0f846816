/* Activation: y = relu(x) or relu6(x), of any shape. Reads attrs.activation.
 *
 * Backward reads y only, so the node can work in place. Graph passes fuse it into the operator before it. */
#include "src/ops/kernels/activate.h"

#include "src/base/minmax.h"
#include "src/ops/kernels/bf16_values.h"
#include "src/ops/kernels/elementwise.h"
#include "src/ops/reference.h"
#include "src/ops/registry.h"

static thaw_status activation_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	int kind = (int)desc->attrs->activation;
	if (kind < 0 || kind >= THAW_ACTIVATIONS)
		return thaw_fail(THAW_CONFIG, "unknown activation %d: activation: use relu or relu6", kind);
	*y = desc->x[0];
	return THAW_OK;
}

static void activation_forward(const struct thaw_op_args *args)
{
	int64_t count = thaw_shape_count(&args->y.shape);
	float room[THAW_VALUES_BLOCK];
	for (int64_t at = 0; at < count; at += THAW_VALUES_BLOCK) {
		int64_t size = min_int64(count - at, THAW_VALUES_BLOCK);
		float *y = thaw_values_target(&args->y, at, room);
		thaw_kernel_activate(y, thaw_values_read(&args->x[0], at, size, room), size, args->attrs->activation);
		thaw_values_write(&args->y, at, size, y);
	}
}

static void activation_backward(const struct thaw_op_args *args)
{
	int64_t count = thaw_shape_count(&args->y.shape);
	float room[THAW_VALUES_BLOCK];
	for (int64_t at = 0; args->dx[0] && at < count; at += THAW_VALUES_BLOCK) {
		int64_t size = min_int64(count - at, THAW_VALUES_BLOCK);
		thaw_kernel_pass_gradient(args->dx[0] + at, args->dx_add[0], args->dy + at,
					  thaw_values_read(&args->y, at, size, room), size, args->attrs->activation);
	}
}

static void activation_reference(const struct thaw_op_args *args)
{
	int64_t count = thaw_shape_count(&args->y.shape);
	for (int64_t i = 0; i < count; i++)
		args->y.data[i] = thaw_reference_result(args, i, args->x[0].data[i]);
}

static const struct thaw_op_case cases[] = {
	{.name = "relu", .attrs = {.activation = THAW_ACT_RELU}, .inputs = 1, .x = {{4, {3, 5, 7, 19}}}},
	{.name = "relu6", .attrs = {.activation = THAW_ACT_RELU6}, .inputs = 1, .x = {{4, {2, 9, 4, 33}}}},
	{.name = "relu of one channel", .attrs = {.activation = THAW_ACT_RELU}, .inputs = 1, .x = {{4, {1, 3, 3, 1}}}},
	{.name = "relu of features", .attrs = {.activation = THAW_ACT_RELU}, .inputs = 1, .x = {{2, {3, 17}}}},
	{.name = "identity", .inputs = 1, .x = {{2, {2, 5}}}},
};

const struct thaw_op thaw_op_activation = {
	.name = "activation",
	.min_inputs = 1,
	.max_inputs = 1,
	.param_names = (const char *const[]){NULL},
	.infer = activation_infer,
	.forward = activation_forward,
	.backward = activation_backward,
	.reference = activation_reference,
	.backward_reads = THAW_READS_Y,
	.in_place = true,
	.bf16 = true,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
