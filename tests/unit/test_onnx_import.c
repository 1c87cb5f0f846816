/* ONNX import of models built here: the resulting graphs, and the messages about models that are refused. */
#include "tests/unit/onnx_sketch.h"
#include "thaw/executor.h"
#include "thaw/model.h"

/* The import fails with this code and a one-line message that contains both parts and the file name. */
static void expect_refused(const struct sketch *s, thaw_status code, const char *part, const char *other)
{
	struct thaw_onnx_file *f = parse(s);
	struct thaw_onnx_network net;
	const struct thaw_onnx_import_options options = {.height = 8, .width = 8};
	assert_int_equal(thaw_onnx_import(&net, f, &options), code);
	const char *message = thaw_error_message();
	if (!strstr(message, part) || !strstr(message, other) || !strstr(message, "test.onnx") || strchr(message, '\n'))
		fail_msg("\"%s\" has no \"%s\" or \"%s\"", message, part, other);
	thaw_onnx_file_close(f);
}

static void a_network_has_blocks_and_a_classifier(void **state)
{
	(void)state;
	struct sketch s;
	small_network(&s);
	struct thaw_graph *g = import(&s);
	assert_int_equal(g->block_count, 2);
	assert_string_equal(g->blocks[0], "body.0");
	assert_string_equal(g->blocks[1], "fc");
	assert_string_equal(g->nodes[g->head].op->name, "linear");
	assert_true(thaw_graph_find_param(g, "fc.weight") >= 0);
	assert_int_equal(thaw_graph_unfreeze(g, "head"), THAW_OK);
	assert_int_equal(thaw_graph_cut(g), g->head);
	assert_int_equal(thaw_graph_replace_head(g, 7, 1), THAW_OK);
	struct thaw_shape shapes[16], image = thaw_shape_of(2, 8, 8, 3);
	assert_int_equal(thaw_graph_infer(g, &image, shapes), THAW_OK);
	assert_int_equal(shapes[g->output].dim[1], 7);
	image = thaw_shape_of(2, 11, 9, 3); /* any image size */
	assert_int_equal(thaw_graph_infer(g, &image, shapes), THAW_OK);
	thaw_graph_destroy(g);
}

static void a_convolution_may_be_the_classifier(void **state)
{
	(void)state;
	struct sketch s;
	begin(&s);
	add_weights(&s, "w", 4, (int64_t[]){5, 3, 1, 1});
	add_node(&s, "Conv", "classifier", "x w", "a");
	add_node(&s, "GlobalAveragePool", "pool", "a", "b");
	add_node(&s, "Flatten", "flatten", "b", "c");
	add_node(&s, "Softmax", "softmax", "c", "y");
	struct thaw_graph *g = import(&s);
	assert_string_equal(g->nodes[g->head].name, "classifier");
	assert_int_equal(thaw_graph_replace_head(g, 2, 1), THAW_OK);
	struct thaw_shape shapes[16], image = thaw_shape_of(1, 8, 8, 3);
	assert_int_equal(thaw_graph_infer(g, &image, shapes), THAW_OK);
	assert_int_equal(shapes[g->output].dim[1], 2);
	thaw_graph_destroy(g);
}

static void unneeded_nodes_are_skipped(void **state)
{
	(void)state;
	struct sketch s;
	small_network(&s);
	add_node(&s, "NoSuchOperator", "auxiliary", "b", "z");
	struct thaw_graph *g = import(&s);
	for (int i = 1; i < g->node_count; i++)
		assert_string_not_equal(g->nodes[i].name, "auxiliary");
	thaw_graph_destroy(g);
}

