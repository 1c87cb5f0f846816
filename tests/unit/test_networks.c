/* The families compared with PyTorch: logits and the gradient of every tensor, with weights that both compute from a
 * formula. PyTorch's results are in tests/golden/network_*.json (tests/golden/make_networks.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/model/model_internal.h"
#include "tests/unit/formula_weights.h"
#include "thaw/executor.h"
#include "thaw/memory.h"

#define TOLERANCE   1e-3  /* relative; docs/design.md, "Right numbers" */
#define NO_GRADIENT 1e-12 /* the norm of one that is 0 but for rounding */

static void expect(thaw_status status)
{
	if (status != THAW_OK)
		fail_msg("%s", thaw_error_message());
}

static json_t *read_golden(const char *name)
{
	char path[256];
	json_error_t error;
	snprintf(path, sizeof(path), "tests/golden/network_%s.json", name);
	json_t *golden = json_load_file(path, 0, &error);
	if (!golden)
		fail_msg("%s: %s (tests run in the root of the source tree)", path, error.text);
	return golden;
}

static int64_t integer(const json_t *golden, const char *key)
{
	return json_integer_value(json_object_get(golden, key));
}

static const char *text(const json_t *golden, const char *key)
{
	return json_string_value(json_object_get(golden, key));
}

static struct thaw_shape shape_of(const json_t *tensor)
{
	const json_t *array = json_object_get(tensor, "shape");
	struct thaw_shape s = {.ndim = (int)json_array_size(array)};
	for (int i = 0; i < s.ndim; i++)
		s.dim[i] = json_integer_value(json_array_get(array, (size_t)i));
	return s;
}

/* What Thaw records of a config.json, as metadata of the state dict. */
static void add_options(struct thaw_weights *w, const json_t *golden)
{
	const json_t *options = json_object_get(golden, "options");
	if (!options)
		return;
	w->metadata = thaw_alloc(1, sizeof(*w->metadata));
	w->metadata_count = 1;
	w->metadata[0] = (struct thaw_pair){thaw_strdup(THAW_OPTIONS_KEY), json_dumps(options, JSON_COMPACT)};
}

/* The state dict of the golden file, with values from the formula. */
static struct thaw_weights make_weights(json_t *golden)
{
	json_t *tensors = json_object_get(golden, "tensors"), *tensor;
	struct thaw_weights w = {.tensors = thaw_alloc(json_object_size(tensors), sizeof(*w.tensors))};
	const char *name;
	json_object_foreach(tensors, name, tensor)
	{
		struct thaw_shape shape = shape_of(tensor);
		float *values = thaw_alloc((size_t)thaw_shape_count(&shape), sizeof(*values));
		bool head = strcmp(name, text(golden, "head")) == 0;
		float scale = head ? (float)json_number_value(json_object_get(golden, "head_scale")) : 1.0f;
		formula_weight(name, &shape, scale, values);
		w.tensors[w.count++] = (struct thaw_named_tensor){thaw_strdup(name), THAW_F32, shape, values};
	}
	add_options(&w, golden);
	return w;
}

static void free_weights(struct thaw_weights *w)
{
	for (int i = 0; i < w->count; i++) {
		thaw_free(w->tensors[i].name);
		thaw_free((void *)w->tensors[i].data);
	}
	thaw_free(w->tensors);
	for (int i = 0; i < w->metadata_count; i++) {
		thaw_free(w->metadata[i].key);
		free(w->metadata[i].value);
	}
	thaw_free(w->metadata);
}

static void compare_logits(const json_t *golden, const float *logits)
{
	const json_t *wanted = json_object_get(golden, "logits");
	double difference = 0, norm = 0;
	for (size_t i = 0; i < json_array_size(wanted); i++) {
		double want = json_number_value(json_array_get(wanted, i));
		difference += pow(logits[i] - want, 2);
		norm += want * want;
	}
	print_message("logits differ by %.2g\n", sqrt(difference / norm));
	assert_true(sqrt(difference) <= TOLERANCE * sqrt(norm));
}

/* Relative L2 distance of a gradient, given in Thaw's layout, from the golden one. For random signs s the expectation
 * of (s . e)^2 is |e|^2, so the projections estimate it. */
static double gradient_error(const json_t *golden, const struct thaw_param *param, float *gradient)
{
	const json_t *tensor = json_object_get(json_object_get(golden, "tensors"), param->name);
	const json_t *wanted = json_object_get(tensor, "projections");
	const int64_t count = thaw_shape_count(&param->shape);
	assert_int_equal(json_array_size(wanted), FORMULA_PROJECTIONS);

	struct thaw_param view = *param;
	view.data = gradient;
	float *ordered = thaw_alloc((size_t)count, sizeof(*ordered));
	thaw_param_export(&view, ordered);
	double projection[FORMULA_PROJECTIONS], square = 0, norm = 0;
	formula_project(param->name, ordered, count, projection);
	for (int64_t i = 0; i < count; i++)
		norm += (double)ordered[i] * ordered[i];
	thaw_free(ordered);
	for (size_t p = 0; p < FORMULA_PROJECTIONS; p++)
		square += pow(projection[p] - json_number_value(json_array_get(wanted, p)), 2) / FORMULA_PROJECTIONS;
	double recorded = json_number_value(json_object_get(tensor, "norm")), want = recorded;
	if (want < NO_GRADIENT) /* softmax does not see a bias of the keys */
		want = 1;
	return fmax(sqrt(square), fabs(sqrt(norm) - recorded)) / want;
}

