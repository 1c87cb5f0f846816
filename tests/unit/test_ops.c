/* Tests every case of every operator against its reference.
 *
 * Checks the contract of thaw/ops.h without knowledge of the operator: the forward pass against `reference`, the
 * backward pass against finite differences of `reference`, and which memory is written. Memory that the operator must
 * not read holds NaN, and guards surround every buffer.
 *
 *     test_ops ['conv*']    runs the tests whose names match the pattern
 */
#include "tests/unit/op_cases.h"

#include <math.h>
#include <string.h>

#include "thaw/memory.h"
#include "thaw/random.h"

#define MAX_INPUTS  4
#define MAX_BUFFERS 64

/* AddressSanitizer guards allocations itself, against reads too. */
#ifdef __SANITIZE_ADDRESS__
enum { GUARD = 0 };
#else
enum { GUARD = 4 * THAW_ALIGNMENT };
#endif
enum { POISON = 0xFF }; /* as bytes of a float: NaN */

/* Largest allowed errors: `norm`: |a - b| of all values relative to |b|; `element`: of each value relative to the
 * largest. `floor` is added to the scale, so that errors of smaller values count as absolute. */
struct tolerance {
	double norm, element, floor;
};
static const struct tolerance FORWARD = {3e-5, 1e-4, 1e-3};
static const struct tolerance SAME = {1e-6, 1e-6, 1e-3};
static const struct tolerance DIFFERENCE = {2e-4, 1e-3, 0.1};
/* bfloat16 has 8 bits: each factor is off by up to 2^-9 of itself, a product by 2^-8, and a sum by as much of the sum
 * of the magnitudes, which is larger than the sum. */
static const struct tolerance BF16 = {1.0 / 128, 1.0 / 64, 0.1};

/* A five-point stencil with this step has an error of STEP^4 times the fifth derivative. Adding STEP to a float of
 * about 1 is exact. */
#define STEP (1.0f / 128)
/* Outputs nearer to a kink of the activation are excluded from the objective. */
#define KINK_MARGIN 0.2
/* Distance of values for operators that pick the largest: finite differences must not change which one it is. */
#define DISTINCT (8 * STEP)
/* Values differentiated per tensor; larger tensors are sampled. */
enum { DIFFERENCES = 384 };

struct fixture {
	const struct thaw_op *op;
	const struct thaw_op_case *c;
	struct thaw_op_desc desc;
	struct thaw_op_workspace workspace;
	struct thaw_op_args args; /* with buffers for the descriptor's batch */
	struct thaw_view x[MAX_INPUTS], param[THAW_MAX_PARAMS];
	float *dx[MAX_INPUTS], *dparam[THAW_MAX_PARAMS];
	bool dx_add[MAX_INPUTS];
	struct thaw_random random;
	char *buffer[MAX_BUFFERS];
	size_t bytes[MAX_BUFFERS];
	int buffers;
};

static void *buffer_create(struct fixture *b, size_t bytes)
{
	assert_true(b->buffers < MAX_BUFFERS);
	char *p = thaw_alloc(bytes + 2 * GUARD, 1);
	assert_non_null(p);
	memset(p, POISON, bytes + 2 * GUARD);
	b->buffer[b->buffers] = p;
	b->bytes[b->buffers++] = bytes;
	return p + GUARD;
}

static float *floats_create(struct fixture *b, int64_t count)
{
	return buffer_create(b, (size_t)count * sizeof(float));
}

static void guards_check(const struct fixture *b)
{
	for (int i = 0; i < b->buffers; i++)
		for (size_t k = 0; k != GUARD; k++)
			if ((unsigned char)b->buffer[i][k] != POISON ||
			    (unsigned char)b->buffer[i][GUARD + b->bytes[i] + k] != POISON)
				fail_msg("operator wrote outside buffer %d of %zu bytes", i, b->bytes[i]);
}

