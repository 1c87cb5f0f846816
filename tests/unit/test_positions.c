/* Position embeddings at other image sizes, against PyTorch; executors with constants on both sides of a cut. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "thaw/executor.h"
#include "thaw/memory.h"

#define PATCH 4

/* torch.nn.functional.interpolate(x, size=(s, s), mode="bicubic", antialias=True) of the 4x4 numbers i * 7 % 16 - 8. */
static const float six[] = {-9.31925f, -5.41176f, 0.67593f,  6.0346f,   1.91022f,  -3.32895f, -2.0209f,  -3.27682f,
			    -2.6024f,  3.95534f,  -0.44291f, -6.24226f, 4.78558f,  0.19608f,  -3.51106f, 1.03935f,
			    -2.11329f, -6.20614f, 0.53021f,  3.56863f,  5.11343f,  -0.71888f, 0.93682f,  4.07456f,
			    -2.87539f, 1.96886f,  4.75926f,  -3.52397f, -0.73356f, 4.11068f,  -4.72368f, -0.43963f,
			    1.97758f,  -5.5039f,  -3.08669f, 1.19737f};
static const float three[] = {-4.7318f,  1.70663f,  -1.77177f, 2.23409f, 0.48017f,
			      -0.81007f, -0.71684f, -0.28261f, 0.15163f};

/* The same without widening, by torch.nn.functional.interpolate(mode="bicubic"). */
static const float plain_three[] = {-5.69948f,  3.1412f,  -2.32452f,  3.15856f, 0.359375f,
				    -0.873843f, -2.2898f, -0.856481f, 0.576839f};
static const float plain_six[] = {
	-9.76987f, -5.50347f,  1.2363f,   6.26948f,   2.50347f,     -3.43403f, -1.40799f, -3.67188f, -2.93981f,
	4.02315f,  -0.078125f, -7.03646f, 5.23952f,   0.0497685f,   -3.46659f, 0.914502f, -1.76273f, -6.13747f,
	0.745435f, 3.97106f,   4.89598f,  -0.517511f, 0.575231f,    3.96386f,  -3.11285f, 2.85937f,  5.20833f,
	-3.45833f, -1.10938f,  4.86285f,  -4.95486f,  -0.00347222f, 1.84722f,  -5.54167f, -3.69097f, 1.26042f};

static int constant(struct thaw_graph *g, const char *name, const struct thaw_shape *shape)
{
	int node = thaw_graph_add(g, "constant", name, NULL, NULL, 0);
	thaw_graph_param(g, node, name, THAW_ROLE_SHIFT, THAW_LAYOUT_SAME, shape, NULL);
	return node;
}

static struct thaw_param *param(struct thaw_graph *g, const char *name)
{
	return &g->params[thaw_graph_find_param(g, name)];
}

/* A patch embedding of one channel for images of 16 pixels, a class token, 17 positions, their mean, a classifier. */
static struct thaw_graph *small_transformer(void)
{
	struct thaw_graph *g = thaw_graph_create();
	struct thaw_shape filter = thaw_shape_of(PATCH, PATCH, 3, 1), token = thaw_shape_of(1, 1, 1);
	struct thaw_shape positions = thaw_shape_of(1, 17, 1), weight = thaw_shape_of(2, 1);
	struct thaw_attrs conv = {.kernel = {PATCH, PATCH}, .stride = {PATCH, PATCH}}, join = {.axis = 1};
	struct thaw_attrs flat = {.factors = {.count = 4,
					      .ndim = 3,
					      .axis = {0, 1, 2, 3},
					      .order = {0, 1, 2, 3},
					      .target = {0, 1, 1, 2},
					      .step = {1, 1, 1, 1}}};
	struct thaw_attrs add = {.binary = THAW_BINARY_ADD}, mean = {.axes = 1u << 1};
	struct thaw_attrs squeeze = {.factors = {.count = 3,
						 .ndim = 2,
						 .axis = {0, 1, 2},
						 .order = {0, 1, 2},
						 .target = {0, 0, 1},
						 .step = {1, 1, 1}}};
	thaw_graph_block(g, "embedding");
	int x = thaw_graph_add(g, "conv", "patches", &conv, (int[]){0}, 1);
	thaw_graph_param(g, x, "patches.weight", THAW_ROLE_WEIGHT, THAW_LAYOUT_CONV, &filter, NULL);
	x = thaw_graph_add(g, "reshape", "flat", &flat, &x, 1);
	int c = constant(g, "token", &token);
	x = thaw_graph_add(g, "concat", "tokens", &join, (int[]){c, x}, 2);
	c = constant(g, "positions", &positions);
	x = thaw_graph_add(g, "binary", "add", &add, (int[]){x, c}, 2);
	x = thaw_graph_add(g, "reduce", "mean", &mean, &x, 1);
	x = thaw_graph_add(g, "reshape", "squeeze", &squeeze, &x, 1);
	thaw_graph_block(g, "head");
	x = thaw_graph_add(g, "linear", "head", NULL, &x, 1);
	thaw_graph_param(g, x, "head.weight", THAW_ROLE_WEIGHT, THAW_LAYOUT_SAME, &weight, NULL);
	assert_int_equal(thaw_graph_finish(g), THAW_OK);
	thaw_graph_init(g, 1, 0, g->param_count);
	float *p = param(g, "positions")->data;
	p[0] = 42;
	for (int i = 0; i < 16; i++)
		p[1 + i] = (float)(i * 7 % 16 - 8);
	return g;
}

