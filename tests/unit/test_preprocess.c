/* Preprocessing from configuration files: the same input as timm and transformers make, or a refusal by name. */
#include "tests/scratch.h"

#include <jansson.h>
#include <math.h>

#include "src/data/transform.h"
#include "src/model/metadata.h"
#include "src/model/preprocess_config.h"
#include "tests/unit/pattern.h"
#include "thaw/model.h"

#define WIDTH    61
#define HEIGHT   47
#define LARGEST  384
#define ROUNDING 1e-3 /* of the values in the file, as a share of a value; and of single precision */

static float input[LARGEST * LARGEST * 3];

static thaw_status read_config(const struct scratch *folder, const char *file, const char *text,
			       struct thaw_preprocess *p, const char **from)
{
	char model[SCRATCH_PATH + 32];
	snprintf(model, sizeof(model), "%s/model.onnx", folder->path);
	scratch_put(scratch_file(folder, file), text, strlen(text));
	thaw_status status = thaw_preprocess_config_read(p, from, model);
	unlink(scratch_file(folder, file));
	return status;
}

static void check_values(const json_t *row, const struct thaw_preprocess *p)
{
	const json_t *values = json_object_get(row, "values");
	double step = json_number_value(json_object_get(row, "step"));
	size_t count = thaw_size_floats(p->size);
	size_t every = (size_t)json_integer_value(json_object_get(row, "every"));
	assert_int_equal(json_array_size(values), (count + every - 1) / every);
	for (size_t i = 0; i * every < count; i++) {
		double want = json_number_value(json_array_get(values, i)), got = (double)input[i * every];
		if (!(fabs(got - want) <= step * 1.01 + ROUNDING * fabs(want)))
			fail_msg("%s: value %zu is %g, not %g", json_string_value(json_object_get(row, "name")),
				 i * every, got, want);
	}
}

static void check_row(const struct scratch *folder, const json_t *row)
{
	struct thaw_preprocess p;
	const char *from = NULL, *name = json_string_value(json_object_get(row, "name"));
	const char *file = json_string_value(json_object_get(row, "file"));
	const char *text = json_string_value(json_object_get(row, "config"));
	if (read_config(folder, file, text, &p, &from) != THAW_OK)
		fail_msg("%s: %s", name, thaw_error_message());
	assert_string_equal(from, file);
	if (p.size.height != json_integer_value(json_object_get(row, "size")))
		fail_msg("%s: the size is %d", name, p.size);
	struct thaw_encoded_image image = thaw_encoded_image_from_pixels(pattern(WIDTH, HEIGHT));
	assert_int_equal(thaw_transform_eval(&image, &p, input), THAW_OK);
	thaw_encoded_image_free(&image);
	check_values(row, &p);
}

static void the_input_is_that_of_the_frameworks(void **state)
{
	json_t *rows = json_load_file("tests/golden/preprocess.json", 0, NULL), *row;
	size_t i;
	assert_true(json_array_size(rows) >= 30);
	json_array_foreach(rows, i, row) check_row(*state, row);
	json_decref(rows);
}

#define TYPE(name) "\"image_processor_type\":\"" name "ImageProcessor\""
#define VIT        TYPE("ViT") ",\"size\":{\"height\":32,\"width\":32}"
#define PLAIN      "\"size\":{\"height\":32,\"width\":32},\"image_mean\":[0,0,0],\"image_std\":[1,1,1],\"resample\":2"

