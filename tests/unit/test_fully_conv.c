/* Fully connected layers as convolutions: the same scores and gradients at the network's own size, and on larger images
 * the scores of each part of the image. */
#include <math.h>

#include "src/model/families/layers.h"
#include "src/model/model_internal.h"
#include "src/onnx/export/export.h"
#include "tests/unit/onnx_sketch.h"
#include "thaw/executor.h"
#include "thaw/memory.h"
#include "thaw/model.h"
#include "thaw/random.h"

#define TOLERANCE 5e-5 /* relative to the largest value: sums in another order */
#define CLASSES   5

enum { CHANNELS = 4, HIDDEN = 6, OWN = 7, STRIDE = 2 }; /* of small networks */

static void expect(thaw_status status)
{
	if (status != THAW_OK)
		fail_msg("%s", thaw_error_message());
}

static void fill(float *x, int64_t count, uint64_t seed)
{
	struct thaw_random random = thaw_random_stream(seed, THAW_STREAM_AUGMENT, 0, 0);
	for (int64_t i = 0; i < count; i++)
		x[i] = thaw_random_range(&random, -1, 1);
}

static float *make_images(const struct thaw_shape *image)
{
	float *x = thaw_alloc((size_t)thaw_shape_count(image), sizeof(*x));
	fill(x, thaw_shape_count(image), 7);
	return x;
}

static void assert_close(const float *a, const float *b, int64_t count, double tolerance, const char *what)
{
	double largest = 0, most = 0;
	for (int64_t i = 0; i < count; i++) {
		largest = fmax(largest, fabs(a[i]));
		most = isnan(a[i]) || isnan(b[i]) ? INFINITY : fmax(most, fabs((double)a[i] - b[i]));
	}
	if (largest == 0 || !(most <= tolerance * largest))
		fail_msg("%s: differs by %.3g of %.3g", what, most, largest);
}

/* What a graph computes: scores (N,CLASSES), and the gradient of each weight in the order of files; dropout is active.
 */
struct outcome {
	float *scores, **gradient;
	int params;
};

static struct outcome run(struct thaw_graph *g, const struct thaw_shape *image, bool backward)
{
	const uint64_t keys[] = {11, 12, 13};
	struct outcome out = {.params = g->param_count};
	struct thaw_executor *executor = NULL;
	const size_t scores = (size_t)image->dim[0] * CLASSES;
	float *x = make_images(image), **gradient = thaw_alloc((size_t)g->param_count, sizeof(*gradient));
	expect(thaw_graph_unfreeze(g, backward ? "all" : "none"));
	expect(thaw_executor_create(&executor, g, image, THAW_WHOLE, backward));
	memcpy(thaw_executor_input(executor), x, (size_t)thaw_shape_count(image) * sizeof(*x));
	out.scores = thaw_alloc(scores, sizeof(*out.scores));
	memcpy(out.scores, thaw_executor_forward(executor, image->dim[0], backward ? keys : NULL),
	       scores * sizeof(*out.scores));
	out.gradient = thaw_alloc((size_t)g->param_count, sizeof(*out.gradient));
	for (int i = 0; i < g->param_count && backward; i++)
		gradient[i] = thaw_alloc((size_t)thaw_shape_count(&g->params[i].shape), sizeof(float));
	if (backward) {
		fill(thaw_executor_dlogits(executor), (int64_t)scores, 3);
		thaw_executor_backward(executor, thaw_executor_dlogits(executor), gradient);
	}
	for (int i = 0; i < g->param_count && backward; i++) {
		struct thaw_param p = g->params[i];
		p.data = gradient[i];
		out.gradient[i] = thaw_alloc((size_t)thaw_shape_count(&p.shape), sizeof(float));
		thaw_param_export(&p, out.gradient[i]);
		thaw_free(gradient[i]);
	}
	thaw_executor_destroy(executor);
	thaw_free(gradient);
	thaw_free(x);
	return out;
}

