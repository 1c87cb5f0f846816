/* A function of each element, of any shape. Reads attrs.function, alpha, beta, precision.
 *
 * Backward reads x: for most functions the slope cannot be computed from y. */
#include <math.h>

#include "src/base/minmax.h"
#include "src/ops/kernels/bf16_values.h"
#include "src/ops/kernels/functions.h"
#include "src/ops/registry.h"

static thaw_status pointwise_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	int function = (int)desc->attrs->function;
	if (function < 0 || function >= THAW_FUNCTIONS)
		return thaw_fail(THAW_CONFIG, "unknown function %d: pointwise: see enum thaw_function", function);
	*y = desc->x[0];
	return THAW_OK;
}

static void pointwise_forward(const struct thaw_op_args *args)
{
	int64_t count = thaw_shape_count(&args->y.shape);
	float room[THAW_VALUES_BLOCK];
	for (int64_t at = 0; at < count; at += THAW_VALUES_BLOCK) {
		int64_t size = min_int64(count - at, THAW_VALUES_BLOCK);
		float *y = thaw_values_target(&args->y, at, room);
		thaw_function_forward(args->attrs, y, thaw_values_read(&args->x[0], at, size, room), size);
		thaw_values_write(&args->y, at, size, y);
	}
}

static void pointwise_backward(const struct thaw_op_args *args)
{
	int64_t count = thaw_shape_count(&args->y.shape);
	float room[THAW_VALUES_BLOCK];
	for (int64_t at = 0; args->dx[0] && at < count; at += THAW_VALUES_BLOCK) {
		int64_t size = min_int64(count - at, THAW_VALUES_BLOCK);
		thaw_function_backward(args->attrs, args->dx[0] + at, args->dx_add[0], args->dy + at,
				       thaw_values_read(&args->x[0], at, size, room), size);
	}
}

static double reference_value(enum thaw_function f, double a, double b, double x)
{
	switch (f) {
#define FUNCTION(name, value, slope, formula) \
	case THAW_FN_##name:                  \
		return formula;
#include "src/ops/kernels/function_list.h"
#undef FUNCTION
	case THAW_FUNCTIONS:
		break;
	}
	return NAN;
}

static void pointwise_reference(const struct thaw_op_args *args)
{
	const struct thaw_attrs *attrs = args->attrs;
	int64_t count = thaw_shape_count(&args->y.shape);
	for (int64_t i = 0; i < count; i++)
		args->y.data[i] =
			(float)reference_value(attrs->function, attrs->alpha, attrs->beta, args->x[0].data[i]);
}

