/* Which output of an ONNX model is imported, what is its classifier, and which features a new classifier gets. */
#include "tests/unit/onnx_sketch.h"

#include "thaw/executor.h"

#define CLOSE 1e-5f

/* Imports; `output` may be NULL. */
static struct thaw_onnx_network import_output(const struct sketch *s, const char *output)
{
	struct thaw_onnx_file *f = parse(s);
	struct thaw_onnx_network net;
	const struct thaw_onnx_import_options options = {.height = 8, .width = 8, .output = output};
	if (thaw_onnx_import(&net, f, &options) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	thaw_onnx_file_close(f);
	return net;
}

/* conv to 4 channels - global average - flatten "d" - linear "logits" of 5 classes. */
static void begin_named_network(struct sketch *s, const char *weight, const char *node)
{
	char inputs[MAX_TEXT];
	begin(s);
	add_weights(s, "body.weight", 4, (int64_t[]){4, 3, 3, 3});
	add_weights(s, weight, 2, (int64_t[]){5, 4});
	add_node(s, "Conv", "body", "x body.weight", "a");
	add_node(s, "Relu", "act", "a", "b");
	add_node(s, "GlobalAveragePool", "pool", "b", "c");
	add_node(s, "Flatten", "flat", "c", "d");
	snprintf(inputs, sizeof(inputs), "d %s", weight);
	give_int(s, add_node(s, "Gemm", node, inputs, "logits"), "transB", 1);
}

static void begin_network(struct sketch *s)
{
	begin_named_network(s, "fc.weight", "last");
}

/* The network's classifier is this node with this number of outputs; "" stands for an added one. The notes contain
 * `note`. With a new classifier of 7 outputs, nothing but views follows it. */
static void expect_classifier(const struct sketch *s, const char *output, const char *node, int64_t classes,
			      const char *note)
{
	struct thaw_onnx_network net = import_output(s, output);
	struct thaw_graph *g = net.graph;
	struct thaw_shape shapes[16], image = thaw_shape_of(2, 8, 8, 3);
	assert_int_equal(net.features, node[0] == '\0');
	assert_string_equal(g->nodes[g->head].name, node[0] ? node : "classifier");
	assert_int_equal(g->params[g->nodes[g->head].params[0]].file_shape.dim[0], classes);
	if (!strstr(net.notes, note) || (note[0] == '\0' && net.notes[0]))
		fail_msg("\"%s\" has no \"%s\"", net.notes, note);
	assert_int_equal(thaw_graph_replace_head(g, 7, 1), THAW_OK);
	assert_int_equal(thaw_graph_infer(g, &image, shapes), THAW_OK);
	assert_int_equal(thaw_shape_count(&shapes[g->output]), 14);
	for (int i = g->output; i > g->head; i = g->nodes[i].inputs[0]) {
		const char *op = g->nodes[i].op->name;
		assert_true(strcmp(op, "activation") != 0 && strcmp(op, "pointwise") != 0 &&
			    strcmp(op, "softmax") != 0);
	}
	thaw_graph_destroy(g);
}

static void scores_may_be_followed_by_probabilities_and_rankings(void **state)
{
	(void)state;
	static const char *const operators[] = {"Softmax", "LogSoftmax", "Sigmoid", "ArgMax", "ReduceMax", "Exp"};
	struct sketch s;
	begin_network(&s);
	set_outputs(&s, "logits");
	expect_classifier(&s, NULL, "last", 5, "");
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		begin_network(&s);
		add_node(&s, operators[i], "end", "logits", "y");
		expect_classifier(&s, NULL, "last", 5, operators[i]);
	}
	begin_network(&s);
	add_node(&s, "Softmax", "end", "logits", "p");
	add_node(&s, "TopK", "top", "p k", "values indices");
	set_outputs(&s, "values indices");
	expect_classifier(&s, NULL, "last", 5, "TopK, Softmax");
}

/* An activation that follows a layer called "fc" or "head" is one of class scores. */
/* 100 * softmax, log(softmax): nothing of it may stay after a new classifier. 1 - sigmoid reverses the order of
 * classes. */