static void compare(const char *what, const float *actual, const double *expected, int64_t count, struct tolerance t)
{
	double error = 0, norm = 0, largest = 0;
	for (int64_t i = 0; i < count; i++) {
		norm += expected[i] * expected[i];
		largest = fmax(largest, fabs(expected[i]));
	}
	for (int64_t i = 0; i < count; i++) {
		double d = actual[i] - expected[i];
		if (!(fabs(d) <= t.element * (largest + t.floor)))
			fail_msg("%s: value %lld of %lld is %.8g, not %.8g", what, (long long)i, (long long)count,
				 (double)actual[i], expected[i]);
		error += d * d;
	}
	norm = sqrt(norm) + t.floor * sqrt((double)count);
	if (!(sqrt(error) <= t.norm * norm))
		fail_msg("%s: relative error %.3g", what, sqrt(error) / norm);
}

/* For relu6 the inputs are larger (fill_all), and so are the sums before they are cut. */
static struct tolerance forward_tolerance(const struct thaw_op_case *c)
{
	struct tolerance t = c->attrs.precision == THAW_PRECISION_BF16 ? BF16 : FORWARD;
	if (c->attrs.precision == THAW_PRECISION_BF16 && c->attrs.activation == THAW_ACT_RELU6)
		t.floor = 48;
	return t;
}

static void compare_floats(const char *what, const float *actual, const float *expected, int64_t count,
			   struct tolerance t)
{
	double *wide = calloc((size_t)count + 1, sizeof(*wide));
	assert_non_null(wide);
	for (int64_t i = 0; i < count; i++)
		wide[i] = expected[i];
	compare(what, actual, wide, count, t);
	free(wide);
}

static void untouched_check(const char *what, const float *from, const float *to)
{
	for (const unsigned char *p = (const unsigned char *)from; p < (const unsigned char *)to; p++)
		if (*p != POISON)
			fail_msg("%s: operator wrote beyond the batch", what);
}

/* Filling. Moving statistics are recognised by their names. */

static bool is_variance(const struct thaw_op *op, int param)
{
	return strcmp(op->param_names[param], "running_var") == 0;
}

static bool is_statistic(const struct thaw_op *op, int param)
{
	return is_variance(op, param) || strcmp(op->param_names[param], "running_mean") == 0;
}

/* Multiples of 1/4096, so that adding a step is exact. */
static void fill_range(struct fixture *b, float *data, int64_t count, float low, float high)
{
	for (int64_t i = 0; i < count; i++)
		data[i] = rintf(thaw_random_range(&b->random, low, high) * 4096) / 4096;
}

/* As fill_range, at least KINK_MARGIN away from the case's kinks. */
static void fill_between_kinks(struct fixture *b, float *data, int64_t count, float low, float high)
{
	for (int64_t i = 0; i < count; i++) {
		double nearest = INFINITY;
		fill_range(b, &data[i], 1, low, high);
		for (int k = 0; k < b->c->kinks; k++)
			nearest = fmin(nearest, fabs(data[i] - b->c->kink[k]));
		i -= nearest < KINK_MARGIN; /* draw it again */
	}
}

/* Shuffled multiples of DISTINCT; those of the second input are offset by half of it. */
static void fill_distinct(struct fixture *b, float *data, int64_t count, int input)
{
	int64_t *order = calloc((size_t)count + 1, sizeof(*order));
	assert_non_null(order);
	for (int64_t i = 0; i < count; i++)
		order[i] = i;
	thaw_random_shuffle(&b->random, order, count);
	for (int64_t i = 0; i < count; i++)
		data[i] = (float)(order[i] - count / 2) * DISTINCT + (float)input * DISTINCT / 2;
	free(order);
}

static bool is_fixed(const struct thaw_op_case *c, int input)
{
	return c->fixed >> input & 1 || (c->images && c->x[input].dim[0] % c->images != 0);
}

static bool is_indices(const struct thaw_op_case *c, int input)
{
	return c->indices >> input & 1;
}

/* ReLU6 needs values on both sides of 6. */
static void fill_all(struct fixture *b)
{
	bool ranged = b->c->low != b->c->high;
	float reach = b->c->attrs.activation == THAW_ACT_RELU6 ? 8 : 1;
	float low = ranged ? b->c->low : -reach, high = ranged ? b->c->high : reach;
	for (int i = 0; i < b->c->inputs; i++) {
		int64_t count = thaw_shape_count(&b->x[i].shape);
		if (b->c->distinct)
			fill_distinct(b, b->x[i].data, count, i);
		else
			fill_between_kinks(b, b->x[i].data, count, low, high);
		for (int64_t k = 0; k < count && is_indices(b->c, i); k++)
			b->x[i].data[k] = rintf(b->x[i].data[k]);
	}
	for (int i = 0; i < b->c->params; i++)
		fill_range(b, b->param[i].data, thaw_shape_count(&b->param[i].shape), is_variance(b->op, i) ? 0.5f : -1,
			   1);
}