/* A case: name, function, range of its input, and the rest. */
#define CASE(name_, function_, low_, high_, ...)                                                                  \
	{                                                                                                         \
		.name = (name_), .attrs.function = (THAW_FN_##function_), .inputs = 1, .x = {{4, {3, 2, 5, 19}}}, \
		.low = (low_), .high = (high_), __VA_ARGS__                                                       \
	}
#define PLAIN(name_, function_, low_, high_) CASE(name_, function_, low_, high_, .kinks = 0)
#define KINKS(count, ...)                    .kinks = (count), .kink = {__VA_ARGS__}

static const struct thaw_op_case cases[] = {
	PLAIN("sigmoid", SIGMOID, -8, 8),
	PLAIN("tanh", TANH, -4, 4),
	PLAIN("silu", SILU, -8, 8),
	PLAIN("gelu", GELU, -5, 5),
	PLAIN("gelu by tanh", GELU_TANH, -5, 5),
	CASE("hard sigmoid", HARD_SIGMOID, -4, 4, .attrs.alpha = 0.2f, .attrs.beta = 0.5f, KINKS(2, -2.5f, 2.5f)),
	CASE("hard swish", HARD_SWISH, -5, 5, KINKS(2, -3, 3)),
	CASE("leaky relu", LEAKY_RELU, -2, 2, .attrs.alpha = 0.1f, KINKS(1, 0)),
	CASE("elu", ELU, -4, 2, .attrs.alpha = 1.5f, KINKS(1, 0)),
	CASE("selu", SELU, -4, 2, .attrs.alpha = 1.67326f, .attrs.beta = 1.0507f, KINKS(1, 0)),
	CASE("celu", CELU, -4, 2, .attrs.alpha = 2, KINKS(1, 0)),
	CASE("thresholded relu", THRESHOLDED_RELU, -1, 3, .attrs.alpha = 1, KINKS(1, 1)),
	CASE("shrink", SHRINK, -2, 2, .attrs.alpha = 1, .attrs.beta = 0.5f, KINKS(2, -1, 1)),
	PLAIN("softplus", SOFTPLUS, -8, 8),
	CASE("softsign", SOFTSIGN, -3, 3, KINKS(1, 0)),
	PLAIN("mish", MISH, -6, 6),
	CASE("clip", CLIP, -2, 2, .attrs.alpha = -0.5f, .attrs.beta = 1, KINKS(2, -0.5f, 1)),
	CASE("clip below only", CLIP, -2, 2, .attrs.alpha = 0, .attrs.beta = INFINITY, KINKS(1, 0)),
	CASE("affine", AFFINE, -2, 2, .attrs.alpha = -1.5f, .attrs.beta = 3),
	CASE("square", POWER, -2, 2, .attrs.alpha = 2),
	CASE("cube", POWER, -2, 2, .attrs.alpha = 3),
	CASE("power", POWER, 0.5f, 2, .attrs.alpha = -1.7f),
	CASE("abs", ABS, -2, 2, KINKS(1, 0)),
	PLAIN("exp", EXP, -2, 2),
	PLAIN("log", LOG, 0.5f, 4),
	PLAIN("sqrt", SQRT, 0.5f, 4),
	PLAIN("reciprocal", RECIPROCAL, 0.5f, 2),
	PLAIN("erf", ERF, -3, 3),
	CASE("floor", FLOOR, -1.5f, 1.5f, KINKS(3, -1, 0, 1)),
	CASE("ceil", CEIL, -1.5f, 1.5f, KINKS(3, -1, 0, 1)),
	CASE("round", ROUND, -2, 2, KINKS(4, -1.5f, -0.5f, 0.5f, 1.5f)),
	CASE("sign", SIGN, -1, 1, KINKS(1, 0)),
	PLAIN("sin", SIN, -4, 4),
	PLAIN("cos", COS, -4, 4),
	PLAIN("tan", TAN, -1, 1),
	PLAIN("asin", ASIN, -0.75f, 0.75f),
	PLAIN("acos", ACOS, -0.75f, 0.75f),
	PLAIN("atan", ATAN, -3, 3),
	PLAIN("sinh", SINH, -2, 2),
	PLAIN("cosh", COSH, -2, 2),
	PLAIN("asinh", ASINH, -3, 3),
	PLAIN("acosh", ACOSH, 1.5f, 4),
	PLAIN("atanh", ATANH, -0.75f, 0.75f),
	{.name = "silu of one channel", .attrs = {.function = THAW_FN_SILU}, .inputs = 1, .x = {{4, {1, 3, 3, 1}}}},
	{.name = "gelu of tokens", .attrs = {.function = THAW_FN_GELU}, .inputs = 1, .x = {{3, {3, 7, 33}}}},
	{.name = "exp of a parameter", .attrs = {.function = THAW_FN_EXP}, .inputs = 1, .x = {{1, {5}}}, .fixed = 1},
};

const struct thaw_op thaw_op_pointwise = {
	.name = "pointwise",
	.min_inputs = 1,
	.max_inputs = 1,
	.param_names = (const char *const[]){NULL},
	.infer = pointwise_infer,
	.forward = pointwise_forward,
	.backward = pointwise_backward,
	.reference = pointwise_reference,
	.backward_reads = THAW_READS_X,
	.in_place = true,
	.rounds = true,
	.bf16 = true,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
