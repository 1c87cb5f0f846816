/* RegNet X and Y (Radosavovic et al., CVPR 2020), with the names of timm, torchvision and transformers, and timm's
 * RegNetZ and RegNetV (norms before convolutions). The tensors decide all sizes. */
#include "src/model/families/regnet.h"

#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "src/model/families/timm_config.h"
#include "src/model/family.h"

#define RGB 3

static const struct thaw_regnet_names timm = {
	.stem = "stem.conv",
	.stem_norm = "stem.bn",
	.stage = "s",
	.block = ".b",
	.first = 1,
	.conv = {"conv1.conv", "conv2.conv", "conv3.conv"},
	.norm = {"conv1.bn", "conv2.bn", "conv3.bn"},
	.reduce = "se.fc1",
	.expand = "se.fc2",
	.shortcut = "downsample.conv",
	.shortcut_norm = "downsample.bn",
	.average = "downsample.1.conv",
	.average_norm = "downsample.1.bn",
	.last = "final_conv.conv",
	.last_norm = "final_conv.bn",
	.head = "head.fc",
};

static const struct thaw_regnet_names timm_before = {
	.stem = "stem",
	.stage = "s",
	.block = ".b",
	.first = 1,
	.conv = {"conv1", "conv2", "conv3"},
	.norm = {"norm1", "norm2", "norm3"},
	.reduce = "se.fc1",
	.expand = "se.fc2",
	.shortcut = "downsample",
	.average = "downsample.1",
	.last = "final_conv.conv",
	.last_norm = "final_conv.bn",
	.head = "head.fc",
	.before = true,
};

static const struct thaw_regnet_names torchvision = {
	.stem = "stem.0",
	.stem_norm = "stem.1",
	.stage = "trunk_output.block",
	.block = ".block",
	.again = "-",
	.first = 1,
	.conv = {"f.a.0", "f.b.0", "f.c.0"},
	.norm = {"f.a.1", "f.b.1", "f.c.1"},
	.reduce = "f.se.fc1",
	.expand = "f.se.fc2",
	.shortcut = "proj.0",
	.shortcut_norm = "proj.1",
	.head = "fc",
};

#define TRANSFORMERS_NAMES                                                                       \
	.stem = "embedder.embedder.convolution", .stem_norm = "embedder.embedder.normalization", \
	.stage = "encoder.stages.", .block = ".layers.", .shortcut = "shortcut.convolution",     \
	.shortcut_norm = "shortcut.normalization", .head = "classifier.1", .transformers = true

static const struct thaw_regnet_names transformers_x = {
	TRANSFORMERS_NAMES,
	.conv = {"layer.0.convolution", "layer.1.convolution", "layer.2.convolution"},
	.norm = {"layer.0.normalization", "layer.1.normalization", "layer.2.normalization"},
};

static const struct thaw_regnet_names transformers_y = {
	TRANSFORMERS_NAMES,
	.conv = {"layer.0.convolution", "layer.1.convolution", "layer.3.convolution"},
	.norm = {"layer.0.normalization", "layer.1.normalization", "layer.3.normalization"},
	.reduce = "layer.2.attention.0",
	.expand = "layer.2.attention.2",
};

/* Random networks have these names; one of a file is called "regnet". */
static const char *const variants[] = {"regnet", "regnetx_002", "regnety_002", NULL};

/* Size of a layer's weight along an axis; 0 if the file does not have it, or not this axis. */
static int64_t size_of(const struct thaw_weights *w, const char *layer, int axis)
{
	char name[THAW_LAYER_NAME + 16];
	snprintf(name, sizeof(name), "%s.weight", layer);
	const struct thaw_named_tensor *t = thaw_weights_find(w, name);
	return t && axis < t->shape.ndim ? t->shape.dim[axis] : 0;
}

/* The same of a layer of a block, or of the trunk. */
static int64_t size_in_block(const struct thaw_weights *w, const struct thaw_regnet *v, int stage, int block,
			     const char *layer, int axis)
{
	char name[THAW_LAYER_NAME];
	return layer ? size_of(w, thaw_regnet_in_block(name, v, stage, block, layer), axis) : 0;
}

