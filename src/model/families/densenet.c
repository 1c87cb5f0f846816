/* DenseNet (Huang et al., CVPR 2017), with the names that torchvision and timm share, and those of torchvision's files,
 * which are older. Also timm's stem of three convolutions and its blurred pooling. The tensors decide all sizes. */
#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "src/model/families/nonlinearity.h"
#include "src/model/families/residual.h"
#include "src/model/families/timm_config.h"
#include "src/model/family.h"

#define RGB 3

enum { STAGES = 8, STEM_CONVS = 3 }; /* at most */

struct densenet {
	const char *dot; /* "denselayer1.norm1" or "denselayer1.norm.1" */
	int64_t stem[STEM_CONVS];
	int stem_convs;             /* 1: of 7x7 pixels; 3: of 3x3 */
	int64_t growth, inner;      /* channels that a layer adds; channels between its convolutions */
	int64_t transition[STAGES]; /* channels after the stage; 0: it is the last */
	int layers[STAGES], stages;
	/* Options. */
	enum thaw_nonlinearity act;
	bool blur; /* the stem's pooling is blurred */
};

/* Random networks have these names; one of a file is called "densenet". */
static const char *const variants[] = {"densenet", "densenet121", NULL};

static const char *in_layer(char *text, const struct densenet *v, int stage, int layer, const char *what, int i)
{
	snprintf(text, THAW_LAYER_NAME, "features.denseblock%d.denselayer%d.%s%s%d", stage + 1, layer + 1, what, v->dot,
		 i);
	return text;
}

static const char *in_transition(char *text, int stage, const char *what)
{
	snprintf(text, THAW_LAYER_NAME, "features.transition%d.%s", stage + 1, what);
	return text;
}

static const char *in_stem(char *text, const char *what, int i)
{
	snprintf(text, THAW_LAYER_NAME, "features.%s%d", what, i);
	return text;
}

/* Size of a layer's weight along an axis; 0 if the file does not have it, or not this axis. */
static int64_t size_of(const struct thaw_weights *w, const char *layer, int axis)
{
	char name[THAW_LAYER_NAME + 16];
	snprintf(name, sizeof(name), "%s.weight", layer);
	const struct thaw_named_tensor *t = thaw_weights_find(w, name);
	return t && axis < t->shape.ndim ? t->shape.dim[axis] : 0;
}

/* Sets the sizes; false if the tensors are those of another network. */
static bool measure(struct densenet *v, const struct thaw_weights *w)
{
	char name[THAW_LAYER_NAME];
	*v = (struct densenet){.dot = ""};
	if (size_of(w, in_layer(name, v, 0, 0, "conv", 1), 0) == 0)
		v->dot = ".";
	while (v->stem_convs < STEM_CONVS && size_of(w, in_stem(name, "conv", v->stem_convs), 3) > 0) {
		v->stem[v->stem_convs] = size_of(w, name, 0);
		v->stem_convs++;
	}
	v->growth = size_of(w, in_layer(name, v, 0, 0, "conv", 2), 0);
	v->inner = size_of(w, in_layer(name, v, 0, 0, "conv", 1), 0);
	for (int s = 0; s < STAGES; s++) {
		while (size_of(w, in_layer(name, v, s, v->layers[s], "conv", 2), 3) > 0)
			v->layers[s]++;
		if (v->layers[s] == 0)
			break;
		v->transition[s] = size_of(w, in_transition(name, s, "conv"), 0);
		v->stages++;
	}
	return (v->stem_convs == 1 || v->stem_convs == STEM_CONVS) && v->stages > 0 && v->inner > 0 &&
	       size_of(w, in_stem(name, "conv", 0), 1) == RGB;
}

static const char *recognise(const struct thaw_weights *w)
{
	struct densenet v;
	return measure(&v, w) ? variants[0] : NULL;
}

static struct densenet describe(const struct thaw_architecture *a)
{
	struct densenet v = {
		.dot = "",
		.stem = {64},
		.stem_convs = 1,
		.growth = 32,
		.inner = 128,
		.transition = {128, 256, 512},
		.layers = {6, 12, 24, 16},
		.stages = 4,
	};
	if (a->w)
		measure(&v, a->w);
	v.act = THAW_NL_RELU;
	return v;
}

static thaw_status read_config(struct densenet *v, const json_t *config, const char *source)
{
	static const char *const known[] = {"growth_rate", "block_config",     "bn_size",        "stem_type",
					    "act_layer",   "memory_efficient", "proj_drop_rate", NULL};
	const char *name = thaw_config_text_of(config, "architecture", "");
	THAW_TRY(thaw_check_timm_arguments(config, known, "DenseNet", source));
	v->blur = name && strncmp(name, "densenetblur", strlen("densenetblur")) == 0;
	return thaw_config_function(&v->act, json_object_get(config, "model_args"), "act_layer", "DenseNet", source);
}

