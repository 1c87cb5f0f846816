/* ResNets with norms before their convolutions (He et al., ECCV 2016), with the names of timm's ResNetV2 and of
 * transformers' BiT: with batch norms, or as Big Transfer (Kolesnikov et al., ECCV 2020), with group norms and weight
 * standardisation. The tensors decide all sizes. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "src/model/families/layers.h"
#include "src/model/families/nonlinearity.h"
#include "src/model/families/timm_config.h"
#include "src/model/family.h"
#include "src/model/unknown_network.h"

enum { MAX_STAGES = 8, STEM = 3, STAGES = 4, MAX_GROUPS = 1 << 16 };

#define GROUPS      32
#define BIT_EPSILON 1e-8f /* of weight standardisation */
#define STEM_KERNEL 7
#define STRIDE      32
#define FAMILY      "ResNetV2"

/* Names in files; those in a block are the same. */
struct names {
	const char *conv, *deep_conv[STEM], *deep_norm[STEM];
	const char *stage, *in_stage; /* before the numbers of a stage and of a block */
	const char *norm, *head;
	bool timm; /* the classifier is a convolution */
};

static const struct names timm = {
	.conv = "stem.conv",
	.deep_conv = {"stem.conv1", "stem.conv2", "stem.conv3"},
	.deep_norm = {"stem.norm1", "stem.norm2"},
	.stage = "stages.",
	.in_stage = ".blocks.",
	.norm = "norm",
	.head = "head.fc",
	.timm = true,
};

/* BitModel, without a classifier. */
static const struct names transformers_part = {
	.conv = "embedder.convolution",
	.stage = "encoder.stages.",
	.in_stage = ".layers.",
	.norm = "norm",
	.head = "classifier.1",
};

static const struct names transformers = {
	.conv = "bit.embedder.convolution",
	.stage = "bit.encoder.stages.",
	.in_stage = ".layers.",
	.norm = "bit.norm",
	.head = "classifier.1",
};

struct network {
	const struct names *names;
	bool deep; /* three convolutions in the stem */
	int64_t stem[STEM];
	int stages, blocks[MAX_STAGES];
	bool batch_norms;
	/* Options. */
	int groups;       /* of group norms */
	bool standardise; /* the weights */
	bool zero_border; /* the stem's pooling is over an image with a border of zeros */
	bool same;        /* TensorFlow's padding in convolutions, and none in the stem's pooling */
	bool pools;       /* average pooling in shortcuts */
	enum thaw_nonlinearity function;
};

struct block {
	char name[THAW_LAYER_NAME];
	int64_t in, inner, out;
	int stride;
	bool bottleneck, projects;
};

/* The original BiT is the random network. */
static const char *const variants[] = {"resnetv2", NULL};
static const int original_blocks[STAGES] = {3, 4, 6, 3};
enum { ORIGINAL_STEM = 64, ORIGINAL_INNER = 64, GAIN = 4 };

/* "NAME.LAYER", in text[2 * THAW_LAYER_NAME]. */
static const char *join(char *text, const char *name, const char *layer)
{
	snprintf(text, 2 * THAW_LAYER_NAME, "%s.%s", name, layer);
	return text;
}

static void name_block(struct block *b, const struct names *n, int stage, int block)
{
	snprintf(b->name, sizeof(b->name), "%s%d%s%d", n->stage, stage, n->in_stage, block);
}

static const struct thaw_shape *find_conv(const struct block *b, const struct thaw_weights *w, const char *layer,
					  int64_t in, int64_t kernel)
{
	char name[2 * THAW_LAYER_NAME];
	return thaw_weights_conv(w, join(name, b->name, layer), in, kernel);
}

/* Sets the sizes of a block of `in` channels. false: the tensors do not fit each other. */
static bool measure_block(struct block *b, const struct thaw_weights *w, int64_t in)
{
	char norm[2 * THAW_LAYER_NAME];
	const struct thaw_shape *third = find_conv(b, w, "conv3", 0, 1);
	const struct thaw_shape *first = find_conv(b, w, "conv1", in, third ? 1 : 3);
	const struct thaw_shape *second = first ? find_conv(b, w, "conv2", first->dim[0], 3) : NULL;
	const struct thaw_shape *down = find_conv(b, w, "downsample.conv", in, 1);
	if (!second || (third && (second->dim[0] != first->dim[0] || third->dim[1] != first->dim[0])))
		return false;
	b->in = in;
	b->inner = first->dim[0];
	b->out = (third ? third : second)->dim[0];
	b->bottleneck = third;
	b->projects = down;
	/* The first norm is before the first convolution. */
	return thaw_weights_has_shape(w, join(norm, b->name, "norm1.weight"), &thaw_shape_of(in)) &&
	       (down ? down->dim[0] : in) == b->out;
}

