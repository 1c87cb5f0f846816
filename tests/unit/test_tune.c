/* What trains within the unfrozen part: marks of --tune, and low-rank adapters: their gradients, the network with them
 * merged, and the cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "src/model/families/tokens.h"
#include "thaw/executor.h"
#include "thaw/memory.h"
#include "thaw/random.h"

enum { IMAGES = 3, SIDE = 8, PATCH = 4, CHANNELS = 8, HIDDEN = 12, CLASSES = 3, RANK = 2 };

static const struct thaw_tune lora = {THAW_TUNE_LORA, RANK, 6.0};

static void expect(thaw_status status)
{
	if (status != THAW_OK)
		fail_msg("%s", thaw_error_message());
}

/* A convolution, two blocks of a vision transformer and the mean of its tokens. */
static struct thaw_graph *build(void)
{
	static const struct thaw_token_names names = {.norm1 = "norm1",
						      .norm2 = "norm2",
						      .qkv = "attn.qkv",
						      .project = "attn.proj",
						      .fc1 = "mlp.fc1",
						      .fc2 = "mlp.fc2",
						      .scale1 = "ls1",
						      .scale2 = "ls2"};
	struct thaw_token_block block = {.names = &names,
					 .channels = CHANNELS,
					 .hidden = HIDDEN,
					 .heads = 2,
					 .qkv_bias = true,
					 .bias = true,
					 .scales = true,
					 .norm = {.epsilon = 1e-6f},
					 .function = THAW_NL_GELU};
	struct thaw_graph *g = thaw_graph_create();
	assert_non_null(g);
	thaw_graph_block(g, "stem");
	const struct thaw_attrs patches = {.kernel = {PATCH, PATCH}, .stride = {PATCH, PATCH}};
	int x = thaw_graph_add(g, "conv", "stem", &patches, (int[]){0}, 1);
	thaw_graph_param(g, x, "stem.weight", THAW_ROLE_WEIGHT, THAW_LAYOUT_CONV,
			 &thaw_shape_of(PATCH, PATCH, 3, CHANNELS), NULL);
	x = thaw_layer_tokens(g, x, "tokens");
	for (int i = 0; i < 2; i++) {
		block.name = i ? "blocks.1" : "blocks.0";
		x = thaw_layer_token_block(g, x, &block);
	}
	thaw_graph_block(g, "head");
	x = thaw_layer_mean_token(g, x, "pool", 0);
	thaw_layer_linear(g, x, "head", CHANNELS, CLASSES, NULL);
	expect(thaw_graph_finish(g));
	thaw_graph_init(g, 1, 0, g->param_count);
	return g;
}

/* Values that are not the neutral ones of new layers, such as 0 of B. */
static void randomise(struct thaw_graph *g, uint64_t seed)
{
	struct thaw_random r = thaw_random_stream(seed, THAW_STREAM_INIT, 0, 0);
	for (int i = 0; i < g->param_count; i++)
		for (int64_t k = 0, n = thaw_shape_count(&g->params[i].shape); k < n; k++)
			g->params[i].data[k] = (g->params[i].role == THAW_ROLE_SCALE) + 0.4f * thaw_random_normal(&r);
}

static const struct thaw_shape image = {.ndim = 4, .dim = {IMAGES, SIDE, SIDE, 3}};

static void fill_images(float *input)
{
	struct thaw_random r = thaw_random_stream(7, THAW_STREAM_INIT, 0, 0);
	for (int64_t i = 0; i < thaw_shape_count(&image); i++)
		input[i] = thaw_random_normal(&r);
}

static struct thaw_executor *compile(const struct thaw_graph *g, bool training)
{
	struct thaw_executor *e = NULL;
	expect(thaw_executor_create(&e, g, &image, THAW_WHOLE, training));
	return e;
}

static void run(const struct thaw_graph *g, float *logits)
{
	struct thaw_executor *e = compile(g, false);
	fill_images(thaw_executor_input(e));
	memcpy(logits, thaw_executor_forward(e, IMAGES, NULL), sizeof(float) * IMAGES * CLASSES);
	thaw_executor_destroy(e);
}

static double largest_difference(const float *a, const float *b)
{
	double most = 0.0;
	for (int i = 0; i < IMAGES * CLASSES; i++)
		most = fmax(most, fabs((double)a[i] - (double)b[i]));
	return most;
}