static void release(struct outcome *out)
{
	for (int i = 0; i < out->params; i++)
		thaw_free(out->gradient[i]);
	thaw_free(out->gradient);
	thaw_free(out->scores);
}

/* (rows,h*w*C) to (rows,C*h*w), in place. */
static void channels_to_front(float *values, int64_t rows, int64_t pixels, int64_t channels)
{
	float *copy = thaw_alloc((size_t)(pixels * channels), sizeof(*copy));
	for (int64_t r = 0; r < rows; r++, values += pixels * channels) {
		memcpy(copy, values, (size_t)(pixels * channels) * sizeof(*copy));
		for (int64_t i = 0; i < pixels; i++)
			for (int64_t c = 0; c < channels; c++)
				values[c * pixels + i] = copy[i * channels + c];
	}
	thaw_free(copy);
}

/* Converts g at its own size, and compares scores and gradients before and after. last: the gradient of fc1.weight is
 * for features (6*6*4) before, and then, as in all convolutions, for (4*6*6). */
static void converts(struct thaw_graph *g, const struct thaw_shape *image, bool last)
{
	const struct thaw_shape one = thaw_shape_of(1, image->dim[1], image->dim[2], 3);
	bool changed = false;
	struct outcome before = run(g, image, true), infers = run(g, image, false);
	expect(thaw_graph_fully_conv(g, &one, &changed));
	assert_true(changed);
	for (int i = 1; i < g->node_count; i++)
		assert_string_not_equal(g->nodes[i].op->name, "linear");
	struct outcome after = run(g, image, true), inferred = run(g, image, false);
	assert_close(before.scores, after.scores, image->dim[0] * CLASSES, TOLERANCE, "scores in training");
	assert_close(infers.scores, inferred.scores, image->dim[0] * CLASSES, TOLERANCE, "scores");
	if (last)
		channels_to_front(before.gradient[thaw_graph_find_param(g, "fc1.weight")], HIDDEN, 36, 4);
	for (int i = 0; i < g->param_count; i++)
		assert_close(before.gradient[i], after.gradient[i], thaw_shape_count(&g->params[i].shape), TOLERANCE,
			     g->params[i].name);
	release(&before);
	release(&infers);
	release(&after);
	release(&inferred);
	expect(thaw_graph_fully_conv(g, &one, &changed)); /* once more */
	assert_false(changed);
}

/* ---- A small network with the ending of VGG ---------------------------------------------------------------------- */

static const struct thaw_shape own_image = {4, {3, OWN, OWN, 3}};

/* 3x3 convolution with stride 2 and without padding: a 7x7 image gives features of 3x3. */
static struct thaw_graph *small(int pooled)
{
	struct thaw_graph *g = thaw_graph_create();
	const int grid[] = {CHANNELS, pooled, pooled};
	thaw_graph_block(g, "features");
	int x = thaw_layer_conv(
		g, 0,
		&(struct thaw_conv_layer){
			.name = "conv", .in = 3, .out = CHANNELS, .kernel = 3, .stride = STRIDE, .bias = true});
	x = thaw_layer_activation(g, x, "conv", THAW_ACT_RELU);
	x = thaw_layer_average_pool(g, x, "pool", pooled);
	x = thaw_layer_flatten(g, x, "flatten");
	thaw_graph_block(g, "fc1");
	x = thaw_layer_dropout(g, x, "fc1.dropout", 0.4f);
	x = thaw_layer_linear(g, x, "fc1", (int64_t)CHANNELS * pooled * pooled, HIDDEN, grid);
	x = thaw_layer_activation(g, x, "fc1", THAW_ACT_RELU);
	thaw_graph_block(g, "fc2");
	thaw_layer_linear(g, x, "fc2", HIDDEN, CLASSES, NULL);
	expect(thaw_graph_finish(g));
	thaw_graph_init(g, 5, 0, g->param_count);
	return g;
}

static void a_small_network_is_the_same_at_its_own_size(void **state)
{
	(void)state;
	struct thaw_graph *g = small(3);
	converts(g, &own_image, false);
	assert_int_equal(thaw_graph_find_block(g, "fc1"), 1);
	thaw_graph_destroy(g);
}

