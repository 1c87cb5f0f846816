/* ResNets (He et al., CVPR 2016) and their descendants, with the names of torchvision and timm, of transformers'
 * ResNet, and of the SENets that timm calls "legacy". The tensors decide all sizes: stems of one or three convolutions,
 * widths, groups (ResNeXt), shortcuts with average pooling, squeeze-and-excitation and ECA. */
#include "src/model/families/resnet.h"

#include <string.h>

#include "src/base/try.h"
#include "src/model/family.h"
#include "src/model/unknown_network.h"

#define STAGES          4
#define STEM_CHANNELS   64
#define BOTTLENECK_GAIN 4 /* outputs of a bottleneck per inner channel */

struct variant {
	bool bottleneck;
	int blocks[STAGES];
};

/* Those from "resnet" on may have other sizes, which the tensors show; random networks have those given here. */
static const char *const names[] = {"resnet18", "resnet34", "resnet50",   "resnet101", "resnet152",
				    "resnet",   "resnetaa", "resnetblur", NULL};
static const struct variant variants[] = {
	{false, {2, 2, 2, 2}}, {false, {3, 4, 6, 3}}, {true, {3, 4, 6, 3}}, {true, {3, 4, 23, 3}},
	{true, {3, 8, 36, 3}}, {true, {3, 4, 6, 3}},  {true, {3, 4, 6, 3}}, {true, {3, 4, 6, 3}},
};
enum { GENERAL = 5 }; /* index of "resnet" */

/* A block of the original networks; b->name is known. */
static void original_block(struct thaw_residual *b, const struct variant *v, int stage, int block, int64_t in)
{
	b->names = &thaw_residual_torchvision;
	b->in = in;
	b->first = b->inner = (int64_t)STEM_CHANNELS << stage;
	b->out = v->bottleneck ? b->inner * BOTTLENECK_GAIN : b->inner;
	b->bottleneck = v->bottleneck;
	b->groups = 1;
	b->projects = (stage > 0 && block == 0) || in != b->out;
	b->projection = b->projects;
}

static bool same_block(const struct thaw_residual *a, const struct thaw_residual *b)
{
	return a->bottleneck == b->bottleneck && a->first == b->first && a->inner == b->inner && a->out == b->out &&
	       a->groups == b->groups && a->projects == b->projects && a->projection == b->projection &&
	       a->pools == b->pools && a->squeezed == b->squeezed && a->channel_kernel == b->channel_kernel;
}

/* Whether the tensors are those of an original network. */
static bool is_original(const struct thaw_resnet *r, const struct variant *v, const struct thaw_weights *w)
{
	int64_t channels = STEM_CHANNELS;
	if (r->deep || r->pool_conv || !r->batch_norms || r->stem[0] != STEM_CHANNELS || r->stages != STAGES ||
	    memcmp(r->blocks, v->blocks, sizeof(v->blocks)) != 0)
		return false;
	for (int s = 0; s < STAGES; s++) {
		for (int i = 0; i < v->blocks[s]; i++) {
			char name[THAW_LAYER_NAME];
			struct thaw_residual measured = {.name = name}, original = {.name = name};
			thaw_resnet_block_name(name, r, s, i);
			original_block(&original, v, s, i, channels);
			if (!thaw_resnet_measure_block(&measured, r, w, channels) || !same_block(&measured, &original))
				return false;
			channels = original.out;
		}
	}
	return true;
}

static const char *recognise(const struct thaw_weights *w)
{
	struct thaw_resnet r = {0};
	if (!thaw_resnet_measure(&r, w))
		return NULL;
	for (int i = 0; i < GENERAL; i++)
		if (is_original(&r, &variants[i], w))
			return names[i];
	return names[GENERAL];
}

/* Sizes and customary options. *w: the tensors that decide the sizes of blocks, or NULL for an original network. */
static struct thaw_resnet describe(const struct thaw_architecture *a, const struct thaw_weights **w)
{
	const int index = thaw_variant_index(names, a->variant);
	struct thaw_resnet r = {0};
	const bool measured =
		a->w && thaw_resnet_measure(&r, a->w) && (index >= GENERAL || is_original(&r, &variants[index], a->w));
	*w = measured ? a->w : NULL;
	if (!measured) {
		r = (struct thaw_resnet){.names = &thaw_resnet_torchvision,
					 .stem = {STEM_CHANNELS},
					 .batch_norms = true,
					 .stages = STAGES};
		memcpy(r.blocks, variants[index].blocks, sizeof(variants[index].blocks));
	}
	thaw_resnet_default_options(&r, a->variant);
	return r;
}

static thaw_status find_options(json_t **options, const struct thaw_architecture *a, const json_t *config,
				const char *source)
{
	const struct thaw_weights *w;
	struct thaw_resnet r = describe(a, &w);
	THAW_TRY(thaw_resnet_read_config(&r, a, config, source));
	return thaw_resnet_write_options(options, &r);
}

