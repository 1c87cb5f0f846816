/* Directories of the Hub that Thaw writes, and hostile ones that it reads. */
#include "tests/unit/weights_fixture.h"

#include <jansson.h>
#include <sys/stat.h>

#include "src/model/hub_config.h"
#include "src/model/network_config.h"
#include "tests/unit/formula_weights.h"
#include "tests/unit/pth_writer.h"
#include "thaw/report.h"

#define VIT                                                                                                   \
	"\"model_type\": \"vit\", \"architectures\": [\"ViTForImageClassification\"], \"hidden_size\": 128, " \
	"\"num_attention_heads\": 2, \"image_size\": 64, \"patch_size\": 16"
#define TIMM_VIT                                                                                                 \
	"\"architecture\": \"vit_tiny_patch16_224\", \"num_features\": 128, \"model_args\": {\"num_heads\": 2, " \
	"\"img_size\": 64}"

static void put_text(const struct fixture *f, const char *name, const char *text)
{
	scratch_put(scratch_file(f->folder, name), text, strlen(text));
}

static struct thaw_shape shape_of(const json_t *list)
{
	struct thaw_shape shape = {.ndim = (int)json_array_size(list)};
	for (int i = 0; i < shape.ndim; i++)
		shape.dim[i] = json_integer_value(json_array_get(list, (size_t)i));
	return shape;
}

/* Writes the network of tests/golden/network_NAME.json as model.safetensors, and this config.json beside it. */
static void put_network(const struct fixture *f, const char *name, const char *config)
{
	char path[256];
	const char *tensor;
	json_t *value;
	struct thaw_weights w = {0};
	snprintf(path, sizeof(path), "tests/golden/network_%s.json", name);
	json_t *golden = json_load_file(path, 0, NULL), *tensors = json_object_get(golden, "tensors");
	w.tensors = calloc(json_object_size(tensors), sizeof(*w.tensors));
	json_object_foreach(tensors, tensor, value)
	{
		struct thaw_named_tensor *t = &w.tensors[w.count++];
		*t = (struct thaw_named_tensor){(char *)tensor, THAW_F32, shape_of(json_object_get(value, "shape")),
						NULL};
		float *values = calloc((size_t)thaw_shape_count(&t->shape), sizeof(*values));
		formula_weight(tensor, &t->shape, 1, values);
		t->data = values;
	}
	assert_true(w.count > 0);
	write_set(&w, scratch_file(f->folder, "model.safetensors"));
	put_text(f, "config.json", config);
	for (int i = 0; i < w.count; i++)
		free((void *)w.tensors[i].data);
	free(w.tensors);
	json_decref(golden);
}

/* Loads the folder, gives it three classes at 32 pixels, and stores it as a trained network would be, in trained. */
static struct thaw_model *retrain(const struct fixture *f)
{
	static char *const labels[] = {"cat", "dog", "m\303\274cke"};
	struct thaw_model *m = NULL;
	expect(thaw_model_load(&m, f->folder->path, 0, 0));
	expect(thaw_model_set_classes(m, 3, labels, 1));
	expect(thaw_model_set_size(m, thaw_square(32)));
	const char *path = scratch_file(f->folder, "trained.safetensors");
	expect(thaw_model_save(m, path, false));
	thaw_model_destroy(m);
	expect(thaw_model_load(&m, path, 0, 0));
	return m;
}

