/* Graphs, passes, cuts, memory layout and executors, on a small residual network. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "src/graph/memory.h"
#include "thaw/executor.h"
#include "thaw/memory.h"
#include "thaw/random.h"

#define BATCH   5
#define SIDE    9
#define CLASSES 4

/* conv (kh,kw,in,out) and a batch norm with random statistics, named NAME.weight and NAME_bn.* */
static int conv_bn(struct thaw_graph *g, int x, const char *name, int kernel, int stride, int in, int out)
{
	struct thaw_attrs conv = {.kernel = {kernel, kernel}, .stride = {stride, stride}};
	for (int i = 0; i < 4; i++)
		conv.pad[i] = kernel / 2;
	struct thaw_shape shape = thaw_shape_of(kernel, kernel, in, out), channels = thaw_shape_of(out);
	char text[64];
	x = thaw_graph_add(g, "conv", name, &conv, &x, 1);
	snprintf(text, sizeof(text), "%s.weight", name);
	thaw_graph_param(g, x, text, THAW_ROLE_WEIGHT, THAW_LAYOUT_CONV, &shape, NULL);
	struct thaw_attrs norm = {.epsilon = 1e-5f, .momentum = 0.1f};
	snprintf(text, sizeof(text), "%s_bn", name);
	x = thaw_graph_add(g, "batch_norm", text, &norm, &x, 1);
	static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
	static const enum thaw_role roles[] = {THAW_ROLE_SCALE, THAW_ROLE_SHIFT, THAW_ROLE_MEAN, THAW_ROLE_VARIANCE};
	for (int i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "%s_bn.%s", name, parts[i]);
		thaw_graph_param(g, x, text, roles[i], THAW_LAYOUT_SAME, &channels, NULL);
	}
	return x;
}

static int relu(struct thaw_graph *g, int x)
{
	struct thaw_attrs attrs = {.activation = THAW_ACT_RELU};
	return thaw_graph_add(g, "activation", "relu", &attrs, &x, 1);
}

static struct thaw_graph *small_network(void)
{
	struct thaw_graph *g = thaw_graph_create();
	assert_non_null(g);
	thaw_graph_block(g, "stem");
	int x = relu(g, conv_bn(g, 0, "stem", 3, 1, 3, 8));
	thaw_graph_block(g, "block%d", 1);
	int shortcut = conv_bn(g, x, "shortcut", 1, 2, 8, 16);
	int y = relu(g, conv_bn(g, x, "a", 3, 2, 8, 16));
	y = conv_bn(g, y, "b", 3, 1, 16, 16);
	x = relu(g, thaw_graph_add(g, "add", "add1", NULL, (int[]){y, shortcut}, 2));
	thaw_graph_block(g, "block%d", 2);
	y = conv_bn(g, x, "c", 3, 1, 16, 16);
	x = relu(g, thaw_graph_add(g, "add", "add2", NULL, (int[]){x, y}, 2));
	thaw_graph_block(g, "fc");
	x = thaw_graph_add(g, "average_pool", "pool", NULL, &x, 1);
	x = thaw_graph_add(g, "flatten", "flatten", NULL, &x, 1);
	x = thaw_graph_add(g, "linear", "fc", NULL, &x, 1);
	struct thaw_shape w = thaw_shape_of(CLASSES, 16), b = thaw_shape_of(CLASSES);
	thaw_graph_param(g, x, "fc.weight", THAW_ROLE_WEIGHT, THAW_LAYOUT_SAME, &w, NULL);
	thaw_graph_param(g, x, "fc.bias", THAW_ROLE_BIAS, THAW_LAYOUT_SAME, &b, NULL);
	assert_int_equal(thaw_graph_finish(g), THAW_OK);
	thaw_graph_init(g, 7, 0, g->param_count);
	for (int i = 0; i < g->param_count; i++) {
		struct thaw_random r = thaw_random_stream(3, THAW_STREAM_INIT, 1, (uint64_t)i);
		for (int64_t k = 0; g->params[i].role != THAW_ROLE_WEIGHT && k < thaw_shape_count(&g->params[i].shape);
		     k++)
			g->params[i].data[k] += thaw_random_range(&r, -0.3f, 0.3f);
	}
	return g;
}

