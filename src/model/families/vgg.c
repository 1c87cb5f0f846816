/* VGG-11 to -19 (Simonyan and Zisserman, ICLR 2015), with and without batch norm, named as in torchvision or timm. The
 * features have the same names in both. In timm the two hidden layers are convolutions, the first with a 7x7 kernel;
 * they are built as such. Both average the features to 7x7; for images up to 255 pixels timm computes the same. */
#include "src/model/families/dense_head.h"
#include "src/model/family.h"

#include <stdio.h>

#define STAGES  5
#define SIDE    7
#define DROPOUT 0.5f

struct variant {
	bool norm;
	int convs[STAGES];
};

static const char *const names[] = {"vgg11",    "vgg13",    "vgg16",    "vgg19", "vgg11_bn",
				    "vgg13_bn", "vgg16_bn", "vgg19_bn", NULL};
static const struct variant variants[] = {
	{false, {1, 1, 2, 2, 2}}, {false, {2, 2, 2, 2, 2}}, {false, {2, 2, 3, 3, 3}}, {false, {2, 2, 4, 4, 4}},
	{true, {1, 1, 2, 2, 2}},  {true, {2, 2, 2, 2, 2}},  {true, {2, 2, 3, 3, 3}},  {true, {2, 2, 4, 4, 4}},
};
static const int channels[STAGES] = {64, 128, 256, 512, 512};

static const struct thaw_dense_head head = {
	.layer = {"classifier.0", "classifier.3", "classifier.6"}, .channels = 512, .side = SIDE};

/* Whether the file has exactly this variant's convolutions. Their numbers count all modules: convolution, batch norm,
 * ReLU, pooling. */
static bool matches(const struct variant *v, const struct thaw_weights *w)
{
	char name[THAW_LAYER_NAME];
	int module = 0;
	int64_t in = 3;
	for (int s = 0; s < STAGES; s++) {
		for (int i = 0; i < v->convs[s]; i++) {
			snprintf(name, sizeof(name), "features.%d.weight", module);
			if (!thaw_weights_has_shape(w, name, &thaw_shape_of(channels[s], in, 3, 3)))
				return false;
			in = channels[s];
			module += v->norm ? 3 : 2;
		}
		module++;
	}
	snprintf(name, sizeof(name), "features.%d.weight", module);
	return !thaw_weights_find(w, name);
}

static const char *recognise(const struct thaw_weights *w)
{
	for (int i = 0; names[i]; i++)
		if (matches(&variants[i], w))
			return names[i];
	return NULL;
}

static int features(struct thaw_graph *g, const struct variant *v)
{
	char name[THAW_LAYER_NAME];
	int x = 0, module = 0;
	int64_t in = 3;
	for (int s = 0; s < STAGES; s++) {
		for (int i = 0; i < v->convs[s]; i++) {
			snprintf(name, sizeof(name), "features.%d", module++);
			thaw_graph_block(g, "%s", name);
			struct thaw_conv_layer conv = {
				.name = name,
				.in = in,
				.out = channels[s],
				.kernel = 3,
				.stride = 1,
				.pad = 1,
				.bias = true,
			};
			x = thaw_layer_conv(g, x, &conv);
			in = channels[s];
			if (v->norm) {
				snprintf(name, sizeof(name), "features.%d", module++);
				x = thaw_layer_norm(g, x, &(struct thaw_norm_layer){.name = name}, in);
			}
			x = thaw_layer_activation(g, x, name, THAW_ACT_RELU);
			module++;
		}
		snprintf(name, sizeof(name), "features.%d", module++);
		x = thaw_layer_max_pool(g, x, name, 2, 2, 0);
	}
	return x;
}

/* A hidden layer of timm, as a block. */
static int hidden_conv(struct thaw_graph *g, int x, struct thaw_conv_layer conv)
{
	char dropout[THAW_LAYER_NAME];
	snprintf(dropout, sizeof(dropout), "%s.dropout", conv.name);
	conv.stride = 1;
	conv.bias = true;
	thaw_graph_block(g, "%s", conv.name);
	x = thaw_layer_conv(g, x, &conv);
	x = thaw_layer_activation(g, x, conv.name, THAW_ACT_RELU);
	return thaw_layer_dropout(g, x, dropout, DROPOUT);
}

static void timm_head(struct thaw_graph *g, int x, int64_t classes, const struct thaw_weights *w)
{
	const int64_t in = channels[STAGES - 1];
	const int64_t first =
		thaw_weights_outputs(w, "pre_logits.fc1.weight", &thaw_shape_of(0, in, SIDE, SIDE), THAW_DENSE_HIDDEN);
	const int64_t second =
		thaw_weights_outputs(w, "pre_logits.fc2.weight", &thaw_shape_of(0, first, 1, 1), THAW_DENSE_HIDDEN);
	x = thaw_layer_average_pool(g, x, "avgpool", SIDE);
	x = hidden_conv(g, x,
			(struct thaw_conv_layer){.name = "pre_logits.fc1", .in = in, .out = first, .kernel = SIDE});
	x = hidden_conv(g, x,
			(struct thaw_conv_layer){.name = "pre_logits.fc2", .in = first, .out = second, .kernel = 1});
	thaw_layer_classifier(g, x, "head.fc", second, classes, 0, w);
}

static thaw_status build(struct thaw_graph *g, const struct thaw_architecture *a)
{
	int x = features(g, &variants[thaw_variant_index(names, a->variant)]);
	if (a->w && thaw_weights_find(a->w, "head.fc.weight"))
		timm_head(g, x, a->classes, a->w);
	else
		thaw_layer_dense_head(g, x, &head, a->classes, a->w);
	return thaw_graph_finish(g);
}

static void preprocess(const struct thaw_architecture *a, struct thaw_preprocess *p)
{
	(void)a;
	thaw_preprocess_imagenet(p);
}

static const char *const timm_names[] = {"vgg", NULL};

const struct thaw_family thaw_family_vgg = {
	.name = "vgg",
	.variants = names,
	.classes = 1000,
	.timm_tensor = "pre_logits.fc1.weight",
	.timm = timm_names,
	.recognise = recognise,
	.build = build,
	.preprocess = preprocess,
};
