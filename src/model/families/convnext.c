/* ConvNeXt (Liu et al., CVPR 2022) and ConvNeXt V2 (Woo et al., CVPR 2023), with the names of timm, torchvision, the
 * authors, and transformers, there also those of DINOv3. The tensors decide all sizes. */
#include "src/model/families/convnext.h"

#include <stdio.h>

#include "src/base/try.h"
#include "src/model/family.h"

#define RGB 3

static const struct thaw_convnext_names timm = {
	.stem = "stem.0",
	.stem_norm = "stem.1",
	.stage = "stages.",
	.block = ".blocks.",
	.down = "stages.",
	.down_norm = ".downsample.0",
	.down_conv = ".downsample.1",
	.step = 1,
	.conv = "conv_dw",
	.norm = "norm",
	.fc1 = "mlp.fc1",
	.fc2 = "mlp.fc2",
	.scale = "gamma",
	.response_weight = "mlp.grn.weight",
	.response_bias = "mlp.grn.bias",
	.last_norm = "norm_pre",
	.pooled_norm = "head.norm",
	.hidden = "head.pre_logits.fc",
	.head = "head.fc",
};

static const struct thaw_convnext_names authors = {
	.stem = "downsample_layers.0.0",
	.stem_norm = "downsample_layers.0.1",
	.stage = "stages.",
	.block = ".",
	.down = "downsample_layers.",
	.down_norm = ".0",
	.down_conv = ".1",
	.step = 1,
	.conv = "dwconv",
	.norm = "norm",
	.fc1 = "pwconv1",
	.fc2 = "pwconv2",
	.scale = "gamma",
	.response_weight = "grn.gamma",
	.response_bias = "grn.beta",
	.response_shape = THAW_CHANNELS_111C,
	.pooled_norm = "norm",
	.head = "head",
};

static const struct thaw_convnext_names torchvision = {
	.stem = "features.0.0",
	.stem_norm = "features.0.1",
	.stage = "features.",
	.block = ".",
	.down = "features.",
	.down_norm = ".0",
	.down_conv = ".1",
	.step = 2,
	.conv = "block.0",
	.norm = "block.2",
	.fc1 = "block.3",
	.fc2 = "block.5",
	.scale = "layer_scale",
	.scale_shape = THAW_CHANNELS_C11,
	.pooled_norm = "classifier.0",
	.head = "classifier.2",
};

static const struct thaw_convnext_names transformers = {
	.stem = "embeddings.patch_embeddings",
	.stem_norm = "embeddings.layernorm",
	.stage = "encoder.stages.",
	.block = ".layers.",
	.down = "encoder.stages.",
	.down_norm = ".downsampling_layer.0",
	.down_conv = ".downsampling_layer.1",
	.step = 1,
	.conv = "dwconv",
	.norm = "layernorm",
	.fc1 = "pwconv1",
	.fc2 = "pwconv2",
	.scale = "layer_scale_parameter",
	.response_weight = "grn.weight",
	.response_bias = "grn.bias",
	.response_shape = THAW_CHANNELS_111C,
	.pooled_norm = "layernorm",
	.head = "classifier",
	.transformers = true,
};

static const struct thaw_convnext_names dinov3 = {
	.stem = "stages.0.downsample_layers.0",
	.stem_norm = "stages.0.downsample_layers.1",
	.stage = "stages.",
	.block = ".layers.",
	.down = "stages.",
	.down_norm = ".downsample_layers.0",
	.down_conv = ".downsample_layers.1",
	.step = 1,
	.conv = "depthwise_conv",
	.norm = "layer_norm",
	.fc1 = "pointwise_conv1",
	.fc2 = "pointwise_conv2",
	.scale = "gamma",
	.pooled_norm = "layer_norm",
	.head = "classifier",
	.transformers = true,
};

/* Random networks have these names; one of a file is called "convnext". */
static const char *const variants[] = {
	"convnext", "convnext_atto", "convnext_nano", "convnext_tiny", "convnextv2_atto", "convnextv2_tiny", NULL};