static struct thaw_executor *executor_for(const struct thaw_graph *g, bool training)
{
	struct thaw_executor *executor = NULL;
	struct thaw_shape image = thaw_shape_of(BATCH, SIDE, SIDE, 3);
	assert_int_equal(thaw_executor_create(&executor, g, &image, THAW_WHOLE, training), THAW_OK);
	return executor;
}

static void fill_input(struct thaw_executor *executor)
{
	struct thaw_random r = thaw_random_stream(1, THAW_STREAM_INIT, 0, 0);
	for (int i = 0; i < BATCH * SIDE * SIDE * 3; i++)
		thaw_executor_input(executor)[i] = thaw_random_normal(&r);
}

static const int32_t labels[BATCH] = {0, 3, 1, 2, 1};

static double loss_of(struct thaw_executor *executor, float *dlogits)
{
	double loss;
	int64_t correct;
	fill_input(executor);
	const float *logits = thaw_executor_forward(executor, BATCH, NULL);
	thaw_cross_entropy(logits, BATCH, CLASSES, labels, 0.1f, dlogits, &loss, &correct);
	return loss;
}

/* Gradients of all trainable parameters; gradient[i] is NULL for frozen ones. */
static void gradients(struct thaw_graph *g, float **gradient)
{
	struct thaw_executor *executor = executor_for(g, true);
	for (int i = 0; i < g->param_count; i++)
		gradient[i] = g->params[i].trainable
				      ? thaw_alloc((size_t)thaw_shape_count(&g->params[i].shape), sizeof(float))
				      : NULL;
	loss_of(executor, thaw_executor_dlogits(executor));
	thaw_executor_backward(executor, thaw_executor_dlogits(executor), gradient);
	thaw_executor_destroy(executor);
}

static void free_gradients(const struct thaw_graph *g, float **gradient)
{
	for (int i = 0; i < g->param_count; i++)
		thaw_free(gradient[i]);
}

static void fold_and_fuse_keep_the_logits(void **state)
{
	(void)state;
	struct thaw_graph *g = small_network(), *fast = thaw_graph_copy(g);
	assert_int_equal(thaw_graph_unfreeze(fast, "none"), THAW_OK);
	assert_int_equal(thaw_pass_fold(fast), THAW_OK);
	assert_int_equal(thaw_pass_fuse(fast), THAW_OK);
	for (int i = 1; i < fast->node_count; i++) {
		assert_string_not_equal(fast->nodes[i].op->name, "batch_norm");
		assert_string_not_equal(fast->nodes[i].op->name, "activation");
		assert_string_not_equal(fast->nodes[i].op->name, "add");
	}
	struct thaw_executor *a = executor_for(g, false), *b = executor_for(fast, false);
	fill_input(a);
	fill_input(b);
	const float *x = thaw_executor_forward(a, BATCH, NULL), *y = thaw_executor_forward(b, BATCH, NULL);
	for (int i = 0; i < BATCH * CLASSES; i++)
		assert_true(fabsf(x[i] - y[i]) < 1e-4f);
	assert_true(thaw_executor_bytes(b) <= thaw_executor_bytes(a));
	thaw_executor_destroy(a);
	thaw_executor_destroy(b);
	thaw_graph_destroy(fast);
	thaw_graph_destroy(g);
}

