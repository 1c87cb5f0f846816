/* Values of timm's config.json that the tensors do not show: what is not understood is refused by its key. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

#include "src/model/family.h"

#define COUNT(list) ((int)(sizeof(list) / sizeof(*(list))))

/* config: NULL: there is none. refusal: NULL: there is none. */
static void reads(const struct thaw_family *family, struct thaw_named_tensor *tensors, int count, const char *config,
		  const char *refusal)
{
	const struct thaw_weights w = {.tensors = tensors, .count = count};
	const struct thaw_architecture a = {.variant = family->variants[0], .w = &w};
	json_t *options = NULL, *object = config ? json_loads(config, 0, NULL) : NULL;
	assert_non_null(family->recognise(&w));
	assert_int_equal(family->options(&options, &a, object, "file"), refusal ? THAW_CONFIG : THAW_OK);
	if (refusal && !strstr(thaw_error_message(), refusal))
		fail_msg("%s: does not name %s", thaw_error_message(), refusal);
	json_decref(options);
	json_decref(object);
}

static void test_densenet(void **state)
{
	struct thaw_named_tensor tensors[] = {
		{.name = "features.conv0.weight", .shape = {4, {8, 3, 3, 3}}},
		{.name = "features.conv1.weight", .shape = {4, {8, 8, 3, 3}}},
		{.name = "features.conv2.weight", .shape = {4, {8, 8, 3, 3}}},
		{.name = "features.denseblock1.denselayer1.conv1.weight", .shape = {4, {4, 8, 1, 1}}},
		{.name = "features.denseblock1.denselayer1.conv2.weight", .shape = {4, {4, 4, 3, 3}}},
	};
	const struct thaw_family *f = &thaw_family_densenet;
	(void)state;
	reads(f, tensors, COUNT(tensors), NULL, "blurred");
	reads(f, tensors, COUNT(tensors), "{\"num_classes\": 5}", "blurred");
	reads(f, tensors, COUNT(tensors), "{\"architecture\": \"densenetblur121d\"}", NULL);
}

static void test_convnext(void **state)
{
	struct thaw_named_tensor tensors[] = {
		{.name = "stem.0.weight", .shape = {4, {8, 3, 4, 4}}},
		{.name = "stages.0.blocks.0.conv_dw.weight", .shape = {4, {8, 1, 7, 7}}},
		{.name = "stages.0.blocks.0.norm.weight", .shape = {1, {8}}},
		{.name = "stages.0.blocks.0.norm.bias", .shape = {1, {8}}},
		{.name = "stages.0.blocks.0.mlp.fc1.weight", .shape = {2, {32, 8}}},
	};
	const struct thaw_family *f = &thaw_family_convnext;
	(void)state;
#define ARGUMENTS(arguments) "{\"architecture\": \"convnext_atto\", \"model_args\": {" arguments "}}"
	reads(f, tensors, COUNT(tensors), ARGUMENTS("\"norm_eps\": 1e-5, \"act_layer\": null"), NULL);
	reads(f, tensors, COUNT(tensors), ARGUMENTS("\"norm_eps\": null"), NULL);
	reads(f, tensors, COUNT(tensors), ARGUMENTS("\"norm_eps\": \"1e-5\""), "norm_eps");
	reads(f, tensors, COUNT(tensors), ARGUMENTS("\"act_layer\": 1"), "act_layer");
#undef ARGUMENTS
}

static void test_regnet(void **state)
{
	struct thaw_named_tensor tensors[] = {
		{.name = "stem.conv.weight", .shape = {4, {8, 3, 3, 3}}},
		{.name = "s1.b1.conv1.conv.weight", .shape = {4, {8, 8, 1, 1}}},
		{.name = "s1.b1.conv2.conv.weight", .shape = {4, {8, 8, 3, 3}}},
		{.name = "s1.b1.conv2.bn.running_var", .shape = {1, {8}}},
		{.name = "s1.b1.conv3.conv.weight", .shape = {4, {8, 8, 1, 1}}},
	};
	const struct thaw_family *f = &thaw_family_regnet;
	(void)state;
#define ARGUMENTS(arguments) "{\"architecture\": \"regnetz_005\", \"model_args\": {" arguments "}}"
	reads(f, tensors, COUNT(tensors), ARGUMENTS("\"linear_out\": false"), NULL);
	reads(f, tensors, COUNT(tensors), ARGUMENTS("\"linear_out\": 1"), "linear_out");
#undef ARGUMENTS
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_densenet),
		cmocka_unit_test(test_convnext),
		cmocka_unit_test(test_regnet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