static int conv_norm(struct thaw_graph *g, int x, const struct thaw_resnet *r, const struct thaw_conv_layer *conv,
		     const char *norm)
{
	x = thaw_layer_conv(g, x, conv);
	x = thaw_layer_batch_or_group_norm(g, x, norm, conv->out, r->norm_groups);
	return thaw_layer_nonlinearity(g, x, norm, r->function);
}

/* What halves the image after the stem's convolutions. */
static int stem_pool(struct thaw_graph *g, int x, const struct thaw_resnet *r, int64_t channels)
{
	const struct thaw_conv_layer conv = {
		.name = r->names->pool_conv, .in = channels, .out = channels, .kernel = 3, .stride = 2, .pad = 1};
	if (r->pool_conv)
		return conv_norm(g, x, r, &conv, r->names->pool_norm);
	if (r->names->legacy)
		return thaw_graph_add(g, "max_pool", "maxpool",
				      &(struct thaw_attrs){.kernel = {3, 3}, .stride = {2, 2}, .ceil_mode = true}, &x,
				      1);
	if (r->antialias == THAW_ANTIALIAS_BLUR)
		x = thaw_layer_max_pool(g, x, "maxpool", 3, 1, 1);
	return r->antialias == THAW_ANTIALIAS_NONE ? thaw_layer_max_pool(g, x, "maxpool", 3, 2, 1)
						   : thaw_layer_antialias(g, x, "maxpool.aa", r->antialias);
}

static int stem(struct thaw_graph *g, int x, const struct thaw_resnet *r)
{
	const struct thaw_resnet_names *n = r->names;
	int64_t in = 3;
	thaw_graph_block(g, "stem");
	for (int i = 0; i < (r->deep ? THAW_RESNET_STEM : 1); i++) {
		const struct thaw_conv_layer conv = {
			.name = r->deep ? n->deep_conv[i] : n->conv,
			.in = in,
			.out = r->stem[i],
			.kernel = r->deep ? 3 : 7,
			.stride = i == 0 ? 2 : 1,
			.pad = r->deep ? 1 : 3,
		};
		x = conv_norm(g, x, r, &conv, r->deep ? n->deep_norm[i] : n->norm);
		in = r->stem[i];
	}
	return stem_pool(g, x, r, in);
}

static thaw_status build(struct thaw_graph *g, const struct thaw_architecture *a)
{
	const struct variant *v = &variants[thaw_variant_index(names, a->variant)];
	const struct thaw_weights *w;
	struct thaw_resnet r = describe(a, &w);
	THAW_TRY(thaw_resnet_read_options(&r, a->options));
	int64_t channels = r.stem[r.deep ? THAW_RESNET_STEM - 1 : 0];
	int x = stem(g, 0, &r);
	for (int s = 0; s < r.stages; s++) {
		for (int i = 0; i < r.blocks[s]; i++) {
			char name[THAW_LAYER_NAME];
			struct thaw_residual b = {.name = name};
			thaw_resnet_block_name(name, &r, s, i);
			if (w)
				thaw_resnet_measure_block(&b, &r, w, channels);
			else
				original_block(&b, v, s, i, channels);
			b.stride = i == 0 && (s > 0 || r.stride_from_start) ? 2 : 1;
			b.stride_first = r.stride_first || (r.names->legacy && b.groups == 1);
			b.antialias = r.antialias;
			b.norm_groups = r.norm_groups;
			b.function = r.function;
			x = thaw_layer_residual(g, x, &b);
			channels = b.out;
		}
	}
	thaw_layer_classifier(g, x, r.names->head, channels, a->classes, 0, a->w);
	return thaw_graph_finish(g);
}

static void preprocess(const struct thaw_architecture *a, struct thaw_preprocess *p)
{
	(void)a;
	thaw_preprocess_imagenet(p);
}

static const char *const timm_names[] = {"resnet",       "resnext",      "wide_resnet", "seresnet",
					 "seresnext",    "senet154",     "ecaresnet",   "ecaresnext",
					 "legacy_seres", "legacy_senet", "gluon_resne", "gluon_seresne",
					 "gluon_senet",  "tv_resne",     "ssl_resne",   "swsl_resne",
					 "ig_resnext",   "test_resnet",  NULL};
static const char *const transformers_names[] = {"resnet", NULL};

const struct thaw_family thaw_family_resnet = {
	.name = "resnet",
	.variants = names,
	.classes = 1000,
	.timm_tensor = "layer1.0.conv1.weight",
	.timm = timm_names,
	.transformers = transformers_names,
	.recognise = recognise,
	.options = find_options,
	.build = build,
	.preprocess = preprocess,
};