/* Directional derivative of the loss for each parameter, against its gradient. */
static void check_slopes(struct thaw_graph *g)
{
	float *gradient[64];
	gradients(g, gradient);
	struct thaw_executor *executor = executor_for(g, true);
	for (int i = 0; i < g->param_count; i++) {
		struct thaw_param *p = &g->params[i];
		if (!p->trainable || p->role == THAW_ROLE_MEAN || p->role == THAW_ROLE_VARIANCE)
			continue;
		int64_t n = thaw_shape_count(&p->shape);
		double expected = 0.0, size = 0.0;
		const float h = 1e-3f;
		double loss[2];
		for (int side = 0; side < 2; side++) {
			/* along the normalised gradient: the derivative is its norm */
			for (int64_t k = 0; side == 0 && k < n; k++)
				size += (double)gradient[i][k] * gradient[i][k];
			float scale = (float)(h / sqrt(size)) * (side ? -2.0f : 1.0f);
			for (int64_t k = 0; k < n; k++)
				p->data[k] += scale * gradient[i][k];
			loss[side] = loss_of(executor, NULL);
		}
		for (int64_t k = 0; k < n; k++)
			p->data[k] += (float)(h / sqrt(size)) * gradient[i][k];
		expected = sqrt(size);
		double slope = (loss[0] - loss[1]) / (2.0 * h);
		if (fabs(slope - expected) > 0.03 * expected + 5e-3)
			fail_msg("%s: slope %g, gradient %g", p->name, slope, expected);
	}
	thaw_executor_destroy(executor);
	free_gradients(g, gradient);
}

static void gradients_match_finite_differences(void **state)
{
	(void)state;
	struct thaw_graph *g = small_network();
	assert_int_equal(thaw_graph_unfreeze(g, "all"), THAW_OK);
	check_slopes(g);
	assert_int_equal(thaw_pass_fuse(g), THAW_OK);
	check_slopes(g);
	thaw_graph_batch_statistics(g, true);
	check_slopes(g);
	thaw_graph_destroy(g);
}

/* Gradients of the tail do not depend on how much before it is frozen, folded and fused. */
static void gradients_do_not_depend_on_the_cut(void **state)
{
	(void)state;
	struct thaw_graph *g = small_network();
	float *whole[64], *tail[64];
	assert_int_equal(thaw_graph_unfreeze(g, "all"), THAW_OK);
	assert_int_equal(thaw_graph_cut(g), 1);
	gradients(g, whole);
	assert_int_equal(thaw_graph_unfreeze(g, "last:1"), THAW_OK);
	struct thaw_graph *cut = thaw_graph_copy(g);
	assert_int_equal(thaw_pass_fold(cut), THAW_OK);
	assert_int_equal(thaw_pass_join(cut), THAW_OK);
	for (int i = 1; i < cut->node_count; i++)
		assert_string_not_equal(cut->nodes[i].op->name, "batch_norm");
	assert_string_equal(cut->nodes[cut->params[thaw_graph_find_param(cut, "c_bn.weight")].node].op->name,
			    "conv_norm");
	assert_int_equal(thaw_pass_fuse(cut), THAW_OK);
	assert_true(thaw_graph_cut(cut) > 1);
	gradients(cut, tail);
	int compared = 0;
	for (int i = 0; i < g->param_count; i++) {
		assert_true((tail[i] != NULL) == g->params[i].trainable);
		for (int64_t k = 0; tail[i] && k < thaw_shape_count(&g->params[i].shape); k++, compared++)
			assert_true(fabsf(tail[i][k] - whole[i][k]) < 1e-3f);
	}
	assert_int_equal(compared, 9 * 16 * 16 + 2 * 16 + 17 * CLASSES);
	free_gradients(cut, tail);
	thaw_graph_destroy(cut);
	assert_int_equal(thaw_graph_unfreeze(g, "all"), THAW_OK);
	free_gradients(g, whole);
	thaw_graph_destroy(g);
}

static void a_smaller_batch_gives_the_same_logits(void **state)
{
	(void)state;
	struct thaw_graph *g = small_network();
	struct thaw_executor *executor = executor_for(g, false);
	float all[BATCH * CLASSES];
	fill_input(executor);
	memcpy(all, thaw_executor_forward(executor, BATCH, NULL), sizeof(all));
	fill_input(executor);
	const float *few = thaw_executor_forward(executor, 2, NULL);
	for (int i = 0; i < 2 * CLASSES; i++)
		assert_true(fabsf(few[i] - all[i]) < 1e-5f);
	thaw_executor_forward(executor, 0, NULL);
	thaw_executor_destroy(executor);
	thaw_graph_destroy(g);
}

