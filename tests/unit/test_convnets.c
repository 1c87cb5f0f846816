/* Options of ConvNeXt, RegNet and DenseNet: what the tensors do not show comes from config.json, is recorded in the
 * files that Thaw writes, and is refused by name where the network is another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/hub_folder.h"

#include "src/model/family.h"

static void option_is(const struct thaw_model *m, const char *key, const char *value)
{
	char *text = json_dumps(json_object_get(m->options, key), JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
	assert_string_equal(text, value);
	free(text);
}

/* Loads the network with this configuration (NULL: none), and once more from the file that Thaw writes of it. */
static void has_option(const char *config, const char *key, const char *value)
{
	struct thaw_model *m = NULL, *again = NULL;
	if (config)
		write_config(config);
	expect(thaw_model_load(&m, folder, 0, 1));
	unlink(path_of("config.json"));
	option_is(m, key, value);
	expect(thaw_model_save(m, path_of("again.safetensors"), true));
	expect(thaw_model_load(&again, path_of("again.safetensors"), 0, 1));
	option_is(again, key, value);
	assert_int_equal(again->graph->node_count, m->graph->node_count);
	unlink(path_of("again.safetensors"));
	thaw_model_destroy(m);
	thaw_model_destroy(again);
}

#define ARGUMENTS(name, arguments) "{\"architecture\": \"" name "\", \"model_args\": {" arguments "}}"

static void test_convnext(void **state)
{
	(void)state;
	save_network("convnext_atto");
	has_option(NULL, "act", "\"gelu\"");
	has_option("{\"architecture\": \"convnext_atto.d2_in1k\"}", "epsilon", "1e-6");
	has_option("{\"architecture\": \"convnext_xxlarge\"}", "epsilon", "1e-5");
	has_option("{\"architecture\": \"test_convnext3\"}", "act", "\"silu\"");
	has_option(ARGUMENTS("convnext_atto", "\"norm_eps\": 0.001"), "pooled_epsilon", "0.001");
	has_option(ARGUMENTS("convnext_atto", "\"act_layer\": \"relu\", \"drop_path_rate\": 0.1"), "act", "\"relu\"");
	refuses(ARGUMENTS("convnext_atto", "\"act_layer\": \"mish\""), "\"act_layer\" is mish");
	refuses(ARGUMENTS("convnext_atto", "\"act_layer\": 7"), "\"act_layer\": config.json");
	refuses(ARGUMENTS("convnext_atto", "\"output_stride\": 16"), "output_stride");
	refuses(ARGUMENTS("convnext_atto", "\"norm_layer\": \"batchnorm2d\""), "batchnorm2d");
	refuses(ARGUMENTS("convnext_atto", "\"norm_eps\": -1"), "norm_eps");
	refuses(ARGUMENTS("convnext_atto", "\"norm_eps\": \"1e-5\""), "norm_eps");
	refuses(ARGUMENTS("convnext_atto", "\"patch_drop\": 1"), "patch_drop");
	refuses("{\"architecture\": \"convnext_zepto_rms\"}", "norms with biases");
	refuses("{\"architecture\": \"convnext_atto\", \"global_pool\": \"max\"}", "\"global_pool\" is max");
	refuses("{\"model_type\": \"regnet\"}", "names regnet");
}

static void test_regnet(void **state)
{
	(void)state;
	save_network("regnety_002");
	has_option(NULL, "act", "\"relu\"");
	has_option("{\"architecture\": \"regnety_002\"}", "keep_size", "false");
	has_option(ARGUMENTS("regnety_002", "\"linear_out\": true"), "linear", "true");
	has_option(ARGUMENTS("regnety_002", "\"act_layer\": \"silu\""), "act", "\"silu\"");
	refuses(ARGUMENTS("regnety_002", "\"norm_layer\": \"groupnorm\""), "norm_layer");
	refuses(ARGUMENTS("regnety_002", "\"output_stride\": 8"), "output_stride");
	refuses(ARGUMENTS("regnety_002", "\"linear_out\": 1"), "linear_out");
	refuses("{\"architecture\": \"convnext_atto\"}", "names convnext_atto");
}

static void test_densenet(void **state)
{
	(void)state;
	save_network("densenet121");
	has_option(NULL, "blur", "false");
	has_option("{\"architecture\": \"densenet121.tv_in1k\"}", "blur", "false");
	has_option("{\"architecture\": \"densenetblur121d\"}", "blur", "true");
	has_option(ARGUMENTS("densenet121", "\"act_layer\": \"silu\""), "act", "\"silu\"");
	refuses(ARGUMENTS("densenet121", "\"aa_layer\": \"blur\""), "\"aa_layer\" is blur");
}

/* The tensors of a stem of three convolutions do not show whether its pooling is blurred. */
static void test_deep_densenet(void **state)
{
	struct thaw_named_tensor tensors[] = {
		{.name = "features.conv0.weight", .shape = {4, {8, 3, 3, 3}}},
		{.name = "features.conv1.weight", .shape = {4, {8, 8, 3, 3}}},
		{.name = "features.conv2.weight", .shape = {4, {8, 8, 3, 3}}},
		{.name = "features.denseblock1.denselayer1.conv1.weight", .shape = {4, {4, 8, 1, 1}}},
		{.name = "features.denseblock1.denselayer1.conv2.weight", .shape = {4, {4, 4, 3, 3}}},
	};
	static const char *const configs[] = {NULL, "{\"num_classes\": 5}", "{\"architecture\": \"densenetblur121d\"}"};
	const struct thaw_weights w = {.tensors = tensors, .count = sizeof(tensors) / sizeof(*tensors)};
	const struct thaw_architecture a = {.variant = "densenet", .w = &w};
	(void)state;
	for (int i = 0; i < 3; i++) {
		json_t *options = NULL, *config = configs[i] ? json_loads(configs[i], 0, NULL) : NULL;
		assert_int_equal(thaw_family_densenet.options(&options, &a, config, "file"),
				 i < 2 ? THAW_CONFIG : THAW_OK);
		assert_true(options ? i == 2 : strstr(thaw_error_message(), "blurred") != NULL);
		json_decref(options);
		json_decref(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_convnext),
		cmocka_unit_test(test_regnet),
		cmocka_unit_test(test_densenet),
		cmocka_unit_test(test_deep_densenet),
	};
	return cmocka_run_group_tests(tests, hub_setup, hub_teardown);
}