static json_t *read_json(const struct fixture *f, const char *name)
{
	json_t *object = json_load_file(scratch_file(f->folder, name), 0, NULL);
	assert_non_null(object);
	return object;
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static void test_transformers(void **state)
{
	struct fixture *f = *state;
	put_network(f, "vit_transformers",
		    "{" VIT ", \"id2label\": {\"0\": \"old\"}, \"label2id\": {\"old\": 0}, \"layer_norm_eps\": 1e-6}");
	struct thaw_model *m = retrain(f);
	assert_string_equal(thaw_model_hub_library(m), "transformers");
	expect(thaw_model_save_hub(m, scratch_file(f->folder, "hub"), "card\n", false));
	json_t *config = read_json(f, "hub/config.json"), *names = json_object_get(config, "id2label");
	json_t *processor = read_json(f, "hub/preprocessor_config.json");
	assert_int_equal(json_object_size(names), 3);
	assert_string_equal(text_at(names, "2"), "m\303\274cke");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(config, "label2id"), "dog")), 1);
	assert_int_equal(json_integer_value(json_object_get(config, "image_size")), 32);
	assert_string_equal(text_at(config, "problem_type"), "single_label_classification");
	assert_string_equal(text_at(config, "dtype"), "float32");
	assert_true(json_number_value(json_object_get(config, "layer_norm_eps")) == 1e-6);
	assert_string_equal(text_at(processor, "image_processor_type"), "ViTImageProcessor");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(processor, "size"), "height")), 32);
	json_decref(config);
	json_decref(processor);
	expect_model(scratch_file(f->folder, "hub"), NULL, m->digest, NULL);
	assert_int_equal(thaw_model_save_hub(m, scratch_file(f->folder, "hub"), "", false), THAW_CONFIG);
	expect_words(thaw_error_message(), "the folder is not empty");
	m->task = THAW_TASK_GRADE;
	assert_int_equal(thaw_model_save_hub(m, scratch_file(f->folder, "none"), "", false), THAW_CONFIG);
	expect_words(thaw_error_message(), "grades have one output less");
	thaw_model_destroy(m);
}

static void test_timm(void **state)
{
	struct fixture *f = *state;
	put_network(f, "vit",
		    "{" TIMM_VIT ", \"pretrained_cfg\": {\"tag\": \"x\", \"url\": \"y\", \"input_size\": [3, 64, 64], "
		    "\"fixed_input_size\": true, \"crop_pct\": 0.9, \"interpolation\": \"bicubic\", "
		    "\"test_input_size\": [3, 9, "
		    "9], \"license\": \"mit\", \"mean\": [0.5, 0.5, 0.5], \"std\": [0.25, 0.25, 0.25]}}");
	struct thaw_model *m = retrain(f);
	const int resize = m->preprocess.resize;
	assert_string_equal(thaw_model_hub_library(m), "timm");
	expect(thaw_model_save_hub(m, scratch_file(f->folder, "hub"), "card\n", true));
	json_t *config = read_json(f, "hub/config.json"), *pretrained = json_object_get(config, "pretrained_cfg");
	assert_string_equal(text_at(config, "architecture"), "vit_tiny_patch16_224");
	assert_int_equal(json_integer_value(json_object_get(config, "num_classes")), 3);
	assert_int_equal(json_array_size(json_object_get(config, "label_names")), 3);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(config, "model_args"), "img_size")), 32);
	assert_string_equal(text_at(pretrained, "license"), "mit");
	assert_string_equal(text_at(pretrained, "crop_mode"), "center");
	assert_null(json_object_get(pretrained, "url"));
	assert_null(json_object_get(pretrained, "test_input_size"));
	assert_int_equal((int)floor(32 / json_number_value(json_object_get(pretrained, "crop_pct"))), resize);
	assert_true(json_number_value(json_array_get(json_object_get(pretrained, "std"), 0)) == 0.25);
	json_decref(config);
	thaw_model_destroy(m);
}

/* A network of which no framework has a description. */
static void test_no_config(void **state)
{
	struct fixture *f = *state;
	struct thaw_model *m = NULL;
	expect(thaw_model_load(&m, scratch_file(f->folder, "whole.safetensors"), 0, 0));
	assert_null(thaw_model_hub_library(m));
	assert_int_equal(thaw_model_save_hub(m, scratch_file(f->folder, "hub"), "", false), THAW_CONFIG);
	expect_words(thaw_error_message(), "without a config.json");
	expect_words(thaw_error_message(), "--onnx");
	thaw_model_destroy(m);
	put_network(f, "vit_transformers",
		    "{\"model_type\": \"vit\", \"architectures\": [\"ViTModel\"], "
		    "\"num_attention_heads\": 2}");
	m = retrain(f);
	assert_int_equal(thaw_model_save_hub(m, scratch_file(f->folder, "hub"), "", false), THAW_CONFIG);
	expect_words(thaw_error_message(), "config.json names ViTModel");
	thaw_model_destroy(m);
}

