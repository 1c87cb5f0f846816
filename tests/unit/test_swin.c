/* Swin Transformers: what config.json and names say of their windows, what is refused, buffers in files, and
 * torchvision's names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/model/family.h"
#include "src/model/model_internal.h"
#include "thaw/executor.h"
#include "thaw/memory.h"

enum {
	SIDE = 16,
	WINDOW = 2,
	CHANNELS = 4,
	TOKENS = WINDOW * WINDOW,
	POSITIONS = 9,
	BLOCKS = 2,
	STAGES = 2,
	CLASSES = 3
};

#define TABLE "attn.relative_position_bias_table"

static void expect(thaw_status status)
{
	if (status != THAW_OK)
		fail_msg("%s", thaw_error_message());
}

/* A state dict of a small network: 4 channels, a head of attention and two blocks in each of two stages. */
struct file {
	struct thaw_weights w;
	struct thaw_named_tensor tensors[128];
};

/* Values that the place in the file decides, so that files with other names have the same. */
static void add(struct file *f, const char *name, const struct thaw_shape *shape)
{
	const int64_t count = thaw_shape_count(shape);
	float *values = thaw_alloc((size_t)count, sizeof(*values));
	assert_non_null(values);
	for (int64_t i = 0; i < count; i++)
		values[i] = 0.4f * (float)sin((double)(i + 1) * (f->w.count + 2));
	assert_true(f->w.count < 128);
	f->tensors[f->w.count++] = (struct thaw_named_tensor){thaw_strdup(name), THAW_F32, *shape, values};
	f->w.tensors = f->tensors;
}

static void add_layer(struct file *f, const char *block, const char *layer, const struct thaw_shape *weight)
{
	char name[128];
	snprintf(name, sizeof(name), "%s%s.weight", block, layer);
	add(f, name, weight);
	snprintf(name, sizeof(name), "%s%s.bias", block, layer);
	add(f, name, &thaw_shape_of(weight->dim[0]));
}

static void add_block(struct file *f, const char *block, int64_t c, bool timm, const char *bias)
{
	char name[128];
	add_layer(f, block, "norm1", &thaw_shape_of(c));
	snprintf(name, sizeof(name), "%s%s", block, bias);
	add(f, name, &thaw_shape_of(POSITIONS, 1));
	add_layer(f, block, "attn.qkv", &thaw_shape_of(3 * c, c));
	add_layer(f, block, "attn.proj", &thaw_shape_of(c, c));
	add_layer(f, block, "norm2", &thaw_shape_of(c));
	add_layer(f, block, timm ? "mlp.fc1" : "mlp.0", &thaw_shape_of(8, c));
	add_layer(f, block, timm ? "mlp.fc2" : "mlp.3", &thaw_shape_of(c, 8));
}

/* bias: the tensor of the blocks that shows the version. */
static void make_file(struct file *f, bool timm, const char *bias)
{
	*f = (struct file){0};
	add_layer(f, "", timm ? "patch_embed.proj" : "features.0.0", &thaw_shape_of(CHANNELS, 3, 4, 4));
	add_layer(f, "", timm ? "patch_embed.norm" : "features.0.2", &thaw_shape_of(CHANNELS));
	for (int i = 0; i < STAGES; i++) {
		for (int j = 0; j < BLOCKS; j++) {
			char block[64];
			snprintf(block, sizeof(block), timm ? "layers.%d.blocks.%d." : "features.%d.%d.",
				 timm ? i : 2 * i + 1, j);
			add_block(f, block, CHANNELS << i, timm, bias);
		}
		if (i > 0)
			continue;
		const char *merge = timm ? "layers.1.downsample." : "features.2.";
		add_layer(f, merge, "norm", &thaw_shape_of(4 * CHANNELS));
		char name[64];
		snprintf(name, sizeof(name), "%sreduction.weight", merge);
		add(f, name, &thaw_shape_of(2 * CHANNELS, 4 * CHANNELS));
	}
	add_layer(f, "", "norm", &thaw_shape_of(2 * CHANNELS));
	add_layer(f, "", timm ? "head.fc" : "head", &thaw_shape_of(CLASSES, 2 * CHANNELS));
}

static void free_file(struct file *f)
{
	for (int i = 0; i < f->w.count; i++) {
		thaw_free(f->tensors[i].name);
		thaw_free((void *)f->tensors[i].data);
	}
}

/* The options of the file with this configuration and name; NULL with the error's message. */
static json_t *options_of(const struct file *f, const char *config, const char *variant)
{
	json_t *options = NULL, *read = config ? json_loads(config, 0, NULL) : NULL;
	const struct thaw_architecture a = {.variant = variant, .w = &f->w};
	assert_true(read || !config);
	thaw_status status = thaw_family_swin.options(&options, &a, read, "model.safetensors");
	assert_int_equal(status, options ? THAW_OK : THAW_CONFIG);
	json_decref(read);
	return options;
}