static void all_unsupported_nodes_are_named_at_once(void **state)
{
	(void)state;
	struct sketch s;
	begin(&s);
	add_node(&s, "NoSuchOperator", "first", "x", "a");
	add_node(&s, "NorThisOne", "second", "a", "y");
	expect_refused(&s, THAW_CONFIG, "2 nodes of opset 17", "NoSuchOperator (first), NorThisOne (second)");
	begin(&s);
	add_node(&s, "Relu", "custom", "x", "y")->domain = "org.elsewhere";
	expect_refused(&s, THAW_CONFIG, "org.elsewhere.Relu", "custom");
}

static void cycles_and_undefined_values_are_refused(void **state)
{
	(void)state;
	struct sketch s;
	begin(&s);
	add_node(&s, "Add", "loop", "x b", "a");
	add_node(&s, "Relu", "back", "a", "b");
	add_node(&s, "Flatten", "end", "b", "y");
	expect_refused(&s, THAW_DATA, "back", "the nodes form a cycle");
	small_network(&s);
	s.tensors[0]->name = "renamed"; /* body.0.weight is now undefined */
	expect_refused(&s, THAW_DATA, "body.0.weight", "is not an input, a weight or the output of a node");
	small_network(&s);
	s.logits.name = "nowhere";
	expect_refused(&s, THAW_DATA, "nowhere", "does not depend on the input");
}

static void duplicate_names_are_refused(void **state)
{
	(void)state;
	struct sketch s;
	small_network(&s);
	s.tensors[2]->name = "fc.weight";
	expect_refused(&s, THAW_DATA, "two initialisers are called fc.weight", "");
	small_network(&s);
	s.outputs[1][0] = s.inputs[2][0] = "a"; /* also the output of Conv */
	expect_refused(&s, THAW_DATA, "output a is already defined", "");
}

static void weights_of_wrong_shape_are_refused(void **state)
{
	(void)state;
	struct sketch s;
	small_network(&s);
	s.tensor_dims[0][1] = 9; /* input channels; the third dimension keeps the element count */
	s.tensor_dims[0][2] = 1;
	expect_refused(&s, THAW_DATA, "/body/body.0/Conv", "do not fit the 3 channels of its input");
	small_network(&s);
	s.tensor_dims[1][0] = 4;
	s.tensor_dims[1][1] = 5;
	expect_refused(&s, THAW_DATA, "/fc/Gemm", "does not fit its weights");
}

static void inputs_that_are_not_images_are_refused(void **state)
{
	(void)state;
	struct sketch s;
	small_network(&s);
	s.dim[1].dim_value = 5;
	expect_refused(&s, THAW_CONFIG, "is not an image (N,3,H,W)", "x");
	small_network(&s);
	s.dim[2].dim_value = INT64_MAX / 2;
	s.dim[3].dim_value = INT64_MAX / 2;
	expect_refused(&s, THAW_DATA, "x", "");
	small_network(&s);
	s.dim[2].dim_value = -7;
	expect_refused(&s, THAW_DATA, "a dimension of -7", "x");
	small_network(&s);
	s.tensor_type.elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
	expect_refused(&s, THAW_CONFIG, "holds INT64", "x");
	Onnx__TypeProto__Sequence sequence = ONNX__TYPE_PROTO__SEQUENCE__INIT;
	sequence.elem_type = &s.type;
	Onnx__TypeProto of_tensors = ONNX__TYPE_PROTO__INIT;
	of_tensors.value_case = ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE;
	of_tensors.sequence_type = &sequence;
	small_network(&s);
	s.image.type = &of_tensors;
	expect_refused(&s, THAW_CONFIG, "not a tensor with a known number of axes", "x");
}

static void missing_names_are_refused(void **state)
{
	(void)state;
	struct sketch s;
	small_network(&s);
	s.node[0].op_type = NULL;
	expect_refused(&s, THAW_DATA, "a node without an operator", "");
	small_network(&s);
	s.image.name = NULL;
	expect_refused(&s, THAW_DATA, "a value without a name", "");
	small_network(&s);
	s.logits.name = NULL;
	expect_refused(&s, THAW_DATA, "a value without a name", "");
}

