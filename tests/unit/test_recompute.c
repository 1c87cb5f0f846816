/* Blocks of the tail whose values are computed again in the backward pass: the same bits, in less memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "thaw/executor.h"
#include "thaw/memory.h"
#include "thaw/model.h"
#include "thaw/random.h"

enum { IMAGES = 3, SIDE = 32 };

static void expect(thaw_status status)
{
	if (status != THAW_OK)
		fail_msg("%s", thaw_error_message());
}

/* The network of a test, unfrozen and lowered. */
struct network {
	struct thaw_model *model;
	struct thaw_graph *graph;
};

static void open_network(struct network *n, const char *variant, const char *unfreeze, enum thaw_precision precision)
{
	expect(thaw_model_load(&n->model, variant, 5, 1));
	expect(thaw_model_set_size(n->model, (struct thaw_size){SIDE, SIDE}));
	struct thaw_graph *g = n->model->graph;
	thaw_graph_dropout(g, 0.4f);
	expect(thaw_graph_unfreeze(g, unfreeze));
	thaw_graph_set_precision(g, precision);
	thaw_graph_batch_statistics(g, true);
	expect(thaw_graph_lower(&n->graph, g));
}

static void close_network(struct network *n)
{
	thaw_graph_destroy(n->graph);
	thaw_model_destroy(n->model);
}

static int64_t floats_of(const struct thaw_graph *g)
{
	int64_t floats = 0;
	for (int i = 0; i < g->param_count; i++)
		floats += g->params[i].trainable ? thaw_shape_count(&g->params[i].shape) : 0;
	return floats;
}

/* The gradients of two steps, of all images and of fewer, one after the other; *bytes: of the executor. */
static float *gradients_of(struct thaw_graph *g, int recomputed, size_t *bytes)
{
	const struct thaw_shape image = thaw_shape_of(IMAGES, SIDE, SIDE, 3);
	const uint64_t keys[IMAGES] = {11, 12, 13};
	int64_t floats = floats_of(g), at = 0;
	float *all = thaw_alloc((size_t)(2 * floats), sizeof(*all));
	float **gradient = thaw_alloc((size_t)g->param_count, sizeof(*gradient));
	struct thaw_executor *e = NULL;
	assert_true(all && gradient);
	g->recomputed = recomputed;
	expect(thaw_executor_create(&e, g, &image, THAW_WHOLE, true));
	*bytes = thaw_executor_bytes(e);
	for (int n = IMAGES; n >= IMAGES - 1; n--) {
		struct thaw_random r = thaw_random_stream(7, THAW_STREAM_INIT, 0, 0);
		for (int64_t i = 0; i < thaw_shape_count(&image); i++)
			thaw_executor_input(e)[i] = thaw_random_normal(&r);
		for (int i = 0; i < g->param_count; i++)
			if (g->params[i].trainable) {
				gradient[i] = all + at;
				at += thaw_shape_count(&g->params[i].shape);
			}
		const float *logits = thaw_executor_forward(e, n, keys);
		float *dlogits = thaw_executor_dlogits(e);
		for (int64_t i = 0; i < n * 5; i++)
			dlogits[i] = logits[i] + (float)(i % 3);
		assert_true(thaw_executor_backward(e, dlogits, gradient));
	}
	thaw_executor_destroy(e);
	thaw_free(gradient);
	return all;
}

static void compare(const char *variant, const char *unfreeze, enum thaw_precision precision)
{
	struct network n;
	size_t kept, bytes, before;
	open_network(&n, variant, unfreeze, precision);
	float *want = gradients_of(n.graph, 0, &kept);
	before = kept;
	for (int blocks = 1; blocks <= n.graph->block_count; blocks += 3) {
		float *have = gradients_of(n.graph, blocks, &bytes);
		assert_memory_equal(have, want, (size_t)(2 * floats_of(n.graph)) * sizeof(*have));
		thaw_free(have);
		assert_true(bytes <= before);
		before = bytes;
	}
	if (before >= kept)
		fail_msg("%s: %zu bytes, and %zu with all values kept", variant, before, kept);
	thaw_free(want);
	close_network(&n);
}

static void test_transformer(void **state)
{
	(void)state;
	compare("vit_tiny_patch16_224", "all", THAW_PRECISION_FP32);
	compare("vit_tiny_patch16_224", "last:5", THAW_PRECISION_FP32);
	compare("vit_tiny_patch16_224", "last:5", THAW_PRECISION_BF16);
}

/* Batch norms with statistics of the batch, dropout, depthwise convolutions. */
static void test_convolutions(void **state)
{
	(void)state;
	compare("resnet18", "all", THAW_PRECISION_FP32);
	compare("resnet18", "from:layer2.1", THAW_PRECISION_BF16);
	compare("mobilenet_v2", "all", THAW_PRECISION_FP32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transformer),
		cmocka_unit_test(test_convolutions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
