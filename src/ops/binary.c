/* A function of two elements: y = f(x[0], x[1]). Both inputs have the same ndim; one whose size is 1 along an axis is
 * repeated along it. Reads attrs.binary.
 *
 * The gradient of a repeated input is the sum over its copies. Backward goes block by block, so memory is read once for
 * both inputs, and computes dx[1] first, since dx[0] may be dy's memory.
 */
#include <math.h>
#include <string.h>

#include "src/ops/kernels/bf16_values.h"
#include "src/ops/kernels/binary.h"
#include "src/ops/kernels/elementwise.h"
#include "src/ops/kernels/sums.h"
#include "src/ops/registry.h"

static thaw_status binary_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	int function = (int)desc->attrs->binary;
	if (function < 0 || function >= THAW_BINARIES)
		return thaw_fail(THAW_CONFIG, "unknown function %d: binary: see enum thaw_binary", function);
	return thaw_broadcast_shape(desc->x, y, "binary");
}

static void binary_workspace(const struct thaw_op_desc *desc, struct thaw_op_workspace *need)
{
	(void)desc;
	need->scratch_backward = 2 * THAW_BLOCK_FLOATS * sizeof(float);
}

/* The operands of a block, in fp32. */
struct operands {
	struct thaw_block block; /* with offsets into x */
	const float *x[2];
	float room[2][THAW_BLOCK_FLOATS];
};

static void read_operands(const struct thaw_op_args *args, const struct thaw_block *block, struct operands *o)
{
	o->block = *block;
	for (int k = 0; k < 2; k++) {
		int64_t span = (block->rows - 1) * block->row[k] + (block->column[k] ? block->columns : 1);
		o->x[k] = args->x[k].data;
		if (!args->x[k].bf16)
			continue;
		o->x[k] = thaw_values_read(&args->x[k], block->first[k], span, o->room[k]);
		o->block.first[k] = 0;
	}
}

static void binary_forward(const struct thaw_op_args *args)
{
	struct thaw_broadcast b = thaw_broadcast_of(&args->x[0].shape, &args->x[1].shape);
	struct thaw_block block;
	struct operands o;
	float room[THAW_BLOCK_FLOATS];
	while (thaw_broadcast_next(&b, &block)) {
		float *y = thaw_values_target(&args->y, block.from, room);
		read_operands(args, &block, &o);
		thaw_binary_forward(args->attrs->binary, &o.block, y, o.x[0], o.x[1]);
		thaw_values_write(&args->y, block.from, block.rows * block.columns, y);
	}
}

/* Writes or adds a block of the gradient of input k. */
static void backward_input(const struct thaw_op_args *args, int k, bool repeated, const struct thaw_block *block,
			   const struct operands *o)
{
	enum thaw_binary f = args->attrs->binary;
	float *dx = args->dx[k] + block->first[k], *product = args->scratch;
	const float *dy = args->dy + block->from;
	if (!thaw_binary_passes(f, k)) {
		float *to = repeated || args->dx_add[k] ? product : dx;
		thaw_binary_backward(f, k, &o->block, to, dy, o->x[0], o->x[1]);
		dy = to;
	}
	if (repeated)
		thaw_sums_add(dx, dy, block, k);
	else
		thaw_kernel_pass_gradient(dx, args->dx_add[k], dy, NULL, block->rows * block->columns, THAW_ACT_NONE);
}

/* Both inputs are the same value, as in a square. Its gradient may be dy's memory, so both parts are computed before it
 * is written. */
static void backward_same_input(const struct thaw_op_args *args, const struct thaw_block *block,
				const struct operands *o)
{
	float *part[] = {args->scratch, (float *)args->scratch + THAW_BLOCK_FLOATS},
	      *dx = args->dx[0] + block->first[0];
	const float *dy = args->dy + block->from;
	int64_t count = block->rows * block->columns;
	for (int k = 0; k < 2; k++)
		thaw_binary_backward(args->attrs->binary, k, &o->block, part[k], dy, o->x[0], o->x[1]);
	for (int64_t i = 0; i < count; i++)
		dx[i] = (args->dx_add[0] ? dx[i] : 0.0f) + part[0][i] + part[1][i];
}

static void binary_backward(const struct thaw_op_args *args)
{
	struct thaw_broadcast b = thaw_broadcast_of(&args->x[0].shape, &args->x[1].shape);
	const struct thaw_view *x = args->x;
	bool same = args->dx[0] && args->dx[0] == args->dx[1] && x[0].data == x[1].data && x[0].bf16 == x[1].bf16;
	struct thaw_block block;
	struct operands o;
	for (int k = 0; k < 2; k++)
		if (args->dx[k] && b.repeated[k] && !args->dx_add[k])
			memset(args->dx[k], 0, (size_t)thaw_shape_count(&x[k].shape) * sizeof(float));
	while (thaw_broadcast_next(&b, &block)) {
		read_operands(args, &block, &o);
		if (same) {
			backward_same_input(args, &block, &o);
			continue;
		}
		for (int k = 1; k >= 0; k--)
			if (args->dx[k])
				backward_input(args, k, b.repeated[k], &block, &o);
	}
}