static bool measure_stem(struct network *v, const struct thaw_weights *w)
{
	const struct thaw_shape *single = thaw_weights_conv(w, v->names->conv, 3, STEM_KERNEL);
	int64_t in = 3;
	v->deep = !single;
	for (int i = 0; i < (single ? 1 : STEM); i++) {
		const char *layer = v->names->deep_conv[i];
		const struct thaw_shape *s = single ? single : layer ? thaw_weights_conv(w, layer, in, 3) : NULL;
		if (!s)
			return false;
		in = v->stem[i] = s->dim[0];
	}
	return true;
}

static bool measure_stages(struct network *v, const struct thaw_weights *w)
{
	int64_t channels = v->stem[v->deep ? STEM - 1 : 0];
	for (v->stages = 0; v->stages < MAX_STAGES; v->stages++) {
		for (int i = 0;; i++) {
			struct block b = {0};
			name_block(&b, v->names, v->stages, i);
			v->blocks[v->stages] = i;
			if (!find_conv(&b, w, "conv1", 0, 0))
				break;
			if (!measure_block(&b, w, channels))
				return false;
			channels = b.out;
		}
		if (v->blocks[v->stages] == 0)
			break;
	}
	return v->stages > 0;
}

/* Finds names and sizes in a file. false: it is of another network. */
static bool measure(struct network *v, const struct thaw_weights *w)
{
	static const struct names *const all[] = {&timm, &transformers, &transformers_part};
	char name[2 * THAW_LAYER_NAME];
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		v->names = all[i];
		if (!thaw_weights_find(w, join(name, v->names->norm, "weight")) || !measure_stem(v, w) ||
		    !measure_stages(v, w))
			continue;
		v->batch_norms = thaw_weights_find(w, join(name, v->names->norm, "running_mean")) != NULL;
		return true;
	}
	return false;
}

static const char *recognise(const struct thaw_weights *w)
{
	struct network v;
	return measure(&v, w) ? variants[0] : NULL;
}

/* Sizes and customary options. *w: the tensors that decide the sizes, or NULL for the original network. */
static struct network describe(const struct thaw_architecture *a, const struct thaw_weights **w)
{
	struct network v = {0};
	*w = a->w && measure(&v, a->w) ? a->w : NULL;
	if (!*w) {
		v = (struct network){.names = &timm, .stem = {ORIGINAL_STEM}, .stages = STAGES};
		memcpy(v.blocks, original_blocks, sizeof(original_blocks));
	}
	v.groups = v.batch_norms ? 0 : GROUPS;
	v.standardise = v.zero_border = !v.batch_norms && !v.deep;
	v.pools = v.deep;
	v.function = THAW_NL_RELU;
	return v;
}

/* Two of timm's networks have norms that are neither batch nor group norms. */
static thaw_status check_timm(const char *architecture, const json_t *config, const char *source)
{
	static const char *const none[] = {NULL};
	if (strstr(architecture, "_evos") || strstr(architecture, "_frn"))
		return thaw_refuse_config(FAMILY, "architecture", architecture, source);
	return thaw_check_timm_arguments(config, none, FAMILY, source);
}

/* A number from 1 to `most`; `fallback` if the key is absent; 0: another value. */
static int number_of(const json_t *config, const char *key, int fallback, int most)
{
	const json_t *value = json_object_get(config, key);
	const json_int_t number = json_integer_value(value);
	return !value ? fallback : number >= 1 && number <= most ? (int)number : 0;
}

static thaw_status read_transformers(struct network *v, const json_t *config, const char *source)
{
	const char *padding = thaw_config_text_of(config, "global_padding", "");
	const char *type = thaw_config_text_of(config, "layer_type", "preactivation");
	v->same = padding && (strcmp(padding, "SAME") == 0 || strcmp(padding, "same") == 0);
	v->zero_border = !v->same;
	v->groups = number_of(config, "num_groups", v->groups, MAX_GROUPS);
	if (!padding || (*padding && !v->same))
		return thaw_refuse_config(FAMILY, "global_padding", padding, source);
	if (json_is_true(json_object_get(config, "embedding_dynamic_padding")))
		return thaw_refuse_config(FAMILY, "embedding_dynamic_padding", "true", source);
	if (v->groups == 0)
		return thaw_refuse_config(FAMILY, "num_groups", NULL, source);
	if (number_of(config, "output_stride", STRIDE, STRIDE) != STRIDE)
		return thaw_refuse_config(FAMILY, "output_stride", NULL, source);
	if (!type || strcmp(type, "preactivation") != 0)
		return thaw_refuse_config(FAMILY, "layer_type", type, source);
	return thaw_config_function(&v->function, config, "hidden_act", FAMILY, source);
}