static void what_cannot_be_done_is_refused_by_name(void **state)
{
	static const char hf[] = "preprocessor_config.json", timm[] = "config.json";
	static const char *const refused[][3] = {
		{timm, "{\"input_size\":[3,32,48]}", "\"input_size\": [3, 32, 48]"},
		{timm, "{\"input_size\":[1,32,32]}", "3 channels"},
		{timm, "{\"pretrained_cfg\":{\"input_size\":[3,32,32],\"crop_mode\":\"round\"}}",
		 "\"crop_mode\": \"round\""},
		{timm, "{\"input_size\":[3,32,32],\"interpolation\":\"cubist\"}", "\"interpolation\": \"cubist\""},
		{timm, "{\"input_size\":[3,32,32],\"crop_pct\":-1}", "\"crop_pct\": -1"},
		{timm, "{\"input_size\":[3,32,32],\"crop_pct\":1e-9}", "\"crop_pct\""},
		{timm, "{\"input_size\":[3,32,32],\"mean\":[0.5]}", "\"mean\": [0.5]"},
		{timm, "{\"input_size\":[3,32,32],\"std\":[1,0,1]}", "\"std\": [1, 0, 1]"},
		{timm, "{\"input_size\":[3,99999,99999]}", "\"input_size\""},
		{hf, "{" VIT ",\"do_pad\":true}", "\"do_pad\": true"},
		{hf, "{" VIT ",\"do_thumbnail\":true}", "\"do_thumbnail\": true"},
		{hf, "{" VIT ",\"do_align_long_axis\":true}", "\"do_align_long_axis\": true"},
		{hf, "{" VIT ",\"do_grayscale\":true}", "\"do_grayscale\": true"},
		{hf, "{" VIT ",\"do_color_quantize\":true}", "\"do_color_quantize\": true"},
		{hf, "{" VIT ",\"do_flip_channel_order\":true}", "\"do_flip_channel_order\": true"},
		{hf, "{" VIT ",\"rescale_offset\":true}", "\"rescale_offset\": true"},
		{hf, "{" VIT ",\"do_center_crop\":true}", "\"crop_size\": absent"},
		{hf, "{" VIT ",\"do_resize\":\"yes\"}", "\"do_resize\": \"yes\""},
		{hf, "{" VIT ",\"do_resize\":false}", "\"do_resize\": false"},
		{hf, "{" VIT ",\"resample\":6}", "\"resample\": 6"},
		{hf, "{" VIT ",\"rescale_factor\":0}", "\"rescale_factor\": 0"},
		{hf, "{" VIT ",\"image_std\":[1,1]}", "\"image_std\": [1, 1]"},
		{hf, "{" VIT ",\"keep_aspect_ratio\":true}", "\"keep_aspect_ratio\": true"},
		{hf, "{" TYPE("ViT") ",\"size\":{\"height\":32,\"width\":48}}", "\"size\": {\"height\": 32"},
		{hf, "{" TYPE("ViT") ",\"size\":{\"longest_edge\":32}}", "\"size\": {\"longest_edge\": 32}"},
		{hf, "{" TYPE("ViT") ",\"size\":{\"shortest_edge\":32}}", "\"do_center_crop\": absent"},
		{hf, "{" TYPE("CLIP") ",\"size\":{\"shortest_edge\":32,\"longest_edge\":64}}", "\"longest_edge\": 64"},
		{hf, "{" TYPE("ConvNext") ",\"size\":{\"height\":32,\"width\":32}}", "shortest_edge"},
		{hf, "{" TYPE("ConvNext") ",\"size\":32,\"crop_pct\":0}", "\"crop_pct\": 0"},
		{hf, "{" TYPE("MobileViT") ",\"do_normalize\":true}", "\"do_normalize\": true"},
		{hf, "{" TYPE("Perceiver") "}", "\"image_processor_type\": \"PerceiverImageProcessor\""},
		{hf, "{" TYPE("Unheard") "," PLAIN "}", "\"do_resize\": absent"},
		{hf, "{" PLAIN ",\"crop_size\":24}", "\"do_center_crop\": absent"},
		{hf, "{" PLAIN ",\"strange\":3}", "\"strange\": 3"},
		{hf, "{\"size\":32,\"image_mean\":[0,0,0],\"image_std\":[1,1,1],\"resample\":2}", "\"size\": 32"},
		{hf, "{}", "\"size\": absent"},
	};
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		struct thaw_preprocess p;
		const char *from = NULL;
		if (read_config(*state, refused[i][0], refused[i][1], &p, &from) != THAW_CONFIG)
			fail_msg("not refused: %s", refused[i][1]);
		if (!strstr(thaw_error_message(), refused[i][2]))
			fail_msg("%s: %s", refused[i][1], thaw_error_message());
		assert_non_null(strstr(thaw_error_message(), refused[i][0]));
	}
}

static void an_unknown_processor_that_says_all_is_obeyed(void **state)
{
	struct thaw_preprocess p;
	const char *from;
	static const char text[] =
		"{" TYPE("Unheard") "," PLAIN ",\"do_resize\":true,\"do_rescale\":true,\"do_normalize\":true}";
	assert_int_equal(read_config(*state, "preprocessor_config.json", text, &p, &from), THAW_OK);
	assert_true(p.size.height == 32 && p.mode == THAW_RESIZE_SQUASH && p.filter == THAW_BILINEAR);
}