/* Number of images of a case; 0 if all inputs are fixed. Other inputs have one or more rows per image. */
static int64_t case_batch(const struct thaw_op_case *c)
{
	int64_t batch = c->images;
	for (int i = 0; i < c->inputs && !c->images; i++)
		if (!is_fixed(c, i) && (batch == 0 || c->x[i].dim[0] < batch))
			batch = c->x[i].dim[0];
	return batch;
}

/* The case's shapes for n images. */
static void shapes_set(const struct thaw_op_case *c, int64_t n, struct thaw_shape *x)
{
	for (int i = 0; i < c->inputs; i++) {
		x[i] = c->x[i];
		if (!is_fixed(c, i))
			x[i].dim[0] = c->x[i].dim[0] / case_batch(c) * n;
	}
}

static void fixture_create(struct fixture *b, const struct thaw_op *op, const struct thaw_op_case *c, bool training)
{
	memset(b, 0, sizeof(*b));
	b->op = op;
	b->c = c;
	b->random = thaw_random_stream(1, THAW_STREAM_INIT, 0, strlen(c->name));
	b->desc = (struct thaw_op_desc){.attrs = &c->attrs,
					.inputs = c->inputs,
					.x = c->x,
					.params = c->params,
					.param = c->param,
					.training = training};
	if (op->infer(&b->desc, &b->desc.y) != THAW_OK)
		fail_msg("infer: %s", thaw_error_message());
	if (op->workspace)
		op->workspace(&b->desc, &b->workspace);
	for (int i = 0; i < c->inputs; i++) {
		b->x[i] = (struct thaw_view){.data = floats_create(b, thaw_shape_count(&c->x[i])), .shape = c->x[i]};
		b->dx[i] = floats_create(b, thaw_shape_count(&c->x[i]));
	}
	for (int i = 0; i < c->params; i++) {
		b->param[i] = (struct thaw_view){.data = floats_create(b, thaw_shape_count(&c->param[i])),
						 .shape = c->param[i]};
		b->dparam[i] = floats_create(b, thaw_shape_count(&c->param[i]));
	}
	int64_t batch = case_batch(c);
	uint64_t *keys = buffer_create(b, (size_t)batch * sizeof(*keys));
	for (int64_t n = 0; n < batch; n++)
		keys[n] = (uint64_t)thaw_random_u32(&b->random) << 32 | thaw_random_u32(&b->random);
	b->args =
		(struct thaw_op_args){.attrs = &c->attrs,
				      .inputs = c->inputs,
				      .x = b->x,
				      .y = {.data = floats_create(b, thaw_shape_count(&b->desc.y)), .shape = b->desc.y},
				      .params = c->params,
				      .param = b->param,
				      .saved = buffer_create(b, b->workspace.saved),
				      .training = training,
				      .sample_key = keys};
	fill_all(b);
}

static void fixture_destroy(struct fixture *b)
{
	guards_check(b);
	for (int i = 0; i < b->buffers; i++)
		thaw_free(b->buffer[i]);
}

static void batch_set(struct fixture *b, int64_t n)
{
	struct thaw_shape x[MAX_INPUTS];
	shapes_set(b->c, n, x);
	for (int i = 0; i < b->c->inputs; i++)
		b->x[i].shape = x[i];
	b->args.y.shape.dim[0] = b->desc.y.dim[0] / case_batch(b->c) * n;
}

static int64_t outputs(const struct fixture *b)
{
	return thaw_shape_count(&b->args.y.shape);
}

/* Running. Scratch is new and poisoned for each call. */

static void run_forward(struct fixture *b)
{
	b->args.scratch = buffer_create(b, b->workspace.scratch_forward);
	b->op->forward(&b->args);
	guards_check(b);
}

/* The reference's result with the given activation. */
static void run_reference(const struct fixture *b, enum thaw_activation activation, float *y)
{
	struct thaw_attrs attrs = b->c->attrs;
	struct thaw_op_args args = b->args;
	attrs.activation = activation;
	args.attrs = &attrs;
	args.y.data = y;
	b->op->reference(&args);
}

