/* Loading and saving models, and the messages for invalid files. */
#include <stdint.h>

#include "src/model/model_internal.h"
#include "tests/scratch.h"
#include "thaw/memory.h"

#define NETWORK "cifar_resnet8"

static void expect(thaw_status status)
{
	if (status != THAW_OK)
		fail_msg("%s", thaw_error_message());
}

/* The call returned `wanted`, and the message contains `words`. */
static void expect_failure(thaw_status status, thaw_status wanted, const char *words)
{
	assert_int_equal(status, wanted);
	if (!strstr(thaw_error_message(), words))
		fail_msg("\"%s\" does not say \"%s\"", thaw_error_message(), words);
}

static struct thaw_model *load(const char *spec)
{
	struct thaw_model *m = NULL;
	expect(thaw_model_load(&m, spec, 0, 1));
	return m;
}

static void assert_same_preprocess(const struct thaw_preprocess *a, const struct thaw_preprocess *b)
{
	assert_true(thaw_size_equal(a->size, b->size));
	assert_int_equal(a->resize, b->resize);
	assert_int_equal(a->filter, b->filter);
	assert_memory_equal(a->mean, b->mean, sizeof(a->mean));
	assert_memory_equal(a->std, b->std, sizeof(a->std));
}

/* Variants are built with random weights, saved, recognised by their tensors and loaded. test_networks covers the large
 * variants. */
static void a_saved_network_is_recognised(void **state)
{
	static const char *const variants[] = {"resnet18",           "mobilenet_v2",  "efficientnet_lite0",
					       "efficientnet_lite1", "cifar_resnet8", "cifar_resnet20"};
	for (size_t i = 0; i < sizeof(variants) / sizeof(*variants); i++) {
		const char *path = scratch_file(*state, "model.safetensors");
		struct thaw_model *m = load(variants[i]);
		expect(thaw_model_save(m, path, false));
		struct thaw_weights w = {0};
		const char *variant = NULL;
		expect(thaw_weights_read(&w, path));
		assert_non_null(thaw_family_recognise(&w, NULL, &variant));
		assert_string_equal(variant, variants[i]);
		thaw_weights_free(&w);

		struct thaw_model *again = load(path);
		assert_string_equal(again->variant, m->variant);
		assert_true(again->digest == m->digest);
		assert_true(again->pretrained && !m->pretrained);
		assert_null(again->labels);
		assert_same_preprocess(&again->preprocess, &m->preprocess);
		thaw_model_destroy(again);
		thaw_model_destroy(m);
	}
}

static void variants_are_distinguished(void **state)
{
	static const char *const variants[] = {"resnet34",           "resnet50",           "resnet101",
					       "efficientnet_lite2", "efficientnet_lite3", "efficientnet_lite4"};
	(void)state;
	for (size_t i = 0; i < sizeof(variants) / sizeof(*variants); i++) {
		struct thaw_model *m = load(variants[i]);
		struct thaw_weights w = {.tensors = thaw_alloc((size_t)m->graph->param_count, sizeof(*w.tensors))};
		for (; w.count < m->graph->param_count; w.count++) {
			const struct thaw_param *p = &m->graph->params[w.count];
			w.tensors[w.count] = (struct thaw_named_tensor){p->name, THAW_F32, p->file_shape, p->data};
		}
		const char *variant = NULL;
		assert_non_null(thaw_family_recognise(&w, NULL, &variant));
		assert_string_equal(variant, variants[i]);
		thaw_free(w.tensors);
		thaw_model_destroy(m);
	}
}

