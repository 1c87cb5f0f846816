/* Options of vision transformers: what the tensors do not show comes from config.json, is recorded in the files that
 * Thaw writes, and is refused by name where the network is another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/hub_folder.h"

static void save_tiny(void)
{
	save_network("vit_tiny_patch16_224");
}

static int setup(void **state)
{
	if (hub_setup(state) != 0)
		return -1;
	save_tiny();
	return 0;
}

static int heads_of(const struct thaw_model *m)
{
	return (int)json_integer_value(json_object_get(m->options, "heads"));
}

static void test_defaults(void **state)
{
	(void)state;
	struct thaw_model *m = NULL;
	expect(thaw_model_load(&m, folder, 0, 1));
	assert_int_equal(heads_of(m), 3);
	assert_string_equal(json_string_value(json_object_get(m->options, "pool")), "token");
	assert_int_equal(m->classes, 5);
	thaw_model_destroy(m);
}

/* The options go with the weights, where there is no config.json any more. */
static void test_config_is_recorded(void **state)
{
	(void)state;
	struct thaw_model *m = NULL, *again = NULL;
	write_config(
		"{\"architecture\": \"vit_tiny_patch16_224\", \"model_args\": {\"num_heads\": 6, \"img_size\": 224}, "
		"\"global_pool\": \"avg\"}");
	expect(thaw_model_load(&m, folder, 0, 1));
	assert_int_equal(heads_of(m), 6);
	expect(thaw_model_save(m, path_of("model.safetensors"), true));
	thaw_model_destroy(m);
	unlink(path_of("config.json"));
	expect(thaw_model_load(&again, folder, 0, 1));
	assert_int_equal(heads_of(again), 6);
	assert_string_equal(json_string_value(json_object_get(again->options, "pool")), "mean");
	thaw_model_destroy(again);
	save_tiny();
}

/* Position embeddings for images that are not square have the same tokens in front. */
static void test_other_size_is_saved(void **state)
{
	(void)state;
	struct thaw_model *m = NULL, *again = NULL;
	expect(thaw_model_load(&m, folder, 0, 1));
	expect(thaw_model_set_size(m, (struct thaw_size){96, 128}));
	expect(thaw_model_save(m, path_of("model.safetensors"), true));
	expect(thaw_model_load(&again, folder, 0, 1));
	assert_int_equal(again->preprocess.size.height, 96);
	assert_int_equal(again->preprocess.size.width, 128);
	assert_int_equal(again->graph->param_count, m->graph->param_count);
	thaw_model_destroy(m);
	thaw_model_destroy(again);
	save_tiny();
}

static void test_class_names(void **state)
{
	(void)state;
	struct thaw_model *m = NULL;
	write_config(
		"{\"architecture\": \"vit_tiny\", \"label_names\": [\"ash\", \"elm\", \"fir\", \"oak\", \"yew\"]}");
	expect(thaw_model_load(&m, folder, 0, 1));
	assert_string_equal(m->labels[4], "yew");
	thaw_model_destroy(m);
	write_config(
		"{\"id2label\": {\"0\": \"LABEL_0\", \"1\": \"elm\", \"2\": \"fir\", \"3\": \"oak\", \"4\": \"yew\"}}");
	expect(thaw_model_load(&m, folder, 0, 1));
	assert_null(m->labels);
	thaw_model_destroy(m);
	unlink(path_of("config.json"));
}

static void test_other_networks(void **state)
{
	(void)state;
	refuses("{\"architecture\": \"vit_pe_core_tiny_patch16_384\"}", "vit_pe_core_tiny_patch16_384");
	refuses("{\"architecture\": \"vit_small_patch16_dinov3\"}", "vit_small_patch16_dinov3");
	refuses("{\"architecture\": \"vit_base_patch16_clip_quickgelu_224\"}", "quickgelu");
	refuses_as(THAW_DATA, "{\"architecture\": \"eva02_tiny\"}", "eva02_tiny");
	refuses("{\"architecture\": \"vit_tiny\", \"global_pool\": \"map\"}",
		"no tensors for the pooling \"attention\"");
	refuses("{\"architecture\": \"vit_tiny\", \"global_pool\": \"avgmax\"}", "global_pool");
	refuses("{\"architecture\": \"vit_tiny\", \"model_args\": {\"act_layer\": \"mish\"}}", "act_layer");
	refuses("{\"architecture\": \"vit_tiny\", \"model_args\": {\"num_heads\": 5}}", "5 heads");
	refuses("{\"architecture\": \"vit_tiny\", \"model_args\": {\"num_heads\": -3}}", "heads");
	refuses("{\"architecture\": \"vit_tiny\", \"model_args\": {\"num_heads\": 4294967299}}", "heads");
	refuses("{\"architecture\": \"vit_tiny\", \"model_args\": {\"pool_include_prefix\": 1}}",
		"pool_include_prefix");
	refuses_as(THAW_DATA, "{\"architecture\": 7}", "\"architecture\" has another type");
	refuses("{\"architecture\": \"vit_tiny\", \"global_pool\": 1}", "global_pool");
	refuses_as(THAW_DATA, "{\"architecture\": ", "invalid JSON");
}

