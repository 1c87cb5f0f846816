/* Networks of timm's EfficientNet builder: EfficientNet (Tan and Le, ICML 2019) with its Lite and EdgeTPU variants,
 * EfficientNetV2, MobileNetV1 to V4, MnasNet, FBNet, TinyNet, LCNet and others; those of torchvision and transformers.
 *
 * The tensors show all sizes. What they do not show (strides, padding, activations, the constant of the norms) depends
 * on the network's name: the table `designs`. timm's networks with and without "tf_" have the same tensors; see
 * same_tensors.h. transformers' configurations say it themselves: efficientnet_options.c. */
#include "src/model/families/efficientnet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/model/families/inverted_walk.h"
#include "src/model/families/timm_config.h"
#include "src/model/family.h"

/* Kinds of files. */
enum { TIMM = 1, TORCHVISION = 2, PYPI = 4, TRANSFORMERS = 8 };
/* Presets of preprocessing. */
enum { LINEAR = 1, HALF = 2, SQUASH = 4, PUBLISHED = 8 };

#define NETWORK(name, files, values, side, crop, preset) #name,
static const char *const names[] = {
#include "src/model/families/efficientnet_list.h"
	NULL};
#undef NETWORK

#define NETWORK(name, files, values, side, crop, preset) {files, values, side, crop, preset},
static const struct network {
	int files;
	int64_t values;
	int side, crop, preset;
} networks[] = {
#include "src/model/families/efficientnet_list.h"
};
#undef NETWORK

#define COUNT ((int)(sizeof(networks) / sizeof(*networks)))

/* Sizes for random weights. */
static const struct thaw_inverted_plan plan_efficientnet = {
	.stages = "1k3c16n1 6k3c24n2 6k5c40n2 6k3c80n3 6k5c112n3 6k5c192n4 6k3c320n1",
	.stem = 32,
	.head = 1280,
	.squeeze = true,
};
static const struct thaw_inverted_plan plan_lite = {
	.stages = "1k3c16n1 6k3c24n2 6k5c40n2 6k3c80n3 6k5c112n3 6k5c192n4 6k3c320n1",
	.stem = 32,
	.head = 1280,
	.fixed_ends = true,
};
static const struct thaw_inverted_plan plan_mobilenet_v2 = {
	.stages = "1k3c16n1 6k3c24n2 6k3c32n3 6k3c64n4 6k3c96n3 6k3c160n3 6k3c320n1",
	.stem = 32,
	.head = 1280,
};

/* Compound scaling of EfficientNet: widths and depths relative to B0. */
static const struct {
	double width, depth;
	float dropout;
} scales[] = {{1.0, 1.0, 0.2f}, {1.0, 1.1, 0.2f}, {1.1, 1.2, 0.3f}, {1.2, 1.4, 0.3f}, {1.4, 1.8, 0.4f},
	      {1.6, 2.2, 0.4f}, {1.8, 2.6, 0.5f}, {2.0, 3.1, 0.5f}, {2.2, 3.6, 0.5f}};
#define LITE_DROPOUT 0.3f /* at most */

#define RELU         THAW_NL_RELU
#define RELU6        THAW_NL_RELU6
#define SILU         THAW_NL_SILU
#define HARD_SWISH   THAW_NL_HARD_SWISH
#define HARD_SIGMOID THAW_NL_HARD_SIGMOID
#define V3_SQUEEZE   .squeeze_act = RELU, .gate = HARD_SIGMOID
/* For as many stages as there may be. */
#define NO_SKIP  "aaaaaaaaaaaaaaa"
#define NO_FIRST "fffffffffffffff"
/* Starts of names of networks that have a plan. */
#define EFFICIENTNET "efficientnet_b"
#define LITE         "efficientnet_lite"
#define MOBILENET_V2 "mobilenet_v2"

#define EARLY_RELU(stages) .early_act = RELU, .early_stages = (stages)

/* What the names of networks mean, by the longest start without "tf_". Gates are sigmoids unless they are given. */
#define DESIGN(start, stage_strides, ...)                       \
	{                                                       \
		start,                                          \
		{                                               \
			.strides = (stage_strides), __VA_ARGS__ \
		}                                               \
	}