/* All sizes that a crop and a resize may have are read again as they were. */
static void test_timm_crops(void **state)
{
	(void)state;
	struct thaw_preprocess p = {.mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}};
	json_t *pretrained = json_object();
	for (int size = 32; size < 600; size += 7) {
		for (int resize = size / 2; resize < 2 * size; resize++) {
			p.size = thaw_square(size);
			p.resize = resize;
			expect(thaw_hub_set_timm_preprocess(pretrained, &p));
			double share = json_number_value(json_object_get(pretrained, "crop_pct"));
			assert_int_equal((int)floor(size / share), resize);
		}
	}
	assert_true(json_number_value(json_array_get(json_object_get(pretrained, "mean"), 0)) == 0.485);
	json_decref(pretrained);
}

static void test_preprocess_refused(void **state)
{
	(void)state;
	json_t *made = json_object();
	struct thaw_preprocess p = {.size = {32, 64}, .resize = 32, .std = {1, 1, 1}};
	assert_int_equal(thaw_hub_processor(&made, &p), THAW_CONFIG);
	expect_words(thaw_error_message(), "only squares");
	p.size = thaw_square(32);
	p.channels = THAW_BGR;
	assert_int_equal(thaw_hub_set_timm_preprocess(made, &p), THAW_CONFIG);
	expect_words(thaw_error_message(), "BGR");
	p.channels = THAW_RGB;
	p.mode = THAW_RESIZE_BORDER;
	assert_int_equal(thaw_hub_processor(&made, &p), THAW_CONFIG);
	expect_words(thaw_error_message(), "borders");
	json_decref(made);
}

/* Each is refused by name, in little memory and time. */
static void test_hostile_configs(void **state)
{
	struct fixture *f = *state;
	static const char *const configs[][2] = {
		{"{\"model_type\": \"vit\", \"num_attention_heads\": 99999999999999}", "heads"},
		{"{\"model_type\": \"vit\", \"num_attention_heads\": -2}", "heads"},
		{"{\"model_type\": \"vit\", \"num_attention_heads\": 1.5}", "heads"},
		{"{\"model_type\": \"vit\", \"num_attention_heads\": [2]}", "heads"},
		{"{\"model_type\": \"vit\", \"num_attention_heads\": 2, \"layer_norm_eps\": -1}", "layer_norm_eps"},
		{"{\"model_type\": \"vit\", \"num_attention_heads\": 2, \"layer_norm_eps\": 1e999}", "config.json"},
		{"{\"model_type\": \"vit\", \"num_attention_heads\": 2, \"hidden_act\": 7}", "hidden_act"},
		{"{\"model_type\": \"alien\"}", "unknown network, alien"},
		{"{\"architecture\": \"alien_b0\"}", "unknown network, alien_b0"},
		{"{\"model_type\": [1]}", "model_type"},
		{"{\"model_type\": \"vit\", \"model_args\": 3}", "model_args"},
		{"{\"model_type\": \"alien\"", "invalid JSON"},
		{"[1]", "config.json"},
	};
	for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
		put_network(f, "vit_transformers", configs[i][0]);
		struct thaw_model *m = NULL;
		if (thaw_model_load(&m, f->folder->path, 0, 0) == THAW_OK)
			fail_msg("not refused: %s", configs[i][0]);
		expect_words(thaw_error_message(), configs[i][1]);
	}
	put_text(f, "config.json", "{\"model_type\": \"alien\"}");
	expect_refusal(f->folder->path, NULL, THAW_DATA, "known are resnet");
	expect_words(thaw_error_message(), "torch.onnx.export");
	char *deep = malloc(100001);
	memset(deep, '[', 100000);
	deep[100000] = '\0';
	put_text(f, "config.json", deep);
	expect_refusal(f->folder->path, NULL, THAW_DATA, "config.json");
	free(deep);
}