static struct thaw_shape square(int side)
{
	return thaw_shape_of(1, side, side, 3);
}

/* alpha: see src/graph/positions.c */
static void expect_positions(int side, float alpha, const float *expected, int count)
{
	struct thaw_graph *g = small_transformer();
	const struct thaw_shape from = square(4 * PATCH), to = square(side);
	g->nodes[param(g, "positions")->node].attrs.alpha = alpha;
	assert_int_equal(thaw_graph_resize(g, &from, &to), THAW_OK);
	const struct thaw_param *p = param(g, "positions");
	assert_int_equal(p->shape.dim[1], 1 + count);
	assert_true(p->data[0] == 42); /* the row of the class token is unchanged */
	for (int i = 0; i < count; i++)
		assert_true(fabsf(p->data[1 + i] - expected[i]) < 2e-5f);
	thaw_graph_destroy(g);
}

static void positions_are_resampled_like_images(void **state)
{
	(void)state;
	expect_positions(6 * PATCH, 0, six, 36);
	expect_positions(3 * PATCH, 0, three, 9);
	expect_positions(6 * PATCH, -0.75f, plain_six, 36);
	expect_positions(3 * PATCH, -0.75f, plain_three, 9);
}

/* Three rows and six columns: values along a row as for six columns, along a column as for three rows. */
static void a_grid_may_be_oblong(void **state)
{
	(void)state;
	struct thaw_graph *g = small_transformer(), *wide = small_transformer(), *flat = small_transformer();
	const struct thaw_shape from = square(4 * PATCH), to = thaw_shape_of(1, 3 * PATCH, 6 * PATCH, 3);
	float *p = param(wide, "positions")->data, *q = param(flat, "positions")->data;
	for (int i = 0; i < 16; i++) {
		p[1 + i] = (float)(i % 4); /* depends on the column only */
		q[1 + i] = (float)(i / 4); /* on the row only */
	}
	assert_int_equal(thaw_graph_check_size(g, &to), THAW_CONFIG);
	assert_int_equal(thaw_graph_resize(wide, &from, &to), THAW_OK);
	assert_int_equal(thaw_graph_resize(flat, &from, &to), THAW_OK);
	assert_int_equal(thaw_graph_check_size(wide, &to), THAW_OK);
	p = param(wide, "positions")->data;
	q = param(flat, "positions")->data;
	assert_int_equal(param(wide, "positions")->shape.dim[1], 1 + 18);
	for (int y = 0; y < 3; y++)
		for (int x = 0; x < 6; x++) {
			assert_true(fabsf(p[1 + 6 * y + x] - p[1 + x]) < 1e-6f);
			assert_true(fabsf(q[1 + 6 * y + x] - q[1 + 6 * y]) < 1e-6f);
			assert_true(x == 0 || p[1 + x] > p[x]);
			assert_true(y == 0 || q[1 + 6 * y] > q[1 + 6 * (y - 1)]);
		}
	thaw_graph_destroy(g);
	thaw_graph_destroy(wide);
	thaw_graph_destroy(flat);
}

