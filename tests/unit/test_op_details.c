/* Properties of single operators beyond the cases of test_ops: ties, NaN, invalid arguments, masks, and statistics
 * where naive formulas cancel. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "thaw/memory.h"
#include "thaw/ops.h"

enum { MAX_VALUES = 4096, MAX_BYTES = 65536 };

/* An operator with one input, run forward and, unless `inference`, backward. */
struct op_run {
	struct thaw_attrs attrs;
	struct thaw_shape x_shape;
	int params;
	struct thaw_view param[THAW_MAX_PARAMS];
	bool inference;
	const uint64_t *key;
	float *dparam[THAW_MAX_PARAMS];
	float x[MAX_VALUES], y[MAX_VALUES], dy[MAX_VALUES], dx[MAX_VALUES];
	struct thaw_shape y_shape;
};

static void run_op(struct op_run *r, const char *name)
{
	static _Alignas(THAW_ALIGNMENT) char saved[MAX_BYTES], scratch[MAX_BYTES];
	const struct thaw_op *op = thaw_op_find(name);
	struct thaw_shape param[THAW_MAX_PARAMS];
	struct thaw_view x = {.data = r->x, .shape = r->x_shape};
	float *dx[1] = {r->dx};
	bool add[1] = {false};
	for (int i = 0; i < r->params; i++)
		param[i] = r->param[i].shape;
	struct thaw_op_desc desc = {.attrs = &r->attrs,
				    .inputs = 1,
				    .x = &r->x_shape,
				    .params = r->params,
				    .param = param,
				    .training = !r->inference};
	struct thaw_op_workspace workspace = {0};
	assert_int_equal(op->infer(&desc, &desc.y), THAW_OK);
	r->y_shape = desc.y;
	if (op->workspace)
		op->workspace(&desc, &workspace);
	assert_true(workspace.saved <= MAX_BYTES && workspace.scratch_forward <= MAX_BYTES &&
		    workspace.scratch_backward <= MAX_BYTES);
	struct thaw_op_args args = {.attrs = &r->attrs,
				    .inputs = 1,
				    .x = &x,
				    .y = {r->y, desc.y},
				    .params = r->params,
				    .param = r->param,
				    .saved = saved,
				    .scratch = scratch,
				    .training = !r->inference,
				    .sample_key = r->key,
				    .dy = r->dy,
				    .dx = dx,
				    .dx_add = add,
				    .dparam = r->dparam};
	op->forward(&args);
	if (!r->inference)
		op->backward(&args);
}

/* Whether `infer` fails with a message that names the operator. */
static bool refuses(const char *name, struct thaw_attrs attrs, struct thaw_shape x)
{
	struct thaw_shape y;
	struct thaw_op_desc desc = {.attrs = &attrs, .inputs = 1, .x = &x};
	return thaw_op_find(name)->infer(&desc, &y) == THAW_CONFIG && strstr(thaw_error_message(), name);
}

static void test_first_maximum_receives_gradient(void **state)
{
	struct op_run r = {.x_shape = thaw_shape_of(1, 2, 2, 1), .x = {1, 3, 3, 3}, .dy = {5}};
	(void)state;
	run_op(&r, "max_pool");
	assert_true(r.y[0] == 3);
	assert_memory_equal(r.dx, ((float[]){0, 5, 0, 0}), 4 * sizeof(float));
}

/* The first element of a window of -infinity is its maximum. */
static void test_maximum_of_infinities(void **state)
{
	struct op_run r = {.x_shape = thaw_shape_of(1, 1, 2, 1), .x = {-INFINITY, -INFINITY}, .dy = {5}};
	(void)state;
	run_op(&r, "max_pool");
	assert_true(r.y[0] == -INFINITY);
	assert_memory_equal(r.dx, ((float[]){5, 0}), 2 * sizeof(float));
}

static void test_nan_propagates(void **state)
{
	struct op_run pool = {.x_shape = thaw_shape_of(1, 1, 3, 1), .x = {1, NAN, 2}};
	struct op_run relu = {
		.attrs = {.activation = THAW_ACT_RELU6}, .x_shape = thaw_shape_of(1, 3), .x = {NAN, -1, 7}};
	(void)state;
	run_op(&pool, "max_pool");
	assert_true(isnan(pool.y[0]));
	run_op(&relu, "activation");
	assert_true(isnan(relu.y[0]));
	assert_true(relu.y[1] == 0 && relu.y[2] == 6);
}

