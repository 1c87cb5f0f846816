/* See inverted.h. */
#include "src/model/families/inverted.h"

#include <stdio.h>

const struct thaw_inverted_naming thaw_inverted_torchvision = {
	.block = "features.",
	.first = 1,
	.stem = {"features.0.0", "features.0.1"},
	.head = {"features.18.0", "features.18.1"},
	.expand = {"conv.0.0", "conv.0.1"},
	.depthwise = {"conv.1.0", "conv.1.1"},
	.project = {"conv.2", "conv.3"},
	.plain_depthwise = {"conv.0.0", "conv.0.1"},
	.plain_project = {"conv.1", "conv.2"},
	.classifier = "classifier.1",
};

const struct thaw_inverted_naming thaw_inverted_timm = {
	.block = "blocks.",
	.first = -1,
	.stem = {"conv_stem", "bn1"},
	.head = {"conv_head", "bn2"},
	.expand = {"conv_pw", "bn1"},
	.depthwise = {"conv_dw", "bn2"},
	.project = {"conv_pwl", "bn3"},
	.plain_depthwise = {"conv_dw", "bn1"},
	.plain_project = {"conv_pw", "bn2"},
	.classifier = "classifier",
};

const struct thaw_inverted_naming thaw_inverted_pypi = {
	.block = "_blocks.",
	.first = 0,
	.stem = {"_conv_stem", "_bn0"},
	.head = {"_conv_head", "_bn1"},
	.expand = {"_expand_conv", "_bn0"},
	.depthwise = {"_depthwise_conv", "_bn1"},
	.project = {"_project_conv", "_bn2"},
	.plain_depthwise = {"_depthwise_conv", "_bn1"},
	.plain_project = {"_project_conv", "_bn2"},
	.classifier = "_fc",
};

/* Writes the prefix of block i of a stage, which is block n of the network, to name[THAW_LAYER_NAME]. Returns name. */
static const char *block_name(const struct thaw_inverted_naming *naming, int stage, int i, int n, char *name)
{
	if (naming->first < 0)
		snprintf(name, THAW_LAYER_NAME, "%s%d.%d", naming->block, stage, i);
	else
		snprintf(name, THAW_LAYER_NAME, "%s%d", naming->block, naming->first + n);
	return name;
}

static struct thaw_inverted_layer_names project_names(const struct thaw_inverted_naming *naming, int expand)
{
	return expand > 1 ? naming->project : naming->plain_project;
}

const struct thaw_inverted_naming *thaw_inverted_find_naming(const struct thaw_inverted_naming *const *namings,
							     const struct thaw_weights *w)
{
	for (; *namings; namings++) {
		char name[THAW_LAYER_NAME];
		snprintf(name, sizeof(name), "%s.weight", (*namings)->stem.conv);
		if (thaw_weights_has_shape(w, name, &thaw_shape_of(0, 3, 3, 3)))
			return *namings;
	}
	return NULL;
}

/* Whether the file has this block with `channels` outputs (0: any). */
static bool has_block(const struct thaw_inverted_naming *naming, const struct thaw_weights *w, const char *block,
		      int expand, int channels)
{
	char name[2 * THAW_LAYER_NAME];
	snprintf(name, sizeof(name), "%s.%s.weight", block, project_names(naming, expand).conv);
	return thaw_weights_has_shape(w, name, &thaw_shape_of(channels, 0, 1, 1));
}

/* Whether the depthwise convolution of this block, the first of the stage, has the stage's kernel size. */
static bool has_kernel(const struct thaw_inverted_naming *naming, const struct thaw_weights *w, const char *block,
		       const struct thaw_inverted_stage *stage)
{
	char name[2 * THAW_LAYER_NAME];
	snprintf(name, sizeof(name), "%s.%s.weight", block,
		 (stage->expand > 1 ? naming->depthwise : naming->plain_depthwise).conv);
	return thaw_weights_has_shape(w, name, &thaw_shape_of(0, 1, stage->kernel, stage->kernel));
}