static void the_same_size_changes_nothing(void **state)
{
	(void)state;
	struct thaw_graph *g = small_transformer();
	const struct thaw_shape from = square(4 * PATCH), to = square(4 * PATCH);
	assert_int_equal(thaw_graph_resize(g, &from, &to), THAW_OK);
	assert_int_equal(param(g, "positions")->shape.dim[1], 17);
	assert_true(param(g, "positions")->data[16] == 15 * 7 % 16 - 8);
	thaw_graph_destroy(g);
}

/* No number of non-patch tokens fits both sizes: an error, not a guess. */
static void unsuitable_sizes_are_refused(void **state)
{
	(void)state;
	struct thaw_graph *g = small_transformer();
	const struct thaw_shape from = square(5 * PATCH), to = square(7 * PATCH);
	assert_int_equal(thaw_graph_resize(g, &from, &to), THAW_CONFIG);
	assert_non_null(strstr(thaw_error_message(), "cannot be resampled: positions: from 17"));
	thaw_graph_destroy(g);
}

/* Constants before the cut are frozen, those after it train. The tail executor computes the same as the whole. */
static void constants_on_both_sides_of_a_cut(void **state)
{
	(void)state;
	struct thaw_graph *g = small_transformer();
	struct thaw_shape image = thaw_shape_of(3, 4 * PATCH, 4 * PATCH, 3);
	struct thaw_executor *whole, *trunk, *tail;
	float features[3][32];
	assert_int_equal(thaw_graph_unfreeze(g, "none"), THAW_OK);
	param(g, "positions")->trainable = param(g, "head.weight")->trainable = true;
	assert_int_equal(thaw_executor_create(&whole, g, &image, THAW_WHOLE, false), THAW_OK);
	assert_int_equal(thaw_executor_create(&trunk, g, &image, THAW_TRUNK, false), THAW_OK);
	assert_int_equal(thaw_executor_create(&tail, g, &image, THAW_TAIL, true), THAW_OK);
	assert_int_equal(thaw_executor_features(trunk), 17); /* the tokens only: constants do not cross */
	int64_t pixels = thaw_shape_count(&image) / 3;
	float *x = thaw_executor_input(whole);
	for (int n = 0; n < 3; n++) {
		for (int64_t i = 0; i < pixels; i++)
			x[n * pixels + i] = (float)((i * 31 + n * 17) % 23) / 8 - 1;
		memcpy(thaw_executor_input(trunk), x + n * pixels, (size_t)pixels * sizeof(*x));
		thaw_executor_run_trunk(trunk, features[n]);
		thaw_executor_set_features(tail, n, features[n]);
	}
	const float *y = thaw_executor_forward(whole, 3, NULL), *z = thaw_executor_forward(tail, 3, NULL);
	for (int i = 0; i < 6; i++)
		assert_true(fabsf(y[i] - z[i]) < 1e-5f);
	float dlogits[6] = {1, 0, 1, 0, 1, 0}, positions[17], head[2];
	float **gradient = thaw_alloc((size_t)g->param_count, sizeof(*gradient));
	gradient[thaw_graph_find_param(g, "positions")] = positions;
	gradient[thaw_graph_find_param(g, "head.weight")] = head;
	memset(positions, 0, sizeof(positions));
	memset(head, 0, sizeof(head));
	thaw_executor_backward(tail, dlogits, gradient);
	for (int i = 0; i < 17; i++) /* three images, the mean of 17 tokens, the weight of the first class */
		assert_true(fabsf(positions[i] - 3 * param(g, "head.weight")->data[0] / 17) < 1e-5f);
	thaw_free(gradient);
	thaw_executor_destroy(whole);
	thaw_executor_destroy(trunk);
	thaw_executor_destroy(tail);
	thaw_graph_destroy(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(positions_are_resampled_like_images), cmocka_unit_test(a_grid_may_be_oblong),
		cmocka_unit_test(the_same_size_changes_nothing),       cmocka_unit_test(unsuitable_sizes_are_refused),
		cmocka_unit_test(constants_on_both_sides_of_a_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