/* Logits of trunk and tail executors, image by image in the given order. */
static void logits_by_parts(const struct thaw_graph *g, const float *images, const int *order, bool prepare,
			    float *logits)
{
	struct thaw_shape image = thaw_shape_of(BATCH, SIDE, SIDE, 3);
	struct thaw_executor *trunk, *tail;
	assert_int_equal(thaw_executor_create(&trunk, g, &image, THAW_TRUNK, false), THAW_OK);
	assert_int_equal(thaw_executor_create(&tail, g, &image, THAW_TAIL, true), THAW_OK);
	assert_int_equal(thaw_executor_features(trunk), thaw_executor_features(tail));
	if (prepare)
		assert_int_equal(thaw_executor_pack(trunk, NULL, true), THAW_OK);
	float *features = thaw_alloc((size_t)thaw_executor_features(trunk), sizeof(*features));
	for (int i = 0; i < BATCH; i++) {
		memcpy(thaw_executor_input(trunk), images + order[i] * SIDE * SIDE * 3,
		       SIDE * SIDE * 3 * sizeof(float));
		thaw_executor_run_trunk(trunk, features);
		thaw_executor_set_features(tail, order[i], features);
	}
	memcpy(logits, thaw_executor_forward(tail, BATCH, NULL), BATCH * CLASSES * sizeof(float));
	thaw_free(features);
	thaw_executor_destroy(trunk);
	thaw_executor_destroy(tail);
}

/* Cuts at the image, before a block, within a residual (two values cross), before the classifier. */
static void trunk_and_tail_equal_the_whole(void **state)
{
	(void)state;
	static const char *const first[] = {"stem.weight", "c.weight", "b.weight", "fc.weight"};
	static const int crossing[] = {1, 1, 2, 1};
	for (size_t c = 0; c < sizeof(first) / sizeof(*first); c++) {
		struct thaw_graph *g = small_network();
		int value[64], from = thaw_graph_find_param(g, first[c]);
		assert_true(from >= 0);
		for (int i = 0; i < g->param_count; i++)
			g->params[i].trainable = i >= from && g->params[i].role == THAW_ROLE_WEIGHT;
		assert_int_equal(thaw_graph_crossing(g, thaw_graph_cut(g), value), crossing[c]);
		float whole[BATCH * CLASSES], parts[2][BATCH * CLASSES], images[BATCH * SIDE * SIDE * 3];
		struct thaw_executor *executor = executor_for(g, false);
		fill_input(executor);
		memcpy(images, thaw_executor_input(executor), sizeof(images));
		memcpy(whole, thaw_executor_forward(executor, BATCH, NULL), sizeof(whole));
		logits_by_parts(g, images, (int[]){0, 1, 2, 3, 4}, false, parts[0]);
		logits_by_parts(g, images, (int[]){3, 1, 4, 0, 2}, true, parts[1]);
		for (int i = 0; i < BATCH * CLASSES; i++)
			assert_true(fabsf(whole[i] - parts[0][i]) < 1e-5f);
		assert_memory_equal(parts[0], parts[1], sizeof(parts[0]));
		thaw_executor_destroy(executor);
		thaw_graph_destroy(g);
	}
}

/* Features of each image by a trunk executor created for batches of `batch`. */
static void features_of(const struct thaw_graph *g, const float *images, int64_t batch, float *features)
{
	struct thaw_shape image = thaw_shape_of(batch, SIDE, SIDE, 3);
	struct thaw_executor *trunk;
	assert_int_equal(thaw_executor_create(&trunk, g, &image, THAW_TRUNK, false), THAW_OK);
	assert_int_equal(thaw_executor_pack(trunk, NULL, true), THAW_OK);
	for (int i = 0; i < BATCH; i++) {
		memcpy(thaw_executor_input(trunk), images + i * SIDE * SIDE * 3, SIDE * SIDE * 3 * sizeof(float));
		thaw_executor_run_trunk(trunk, features + i * thaw_executor_features(trunk));
	}
	thaw_executor_destroy(trunk);
}