static const struct design {
	const char *start;
	struct thaw_inverted_traits traits;
} designs[] = {
	DESIGN(EFFICIENTNET, "1222121", .act = SILU),
	DESIGN("efficientnet_l", "1222121", .act = SILU),
	DESIGN(LITE, "1222121", .act = RELU6),
	DESIGN("efficientnet_e", "122212", .act = RELU, .no_skip = "a-----"),
	DESIGN("efficientnet_t", "1222121", .act = SILU, .no_skip = NO_FIRST), /* transformers */
	DESIGN("efficientnetv2_", "122212", .act = SILU),
	DESIGN("efficientnetv2_m", "1222121", .act = SILU),
	DESIGN("efficientnetv2_l", "1222121", .act = SILU),
	DESIGN("efficientnetv2_xl", "1222121", .act = SILU),
	DESIGN("efficientnet_v2_s", "122212", .act = SILU, .epsilon = 1e-3f), /* torchvision, and the next two */
	DESIGN("efficientnet_v2_m", "1222121", .act = SILU, .epsilon = 1e-3f),
	DESIGN("efficientnet_v2_l", "1222121", .act = SILU, .epsilon = 1e-3f),
	DESIGN("test_efficientnet", "12222", .act = SILU),
	DESIGN("tinynet_", "1222121", .act = SILU),
	DESIGN("mnasnet_", "1222121", .act = RELU),
	DESIGN("semnasnet_", "1222121", .act = RELU),
	DESIGN("spnasnet_", "1222121", .act = RELU),
	DESIGN("mixnet_", "122212", .act = SILU, EARLY_RELU(2), .end_act = RELU),
	DESIGN("fbnetc_", "1222121", .act = RELU),
	DESIGN("fbnetv3_", "1222121", .act = HARD_SWISH, .gate = HARD_SIGMOID, .no_skip = "------a"),
	DESIGN("hardcorenas_", "1222121", .act = HARD_SWISH, EARLY_RELU(3), V3_SQUEEZE, .no_skip = "------a"),
	DESIGN("lcnet_", "122212", .act = HARD_SWISH, V3_SQUEEZE, .no_skip = NO_SKIP, .pointwise_act = true),
	DESIGN("mobilenet_edgetpu_", "1222121", .act = RELU, .no_skip = "----f--"),
	DESIGN("mobilenet_v1", "12222", .act = RELU6, .no_skip = NO_SKIP, .pointwise_act = true), /* transformers */
	DESIGN("mobilenetv1_", "12222", .act = RELU6, .no_skip = NO_SKIP, .pointwise_act = true),
	DESIGN(MOBILENET_V2, "1222121", .act = RELU6),
	DESIGN("mobilenet_v2_t", "1222121", .act = RELU6, .no_skip = "a------"), /* transformers */
	DESIGN("mobilenetv2_", "1222121", .act = RELU6),
	DESIGN("mobilenetv3_large", "1222121", .act = HARD_SWISH, EARLY_RELU(3), V3_SQUEEZE, .no_skip = "------a"),
	DESIGN("mobilenetv3_large_minimal", "1222121", .act = RELU, .no_skip = "------a"),
	DESIGN("mobilenetv3_small", "222121", .act = HARD_SWISH, EARLY_RELU(2), V3_SQUEEZE, .no_skip = "-----a"),
	DESIGN("mobilenetv3_small_minimal", "222121", .act = RELU, .no_skip = "-----a"),
	DESIGN("mobilenetv3_rw", "1222121", .act = HARD_SWISH, EARLY_RELU(3), .gate = HARD_SIGMOID,
	       .no_skip = "a-----a", .epsilon = 1e-3f),
	DESIGN("mobilenet_v3_large", "122212", .act = HARD_SWISH, EARLY_RELU(3), V3_SQUEEZE, .epsilon = 1e-3f),
	DESIGN("mobilenet_v3_small", "22212", .act = HARD_SWISH, EARLY_RELU(2), V3_SQUEEZE, .epsilon = 1e-3f),
	DESIGN("mobilenetv4_conv_", "22221", .act = RELU, .no_skip = "a---a"),
	DESIGN("mobilenetv4_conv_aa_", "22221", .act = RELU, .no_skip = "a---a", .pools = true),
};

/* The plan for a network without a file; NULL: its sizes are in files only. */
static const struct thaw_inverted_plan *plan_of(const struct design *d)
{
	if (strcmp(d->start, EFFICIENTNET) == 0)
		return &plan_efficientnet;
	if (strcmp(d->start, LITE) == 0)
		return &plan_lite;
	return strcmp(d->start, MOBILENET_V2) == 0 ? &plan_mobilenet_v2 : NULL;
}