/* The pixels of one image that start at (top, left). */
static void crop(const float *x, const struct thaw_shape *from, int64_t top, int64_t left, float *to)
{
	for (int64_t row = 0; row < OWN; row++)
		memcpy(to + row * OWN * 3, x + ((top + row) * from->dim[2] + left) * 3, sizeof(float) * OWN * 3);
}

static struct thaw_executor *executor_of(struct thaw_graph *g, const struct thaw_shape *image)
{
	struct thaw_executor *executor = NULL;
	expect(thaw_graph_unfreeze(g, "none"));
	expect(thaw_executor_create(&executor, g, image, THAW_WHOLE, false));
	return executor;
}

struct kept_grid {
	int value;
	float scores[3 * 2 * CLASSES];
};

static void keep(void *context, int node, const struct thaw_view *value)
{
	struct kept_grid *k = context;
	if (node == k->value)
		memcpy(k->scores, value->data, sizeof(k->scores));
}

/* Each position of the grid is the network on a part of the image, and the output is their mean. */
static void a_larger_image_gives_a_grid(void **state)
{
	(void)state;
	const struct thaw_shape image = thaw_shape_of(1, OWN + 2 * STRIDE, OWN + STRIDE, 3); /* features 5 x 4 */
	const struct thaw_shape part = thaw_shape_of(1, OWN, OWN, 3);
	struct thaw_graph *g = small(3), *fully = small(3);
	struct thaw_grid grid;
	struct thaw_shape shapes[16];
	bool changed;
	float mean[CLASSES] = {0}, *x = make_images(&image);
	struct kept_grid kept;
	expect(thaw_graph_fully_conv(fully, &part, &changed));
	assert_false(thaw_graph_find_grid(g, &grid));
	assert_true(thaw_graph_find_grid(fully, &grid));
	assert_int_equal(grid.reach[0], 3);
	assert_int_equal(grid.reach[1], 3);
	expect(thaw_graph_infer(fully, &image, shapes));
	assert_true(thaw_shape_equal(&shapes[grid.value], &thaw_shape_of(1, 3, 2, CLASSES)));
	kept.value = grid.value;

	struct thaw_executor *whole = executor_of(fully, &image), *single = executor_of(g, &part);
	thaw_executor_on_value(whole, keep, &kept);
	memcpy(thaw_executor_input(whole), x, (size_t)thaw_shape_count(&image) * sizeof(*x));
	const float *scores = thaw_executor_forward(whole, 1, NULL);
	for (int row = 0; row < 3; row++)
		for (int column = 0; column < 2; column++) {
			crop(x, &image, (int64_t)row * STRIDE, (int64_t)column * STRIDE, thaw_executor_input(single));
			const float *want = thaw_executor_forward(single, 1, NULL);
			assert_close(want, kept.scores + (row * 2 + column) * CLASSES, CLASSES, TOLERANCE,
				     "a position");
			for (int c = 0; c < CLASSES; c++)
				mean[c] += want[c] / 6;
		}
	assert_close(mean, scores, CLASSES, TOLERANCE, "the mean");
	thaw_executor_destroy(whole);
	thaw_executor_destroy(single);
	thaw_graph_destroy(g);
	thaw_graph_destroy(fully);
	thaw_free(x);
}

/* Features of 6x6 or 4x4 pooled to 3x3: windows of 2 pixels at distances of 2 or 1. Of 5x5: 2, 3 and 2 pixels. */
static void pooling_with_equal_windows_is_kept(void **state)
{
	(void)state;
	const int sizes[] = {13, 9};
	bool changed;
	for (int i = 0; i < 2; i++) {
		struct thaw_graph *g = small(3);
		converts(g, &thaw_shape_of(2, sizes[i], sizes[i], 3), false);
		thaw_graph_destroy(g);
	}
	struct thaw_graph *g = small(3);
	assert_int_equal(thaw_graph_fully_conv(g, &thaw_shape_of(1, 11, 11, 3), &changed), THAW_CONFIG);
	assert_non_null(strstr(thaw_error_message(), "pool (average_pool)"));
	assert_non_null(strstr(thaw_error_message(), "5 x 5 features to 3 x 3"));
	converts(g, &own_image, false); /* it was left as it is */
	thaw_graph_destroy(g);
}

