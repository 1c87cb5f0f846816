/* ResNet-18 to -101 (He et al., CVPR 2016). torchvision and timm use the same tensor names. */
#include "src/model/families/residual.h"
#include "src/model/family.h"

#include <stdio.h>
#include <string.h>

#define STAGES          4
#define STEM_CHANNELS   64
#define BOTTLENECK_GAIN 4 /* outputs of a bottleneck per inner channel */

struct variant {
	bool bottleneck;
	int blocks[STAGES];
};

static const char *const names[] = {"resnet18", "resnet34", "resnet50", "resnet101", NULL};
static const struct variant variants[] = {
	{false, {2, 2, 2, 2}},
	{false, {3, 4, 6, 3}},
	{true, {3, 4, 6, 3}},
	{true, {3, 4, 23, 3}},
};

static const char *recognise(const struct thaw_weights *w)
{
	if (!thaw_weights_has_shape(w, "conv1.weight", &thaw_shape_of(STEM_CHANNELS, 3, 7, 7)))
		return NULL;
	const bool bottleneck = thaw_weights_find(w, "layer1.0.conv3.weight");
	int blocks[STAGES];
	for (int s = 0; s < STAGES; s++) {
		char prefix[THAW_LAYER_NAME];
		snprintf(prefix, sizeof(prefix), "layer%d.", s + 1);
		blocks[s] = thaw_weights_count(w, prefix, 0, ".conv1.weight");
	}
	for (int i = 0; names[i]; i++)
		if (variants[i].bottleneck == bottleneck && memcmp(variants[i].blocks, blocks, sizeof(blocks)) == 0)
			return names[i];
	return NULL;
}

static int stem(struct thaw_graph *g, int x)
{
	thaw_graph_block(g, "stem");
	struct thaw_conv_layer conv = {
		.name = "conv1", .in = 3, .out = STEM_CHANNELS, .kernel = 7, .stride = 2, .pad = 3};
	x = thaw_layer_conv(g, x, &conv);
	x = thaw_layer_norm(g, x, &(struct thaw_norm_layer){.name = "bn1"}, STEM_CHANNELS);
	x = thaw_layer_activation(g, x, "bn1", THAW_ACT_RELU);
	return thaw_layer_max_pool(g, x, "maxpool", 3, 2, 1);
}

static thaw_status build(struct thaw_graph *g, const struct thaw_architecture *a)
{
	const struct variant *v = &variants[thaw_variant_index(names, a->variant)];
	int64_t channels = STEM_CHANNELS;
	int x = stem(g, 0);
	for (int s = 0; s < STAGES; s++) {
		const int64_t inner = (int64_t)STEM_CHANNELS << s;
		for (int i = 0; i < v->blocks[s]; i++) {
			char name[THAW_LAYER_NAME];
			snprintf(name, sizeof(name), "layer%d.%d", s + 1, i);
			struct thaw_residual r = {
				.name = name,
				.in = channels,
				.inner = inner,
				.out = v->bottleneck ? inner * BOTTLENECK_GAIN : inner,
				.stride = s > 0 && i == 0 ? 2 : 1,
				.bottleneck = v->bottleneck,
			};
			x = thaw_layer_residual(g, x, &r);
			channels = r.out;
		}
	}
	thaw_layer_classifier(g, x, "fc", channels, a->classes, 0, a->w);
	return thaw_graph_finish(g);
}

static void preprocess(const struct thaw_architecture *a, struct thaw_preprocess *p)
{
	(void)a;
	thaw_preprocess_imagenet(p);
}

static const char *const timm_names[] = {"resnet18", "resnet34", "resnet50", "resnet101", NULL};
static const char *const transformers_names[] = {"resnet", NULL};

const struct thaw_family thaw_family_resnet = {
	.name = "resnet",
	.variants = names,
	.classes = 1000,
	.timm = timm_names,
	.transformers = transformers_names,
	.recognise = recognise,
	.build = build,
	.preprocess = preprocess,
};
