/* A function of two elements: y = x[0] f x[1], of one rank; where a size of one input is 1, it is repeated along that
 * axis of the other. Reads attrs.binary.
 *
 * The gradient of what is repeated is the sum over its copies. Block by block, so that memory is read once for both
 * inputs; x[1]'s goes first, since dx[0] may be dy.
 */
#include <math.h>
#include <string.h>

#include "src/ops/kernels/binary.h"
#include "src/ops/kernels/elementwise.h"
#include "src/ops/kernels/sums.h"
#include "src/ops/registry.h"

static thaw_status infer(const struct thaw_site *site, struct thaw_shape *y)
{
	int function = (int)site->attrs->binary;

	if (function < 0 || function >= THAW_BINARIES)
		return thaw_fail(THAW_CONFIG, "unknown function %d: binary: see enum thaw_binary", function);
	return thaw_broadcast_shape(site->x, y, "binary");
}

static void space(const struct thaw_site *site, struct thaw_space *space)
{
	(void)site;
	space->scratch_backward = 2 * THAW_BLOCK_FLOATS * sizeof(float);
}

static void forward(const struct thaw_call *call)
{
	struct thaw_broadcast b = thaw_broadcast_of(&call->x[0].shape, &call->x[1].shape);
	struct thaw_block block;

	while (thaw_broadcast_next(&b, &block))
		thaw_binary_forward(call->attrs->binary, &block, call->y.data + block.from, call->x[0].data,
				    call->x[1].data);
}

/* Hands a block of dy to input k. */
static void send_back(const struct thaw_call *call, int k, bool repeated, const struct thaw_block *block)
{
	enum thaw_binary f = call->attrs->binary;
	float *dx = call->dx[k] + block->first[k], *product = call->scratch;
	const float *dy = call->dy + block->from;

	if (!thaw_binary_passes(f, k)) {
		float *to = repeated || call->dx_add[k] ? product : dx;

		thaw_binary_backward(f, k, block, to, dy, call->x[0].data, call->x[1].data);
		dy = to;
	}
	if (repeated)
		thaw_sums_add(dx, dy, block, k);
	else
		thaw_kernel_pass_gradient(dx, call->dx_add[k], dy, NULL, block->rows * block->columns, THAW_ACT_NONE);
}

/* The same value twice, such as a square: its gradient may be dy's memory, so both parts are made before one is kept.
 */
static void send_back_both(const struct thaw_call *call, const struct thaw_block *block)
{
	float *part[] = {call->scratch, (float *)call->scratch + THAW_BLOCK_FLOATS},
	      *dx = call->dx[0] + block->first[0];
	const float *dy = call->dy + block->from;
	int64_t count = block->rows * block->columns;

	for (int k = 0; k < 2; k++)
		thaw_binary_backward(call->attrs->binary, k, block, part[k], dy, call->x[0].data, call->x[1].data);
	for (int64_t i = 0; i < count; i++)
		dx[i] = (call->dx_add[0] ? dx[i] : 0.0f) + part[0][i] + part[1][i];
}

static void backward(const struct thaw_call *call)
{
	struct thaw_broadcast b = thaw_broadcast_of(&call->x[0].shape, &call->x[1].shape);
	struct thaw_block block;

	if (call->dx[0] && call->dx[0] == call->dx[1] && call->x[0].data == call->x[1].data) {
		while (thaw_broadcast_next(&b, &block))
			send_back_both(call, &block);
		return;
	}
	for (int k = 0; k < 2; k++)
		if (call->dx[k] && b.repeated[k] && !call->dx_add[k])
			memset(call->dx[k], 0, (size_t)thaw_shape_count(&call->x[k].shape) * sizeof(float));
	while (thaw_broadcast_next(&b, &block))
		for (int k = 1; k >= 0; k--)
			if (call->dx[k])
				send_back(call, k, b.repeated[k], &block);
}

static double exactly(enum thaw_binary f, double a, double b)
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

/* The element of x that is repeated at element i of y. */
static double element(const struct thaw_view *x, const struct thaw_shape *y, int64_t i)
{
	int64_t at = 0, step = 1;

	for (int axis = y->rank - 1; axis >= 0; axis--) {
		at += x->shape.dim[axis] == 1 ? 0 : i % y->dim[axis] * step;
		step *= x->shape.dim[axis];
		i /= y->dim[axis];
	}
	return x->data[at];
}

static void reference(const struct thaw_call *call)
{
	int64_t count = thaw_shape_count(&call->y.shape);

	for (int64_t i = 0; i < count; i++)
		call->y.data[i] = (float)exactly(call->attrs->binary, element(&call->x[0], &call->y.shape, i),
						 element(&call->x[1], &call->y.shape, i));
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
	CASE("add of a bias", ADD, .x = {{4, {3, 4, 5, 19}}, {4, {1, 1, 1, 19}}}, .fixed = 2),
	CASE("mul by a layer scale", MUL, .x = {{3, {3, 50, 48}}, {3, {1, 1, 48}}}, .fixed = 2),
	CASE("add of positions", ADD, .x = {{3, {3, 7, 33}}, {3, {1, 7, 33}}}, .fixed = 2),
	CASE("positions first, sub", SUB, .x = {{3, {1, 7, 33}}, {3, {3, 7, 33}}}, .fixed = 1),
	CASE("gate second", MUL, .x = {{4, {3, 5, 7, 18}}, {4, {3, 1, 1, 18}}}),
	CASE("gate first", MUL, .x = {{4, {3, 1, 1, 18}}, {4, {3, 5, 7, 18}}}),
	CASE("gate of 200 channels", MUL, .x = {{4, {2, 5, 5, 200}}, {4, {2, 1, 1, 200}}}),
	CASE("one value a pixel", DIV, .x = {{4, {2, 3, 4, 35}}, {4, {2, 3, 4, 1}}}, POSITIVE),
	CASE("one value a pixel, first", DIV, .x = {{4, {2, 3, 4, 1}}, {4, {2, 3, 4, 35}}}, POSITIVE),
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
	.infer = infer,
	.space = space,
	.forward = forward,
	.backward = backward,
	.reference = reference,
	.backward_reads = THAW_READS_X,
	.in_place = true,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
