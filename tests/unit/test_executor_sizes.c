/* Executors at several sizes: the same bits as an executor for one size, gradients at odd sizes that are not square,
 * and which sizes a network takes. */
#include "tests/unit/executors.h"

#include <math.h>
#include <string.h>

#include "thaw/memory.h"
#include "thaw/model.h"
#include "thaw/sizes.h"

enum { BATCH = 2, CLASSES = 5 };

static struct thaw_model *load(const char *spec)
{
	struct thaw_model *m = NULL;
	if (thaw_model_load(&m, spec, CLASSES, 1) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return m;
}

static double loss_of(struct thaw_executor *e, int height, int width)
{
	static const int32_t labels[BATCH] = {1, 3};
	double loss;
	int64_t correct;
	fill_normal(thaw_executor_input(e), (int64_t)BATCH * height * width * 3, 7);
	thaw_cross_entropy(thaw_executor_forward(e, BATCH, NULL), BATCH, CLASSES, labels, 0.1f,
			   thaw_executor_dlogits(e), &loss, &correct);
	return loss;
}

static float **create_gradients(const struct thaw_graph *g)
{
	float **gradient = thaw_alloc((size_t)g->param_count, sizeof(*gradient));
	for (int i = 0; i < g->param_count; i++)
		if (g->params[i].trainable)
			gradient[i] = thaw_alloc((size_t)thaw_shape_count(&g->params[i].shape), sizeof(float));
	return gradient;
}

static void free_gradients(const struct thaw_graph *g, float **gradient)
{
	for (int i = 0; i < g->param_count; i++)
		thaw_free(gradient[i]);
	thaw_free(gradient);
}

static void gradients_of(struct thaw_executor *e, float **gradient, int height, int width)
{
	loss_of(e, height, width);
	assert_true(thaw_executor_backward(e, thaw_executor_dlogits(e), gradient));
}

static void expect_same(const struct thaw_graph *g, float *const *a, float *const *b, const char *what)
{
	for (int i = 0; i < g->param_count; i++)
		if (a[i] && memcmp(a[i], b[i], (size_t)thaw_shape_count(&g->params[i].shape) * sizeof(float)) != 0)
			fail_msg("%s: gradient of %s", what, g->params[i].name);
}

/* Also after growing, shrinking and going back, which uses what was compiled before. */
static void a_resized_executor_computes_the_same_bits(void **state)
{
	(void)state;
	static const int sizes[][2] = {{40, 40}, {33, 47}, {64, 32}, {40, 40}, {75, 75}, {33, 47}, {64, 32}};
	struct thaw_model *m = load("resnet18");
	assert_int_equal(thaw_graph_unfreeze(m->graph, "all"), THAW_OK);
	struct thaw_executor *e =
		create_executor(m->graph, thaw_shape_of(BATCH, sizes[0][0], sizes[0][1], 3), THAW_WHOLE, true);
	float **gradient = create_gradients(m->graph), **wanted = create_gradients(m->graph);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		int height = sizes[i][0], width = sizes[i][1];
		struct thaw_executor *one =
			create_executor(m->graph, thaw_shape_of(BATCH, height, width, 3), THAW_WHOLE, true);
		assert_int_equal(thaw_executor_resize(e, height, width), THAW_OK);
		assert_true(loss_of(e, height, width) == loss_of(one, height, width));
		gradients_of(e, gradient, height, width);
		gradients_of(one, wanted, height, width);
		expect_same(m->graph, gradient, wanted, "resized");
		thaw_executor_destroy(one);
	}
	size_t bytes = thaw_executor_bytes(e);
	assert_int_equal(thaw_executor_resize(e, 40, 40), THAW_OK);
	assert_int_equal(thaw_executor_bytes(e), bytes); /* one arena, of the largest size */
	free_gradients(m->graph, gradient);
	free_gradients(m->graph, wanted);
	thaw_executor_destroy(e);
	thaw_model_destroy(m);
}