static thaw_status find_options(json_t **options, const struct thaw_architecture *a, const json_t *config,
				const char *source)
{
	const struct thaw_weights *w;
	struct network v = describe(a, &w);
	const char *architecture = json_string_value(json_object_get(config, "architecture"));
	const char *type = thaw_config_text_of(config, "model_type", "");
	if (architecture)
		THAW_TRY(check_timm(architecture, config, source));
	else if (type && strcmp(type, "bit") == 0)
		THAW_TRY(read_transformers(&v, config, source));
	else if (!a->named && v.groups > 0)
		return thaw_fail(
			THAW_CONFIG,
			"group norms, whose groups the tensors do not show: %s: give --model resnetv2:FILE if it "
			"is BiT or timm's resnetv2_50d_gn, else " THAW_EXPORT_HOW,
			source);
	*options = json_pack("{s:i, s:b, s:b, s:b, s:b, s:s}", "groups", v.groups, "standardise", v.standardise,
			     "zero_border", v.zero_border, "same", v.same, "pools", v.pools, "function",
			     thaw_nonlinearity_name(v.function));
	return thaw_check_options_made(*options);
}

static thaw_status read_options(struct network *v, const json_t *options)
{
	const char *function;
	int standardise, zero_border, same, pools;
	if (!options)
		return THAW_OK;
	if (json_unpack((json_t *)options, "{s:i, s:b, s:b, s:b, s:b, s:s}", "groups", &v->groups, "standardise",
			&standardise, "zero_border", &zero_border, "same", &same, "pools", &pools, "function",
			&function) != 0 ||
	    !thaw_nonlinearity_find(function, &v->function) || (v->groups < 1) != v->batch_norms)
		return thaw_refuse_options("resnetv2");
	v->standardise = standardise;
	v->zero_border = zero_border;
	v->same = same;
	v->pools = pools;
	return THAW_OK;
}

static int conv(struct thaw_graph *g, int x, const struct network *v, struct thaw_conv_layer layer)
{
	layer.pad = layer.kernel / 2;
	layer.same = v->same;
	layer.standardise = v->standardise ? BIT_EPSILON : 0;
	return thaw_layer_conv(g, x, &layer);
}

/* A norm and the function after it. */
static int norm(struct thaw_graph *g, int x, const struct network *v, const char *name, int64_t channels)
{
	x = thaw_layer_batch_or_group_norm(g, x, name, channels, v->groups);
	return thaw_layer_nonlinearity(g, x, name, v->function);
}

static int stem(struct thaw_graph *g, int x, const struct network *v)
{
	static const struct thaw_attrs border = {.before = {0, 1, 1, 0}, .after = {0, 1, 1, 0}};
	const struct names *n = v->names;
	int64_t in = 3;
	thaw_graph_block(g, "stem");
	for (int i = 0; i < (v->deep ? STEM : 1); i++) {
		const struct thaw_conv_layer layer = {
			.name = v->deep ? n->deep_conv[i] : n->conv,
			.in = in,
			.out = v->stem[i],
			.kernel = v->deep ? 3 : STEM_KERNEL,
			.stride = i == 0 ? 2 : 1,
		};
		x = conv(g, x, v, layer);
		in = v->stem[i];
		if (v->deep && n->deep_norm[i])
			x = norm(g, x, v, n->deep_norm[i], in);
	}
	if (v->zero_border)
		x = thaw_graph_add(g, "pad", "stem.border", &border, &x, 1);
	return thaw_layer_max_pool(g, x, "stem.pool", 3, 2, v->zero_border || v->same ? 0 : 1);
}

static int shortcut(struct thaw_graph *g, int x, const struct network *v, const struct block *b)
{
	char name[2 * THAW_LAYER_NAME];
	if (v->pools && b->stride > 1)
		x = thaw_layer_average_windows(g, x, join(name, b->name, "downsample.pool"), 2, b->stride, true);
	const struct thaw_conv_layer layer = {.name = join(name, b->name, "downsample.conv"),
					      .in = b->in,
					      .out = b->out,
					      .kernel = 1,
					      .stride = v->pools ? 1 : b->stride};
	return conv(g, x, v, layer);
}