static int64_t size_in_trunk(const struct thaw_weights *w, const struct thaw_regnet *v, const char *layer, int axis)
{
	char name[THAW_LAYER_NAME];
	return layer ? size_of(w, thaw_regnet_trunk(name, v, layer), axis) : 0;
}

static struct thaw_regnet_stage measure_stage(const struct thaw_regnet *v, const struct thaw_weights *w, int s)
{
	const struct thaw_regnet_names *n = v->names;
	struct thaw_regnet_stage stage = {
		.channels = size_in_block(w, v, s, 0, n->conv[2], 0),
		.inner = size_in_block(w, v, s, 0, n->conv[1], 0),
		.group = size_in_block(w, v, s, 0, n->conv[1], 1),
		.reduced = {size_in_block(w, v, s, 0, n->reduce, 0), size_in_block(w, v, s, 1, n->reduce, 0)},
		.shortcut = size_in_block(w, v, s, 0, n->shortcut, 3) > 0,
		.average = size_in_block(w, v, s, 0, n->average, 3) > 0,
	};
	while (size_in_block(w, v, s, stage.blocks, n->conv[2], 3) > 0)
		stage.blocks++;
	return stage;
}

/* Batch norms, unlike others, have moving statistics. */
static bool has_batch_norm(const struct thaw_weights *w, const struct thaw_regnet *v)
{
	char layer[THAW_LAYER_NAME], name[THAW_LAYER_NAME + 16];
	snprintf(name, sizeof(name), "%s.running_var", thaw_regnet_in_block(layer, v, 0, 0, v->names->norm[1]));
	return thaw_weights_find(w, name) != NULL;
}

/* Sets the sizes of a network with the names in *v; false if the tensors are those of another one. */
static bool measure(struct thaw_regnet *v, const struct thaw_weights *w)
{
	v->stem_channels = size_in_trunk(w, v, v->names->stem, 0);
	v->last_channels = size_in_trunk(w, v, v->names->last, 0);
	for (; v->stages < THAW_REGNET_STAGES; v->stages++) {
		struct thaw_regnet_stage *s = &v->stage[v->stages];
		*s = measure_stage(v, w, v->stages);
		if (s->blocks == 0)
			break;
		if (s->group < 1 || s->inner < s->group)
			return false;
	}
	return v->stages > 0 && size_in_trunk(w, v, v->names->stem, 1) == RGB && has_batch_norm(w, v);
}

/* Finds the names, and with them the sizes; false if the tensors are those of another network. */
static bool find_sizes(struct thaw_regnet *v, const struct thaw_weights *w)
{
	static const struct {
		const struct thaw_regnet_names *names;
		const char *prefix;
	} all[] = {
		{&timm, ""},
		{&timm_before, ""},
		{&torchvision, ""},
		{&transformers_x, "regnet."},
		{&transformers_y, "regnet."},
		{&transformers_x, ""}, /* without a classifier */
		{&transformers_y, ""},
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		*v = (struct thaw_regnet){.names = all[i].names, .prefix = all[i].prefix};
		if (measure(v, w))
			return true;
	}
	return false;
}

static const char *recognise(const struct thaw_weights *w)
{
	struct thaw_regnet v;
	return find_sizes(&v, w) ? variants[0] : NULL;
}

/* RegNetX-200MF or RegNetY-200MF. */
static void default_sizes(struct thaw_regnet *v, bool y)
{
	enum { STAGES = 4, STEM = 32, GROUP = 8, SQUEEZE = 4 };
	static const int64_t channels[STAGES] = {24, 56, 152, 368};
	static const int blocks[STAGES] = {1, 1, 4, 7};
	*v = (struct thaw_regnet){.names = &timm, .prefix = "", .stem_channels = STEM, .stages = STAGES};
	for (int s = 0; s < STAGES; s++) {
		const int64_t before = s > 0 ? channels[s - 1] : STEM;
		v->stage[s] = (struct thaw_regnet_stage){
			.channels = channels[s],
			.inner = channels[s],
			.group = GROUP,
			.reduced = {y ? before / SQUEEZE : 0, y ? channels[s] / SQUEEZE : 0},
			.blocks = blocks[s],
			.shortcut = true,
		};
	}
}