static thaw_status find_options(json_t **options, const struct thaw_architecture *a, const json_t *config,
				const char *source)
{
	struct densenet v = describe(a);
	THAW_TRY(read_config(&v, config, source));
	if (v.stem_convs > 1 && !a->named && !json_object_get(config, "architecture"))
		return thaw_fail(THAW_CONFIG,
				 "weights that do not show whether the stem's pooling is blurred: %s: put timm's "
				 "config.json beside it, or give --model densenet:FILE if it is not",
				 source);
	*options = json_pack("{s:s, s:b}", "act", thaw_nonlinearity_name(v.act), "blur", v.blur);
	return thaw_check_options_made(*options);
}

static thaw_status read_options(struct densenet *v, const json_t *options)
{
	const char *act = "";
	int blur = v->blur;
	if (options && (json_unpack((json_t *)options, "{s:s, s:b}", "act", &act, "blur", &blur) != 0 ||
			!thaw_nonlinearity_find(act, &v->act)))
		return thaw_refuse_options("densenet");
	v->blur = blur;
	return THAW_OK;
}

static int norm(struct thaw_graph *g, int x, const struct densenet *v, const char *name, int64_t channels)
{
	x = thaw_layer_norm(g, x, &(struct thaw_norm_layer){.name = name}, channels);
	return thaw_layer_nonlinearity(g, x, name, v->act);
}

static int conv(struct thaw_graph *g, int x, const char *name, int64_t in, int64_t out, int kernel, int stride)
{
	const struct thaw_conv_layer layer = {
		.name = name, .in = in, .out = out, .kernel = kernel, .stride = stride, .pad = kernel / 2};
	return thaw_layer_conv(g, x, &layer);
}

static int stem(struct thaw_graph *g, const struct densenet *v)
{
	int x = 0;
	char name[THAW_LAYER_NAME];
	thaw_graph_block(g, "stem");
	for (int i = 0; i < v->stem_convs; i++) {
		x = conv(g, x, in_stem(name, "conv", i), i > 0 ? v->stem[i - 1] : RGB, v->stem[i],
			 v->stem_convs == 1 ? 7 : 3, i == 0 ? 2 : 1);
		x = norm(g, x, v, in_stem(name, "norm", i), v->stem[i]);
	}
	x = thaw_layer_max_pool(g, x, "features.pool0", 3, v->blur ? 1 : 2, 1);
	return thaw_layer_antialias(g, x, "features.blur", v->blur ? THAW_ANTIALIAS_BLUR : THAW_ANTIALIAS_NONE);
}

/* x and the channels that the layer adds. */
static int dense_layer(struct thaw_graph *g, int x, const struct densenet *v, int stage, int layer, int64_t channels)
{
	char name[THAW_LAYER_NAME];
	thaw_graph_block(g, "features.denseblock%d.denselayer%d", stage + 1, layer + 1);
	int y = norm(g, x, v, in_layer(name, v, stage, layer, "norm", 1), channels);
	y = conv(g, y, in_layer(name, v, stage, layer, "conv", 1), channels, v->inner, 1, 1);
	y = norm(g, y, v, in_layer(name, v, stage, layer, "norm", 2), v->inner);
	y = conv(g, y, in_layer(name, v, stage, layer, "conv", 2), v->inner, v->growth, 3, 1);
	snprintf(name, sizeof(name), "features.denseblock%d.denselayer%d", stage + 1, layer + 1);
	return thaw_graph_add(g, "concat", name, &(struct thaw_attrs){.axis = 3}, (int[]){x, y}, 2);
}

static int transition(struct thaw_graph *g, int x, const struct densenet *v, int stage, int64_t channels)
{
	char name[THAW_LAYER_NAME];
	thaw_graph_block(g, "features.transition%d", stage + 1);
	x = norm(g, x, v, in_transition(name, stage, "norm"), channels);
	x = conv(g, x, in_transition(name, stage, "conv"), channels, v->transition[stage], 1, 1);
	return thaw_layer_average_windows(g, x, in_transition(name, stage, "pool"), 2, 2, false);
}

static thaw_status build(struct thaw_graph *g, const struct thaw_architecture *a)
{
	struct densenet v = describe(a);
	THAW_TRY(read_options(&v, a->options));
	int x = stem(g, &v);
	int64_t channels = v.stem[v.stem_convs - 1];
	for (int s = 0; s < v.stages; s++) {
		for (int i = 0; i < v.layers[s]; i++, channels += v.growth)
			x = dense_layer(g, x, &v, s, i, channels);
		if (v.transition[s] == 0)
			continue;
		x = transition(g, x, &v, s, channels);
		channels = v.transition[s];
	}
	x = norm(g, x, &v, "features.norm5", channels);
	thaw_layer_classifier(g, x, "classifier", channels, a->classes, 0, a->w);
	return thaw_graph_finish(g);
}

static void preprocess(const struct thaw_architecture *a, struct thaw_preprocess *p)
{
	(void)a;
	thaw_preprocess_imagenet(p);
}

static const char *const timm_names[] = {"densenet", NULL};

const struct thaw_family thaw_family_densenet = {
	.name = "densenet",
	.variants = variants,
	.classes = 1000,
	.timm = timm_names,
	.recognise = recognise,
	.measured = true,
	.options = find_options,
	.build = build,
	.preprocess = preprocess,
};