/* Kernels differ by size, and with them the form of packed weights. */
static void packed_weights_survive_other_sizes(void **state)
{
	(void)state;
	static const int sizes[][2] = {{96, 96}, {32, 64}, {160, 128}, {96, 96}};
	struct thaw_model *m = load("resnet18");
	assert_int_equal(thaw_graph_unfreeze(m->graph, "head"), THAW_OK);
	struct thaw_executor *e = create_executor(m->graph, thaw_shape_of(BATCH, 96, 96, 3), THAW_TRUNK, false);
	assert_int_equal(thaw_executor_pack(e, NULL, true), THAW_OK);
	assert_true(thaw_executor_packed_bytes(e) > 0);
	const size_t bytes = (size_t)thaw_executor_features(e) * sizeof(float);
	float *features = thaw_alloc(bytes, 1), *wanted = thaw_alloc(bytes, 1);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		int64_t height = sizes[i][0], width = sizes[i][1];
		struct thaw_executor *one =
			create_executor(m->graph, thaw_shape_of(BATCH, height, width, 3), THAW_TRUNK, false);
		assert_int_equal(thaw_executor_resize(e, height, width), THAW_OK);
		fill_normal(thaw_executor_input(e), height * width * 3, i);
		fill_normal(thaw_executor_input(one), height * width * 3, i);
		assert_true(thaw_executor_run_trunk(e, features) && thaw_executor_run_trunk(one, wanted));
		assert_memory_equal(features, wanted, bytes);
		thaw_executor_destroy(one);
	}
	thaw_free(features);
	thaw_free(wanted);
	thaw_executor_destroy(e);
	thaw_model_destroy(m);
}

/* More sizes than are kept. */
static void many_sizes(void **state)
{
	(void)state;
	struct thaw_model *m = load("cifar_resnet8");
	assert_int_equal(thaw_graph_unfreeze(m->graph, "all"), THAW_OK);
	struct thaw_executor *e = create_executor(m->graph, thaw_shape_of(BATCH, 44, 44, 3), THAW_WHOLE, true);
	double first = loss_of(e, 44, 44);
	for (int height = 5; height < 44; height += 3)
		for (int width = 5; width < 44; width += 4) {
			assert_int_equal(thaw_executor_resize(e, height, width), THAW_OK);
			assert_true(isfinite(loss_of(e, height, width)));
		}
	assert_int_equal(thaw_executor_resize(e, 44, 44), THAW_OK);
	assert_true(loss_of(e, 44, 44) == first);
	thaw_executor_destroy(e);
	thaw_model_destroy(m);
}

/* An executor keeps its size when another one is refused. */
static void a_refused_size_changes_nothing(void **state)
{
	(void)state;
	struct thaw_model *m = load("alexnet");
	struct thaw_executor *e = create_executor(m->graph, thaw_shape_of(BATCH, 64, 64, 3), THAW_WHOLE, false);
	fill_normal(thaw_executor_input(e), (int64_t)BATCH * 64 * 64 * 3, 7);
	float before = thaw_executor_forward(e, BATCH, NULL)[0];
	assert_int_equal(thaw_executor_resize(e, 8, 64), THAW_CONFIG);
	assert_non_null(strstr(thaw_error_message(), "image of 8 x 64"));
	fill_normal(thaw_executor_input(e), (int64_t)BATCH * 64 * 64 * 3, 7);
	assert_true(thaw_executor_forward(e, BATCH, NULL)[0] == before);
	thaw_executor_destroy(e);
	thaw_model_destroy(m);
}

/* The derivative of the loss along the gradient is the norm of the gradient. */
static void check_slope(const char *spec, int height, int width)
{
	struct thaw_model *m = load(spec);
	struct thaw_graph *g = m->graph;
	assert_int_equal(thaw_graph_unfreeze(g, "all"), THAW_OK);
	thaw_graph_dropout(g, 0.0f);
	struct thaw_executor *e = create_executor(g, thaw_shape_of(BATCH, height, width, 3), THAW_WHOLE, true);
	float **gradient = create_gradients(g);
	gradients_of(e, gradient, height, width);
	double square = 0.0, loss[2];
	for (int i = 0; i < g->param_count; i++)
		for (int64_t k = 0; gradient[i] && k < thaw_shape_count(&g->params[i].shape); k++)
			square += (double)gradient[i][k] * gradient[i][k];
	const double norm = sqrt(square), h = 1e-3;
	for (int side = 0; side < 2; side++) {
		const float step = (float)(h / norm * (side ? -2.0 : 1.0));
		for (int i = 0; i < g->param_count; i++)
			for (int64_t k = 0; gradient[i] && k < thaw_shape_count(&g->params[i].shape); k++)
				g->params[i].data[k] += step * gradient[i][k];
		loss[side] = loss_of(e, height, width);
	}
	const double slope = (loss[0] - loss[1]) / (2.0 * h);
	if (!(fabs(slope - norm) <= 0.03 * norm))
		fail_msg("%s at %d x %d: slope %g, gradient %g", spec, height, width, slope, norm);
	free_gradients(g, gradient);
	thaw_executor_destroy(e);
	thaw_model_destroy(m);
}