static void unknown_opsets_are_refused(void **state)
{
	(void)state;
	struct sketch s;
	small_network(&s);
	s.opset.version = 8;
	expect_refused(&s, THAW_CONFIG, "opset 8", "9 or newer");
	s.opset.version = 99;
	expect_refused(&s, THAW_CONFIG, "opset 99 is newer than this program knows", "or older");
	small_network(&s);
	s.model.n_opset_import = 0;
	expect_refused(&s, THAW_CONFIG, "opset 0", "");
}

static void a_batch_norm_in_training_mode_is_refused(void **state)
{
	(void)state;
	struct sketch s;
	begin(&s);
	static const char *const vectors[] = {"scale", "shift", "mean", "variance"};
	for (int i = 0; i < 4; i++)
		add_weights(&s, vectors[i], 1, (int64_t[]){3});
	give_int(&s, add_node(&s, "BatchNormalization", "norm", "x scale shift mean variance", "y"), "training_mode",
		 1);
	expect_refused(&s, THAW_DATA, "it is in training mode", "export the network for evaluation");
}

static void a_node_without_name_or_inputs(void **state)
{
	(void)state;
	struct sketch s;
	begin(&s);
	add_node(&s, "Relu", "", "", "y");
	expect_refused(&s, THAW_DATA, "input 0 is missing", "Relu");
}

static void a_slice_may_have_a_huge_step(void **state)
{
	(void)state;
	struct sketch s;
	int64_t zero = 0, two = 2, huge = INT64_MAX;
	begin(&s);
	add_int(&s, "zero", &zero);
	add_int(&s, "two", &two);
	add_int(&s, "huge", &huge);
	add_weights(&s, "fc.weight", 2, (int64_t[]){24, 5});
	add_node(&s, "Slice", "slice", "x zero huge two huge", "a");
	add_node(&s, "Flatten", "flatten", "a", "b");
	add_node(&s, "MatMul", "matmul", "b fc.weight", "y");
	thaw_graph_destroy(import(&s));
}

static void preprocessing_from_a_config_json(void **state)
{
	static const char timm[] =
		"{\"architecture\": \"net\", \"pretrained_cfg\": {\"input_size\": [3, 8, 8], \"crop_pct\": 0.8, "
		"\"interpolation\": \"bicubic\", \"mean\": [0.5, 0.25, 0.125], \"std\": [1, 2, 3]}}";
	struct scratch *folder = *state;
	struct thaw_model *m = NULL;
	struct sketch s;
	small_network(&s);
	write_model(folder, "net.onnx", &s);
	assert_int_equal(thaw_model_load(&m, scratch_file(folder, "net.onnx"), 0, 0), THAW_OK);
	assert_non_null(strstr(m->preprocess_from, "guess"));
	assert_int_equal(m->preprocess.size.height, 8);
	assert_int_equal(m->classes, 5);
	assert_string_equal(m->variant, "net");
	thaw_model_destroy(m);

	scratch_put(scratch_file(folder, "config.json"), timm, sizeof(timm) - 1);
	assert_int_equal(thaw_model_load(&m, scratch_file(folder, "net.onnx"), 0, 0), THAW_OK);
	assert_string_equal(m->preprocess_from, "config.json");
	assert_int_equal(m->preprocess.resize, 10);
	assert_int_equal(m->preprocess.filter, THAW_BICUBIC);
	assert_true(m->preprocess.mean[2] == 0.125f && m->preprocess.std[2] == 3.0f);
	thaw_model_destroy(m);

	scratch_put(scratch_file(folder, "config.json"), "{", 1);
	assert_int_equal(thaw_model_load(&m, scratch_file(folder, "net.onnx"), 0, 0), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "config.json"));
}