static void features_are_the_same_bits_at_any_batch_size(void **state)
{
	(void)state;
	static const int64_t batches[] = {BATCH, 16, 100};
	struct thaw_graph *g = small_network(), *lowered;
	struct thaw_shape image = thaw_shape_of(1, SIDE, SIDE, 3);
	struct thaw_executor *executor = executor_for(g, false), *trunk;
	float images[BATCH * SIDE * SIDE * 3];
	fill_input(executor);
	memcpy(images, thaw_executor_input(executor), sizeof(images));
	assert_int_equal(thaw_graph_unfreeze(g, "last:1"), THAW_OK);
	assert_int_equal(thaw_graph_lower(&lowered, g), THAW_OK);
	assert_int_equal(thaw_executor_create(&trunk, lowered, &image, THAW_TRUNK, false), THAW_OK);
	size_t bytes = BATCH * (size_t)thaw_executor_features(trunk) * sizeof(float);
	float *one = thaw_alloc(bytes, 1), *many = thaw_alloc(bytes, 1);
	assert_true(one && many);
	features_of(lowered, images, 1, one);
	for (size_t i = 0; i < sizeof(batches) / sizeof(*batches); i++) {
		features_of(lowered, images, batches[i], many);
		assert_memory_equal(one, many, bytes);
	}
	thaw_free(one);
	thaw_free(many);
	thaw_executor_destroy(executor);
	thaw_executor_destroy(trunk);
	thaw_graph_destroy(lowered);
	thaw_graph_destroy(g);
}

static void note_node(void *context, int node)
{
	int *last = context;
	assert_true(node < *last);
	*last = node;
}

static void gradient_callbacks_run_from_the_last_node(void **state)
{
	(void)state;
	struct thaw_graph *g = small_network();
	assert_int_equal(thaw_graph_unfreeze(g, "from:block2"), THAW_OK);
	struct thaw_executor *executor = executor_for(g, true);
	struct thaw_node_time times[64] = {0};
	float *gradient[64] = {0};
	int last = g->node_count;
	thaw_executor_on_gradient(executor, note_node, &last);
	thaw_executor_profile(executor, times);
	loss_of(executor, thaw_executor_dlogits(executor));
	thaw_executor_backward(executor, thaw_executor_dlogits(executor), gradient);
	assert_int_equal(last, thaw_graph_cut(g));
	assert_true(times[1].forward > 0.0 && times[1].backward == 0.0);
	assert_true(times[g->head].forward > 0.0 && times[g->head].backward > 0.0);
	thaw_executor_destroy(executor);
	thaw_graph_destroy(g);
}

/* Fixed parameters are not trainable, whatever is unfrozen, and not initialised. */
static void fixed_parameters_do_not_change(void **state)
{
	(void)state;
	struct thaw_graph *g = small_network();
	g->params[0].role = THAW_ROLE_FIXED;
	g->params[0].data[0] = 7.0f;
	assert_int_equal(thaw_graph_unfreeze(g, "all"), THAW_OK);
	assert_false(g->params[0].trainable);
	assert_true(g->params[1].trainable);
	thaw_graph_init(g, 1, 0, g->param_count);
	assert_true(g->params[0].data[0] == 7.0f);
	thaw_graph_destroy(g);
}