/* Backward of a copy of dy, to those of b->dx and b->dparam that are not NULL. */
static void run_backward(struct fixture *b, const float *dy)
{
	struct thaw_op_args args = b->args;
	struct thaw_view x[MAX_INPUTS];
	float *dy_copy = floats_create(b, outputs(b));
	memcpy(dy_copy, dy, (size_t)outputs(b) * sizeof(float));
	for (int i = 0; i < b->c->inputs; i++) {
		x[i] = b->x[i];
		bool residual = b->op->adds && i > 0, frozen = b->op->x_for_weight && !b->dparam[0];
		if (!(b->op->backward_reads & THAW_READS_X) || residual || frozen)
			x[i].data = floats_create(b, thaw_shape_count(&x[i].shape));
	}
	args.x = x;
	if (!(b->op->backward_reads & THAW_READS_Y) || (b->op->activates && b->c->attrs.activation == THAW_ACT_NONE))
		args.y.data = floats_create(b, outputs(b));
	args.dy = dy_copy;
	args.dx = b->dx;
	args.dx_add = b->dx_add;
	args.dparam = b->dparam;
	args.scratch = buffer_create(b, b->workspace.scratch_backward);
	b->op->backward(&args);
	guards_check(b);
	if (!b->op->in_place && !b->op->overwrites_dy)
		assert_memory_equal(dy_copy, dy, (size_t)outputs(b) * sizeof(float));
}

/* A random gradient of y, 0 near a kink of the activation. */
static float *objective_create(struct fixture *b)
{
	int64_t count = outputs(b);
	float *w = floats_create(b, count), *before = floats_create(b, count);
	enum thaw_activation activation = b->c->attrs.activation;
	fill_range(b, w, count, -1, 1);
	run_reference(b, THAW_ACT_NONE, before);
	for (int64_t i = 0; i < count; i++)
		if ((activation != THAW_ACT_NONE && fabs(before[i]) < KINK_MARGIN) ||
		    (activation == THAW_ACT_RELU6 && fabs(before[i] - 6) < KINK_MARGIN))
			w[i] = 0;
	return w;
}

static double objective(const struct fixture *b, const float *w, float *y)
{
	double sum = 0;
	run_reference(b, b->c->attrs.activation, y);
	for (int64_t i = 0; i < outputs(b); i++)
		sum += (double)y[i] * w[i];
	return sum;
}

/* d objective / d value, by differences of 1 and 2 steps to both sides. */
static double difference(const struct fixture *b, const float *w, float *y, float *value)
{
	static const double weight[] = {1.0 / 12, -8.0 / 12, 8.0 / 12, -1.0 / 12};
	static const float steps[] = {-2, -1, 1, 2};
	float at = *value;
	double sum = 0;
	for (int i = 0; i < 4; i++) {
		*value = at + steps[i] * STEP;
		sum += weight[i] * objective(b, w, y);
	}
	*value = at;
	return sum / STEP;
}

static void differences_check(struct fixture *b, const char *what, const float *w, float *value, const float *gradient,
			      int64_t count)
{
	double expected[DIFFERENCES];
	float actual[DIFFERENCES];
	float *y = floats_create(b, outputs(b));
	int64_t stride = count / DIFFERENCES + 1, n = 0;
	for (int64_t i = 0; i < count; i += stride, n++) {
		expected[n] = difference(b, w, y, &value[i]);
		actual[n] = gradient[i];
	}
	compare(what, actual, expected, n, DIFFERENCE);
}

/* Checks that dparam of a moving statistic is N times the mean or unbiased variance of x over all axes but channels. */
static void statistic_check(const struct fixture *b, int param, const float *gradient)
{
	const struct thaw_shape *s = &b->x[0].shape;
	int64_t channels = s->dim[s->ndim - 1], rows = thaw_shape_count(s) / channels;
	for (int64_t c = 0; c < channels; c++) {
		double mean = 0, variance = 0;
		for (int64_t r = 0; r < rows; r++)
			mean += b->x[0].data[r * channels + c] / (double)rows;
		for (int64_t r = 0; r < rows; r++)
			variance += pow(b->x[0].data[r * channels + c] - mean, 2);
		double expected =
			(double)s->dim[0] * (is_variance(b->op, param) ? variance / (double)(rows - 1) : mean);
		compare("statistic", &gradient[c], &expected, 1, FORWARD);
	}
}

