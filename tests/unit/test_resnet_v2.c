/* Options of ResNetV2 and BiT: what config.json says, and which networks are refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/model/family.h"

/* One block of a BiT: the tensors that decide the network's sizes, without values. */
static struct thaw_named_tensor tensors[] = {
	{"bit.embedder.convolution.weight", THAW_F32, {4, {32, 3, 7, 7}}, NULL},
	{"bit.encoder.stages.0.layers.0.norm1.weight", THAW_F32, {1, {32}}, NULL},
	{"bit.encoder.stages.0.layers.0.conv1.weight", THAW_F32, {4, {32, 32, 1, 1}}, NULL},
	{"bit.encoder.stages.0.layers.0.conv2.weight", THAW_F32, {4, {32, 32, 3, 3}}, NULL},
	{"bit.encoder.stages.0.layers.0.conv3.weight", THAW_F32, {4, {128, 32, 1, 1}}, NULL},
	{"bit.encoder.stages.0.layers.0.downsample.conv.weight", THAW_F32, {4, {128, 32, 1, 1}}, NULL},
	{"bit.norm.weight", THAW_F32, {1, {128}}, NULL},
};

static const struct thaw_weights weights = {.tensors = tensors, .count = sizeof(tensors) / sizeof(*tensors)};

static thaw_status options_of(const char *text, char **options)
{
	const struct thaw_architecture a = {.variant = "resnetv2", .w = &weights};
	json_t *config = json_loads(text, 0, NULL), *found = NULL;
	assert_non_null(config);
	thaw_status status = thaw_family_resnet_v2.options(&found, &a, config, "model.safetensors");
	*options = found ? json_dumps(found, 0) : NULL;
	json_decref(found);
	json_decref(config);
	return status;
}

static void a_configuration_decides_what_tensors_do_not_show(void **state)
{
	static const char *const read[][2] = {
		{"{\"model_type\": \"bit\"}", "\"groups\": 32"},
		{"{\"model_type\": \"bit\", \"num_groups\": 8}", "\"groups\": 8"},
		{"{\"model_type\": \"bit\", \"global_padding\": null}", "\"same\": false"},
		{"{\"model_type\": \"bit\", \"global_padding\": \"SAME\"}", "\"zero_border\": false, \"same\": true"},
		{"{\"model_type\": \"bit\", \"hidden_act\": \"gelu\"}", "\"function\": \"gelu\""},
		{"{\"architecture\": \"resnetv2_50x1_bit.goog_in21k\"}", "\"standardise\": true"},
	};
	(void)state;
	assert_string_equal(thaw_family_resnet_v2.recognise(&weights), "resnetv2");
	for (size_t i = 0; i < sizeof(read) / sizeof(*read); i++) {
		char *options;
		assert_int_equal(options_of(read[i][0], &options), THAW_OK);
		if (!strstr(options, read[i][1]))
			fail_msg("%s: %s", read[i][0], options);
		free(options);
	}
}

static void other_networks_are_refused(void **state)
{
	static const char *const refused[][2] = {
		{"{\"model_type\": \"bit\", \"global_padding\": \"VALID\"}", "\"global_padding\" is VALID"},
		{"{\"model_type\": \"bit\", \"embedding_dynamic_padding\": true}", "\"embedding_dynamic_padding\""},
		{"{\"model_type\": \"bit\", \"layer_type\": \"bottleneck\"}", "\"layer_type\" is bottleneck"},
		{"{\"model_type\": \"bit\", \"output_stride\": 16}", "\"output_stride\""},
		{"{\"model_type\": \"bit\", \"hidden_act\": \"snake\"}", "\"hidden_act\" is snake"},
		{"{\"model_type\": \"bit\", \"num_groups\": -1}", "\"num_groups\""},
		{"{\"architecture\": \"resnetv2_50d_evos\"}", "\"architecture\" is resnetv2_50d_evos"},
		{"{\"architecture\": \"resnetv2_50d_frn\"}", "\"architecture\" is resnetv2_50d_frn"},
		{"{\"architecture\": \"resnetv2_50\", \"global_pool\": \"max\"}", "\"global_pool\" is max"},
		{"{\"architecture\": \"resnetv2_50\", \"model_args\": {\"output_stride\": 8}}", "\"output_stride\""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		char *options;
		assert_int_equal(options_of(refused[i][0], &options), THAW_CONFIG);
		if (!strstr(thaw_error_message(), refused[i][1]))
			fail_msg("%s: %s", refused[i][0], thaw_error_message());
		assert_non_null(strstr(thaw_error_message(), "torch.onnx.export"));
	}
}

/* A file alone does not show the groups of its norms. */
static void a_file_alone_is_refused(void **state)
{
	struct thaw_architecture a = {.variant = "resnetv2", .w = &weights};
	json_t *options = NULL;
	(void)state;
	assert_int_equal(thaw_family_resnet_v2.options(&options, &a, NULL, "model.safetensors"), THAW_CONFIG);
	assert_non_null(strstr(thaw_error_message(), "give --model resnetv2:FILE"));
	a.named = true;
	assert_int_equal(thaw_family_resnet_v2.options(&options, &a, NULL, "model.safetensors"), THAW_OK);
	json_decref(options);
}

/* Tensors that do not fit each other are not those of a network. */
static void sizes_must_fit(void **state)
{
	(void)state;
	for (int i = 1; i < weights.count; i++) {
		const int64_t size = tensors[i].shape.dim[0];
		const bool last_norm = i == weights.count - 1; /* its size is checked when it is copied */
		tensors[i].shape.dim[0] = size + 1;
		assert_int_equal(thaw_family_resnet_v2.recognise(&weights) != NULL, last_norm);
		tensors[i].shape.dim[0] = size;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_configuration_decides_what_tensors_do_not_show),
		cmocka_unit_test(other_networks_are_refused),
		cmocka_unit_test(a_file_alone_is_refused),
		cmocka_unit_test(sizes_must_fit),
	};
	return cmocka_run_group_tests_name("resnet_v2", tests, NULL, NULL);
}