static float **make_gradients(const struct thaw_graph *g)
{
	float **gradient = thaw_alloc((size_t)g->param_count, sizeof(*gradient));
	for (int i = 0; i < g->param_count; i++)
		if (g->params[i].role != THAW_ROLE_MEAN && g->params[i].role != THAW_ROLE_VARIANCE &&
		    g->params[i].role != THAW_ROLE_FIXED)
			gradient[i] = thaw_alloc((size_t)thaw_shape_count(&g->params[i].shape), sizeof(**gradient));
	return gradient;
}

static void compare_gradients(const json_t *golden, const struct thaw_graph *g, float **gradient)
{
	double worst = 0;
	const char *which = "";
	for (int i = 0; i < g->param_count; i++) {
		if (!gradient[i])
			continue;
		double error = gradient_error(golden, &g->params[i], gradient[i]);
		if (!(error <= worst)) {
			worst = error;
			which = g->params[i].name;
		}
		thaw_free(gradient[i]);
	}
	thaw_free(gradient);
	print_message("gradients differ by at most %.2g, in %s\n", worst, which);
	assert_true(worst <= TOLERANCE);
}

static void run_network(const json_t *golden, struct thaw_graph *g)
{
	const int64_t n = integer(golden, "images"), side = integer(golden, "side"),
		      classes = integer(golden, "classes");
	struct thaw_shape image = thaw_shape_of(n, side, side, 3);
	struct thaw_executor *executor = NULL;
	expect(thaw_graph_unfreeze(g, "all"));
	thaw_graph_batch_statistics(g, json_is_true(json_object_get(golden, "batch_statistics")));
	expect(thaw_executor_create(&executor, g, &image, THAW_WHOLE, true));

	formula_input(text(golden, "input"), n, side, side, thaw_executor_input(executor));
	const float *logits = thaw_executor_forward(executor, n, NULL);
	compare_logits(golden, logits);

	int32_t label[8];
	double loss;
	int64_t correct;
	assert_in_range(n, 1, 8);
	for (int64_t i = 0; i < n; i++)
		label[i] = (int32_t)((3 + 5 * i) % classes);
	float *dlogits = thaw_executor_dlogits(executor);
	thaw_cross_entropy(logits, n, classes, label, 0, dlogits, &loss, &correct);
	for (int64_t i = 0; i < n * classes; i++)
		dlogits[i] /= (float)n;
	float **gradient = make_gradients(g);
	thaw_executor_backward(executor, dlogits, gradient);
	compare_gradients(golden, g, gradient);
	thaw_executor_destroy(executor);
}

/* The same for inference: batch norms folded, activations and residuals fused. */
static void run_inference(const json_t *golden, struct thaw_graph *g)
{
	const int64_t n = integer(golden, "images"), side = integer(golden, "side");
	struct thaw_shape image = thaw_shape_of(n, side, side, 3);
	struct thaw_executor *executor = NULL;
	expect(thaw_graph_unfreeze(g, "none"));
	expect(thaw_pass_fold(g));
	expect(thaw_pass_fuse(g));
	expect(thaw_executor_create(&executor, g, &image, THAW_WHOLE, false));
	formula_input(text(golden, "input"), n, side, side, thaw_executor_input(executor));
	compare_logits(golden, thaw_executor_forward(executor, n, NULL));
	thaw_executor_destroy(executor);
}

/* The name that is given for networks that tensors do not tell from others; NULL: none. */
static const char *given_name(const char *golden)
{
	static const char *const names[][2] = {
		{"efficientnet_lite0_timm", "tf_efficientnet_lite0"},
		{"regnet_transformers", "regnet"},
		{"regnet_transformers_y", "regnet"},
		{"densenet_deep", "densenet"},
		{"resnet_average", "resnetaa"},
		{"resnet_blur", "resnetblur"},
		{"resnet_group_norm", "resnet"},
		{"bit", "resnetv2"},
		{"bit_transformers", "resnetv2"},
		{"vit_clip", "vit_clip_quickgelu"},
		{"vit_siglip", "vit_siglip"},
		{"vit_clip_transformers", "vit_clip_quickgelu"},
		{"swin", "swin_tiny_patch4_window7_224"},
		{"swin_transformers", "swin_tiny_patch4_window7_224"},
		{"swinv2", "swinv2_base_window12to16_192to256"},
		{"swinv2_transformers", "swinv2_base_window12_192"},
		{"vit_clip", "vit_clip_quickgelu"},
		{"vit_siglip", "vit_siglip"},
		{"vit_clip_transformers", "vit_clip_quickgelu"},
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(golden, names[i][0]) == 0)
			return names[i][1];
	return NULL;
}