static void has_options(const struct file *f, const char *config, const char *variant, const char *wanted)
{
	json_t *options = options_of(f, config, variant);
	if (!options)
		fail_msg("%s", thaw_error_message());
	char *text = json_dumps(options, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(6));
	assert_string_equal(text, wanted);
	free(text);
	json_decref(options);
}

static void refuses(const struct file *f, const char *config, const char *variant, const char *part)
{
	json_t *options = options_of(f, config, variant);
	assert_null(options);
	if (!strstr(thaw_error_message(), part))
		fail_msg("%s: does not name %s", thaw_error_message(), part);
}

#define ARGUMENTS(arguments) "{\"architecture\": \"swin_s3_tiny_224\", \"model_args\": {" arguments "}}"

#define OPTIONS(act, epsilon, pretrained, side, windows)                                                    \
	"{\"act\":\"" act "\",\"epsilon\":" epsilon ",\"pretrained_windows\":" pretrained ",\"side\":" side \
	",\"windows\":" windows "}"

static void test_options(void **state)
{
	struct file f;
	(void)state;
	make_file(&f, true, TABLE);
	has_options(&f, NULL, "swin", OPTIONS("gelu", "1e-5", "[0,0]", "16", "[2,2]"));
	has_options(&f, "{\"architecture\": \"swin_tiny_patch4_window7_224.ms_in1k\"}", "swin",
		    OPTIONS("gelu", "1e-5", "[0,0]", "224", "[2,2]"));
	has_options(&f, "{\"architecture\": \"swin_s3_tiny_224\", \"pretrained_cfg\": {\"input_size\": [3, 64, 64]}}",
		    "swin", OPTIONS("gelu", "1e-5", "[0,0]", "64", "[2,2]"));
	has_options(&f, ARGUMENTS("\"img_size\": [32, 32], \"window_size\": [[2, 2], 4], \"drop_path_rate\": 0.1"),
		    "swin", OPTIONS("gelu", "1e-5", "[0,0]", "32", "[2,4]"));
	has_options(&f, "{\"model_type\": \"swin\", \"layer_norm_eps\": 0.001, \"hidden_act\": \"relu\"}", "swin",
		    OPTIONS("relu", "0.001", "[0,0]", "224", "[7,7]"));
	refuses(&f, ARGUMENTS("\"window_size\": [2, 4]"), "swin", "window_size");
	refuses(&f, ARGUMENTS("\"img_size\": [32, 64]"), "swin", "img_size");
	refuses(&f, ARGUMENTS("\"always_partition\": true"), "swin", "always_partition");
	refuses(&f, ARGUMENTS("\"norm_layer\": \"rmsnorm\""), "swin", "norm_layer");
	refuses(&f, "{\"architecture\": \"swin_s3_tiny_224\", \"global_pool\": \"max\"}", "swin", "global_pool");
	refuses(&f, "{\"architecture\": \"swinv2_tiny_window8_256\"}", "swin", "swinv2_tiny");
	refuses(&f, "{\"model_type\": \"swin\", \"use_absolute_embeddings\": true}", "swin", "absolute");
	refuses(&f, NULL, "swinv2_tiny_window8_256", "other version");
	free_file(&f);
}

/* The windows of the second version. */
static void test_options_v2(void **state)
{
	struct file f;
	(void)state;
	make_file(&f, true, "attn.logit_scale");
	refuses(&f, NULL, "swinv2", "do not show the windows");
	has_options(&f, NULL, "swinv2_tiny_window16_256", OPTIONS("gelu", "1e-5", "[0,0]", "256", "[16,16]"));
	has_options(&f, "{\"architecture\": \"swinv2_base_window12to24_192to384.ms_in22k_ft_in1k\"}", "swinv2",
		    OPTIONS("gelu", "1e-5", "[12,12]", "384", "[24,24]"));
	has_options(&f,
		    "{\"model_type\": \"swinv2\", \"image_size\": 64, \"window_size\": 4, "
		    "\"pretrained_window_sizes\": [3, 2, 1]}",
		    "swinv2", OPTIONS("gelu", "1e-5", "[3,2]", "64", "[4,4]"));
	free_file(&f);
}