static void scaled_probabilities_are_left_out(void **state)
{
	(void)state;
	static const char *const ends[][3] = {
		{"Softmax", "Mul", "p two"}, {"Sigmoid", "Mul", "two p"}, {"Softmax", "Div", "p two"}};
	struct sketch s;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		begin_network(&s);
		add_weights(&s, "two", 1, (int64_t[]){1});
		add_node(&s, ends[i][0], "end", "logits", "p");
		add_node(&s, ends[i][1], "scale", ends[i][2], "y");
		set_outputs(&s, "y");
		expect_classifier(&s, NULL, "last", 5, ends[i][0]);
	}
	begin_network(&s);
	add_weights(&s, "two", 1, (int64_t[]){1});
	add_node(&s, "Sigmoid", "end", "logits", "p");
	add_node(&s, "Sub", "minus", "two p", "y");
	expect_classifier(&s, NULL, "", 5, "features: the output of y, by Sub");
	begin_network(&s);
	add_node(&s, "Softmax", "end", "logits", "p");
	add_node(&s, "Log", "log", "p", "y");
	set_outputs(&s, "y");
	expect_classifier(&s, NULL, "last", 5, "left out after the class scores: Log, Softmax");
}

static void activations_of_class_scores_are_left_out(void **state)
{
	(void)state;
	static const struct {
		const char *weight, *node;
	} names[] = {
		{"net.fc.weight", "last"}, {"net.head.weight", "last"}, {"onnx::MatMul_9", "/net/classifier/Gemm"}};
	static const char *const operators[] = {"Relu", "Tanh", "HardSwish", "LeakyRelu", "Elu"};
	struct sketch s;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (size_t k = 0; k < sizeof(operators) / sizeof(operators[0]); k++) {
			begin_named_network(&s, names[i].weight, names[i].node);
			add_node(&s, operators[k], "end", "logits", "y");
			expect_classifier(&s, NULL, names[i].node, 5, operators[k]);
		}
	begin_network(&s);
	add_node(&s, "Relu", "end", "logits", "y");
	add_node(&s, "ArgMax", "top", "y", "label");
	set_outputs(&s, "label");
	expect_classifier(&s, NULL, "last", 5, "left out after the class scores: ArgMax, Relu");
}

static void activations_after_the_last_layer_make_features(void **state)
{
	(void)state;
	static const char *const operators[] = {"Relu", "Tanh", "HardSwish", "LeakyRelu", "Elu"};
	struct sketch s;
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		static const char *const hidden[] = {"layer.weight", "classifier.3.weight", "pre_logits.fc.weight"};
		for (size_t k = 0; k < sizeof(hidden) / sizeof(hidden[0]); k++) {
			begin_named_network(&s, hidden[k], "last");
			add_node(&s, operators[i], "end", "logits", "y");
			expect_classifier(&s, NULL, "", 5,
					  "after the linear layer last, which is not called a classifier");
		}
	}
	begin_network(&s);
	set_outputs(&s, "d"); /* convolution, activation, pooling */
	expect_classifier(&s, NULL, "", 4, "features: the output of d, by Flatten");
	begin_network(&s);
	set_outputs(&s, "a");
	expect_classifier(&s, NULL, "", 4, "the mean of a map of 6 x 6");
	set_outputs(&s, "b");
	expect_classifier(&s, NULL, "", 4, "the mean of a map of 6 x 6");
	begin_network(&s);
	add_node(&s, "Sigmoid", "end", "d", "y"); /* not of scores: kept */
	expect_classifier(&s, NULL, "", 4, "features: the output of y, by Sigmoid");
}

static void the_output_of_the_classifier_is_chosen(void **state)
{
	(void)state;
	static const char *const orders[] = {"logits d", "d logits", "b d logits", "logits d b", "a b logits d"};
	struct sketch s;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		begin_network(&s);
		set_outputs(&s, orders[i]);
		expect_classifier(&s, NULL, "last", 5, "output logits is used, not ");
		expect_classifier(&s, "d", "", 4, "output d is used, not ");
	}
	begin_network(&s);
	add_node(&s, "ArgMax", "top", "logits", "label");
	set_outputs(&s, "label logits");
	expect_classifier(&s, NULL, "last", 5, "output logits is used, not label");
	begin_network(&s); /* two classifiers: the name decides */
	add_weights(&s, "aux.weight", 2, (int64_t[]){4, 6});
	add_node(&s, "MatMul", "aux", "d aux.weight", "auxiliary");
	set_outputs(&s, "auxiliary logits");
	expect_classifier(&s, NULL, "last", 5, "output logits is used, not auxiliary");
	expect_classifier(&s, "auxiliary", "aux", 6, "output auxiliary is used, not logits");
	begin_network(&s); /* two classifiers without names: the layer's name decides */
	add_weights(&s, "aux.weight", 2, (int64_t[]){4, 6});
	add_node(&s, "Relu", "more", "d", "e");
	add_node(&s, "MatMul", "aux", "e aux.weight", "17");
	add_node(&s, "Identity", "same", "logits", "18");
	set_outputs(&s, "17 18");
	expect_classifier(&s, NULL, "last", 5, "output 18 is used, not 17");
}

