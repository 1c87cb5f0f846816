/* See hub_config.h. The configuration is the one that the network came with, for another number of classes and other
 * images. */
#include "src/model/hub_config.h"

#include <string.h>

#include "src/base/try.h"
#include "src/model/model_internal.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define ENDING      "ForImageClassification" /* of the classes of transformers whose classifier Thaw builds */
#define USE_ONNX    "write it with --onnx"
#define PLACEHOLDER "LABEL_%lld" /* transformers' name of a class without one */

/* timm's name of a network that came without a config.json, by the variant and its tensors; NULL if it has none. */
static const char *timm_name(const struct thaw_model *m)
{
	const struct thaw_family *family = thaw_family_find(m->variant, NULL);
	const char *tensor = family ? family->timm_tensor : NULL;
	const char *name = strcmp(m->variant, "mobilenet_v2") == 0 ? "mobilenetv2_100" : m->variant; /* torchvision's */
	return tensor && thaw_graph_find_param(m->graph, tensor) >= 0 ? name : NULL;
}

static const char *transformers_class(const json_t *config)
{
	return json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
}

static bool is_timm(const struct thaw_model *m)
{
	return m->config ? json_object_get(m->config, "architecture") != NULL : timm_name(m) != NULL;
}

const char *thaw_model_hub_library(const struct thaw_model *m)
{
	if (m->imported || (!m->config && !timm_name(m)))
		return NULL;
	return is_timm(m) ? "timm" : "transformers";
}

static thaw_status check_network(const struct thaw_model *m)
{
	if (m->imported)
		return thaw_fail(THAW_CONFIG,
				 "a network from ONNX has no tensors of timm or transformers: --hub: %s: " USE_ONNX,
				 m->variant);
	if (m->fully_conv)
		return thaw_fail(
			THAW_CONFIG,
			"a fully convolutional network is not what timm and transformers build: --hub: %s: " USE_ONNX,
			m->source);
	if (m->task == THAW_TASK_GRADE)
		return thaw_fail(THAW_CONFIG,
				 "grades have one output less than there are, which timm and transformers do not know: "
				 "--hub: %s: " USE_ONNX,
				 m->source);
	if (m->config || timm_name(m))
		return THAW_OK;
	return thaw_fail(THAW_CONFIG,
			 "the network came without a config.json, and timm has none with the tensor names of this %s: "
			 "--hub: %s: "
			 "train a folder of the Hub that has one, or " USE_ONNX,
			 m->variant, m->source);
}

static thaw_status out_of_memory(void)
{
	return thaw_fail(THAW_RESOURCE, "out of memory: config.json of a network");
}

static json_t *label_of(const struct thaw_model *m, int64_t i)
{
	return m->labels ? thaw_report_string(m->labels[i]) : json_sprintf(PLACEHOLDER, (long long)i);
}

static int set_timm_labels(json_t *config, const struct thaw_model *m)
{
	json_t *names = json_array();
	int failed = 0;
	for (int64_t i = 0; m->labels && i < m->classes; i++)
		failed |= json_array_append_new(names, label_of(m, i));
	return failed | (m->labels ? json_object_set_new(config, "label_names", names) : (json_decref(names), 0));
}

static int set_transformers_labels(json_t *config, const struct thaw_model *m)
{
	json_t *names = json_object(), *numbers = json_object();
	int failed = 0;
	for (int64_t i = 0; i < m->classes; i++) {
		char key[32];
		json_t *name = label_of(m, i);
		snprintf(key, sizeof(key), "%lld", (long long)i);
		failed |=
			json_object_set_new(numbers, name ? json_string_value(name) : "", json_integer((json_int_t)i));
		failed |= json_object_set_new(names, key, name);
	}
	return failed | json_object_set_new(config, "id2label", names) |
	       json_object_set_new(config, "label2id", numbers);
}

static json_t *size_json(struct thaw_size s)
{
	return s.height == s.width ? json_integer(s.height) : json_pack("[i,i]", s.height, s.width);
}

/* Sets the member if the object has it. */
static int replace(json_t *object, const char *key, json_t *value)
{
	if (json_object_get(object, key))
		return json_object_set_new(object, key, value);
	json_decref(value);
	return 0;
}

static void remove_keys(json_t *object, const char *const *keys, size_t count)
{
	for (size_t i = 0; i < count; i++)
		json_object_del(object, keys[i]);
}

