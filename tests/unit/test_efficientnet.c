/* Which network of the family efficientnet a file is: by its tensors, its name, its config.json, or the user's word.
 * test_networks compares the networks with PyTorch. */
#include <stdint.h>

#include "src/model/model_internal.h"
#include "tests/scratch.h"
#include "thaw/memory.h"

static void expect(thaw_status status)
{
	if (status != THAW_OK)
		fail_msg("%s", thaw_error_message());
}

static void expect_refusal(thaw_status status, const char *words)
{
	assert_int_equal(status, THAW_CONFIG);
	if (!strstr(thaw_error_message(), words))
		fail_msg("\"%s\" does not say \"%s\"", thaw_error_message(), words);
}

/* Writes config.json beside `source`, or removes it if text is NULL. */
static void write_config(void *scratch, const char *text)
{
	const char *path = scratch_file(scratch, "config.json");
	remove(path);
	if (!text)
		return;
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* Loads random weights of efficientnet_b0, in timm's names, as from a file `source`. */
static thaw_status load_b0(struct thaw_model **model, const char *source, const char *given)
{
	struct thaw_model *m = NULL;
	expect(thaw_model_load(&m, "efficientnet_b0", 0, 1));
	struct thaw_weights w = {.tensors = thaw_alloc((size_t)m->graph->param_count, sizeof(*w.tensors))};
	for (; w.count < m->graph->param_count; w.count++) {
		const struct thaw_param *p = &m->graph->params[w.count];
		w.tensors[w.count] = (struct thaw_named_tensor){p->name, THAW_F32, p->file_shape, p->data};
	}
	thaw_status status =
		thaw_model_from_weights(model, &w, &(struct thaw_weights_request){.source = source, .variant = given});
	thaw_free(w.tensors);
	thaw_model_destroy(m);
	return status;
}

static void a_name_decides_between_the_same_tensors(void **state)
{
	static const struct {
		const char *source, *given, *config, *variant, *refusal;
	} cases[] = {
		{"tf_efficientnet_b0.ns_jft_in1k.pth", NULL, NULL, "tf_efficientnet_b0", NULL},
		{"efficientnet_b0_ra-3dd342df.pth", NULL, NULL, "efficientnet_b0", NULL},
		{"model.safetensors", NULL, "{\"architecture\": \"tf_efficientnet_b0.in1k\"}", "tf_efficientnet_b0",
		 NULL},
		{"model.safetensors", "efficientnet_b0", NULL, "efficientnet_b0", NULL},
		{"model.safetensors", NULL, NULL, NULL,
		 "efficientnet_b0 or tf_efficientnet_b0: the same tensors, another network"},
		{"model.safetensors", "tf_efficientnet_b1", NULL, NULL,
		 "tf_efficientnet_b1, but the tensors are those of efficientnet_b0"},
		{"model.safetensors", "efficientnet_b0_torchvision", NULL, NULL,
		 "efficientnet_b0_torchvision, but the tensors are those of efficientnet_b0"},
		{"model.safetensors", NULL, "{\"architecture\": \"efficientnet_blur_b0\"}", NULL,
		 "network efficientnet_blur_b0, which is not known"},
		{"model.safetensors", NULL, "{\"architecture\": \"tf_efficientnet_b1\"}", NULL,
		 "architecture tf_efficientnet_b1, but the tensors are those of efficientnet_b0"},
		{"model.safetensors", NULL,
		 "{\"architecture\": \"efficientnet_b0\", \"model_args\": {\"act_layer\": \"relu\"}}", NULL,
		 "\"act_layer\""},
		{"model.safetensors", NULL, "{\"architecture\": \"efficientnet_b0\", \"global_pool\": \"max\"}", NULL,
		 "\"global_pool\""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct thaw_model *m = NULL;
		write_config(*state, cases[i].config);
		thaw_status status = load_b0(&m, scratch_file(*state, cases[i].source), cases[i].given);
		if (cases[i].refusal) {
			expect_refusal(status, cases[i].refusal);
		} else {
			expect(status);
			assert_string_equal(m->variant, cases[i].variant);
		}
		thaw_model_destroy(m);
	}
	write_config(*state, NULL);
}

/* The sizes of the plans are those of the networks: their values are counted. */
static void plans_have_the_sizes_of_the_networks(void **state)
{
	static const char *const variants[] = {"efficientnet_b0",    "efficientnet_b2", "efficientnet_lite0",
					       "efficientnet_lite4", "mobilenet_v2",    "tf_efficientnet_b1"};
	(void)state;
	for (size_t i = 0; i < sizeof(variants) / sizeof(*variants); i++) {
		struct thaw_model *m = NULL;
		const char *found = NULL;
		expect(thaw_model_load(&m, variants[i], 0, 1));
		struct thaw_weights w = {.tensors = thaw_alloc((size_t)m->graph->param_count, sizeof(*w.tensors))};
		for (; w.count < m->graph->param_count; w.count++) {
			const struct thaw_param *p = &m->graph->params[w.count];
			w.tensors[w.count] = (struct thaw_named_tensor){p->name, THAW_F32, p->file_shape, p->data};
		}
		assert_non_null(thaw_family_recognise(&w, NULL, &found));
		assert_string_equal(found, m->variant + (strncmp(m->variant, "tf_", 3) == 0 ? 3 : 0));
		thaw_free(w.tensors);
		thaw_model_destroy(m);
	}
}

/* As in timm's and torchvision's configurations of these networks. */
static void preprocessing_is_the_customary_one(void **state)
{
	static const struct {
		const char *variant;
		int side, resize;
		enum thaw_filter filter;
		float mean;
	} cases[] = {
		{"efficientnet_b0", 224, 256, THAW_BICUBIC, 0.485f},
		{"efficientnet_b1", 240, 266, THAW_BICUBIC, 0.5f},
		{"tf_efficientnet_b2", 260, 292, THAW_BICUBIC, 0.485f},
		{"efficientnet_b2_torchvision", 288, 288, THAW_BICUBIC, 0.485f},
		{"tf_efficientnet_lite3", 300, 331, THAW_BILINEAR, 0.5f},
		{"mobilenet_v2", 224, 256, THAW_BILINEAR, 0.485f},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct thaw_model *m = NULL;
		expect(thaw_model_load(&m, cases[i].variant, 0, 1));
		assert_int_equal(m->preprocess.size.height, cases[i].side);
		assert_int_equal(m->preprocess.resize, cases[i].resize);
		assert_int_equal(m->preprocess.filter, cases[i].filter);
		assert_true(m->preprocess.mean[0] == cases[i].mean);
		thaw_model_destroy(m);
	}
}

static void without_a_file_most_have_no_sizes(void **state)
{
	struct thaw_model *m = NULL;
	(void)state;
	expect_refusal(thaw_model_load(&m, "fbnetc_100", 0, 1), "no weights for fbnetc_100");
	expect_refusal(thaw_model_load(&m, "efficientnet_b1_pruned", 0, 1), "no weights for efficientnet_b1_pruned");
	expect_refusal(thaw_model_load(&m, "efficientnet_transformers", 0, 1), "no weights for");
}

/* A network of transformers with one block. */
static thaw_status load_small(struct thaw_model **model, void *scratch, const char *config)
{
	static float values[4096];
	static char *const names[] = {"efficientnet.embeddings.convolution.weight",
				      "efficientnet.embeddings.batchnorm",
				      "efficientnet.encoder.blocks.0.depthwise_conv.depthwise_conv.weight",
				      "efficientnet.encoder.blocks.0.depthwise_conv.depthwise_norm",
				      "efficientnet.encoder.blocks.0.squeeze_excite.reduce.weight",
				      "efficientnet.encoder.blocks.0.squeeze_excite.reduce.bias",
				      "efficientnet.encoder.blocks.0.squeeze_excite.expand.weight",
				      "efficientnet.encoder.blocks.0.squeeze_excite.expand.bias",
				      "efficientnet.encoder.blocks.0.projection.project_conv.weight",
				      "efficientnet.encoder.blocks.0.projection.project_bn",
				      "efficientnet.encoder.top_conv.weight",
				      "efficientnet.encoder.top_bn",
				      "classifier.weight",
				      "classifier.bias"};
	static const struct thaw_shape shapes[] = {{4, {8, 3, 3, 3}},  {1, {8}},  {4, {8, 1, 3, 3}},   {1, {8}},
						   {4, {2, 8, 1, 1}},  {1, {2}},  {4, {8, 2, 1, 1}},   {1, {8}},
						   {4, {16, 8, 1, 1}}, {1, {16}}, {4, {32, 16, 1, 1}}, {1, {32}},
						   {2, {5, 32}},       {1, {5}}};
	static const char *const parts[] = {".weight", ".bias", ".running_mean", ".running_var"};
	struct thaw_named_tensor tensors[64];
	static char norms[16][96];
	struct thaw_weights w = {.tensors = tensors};
	int norm = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const bool whole = strstr(names[i], ".weight") || strstr(names[i], ".bias");
		for (size_t k = 0; !whole && k < 4; k++, norm++) {
			snprintf(norms[norm], sizeof(norms[norm]), "%s%s", names[i], parts[k]);
			tensors[w.count++] = (struct thaw_named_tensor){norms[norm], THAW_F32, shapes[i], values};
		}
		if (whole)
			tensors[w.count++] = (struct thaw_named_tensor){names[i], THAW_F32, shapes[i], values};
	}
	write_config(scratch, config);
	const struct thaw_weights_request request = {.source = scratch_file(scratch, "model.safetensors")};
	return thaw_model_from_weights(model, &w, &request);
}

static void transformers_need_their_configuration(void **state)
{
	static const struct {
		const char *config, *refusal;
	} cases[] = {
		{NULL, "no config.json beside"},
		{"{\"model_type\": \"efficientnet\", \"strides\": [1]}", NULL},
		{"{\"model_type\": \"efficientnet\", \"strides\": [1, 2]}", "stages of blocks are not the 2"},
		{"{\"model_type\": \"efficientnet\", \"strides\": [4]}", "\"strides\""},
		{"{\"model_type\": \"efficientnet\", \"strides\": []}", "\"strides\""},
		{"{\"model_type\": \"efficientnet\", \"strides\": [1], \"hidden_act\": \"mish3\"}", "\"hidden_act\""},
		{"{\"model_type\": \"efficientnet\", \"strides\": [1], \"pooling_type\": \"max\"}", "\"pooling_type\""},
		{"{\"model_type\": \"efficientnet\", \"strides\": [1], \"depthwise_padding\": [-1]}",
		 "\"depthwise_padding\""},
		{"{\"model_type\": \"efficientnet\", \"strides\": [1], \"batch_norm_eps\": -1}", "\"batch_norm_eps\""},
		{"{\"model_type\": \"mobilenet_v2\"}", "stages of blocks"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct thaw_model *m = NULL;
		thaw_status status = load_small(&m, *state, cases[i].config);
		if (cases[i].refusal) {
			expect_refusal(status, cases[i].refusal);
		} else {
			expect(status);
			assert_string_equal(m->variant, "efficientnet_transformers");
			assert_int_equal(m->classes, 5);
		}
		thaw_model_destroy(m);
	}
	write_config(*state, NULL);
}

/* Names that a user gives, or that are recorded in a file, do not make the tensors those of the network. */
static void a_name_needs_the_tensors(void **state)
{
	static const char *const variants[] = {"efficientnet_b0", "convnext", "regnet", "densenet", "mixer", "vit"};
	static float values[8];
	const char *source = scratch_file(*state, "other.safetensors");
	for (size_t i = 0; i < 2 * sizeof(variants) / sizeof(*variants); i++) {
		const char *variant = variants[i / 2];
		struct thaw_model *m = NULL;
		struct thaw_named_tensor tensor = {"other", THAW_F32, thaw_shape_of(8), values};
		struct thaw_pair recorded = {"thaw.variant", (char *)variant};
		struct thaw_weights w = {
			.tensors = &tensor, .count = 1, .metadata = &recorded, .metadata_count = i % 2};
		const struct thaw_weights_request request = {.source = source, .variant = i % 2 ? NULL : variant};
		expect_refusal(thaw_model_from_weights(&m, &w, &request), "the tensors are not those of");
		assert_non_null(strstr(thaw_error_message(), variant));
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_decides_between_the_same_tensors), TEST(plans_have_the_sizes_of_the_networks),
		TEST(preprocessing_is_the_customary_one),      TEST(without_a_file_most_have_no_sizes),
		TEST(transformers_need_their_configuration),   TEST(a_name_needs_the_tensors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