/* The parts of a case's test. Each creates a fixture. */

static void forward_check(const struct thaw_op *op, const struct thaw_op_case *c, bool training)
{
	struct fixture b;
	fixture_create(&b, op, c, training);
	float *expected = floats_create(&b, outputs(&b));
	run_reference(&b, c->attrs.activation, expected);
	run_forward(&b);
	compare_floats("forward", b.args.y.data, expected, outputs(&b), forward_tolerance(c));

	float *first = floats_create(&b, outputs(&b));
	memcpy(first, b.args.y.data, (size_t)outputs(&b) * sizeof(float));
	run_forward(&b);
	assert_memory_equal(first, b.args.y.data, (size_t)outputs(&b) * sizeof(float));
	fixture_destroy(&b);
}

/* A smaller batch works with the memory of the descriptor's batch, and writes its images only. */
static void smaller_batch_check(const struct thaw_op *op, const struct thaw_op_case *c, int64_t n)
{
	struct fixture b;
	fixture_create(&b, op, c, true);
	int64_t full = outputs(&b);
	batch_set(&b, n);
	float *expected = floats_create(&b, outputs(&b));
	run_reference(&b, c->attrs.activation, expected);
	run_forward(&b);
	compare_floats("forward of a smaller batch", b.args.y.data, expected, outputs(&b), FORWARD);
	untouched_check("y", b.args.y.data + outputs(&b), b.args.y.data + full);

	for (int i = 0; i < c->params; i++)
		memset(b.dparam[i], 0, (size_t)thaw_shape_count(&c->param[i]) * sizeof(float));
	float *w = objective_create(&b);
	run_backward(&b, w);
	for (int i = 0; i < c->inputs; i++)
		if (is_fixed(c, i) && !is_indices(c, i))
			differences_check(&b, "gradient of a fixed input", w, b.x[i].data, b.dx[i],
					  thaw_shape_count(&c->x[i]));
		else
			untouched_check("dx", b.dx[i] + thaw_shape_count(&b.x[i].shape),
					b.dx[i] + thaw_shape_count(&c->x[i]));
	for (int i = 0; i < c->params && n > 0; i++)
		if (!is_statistic(op, i))
			differences_check(&b, op->param_names[i], w, b.param[i].data, b.dparam[i],
					  thaw_shape_count(&c->param[i]));
	for (int i = 0; i < c->params && n == 0; i++)
		for (int64_t k = 0; k < thaw_shape_count(&c->param[i]); k++)
			assert_true(b.dparam[i][k] == 0);
	fixture_destroy(&b);
}

static void backward_check(const struct thaw_op *op, const struct thaw_op_case *c)
{
	struct fixture b;
	char what[64];
	fixture_create(&b, op, c, true);
	float *w = objective_create(&b);
	for (int i = 0; i < c->params; i++) {
		memset(b.dparam[i], 0, (size_t)thaw_shape_count(&c->param[i]) * sizeof(float));
		if (is_statistic(op, i) && !c->attrs.batch_statistics)
			b.dparam[i] = NULL;
	}
	run_forward(&b);
	run_backward(&b, w);
	for (int i = 0; i < c->inputs; i++) {
		snprintf(what, sizeof(what), "gradient of input %d", i);
		if (is_indices(c, i))
			continue;
		differences_check(&b, what, w, b.x[i].data, b.dx[i], thaw_shape_count(&c->x[i]));
	}
	for (int i = 0; i < c->params; i++) {
		snprintf(what, sizeof(what), "gradient of %s", op->param_names[i]);
		if (!is_statistic(op, i))
			differences_check(&b, what, w, b.param[i].data, b.dparam[i], thaw_shape_count(&c->param[i]));
		else if (b.dparam[i])
			statistic_check(&b, i, b.dparam[i]);
	}
	fixture_destroy(&b);
}