/* timm's RegNetV and RegNetZ, which their shortcuts show, have another function. */
static struct thaw_regnet describe(const struct thaw_architecture *a)
{
	struct thaw_regnet v;
	if (a->w)
		find_sizes(&v, a->w);
	else
		default_sizes(&v, strcmp(a->variant, "regnetx_002") != 0);
	v.linear = !v.names->transformers && !v.stage[0].shortcut && !v.stage[0].average;
	v.act = v.linear || v.names->before ? THAW_NL_SILU : THAW_NL_RELU;
	return v;
}

static thaw_status read_transformers(struct thaw_regnet *v, const json_t *config, const char *source)
{
	v->keep_size = json_is_false(json_object_get(config, "downsample_in_first_stage"));
	return thaw_config_function(&v->act, config, "hidden_act", "RegNet", source);
}

/* timm's model_args, of which the tensors show many. */
static thaw_status read_timm(struct thaw_regnet *v, const json_t *config, const char *source)
{
	static const char *const known[] = {"depth",      "w0",           "wa",       "wm",
					    "group_size", "bottle_ratio", "se_ratio", "group_min_ratio",
					    "stem_width", "downsample",   "preact",   "num_features",
					    "linear_out", "act_layer",    NULL};
	const json_t *arguments = json_object_get(config, "model_args");
	const json_t *linear = json_object_get(arguments, "linear_out");
	THAW_TRY(thaw_check_timm_arguments(config, known, "RegNet", source));
	if (linear && !json_is_boolean(linear))
		return thaw_refuse_config("RegNet", "linear_out", NULL, source);
	if (linear)
		v->linear = json_is_true(linear);
	return thaw_config_function(&v->act, arguments, "act_layer", "RegNet", source);
}

static thaw_status find_options(json_t **options, const struct thaw_architecture *a, const json_t *config,
				const char *source)
{
	struct thaw_regnet v = describe(a);
	if (config)
		THAW_TRY(v.names->transformers ? read_transformers(&v, config, source) : read_timm(&v, config, source));
	else if (v.names->transformers && !a->named)
		return thaw_fail(THAW_CONFIG,
				 "weights that do not show whether the first stage halves the image: %s: put its "
				 "config.json beside it, or give --model regnet:FILE if it does",
				 source);
	*options = json_pack("{s:s, s:b, s:b}", "act", thaw_nonlinearity_name(v.act), "linear", v.linear, "keep_size",
			     v.keep_size);
	return thaw_check_options_made(*options);
}

static thaw_status read_options(struct thaw_regnet *v, const json_t *options)
{
	const char *act = "";
	int linear = v->linear, keep_size = v->keep_size;
	if (options && (json_unpack((json_t *)options, "{s:s, s:b, s:b}", "act", &act, "linear", &linear, "keep_size",
				    &keep_size) != 0 ||
			!thaw_nonlinearity_find(act, &v->act)))
		return thaw_refuse_options("regnet");
	v->linear = linear;
	v->keep_size = keep_size;
	return THAW_OK;
}

static thaw_status build(struct thaw_graph *g, const struct thaw_architecture *a)
{
	struct thaw_regnet v = describe(a);
	THAW_TRY(read_options(&v, a->options));
	thaw_regnet_build(g, &v, a);
	return thaw_graph_finish(g);
}

/* That of torchvision, or of the authors. */
static void preprocess(const struct thaw_architecture *a, struct thaw_preprocess *p)
{
	thaw_preprocess_imagenet(p);
	if (describe(a).names != &torchvision)
		p->filter = THAW_BICUBIC;
}

static const char *const timm_names[] = {"regnetx_", "regnety_", "regnetv_", "regnetz_0", NULL};
static const char *const transformers_names[] = {"regnet", NULL};

const struct thaw_family thaw_family_regnet = {
	.name = "regnet",
	.variants = variants,
	.classes = 1000,
	.timm = timm_names,
	.transformers = transformers_names,
	.recognise = recognise,
	.measured = true,
	.options = find_options,
	.build = build,
	.preprocess = preprocess,
};