/* Tensors of CLIP do not show which of two functions is between its layers. */
static void test_name_decides(void **state)
{
	(void)state;
	struct thaw_model *m = NULL;
	char spec[160];
	save_network("vit_clip");
	assert_int_equal(thaw_model_load(&m, folder, 0, 1), THAW_CONFIG);
	assert_non_null(strstr(thaw_error_message(), "vit_clip_quickgelu:FILE"));
	snprintf(spec, sizeof(spec), "vit_clip_quickgelu:%s", path_of("model.safetensors"));
	expect(thaw_model_load(&m, spec, 0, 1));
	assert_string_equal(json_string_value(json_object_get(m->options, "function")), "quick_gelu");
	thaw_model_destroy(m);
	write_config("{\"architecture\": \"vit_base_patch16_clip_224.laion2b\"}");
	expect(thaw_model_load(&m, folder, 0, 1));
	assert_string_equal(json_string_value(json_object_get(m->options, "function")), "gelu");
	thaw_model_destroy(m);
	unlink(path_of("config.json"));
	save_tiny();
}

/* The file of golden `name` with small values, without tensors that begin with `without`, and with others beside. */
static void save_golden(const char *name, const char *without, const struct thaw_named_tensor *others)
{
	char path[256];
	float values[128 * 3 * 16 * 16] = {0};
	struct thaw_file_writer *file = NULL;
	snprintf(path, sizeof(path), "tests/golden/network_%s.json", name);
	json_t *golden = json_load_file(path, 0, NULL), *tensors = json_object_get(golden, "tensors"), *tensor;
	struct thaw_named_tensor list[96] = {{0}};
	struct thaw_weights w = {.tensors = list};
	const char *key;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		values[i] = 0.01f * (float)(i % 7);
	json_object_foreach(tensors, key, tensor)
	{
		json_t *shape = json_object_get(tensor, "shape");
		struct thaw_shape s = {.ndim = (int)json_array_size(shape)};
		for (int k = 0; k < s.ndim; k++)
			s.dim[k] = json_integer_value(json_array_get(shape, (size_t)k));
		if (strncmp(key, without, strlen(without)) != 0)
			list[w.count++] = (struct thaw_named_tensor){(char *)key, THAW_F32, s, values};
	}
	for (; others->name; others++) {
		list[w.count] = *others;
		if (!others->data)
			list[w.count].data = values;
		w.count++;
	}
	expect(thaw_file_writer_open(&file, path_of("model.safetensors")));
	expect(thaw_safetensors_write(&w, thaw_file_writer_sink(file)));
	expect(thaw_file_writer_commit(file));
	json_decref(golden);
}

static void has_features(const char *config, const char *pool, int64_t width, const char *passed)
{
	struct thaw_model *m = NULL;
	write_config(config);
	expect(thaw_model_load(&m, folder, 0, 1));
	assert_true(m->features_only);
	assert_string_equal(json_string_value(json_object_get(m->options, "pool")), pool);
	assert_int_equal(m->graph->params[m->graph->nodes[m->graph->head].params[0]].shape.dim[1], width);
	assert_non_null(strstr(m->notes, passed));
	thaw_model_destroy(m);
	unlink(path_of("config.json"));
}

/* Networks without a classifier are pooled as is their custom. What belongs to other tasks is passed over. */
static void test_towers(void **state)
{
	(void)state;
	const struct thaw_shape c = thaw_shape_of(128);
	const struct thaw_named_tensor clip[] = {{"logit_scale", THAW_F32, thaw_shape_of(1), NULL},
						 {"text_model.final_layer_norm.weight", THAW_F32, c, NULL},
						 {"vision_model.post_layernorm.weight", THAW_F32, c, NULL},
						 {"vision_model.post_layernorm.bias", THAW_F32, c, NULL},
						 {0}};
	const struct thaw_named_tensor vit[] = {
		{"vit.pooler.dense.bias", THAW_F32, c, NULL}, {"decoder.mask_token", THAW_F32, c, NULL}, {0}};
	const struct thaw_named_tensor dinov2[] = {{"dinov2_with_registers.embeddings.mask_token", THAW_F32, c, NULL},
						   {0}};
	save_golden("vit_clip_transformers", "classifier", clip);
	has_features("{\"model_type\": \"clip\", \"vision_config\": {\"num_attention_heads\": 2}}", "token", 128,
		     "text_model");
	save_golden("vit_transformers", "classifier", vit);
	refuses("{\"model_type\": \"vit\"}", "12 heads for 128 channels"); /* as many as in transformers */
	refuses("{\"model_type\": \"vit\", \"num_attention_heads\": 2, \"layer_norm_eps\": 1e300}", "layer_norm_eps");
	has_features("{\"model_type\": \"vit\", \"num_attention_heads\": 2}", "token", 128, "decoder.mask_token");
	save_golden("vit_dinov2", "classifier", dinov2);
	has_features("{\"model_type\": \"dinov2_with_registers\", \"num_attention_heads\": 2}", "token and mean", 256,
		     "mask_token");
	save_tiny();
}