static bool begins(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static const char *without_tf(const char *variant)
{
	return begins(variant, "tf_") ? variant + strlen("tf_") : variant;
}

static const struct design *design_of(const char *variant)
{
	const struct design *found = &designs[0];
	size_t longest = 0;
	for (size_t i = 0; i < sizeof(designs) / sizeof(*designs); i++) {
		const size_t length = strlen(designs[i].start);
		if (length > longest && begins(without_tf(variant), designs[i].start)) {
			longest = length;
			found = &designs[i];
		}
	}
	return found;
}

/* The index in `scales`, by the digit after the start of the name. */
static int scale_of(const char *variant)
{
	const struct design *d = design_of(variant);
	const int digit = without_tf(variant)[strlen(d->start)] - '0';
	const struct thaw_inverted_plan *plan = plan_of(d);
	return plan && plan != &plan_mobilenet_v2 && digit >= 0
		       ? min_int(digit, (int)(sizeof(scales) / sizeof(*scales)) - 1)
		       : 0;
}

/* TensorFlow's padding and constant: networks that were trained there. */
static bool is_tensorflow(const char *variant)
{
	const bool published = begins(variant, "efficientnet_lite") && !strstr(variant, "_symmetric");
	return begins(variant, "tf_") || published || (begins(variant, "efficientnet_b") && strstr(variant, "_pruned"));
}

static struct thaw_inverted_traits traits_of(const char *variant)
{
	const struct design *d = design_of(variant);
	struct thaw_inverted_traits t = d->traits;
	const int scale = scale_of(variant);
	const bool large_torchvision = strstr(variant, "_torchvision") && scale >= 5;
	if (t.gate == THAW_NL_NONE)
		t.gate = THAW_NL_SIGMOID;
	if (is_tensorflow(variant)) {
		t.padding = THAW_PAD_SAME;
		t.epsilon = 1e-3f;
	}
	if (large_torchvision)
		t.epsilon = 1e-3f;
	if (t.epsilon == 0)
		t.epsilon = 1e-5f;
	t.dropout = plan_of(d) == &plan_lite ? fminf(scales[scale].dropout, LITE_DROPOUT) : scales[scale].dropout;
	return t;
}

static int files_of(const struct thaw_inverted_naming *naming)
{
	if (naming == &thaw_inverted_timm)
		return TIMM;
	if (naming == &thaw_inverted_pypi)
		return PYPI;
	if (naming == &thaw_inverted_torchvision || naming == &thaw_inverted_torchvision_v2 ||
	    naming == &thaw_inverted_torchvision_v3)
		return TORCHVISION;
	return TRANSFORMERS;
}

static const char *transformers_variant(const struct thaw_inverted_naming *naming)
{
	if (naming == &thaw_inverted_transformers)
		return "efficientnet_transformers";
	return naming == &thaw_inverted_transformers_v1 ? "mobilenet_v1_transformers" : "mobilenet_v2_transformers";
}

/* The first network with so many values, or NULL. */
static const char *first_with(int64_t values)
{
	for (int i = 0; i < COUNT && values > 0; i++)
		if (networks[i].values == values)
			return names[i];
	return NULL;
}

static const char *recognise(const struct thaw_weights *w)
{
	const struct thaw_inverted_naming *naming = thaw_inverted_find_naming(w);
	if (!naming)
		return NULL;
	return files_of(naming) == TRANSFORMERS ? transformers_variant(naming)
						: first_with(thaw_inverted_count(naming, w));
}

static const char *recognised_as(const char *variant)
{
	const int64_t values = networks[thaw_variant_index(names, variant)].values;
	return values > 0 ? first_with(values) : variant;
}

static bool has_names(const char *variant, const struct thaw_weights *w)
{
	const struct thaw_inverted_naming *naming = thaw_inverted_find_naming(w);
	return naming && (networks[thaw_variant_index(names, variant)].files & files_of(naming));
}

static const char *find_name(const char *name)
{
	for (int i = 0; i < COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return (networks[i].files & TIMM) ? names[i] : NULL;
	return NULL;
}

static const char *variant_of(const char *architecture)
{
	char name[THAW_NETWORK_NAME];
	const size_t length = strlen(architecture);
	snprintf(name, sizeof(name), "%s", architecture);
	if (strcmp(name, "mobilenetv2_100") == 0)
		return find_name("mobilenet_v2");
	if (begins(name, "efficientnet_lite"))
		snprintf(name, sizeof(name), "%.80s_symmetric", architecture);
	else if (begins(name, "efficientnet_e") && length > strlen("_pruned") && strstr(name, "_pruned"))
		*strstr(name, "_pruned") = '\0'; /* the same network */
	return find_name(name);
}

static thaw_status find_options(json_t **options, const struct thaw_architecture *a, const json_t *config,
				const char *source)
{
	static const char *const none[] = {NULL};
	if (networks[thaw_variant_index(names, a->variant)].files != TRANSFORMERS)
		return thaw_check_timm_arguments(config, none, "network", source);
	if (!config)
		return thaw_fail(
			THAW_CONFIG,
			"no config.json beside %s: it is of transformers, whose strides, padding and activation "
			"are in that file: put it there",
			source);
	return thaw_efficientnet_read_config(options, config, source);
}

/* The names of the layers of a network without a file. */
static const struct thaw_inverted_naming *planned_naming(const char *variant)
{
	const int files = networks[thaw_variant_index(names, variant)].files;
	if (files & PYPI)
		return &thaw_inverted_pypi;
	if (strcmp(variant, MOBILENET_V2) == 0)
		return &thaw_inverted_torchvision_v2;
	return files & TORCHVISION ? &thaw_inverted_torchvision : &thaw_inverted_timm;
}

static thaw_status build_planned(struct thaw_graph *g, const struct thaw_architecture *a,
				 const struct thaw_inverted_traits *traits)
{
	const struct thaw_inverted_plan *scaled = plan_of(design_of(a->variant));
	const int scale = scale_of(a->variant);
	if (!scaled || strstr(a->variant, "_pruned"))
		return thaw_fail(
			THAW_CONFIG,
			"no weights for %s, whose sizes are only in files: give --model %s:FILE, or, for random "
			"weights, efficientnet_b0 to b8, efficientnet_lite0 to 4, or mobilenet_v2",
			a->variant, a->variant);
	struct thaw_inverted_plan plan = *scaled;
	plan.width = scales[scale].width;
	plan.depth = scales[scale].depth;
	return thaw_inverted_build(g, traits, planned_naming(a->variant), &plan, a->classes, NULL);
}

static thaw_status build(struct thaw_graph *g, const struct thaw_architecture *a)
{
	struct thaw_efficientnet e = {.traits = traits_of(a->variant)};
	if (a->options)
		THAW_TRY(thaw_efficientnet_read_options(&e, a->options));
	if (!a->w)
		return build_planned(g, a, &e.traits);
	const struct thaw_inverted_naming *naming = thaw_inverted_find_naming(a->w);
	if (!naming) /* the name is a recorded one */
		return thaw_fail(THAW_CONFIG, "the tensors are not those of %s, which the file names: it is damaged",
				 a->variant);
	return thaw_inverted_build(g, &e.traits, naming, NULL, a->classes, a->w);
}

/* As in TensorFlow's lite builder: (pixel - 127) / 128 for pixels in 0..255, bicubic, resized to 32 pixels more than
 * the centre crop. */
static void published_preprocess(int side, struct thaw_preprocess *p)
{
	const float mean = 127.0f / 255.0f, std = 128.0f / 255.0f;
	*p = (struct thaw_preprocess){
		.size = {side, side},
		.resize = side + 32,
		.filter = THAW_BICUBIC,
		.mean = {mean, mean, mean},
		.std = {std, std, std},
	};
}

static void preprocess(const struct thaw_architecture *a, struct thaw_preprocess *p)
{
	const struct network *n = &networks[thaw_variant_index(names, a->variant)];
	if (n->preset & PUBLISHED) {
		published_preprocess(n->side, p);
		return;
	}
	thaw_preprocess_imagenet(p);
	p->size = thaw_square(n->side);
	p->resize = n->side * 1000 / n->crop;
	p->filter = n->preset & LINEAR ? THAW_BILINEAR : THAW_BICUBIC;
	p->mode = n->preset & SQUASH ? THAW_RESIZE_SQUASH : THAW_RESIZE_SHORTER;
	for (int c = 0; c < 3 && (n->preset & HALF); c++)
		p->mean[c] = p->std[c] = 0.5f;
}

static const char *const timm_names[] = {"efficientnet",
					 "tf_efficientnet",
					 "test_efficientnet",
					 "gc_efficientnet",
					 "mobilenet",
					 "tf_mobilenet",
					 "mixnet_",
					 "tf_mixnet_",
					 "mnasnet_",
					 "semnasnet_",
					 "spnasnet_",
					 "fbnet",
					 "hardcorenas_",
					 "tinynet_",
					 "lcnet_",
					 NULL};
static const char *const transformers_names[] = {"efficientnet", "mobilenet_v1", "mobilenet_v2", NULL};

const struct thaw_family thaw_family_efficientnet = {
	.name = "efficientnet",
	.variants = names,
	.classes = 1000,
	.timm_tensor = "conv_stem.weight",
	.timm = timm_names,
	.transformers = transformers_names,
	.variant_of = variant_of,
	.recognise = recognise,
	.recognised_as = recognised_as,
	.has_names = has_names,
	.options = find_options,
	.build = build,
	.preprocess = preprocess,
};