static void test_words(void **state)
{
	static const char *const wrong[] = {"",          "norms",   "lora",       "lora:",       "lora:0",
					    "lora:1025", "lora:4:", "lora:4:0",   "lora:4:-1",   "lora:4:nan",
					    "lora:4:2x", "lora:4x", "lora:4:2:1", "lora:4:1e39", "all:3"};
	struct thaw_tune t;
	char text[THAW_TUNE_TEXT];
	(void)state;
	expect(thaw_tune_read(&t, "lora:16"));
	assert_int_equal(t.kind, THAW_TUNE_LORA);
	assert_int_equal(t.rank, 16);
	assert_true(t.alpha == 8.0);
	assert_string_equal(thaw_tune_text(&t, text, sizeof(text)), "lora:16:8");
	expect(thaw_tune_read(&t, "lora:4:2.5"));
	assert_true(t.rank == 4 && t.alpha == 2.5);
	expect(thaw_tune_read(&t, "bias"));
	assert_string_equal(thaw_tune_text(&t, text, sizeof(text)), "bias");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (thaw_tune_read(&t, wrong[i]) != THAW_USAGE)
			fail_msg("--tune %s is accepted", wrong[i]);
}

/* The names of what trains, each followed by a space. */
static const char *trained(const struct thaw_graph *g, char *text)
{
	*text = '\0';
	for (int i = 0; i < g->param_count; i++)
		if (g->params[i].trainable)
			strcat(strcat(text, g->params[i].name), " ");
	return text;
}

static void test_marks(void **state)
{
	struct thaw_graph *g = build();
	char text[2048];
	(void)state;
	expect(thaw_graph_unfreeze(g, "from:blocks.1"));
	thaw_graph_tune(g, &(struct thaw_tune){.kind = THAW_TUNE_NORM});
	assert_string_equal(trained(g, text), "blocks.1.norm1.weight blocks.1.norm1.bias blocks.1.norm2.weight "
					      "blocks.1.norm2.bias head.weight head.bias ");
	expect(thaw_graph_unfreeze(g, "from:blocks.1"));
	thaw_graph_tune(g, &(struct thaw_tune){.kind = THAW_TUNE_BIAS}); /* without the factors of branches */
	assert_string_equal(trained(g, text), "blocks.1.norm1.bias blocks.1.attn.qkv.bias blocks.1.attn.proj.bias "
					      "blocks.1.norm2.bias blocks.1.mlp.fc1.bias blocks.1.mlp.fc2.bias "
					      "head.weight head.bias ");
	expect(thaw_graph_add_adapters(g, "from:blocks.1", &lora, 1));
	expect(thaw_graph_unfreeze(g, "from:blocks.1"));
	thaw_graph_tune(g, &lora);
	assert_string_equal(trained(g, text),
			    "head.weight head.bias blocks.1.attn.qkv.lora_A.weight blocks.1.attn.qkv.lora_B.weight "
			    "blocks.1.attn.proj.lora_A.weight blocks.1.attn.proj.lora_B.weight "
			    "blocks.1.mlp.fc1.lora_A.weight blocks.1.mlp.fc1.lora_B.weight "
			    "blocks.1.mlp.fc2.lora_A.weight blocks.1.mlp.fc2.lora_B.weight ");
	assert_string_equal(g->nodes[thaw_graph_cut(g)].name, "blocks.1.norm1"); /* one value crosses the cut */
	thaw_graph_destroy(g);
}

static void test_refused(void **state)
{
	struct thaw_graph *g = build();
	(void)state;
	assert_int_equal(thaw_graph_add_adapters(g, "head", &lora, 1), THAW_USAGE);
	assert_non_null(strstr(thaw_error_message(), "--tune lora:2:6 with --unfreeze head"));
	assert_int_equal(thaw_graph_add_adapters(g, "from:nowhere", &lora, 1), THAW_USAGE);
	assert_false(thaw_graph_has_adapters(g));
	thaw_graph_destroy(g);
}

/* New adapters change no bit. A is as PEFT initialises it: uniform within 1 / sqrt(inputs). */
static void test_neutral(void **state)
{
	struct thaw_graph *g = build();
	float before[IMAGES * CLASSES], after[IMAGES * CLASSES], most = 0.0f;
	(void)state;
	run(g, before);
	expect(thaw_graph_add_adapters(g, "all", &lora, 5));
	run(g, after);
	assert_memory_equal(before, after, sizeof(before));
	const struct thaw_param *a = &g->params[thaw_graph_find_param(g, "blocks.0.mlp.fc2.lora_A.weight")];
	assert_int_equal(thaw_shape_count(&a->shape), RANK * HIDDEN);
	for (int k = 0; k < RANK * HIDDEN; k++)
		most = fmaxf(most, fabsf(a->data[k]));
	assert_true(most <= 1.0f / sqrtf(HIDDEN) && most > 0.7f / sqrtf(HIDDEN));
	thaw_graph_destroy(g);
}