/* With a frozen first parameter, where backward must not read x, the other gradients are the same. */
static void frozen_check(const struct thaw_op *op, const struct thaw_op_case *c)
{
	struct fixture b;
	fixture_create(&b, op, c, true);
	float *w = objective_create(&b), *dx = floats_create(&b, thaw_shape_count(&c->x[0]));
	run_forward(&b);
	run_backward(&b, w);
	memcpy(dx, b.dx[0], (size_t)thaw_shape_count(&c->x[0]) * sizeof(*dx));
	b.dparam[0] = NULL;
	run_forward(&b);
	run_backward(&b, w);
	assert_memory_equal(b.dx[0], dx, (size_t)thaw_shape_count(&c->x[0]) * sizeof(*dx));
	fixture_destroy(&b);
}

/* Gradients in bfloat16 against those in fp32, which backward_check compares with differences. */
static void precision_check(const struct thaw_op *op, const struct thaw_op_case *c)
{
	struct thaw_op_case exact = *c;
	struct fixture b, e;
	exact.attrs.precision = THAW_PRECISION_FP32;
	fixture_create(&b, op, c, true);
	fixture_create(&e, op, &exact, true);
	float *w = objective_create(&e);
	for (int i = 0; i < c->params; i++) {
		memset(b.dparam[i], 0, (size_t)thaw_shape_count(&c->param[i]) * sizeof(float));
		memset(e.dparam[i], 0, (size_t)thaw_shape_count(&c->param[i]) * sizeof(float));
	}
	run_forward(&e);
	run_backward(&e, w);
	run_forward(&b);
	memcpy(b.args.y.data, e.args.y.data, (size_t)outputs(&b) * sizeof(float)); /* flat at the same places */
	run_backward(&b, w);
	for (int i = 0; i < c->inputs; i++)
		compare_floats("gradient of an input", b.dx[i], e.dx[i], thaw_shape_count(&c->x[i]), BF16);
	for (int i = 0; i < c->params; i++)
		compare_floats(op->param_names[i], b.dparam[i], e.dparam[i], thaw_shape_count(&c->param[i]), BF16);
	fixture_destroy(&b);
	fixture_destroy(&e);
}

/* Each gradient computed alone equals the one computed together with all others: added to random values, or overwriting
 * them. */
static void single_gradient_check(const struct thaw_op *op, const struct thaw_op_case *c)
{
	struct fixture b;
	float *all[MAX_INPUTS + THAW_MAX_PARAMS];
	fixture_create(&b, op, c, true);
	float *w = objective_create(&b);
	for (int i = 0; i < c->params; i++)
		memset(b.dparam[i], 0, (size_t)thaw_shape_count(&c->param[i]) * sizeof(float));
	run_forward(&b);
	run_backward(&b, w);
	for (int i = 0; i < c->inputs; i++)
		all[i] = b.dx[i];
	for (int i = 0; i < c->params; i++)
		all[c->inputs + i] = b.dparam[i];
	for (int k = 0; k < c->inputs + c->params; k++) {
		bool input = k < c->inputs;
		if (input && is_indices(c, k))
			continue;
		int64_t count = thaw_shape_count(input ? &c->x[k] : &c->param[k - c->inputs]);
		float *sum = floats_create(&b, count), *expected = floats_create(&b, count);

		memset(b.dx, 0, sizeof(b.dx));
		memset(b.dparam, 0, sizeof(b.dparam));
		*(input ? &b.dx[k] : &b.dparam[k - c->inputs]) = sum;
		b.dx_add[k % MAX_INPUTS] = input;
		fill_range(&b, sum, count, -1, 1);
		for (int64_t i = 0; i < count; i++)
			expected[i] = (input || !op->overwrites_dparam ? sum[i] : 0.0f) + all[k][i];
		run_backward(&b, w);
		compare_floats(input ? "dx added" : "dparam added", sum, expected, count, SAME);
	}
	fixture_destroy(&b);
}