/* More layers than any network has, in a file of some MB. */
static void test_million_layers(void **state)
{
	struct fixture *f = *state;
	enum { LAYERS = 20000 };
	struct thaw_weights w = {.tensors = calloc(LAYERS, sizeof(*w.tensors)), .count = LAYERS};
	char *names = calloc(LAYERS, 64);
	static const float one = 1;
	for (int i = 0; i < LAYERS; i++) {
		snprintf(names + 64 * i, 64, "blocks.%d.attn.qkv.weight", i);
		w.tensors[i] = (struct thaw_named_tensor){names + 64 * i, THAW_F32, thaw_shape_of(1, 1), &one};
	}
	write_set(&w, scratch_file(f->folder, "model.safetensors"));
	put_text(f, "config.json", "{\"architecture\": \"vit_tiny_patch16_224\"}");
	expect_refusal(f->folder->path, NULL, THAW_DATA, "refused: ");
	expect_words(thaw_error_message(), "20000 tensors");
	free(names);
	free(w.tensors);
}

/* Whether the config.json was read beside the weights: its norms have another constant than the customary ones. */
static void expect_config(const char *spec)
{
	struct thaw_model *m = NULL;
	expect(thaw_model_load(&m, spec, 0, 0));
	assert_true(json_number_value(json_object_get(m->options, "epsilon")) == 0.125);
	assert_non_null(m->config);
	thaw_model_destroy(m);
}

#define CONFIG "{" VIT ", \"layer_norm_eps\": 0.125}"

/* Splits model.safetensors into one file for each half of the tensors, in this folder, with an index. */
static void split_weights(const struct fixture *f, const char *index, const char *const files[2])
{
	struct thaw_weights w = {0};
	char *map = thaw_strdup("{\"weight_map\": {");
	expect(thaw_weights_read(&w, scratch_file(f->folder, "model.safetensors")));
	for (int k = 0; k < 2; k++) {
		struct thaw_weights part = {.tensors = w.tensors + (k ? w.count / 2 : 0),
					    .count = k ? w.count - w.count / 2 : w.count / 2};
		if (strstr(files[k], ".bin")) {
			struct pth_writer pth = {0};
			pth_begin(&pth);
			pth_state_dict(&pth, &part, "");
			pth_end(&pth, scratch_file(f->folder, files[k]));
		} else {
			write_set(&part, scratch_file(f->folder, files[k]));
		}
		for (int i = 0; i < part.count; i++) {
			char *longer = thaw_format("%s%s\"%s\": \"%s\"", map, k || i ? ", " : "", part.tensors[i].name,
						   files[k]);
			thaw_free(map);
			map = longer;
		}
	}
	char *text = thaw_format("%s}}", map);
	put_text(f, index, text);
	thaw_free(text);
	thaw_free(map);
	thaw_weights_free(&w);
	unlink(scratch_file(f->folder, "model.safetensors"));
}