static const struct {
	int64_t channels;  /* of the first stage */
	int blocks, third; /* of the stages, and of the third one */
	bool convolutions, responses;
} sizes[] = {
	{96, 3, 9, false, false}, {40, 2, 6, true, false}, {80, 2, 8, true, false},
	{96, 3, 9, false, false}, {40, 2, 6, true, true},  {96, 3, 9, false, true},
};

/* Size of a tensor along an axis; 0 if the file does not have it, or not this axis. */
static int64_t size_of(const struct thaw_weights *w, const char *layer, const char *ending, int axis)
{
	char name[THAW_LAYER_NAME + 16];
	snprintf(name, sizeof(name), "%s%s", layer, ending);
	const struct thaw_named_tensor *t = thaw_weights_find(w, name);
	return t && axis < t->shape.ndim ? t->shape.dim[axis] : 0;
}

/* The same of a layer in a block. */
static int64_t size_in_block(const struct thaw_weights *w, const struct thaw_convnext *v, int stage, int block,
			     const char *layer, const char *ending, int axis)
{
	char name[THAW_LAYER_NAME];
	return layer ? size_of(w, thaw_convnext_in_block(name, v, stage, block, layer), ending, axis) : 0;
}

/* The same of a layer of the trunk. */
static int64_t size_in_trunk(const struct thaw_weights *w, const struct thaw_convnext *v, const char *layer,
			     const char *ending, int axis)
{
	char name[THAW_LAYER_NAME];
	return layer ? size_of(w, thaw_convnext_trunk(name, v, layer), ending, axis) : 0;
}

static void measure_stem(struct thaw_convnext *v, const struct thaw_weights *w)
{
	v->stem_channels = size_in_trunk(w, v, v->names->stem, ".weight", 0);
	v->stem_kernel = (int)size_in_trunk(w, v, v->names->stem, ".weight", 3);
	v->bias = size_in_trunk(w, v, v->names->stem, ".bias", 0) > 0;
	for (int i = 1; i <= 2 && v->names == &timm; i++) {
		char second[THAW_LAYER_NAME];
		snprintf(second, sizeof(second), "stem.%d", i);
		if (size_of(w, second, ".weight", 3) == 0)
			continue;
		v->stem_second = i;
		v->stem_middle = v->stem_channels;
		v->stem_channels = size_of(w, second, ".weight", 0);
	}
}

static struct thaw_convnext_stage measure_stage(const struct thaw_convnext *v, const struct thaw_weights *w, int s)
{
	const struct thaw_convnext_names *n = v->names;
	char down[THAW_LAYER_NAME];
	struct thaw_convnext_stage stage = {
		.channels = size_in_block(w, v, s, 0, n->conv, ".weight", 0),
		.kernel = (int)size_in_block(w, v, s, 0, n->conv, ".weight", 3),
		.hidden = size_in_block(w, v, s, 0, n->fc1, ".weight", 0),
		.down = size_of(w, thaw_convnext_before_stage(down, v, s, n->down_conv), ".weight", 3) == 2,
	};
	while (size_in_block(w, v, s, stage.blocks, n->conv, ".weight", 3) > 0)
		stage.blocks++;
	return stage;
}

/* Sets the sizes of a network with the names in *v; false if the tensors are those of another one. */
static bool measure(struct thaw_convnext *v, const struct thaw_weights *w)
{
	const struct thaw_convnext_names *n = v->names;
	measure_stem(v, w);
	for (; v->stages < THAW_CONVNEXT_STAGES; v->stages++) {
		v->stage[v->stages] = measure_stage(v, w, v->stages);
		if (v->stage[v->stages].blocks == 0)
			break;
		if (v->stage[v->stages].hidden == 0)
			return false;
	}
	v->convolutions = size_in_block(w, v, 0, 0, n->fc1, ".weight", 3) > 0;
	v->scales = size_in_block(w, v, 0, 0, n->scale, "", 0) > 0;
	v->responses = size_in_block(w, v, 0, 0, n->response_weight, "", 0) > 0;
	v->norm_bias = size_in_block(w, v, 0, 0, n->norm, ".bias", 0) > 0;
	v->last_norm = size_in_trunk(w, v, n->last_norm, ".weight", 0) > 0;
	v->pooled_norm = size_in_trunk(w, v, n->pooled_norm, ".weight", 0) > 0;
	v->head_hidden = size_in_trunk(w, v, n->hidden, ".weight", 0);
	return v->stages > 0 && size_in_block(w, v, 0, 0, n->norm, ".weight", 0) == v->stage[0].channels &&
	       size_in_trunk(w, v, n->stem, ".weight", 1) == RGB;
}