static double reference_value(enum thaw_binary f, double a, double b)
{
	switch (f) {
#define BINARY(name, value, slope_a, slope_b, formula) \
	case THAW_BINARY_##name:                       \
		return formula;
#include "src/ops/kernels/binary_list.h"
#undef BINARY
	case THAW_BINARIES:
		break;
	}
	return NAN;
}

/* The element of x that belongs to element i of y. */
static double element(const struct thaw_view *x, const struct thaw_shape *y, int64_t i)
{
	int64_t at = 0, step = 1;
	for (int axis = y->ndim - 1; axis >= 0; axis--) {
		at += x->shape.dim[axis] == 1 ? 0 : i % y->dim[axis] * step;
		step *= x->shape.dim[axis];
		i /= y->dim[axis];
	}
	return x->data[at];
}

static void binary_reference(const struct thaw_op_args *args)
{
	int64_t count = thaw_shape_count(&args->y.shape);
	for (int64_t i = 0; i < count; i++)
		args->y.data[i] = (float)reference_value(args->attrs->binary, element(&args->x[0], &args->y.shape, i),
							 element(&args->x[1], &args->y.shape, i));
}

#define CASE(name_, function, ...)                                                                  \
	{                                                                                           \
		.name = (name_), .attrs.binary = (THAW_BINARY_##function), .inputs = 2, __VA_ARGS__ \
	}
#define SAME(...) .x = {{4, {2, 3, 5, 19}}, {4, {2, 3, 5, 19}}}, __VA_ARGS__
#define POSITIVE  .low = 0.5f, .high = 2

static const struct thaw_op_case cases[] = {
	CASE("add", ADD, SAME(.low = 0)),
	CASE("sub", SUB, SAME(.low = 0)),
	CASE("mul", MUL, SAME(.low = 0)),
	CASE("div", DIV, SAME(POSITIVE)),
	CASE("pow", POW, SAME(POSITIVE)),
	CASE("min", MIN, SAME(.distinct = true)),
	CASE("max", MAX, SAME(.distinct = true)),
	CASE("prelu", PRELU, SAME(.kinks = 1, .kink = {0})),
	CASE("prelu, slopes per channel", PRELU, .x = {{4, {2, 3, 5, 7}}, {4, {1, 1, 1, 7}}}, .fixed = 2, .kinks = 1,
	     .kink = {0}),
	CASE("mul of many", MUL, .x = {{4, {2, 9, 11, 23}}, {4, {2, 9, 11, 23}}}),
	CASE("add a bias", ADD, .x = {{4, {3, 4, 5, 19}}, {4, {1, 1, 1, 19}}}, .fixed = 2),
	CASE("mul by a layer scale", MUL, .x = {{3, {3, 50, 48}}, {3, {1, 1, 48}}}, .fixed = 2),
	CASE("add positions", ADD, .x = {{3, {3, 7, 33}}, {3, {1, 7, 33}}}, .fixed = 2),
	CASE("positions first, sub", SUB, .x = {{3, {1, 7, 33}}, {3, {3, 7, 33}}}, .fixed = 1),
	CASE("gate second", MUL, .x = {{4, {3, 5, 7, 18}}, {4, {3, 1, 1, 18}}}),
	CASE("gate first", MUL, .x = {{4, {3, 1, 1, 18}}, {4, {3, 5, 7, 18}}}),
	CASE("gate of 200 channels", MUL, .x = {{4, {2, 5, 5, 200}}, {4, {2, 1, 1, 200}}}),
	CASE("one value per pixel", DIV, .x = {{4, {2, 3, 4, 35}}, {4, {2, 3, 4, 1}}}, POSITIVE),
	CASE("one value per pixel, first", DIV, .x = {{4, {2, 3, 4, 1}}, {4, {2, 3, 4, 35}}}, POSITIVE),
	CASE("a scalar", SUB, .x = {{2, {3, 17}}, {2, {1, 1}}}, .fixed = 2),
	CASE("outer product", MUL, .x = {{3, {3, 17, 1}}, {3, {3, 1, 9}}}),
	CASE("axes in turn", MUL, .x = {{6, {2, 1, 3, 1, 5, 1}}, {6, {2, 4, 1, 3, 1, 2}}}),
	CASE("axes in turn, fixed", SUB, .x = {{6, {2, 3, 1, 5, 1, 3}}, {6, {1, 3, 4, 1, 2, 3}}}, .fixed = 2),
	CASE("rows longer than a block", MUL, .x = {{2, {2, 4100}}, {2, {1, 4100}}}, .fixed = 2),
	CASE("parameters alone", ADD, .x = {{2, {4, 3}}, {2, {1, 3}}}, .fixed = 3),
};

const struct thaw_op thaw_op_binary = {
	.name = "binary",
	.min_inputs = 2,
	.max_inputs = 2,
	.param_names = (const char *const[]){NULL},
	.infer = binary_infer,
	.workspace = binary_workspace,
	.forward = binary_forward,
	.backward = binary_backward,
	.reference = binary_reference,
	.bf16 = true,
	.backward_reads = THAW_READS_X,
	.in_place = true,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