/* All ways to give a network of the Hub find its config.json. */
static void test_ways(void **state)
{
	struct fixture *f = *state;
	static const char *const files[2] = {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"};
	static const char *const pickles[2] = {"pytorch_model-1.bin", "pytorch_model-2.bin"};
	put_network(f, "vit_transformers", CONFIG);
	expect_config(f->folder->path);
	expect_config(scratch_file(f->folder, "model.safetensors"));
	split_weights(f, "model.safetensors.index.json", files);
	expect_config(f->folder->path);
	expect_config(scratch_file(f->folder, "model.safetensors.index.json"));
	unlink(scratch_file(f->folder, "model.safetensors.index.json"));
	put_network(f, "vit_transformers", CONFIG);
	split_weights(f, "pytorch_model.bin.index.json", pickles);
	expect_config(f->folder->path);
	expect_config(scratch_file(f->folder, "pytorch_model.bin.index.json"));
}

/* A repository in the Hub's cache, whose files are links to blobs. */
static void test_cache(void **state)
{
	struct fixture *f = *state;
	static const char *const folders[] = {"hub", "hub/refs", "hub/blobs", "hub/snapshots",
					      "hub/snapshots/0123abcd"};
	static const char *const files[] = {"config.json", "model.safetensors"};
	put_network(f, "vit_transformers", CONFIG);
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		assert_int_equal(mkdir(scratch_file(f->folder, folders[i]), 0700), 0);
	put_text(f, "hub/refs/main", "0123abcd");
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		char blob[64], link[64], target[64];
		snprintf(blob, sizeof(blob), "hub/blobs/%zu", i);
		snprintf(link, sizeof(link), "hub/snapshots/0123abcd/%s", files[i]);
		snprintf(target, sizeof(target), "../../blobs/%zu", i);
		char *from = thaw_strdup(scratch_file(f->folder, files[i]));
		assert_int_equal(rename(from, scratch_file(f->folder, blob)), 0);
		assert_int_equal(symlink(target, scratch_file(f->folder, link)), 0);
		thaw_free(from);
	}
	expect_config(scratch_file(f->folder, "hub"));
	expect_config(scratch_file(f->folder, "hub/snapshots/0123abcd"));
	expect_config(scratch_file(f->folder, "hub/snapshots/0123abcd/model.safetensors"));
}

/* Links to what is no file do not block, and fill no memory. */
static void test_hostile_links(void **state)
{
	struct fixture *f = *state;
	static const char *const targets[] = {"/dev/zero", "/dev/tty", "/proc/self/mem", "nowhere", "."};
	put_network(f, "vit_transformers", CONFIG);
	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		struct thaw_model *m = NULL;
		put_network(f, "vit_transformers", CONFIG);
		unlink(scratch_file(f->folder, "model.safetensors"));
		assert_int_equal(symlink(targets[i], scratch_file(f->folder, "model.safetensors")), 0);
		assert_int_not_equal(thaw_model_load(&m, f->folder->path, 0, 0), THAW_OK);
		unlink(scratch_file(f->folder, "model.safetensors"));
		put_network(f, "vit_transformers", CONFIG);
		unlink(scratch_file(f->folder, "config.json"));
		assert_int_equal(symlink(targets[i], scratch_file(f->folder, "config.json")), 0);
		assert_int_not_equal(thaw_model_load(&m, f->folder->path, 0, 0), THAW_OK);
		unlink(scratch_file(f->folder, "config.json"));
	}
	put_text(f, "config.json", CONFIG);
	unlink(scratch_file(f->folder, "model.safetensors"));
	assert_int_equal(mkfifo(scratch_file(f->folder, "a.safetensors"), 0600), 0);
	put_text(f, "model.safetensors.index.json", "{\"weight_map\": {\"w\": \"a.safetensors\"}}");
	expect_refusal(f->folder->path, NULL, THAW_DATA, "a.safetensors");
}

/* A record that is too large is not written, and not read. */
static void test_record(void **state)
{
	(void)state;
	json_t *config = json_pack("{s:s, s:{s:s}}", "model_type", "vit", "id2label", "0", "x"), *record = NULL;
	char *text = malloc(70001);
	expect(thaw_network_config_record(&record, config));
	assert_int_equal(json_object_size(record), 1);
	json_decref(record);
	memset(text, 'x', 70000);
	text[70000] = '\0';
	json_object_set_new(config, "note", json_string(text));
	expect(thaw_network_config_record(&record, config));
	assert_null(record);
	assert_int_equal(thaw_network_config_read_record(&record, text, "file"), THAW_DATA);
	assert_int_equal(thaw_network_config_read_record(&record, "[]", "file"), THAW_DATA);
	expect_words(thaw_error_message(), "thaw.config: file");
	json_decref(config);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_transformers),
		TEST(test_timm),
		TEST(test_no_config),
		TEST(test_timm_crops),
		TEST(test_preprocess_refused),
		TEST(test_hostile_configs),
		TEST(test_million_layers),
		TEST(test_record),
		TEST(test_ways),
		TEST(test_cache),
		TEST(test_hostile_links),
	};
	return cmocka_run_group_tests_name("hub_export", tests, NULL, NULL);
}
