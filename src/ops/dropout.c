/* Dropout: in training each feature is zeroed with probability `rate` and otherwise divided by (1 - rate); in
 * inference, or without sample keys, y is x. Reads attrs.rate and attrs.stream.
 *
 * The mask of an image depends on its key (sample_key[n]), not on the rank, batch or lane that the image is in. Two
 * dropouts of a network must not have the same mask: the random stream also depends on the number of features and on
 * attrs.stream, which distinguishes dropouts of the same size (both dropouts of VGG have 4096 features). */
#include <string.h>

#include "src/base/multiversion.h"
#include "src/ops/kernels/elementwise.h"
#include "src/ops/registry.h"
#include "thaw/random.h"

static thaw_status dropout_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	float rate = desc->attrs->rate;
	if (!(rate >= 0.0f && rate < 1.0f))
		return thaw_fail(THAW_CONFIG, "rate %g is out of range: dropout: give 0 or more and less than 1",
				 (double)rate);
	if (desc->x[0].ndim < 1)
		return thaw_fail(THAW_CONFIG, "input without a batch axis: dropout: give images or features");
	*y = desc->x[0];
	return THAW_OK;
}

/* saved: one byte per feature, 0 where it is zeroed. */
static void dropout_workspace(const struct thaw_op_desc *desc, struct thaw_op_workspace *need)
{
	if (desc->training)
		need->saved = (size_t)thaw_shape_count(&desc->y);
}

/* Whether this call zeroes features. */
static bool drops(const struct thaw_op_args *args)
{
	return args->training && args->sample_key && args->attrs->rate > 0.0f;
}

static int64_t features_of(const struct thaw_shape *shape)
{
	int64_t features = 1;
	for (int i = 1; i < shape->ndim; i++)
		features *= shape->dim[i];
	return features;
}

static struct thaw_random stream_of(const struct thaw_op_args *args, int64_t n)
{
	uint64_t node = (uint64_t)features_of(&args->y.shape) ^ (uint64_t)(uint32_t)args->attrs->stream << 32;
	return thaw_random_stream(args->sample_key[n], THAW_STREAM_DROPOUT, 0, node);
}

THAW_MULTIVERSION
static void write_masked(float *y, const float *x, const uint8_t *mask, int64_t count, float scale)
{
	THAW_INDEPENDENT
	for (int64_t i = 0; i < count; i++)
		y[i] = mask[i] ? x[i] * scale : 0.0f;
}

THAW_MULTIVERSION
static void add_masked(float *dx, const float *dy, const uint8_t *mask, int64_t count, float scale)
{
	THAW_INDEPENDENT
	for (int64_t i = 0; i < count; i++)
		dx[i] += mask[i] ? dy[i] * scale : 0.0f;
}

static void dropout_forward(const struct thaw_op_args *args)
{
	int64_t count = thaw_shape_count(&args->y.shape), features = features_of(&args->y.shape);
	uint8_t *mask = args->saved;
	if (!drops(args)) {
		if (args->y.data != args->x[0].data)
			memcpy(args->y.data, args->x[0].data, (size_t)count * sizeof(float));
		return;
	}
	for (int64_t n = 0; n < args->y.shape.dim[0]; n++) {
		struct thaw_random random = stream_of(args, n);
		for (int64_t i = 0; i < features; i++)
			mask[n * features + i] = thaw_random_unit(&random) >= args->attrs->rate;
	}
	write_masked(args->y.data, args->x[0].data, mask, count, 1.0f / (1.0f - args->attrs->rate));
}

static void dropout_backward(const struct thaw_op_args *args)
{
	int64_t count = thaw_shape_count(&args->y.shape);
	float scale = 1.0f / (1.0f - args->attrs->rate);
	float *dx = args->dx[0];
	if (!dx)
		return;
	if (drops(args))
		(args->dx_add[0] ? add_masked : write_masked)(dx, args->dy, args->saved, count, scale);
	else
		thaw_kernel_pass_gradient(dx, args->dx_add[0], args->dy, NULL, count, THAW_ACT_NONE);
}

static void dropout_reference(const struct thaw_op_args *args)
{
	int64_t features = features_of(&args->y.shape);
	for (int64_t n = 0; n < args->y.shape.dim[0]; n++) {
		struct thaw_random random = {0};
		if (drops(args))
			random = stream_of(args, n);
		for (int64_t i = n * features; i < (n + 1) * features; i++) {
			double v = args->x[0].data[i];
			if (drops(args))
				v = thaw_random_unit(&random) < args->attrs->rate ? 0 : v / (1 - args->attrs->rate);
			args->y.data[i] = (float)v;
		}
	}
}

static const struct thaw_op_case cases[] = {
	{.name = "features", .attrs = {.rate = 0.5f}, .inputs = 1, .x = {{2, {3, 37}}}},
	{.name = "images", .attrs = {.rate = 0.2f}, .inputs = 1, .x = {{4, {2, 3, 5, 7}}}},
	{.name = "one feature", .attrs = {.rate = 0.5f}, .inputs = 1, .x = {{2, {1, 1}}}},
	{.name = "rate zero", .inputs = 1, .x = {{2, {2, 9}}}},
};

const struct thaw_op thaw_op_dropout = {
	.name = "dropout",
	.min_inputs = 1,
	.max_inputs = 1,
	.param_names = (const char *const[]){NULL},
	.infer = dropout_infer,
	.workspace = dropout_workspace,
	.forward = dropout_forward,
	.backward = dropout_backward,
	.reference = dropout_reference,
	.draws = true,
	.in_place = true,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