/* Output sizes from PyTorch. */
static void test_ceil_mode_sizes(void **state)
{
	static const struct {
		int in, kernel, stride, pad, floor, ceil;
	} known[] = {
		{112, 3, 2, 1, 56, 57}, {109, 3, 2, 0, 54, 54}, {54, 3, 2, 0, 26, 27},
		{13, 3, 2, 0, 6, 6},    {5, 2, 3, 1, 2, 2},     {4, 1, 3, 0, 2, 2},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		for (int ceil = 0; ceil < 2; ceil++) {
			int k = known[i].kernel, s = known[i].stride, p = known[i].pad;
			struct thaw_attrs attrs = {
				.kernel = {k, k}, .stride = {s, s}, .pad = {p, p, p, p}, .ceil_mode = ceil};
			struct thaw_shape x = thaw_shape_of(1, known[i].in, known[i].in, 1), y;
			struct thaw_op_desc desc = {.attrs = &attrs, .inputs = 1, .x = &x};
			assert_int_equal(thaw_op_find("max_pool")->infer(&desc, &y), THAW_OK);
			assert_int_equal(y.dim[1], ceil ? known[i].ceil : known[i].floor);
		}
}

/* Padding counts as pixels of value 0 only with pad_counts. */
static void test_padding_counts(void **state)
{
	struct op_run r = {.attrs = {.kernel = {2, 2}, .stride = {2, 2}, .pad = {1, 1, 1, 1}},
			   .x_shape = thaw_shape_of(1, 2, 2, 1),
			   .x = {4, 8, 12, 16}};
	(void)state;
	run_op(&r, "average_pool");
	assert_memory_equal(r.y, ((float[]){4, 8, 12, 16}), 4 * sizeof(float));
	r.attrs.pad_counts = true;
	run_op(&r, "average_pool");
	assert_memory_equal(r.y, ((float[]){1, 2, 3, 4}), 4 * sizeof(float));
}

static void test_invalid_attributes(void **state)
{
	struct thaw_shape image = thaw_shape_of(1, 4, 4, 3);
	(void)state;
	assert_true(refuses("max_pool", (struct thaw_attrs){.kernel = {5, 5}}, image));
	assert_true(refuses("max_pool", (struct thaw_attrs){.kernel = {2, 2}, .pad = {2, 2, 2, 2}}, image));
	assert_true(refuses("max_pool", (struct thaw_attrs){.kernel = {-1, 2}}, image));
	assert_true(refuses("max_pool", (struct thaw_attrs){0}, thaw_shape_of(1, 300, 300, 1)));
	assert_true(refuses("average_pool", (struct thaw_attrs){.kernel = {2, 2}}, thaw_shape_of(1, 4)));
	assert_true(refuses("average_pool", (struct thaw_attrs){0}, thaw_shape_of(1, 0, 4, 3)));
	assert_true(refuses("dropout", (struct thaw_attrs){.rate = 1.0f}, image));
	assert_true(refuses("dropout", (struct thaw_attrs){.rate = NAN}, image));
	assert_true(refuses("batch_norm", (struct thaw_attrs){0}, image));
	assert_true(refuses("linear", (struct thaw_attrs){0}, image));
	assert_true(refuses("layer_norm", (struct thaw_attrs){0}, thaw_shape_of(4)));
	assert_true(refuses("attention", (struct thaw_attrs){.heads = 1}, image));
	assert_true(refuses("attention", (struct thaw_attrs){0}, thaw_shape_of(1, 4, 12)));
	assert_true(refuses("attention", (struct thaw_attrs){.heads = 5}, thaw_shape_of(1, 4, 12)));
}

/* Factors that are not a rearrangement of (2, 6). */
static void test_invalid_factors(void **state)
{
	const struct thaw_factors good = {
		.count = 3, .ndim = 2, .axis = {0, 1, 1}, .size = {0, 2, 3}, .order = {0, 1, 2}, .target = {0, 1, 1}};
	struct thaw_shape x = thaw_shape_of(2, 6);
	enum { BAD = 12 };
	struct thaw_attrs bad[BAD] = {0};
	(void)state;
	for (int i = 0; i < BAD; i++)
		bad[i].factors = good;
	assert_false(refuses("reshape", bad[0], x));
	bad[0].factors.size[1] = 4;                          /* does not divide */
	bad[1].factors.size[2] = 2;                          /* leaves a rest */
	bad[2].factors.size[1] = INT64_MAX;                  /* would overflow */
	bad[3].factors.size[1] = bad[3].factors.size[2] = 0; /* two unknown sizes */
	bad[4].factors.order[2] = 1;                         /* used twice */
	bad[5].factors.target[1] = 5;                        /* not an axis of y */
	bad[6].factors.axis[2] = 2;                          /* not an axis of x */
	bad[7].factors.take[2] = 4;                          /* more than there are */
	bad[8].factors.start[2] = 3;                         /* beyond the last */
	bad[9].factors.step[2] = INT64_MIN;                  /* would overflow */
	bad[10].factors.start[2] = -4;                       /* before the first */
	bad[11].factors.count = THAW_MAX_FACTORS + 1;
	for (int i = 0; i < BAD; i++)
		assert_true(refuses("rearrange", bad[i], x));
	bad[0].factors = good;
	bad[0].factors.order[1] = 2;
	bad[0].factors.order[2] = 1;
	assert_false(refuses("rearrange", bad[0], x));
	assert_true(refuses("reshape", bad[0], x));
}

/* Huge and masked scores; NaN propagates. */
static void test_softmax_extremes(void **state)
{
	enum { CLASSES = 20 };
	struct op_run r = {.x_shape = thaw_shape_of(3, CLASSES)};
	(void)state;
	for (int i = 0; i < 3 * CLASSES; i++)
		r.x[i] = -INFINITY;
	r.x[3] = 1e30f;
	r.x[CLASSES + 18] = r.x[CLASSES + 4] = -1e30f;
	r.x[2 * CLASSES] = NAN;
	run_op(&r, "softmax");
	for (int i = 0; i < CLASSES; i++) {
		assert_true(r.y[i] == (i == 3 ? 1.0f : 0.0f));
		assert_true(r.y[CLASSES + i] == (i == 4 || i == 18 ? 0.5f : 0.0f));
		assert_true(isnan(r.y[2 * CLASSES + i]));
	}
}

/* Values 1 apart at 10^5, as for batch statistics below. */
static void test_layer_norm_far_from_zero(void **state)
{
	enum { COLUMNS = 33 };
	struct op_run r = {.x_shape = thaw_shape_of(1, COLUMNS)};
	(void)state;
	for (int i = 0; i < COLUMNS; i++)
		r.x[i] = 1e5f + (float)(i % 2);
	run_op(&r, "layer_norm");
	for (int i = 0; i < COLUMNS; i++) /* mean 16/33, deviation sqrt(16 * 17) / 33 */
		assert_true(fabs(r.y[i] - (i % 2 ? 17 : -16) / sqrt(16 * 17)) < 1e-3);
}

/* Values 1 apart at 10^5: in single precision, the error of E[x^2] - E[x]^2 would exceed the variance. */
static void test_batch_statistics_far_from_zero(void **state)
{
	enum { ROWS = 1001 };
	float one[1] = {1}, zero[1] = {0}, mean[1] = {0}, variance[1] = {0};
	struct thaw_shape channel = thaw_shape_of(1);
	struct op_run r = {.attrs = {.batch_statistics = true, .epsilon = 1e-5f},
			   .x_shape = thaw_shape_of(7, 11, 13, 1),
			   .params = 4,
			   .param = {{one, channel}, {zero, channel}, {zero, channel}, {one, channel}},
			   .dparam = {NULL, NULL, mean, variance}};
	double want = 0;
	(void)state;
	for (int i = 0; i < ROWS; i++) {
		r.x[i] = 1e5f + (float)(i % 3 - 1);
		want += (i % 3 - 1) * (i % 3 - 1);
	}
	run_op(&r, "batch_norm");
	assert_true(fabs(mean[0] / 7 - 1e5) < 0.01);
	assert_true(fabs(variance[0] / 7 - want / (ROWS - 1)) < 1e-3);
}

/* A single value has no unbiased variance: the biased one, 0, is used, and y is the shift. */
static void test_batch_of_one_value(void **state)
{
	float one[1] = {1}, half[1] = {0.5f}, mean[1] = {0}, variance[1] = {0};
	struct thaw_shape channel = thaw_shape_of(1);
	struct op_run r = {.attrs = {.batch_statistics = true, .epsilon = 1e-5f},
			   .x_shape = thaw_shape_of(1, 1, 1, 1),
			   .params = 4,
			   .param = {{one, channel}, {half, channel}, {one, channel}, {one, channel}},
			   .dparam = {NULL, NULL, mean, variance},
			   .x = {3},
			   .dy = {1}};
	(void)state;
	run_op(&r, "batch_norm");
	assert_true(r.y[0] == 0.5f && mean[0] == 3 && variance[0] == 0 && r.dx[0] == 0);
	r.inference = true;
	run_op(&r, "batch_norm");
	assert_true(fabsf(r.y[0] - 2.5f) < 1e-4f);
}

enum { FEATURES = 1000 };

static struct op_run run_dropout(const uint64_t *key, int64_t n, int stream)
{
	struct op_run r = {
		.attrs = {.rate = 0.25f, .stream = stream}, .x_shape = thaw_shape_of(n, FEATURES), .key = key};
	for (int i = 0; i < MAX_VALUES; i++)
		r.x[i] = r.dy[i] = 3;
	run_op(&r, "dropout");
	return r;
}

/* The mask depends on the image's key only, so lanes and ranks do not matter; and it has the rate. */
static void test_dropout_depends_on_key(void **state)
{
	uint64_t keys[3] = {11, 22, 33};
	struct op_run three = run_dropout(keys, 3, 0), one = run_dropout(&keys[2], 1, 0),
		      other = run_dropout(keys, 1, 1);
	int zeros = 0;
	(void)state;
	assert_memory_equal(one.y, three.y + 2 * FEATURES, FEATURES * sizeof(float));
	assert_memory_not_equal(one.y, three.y, FEATURES * sizeof(float));
	assert_memory_not_equal(other.y, three.y, FEATURES * sizeof(float));
	assert_memory_equal(three.dx, three.y, 3 * FEATURES * sizeof(float));
	for (int i = 0; i < 3 * FEATURES; i++) {
		zeros += three.y[i] == 0;
		assert_true(three.y[i] == 0 || fabsf(three.y[i] - 4) < 1e-6f);
	}
	assert_in_range(zeros, 650, 850); /* four standard deviations about 750 */
}

static void test_dropout_inactive(void **state)
{
	uint64_t key = 5;
	struct op_run no_key = run_dropout(NULL, 1, 0);
	struct op_run inference = {.attrs = {.rate = 0.5f},
				   .x_shape = thaw_shape_of(1, 3),
				   .x = {1, 2, 3},
				   .inference = true,
				   .key = &key};
	(void)state;
	assert_memory_equal(no_key.y, no_key.x, FEATURES * sizeof(float));
	assert_memory_equal(no_key.dx, no_key.dy, FEATURES * sizeof(float));
	run_op(&inference, "dropout");
	assert_memory_equal(inference.y, inference.x, 3 * sizeof(float));
}

/* x * x as the executor calls it: both inputs are x, and their gradient is dy's memory. */
static void test_square_in_place(void **state)
{
	(void)state;
	enum { COUNT = 5000 }; /* more than a block */
	const struct thaw_op *op = thaw_op_find("binary");
	const struct thaw_attrs attrs = {.binary = THAW_BINARY_MUL};
	struct thaw_shape shape = thaw_shape_of(1, COUNT);
	float *x = thaw_alloc(COUNT, sizeof(*x)), *dy = thaw_alloc(COUNT, sizeof(*dy));
	struct thaw_view both[] = {{.data = x, .shape = shape}, {.data = x, .shape = shape}};
	struct thaw_op_desc desc = {.attrs = &attrs, .inputs = 2, .x = (struct thaw_shape[]){shape, shape}, .y = shape};
	struct thaw_op_workspace workspace = {0};
	op->workspace(&desc, &workspace);
	void *scratch = thaw_alloc(workspace.scratch_backward, 1);
	for (int i = 0; i < COUNT; i++) {
		x[i] = (float)(i % 17 - 8);
		dy[i] = (float)(i % 5 + 1);
	}
	struct thaw_op_args args = {.attrs = &attrs,
				    .inputs = 2,
				    .x = both,
				    .y = {NULL, shape},
				    .scratch = scratch,
				    .training = true,
				    .dy = dy,
				    .dx = (float *[]){dy, dy},
				    .dx_add = (bool[]){false, true}};
	op->backward(&args);
	for (int i = 0; i < COUNT; i++)
		assert_true(dy[i] == 2 * x[i] * (float)(i % 5 + 1));
	thaw_free(x);
	thaw_free(dy);
	thaw_free(scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_maximum_receives_gradient),
		cmocka_unit_test(test_maximum_of_infinities),
		cmocka_unit_test(test_nan_propagates),
		cmocka_unit_test(test_ceil_mode_sizes),
		cmocka_unit_test(test_padding_counts),
		cmocka_unit_test(test_invalid_attributes),
		cmocka_unit_test(test_invalid_factors),
		cmocka_unit_test(test_softmax_extremes),
		cmocka_unit_test(test_layer_norm_far_from_zero),
		cmocka_unit_test(test_batch_statistics_far_from_zero),
		cmocka_unit_test(test_batch_of_one_value),
		cmocka_unit_test(test_dropout_depends_on_key),
		cmocka_unit_test(test_dropout_inactive),
		cmocka_unit_test(test_square_in_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
