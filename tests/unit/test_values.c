/* Executors that store values in bfloat16: gradients near those in fp32, also where the executor converts values for an
 * operator; the same bits in one executor and in two; half the memory. */
#include "tests/unit/executors.h"

#include <math.h>
#include <string.h>

#include "thaw/memory.h"
#include "thaw/model.h"

enum { BATCH = 3, SIDE = 9, CLASSES = 4, CHANNELS = 16 };

static int convolve(struct thaw_graph *g, int x, const char *name, int inputs)
{
	char text[32];
	struct thaw_attrs attrs = {.pad = {1, 1, 1, 1}};
	struct thaw_shape w = thaw_shape_of(3, 3, inputs, CHANNELS);
	x = thaw_graph_add(g, "conv", name, &attrs, &x, 1);
	snprintf(text, sizeof(text), "%s.weight", name);
	thaw_graph_param(g, x, text, THAW_ROLE_WEIGHT, THAW_LAYOUT_CONV, &w, NULL);
	return x;
}

/* Two blocks; the second begins with the square of a value, and with a softmax, which the executor converts. */
static struct thaw_graph *network(enum thaw_precision precision)
{
	struct thaw_graph *g = thaw_graph_create();
	struct thaw_attrs square = {.binary = THAW_BINARY_MUL}, gelu = {.function = THAW_FN_GELU};
	struct thaw_shape w = thaw_shape_of(CLASSES, CHANNELS);
	thaw_graph_block(g, "one");
	int x = convolve(g, 0, "a", 3);
	int y = thaw_graph_add(g, "pointwise", "gelu", &gelu, &x, 1);
	thaw_graph_block(g, "two");
	x = thaw_graph_add(g, "binary", "square", &square, (int[]){y, y}, 2);
	y = thaw_graph_add(g, "softmax", "softmax", NULL, &x, 1);
	x = thaw_graph_add(g, "add", "add", NULL, (int[]){convolve(g, x, "b", CHANNELS), y}, 2);
	x = thaw_graph_add(g, "average_pool", "pool", NULL, &x, 1);
	x = thaw_graph_add(g, "flatten", "flatten", NULL, &x, 1);
	x = thaw_graph_add(g, "linear", "fc", NULL, &x, 1);
	thaw_graph_param(g, x, "fc.weight", THAW_ROLE_WEIGHT, THAW_LAYOUT_SAME, &w, NULL);
	assert_int_equal(thaw_graph_finish(g), THAW_OK);
	thaw_graph_init(g, 7, 0, g->param_count);
	thaw_graph_set_precision(g, precision);
	return g;
}

/* The gradients of all parameters, one after the other. */
static float *gradients_of(const struct thaw_graph *g, int64_t *count)
{
	static const int32_t labels[BATCH] = {1, 3, 0};
	struct thaw_executor *e = create_executor(g, thaw_shape_of(BATCH, SIDE, SIDE, 3), THAW_WHOLE, true);
	float **gradient = thaw_alloc((size_t)g->param_count, sizeof(*gradient));
	double loss;
	int64_t correct;
	*count = 0;
	for (int i = 0; i < g->param_count; i++)
		*count += thaw_shape_count(&g->params[i].shape);
	float *all = thaw_alloc((size_t)*count, sizeof(*all)), *at = all;
	for (int i = 0; i < g->param_count; i++, at += thaw_shape_count(&g->params[i - 1].shape))
		gradient[i] = at;
	fill_normal(thaw_executor_input(e), BATCH * SIDE * SIDE * 3, 5);
	thaw_cross_entropy(thaw_executor_forward(e, BATCH, NULL), BATCH, CLASSES, labels, 0.0f,
			   thaw_executor_dlogits(e), &loss, &correct);
	assert_true(thaw_executor_backward(e, thaw_executor_dlogits(e), gradient));
	thaw_executor_destroy(e);
	thaw_free(gradient);
	return all;
}

/* Some roundings of 2^-9 one after the other. */
static void compare(const char *name, const float *a, const float *b, int64_t count)
{
	double error = 0, norm = 0;
	for (int64_t i = 0; i < count; i++) {
		error += pow((double)a[i] - (double)b[i], 2);
		norm += pow((double)a[i], 2);
	}
	if (!(sqrt(error) < sqrt(norm) / 32))
		fail_msg("gradient of %s: relative error %g", name, sqrt(error / norm));
}

