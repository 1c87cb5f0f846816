/* ONNX models as various tools write them: inputs, types, order of nodes, names, and files that are something else. */
#include "tests/unit/onnx_sketch.h"

#include "thaw/model.h"

#define UNSET ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE__NOT_SET
#define VALUE ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE

/* Expects that the model is imported; returns the network, whose graph is destroyed. */
static struct thaw_onnx_network expect_imported(const struct sketch *s)
{
	struct thaw_onnx_file *f = parse(s);
	struct thaw_onnx_network net;
	const struct thaw_onnx_import_options options = {.height = 8, .width = 8};
	if (thaw_onnx_import(&net, f, &options) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	assert_false(net.features);
	thaw_onnx_file_close(f);
	thaw_graph_destroy(net.graph);
	return net;
}

static void expect_refused(const struct sketch *s, const char *part)
{
	struct thaw_onnx_file *f = parse(s);
	struct thaw_onnx_network net;
	const struct thaw_onnx_import_options options = {.height = 8, .width = 8};
	assert_int_equal(thaw_onnx_import(&net, f, &options), THAW_CONFIG);
	if (!strstr(thaw_error_message(), part))
		fail_msg("\"%s\" has no \"%s\"", thaw_error_message(), part);
	thaw_onnx_file_close(f);
}

static void dimensions_may_be_open_in_many_ways(void **state)
{
	(void)state;
	struct sketch s;
	for (int64_t size = -1; size <= 0; size++) {
		small_network(&s);
		s.dim[0].value_case = VALUE;
		s.dim[0].dim_value = size;
		expect_imported(&s);
	}
	small_network(&s);
	for (int i = 0; i < 4; i++)
		s.dim[i].value_case = UNSET;
	struct thaw_onnx_network net = expect_imported(&s);
	assert_true(net.open_size);
	assert_int_equal(net.image.dim[3], 3);
	small_network(&s);
	s.tensor_type.shape = NULL;
	assert_int_equal(expect_imported(&s).image.dim[1], 8);
	small_network(&s); /* the channels are open, the image's size is not */
	s.dim[1].value_case = UNSET;
	net = expect_imported(&s);
	assert_false(net.open_size);
	assert_int_equal(net.image.dim[3], 3);
}

static void images_may_be_of_several_types(void **state)
{
	(void)state;
	static const int types[] = {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16};
	struct sketch s;
	for (int i = 0; i < 2; i++) {
		small_network(&s);
		s.tensor_type.elem_type = types[i];
		assert_false(expect_imported(&s).bytes);
	}
	small_network(&s);
	s.tensor_type.elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__UINT8;
	assert_true(expect_imported(&s).bytes);
}

static void nodes_may_be_in_any_order(void **state)
{
	(void)state;
	struct sketch s;
	small_network(&s);
	for (size_t i = 0, k = s.graph.n_node - 1; i < k; i++, k--) {
		Onnx__NodeProto *n = s.nodes[i];
		s.nodes[i] = s.nodes[k];
		s.nodes[k] = n;
	}
	expect_imported(&s);
}

static void further_inputs_are_ignored_unless_they_are_read(void **state)
{
	(void)state;
	struct sketch s;
	Onnx__ValueInfoProto other = ONNX__VALUE_INFO_PROTO__INIT, *inputs[] = {&other, NULL};
	other.name = "is_training";
	small_network(&s);
	inputs[1] = s.graph.input[0];
	s.graph.input = inputs;
	s.graph.n_input = 2;
	expect_imported(&s);
}

static void models_for_one_runtime_are_named(void **state)
{
	(void)state;
	struct sketch s;
	small_network(&s);
	s.node[0].op_type = "FusedConv";
	s.node[0].domain = "com.microsoft";
	expect_refused(&s, "give the model as it was exported");
	small_network(&s);
	s.node[0].op_type = "QLinearConv";
	expect_refused(&s, "the model is quantised: give the float model");
}

/* CastLike of the image to a constant, and of a constant to the image. */
static void cast_like_keeps_values(void **state)
{
	(void)state;
	struct sketch s;
	small_network(&s);
	add_node(&s, "CastLike", "cast", "x fc.bias", "cast");
	s.inputs[0][0] = "cast";
	expect_imported(&s);
	small_network(&s);
	add_node(&s, "CastLike", "cast", "fc.bias x", "cast");
	s.inputs[4][2] = "cast";
	expect_imported(&s);
}

/* Writes the scopes into the node's metadata, which the protobuf messages do not know. */
static void give_scopes(Onnx__NodeProto *n, const char *scopes)
{
	static ProtobufCMessageUnknownField fields[MAX_NODES];
	static uint8_t bytes[MAX_NODES][256];
	static int used;
	Onnx__StringStringEntryProto e = ONNX__STRING_STRING_ENTRY_PROTO__INIT;
	e.key = "pkg.torch.onnx.name_scopes";
	e.value = (char *)scopes;
	size_t size = onnx__string_string_entry_proto__pack(&e, bytes[used] + 1);
	assert_true(size < 128);
	bytes[used][0] = (uint8_t)size;
	fields[used] = (ProtobufCMessageUnknownField){9, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, size + 1, bytes[used]};
	n->base.n_unknown_fields = 1;
	n->base.unknown_fields = &fields[used++];
}

static void modules_name_blocks_and_parameters(void **state)
{
	(void)state;
	struct sketch s;
	small_network(&s);
	s.node[0].name = "node_Conv_1";
	s.node[4].name = "node_Gemm_2";
	s.tensor[1].name = s.inputs[4][1] = "val_3";
	give_scopes(&s.node[0], "['', 'layer1', 'layer1.0', 'layer1.0.bn1', '_native_batch_norm']");
	give_scopes(&s.node[4], "['', 'fc', 'linear']");
	s.tensor[0].name = s.inputs[0][1] = "layer1.0.conv1.weight";
	struct thaw_onnx_file *f = parse(&s);
	struct thaw_onnx_network net;
	const struct thaw_onnx_import_options options = {.height = 8, .width = 8};
	assert_int_equal(thaw_onnx_import(&net, f, &options), THAW_OK);
	thaw_onnx_file_close(f);
	assert_int_equal(net.graph->block_count, 2);
	assert_string_equal(net.graph->blocks[0], "layer1.0");
	assert_string_equal(net.graph->blocks[1], "fc");
	assert_string_equal(net.graph->nodes[1].name, "/layer1/layer1.0/conv1/node_Conv_1");
	assert_true(thaw_graph_find_param(net.graph, "fc.weight") >= 0);
	thaw_graph_destroy(net.graph);
}

static struct thaw_model *load(struct scratch *folder, const char *name)
{
	struct thaw_model *m = NULL;
	if (thaw_model_load(&m, scratch_file(folder, name), 0, 0) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return m;
}

/* (x / 255 - 0.25) / 0.5 within the network: images are not normalised a second time. */
static void networks_may_normalise_their_input(void **state)
{
	struct scratch *folder = *state;
	static float numbers[] = {255, 0.25f, 0.5f};
	static const char *const names[] = {"level", "mean", "std"};
	for (int first = 0; first < 2; first++) { /* with and without the division by 255 */
		struct sketch s;
		small_network(&s);
		for (int i = 0; i < 3; i++) {
			add_weights(&s, names[i], 0, NULL);
			s.tensor[3 + i].raw_data.data = (uint8_t *)&numbers[i];
		}
		add_node(&s, "Div", "div", "x level", "x1");
		add_node(&s, "Sub", "sub", first ? "x mean" : "x1 mean", "x2");
		add_node(&s, "Div", "div2", "x2 std", "x3");
		s.inputs[0][0] = "x3";
		write_model(folder, "net.onnx", &s);
		struct thaw_model *m = load(folder, "net.onnx");
		assert_non_null(strstr(m->notes, "the network normalises its input"));
		assert_true(m->preprocess.mean[0] == 0 && m->preprocess.mean[2] == 0);
		assert_float_equal(m->preprocess.std[1], first ? 1 : 1.0 / 255, 1e-9);
		thaw_model_destroy(m);
	}
}

static void files_are_known_by_their_content(void **state)
{
	struct scratch *folder = *state;
	static const struct {
		const char *text, *words;
	} others[] = {
		{"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"},
		{"<!DOCTYPE html>", "web page"},
		{"", "it is empty"},
	};
	struct thaw_model *m = NULL;
	struct sketch s;
	small_network(&s);
	s.model.has_ir_version = 1;
	s.model.ir_version = 8;
	write_model(folder, "NET.ONNX", &s);
	write_model(folder, "blob", &s);
	thaw_model_destroy(load(folder, "NET.ONNX"));
	thaw_model_destroy(load(folder, "blob"));
	thaw_model_destroy(load(folder, "NET.ONNX:y"));
	assert_int_equal(thaw_model_load(&m, scratch_file(folder, "NET.ONNX:z"), 0, 0), THAW_USAGE);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		scratch_put(scratch_file(folder, "net.onnx"), others[i].text, strlen(others[i].text));
		assert_int_equal(thaw_model_load(&m, scratch_file(folder, "net.onnx"), 0, 0), THAW_DATA);
		assert_non_null(strstr(thaw_error_message(), others[i].words));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dimensions_may_be_open_in_many_ways),
		cmocka_unit_test(images_may_be_of_several_types),
		cmocka_unit_test(nodes_may_be_in_any_order),
		cmocka_unit_test(further_inputs_are_ignored_unless_they_are_read),
		cmocka_unit_test(models_for_one_runtime_are_named),
		cmocka_unit_test(cast_like_keeps_values),
		cmocka_unit_test(modules_name_blocks_and_parameters),
		cmocka_unit_test_setup_teardown(networks_may_normalise_their_input, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(files_are_known_by_their_content, scratch_make, scratch_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