/* timm's preprocessing and facts of the weights. A config.json of its earlier versions has them beside the name. */
static json_t *pretrained_of(json_t *config)
{
	static const char *const network[] = {"architecture", "num_features", "num_classes",  "model_args",
					      "global_pool",  "model_type",   "architectures"};
	/* Where other weights are, and what was known of their images. */
	static const char *const others[] = {"url",
					     "file",
					     "source",
					     "hf_hub_id",
					     "hf_hub_filename",
					     "state_dict",
					     "test_input_size",
					     "test_crop_pct",
					     "test_pool_size",
					     "label_offset",
					     "tag",
					     "custom_load"};
	json_t *nested = json_object_get(config, "pretrained_cfg");
	json_t *pretrained = nested ? json_deep_copy(nested) : json_deep_copy(config);
	if (!nested)
		remove_keys(pretrained, network, sizeof(network) / sizeof(*network));
	remove_keys(pretrained, others, sizeof(others) / sizeof(*others));
	return pretrained;
}

static bool same_size(const json_t *input_size, struct thaw_size s)
{
	return json_integer_value(json_array_get(input_size, 1)) == s.height &&
	       json_integer_value(json_array_get(input_size, 2)) == s.width;
}

static thaw_status make_timm(struct thaw_hub_config *c, const struct thaw_model *m)
{
	static const char *const wrapper[] = {"model_type", "architectures", "problem_type", "num_labels"};
	json_t *config = c->network =
		m->config ? json_deep_copy(m->config) : json_pack("{s:s}", "architecture", timm_name(m));
	if (!config)
		return out_of_memory();
	json_t *pretrained = pretrained_of(config), *arguments = json_object_get(config, "model_args");
	int failed = json_object_set_new(config, "pretrained_cfg", pretrained);
	if (!same_size(json_object_get(pretrained, "input_size"), m->preprocess.size))
		json_object_del(pretrained, "pool_size");
	remove_keys(config, wrapper, sizeof(wrapper) / sizeof(*wrapper));
	failed |= json_object_set_new(config, "num_classes", json_integer((json_int_t)m->classes));
	failed |= json_object_set_new(pretrained, "num_classes", json_integer((json_int_t)m->classes));
	failed |= replace(arguments, "num_classes", json_integer((json_int_t)m->classes));
	failed |= replace(arguments, "img_size", size_json(m->preprocess.size));
	failed |= set_timm_labels(config, m);
	return failed ? out_of_memory() : thaw_hub_set_timm_preprocess(pretrained, &m->preprocess);
}

static thaw_status check_class(const struct thaw_model *m)
{
	const char *name = transformers_class(m->config);
	size_t n = name ? strlen(name) : 0, ending = strlen(ENDING);
	if (n > ending && strcmp(name + n - ending, ENDING) == 0)
		return THAW_OK;
	return thaw_fail(THAW_CONFIG,
			 "config.json names %.64s, and transformers may have another classifier for it than Thaw: "
			 "--hub: %s: begin "
			 "with a network whose \"architectures\" is one ..." ENDING ", or " USE_ONNX,
			 name ? name : "no class", m->source);
}

static const char *problem_of(const struct thaw_model *m)
{
	if (m->task == THAW_TASK_VALUE)
		return "regression";
	return m->sigmoid_from ? "multi_label_classification" : "single_label_classification";
}

static thaw_status make_transformers(struct thaw_hub_config *c, const struct thaw_model *m, bool half)
{
	static const char *const others[] = {"_name_or_path", "num_labels", "_num_labels", "torch_dtype"};
	THAW_TRY(check_class(m));
	json_t *config = c->network = json_deep_copy(m->config);
	if (!config)
		return out_of_memory();
	json_t *vision = json_object_get(config, "vision_config");
	remove_keys(config, others, sizeof(others) / sizeof(*others));
	int failed = set_transformers_labels(config, m);
	failed |= json_object_set_new(config, "problem_type", json_string(problem_of(m)));
	failed |= json_object_set_new(config, "dtype", json_string(half ? "float16" : "float32"));
	failed |= json_object_set_new(vision ? vision : config, "image_size", size_json(m->preprocess.size));
	return failed ? out_of_memory() : thaw_hub_processor(&c->processor, &m->preprocess);
}

thaw_status thaw_hub_config_make(struct thaw_hub_config *c, const struct thaw_model *m, bool half)
{
	*c = (struct thaw_hub_config){NULL, NULL};
	THAW_TRY(check_network(m));
	return is_timm(m) ? make_timm(c, m) : make_transformers(c, m, half);
}

void thaw_hub_config_free(struct thaw_hub_config *c)
{
	json_decref(c->network);
	json_decref(c->processor);
}