/* Export and import preserve labels, preprocessing and weights. */
static void an_exported_model_is_imported_unchanged(void **state)
{
	static const char *const names[] = {"a", "b", "c"};
	struct scratch *folder = *state;
	struct thaw_model *m = NULL, *again = NULL;
	struct sketch s;
	small_network(&s);
	write_model(folder, "net.onnx", &s);
	assert_int_equal(thaw_model_load(&m, scratch_file(folder, "net.onnx"), 0, 0), THAW_OK);
	assert_int_equal(thaw_model_set_classes(m, 3, (char *const *)names, 1), THAW_OK);
	assert_int_equal(thaw_model_save_run(m, folder->path), THAW_OK);
	assert_int_equal(thaw_model_load(&again, folder->path, 0, 0), THAW_OK);
	assert_int_equal(again->classes, 3);
	assert_string_equal(again->labels[2], "c");
	assert_string_equal(again->variant, "net");
	assert_string_equal(again->preprocess_from, "the model's metadata");
	for (int i = 0; i < m->graph->param_count; i++) {
		const struct thaw_param *p = &m->graph->params[i];
		int k = thaw_graph_find_param(again->graph, p->name);
		assert_true(k >= 0);
		assert_memory_equal(again->graph->params[k].data, p->data,
				    (size_t)thaw_shape_count(&p->shape) * sizeof(float));
	}
	thaw_model_destroy(m);
	thaw_model_destroy(again);
}

/* Its softmax is not exported, but a model that Thaw has written ends in its classifier. */
static void a_convolution_stays_the_classifier_of_a_run(void **state)
{
	static const char *const names[] = {"a", "b", "c"};
	struct scratch *folder = *state;
	struct thaw_model *m = NULL;
	struct sketch s;
	begin(&s);
	add_weights(&s, "w", 4, (int64_t[]){5, 3, 1, 1});
	add_node(&s, "Conv", "n1", "x w", "a");
	add_node(&s, "Relu", "n2", "a", "r");
	add_node(&s, "GlobalAveragePool", "n3", "r", "b");
	add_node(&s, "Softmax", "n4", "b", "y");
	write_model(folder, "net.onnx", &s);
	assert_int_equal(thaw_model_load(&m, scratch_file(folder, "net.onnx"), 0, 0), THAW_OK);
	assert_false(m->features_only);
	assert_int_equal(thaw_model_set_classes(m, 3, (char *const *)names, 1), THAW_OK);
	assert_int_equal(thaw_model_save_run(m, folder->path), THAW_OK);
	thaw_model_destroy(m);
	assert_int_equal(thaw_model_load(&m, folder->path, 0, 0), THAW_OK);
	assert_false(m->features_only);
	assert_int_equal(m->classes, 3);
	assert_string_equal(m->graph->nodes[m->graph->head].op->name, "conv");
	thaw_model_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_network_has_blocks_and_a_classifier),
		cmocka_unit_test(a_convolution_may_be_the_classifier),
		cmocka_unit_test(unneeded_nodes_are_skipped),
		cmocka_unit_test(all_unsupported_nodes_are_named_at_once),
		cmocka_unit_test(cycles_and_undefined_values_are_refused),
		cmocka_unit_test(duplicate_names_are_refused),
		cmocka_unit_test(weights_of_wrong_shape_are_refused),
		cmocka_unit_test(inputs_that_are_not_images_are_refused),
		cmocka_unit_test(missing_names_are_refused),
		cmocka_unit_test(unknown_opsets_are_refused),
		cmocka_unit_test(a_batch_norm_in_training_mode_is_refused),
		cmocka_unit_test(a_node_without_name_or_inputs),
		cmocka_unit_test(a_slice_may_have_a_huge_step),
		cmocka_unit_test_setup_teardown(preprocessing_from_a_config_json, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(a_convolution_stays_the_classifier_of_a_run, scratch_make,
						scratch_remove),
		cmocka_unit_test_setup_teardown(an_exported_model_is_imported_unchanged, scratch_make, scratch_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