/* x + branch(function(norm1(x))) */
static int add_block(struct thaw_graph *g, int x, const struct network *v, const struct block *b)
{
	static const char *const convs[] = {"conv1", "conv2", "conv3"}, *const norms[] = {"norm1", "norm2", "norm3"};
	char name[2 * THAW_LAYER_NAME];
	int64_t in = b->in;
	int y = x, identity = x;
	thaw_graph_block(g, "%s", b->name);
	for (int i = 0; i < 2 + b->bottleneck; i++) {
		const bool last = i == 1 + b->bottleneck;
		y = norm(g, y, v, join(name, b->name, norms[i]), in);
		if (i == 0 && b->projects)
			identity = shortcut(g, y, v, b);
		const struct thaw_conv_layer layer = {
			.name = join(name, b->name, convs[i]),
			.in = in,
			.out = last ? b->out : b->inner,
			.kernel = b->bottleneck && i != 1 ? 1 : 3,
			.stride = i == b->bottleneck ? b->stride : 1,
		};
		y = conv(g, y, v, layer);
		in = layer.out;
	}
	return thaw_layer_add(g, y, identity, b->name);
}

/* timm's classifier is a convolution of the pooled features. */
static int conv_classifier(struct thaw_graph *g, int x, const char *name, int64_t in, int64_t classes,
			   const struct thaw_weights *w)
{
	char weight[2 * THAW_LAYER_NAME];
	const struct thaw_conv_layer layer = {
		.name = name,
		.in = in,
		.out = thaw_weights_outputs(w, join(weight, name, "weight"), &thaw_shape_of(0, in, 1, 1), classes),
		.kernel = 1,
		.stride = 1,
		.bias = true,
	};
	x = thaw_layer_average_pool(g, x, "global_pool", 1);
	thaw_graph_block(g, "%s", name);
	return thaw_layer_flatten(g, thaw_layer_conv(g, x, &layer), "flatten");
}

static thaw_status build(struct thaw_graph *g, const struct thaw_architecture *a)
{
	const struct thaw_weights *w;
	struct network v = describe(a, &w);
	THAW_TRY(read_options(&v, a->options));
	int64_t channels = v.stem[v.deep ? STEM - 1 : 0];
	int x = stem(g, 0, &v);
	for (int s = 0; s < v.stages; s++) {
		for (int i = 0; i < v.blocks[s]; i++) {
			const int64_t inner = (int64_t)ORIGINAL_INNER << s;
			struct block b = {.in = channels,
					  .inner = inner,
					  .out = GAIN * inner,
					  .bottleneck = true,
					  .projects = i == 0};
			name_block(&b, v.names, s, i);
			if (w)
				measure_block(&b, w, channels);
			b.stride = i == 0 && s > 0 ? 2 : 1;
			x = add_block(g, x, &v, &b);
			channels = b.out;
		}
	}
	x = norm(g, x, &v, v.names->norm, channels);
	if (v.names->timm)
		conv_classifier(g, x, v.names->head, channels, a->classes, a->w);
	else
		thaw_layer_classifier(g, x, v.names->head, channels, a->classes, 0, a->w);
	return thaw_graph_finish(g);
}

/* timm's; in transformers all networks of this family are BiT. */
static void preprocess(const struct thaw_architecture *a, struct thaw_preprocess *p)
{
	static const float clip_mean[] = {0.48145466f, 0.4578275f, 0.40821073f};
	static const float clip_std[] = {0.26862954f, 0.26130258f, 0.27577711f};
	const struct thaw_weights *w;
	const struct network v = describe(a, &w);
	thaw_preprocess_imagenet(p);
	p->filter = v.names->timm && v.zero_border ? THAW_BILINEAR : THAW_BICUBIC;
	if (!v.names->timm)
		p->resize = p->size.height;
	for (int c = 0; c < 3; c++) {
		p->mean[c] = v.names->timm ? 0.5f : clip_mean[c];
		p->std[c] = v.names->timm ? 0.5f : clip_std[c];
	}
}

static const char *const timm_names[] = {"resnetv2_", NULL};
static const char *const transformers_names[] = {"bit", NULL};

const struct thaw_family thaw_family_resnet_v2 = {
	.name = "resnetv2",
	.variants = variants,
	.classes = 1000,
	.timm = timm_names,
	.transformers = transformers_names,
	.recognise = recognise,
	.options = find_options,
	.build = build,
	.preprocess = preprocess,
};