bool thaw_inverted_matches(const struct thaw_inverted_network *net, const struct thaw_inverted_naming *naming,
			   const struct thaw_weights *w)
{
	char name[THAW_LAYER_NAME];
	int n = 0;
	for (int s = 0; s < THAW_INVERTED_STAGES; s++) {
		const struct thaw_inverted_stage *stage = &net->stage[s];
		if (!has_kernel(naming, w, block_name(naming, s, 0, n, name), stage))
			return false;
		for (int i = 0; i < stage->blocks; i++, n++)
			if (!has_block(naming, w, block_name(naming, s, i, n, name), stage->expand, stage->channels))
				return false;
		if (naming->first < 0 &&
		    has_block(naming, w, block_name(naming, s, stage->blocks, n, name), stage->expand, 0))
			return false;
	}
	return !has_block(naming, w, block_name(naming, THAW_INVERTED_STAGES, 0, n, name),
			  net->stage[THAW_INVERTED_STAGES - 1].expand, 0);
}

/* Convolution, batch norm and, if `activate`, ReLU6. `prefix` is "" or ends with a dot. */
static int unit(struct thaw_graph *g, int x, const struct thaw_inverted_network *net, const char *prefix,
		struct thaw_inverted_layer_names names, struct thaw_conv_layer conv, bool activate)
{
	char name[2 * THAW_LAYER_NAME], norm[2 * THAW_LAYER_NAME];
	snprintf(name, sizeof(name), "%s%s", prefix, names.conv);
	snprintf(norm, sizeof(norm), "%s%s", prefix, names.norm);
	conv.name = name;
	conv.same = net->same;
	conv.pad = net->same ? 0 : conv.kernel / 2;
	x = thaw_layer_conv(g, x, &conv);
	struct thaw_norm_layer n = {.name = norm, .epsilon = net->epsilon, .momentum = net->momentum};
	x = thaw_layer_norm(g, x, &n, conv.out);
	return activate ? thaw_layer_activation(g, x, norm, THAW_ACT_RELU6) : x;
}

/* One inverted residual block; its input is added to its output if the shapes are equal. */
static int inverted(struct thaw_graph *g, int x, const struct thaw_inverted_network *net,
		    const struct thaw_inverted_naming *naming, const char *block,
		    const struct thaw_inverted_stage *stage, int in, int stride)
{
	char prefix[THAW_LAYER_NAME + 1];
	snprintf(prefix, sizeof(prefix), "%s.", block);
	const int inner = in * stage->expand;
	const struct thaw_conv_layer expand = {.in = in, .out = inner, .kernel = 1, .stride = 1};
	const struct thaw_conv_layer depthwise = {
		.in = inner, .out = inner, .kernel = stage->kernel, .stride = stride, .groups = inner};
	const struct thaw_conv_layer project = {.in = inner, .out = stage->channels, .kernel = 1, .stride = 1};

	thaw_graph_block(g, "%s", block);
	int y = x;
	if (stage->expand > 1)
		y = unit(g, y, net, prefix, naming->expand, expand, true);
	y = unit(g, y, net, prefix, stage->expand > 1 ? naming->depthwise : naming->plain_depthwise, depthwise, true);
	y = unit(g, y, net, prefix, project_names(naming, stage->expand), project, false);
	return stride == 1 && in == stage->channels ? thaw_layer_add(g, y, x, block) : y;
}

thaw_status thaw_inverted_build(struct thaw_graph *g, const struct thaw_inverted_network *net,
				const struct thaw_inverted_naming *naming, int64_t classes,
				const struct thaw_weights *w)
{
	const struct thaw_conv_layer stem = {.in = 3, .out = net->stem, .kernel = 3, .stride = 2};
	thaw_graph_block(g, "stem");
	int x = unit(g, 0, net, "", naming->stem, stem, true);

	int channels = net->stem, n = 0;
	for (int s = 0; s < THAW_INVERTED_STAGES; s++) {
		const struct thaw_inverted_stage *stage = &net->stage[s];
		for (int i = 0; i < stage->blocks; i++, n++) {
			char name[THAW_LAYER_NAME];
			block_name(naming, s, i, n, name);
			x = inverted(g, x, net, naming, name, stage, channels, i == 0 ? stage->stride : 1);
			channels = stage->channels;
		}
	}

	const struct thaw_conv_layer head = {.in = channels, .out = net->head, .kernel = 1, .stride = 1};
	thaw_graph_block(g, "head");
	x = unit(g, x, net, "", naming->head, head, true);
	thaw_layer_classifier(g, x, naming->classifier, net->head, classes, net->dropout, w);
	return thaw_graph_finish(g);
}