static void gradients_are_near_those_in_fp32(void **state)
{
	(void)state;
	struct thaw_graph *exact = network(THAW_PRECISION_FP32), *rounded = network(THAW_PRECISION_BF16);
	int64_t count;
	assert_int_equal(thaw_graph_unfreeze(exact, "all"), THAW_OK);
	assert_int_equal(thaw_graph_unfreeze(rounded, "all"), THAW_OK);
	float *a = gradients_of(exact, &count), *b = gradients_of(rounded, &count);
	assert_memory_not_equal(a, b, (size_t)count * sizeof(*a));
	for (int64_t i = 0, at = 0; i < exact->param_count; at += thaw_shape_count(&exact->params[i++].shape))
		compare(exact->params[i].name, a + at, b + at, thaw_shape_count(&exact->params[i].shape));
	thaw_free(a);
	thaw_free(b);
	thaw_graph_destroy(exact);
	thaw_graph_destroy(rounded);
}

/* Features are floats between the trunk and the tail. */
static void trunk_and_tail_have_the_bits_of_the_whole(void **state)
{
	(void)state;
	struct thaw_graph *g = network(THAW_PRECISION_BF16);
	assert_int_equal(thaw_graph_unfreeze(g, "from:two"), THAW_OK);
	struct thaw_executor *whole = create_executor(g, thaw_shape_of(BATCH, SIDE, SIDE, 3), THAW_WHOLE, false),
			     *trunk = create_executor(g, thaw_shape_of(1, SIDE, SIDE, 3), THAW_TRUNK, false),
			     *tail = create_executor(g, thaw_shape_of(BATCH, SIDE, SIDE, 3), THAW_TAIL, true);
	float *features = thaw_alloc((size_t)thaw_executor_features(trunk), sizeof(*features));
	assert_int_equal(thaw_executor_features(trunk), 2 * SIDE * SIDE * CHANNELS); /* square and softmax */
	fill_normal(thaw_executor_input(whole), BATCH * SIDE * SIDE * 3, 5);
	for (int i = 0; i < BATCH; i++) {
		memcpy(thaw_executor_input(trunk), thaw_executor_input(whole) + (ptrdiff_t)i * SIDE * SIDE * 3,
		       SIDE * SIDE * 3 * sizeof(float));
		assert_true(thaw_executor_run_trunk(trunk, features));
		thaw_executor_set_features(tail, i, features);
	}
	const float *a = thaw_executor_forward(whole, BATCH, NULL), *b = thaw_executor_forward(tail, BATCH, NULL);
	assert_memory_equal(a, b, BATCH * CLASSES * sizeof(float));
	thaw_free(features);
	thaw_executor_destroy(whole);
	thaw_executor_destroy(trunk);
	thaw_executor_destroy(tail);
	thaw_graph_destroy(g);
}

static size_t tail_bytes(const char *model, bool lane, enum thaw_precision precision)
{
	struct thaw_model *m = NULL;
	struct thaw_graph *lowered = NULL;
	if (thaw_model_load(&m, model, CLASSES, 1) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	assert_int_equal(thaw_graph_unfreeze(m->graph, "all"), THAW_OK);
	thaw_graph_set_precision(m->graph, precision);
	thaw_graph_batch_statistics(m->graph, lane);
	assert_int_equal(thaw_graph_lower(&lowered, m->graph), THAW_OK);
	struct thaw_executor *e = create_executor(lowered, thaw_shape_of(16, 64, 64, 3), THAW_TAIL, true);
	size_t bytes = thaw_executor_bytes(e);
	thaw_executor_destroy(e);
	thaw_graph_destroy(lowered);
	thaw_model_destroy(m);
	return bytes;
}

/* Networks whose scratch memory is small beside the values at this size. */
static void the_tail_takes_about_half_the_memory(void **state)
{
	(void)state;
	static const char *const models[] = {"mobilenet_v2", "efficientnet_lite0"};
	for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++)
		for (int lane = 0; lane < 2; lane++) {
			size_t exact = tail_bytes(models[i], lane, THAW_PRECISION_FP32);
			size_t rounded = tail_bytes(models[i], lane, THAW_PRECISION_BF16);
			if ((double)rounded > 0.6 * (double)exact)
				fail_msg("%s: %zu bytes, %zu in fp32", models[i], rounded, exact);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradients_are_near_those_in_fp32),
		cmocka_unit_test(trunk_and_tail_have_the_bits_of_the_whole),
		cmocka_unit_test(the_tail_takes_about_half_the_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