/* Classifier and last norms alone, behind frozen convolutions: the same gradients when the graph is lowered. */
static void the_last_norms_alone(void **state)
{
	(void)state;
	static const char *const specs[] = {"cifar_resnet8", "mobilenet_v2"};
	for (size_t s = 0; s < sizeof(specs) / sizeof(*specs); s++) {
		struct thaw_model *m = load(specs[s]);
		struct thaw_graph *g = m->graph, *lowered = NULL;
		int norms = 0;
		assert_int_equal(thaw_graph_unfreeze(g, "head+norms"), THAW_OK);
		assert_int_equal(thaw_graph_lower(&lowered, g), THAW_OK);
		struct thaw_executor *a = create_executor(g, thaw_shape_of(BATCH, 33, 41, 3), THAW_WHOLE, true),
				     *b = create_executor(lowered, thaw_shape_of(BATCH, 33, 41, 3), THAW_WHOLE, true);
		float **x = create_gradients(g), **y = create_gradients(lowered);
		gradients_of(a, x, 33, 41);
		gradients_of(b, y, 33, 41);
		for (int i = 0; i < g->param_count; i++) {
			const struct thaw_param *p = &g->params[i];
			assert_true(!p->trainable || p->role == THAW_ROLE_SCALE || p->role == THAW_ROLE_SHIFT ||
				    p->node == g->head);
			norms += p->trainable && p->role == THAW_ROLE_SCALE;
			for (int64_t k = 0; p->trainable && k < thaw_shape_count(&p->shape); k++)
				assert_true(fabsf(x[i][k] - y[i][k]) <= 1e-3f * fabsf(x[i][k]) + 1e-5f);
		}
		assert_true(norms > 0);
		free_gradients(g, x);
		free_gradients(lowered, y);
		thaw_executor_destroy(a);
		thaw_executor_destroy(b);
		thaw_graph_destroy(lowered);
		thaw_model_destroy(m);
	}
}

static void gradients_at_odd_sizes(void **state)
{
	(void)state;
	check_slope("cifar_resnet8", 13, 21);
	check_slope("cifar_resnet8", 22, 7);
	check_slope("resnet18", 45, 71);
	check_slope("mobilenet_v2", 61, 39);
	check_slope("efficientnet_lite0", 37, 53);
	check_slope("vgg11_bn", 51, 35);
}

static void which_sizes_networks_take(void **state)
{
	(void)state;
	static const struct {
		const char *spec;
		int stride;
	} rows[] = {{"resnet18", 32},
		    {"cifar_resnet8", 4},
		    {"mobilenet_v2", 32},
		    {"efficientnet_lite4", 32},
		    {"vgg11", 32}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum thaw_size_freedom freedom;
		struct thaw_native limits;
		struct thaw_model *m = load(rows[i].spec);
		assert_int_equal(thaw_size_freedom(&freedom, &limits, m), THAW_OK);
		assert_int_equal(freedom, THAW_SIZE_ANY);
		assert_int_equal(limits.stride, rows[i].stride);
		assert_true(limits.smallest % limits.stride == 0 && limits.largest % limits.stride == 0);
		thaw_model_destroy(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_resized_executor_computes_the_same_bits),
		cmocka_unit_test(packed_weights_survive_other_sizes),
		cmocka_unit_test(many_sizes),
		cmocka_unit_test(a_refused_size_changes_nothing),
		cmocka_unit_test(the_last_norms_alone),
		cmocka_unit_test(gradients_at_odd_sizes),
		cmocka_unit_test(which_sizes_networks_take),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