static void network_matches_pytorch(void **state)
{
	json_t *golden = read_golden(*state);
	struct thaw_weights w = make_weights(golden);
	const char *variant = NULL;
	assert_non_null(thaw_family_recognise(&w, NULL, &variant));
	assert_string_equal(variant, text(golden, "variant"));

	struct thaw_model *model = NULL;
	const struct thaw_weights_request request = {.source = *state, .variant = given_name(*state)};
	expect(thaw_model_from_weights(&model, &w, &request));
	assert_int_equal(model->classes, integer(golden, "classes"));
	free_weights(&w);
	run_network(golden, model->graph);
	if (!json_is_true(json_object_get(golden, "batch_statistics")))
		run_inference(golden, model->graph);
	thaw_model_destroy(model);
	json_decref(golden);
}

/* Strides, pooling and windows leave no trace in the tensors. */
static void unnamed_is_refused(void **state)
{
	json_t *golden = read_golden(*state);
	struct thaw_weights w = make_weights(golden);
	struct thaw_model *model = NULL;
	assert_int_equal(thaw_model_from_weights(&model, &w, &(struct thaw_weights_request){.source = *state}),
			 THAW_CONFIG);
	assert_non_null(strstr(thaw_error_message(), "config.json beside it"));
	free_weights(&w);
	json_decref(golden);
}

#define NETWORK(name)                                                      \
	{                                                                  \
		"network_" name, network_matches_pytorch, NULL, NULL, name \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NETWORK("resnet18"),
		NETWORK("resnet18_train"),
		NETWORK("resnet50"),
		NETWORK("resnet_groups"),
		NETWORK("resnet_channels"),
		NETWORK("resnet_average"),
		NETWORK("resnet_blur"),
		NETWORK("resnet_legacy"),
		NETWORK("resnet_legacy_basic"),
		NETWORK("resnet_transformers"),
		NETWORK("resnet_group_norm"),
		NETWORK("resnet_v2"),
		NETWORK("bit"),
		NETWORK("bit_transformers"),
		NETWORK("vgg16"),
		NETWORK("vgg11_bn"),
		NETWORK("vgg11_bn_timm"),
		NETWORK("alexnet"),
		NETWORK("mobilenet_v2"),
		NETWORK("mobilenet_v2_timm"),
		NETWORK("efficientnet_lite0"),
		NETWORK("efficientnet_lite0_timm"),
		NETWORK("efficientnet_lite0_symmetric"), /* found by this name, which is that of the file here */
		NETWORK("test_efficientnet"),
		NETWORK("tf_mobilenetv3_small_075"), /* the same */
		NETWORK("tf_mixnet_s"),
		NETWORK("lcnet_035"),
		NETWORK("mobilenetv4_conv_small_035"),
		NETWORK("efficientnet_b0_torchvision"),
		NETWORK("mobilenet_v3_small"),
		NETWORK("efficientnet_transformers"),
		NETWORK("mobilenet_v1_transformers"),
		NETWORK("mobilenet_v2_transformers"),
		NETWORK("cifar_resnet8"),
		NETWORK("vit"),
		NETWORK("vit_registers"),
		NETWORK("vit_mean"),
		NETWORK("vit_clip"),
		NETWORK("vit_siglip"),
		NETWORK("vit_gated"),
		NETWORK("vit_transformers"),
		NETWORK("vit_dinov2"),
		NETWORK("vit_clip_transformers"),
		NETWORK("vit_dinov3"),
		NETWORK("vit_dinov3_gated"),
		NETWORK("vit_dinov3_transformers"),
		NETWORK("convnext"),
		NETWORK("convnext_v2"),
		NETWORK("convnext_rms"),
		NETWORK("convnext_simple"),
		NETWORK("convnext_transformers"),
		NETWORK("convnext_transformers_v2"),
		NETWORK("convnext_torchvision"),
		NETWORK("regnet"),
		NETWORK("regnet_before"),
		NETWORK("regnet_linear"),
		NETWORK("regnet_transformers"),
		NETWORK("regnet_transformers_y"),
		NETWORK("regnet_torchvision"),
		NETWORK("densenet"),
		NETWORK("densenet_deep"),
		NETWORK("densenet_torchvision"),
		NETWORK("mixer"),
		NETWORK("mixer_residual"),
		NETWORK("swin"),
		NETWORK("swin_transformers"),
		NETWORK("swinv2"),
		NETWORK("swinv2_transformers"),
		{"unnamed_regnet", unnamed_is_refused, NULL, NULL, "regnet_transformers"},
		{"unnamed_densenet", unnamed_is_refused, NULL, NULL, "densenet_deep"},
		{"unnamed_swinv2", unnamed_is_refused, NULL, NULL, "swinv2"},
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