static void a_new_classifier_starts_the_same(void **state)
{
	(void)state;
	struct thaw_graph *g = small(3), *fully = small(3);
	float order[2 * HIDDEN];
	bool changed;
	expect(thaw_graph_fully_conv(fully, &thaw_shape_of(1, OWN, OWN, 3), &changed));
	expect(thaw_graph_replace_head(g, 2, 9));
	expect(thaw_graph_replace_head(fully, 2, 9));
	int weight = thaw_graph_find_param(fully, "fc2.weight");
	assert_true(thaw_shape_equal(&fully->params[weight].file_shape, &thaw_shape_of(2, HIDDEN)));
	thaw_param_export(&fully->params[weight], order);
	assert_memory_equal(order, g->params[weight].data, sizeof(order));
	assert_memory_equal(fully->params[weight + 1].data, g->params[weight + 1].data, 2 * sizeof(float));
	thaw_graph_destroy(g);
	thaw_graph_destroy(fully);
}

/* ---- Families ---------------------------------------------------------------------------------------------------- */

/* With narrow hidden layers: the weights of the original ones fill half a gigabyte. The names are those of layers. */
static struct thaw_model *narrow(const char *variant, const char *const *layers, int64_t features)
{
	struct thaw_named_tensor tensors[] = {
		{.name = (char *)layers[0], .shape = thaw_shape_of(64, features)},
		{.name = (char *)layers[1], .shape = thaw_shape_of(32, 64)},
		{.name = (char *)layers[2], .shape = thaw_shape_of(CLASSES, 32)},
	};
	const struct thaw_weights w = {.tensors = tensors, .count = 3};
	struct thaw_model *m = NULL;
	const struct thaw_family *family = thaw_family_find(variant, &variant);
	assert_non_null(family);
	expect(thaw_model_create(&m, family, variant, CLASSES, &w, NULL, "random"));
	thaw_graph_init(m->graph, 5, 0, m->graph->param_count);
	return m;
}

static struct thaw_model *narrow_alexnet(void)
{
	return narrow("alexnet", (const char *[]){"classifier.1.weight", "classifier.4.weight", "classifier.6.weight"},
		      9216);
}

static struct thaw_model *narrow_vgg(void)
{
	return narrow("vgg11", (const char *[]){"classifier.0.weight", "classifier.3.weight", "classifier.6.weight"},
		      25088);
}

static void families_are_the_same_at_their_own_size(void **state)
{
	(void)state;
	const struct thaw_shape image = thaw_shape_of(1, 224, 224, 3);
	struct thaw_model *alexnet = narrow_alexnet(), *vgg = narrow_vgg();
	converts(alexnet->graph, &image, false);
	converts(vgg->graph, &image, false);
	thaw_model_destroy(alexnet);
	thaw_model_destroy(vgg);
}

/* timm's has convolutions already, behind the pooling. */
static void timm_s_vgg_loses_its_pooling(void **state)
{
	(void)state;
	struct thaw_named_tensor tensors[] = {
		{.name = (char *)"pre_logits.fc1.weight", .shape = thaw_shape_of(8, 512, 7, 7)},
		{.name = (char *)"pre_logits.fc2.weight", .shape = thaw_shape_of(HIDDEN, 8, 1, 1)},
		{.name = (char *)"head.fc.weight", .shape = thaw_shape_of(CLASSES, HIDDEN)},
	};
	const struct thaw_weights w = {.tensors = tensors, .count = 3};
	struct thaw_graph *g = thaw_graph_create();
	const char *variant = NULL;
	struct thaw_grid grid;
	struct thaw_shape shapes[64];
	bool changed = false;
	expect(thaw_family_find("vgg11", &variant)
		       ->build(g, &(struct thaw_architecture){.variant = variant, .classes = CLASSES, .w = &w}));
	expect(thaw_graph_fully_conv(g, &thaw_shape_of(1, 224, 224, 3), &changed));
	assert_true(changed);
	expect(thaw_graph_pool_last(g, &thaw_shape_of(1, 224, 224, 3)));
	assert_true(thaw_graph_find_grid(g, &grid));
	assert_int_equal(grid.reach[0], 7);
	expect(thaw_graph_infer(g, &thaw_shape_of(1, 448, 288, 3), shapes));
	assert_true(thaw_shape_equal(&shapes[grid.value], &thaw_shape_of(1, 8, 3, CLASSES)));
	thaw_graph_destroy(g);
}