static void test_merged(void **state)
{
	struct thaw_graph *g = build();
	float apart[IMAGES * CLASSES], merged[IMAGES * CLASSES], without[IMAGES * CLASSES];
	int nodes = g->node_count, params = g->param_count;
	(void)state;
	expect(thaw_graph_add_adapters(g, "all", &lora, 5));
	randomise(g, 2);
	run(g, apart);
	struct thaw_graph *copy = thaw_graph_copy(g);
	assert_non_null(copy);
	expect(thaw_graph_merge_adapters(copy));
	assert_int_equal(copy->node_count, nodes);
	assert_int_equal(copy->param_count, params);
	assert_false(thaw_graph_has_adapters(copy));
	run(copy, merged);
	assert_true(largest_difference(apart, merged) < 1e-5);
	run(g, merged); /* the original has not changed */
	assert_memory_equal(apart, merged, sizeof(apart));
	for (int i = params; i < g->param_count; i++)
		memset(g->params[i].data, 0, (size_t)thaw_shape_count(&g->params[i].shape) * sizeof(float));
	run(g, without);
	assert_true(largest_difference(apart, without) > 1e-2);
	thaw_graph_destroy(copy);
	thaw_graph_destroy(g);
}

/* The sum of logits, each times its number. */
static double weighted_sum(const float *logits)
{
	double sum = 0.0;
	for (int i = 0; i < IMAGES * CLASSES; i++)
		sum += (i + 1) * (double)logits[i];
	return sum;
}

static double slope(struct thaw_graph *g, struct thaw_executor *e, float *value)
{
	const float step = 1e-2f, was = *value;
	double sum[2];
	for (int side = 0; side < 2; side++) {
		*value = was + (side ? step : -step);
		fill_images(thaw_executor_input(e));
		sum[side] = weighted_sum(thaw_executor_forward(e, IMAGES, NULL));
	}
	(void)g;
	*value = was;
	return (sum[1] - sum[0]) / (2.0 * (double)step);
}

/* Gradients of adapters in the lowered graph against finite differences. */
static void test_gradients(void **state)
{
	struct thaw_graph *g = build(), *lowered = NULL;
	float *gradient[64] = {0}, dlogits[IMAGES * CLASSES];
	uint64_t keys[IMAGES] = {0};
	(void)state;
	expect(thaw_graph_add_adapters(g, "all", &lora, 5));
	randomise(g, 3);
	expect(thaw_graph_unfreeze(g, "all"));
	thaw_graph_tune(g, &lora);
	expect(thaw_graph_lower(&lowered, g));
	assert_true(lowered->param_count <= 64);
	for (int i = 0; i < g->param_count; i++)
		if (g->params[i].trainable)
			gradient[i] = thaw_alloc((size_t)thaw_shape_count(&g->params[i].shape), sizeof(float));
	for (int i = 0; i < IMAGES * CLASSES; i++)
		dlogits[i] = (float)(i + 1);
	struct thaw_executor *e = compile(lowered, true);
	fill_images(thaw_executor_input(e));
	thaw_executor_forward(e, IMAGES, keys);
	assert_true(thaw_executor_backward(e, dlogits, gradient));
	for (int i = 0; i < g->param_count; i++) {
		struct thaw_param *p = &g->params[i];
		for (int64_t k = 0, n = thaw_shape_count(&p->shape); p->trainable && k < n; k += 3) {
			double want = slope(lowered, e, &p->data[k]), have = (double)gradient[i][k];
			if (fabs(want - have) > 0.02 * fmax(fabs(want), 1.0))
				fail_msg("%s[%lld]: %g, not %g", p->name, (long long)k, have, want);
		}
		thaw_free(gradient[i]);
	}
	thaw_executor_destroy(e);
	thaw_graph_destroy(lowered);
	thaw_graph_destroy(g);
}

/* Layers after each other, the first on a flattened image, whose values are in another order in files; the activation
 * between them is part of its layer, as in imported networks. */
static void test_flattened(void **state)
{
	static const int chw[3] = {3, SIDE, SIDE};
	struct thaw_graph *g = thaw_graph_create();
	float apart[IMAGES * CLASSES], merged[IMAGES * CLASSES];
	(void)state;
	thaw_graph_block(g, "all");
	int x = thaw_layer_linear(g, thaw_layer_flatten(g, 0, "flatten"), "fc1", 3 * SIDE * SIDE, HIDDEN, chw);
	g->nodes[x].attrs.activation = THAW_ACT_RELU;
	x = thaw_layer_linear(g, x, "fc2", HIDDEN, CHANNELS, NULL);
	thaw_layer_linear(g, x, "head", CHANNELS, CLASSES, NULL);
	expect(thaw_graph_finish(g));
	expect(thaw_graph_add_adapters(g, "all", &lora, 5));
	randomise(g, 4);
	run(g, apart);
	expect(thaw_graph_merge_adapters(g));
	run(g, merged);
	double most = 0.0;
	for (int i = 0; i < IMAGES * CLASSES; i++)
		most = fmax(most, fabs((double)apart[i]));
	assert_true(largest_difference(apart, merged) < 1e-5 * most);
	thaw_graph_destroy(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),     cmocka_unit_test(test_marks),  cmocka_unit_test(test_refused),
		cmocka_unit_test(test_neutral),   cmocka_unit_test(test_merged), cmocka_unit_test(test_gradients),
		cmocka_unit_test(test_flattened),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