static void unfreeze_values_are_parsed(void **state)
{
	(void)state;
	struct thaw_graph *g = small_network();
	static const struct {
		const char *text;
		thaw_status status;
		const char *first_trainable;
	} cases[] = {
		{"head", THAW_OK, "fc.weight"},         {"last:0", THAW_OK, "fc.weight"},
		{"last:2", THAW_OK, "shortcut.weight"}, {"from:block2", THAW_OK, "c.weight"},
		{"all", THAW_OK, "stem.weight"},        {"none", THAW_OK, NULL},
		{"last:9", THAW_USAGE, NULL},           {"last:x", THAW_USAGE, NULL},
		{"from:nowhere", THAW_USAGE, NULL},     {"everything", THAW_USAGE, NULL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(thaw_graph_unfreeze(g, cases[i].text), cases[i].status);
		if (cases[i].status != THAW_OK)
			continue;
		int first = 0;
		while (first < g->param_count && !g->params[first].trainable)
			first++;
		if (cases[i].first_trainable)
			assert_string_equal(g->params[first].name, cases[i].first_trainable);
		else
			assert_int_equal(first, g->param_count);
	}
	thaw_graph_destroy(g);
}

static void a_new_head_has_the_new_classes(void **state)
{
	(void)state;
	struct thaw_graph *g = small_network();
	assert_int_equal(thaw_graph_replace_head(g, 9, 1), THAW_OK);
	struct thaw_shape shapes[64], image = thaw_shape_of(1, SIDE, SIDE, 3);
	assert_int_equal(thaw_graph_infer(g, &image, shapes), THAW_OK);
	assert_int_equal(shapes[g->output].dim[1], 9);
	assert_true(thaw_graph_flops(g, shapes, 0, g->node_count) > 0);
	thaw_graph_destroy(g);
}

static void live_buffers_do_not_overlap(void **state)
{
	(void)state;
	enum { N = 200 };
	struct thaw_buffer b[N];
	struct thaw_random r = thaw_random_stream(5, THAW_STREAM_INIT, 0, 0);
	size_t total, sum = 0;
	for (int i = 0; i < N; i++) {
		int born = (int)thaw_random_below(&r, 50);
		b[i] = (struct thaw_buffer){thaw_random_below(&r, 5000), born, born + (int)thaw_random_below(&r, 10),
					    0};
		sum += b[i].bytes;
	}
	assert_int_equal(thaw_memory_place(b, N, &total), THAW_OK);
	assert_true(total < sum);
	for (int i = 0; i < N; i++) {
		assert_int_equal(b[i].offset % THAW_ALIGNMENT, 0);
		assert_true(b[i].offset + b[i].bytes <= total);
		for (int k = 0; k < i; k++) {
			bool together = b[i].born <= b[k].dies && b[k].born <= b[i].dies;
			bool apart = b[i].offset + b[i].bytes <= b[k].offset || b[k].offset + b[k].bytes <= b[i].offset;
			assert_true(!together || apart || b[i].bytes == 0 || b[k].bytes == 0);
		}
	}
}

/* By the definition: every value against every reader. */
static void crossing_values_are_read_after_the_cut(void **state)
{
	(void)state;
	struct thaw_graph *g = small_network();
	g->nodes[3].fixed = true;
	for (int at = 0; at <= g->node_count; at++) {
		int value[64], expected = 0, count = thaw_graph_crossing(g, at, value);
		for (int v = 0; v < at; v++) {
			bool crosses = v == g->output;
			for (int i = at; i < g->node_count; i++)
				for (int k = 0; k < g->nodes[i].input_count; k++)
					crosses |= g->nodes[i].inputs[k] == v;
			if (!crosses || g->nodes[v].fixed)
				continue;
			assert_true(expected < count);
			assert_int_equal(value[expected++], v);
		}
		assert_int_equal(count, expected);
	}
	thaw_graph_destroy(g);
}

static int pointwise(struct thaw_graph *g, int x, const char *name)
{
	struct thaw_shape shape = thaw_shape_of(1, 1, 3, 3);
	char text[64];
	snprintf(text, sizeof(text), "%s.weight", name);
	x = thaw_graph_add(g, "conv", name, NULL, &x, 1);
	thaw_graph_param(g, x, text, THAW_ROLE_WEIGHT, THAW_LAYOUT_CONV, &shape, NULL);
	return x;
}

/* a has three readers: its relu and first add stay. b has one, its add, and takes that with the relu after it. */
static void values_with_other_readers_are_not_fused(void **state)
{
	(void)state;
	struct thaw_graph *g = thaw_graph_create();
	struct thaw_shape w = thaw_shape_of(2, 3);
	thaw_graph_block(g, "all");
	int a = pointwise(g, 0, "a");
	int x = thaw_graph_add(g, "add", "add1", NULL, (int[]){relu(g, a), a}, 2);
	int b = pointwise(g, x, "b");
	x = relu(g, thaw_graph_add(g, "add", "add2", NULL, (int[]){a, b}, 2));
	x = thaw_graph_add(g, "average_pool", "pool", NULL, &x, 1);
	x = thaw_graph_add(g, "flatten", "flatten", NULL, &x, 1);
	x = thaw_graph_add(g, "linear", "fc", NULL, &x, 1);
	thaw_graph_param(g, x, "fc.weight", THAW_ROLE_WEIGHT, THAW_LAYOUT_SAME, &w, NULL);
	assert_int_equal(thaw_graph_finish(g), THAW_OK);
	assert_int_equal(thaw_pass_fuse(g), THAW_OK);

	static const char *const left[] = {"conv", "activation", "add", "conv", "average_pool", "flatten", "linear"};
	assert_int_equal(g->node_count, 8);
	for (int i = 1; i < g->node_count; i++)
		assert_string_equal(g->nodes[i].op->name, left[i - 1]);
	assert_int_equal(g->nodes[1].attrs.activation, THAW_ACT_NONE);
	assert_int_equal(g->nodes[4].attrs.activation, THAW_ACT_RELU);
	assert_int_equal(g->nodes[4].input_count, 2);
	assert_int_equal(g->nodes[4].inputs[0], 3);
	assert_int_equal(g->nodes[4].inputs[1], 1);
	thaw_graph_destroy(g);
}

static bool overlap(const struct thaw_buffer *a, size_t offset, const struct thaw_buffer *b)
{
	size_t bytes[2];
	for (int i = 0; i < 2; i++)
		bytes[i] = ((i ? b : a)->bytes + THAW_ALIGNMENT - 1) / THAW_ALIGNMENT * THAW_ALIGNMENT;
	return a->born <= b->dies && b->born <= a->dies && offset < b->offset + bytes[1] &&
	       b->offset < offset + bytes[0];
}

/* Each buffer is at the lowest offset that larger ones, and earlier ones of its size, leave free. */
static void buffers_have_the_lowest_offset(void **state)
{
	(void)state;
	enum { N = 120 };
	struct thaw_buffer b[N];
	struct thaw_random r = thaw_random_stream(6, THAW_STREAM_INIT, 0, 0);
	size_t total;
	for (int i = 0; i < N; i++) {
		int born = (int)thaw_random_below(&r, 40);
		b[i] = (struct thaw_buffer){.bytes = 50 * thaw_random_below(&r, 9),
					    .born = born,
					    .dies = born + (int)thaw_random_below(&r, 30)};
	}
	assert_int_equal(thaw_memory_place(b, N, &total), THAW_OK);
	for (int i = 0; i < N; i++)
		for (size_t offset = 0; b[i].bytes > 0 && offset <= b[i].offset; offset += THAW_ALIGNMENT) {
			bool free = true;
			for (int k = 0; k < N; k++)
				if (b[k].bytes > b[i].bytes || (b[k].bytes == b[i].bytes && k < i))
					free &= !overlap(&b[i], offset, &b[k]);
			assert_int_equal(free, offset == b[i].offset);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fold_and_fuse_keep_the_logits),
		cmocka_unit_test(gradients_match_finite_differences),
		cmocka_unit_test(gradients_do_not_depend_on_the_cut),
		cmocka_unit_test(a_smaller_batch_gives_the_same_logits),
		cmocka_unit_test(trunk_and_tail_equal_the_whole),
		cmocka_unit_test(features_are_the_same_bits_at_any_batch_size),
		cmocka_unit_test(gradient_callbacks_run_from_the_last_node),
		cmocka_unit_test(fixed_parameters_do_not_change),
		cmocka_unit_test(unfreeze_values_are_parsed),
		cmocka_unit_test(a_new_head_has_the_new_classes),
		cmocka_unit_test(crossing_values_are_read_after_the_cut),
		cmocka_unit_test(values_with_other_readers_are_not_fused),
		cmocka_unit_test(live_buffers_do_not_overlap),
		cmocka_unit_test(buffers_have_the_lowest_offset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