/* Logits of one image. The model is destroyed. */
static void run(struct thaw_model *m, float logits[CLASSES])
{
	const struct thaw_shape image = thaw_shape_of(1, SIDE, SIDE, 3);
	struct thaw_executor *executor = NULL;
	expect(thaw_graph_unfreeze(m->graph, "none"));
	expect(thaw_executor_create(&executor, m->graph, &image, THAW_WHOLE, false));
	float *input = thaw_executor_input(executor);
	for (int i = 0; i < SIDE * SIDE * 3; i++)
		input[i] = (float)cos(0.7 * i);
	memcpy(logits, thaw_executor_forward(executor, 1, NULL), CLASSES * sizeof(*logits));
	thaw_executor_destroy(executor);
	thaw_model_destroy(m);
}

static struct thaw_model *load(struct file *f, const char *source)
{
	struct thaw_model *m = NULL;
	expect(thaw_model_from_weights(&m, &f->w, &(struct thaw_weights_request){.source = source}));
	return m;
}

/* The number of tensors in the file that Thaw writes. */
static int count_saved(const struct thaw_model *m)
{
	char path[] = "/tmp/thaw_swin_XXXXXX";
	struct thaw_weights w;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	expect(thaw_model_save(m, path, false));
	expect(thaw_weights_read(&w, path));
	const int count = w.count;
	thaw_weights_free(&w);
	unlink(path);
	return count;
}

/* torchvision's files must have the indices of relative positions. */
static void add_indices(struct file *f)
{
	for (int i = 0; i < STAGES * BLOCKS; i++) {
		char name[64];
		const int64_t width = 2 * WINDOW - 1;
		snprintf(name, sizeof(name), "features.%d.%d.attn.relative_position_index", 2 * (i / BLOCKS) + 1,
			 i % BLOCKS);
		add(f, name, &thaw_shape_of(TOKENS * TOKENS));
		struct thaw_named_tensor *t = &f->tensors[f->w.count - 1];
		thaw_free((void *)t->data);
		int64_t *index = thaw_alloc(TOKENS * TOKENS, sizeof(*index));
		for (int k = 0; k < TOKENS * TOKENS; k++) {
			const int64_t a = k / TOKENS, b = k % TOKENS;
			index[k] = (a / WINDOW - b / WINDOW + 1) * width + a % WINDOW - b % WINDOW + 1;
		}
		t->dtype = THAW_I64;
		t->data = index;
	}
}

/* The same network under both names; buffers of timm's older files are passed over. */
static void test_names(void **state)
{
	struct file timm, torchvision;
	float logits[2][CLASSES];
	(void)state;
	make_file(&timm, true, TABLE);
	make_file(&torchvision, false, TABLE);
	const int tensors = timm.w.count;
	add(&timm, "layers.0.blocks.1.attn_mask", &thaw_shape_of(4, TOKENS, TOKENS));
	add(&timm, "layers.0.blocks.0.attn.relative_position_index", &thaw_shape_of(TOKENS, TOKENS));
	add_indices(&torchvision);
	struct thaw_model *a = load(&timm, "timm"), *b = load(&torchvision, "torchvision");
	assert_int_equal(count_saved(a), tensors);
	assert_int_equal(count_saved(b), torchvision.w.count);
	assert_int_equal(thaw_model_set_size(a, thaw_square(2 * SIDE)), THAW_CONFIG);
	assert_non_null(strstr(thaw_error_message(), "16 x 16 only"));
	run(a, logits[0]);
	run(b, logits[1]);
	for (int i = 0; i < CLASSES; i++)
		assert_true(fabsf(logits[0][i] - logits[1][i]) < 1e-6f && fabsf(logits[0][i]) > 1e-3f);
	free_file(&timm);
	free_file(&torchvision);
}

/* A file with a tensor that no network has. */
static void test_other_tensor(void **state)
{
	struct file f;
	struct thaw_model *m = NULL;
	(void)state;
	make_file(&f, true, TABLE);
	add(&f, "layers.0.blocks.0.attn.gate", &thaw_shape_of(CHANNELS));
	assert_int_equal(thaw_model_from_weights(&m, &f.w, &(struct thaw_weights_request){.source = "gated"}),
			 THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "attn.gate"));
	free_file(&f);
}

/* A file of another network, and random networks. */
static void test_variants(void **state)
{
	struct file f = {0};
	struct thaw_model *m = NULL;
	(void)state;
	add_layer(&f, "", "conv1", &thaw_shape_of(8, 3, 7, 7));
	refuses(&f, NULL, "swin", "not those of a Swin");
	free_file(&f);
	expect(thaw_model_load(&m, "swinv2", 5, 1));
	assert_int_equal(m->preprocess.size.height, 256);
	thaw_model_destroy(m);
	expect(thaw_model_load(&m, "swin", 5, 1));
	assert_int_equal(m->preprocess.size.height, 224);
	thaw_model_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),      cmocka_unit_test(test_options_v2), cmocka_unit_test(test_names),
		cmocka_unit_test(test_other_tensor), cmocka_unit_test(test_variants),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