/* ---- Networks with global pooling -------------------------------------------------------------------------------- */

/* A factor for each channel of x (N,CHANNELS). */
static int factors(struct thaw_graph *g, int x)
{
	const struct thaw_attrs multiply = {.binary = THAW_BINARY_MUL};
	int inputs[] = {x, thaw_graph_add(g, "constant", "factors", NULL, NULL, 0)};
	thaw_graph_param(g, inputs[1], "factors", THAW_ROLE_SCALE, THAW_LAYOUT_SAME, &thaw_shape_of(1, CHANNELS), NULL);
	return thaw_graph_add(g, "binary", "scaled", &multiply, inputs, 2);
}

/* hidden: with a layer and its activation between the pooling and the classifier. */
static struct thaw_graph *pooled(bool hidden)
{
	struct thaw_graph *g = thaw_graph_create();
	thaw_graph_block(g, "features");
	int x = thaw_layer_conv(
		g, 0,
		&(struct thaw_conv_layer){
			.name = "conv", .in = 3, .out = CHANNELS, .kernel = 3, .stride = STRIDE, .pad = 1});
	x = thaw_layer_activation(g, x, "conv", THAW_ACT_RELU);
	x = thaw_layer_average_pool(g, x, "pool", 1);
	x = thaw_layer_flatten(g, x, "flatten");
	x = factors(g, x);
	if (hidden) {
		x = thaw_layer_linear(g, x, "hidden", CHANNELS, CHANNELS, NULL);
		x = thaw_layer_activation(g, x, "hidden", THAW_ACT_RELU);
	}
	thaw_graph_block(g, "fc");
	x = thaw_layer_dropout(g, x, "dropout", 0.4f);
	thaw_layer_linear(g, x, "fc", CHANNELS, CLASSES, NULL);
	expect(thaw_graph_finish(g));
	thaw_graph_init(g, 5, 0, g->param_count);
	return g;
}

static void the_mean_moves_behind_the_classifier(void **state)
{
	(void)state;
	struct thaw_graph *g = pooled(false);
	struct thaw_grid grid;
	bool changed = true;
	expect(thaw_graph_fully_conv(g, &own_image, &changed));
	assert_false(changed);
	struct outcome before = run(g, &own_image, false);
	expect(thaw_graph_pool_last(g, &own_image));
	struct outcome after = run(g, &own_image, false);
	assert_close(before.scores, after.scores, 3 * CLASSES, TOLERANCE, "scores");
	assert_true(thaw_graph_find_grid(g, &grid));
	assert_int_equal(grid.reach[0], 1);
	int nodes = g->node_count;
	expect(thaw_graph_pool_last(g, &own_image)); /* it is there already */
	assert_int_equal(g->node_count, nodes);
	release(&before);
	release(&after);
	thaw_graph_destroy(g);
}

static void networks_without_a_grid_are_refused(void **state)
{
	(void)state;
	struct thaw_graph *g = pooled(true);
	assert_int_equal(thaw_graph_pool_last(g, &own_image), THAW_CONFIG);
	assert_non_null(strstr(thaw_error_message(), "hidden.act (activation)"));
	thaw_graph_destroy(g);
	g = small(3);
	assert_int_equal(thaw_graph_pool_last(g, &own_image), THAW_CONFIG);
	assert_non_null(strstr(thaw_error_message(), "--fully-conv"));
	thaw_graph_destroy(g);
}

