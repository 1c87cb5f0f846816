/* Residual add: y = activation(x[0] + x[1]), two tensors of the same shape. Reads attrs.activation. */
#include "src/base/minmax.h"
#include "src/ops/kernels/bf16_values.h"
#include "src/ops/kernels/elementwise.h"
#include "src/ops/reference.h"
#include "src/ops/registry.h"

static thaw_status add_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	if (!thaw_shape_equal(&desc->x[0], &desc->x[1])) {
		char a[THAW_SHAPE_TEXT], b[THAW_SHAPE_TEXT];
		return thaw_fail(THAW_CONFIG, "cannot add %s and %s: add: give inputs of the same shape",
				 thaw_shape_text(&desc->x[0], a, sizeof(a)),
				 thaw_shape_text(&desc->x[1], b, sizeof(b)));
	}
	*y = desc->x[0];
	return THAW_OK;
}

static void add_forward(const struct thaw_op_args *args)
{
	int64_t count = thaw_shape_count(&args->y.shape);
	float room[2][THAW_VALUES_BLOCK];
	for (int64_t at = 0; at < count; at += THAW_VALUES_BLOCK) {
		int64_t size = min_int64(count - at, THAW_VALUES_BLOCK);
		float *y = thaw_values_target(&args->y, at, room[0]);
		thaw_kernel_add(y, thaw_values_read(&args->x[0], at, size, room[0]),
				thaw_values_read(&args->x[1], at, size, room[1]), size, args->attrs->activation);
		thaw_values_write(&args->y, at, size, y);
	}
}

/* Block by block, so dy and y are read from memory once. In place, dx[0] is dy: it is already masked when it is read
 * for dx[1], and masking twice changes nothing. */
static void add_backward(const struct thaw_op_args *args)
{
	int64_t count = thaw_shape_count(&args->y.shape);
	bool masks = args->attrs->activation != THAW_ACT_NONE;
	float room[THAW_VALUES_BLOCK];
	for (int64_t at = 0; at < count; at += THAW_VALUES_BLOCK) {
		int64_t size = min_int64(count - at, THAW_VALUES_BLOCK);
		const float *y = masks ? thaw_values_read(&args->y, at, size, room) : NULL;
		for (int i = 0; i < 2; i++)
			if (args->dx[i])
				thaw_kernel_pass_gradient(args->dx[i] + at, args->dx_add[i], args->dy + at, y, size,
							  args->attrs->activation);
	}
}

static void add_reference(const struct thaw_op_args *args)
{
	int64_t count = thaw_shape_count(&args->y.shape);
	for (int64_t i = 0; i < count; i++)
		args->y.data[i] = thaw_reference_result(args, i, args->x[0].data[i]);
}

static const struct thaw_op_case cases[] = {
	{.name = "plain", .inputs = 2, .x = {{4, {3, 5, 3, 19}}, {4, {3, 5, 3, 19}}}},
	{.name = "relu",
	 .attrs = {.activation = THAW_ACT_RELU},
	 .inputs = 2,
	 .x = {{4, {2, 7, 7, 64}}, {4, {2, 7, 7, 64}}}},
	{.name = "relu6 of one channel",
	 .attrs = {.activation = THAW_ACT_RELU6},
	 .inputs = 2,
	 .x = {{4, {1, 3, 5, 1}}, {4, {1, 3, 5, 1}}}},
	{.name = "features", .inputs = 2, .x = {{2, {4, 11}}, {2, {4, 11}}}},
};

const struct thaw_op thaw_op_add = {
	.name = "add",
	.min_inputs = 2,
	.max_inputs = 2,
	.param_names = (const char *const[]){NULL},
	.infer = add_infer,
	.forward = add_forward,
	.backward = add_backward,
	.reference = add_reference,
	.activates = true,
	.backward_reads = THAW_READS_Y,
	.in_place = true,
	.bf16 = true,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