static void in_place_check(const struct thaw_op *op, const struct thaw_op_case *c, bool training)
{
	struct fixture b;
	fixture_create(&b, op, c, training);
	size_t bytes = (size_t)outputs(&b) * sizeof(float);
	float *x0 = b.x[0].data;
	float *x0_copy = floats_create(&b, outputs(&b)), *y = b.args.y.data, *w = objective_create(&b);

	memcpy(x0_copy, x0, bytes);
	run_forward(&b);
	b.args.y.data = x0;
	run_forward(&b);
	assert_memory_equal(x0, y, bytes);
	if (training) {
		for (int i = 0; i < c->params; i++)
			memset(b.dparam[i], 0, (size_t)thaw_shape_count(&c->param[i]) * sizeof(float));
		b.x[0].data = x0_copy;
		run_backward(&b, w);
		float *dx0 = b.dx[0];
		struct thaw_op_args args = b.args;
		b.dx[0] = floats_create(&b, outputs(&b));
		memcpy(b.dx[0], w, bytes);
		args.dy = b.dx[0];
		args.dx = b.dx;
		args.dx_add = b.dx_add;
		args.dparam = b.dparam;
		args.scratch = buffer_create(&b, b.workspace.scratch_backward);
		op->backward(&args);
		assert_memory_equal(b.dx[0], dx0, bytes);
	}
	fixture_destroy(&b);
}

/* The batch changes the first dimension of the shape only. */
static void infer_check(const struct thaw_op *op, const struct thaw_op_case *c)
{
	struct thaw_shape x[MAX_INPUTS], y, smaller;
	struct thaw_op_desc desc = {
		.attrs = &c->attrs, .inputs = c->inputs, .x = c->x, .params = c->params, .param = c->param};
	int64_t batch = case_batch(c);
	if (op->infer(&desc, &y) != THAW_OK)
		fail_msg("infer: %s", thaw_error_message());
	assert_int_equal(thaw_shape_check(&y, "y"), THAW_OK);
	assert_true(thaw_shape_count(&y) > 0);
	desc.y = y;
	if (batch > 0) {
		assert_int_equal(y.dim[0] % batch, 0);
		shapes_set(c, 1, x);
		desc.x = x;
		assert_int_equal(op->infer(&desc, &smaller), THAW_OK);
		y.dim[0] /= batch;
		assert_true(thaw_shape_equal(&y, &smaller));
		desc.y = y;
	}
	if (op->flops)
		assert_true(op->flops(&desc) >= 0);
}

/* Whether y fits into the memory of x[0]. */
static bool fits_in_place(const struct thaw_op *op, const struct thaw_op_case *c)
{
	struct thaw_shape y;
	struct thaw_op_desc desc = {
		.attrs = &c->attrs, .inputs = c->inputs, .x = c->x, .params = c->params, .param = c->param};
	assert_int_equal(op->infer(&desc, &y), THAW_OK);
	return thaw_shape_count(&y) == thaw_shape_count(&c->x[0]);
}

static void case_test(void **state)
{
	const struct op_case *t = *state;
	const struct thaw_op_case *c = &t->c;
	assert_in_range(c->inputs, t->op->min_inputs, t->op->max_inputs);
	infer_check(t->op, c);
	forward_check(t->op, c, false);
	forward_check(t->op, c, true);
	single_gradient_check(t->op, c);
	if (c->attrs.precision != THAW_PRECISION_FP32) {
		precision_check(t->op, c);
		return;
	}
	backward_check(t->op, c);
	if (t->op->x_for_weight)
		frozen_check(t->op, c);
	if (case_batch(c) > 1)
		smaller_batch_check(t->op, c, case_batch(c) - 1);
	if (case_batch(c) > 0)
		smaller_batch_check(t->op, c, 0);
	if (t->op->in_place && fits_in_place(t->op, c)) {
		in_place_check(t->op, c, false);
		in_place_check(t->op, c, true);
	}
}

static void registry_test(void **state)
{
	(void)state;
	for (int i = 0; thaw_ops[i]; i++) {
		const struct thaw_op *op = thaw_ops[i];
		assert_ptr_equal(thaw_op_find(op->name), op);
		assert_true(op->case_count > 0);
		assert_non_null(op->infer);
		assert_non_null(op->forward);
		assert_non_null(op->backward);
		assert_non_null(op->reference);
	}
	assert_null(thaw_op_find("no such operator"));
}

int main(int argc, char **argv)
{
	static struct op_cases cases;
	cases.tests[cases.count++] = (struct CMUnitTest){"registry", registry_test, NULL, NULL, NULL};
	for (int i = 0; thaw_ops[i]; i++) {
		op_cases_add(&cases, thaw_ops[i], THAW_PRECISION_FP32, case_test);
		if (thaw_ops[i]->rounds)
			op_cases_add(&cases, thaw_ops[i], THAW_PRECISION_BF16, case_test);
	}
	return op_cases_run(&cases, "ops", argc, argv);
}