/* ---- ONNX -------------------------------------------------------------------------------------------------------- */

/* conv - relu - flatten - linear - relu - norm - linear on images of 8x8, in the order of channels that the flattening
 * has. The norm is two functions with a constant, as tf2onnx writes that of Keras; one has the constant first. */
static void flat_network(struct sketch *s, bool channels_last)
{
	enum { FEATURES = 4 * 6 * 6 };
	static int64_t shape[] = {-1, FEATURES};
	begin(s);
	s->dim[2].value_case = s->dim[3].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
	s->dim[2].dim_param = "H";
	s->dim[3].dim_param = "W";
	add_weights(s, "conv.weight", 4, (int64_t[]){4, 3, 3, 3});
	add_weights(s, "fc1.weight", 2, (int64_t[]){HIDDEN, FEATURES});
	add_weights(s, "fc1.bias", 1, (int64_t[]){HIDDEN});
	add_weights(s, "norm.scale", 1, (int64_t[]){HIDDEN});
	add_weights(s, "norm.shift", 1, (int64_t[]){HIDDEN});
	add_weights(s, "fc2.weight", 2, (int64_t[]){CLASSES, HIDDEN});
	add_node(s, "Conv", "/conv/Conv", "x conv.weight", "a");
	add_node(s, "Relu", "/relu/Relu", "a", "b");
	if (channels_last) {
		Onnx__NodeProto *n = add_node(s, "Transpose", "/Transpose", "b", "b2");
		static int64_t order[] = {0, 2, 3, 1};
		give_int(s, n, "perm", 0);
		n->attribute[0]->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
		n->attribute[0]->ints = order;
		n->attribute[0]->n_ints = 4;
		add_int(s, "shape", shape);
		s->node[s->graph.n_node - 1].attribute[0]->n_ints = 2;
		add_node(s, "Reshape", "/Reshape", "b2 shape", "c");
	} else {
		add_node(s, "Flatten", "/Flatten", "b", "c");
	}
	give_int(s, add_node(s, "Gemm", "/fc1/Gemm", "c fc1.weight fc1.bias", "d"), "transB", 1);
	add_node(s, "Relu", "/relu2/Relu", "d", "e");
	add_node(s, "Mul", "/norm/Mul", "e norm.scale", "f");
	add_node(s, "Add", "/norm/Add", "norm.shift f", "g");
	give_int(s, add_node(s, "Gemm", "/fc2/Gemm", "g fc2.weight", "y"), "transB", 1);
}

static void imported_networks_are_converted(void **state)
{
	(void)state;
	for (int last = 0; last < 2; last++) {
		struct sketch s;
		struct thaw_grid grid;
		struct thaw_shape shapes[20];
		flat_network(&s, last);
		struct thaw_graph *g = import(&s);
		converts(g, &thaw_shape_of(3, 8, 8, 3), last);
		assert_true(thaw_graph_find_grid(g, &grid));
		expect(thaw_graph_infer(g, &thaw_shape_of(2, 10, 12, 3), shapes));
		assert_true(thaw_shape_equal(&shapes[grid.value], &thaw_shape_of(2, 3, 5, CLASSES)));
		thaw_graph_destroy(g);
	}
}