static void refused(const struct sketch *s, const char *output, thaw_status code, const char *part)
{
	struct thaw_onnx_file *f = parse(s);
	struct thaw_onnx_network net;
	const struct thaw_onnx_import_options options = {.height = 8, .width = 8, .output = output};
	assert_int_equal(thaw_onnx_import(&net, f, &options), code);
	if (!strstr(thaw_error_message(), part))
		fail_msg("\"%s\" has no \"%s\"", thaw_error_message(), part);
	thaw_onnx_file_close(f);
}

static void outputs_that_are_no_scores_or_features_are_refused(void **state)
{
	(void)state;
	struct sketch s;
	begin_network(&s);
	set_outputs(&s, "logits d");
	refused(&s, "nowhere", THAW_USAGE, "give one of logits, d");
	begin_network(&s);
	add_node(&s, "ArgMax", "top", "d", "label");
	set_outputs(&s, "label");
	refused(&s, NULL, THAW_CONFIG, "output label ranks values that a classifier does not compute");
}

/* y[count] = the network's output for one image. */
static void run(const struct sketch *s, const char *output, float *y, int64_t count)
{
	struct thaw_executor *e = NULL;
	struct thaw_graph *g = import_output(s, output).graph;
	struct thaw_shape image = thaw_shape_of(1, 8, 8, 3);
	assert_int_equal(thaw_executor_create(&e, g, &image, THAW_WHOLE, false), THAW_OK);
	for (int i = 0; i < 8 * 8 * 3; i++)
		thaw_executor_input(e)[i] = (float)(i * 7 % 23) / 23;
	memcpy(y, thaw_executor_forward(e, 1, NULL), (size_t)count * sizeof(*y));
	thaw_executor_destroy(e);
	thaw_graph_destroy(g);
}

static void maps_are_averaged(void **state)
{
	(void)state;
	struct sketch s;
	float pooled[4], mean[4];
	begin_network(&s);
	set_outputs(&s, "d b");
	run(&s, "d", pooled, 4);
	run(&s, "b", mean, 4);
	for (int i = 0; i < 4; i++)
		assert_float_equal(mean[i], pooled[i], CLOSE);
	assert_true(pooled[0] != 0 || pooled[1] != 0);
}

/* conv (1,4,6,6) as 36 tokens, after `count` tokens called `name`. */
static void begin_tokens(struct sketch *s, const char *name, int64_t count)
{
	static int64_t shape[] = {1, 4, 36};
	begin(s);
	s->dim[0].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
	s->dim[0].dim_value = 1;
	add_weights(s, "body.weight", 4, (int64_t[]){4, 3, 3, 3});
	add_weights(s, name, 3, (int64_t[]){1, count, 4});
	add_node(s, "Conv", "body", "x body.weight", "a");
	add_int(s, "shape", shape);
	s->attribute[s->graph.n_node - 1].n_ints = 3;
	add_node(s, "Reshape", "flat", "a shape", "b");
	Onnx__NodeProto *n = add_node(s, "Transpose", "swap", "b", "tokens");
	static int64_t perm[] = {0, 2, 1};
	give_int(s, n, "perm", 0);
	n->attribute[0]->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
	n->attribute[0]->ints = perm;
	n->attribute[0]->n_ints = 3;
	char inputs[MAX_TEXT];
	snprintf(inputs, sizeof(inputs), "%s tokens", name);
	give_int(s, add_node(s, "Concat", "cat", inputs, "all"), "axis", 1);
	add_node(s, "GlobalAveragePool", "pool", "a", "c");
	add_node(s, "Flatten", "vector", "c", "mean");
	set_outputs(s, "all mean tokens");
}