static void the_processor_wins_over_the_network(void **state)
{
	struct thaw_preprocess p = {.size = {7, 7}};
	const char *from;
	static const char network[] = "{\"model_type\":\"vit\",\"image_size\":224}",
			  timm[] = "{\"input_size\":[3,24,24]}";
	assert_int_equal(read_config(*state, "config.json", network, &p, &from), THAW_OK);
	assert_true(!from && p.size.width == 7);
	scratch_put(scratch_file(*state, "config.json"), timm, sizeof(timm) - 1);
	assert_int_equal(read_config(*state, "preprocessor_config.json", "{" VIT "}", &p, &from), THAW_OK);
	assert_string_equal(from, "preprocessor_config.json");
	assert_int_equal(p.size.height, 32);
}

static void a_folder_onnx_has_its_configuration_above(void **state)
{
	struct scratch *folder = *state;
	char model[SCRATCH_PATH + 32];
	struct thaw_preprocess p;
	const char *from;
	snprintf(model, sizeof(model), "%s/onnx/model.onnx", folder->path);
	scratch_put(scratch_file(folder, "preprocessor_config.json"), "{" VIT "}", strlen("{" VIT "}"));
	assert_int_equal(thaw_preprocess_config_read(&p, &from, model), THAW_OK);
	assert_string_equal(from, "preprocessor_config.json");
	snprintf(model, sizeof(model), "%s/other/model.onnx", folder->path);
	assert_int_equal(thaw_preprocess_config_read(&p, &from, model), THAW_OK);
	assert_null(from);
}

static void metadata_have_all_of_it(void **state)
{
	(void)state;
	struct thaw_preprocess p = {.size = {48, 48}, .resize = 32, .filter = THAW_LANCZOS, .std = {1, 2, 3}}, read;
	p.mode = THAW_RESIZE_SQUASH;
	p.centre = THAW_CENTRE_DOWN;
	p.channels = THAW_BGR;
	char *text = NULL;
	assert_int_equal(thaw_metadata_write_preprocess(&text, &p), THAW_OK);
	assert_int_equal(thaw_metadata_read_preprocess(&read, text, "F"), THAW_OK);
	assert_memory_equal(&read, &p, sizeof(p));
	thaw_free(text);
}

/* A state dict without metadata takes the configuration beside it; with metadata, these. */
static void a_configuration_beside_a_state_dict_is_obeyed(void **state)
{
	struct scratch *folder = *state;
	static const char timm[] = "{\"pretrained_cfg\":{\"input_size\":[3,40,40],\"crop_mode\":\"squash\"}}";
	char path[SCRATCH_PATH + 32];
	struct thaw_model *m = NULL;
	assert_int_equal(thaw_model_load(&m, "cifar_resnet8", 10, 1), THAW_OK);
	snprintf(path, sizeof(path), "%s/model.safetensors", folder->path);
	assert_int_equal(thaw_model_save(m, path, false), THAW_OK);
	thaw_model_destroy(m);
	scratch_put(scratch_file(folder, "config.json"), timm, sizeof(timm) - 1);
	assert_int_equal(thaw_model_load(&m, path, 0, 0), THAW_OK);
	assert_string_equal(m->preprocess_from, "the model's metadata");
	thaw_model_destroy(m);

	size_t size;
	char *bytes = scratch_get(path, &size), *key = memmem(bytes, size, "thaw.preprocess", 15);
	assert_non_null(key);
	key[0] = 'T';
	scratch_put(path, bytes, size);
	free(bytes);
	assert_int_equal(thaw_model_load(&m, folder->path, 0, 0), THAW_OK);
	assert_string_equal(m->preprocess_from, "config.json");
	assert_true(m->preprocess.size.height == 40 && m->preprocess.mode == THAW_RESIZE_SQUASH);
	thaw_model_destroy(m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_input_is_that_of_the_frameworks),           TEST(what_cannot_be_done_is_refused_by_name),
		TEST(an_unknown_processor_that_says_all_is_obeyed),  TEST(the_processor_wins_over_the_network),
		TEST(a_folder_onnx_has_its_configuration_above),     TEST(metadata_have_all_of_it),
		TEST(a_configuration_beside_a_state_dict_is_obeyed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