/* Finds the names, and with them the sizes; false if the tensors are those of another network. */
static bool find_sizes(struct thaw_convnext *v, const struct thaw_weights *w)
{
	static const struct {
		const struct thaw_convnext_names *names;
		const char *prefix;
	} all[] = {
		{&timm, ""},
		{&authors, ""},
		{&torchvision, ""},
		{&transformers, "convnext."},
		{&transformers, "convnextv2."},
		{&transformers, ""}, /* without a classifier */
		{&dinov3, ""},
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		*v = (struct thaw_convnext){.names = all[i].names, .prefix = all[i].prefix};
		if (measure(v, w))
			return true;
	}
	return false;
}

static const char *recognise(const struct thaw_weights *w)
{
	struct thaw_convnext v;
	return find_sizes(&v, w) ? variants[0] : NULL;
}

static void default_sizes(struct thaw_convnext *v, int variant)
{
	*v = (struct thaw_convnext){
		.names = &timm,
		.prefix = "",
		.stem_channels = sizes[variant].channels,
		.stem_kernel = 4,
		.stages = 4,
		.convolutions = sizes[variant].convolutions,
		.responses = sizes[variant].responses,
		.scales = !sizes[variant].responses,
		.bias = true,
		.norm_bias = true,
		.pooled_norm = true,
	};
	for (int s = 0; s < v->stages; s++) {
		const int64_t channels = v->stem_channels << s;
		v->stage[s] = (struct thaw_convnext_stage){
			.channels = channels,
			.hidden = 4 * channels,
			.kernel = 7,
			.blocks = s == 2 ? sizes[variant].third : sizes[variant].blocks,
			.down = s > 0,
		};
	}
}

static struct thaw_convnext describe(const struct thaw_architecture *a)
{
	struct thaw_convnext v;
	if (a->w)
		find_sizes(&v, a->w);
	else
		default_sizes(&v, thaw_variant_index(variants, a->variant));
	thaw_convnext_default_options(&v);
	return v;
}

static thaw_status find_options(json_t **options, const struct thaw_architecture *a, const json_t *config,
				const char *source)
{
	struct thaw_convnext v = describe(a);
	if (config)
		THAW_TRY(thaw_convnext_read_config(&v, config, source));
	return thaw_convnext_write_options(options, &v);
}

static thaw_status build(struct thaw_graph *g, const struct thaw_architecture *a)
{
	struct thaw_convnext v = describe(a);
	THAW_TRY(thaw_convnext_read_options(&v, a->options));
	thaw_convnext_build(g, &v, a);
	return thaw_graph_finish(g);
}

/* That of the authors, of torchvision's networks, or of transformers' processor below 384 pixels. */
static void preprocess(const struct thaw_architecture *a, struct thaw_preprocess *p)
{
	const struct thaw_convnext v = describe(a);
	thaw_preprocess_imagenet(p);
	if (v.names == &torchvision)
		p->resize = v.stage[2].blocks == 9 ? 236 : v.stem_channels == 96 ? 230 : 232;
	else
		p->filter = THAW_BICUBIC;
}

static const char *const timm_names[] = {"convnext_", "convnextv2_", "test_convnext", NULL};
static const char *const transformers_names[] = {"convnext", "convnextv2", "dinov3_convnext", NULL};

const struct thaw_family thaw_family_convnext = {
	.name = "convnext",
	.variants = variants,
	.classes = 1000,
	.timm = timm_names,
	.transformers = transformers_names,
	.recognise = recognise,
	.options = find_options,
	.build = build,
	.preprocess = preprocess,
};