static void tokens_are_reduced_to_the_class_token_or_their_mean(void **state)
{
	(void)state;
	struct sketch s;
	float got[4], mean[4];
	begin_tokens(&s, "cls_token", 1);
	run(&s, "all", got, 4);
	for (int i = 0; i < 4; i++)
		assert_float_equal(got[i], s.values[i], CLOSE);
	run(&s, "tokens", got, 4);
	run(&s, "mean", mean, 4);
	for (int i = 0; i < 4; i++)
		assert_float_equal(got[i], mean[i], CLOSE);
	begin_tokens(&s, "reg_token", 3); /* registers are not features */
	run(&s, "all", got, 4);
	for (int i = 0; i < 4; i++)
		assert_float_equal(got[i], mean[i], CLOSE);
	begin_tokens(&s, "cls_and_dist", 2);
	run(&s, "all", got, 4);
	for (int i = 0; i < 4; i++)
		assert_float_equal(got[i], (s.values[i] + s.values[4 + i]) / 2, CLOSE);
}

/* (W d + W (d + d)) / 2 = 1.5 W d. */
static void averaged_classifiers_become_one(void **state)
{
	(void)state;
	struct sketch s;
	float plain[5], both[5];
	begin_network(&s);
	set_outputs(&s, "logits");
	run(&s, NULL, plain, 5);
	add_weights(&s, "fc_dist.weight", 2, (int64_t[]){5, 4});
	add_weights(&s, "two", 0, NULL);
	static float two = 2;
	s.tensor[3].raw_data.data = (uint8_t *)&two;
	add_node(&s, "Add", "double", "d d", "dd");
	give_int(&s, add_node(&s, "Gemm", "second", "dd fc_dist.weight", "logits2"), "transB", 1);
	add_node(&s, "Add", "sum", "logits logits2", "sum");
	add_node(&s, "Div", "half", "sum two", "y");
	set_outputs(&s, "y");
	run(&s, NULL, both, 5);
	for (int i = 0; i < 5; i++)
		assert_float_equal(both[i], 1.5f * plain[i], CLOSE);
	expect_classifier(&s, NULL, "last", 5, "fc.weight+fc_dist.weight are one layer");
	add_node(&s, "Relu", "clip", "y", "z");
	set_outputs(&s, "z");
	expect_classifier(&s, NULL, "last", 5, "left out after the class scores: Relu");
}

static void expect_sigmoid(const struct sketch *s, const char *output, bool sigmoid)
{
	struct thaw_onnx_network net = import_output(s, output);
	assert_int_equal(net.sigmoid, sigmoid);
	thaw_graph_destroy(net.graph);
}

/* Whether the class scores are those of a sigmoid, though it is left out. */
static void a_sigmoid_is_remembered(void **state)
{
	(void)state;
	struct sketch s;
	begin_network(&s);
	set_outputs(&s, "logits");
	expect_sigmoid(&s, NULL, false);
	add_node(&s, "Sigmoid", "end", "logits", "p");
	set_outputs(&s, "p");
	expect_sigmoid(&s, NULL, true);
	set_outputs(&s, "logits p");
	expect_sigmoid(&s, NULL, true);
	expect_sigmoid(&s, "logits", true);
	add_node(&s, "Softmax", "other", "logits", "q");
	set_outputs(&s, "logits p q");
	expect_sigmoid(&s, NULL, false);
	begin_network(&s);
	add_node(&s, "Sigmoid", "end", "d", "y"); /* not of class scores */
	expect_sigmoid(&s, NULL, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scores_may_be_followed_by_probabilities_and_rankings),
		cmocka_unit_test(scaled_probabilities_are_left_out),
		cmocka_unit_test(activations_of_class_scores_are_left_out),
		cmocka_unit_test(activations_after_the_last_layer_make_features),
		cmocka_unit_test(the_output_of_the_classifier_is_chosen),
		cmocka_unit_test(outputs_that_are_no_scores_or_features_are_refused),
		cmocka_unit_test(maps_are_averaged),
		cmocka_unit_test(tokens_are_reduced_to_the_class_token_or_their_mean),
		cmocka_unit_test(averaged_classifiers_become_one),
		cmocka_unit_test(a_sigmoid_is_remembered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