/* The tables of a rotary embedding are for one size of images. */
#define DINOV3 "\"model_type\": \"dinov3_vit\", \"num_attention_heads\": 2"

static void test_rotary(void **state)
{
	(void)state;
	const struct thaw_named_tensor none[] = {{0}};
	struct thaw_model *m = NULL;
	save_golden("vit_dinov3_transformers", "classifier", none);
	has_features("{" DINOV3 ", \"image_size\": 64}", "token", 128, "no classifier");
	write_config("{" DINOV3 ", \"image_size\": 96, \"rope_theta\": 50.0}");
	expect(thaw_model_load(&m, folder, 0, 1));
	assert_int_equal(json_integer_value(json_object_get(m->options, "side")), 96);
	assert_float_equal(json_number_value(json_object_get(m->options, "longest_period")), 50.0, 0);
	assert_int_equal(thaw_graph_resize(m->graph, &thaw_shape_of(1, 96, 96, 3), &thaw_shape_of(1, 128, 128, 3)),
			 THAW_CONFIG);
	assert_non_null(strstr(thaw_error_message(), "for 40 tokens, not for 68: rotary."));
	thaw_model_destroy(m);
	refuses("{" DINOV3 ", \"image_size\": [224, 224]}", "images of 0 pixels");
	refuses("{" DINOV3 ", \"image_size\": 1000000000}", "1000000000 pixels");
	refuses("{" DINOV3 ", \"rope_theta\": 0.5}", "a period of 0.5");
	refuses("{\"model_type\": \"dinov3_vit\", \"num_attention_heads\": 64}", "heads of 2 channels");
	assert_int_equal(thaw_model_load(&m, folder, 0, 1), THAW_CONFIG);
	assert_non_null(strstr(thaw_error_message(), "put its config.json beside it"));
	save_golden("vit_dinov3", "none", none);
	refuses("{\"architecture\": \"vit_tiny_patch16_224\"}", "vit_tiny_patch16_224");
	refuses("{\"architecture\": \"vit_tiny_patch16_dinov3_qkvb\", \"input_size\": [3, 64, 96]}", "input_size");
	save_tiny();
}

/* DeiT's two classifiers become one of both tokens, whose scores are the mean of theirs. */
static void test_two_classifiers(void **state)
{
	(void)state;
	struct thaw_model *m = NULL, *again = NULL;
	float first[2 * 128], second[2 * 128];
	const float bias[] = {1, 2}, other[] = {5, -2};
	for (int i = 0; i < 2 * 128; i++) {
		first[i] = (float)i;
		second[i] = (float)-i;
	}
	const struct thaw_shape weight = thaw_shape_of(2, 128), classes = thaw_shape_of(2);
	const struct thaw_named_tensor heads[] = {{"dist_token", THAW_F32, thaw_shape_of(1, 1, 128), NULL},
						  {"head.weight", THAW_F32, weight, first},
						  {"head.bias", THAW_F32, classes, bias},
						  {"head_dist.weight", THAW_F32, weight, second},
						  {"head_dist.bias", THAW_F32, classes, other},
						  {0}};
	save_golden("vit", "head", heads);
	write_config("{\"architecture\": \"deit_tiny_distilled_patch16_224\", \"global_pool\": \"token\"}");
	expect(thaw_model_load(&m, folder, 0, 1));
	const struct thaw_graph *g = m->graph;
	const struct thaw_node *head = &g->nodes[g->head];
	const float *w = g->params[head->params[0]].data, *b = g->params[head->params[1]].data;
	assert_int_equal(g->params[head->params[0]].shape.dim[1], 256);
	assert_float_equal(w[256 + 3], 131 / 2.0, 0);
	assert_float_equal(w[256 + 128 + 3], -131 / 2.0, 0);
	assert_float_equal(b[0], 3, 0);
	assert_float_equal(b[1], 0, 0);
	expect(thaw_model_save(m, path_of("model.safetensors"), true));
	expect(thaw_model_load(&again, folder, 0, 1));
	assert_string_equal(json_string_value(json_object_get(again->options, "pool")), "two tokens");
	thaw_model_destroy(m);
	thaw_model_destroy(again);
	unlink(path_of("config.json"));
	save_tiny();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_config_is_recorded),
		cmocka_unit_test(test_other_size_is_saved),
		cmocka_unit_test(test_class_names),
		cmocka_unit_test(test_other_networks),
		cmocka_unit_test(test_name_decides),
		cmocka_unit_test(test_towers),
		cmocka_unit_test(test_rotary),
		cmocka_unit_test(test_two_classifiers),
	};
	return cmocka_run_group_tests(tests, setup, hub_teardown);
}
