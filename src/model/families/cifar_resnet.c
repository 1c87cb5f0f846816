/* Small residual networks for 32x32 images, as used for CIFAR-10 by He et al. (2016, section 4.2): a 3x3 stem and three
 * stages of basic blocks, with half the resolution from stage to stage. Shortcuts that change the shape are 1x1
 * convolutions. The width may differ: it is read from the tensors of a file. */
#include "src/model/families/residual.h"
#include "src/model/family.h"

#include <stdio.h>
#include <string.h>

#define STAGES 3

struct variant {
	int blocks; /* per stage */
	int width;  /* channels of the first stage; doubled from stage to stage */
};

static const char *const names[] = {"cifar_resnet8", "cifar_resnet20", NULL};
static const struct variant variants[] = {{1, 32}, {3, 16}};

static const char *recognise(const struct thaw_weights *w)
{
	if (!thaw_weights_has_shape(w, "conv1.weight", &thaw_shape_of(0, 3, 3, 3)) ||
	    thaw_weights_find(w, "layer4.0.conv1.weight") || thaw_weights_find(w, "layer1.0.conv3.weight"))
		return NULL;
	int blocks[STAGES];
	for (int s = 0; s < STAGES; s++) {
		char prefix[THAW_LAYER_NAME];
		snprintf(prefix, sizeof(prefix), "layer%d.", s + 1);
		blocks[s] = thaw_weights_count(w, prefix, 0, ".conv1.weight");
	}
	for (int i = 0; names[i]; i++)
		if (blocks[0] == variants[i].blocks && blocks[1] == blocks[0] && blocks[2] == blocks[0])
			return names[i];
	return NULL;
}

/* The channels of a stage in the file, from its first conv2, whose inputs equal its outputs: the file must contain a
 * tensor of that width. */
static int64_t stage_width(const struct thaw_weights *w, int stage, int64_t fallback)
{
	char name[THAW_LAYER_NAME];
	snprintf(name, sizeof(name), "layer%d.0.conv2.weight", stage + 1);
	if (!thaw_weights_has_shape(w, name, &thaw_shape_of(0, 0, 3, 3)))
		return fallback;
	const struct thaw_shape *s = &thaw_weights_find(w, name)->shape;
	return s->dim[0] == s->dim[1] ? s->dim[0] : fallback;
}

/* The channels of the stem in the file. conv1 alone is not sufficient, since the size of the next block is their
 * product with the channels of the first stage: the tensor of that block must have them too. */
static int64_t stem_width(const struct thaw_weights *w, int64_t stage, int64_t fallback)
{
	const int64_t width = thaw_weights_outputs(w, "conv1.weight", &thaw_shape_of(0, 3, 3, 3), fallback);
	const bool consistent = thaw_weights_has_shape(w, "layer1.0.conv1.weight", &thaw_shape_of(stage, width, 3, 3));
	return consistent ? width : fallback;
}

static thaw_status build(struct thaw_graph *g, const struct thaw_architecture *a)
{
	const struct variant *v = &variants[thaw_variant_index(names, a->variant)];
	int64_t channels = stem_width(a->w, stage_width(a->w, 0, v->width), v->width);
	thaw_graph_block(g, "stem");
	struct thaw_conv_layer conv = {.name = "conv1", .in = 3, .out = channels, .kernel = 3, .stride = 1, .pad = 1};
	int x = thaw_layer_conv(g, 0, &conv);
	x = thaw_layer_norm(g, x, &(struct thaw_norm_layer){.name = "bn1"}, channels);
	x = thaw_layer_activation(g, x, "bn1", THAW_ACT_RELU);
	for (int s = 0; s < STAGES; s++) {
		const int64_t width = stage_width(a->w, s, (int64_t)v->width << s);
		for (int i = 0; i < v->blocks; i++) {
			char name[THAW_LAYER_NAME];
			snprintf(name, sizeof(name), "layer%d.%d", s + 1, i);
			const int stride = s > 0 && i == 0 ? 2 : 1;
			struct thaw_residual r = {
				.name = name,
				.names = &thaw_residual_torchvision,
				.in = channels,
				.inner = width,
				.out = width,
				.stride = stride,
				.projects = stride > 1 || channels != width,
				.projection = 1,
				.function = THAW_NL_RELU,
			};
			x = thaw_layer_residual(g, x, &r);
			channels = width;
		}
	}
	thaw_layer_classifier(g, x, "fc", channels, a->classes, 0, a->w);
	return thaw_graph_finish(g);
}

/* Mean and standard deviation of CIFAR-10's training images. */
static void preprocess(const struct thaw_architecture *a, struct thaw_preprocess *p)
{
	(void)a;
	*p = (struct thaw_preprocess){
		.size = {32, 32},
		.resize = 32,
		.filter = THAW_BILINEAR,
		.mean = {0.4914f, 0.4822f, 0.4465f},
		.std = {0.2470f, 0.2435f, 0.2616f},
	};
}

const struct thaw_family thaw_family_cifar_resnet = {
	.name = "cifar_resnet",
	.variants = names,
	.classes = 10,
	.recognise = recognise,
	.build = build,
	.preprocess = preprocess,
};