/* The exported network has open sizes and a second output, and is fully convolutional when it is imported. */
static void the_grid_is_exported(void **state)
{
	const char *path = scratch_file(*state, "grid.onnx");
	const struct thaw_shape image = thaw_shape_of(3, 10, 12, 3);
	const struct thaw_onnx_export_options options = {.height = 8, .width = 8, .grid = true};
	const struct thaw_onnx_import_options open = {.height = 8, .width = 8, .scores = true};
	struct thaw_onnx_network net = {0};
	struct thaw_onnx_file *file = NULL;
	struct thaw_grid grid;
	struct sketch s;
	bool changed;
	flat_network(&s, false);
	struct thaw_graph *g = import(&s);
	assert_int_equal(thaw_onnx_export(g, &options, path), THAW_CONFIG); /* no grid yet */
	expect(thaw_graph_fully_conv(g, &thaw_shape_of(1, 8, 8, 3), &changed));
	expect(thaw_onnx_export(g, &options, path));
	expect(thaw_onnx_file_open(&file, path));
	const Onnx__GraphProto *written = file->model->graph;
	assert_int_equal(written->n_output, 2);
	assert_string_equal(written->output[1]->name, "grid");
	assert_string_equal(written->output[1]->type->tensor_type->shape->dim[2]->dim_param, "grid_H");
	for (size_t i = 0; i < written->n_node; i++)
		assert_string_not_equal(written->node[i]->op_type, "Transpose");
	expect(thaw_onnx_import(&net, file, &open));
	thaw_onnx_file_close(file);
	assert_true(net.open_size);
	assert_true(thaw_graph_find_grid(net.graph, &grid));
	struct outcome before = run(g, &image, false), after = run(net.graph, &image, false);
	assert_close(before.scores, after.scores, 3 * CLASSES, TOLERANCE, "scores");
	release(&before);
	release(&after);
	thaw_graph_destroy(net.graph);
	thaw_graph_destroy(g);
}

/* ---- Models ------------------------------------------------------------------------------------------------------ */

/* A saved network keeps names and shapes of its tensors, and is converted again when it is loaded. */
static void a_saved_model_stays_fully_convolutional(void **state)
{
	const char *path = scratch_file(*state, "model.safetensors");
	struct thaw_weights w = {0};
	struct thaw_model *m = narrow_alexnet(), *loaded = NULL;
	expect(thaw_model_make_fully_conv(m));
	assert_int_equal(m->fully_conv, 224);
	assert_non_null(strstr(m->notes, "convolutions"));
	expect(thaw_model_set_size(m, thaw_square(256)));
	expect(thaw_model_save(m, path, false));
	expect(thaw_weights_read(&w, path));
	assert_true(thaw_weights_has_shape(&w, "classifier.1.weight", &thaw_shape_of(64, 9216)));
	thaw_weights_free(&w);
	expect(thaw_model_load(&loaded, path, 0, 0));
	assert_int_equal(loaded->fully_conv, 224);
	assert_true(thaw_size_equal(loaded->preprocess.size, thaw_square(256)));
	const struct thaw_shape image = thaw_shape_of(1, 256, 256, 3);
	struct outcome before = run(m->graph, &image, false), after = run(loaded->graph, &image, false);
	assert_memory_equal(before.scores, after.scores, CLASSES * sizeof(float));
	release(&before);
	release(&after);
	thaw_model_destroy(m);
	thaw_model_destroy(loaded);
}

static void a_wrong_record_is_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {"", "0", "-224", "224x", "99999999999999999999"};
	struct thaw_model *m = NULL;
	expect(thaw_model_load(&m, "cifar_resnet8", CLASSES, 3));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_int_equal(thaw_model_read_fully_conv(m, wrong[i], "model.safetensors"), THAW_DATA);
		assert_non_null(strstr(thaw_error_message(), "model.safetensors"));
	}
	thaw_model_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_network_is_the_same_at_its_own_size),
		cmocka_unit_test(a_larger_image_gives_a_grid),
		cmocka_unit_test(pooling_with_equal_windows_is_kept),
		cmocka_unit_test(a_new_classifier_starts_the_same),
		cmocka_unit_test(families_are_the_same_at_their_own_size),
		cmocka_unit_test(timm_s_vgg_loses_its_pooling),
		cmocka_unit_test(the_mean_moves_behind_the_classifier),
		cmocka_unit_test(networks_without_a_grid_are_refused),
		cmocka_unit_test(imported_networks_are_converted),
		cmocka_unit_test_setup_teardown(the_grid_is_exported, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(a_saved_model_stays_fully_convolutional, scratch_make, scratch_remove),
		cmocka_unit_test(a_wrong_record_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