/* Loads weights with the names and shapes of timm's efficientnet_lite0, as from a file `source`. */
static thaw_status load_timm_lite0(struct thaw_model **model, const char *source, const char *variant)
{
	struct thaw_model *m = load("tf_efficientnet_lite0");
	struct thaw_weights w = {.tensors = thaw_alloc((size_t)m->graph->param_count, sizeof(*w.tensors))};
	for (; w.count < m->graph->param_count; w.count++) {
		const struct thaw_param *p = &m->graph->params[w.count];
		w.tensors[w.count] = (struct thaw_named_tensor){p->name, THAW_F32, p->file_shape, p->data};
	}
	const struct thaw_weights_request request = {.source = source, .variant = variant};
	*model = NULL;
	thaw_status status = thaw_model_from_weights(model, &w, &request);
	thaw_free(w.tensors);
	thaw_model_destroy(m);
	return status;
}

/* Two networks of timm have the same tensors; test_networks compares them with timm. */
static void a_name_tells_networks_of_the_same_tensors_apart(void **state)
{
	static const struct {
		const char *source, *given, *architecture, *variant; /* variant NULL: refused */
		float mean;
	} cases[] = {
		{"tf_efficientnet_lite0.in1k.pth", NULL, NULL, "tf_efficientnet_lite0", 0.5f},
		{"efficientnet_lite0_ra-37913777.pth", NULL, NULL, "efficientnet_lite0_symmetric", 0.485f},
		{"model.safetensors", NULL, "tf_efficientnet_lite0", "tf_efficientnet_lite0", 0.5f},
		{"model.safetensors", NULL, "efficientnet_lite0", "efficientnet_lite0_symmetric", 0.485f},
		{"efficientnet_lite0.pth", NULL, "tf_efficientnet_lite0", "tf_efficientnet_lite0", 0.5f},
		{"model.safetensors", "efficientnet_lite0", NULL, "efficientnet_lite0_symmetric", 0.485f},
		{"model.safetensors", "tf_efficientnet_lite0", NULL, "tf_efficientnet_lite0", 0.5f},
		{"efficientnet_lite0.pth", "tf_efficientnet_lite0", NULL, "tf_efficientnet_lite0", 0.5f},
		{"model.safetensors", NULL, NULL, NULL, 0},
		{"efficientnet_lite4.pth", NULL, NULL, NULL, 0},
		{"model.safetensors", NULL, "resnet18", NULL, 0},
	};
	char config[1024];
	snprintf(config, sizeof(config), "%s", scratch_file(*state, "config.json"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct thaw_model *m = NULL;
		remove(config);
		if (cases[i].architecture) {
			FILE *f = fopen(config, "w");
			assert_non_null(f);
			fprintf(f, "{\"architecture\": \"%s\"}", cases[i].architecture);
			assert_int_equal(fclose(f), 0);
		}
		thaw_status status = load_timm_lite0(&m, scratch_file(*state, cases[i].source), cases[i].given);
		if (cases[i].variant) {
			expect(status);
			assert_string_equal(m->variant, cases[i].variant);
			assert_true(m->preprocess.mean[0] == cases[i].mean);
		} else {
			expect_failure(status, THAW_CONFIG,
				       cases[i].architecture ? "resnet18" : "--model tf_efficientnet_lite0:FILE");
		}
		thaw_model_destroy(m);
	}
	remove(config);
}

/* A file that Thaw wrote says which of them it is, whatever its name is. */
static void the_variant_is_recorded(void **state)
{
	const char *path = scratch_file(*state, "tf_efficientnet_lite0.safetensors");
	struct thaw_model *m = load("efficientnet_lite0_symmetric"), *again = NULL;
	expect(thaw_model_save(m, path, false));
	thaw_model_destroy(m);
	m = load(path);
	assert_string_equal(m->variant, "efficientnet_lite0_symmetric");
	thaw_model_destroy(m);

	char spec[1024];
	snprintf(spec, sizeof(spec), "efficientnet_lite0:%s", path);
	m = load(spec);
	assert_string_equal(m->variant, "efficientnet_lite0_symmetric");
	thaw_model_destroy(m);
	snprintf(spec, sizeof(spec), "tf_efficientnet_lite0:%s", path);
	expect_failure(thaw_model_load(&again, spec, 0, 1), THAW_CONFIG, "efficientnet_lite0_symmetric, not tf_");
}

static void labels_and_preprocessing_are_saved(void **state)
{
	const char *path = scratch_file(*state, "tuned.safetensors");
	char *labels[] = {"daisy", "\xe2\x9c\xbf \"rose\"", "tulip"};
	struct thaw_model *m = load(NETWORK);
	m->preprocess = (struct thaw_preprocess){
		.size = {48, 48},
		.resize = 56,
		.filter = THAW_BICUBIC,
		.mean = {127.0f / 255.0f, 0.0f, 1.0f / 3.0f},
		.std = {128.0f / 255.0f, 1.0f, 0.1f},
	};
	expect(thaw_model_set_classes(m, 3, labels, 7));
	expect(thaw_model_save(m, path, false));

	struct thaw_model *again = load(path);
	assert_int_equal(again->classes, 3);
	for (int i = 0; i < 3; i++)
		assert_string_equal(again->labels[i], labels[i]);
	assert_same_preprocess(&again->preprocess, &m->preprocess);

	/* The classifier is kept for the same labels and replaced for others. */
	const int head = again->graph->nodes[again->graph->head].params[0];
	float before = again->graph->params[head].data[0];
	expect(thaw_model_set_classes(again, 3, labels, 8));
	assert_true(again->graph->params[head].data[0] == before);
	labels[0] = "oxeye";
	expect(thaw_model_set_classes(again, 3, labels, 8));
	assert_false(again->graph->params[head].data[0] == before);
	thaw_model_destroy(again);
	thaw_model_destroy(m);
}

/* That outputs are independent is kept in both formats, until the network is trained as a softmax. */
static void the_meaning_of_outputs_is_saved(void **state)
{
	const char *const names[] = {"s.safetensors", "s.onnx"};
	struct thaw_model *m = load(NETWORK);
	const float logits[] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
	char *labels[] = {"a", "b"};
	float p[10];
	thaw_model_probabilities(m, logits, 1, p);
	assert_float_equal(p[3], 0.1, 1e-7);
	m->sigmoid_from = "the test";
	thaw_model_probabilities(m, logits, 1, p);
	assert_float_equal(p[3], 0.5, 1e-7);
	for (size_t i = 0; i < 2; i++) {
		const char *path = scratch_file(*state, names[i]);
		expect(i ? thaw_model_save_onnx(m, path, false) : thaw_model_save(m, path, false));
		struct thaw_model *again = load(path);
		assert_string_equal(again->sigmoid_from, "the model's metadata");
		expect(thaw_model_set_classes(again, 2, labels, 1));
		assert_null(again->sigmoid_from);
		thaw_model_destroy(again);
	}
	thaw_model_destroy(m);
}

static void transformers_says_that_outputs_are_independent(void **state)
{
	static const char single[] = "{\"problem_type\": \"single_label_classification\"}";
	static const char multi[] = "{\"problem_type\": \"multi_label_classification\"}";
	struct thaw_model *m = load(NETWORK);
	const char *path = scratch_file(*state, "network.onnx");
	expect(thaw_model_read_problem_type(m, path));
	assert_null(m->sigmoid_from);
	scratch_put(scratch_file(*state, "config.json"), single, sizeof(single) - 1);
	expect(thaw_model_read_problem_type(m, path));
	assert_null(m->sigmoid_from);
	scratch_put(scratch_file(*state, "config.json"), multi, sizeof(multi) - 1);
	expect(thaw_model_read_problem_type(m, path));
	assert_non_null(m->sigmoid_from);
	thaw_model_destroy(m);
}

static void half_precision_is_close(void **state)
{
	const char *path = scratch_file(*state, "half.safetensors");
	struct thaw_model *m = load(NETWORK);
	expect(thaw_model_save(m, path, true));
	struct thaw_model *again = load(path);
	for (int i = 0; i < m->graph->param_count; i++) {
		const struct thaw_param *a = &m->graph->params[i], *b = &again->graph->params[i];
		for (int64_t k = 0; k < thaw_shape_count(&a->shape); k++)
			assert_float_equal(a->data[k], b->data[k], 1e-3f);
	}
	thaw_model_destroy(again);
	thaw_model_destroy(m);
}

static void a_run_directory_is_a_model(void **state)
{
	struct scratch *s = *state;
	struct thaw_model *m = load(NETWORK);
	expect(thaw_model_save(m, scratch_file(s, "model.safetensors"), false));
	struct thaw_model *again = load(s->path);
	assert_true(again->digest == m->digest);
	thaw_model_destroy(again);
	thaw_model_destroy(m);
}

static void random_weights_depend_on_the_seed(void **state)
{
	(void)state;
	struct thaw_model *m[3] = {NULL};
	expect(thaw_model_load(&m[0], NETWORK, 4, 1));
	expect(thaw_model_load(&m[1], NETWORK, 4, 1));
	expect(thaw_model_load(&m[2], NETWORK, 4, 2));
	assert_int_equal(m[0]->classes, 4);
	assert_true(m[0]->digest == m[1]->digest);
	assert_false(m[0]->digest == m[2]->digest);
	for (int i = 0; i < 3; i++)
		thaw_model_destroy(m[i]);
}

static const struct thaw_weights_request request = {.source = "F"};

/* A valid state dict with metadata, for tests to modify. */
static struct thaw_weights read_valid(struct scratch *s)
{
	const char *path = scratch_file(s, "whole.safetensors");
	struct thaw_weights w = {0};
	struct thaw_model *m = load(NETWORK);
	expect(thaw_model_save(m, path, false));
	thaw_model_destroy(m);
	expect(thaw_weights_read(&w, path));
	return w;
}

static struct thaw_named_tensor *tensor(struct thaw_weights *w, const char *name)
{
	return (struct thaw_named_tensor *)thaw_weights_find(w, name);
}

static void a_wrong_tensor_is_named(void **state)
{
	struct thaw_weights w = read_valid(*state);
	struct thaw_model *m = NULL;

	struct thaw_named_tensor *t = tensor(&w, "layer2.0.bn1.weight");
	struct thaw_shape shape = t->shape;
	t->shape.dim[0] = 63;
	expect_failure(thaw_model_from_weights(&m, &w, &request), THAW_DATA,
		       "tensor layer2.0.bn1.weight is (63), but cifar_resnet8 needs (64): F: ");
	t->shape = shape;

	char *name = t->name;
	t->name = "layer2.0.bn1.height";
	expect_failure(thaw_model_from_weights(&m, &w, &request), THAW_DATA,
		       "tensor layer2.0.bn1.weight of cifar_resnet8 is missing: F: ");
	t->name = name;

	t = tensor(&w, "bn1.num_batches_tracked");
	assert_non_null(t);
	name = t->name;
	t->name = "bn1.extra";
	expect_failure(thaw_model_from_weights(&m, &w, &request), THAW_DATA, "tensor bn1.extra is not part of");
	t->name = name;

	t = tensor(&w, "fc.weight");
	t->shape.dim[1]--;
	expect(thaw_model_from_weights(&m, &w, &request)); /* training replaces the classifier */
	expect_failure(thaw_model_check_classifier(m), THAW_DATA, "no classifier: fc.weight");
	thaw_model_destroy(m);
	m = NULL;
	t->shape.dim[1]++;

	/* More channels than the next tensor has inputs: rejected before a network of that width is allocated. */
	t = tensor(&w, "conv1.weight");
	shape = t->shape;
	t->shape.dim[0] = INT64_C(1) << 36;
	expect_failure(thaw_model_from_weights(&m, &w, &request), THAW_DATA, "tensor conv1.weight is");
	t->shape = shape;

	expect(thaw_model_from_weights(&m, &w, &request));
	thaw_model_destroy(m);
	thaw_weights_free(&w);
}

static void wrong_metadata_is_refused(void **state)
{
	static const char *const invalid[][2] = {
		{"thaw.variant", "resnet19"},
		{"thaw.labels", "[\"one\"]"},
		{"thaw.labels", "{"},
		{"thaw.labels", "[1,2,3,4,5,6,7,8,9,10]"},
		{"thaw.preprocess", "[]"},
		{"thaw.preprocess",
		 "{\"size\":32,\"resize\":32,\"filter\":\"bilinear\",\"mean\":[0,0,0],\"std\":[1,0,1]}"},
		{"thaw.preprocess",
		 "{\"size\":32,\"resize\":0,\"filter\":\"bilinear\",\"mean\":[0,0,0],\"std\":[1,1,1]}"},
		{"thaw.preprocess",
		 "{\"size\":0,\"resize\":16,\"filter\":\"bilinear\",\"mean\":[0,0,0],\"std\":[1,1,1]}"},
		{"thaw.preprocess",
		 "{\"size\":32,\"resize\":32,\"filter\":\"boxes\",\"mean\":[0,0,0],\"std\":[1,1,1]}"},
		{"thaw.preprocess", "{\"size\":8,\"resize\":8,\"filter\":\"box\",\"mean\":[0,0,0],\"std\":[1,1,1],"
				    "\"mode\":\"longer\"}"},
		{"thaw.preprocess", "{\"size\":8,\"resize\":8,\"filter\":\"box\",\"mean\":[0,0,0],\"std\":[1,1,1],"
				    "\"channels\":\"GBR\"}"},
	};
	struct thaw_weights w = read_valid(*state);
	struct thaw_pair *metadata = w.metadata;
	const int count = w.metadata_count;
	for (size_t i = 0; i < sizeof(invalid) / sizeof(*invalid); i++) {
		struct thaw_pair pair = {(char *)invalid[i][0], (char *)invalid[i][1]};
		struct thaw_model *m = NULL;
		w.metadata = &pair;
		w.metadata_count = 1;
		thaw_status status = thaw_model_from_weights(&m, &w, &request);
		expect_failure(status, i == 0 ? THAW_CONFIG : THAW_DATA, ": F: ");
		assert_null(m);
	}
	w.metadata = metadata;
	w.metadata_count = count;
	thaw_weights_free(&w);
}

static void unknown_names_are_explained(void **state)
{
	struct thaw_model *m = NULL;
	expect_failure(thaw_model_load(&m, "resnet19", 0, 1), THAW_IO, "resnet18, resnet34");
	expect_failure(thaw_model_load(&m, scratch_file(*state, "none.pth"), 0, 1), THAW_IO, "none.pth");

	const char *path = scratch_file(*state, "eight.safetensors");
	char *spec = thaw_format("cifar_resnet20:%s", path);
	struct thaw_model *eight = load(NETWORK);
	expect(thaw_model_save(eight, path, false));
	expect_failure(thaw_model_load(&m, spec, 0, 1), THAW_DATA,
		       "tensor layer1.1.conv1.weight of cifar_resnet20 is missing");
	thaw_free(spec);
	thaw_model_destroy(eight);
	assert_null(m);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_saved_network_is_recognised),
		TEST(variants_are_distinguished),
		TEST(a_name_tells_networks_of_the_same_tensors_apart),
		TEST(the_variant_is_recorded),
		TEST(labels_and_preprocessing_are_saved),
		TEST(the_meaning_of_outputs_is_saved),
		TEST(transformers_says_that_outputs_are_independent),
		TEST(half_precision_is_close),
		TEST(a_run_directory_is_a_model),
		TEST(random_weights_depend_on_the_seed),
		TEST(a_wrong_tensor_is_named),
		TEST(wrong_metadata_is_refused),
		TEST(unknown_names_are_explained),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
