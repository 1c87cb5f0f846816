/* The names and sizes of a ResNet, found in its tensors. All sizes must fit each other, so that no parameter is larger
 * than the file has it. */
#include <stdio.h>

#include "src/model/families/resnet.h"

#define STEM_KERNEL 7
#define MAX_KERNEL  31 /* of a convolution over channels */

const struct thaw_resnet_names thaw_resnet_torchvision = {
	.conv = "conv1",
	.norm = "bn1",
	.deep_conv = {"conv1.0", "conv1.3", "conv1.6"},
	.deep_norm = {"conv1.1", "conv1.4", "bn1"},
	.pool_conv = "maxpool.0",
	.pool_norm = "maxpool.1",
	.stage = "layer",
	.first_stage = 1,
	.in_stage = ".",
	.in = &thaw_residual_torchvision,
	.head = "fc",
};

static const struct thaw_residual_names in_legacy = {
	.conv = {"conv1", "conv2", "conv3"},
	.norm = {"bn1", "bn2", "bn3"},
	.down_conv = {"downsample.0"},
	.down_norm = {"downsample.1"},
	.squeeze = {"se_module.fc1", "se_module.fc2"},
};

/* Cadene's port of Caffe's SENets, in timm "legacy". */
static const struct thaw_resnet_names legacy = {
	.conv = "layer0.conv1",
	.norm = "layer0.bn1",
	.deep_conv = {"layer0.conv1", "layer0.conv2", "layer0.conv3"},
	.deep_norm = {"layer0.bn1", "layer0.bn2", "layer0.bn3"},
	.stage = "layer",
	.first_stage = 1,
	.in_stage = ".",
	.in = &in_legacy,
	.head = "last_linear",
	.legacy = true,
};

static const struct thaw_residual_names in_transformers = {
	.conv = {"layer.0.convolution", "layer.1.convolution", "layer.2.convolution"},
	.norm = {"layer.0.normalization", "layer.1.normalization", "layer.2.normalization"},
	.down_conv = {"shortcut.convolution"},
	.down_norm = {"shortcut.normalization"},
};

static const struct thaw_resnet_names transformers = {
	.conv = "resnet.embedder.embedder.convolution",
	.norm = "resnet.embedder.embedder.normalization",
	.stage = "resnet.encoder.stages.",
	.in_stage = ".layers.",
	.in = &in_transformers,
	.head = "classifier.1",
};

/* ResNetModel, without a classifier. */
static const struct thaw_resnet_names transformers_part = {
	.conv = "embedder.embedder.convolution",
	.norm = "embedder.embedder.normalization",
	.stage = "encoder.stages.",
	.in_stage = ".layers.",
	.in = &in_transformers,
	.head = "classifier.1",
};

/* A convolution of the block (NULL: of none), see thaw_weights_conv. */
static const struct thaw_shape *find_conv(const struct thaw_weights *w, const char *block, const char *layer,
					  int64_t in, int64_t kernel)
{
	char name[2 * THAW_LAYER_NAME];
	if (!layer)
		return NULL;
	snprintf(name, sizeof(name), "%s%s%s", block ? block : "", block ? "." : "", layer);
	return thaw_weights_conv(w, name, in, kernel);
}

/* Moving statistics: what a batch norm has, and other norms have not. */
static bool has_statistics(const struct thaw_weights *w, const char *norm)
{
	char name[2 * THAW_LAYER_NAME];
	snprintf(name, sizeof(name), "%s.running_mean", norm ? norm : "");
	return thaw_weights_find(w, name) != NULL;
}

static bool measure_stem(struct thaw_resnet *r, const struct thaw_weights *w)
{
	const struct thaw_resnet_names *n = r->names;
	const struct thaw_shape *single = find_conv(w, NULL, n->conv, 3, STEM_KERNEL);
	r->deep = !single;
	r->batch_norms = has_statistics(w, single ? n->norm : n->deep_norm[0]);
	int64_t in = 3;
	for (int i = 0; i < (single ? 1 : THAW_RESNET_STEM); i++) {
		const struct thaw_shape *s = single ? single : find_conv(w, NULL, n->deep_conv[i], in, 3);
		if (!s)
			return false;
		in = r->stem[i] = s->dim[0];
	}
	const struct thaw_shape *pool = find_conv(w, NULL, n->pool_conv, in, 3);
	r->pool_conv = pool && pool->dim[0] == in;
	return true;
}

void thaw_resnet_block_name(char *text, const struct thaw_resnet *r, int stage, int block)
{
	snprintf(text, THAW_LAYER_NAME, "%s%d%s%d", r->names->stage, r->names->first_stage + stage, r->names->in_stage,
		 block);
}

/* The convolutions of the branch. */
static bool measure_branch(struct thaw_residual *b, const struct thaw_resnet_names *n, const struct thaw_weights *w)
{
	const struct thaw_shape *last = find_conv(w, b->name, n->in->conv[2], 0, 1);
	b->bottleneck = last != NULL;
	const struct thaw_shape *first = find_conv(w, b->name, n->in->conv[0], b->in, b->bottleneck ? 1 : 3);
	const struct thaw_shape *second = find_conv(w, b->name, n->in->conv[1], 0, 3);
	if (!first || !second)
		return false;
	b->first = first->dim[0];
	b->inner = b->bottleneck ? second->dim[0] : b->first;
	b->out = b->bottleneck ? last->dim[0] : second->dim[0];
	b->groups = (int)(b->first / second->dim[1]);
	if (b->first % second->dim[1] != 0 || second->dim[0] % b->groups != 0)
		return false;
	return b->bottleneck ? last->dim[1] == b->inner : b->groups == 1;
}

/* What weighs the channels. */
static bool measure_attention(struct thaw_residual *b, const struct thaw_resnet_names *n, const struct thaw_weights *w)
{
	const struct thaw_shape *reduce = find_conv(w, b->name, n->in->squeeze[0], b->out, 1);
	char row_name[2 * THAW_LAYER_NAME];
	snprintf(row_name, sizeof(row_name), "%s.%s.weight", b->name, n->in->channels ? n->in->channels : "");
	const bool row = thaw_weights_has_shape(w, row_name, &thaw_shape_of(1, 1, 0));
	b->squeezed = reduce ? reduce->dim[0] : 0;
	const int64_t kernel = row ? thaw_weights_find(w, row_name)->shape.dim[2] : 0;
	b->channel_kernel = (int)kernel;
	b->activates_branch = n->legacy && !b->bottleneck;
	if (row && (kernel % 2 == 0 || kernel > MAX_KERNEL))
		return false;
	if (!reduce)
		return true;
	const struct thaw_shape *expand = find_conv(w, b->name, n->in->squeeze[1], b->squeezed, 1);
	return expand && expand->dim[0] == b->out;
}

static bool measure_shortcut(struct thaw_residual *b, const struct thaw_resnet_names *n, const struct thaw_weights *w)
{
	const struct thaw_shape *plain = find_conv(w, b->name, n->in->down_conv[0], b->in, 0);
	const struct thaw_shape *pooled = find_conv(w, b->name, n->in->down_conv[1], b->in, 1);
	const struct thaw_shape *s = plain ? plain : pooled;
	b->projects = s != NULL;
	b->pools = !plain && pooled;
	b->projection = s ? (int)s->dim[2] : 0;
	return s ? s->dim[0] == b->out : b->in == b->out;
}

bool thaw_resnet_measure_block(struct thaw_residual *b, const struct thaw_resnet *r, const struct thaw_weights *w,
			       int64_t in)
{
	b->names = r->names->in;
	b->in = in;
	return measure_branch(b, r->names, w) && measure_attention(b, r->names, w) && measure_shortcut(b, r->names, w);
}

/* Counts stages and blocks, and checks that each block reads what the one before it writes. */
static bool measure_stages(struct thaw_resnet *r, const struct thaw_weights *w)
{
	int64_t channels = r->stem[r->deep ? THAW_RESNET_STEM - 1 : 0];
	char name[THAW_LAYER_NAME];
	for (r->stages = 0; r->stages < THAW_RESNET_STAGES; r->stages++) {
		for (int i = 0;; i++) {
			struct thaw_residual b = {.name = name};
			thaw_resnet_block_name(name, r, r->stages, i);
			r->blocks[r->stages] = i;
			if (!find_conv(w, name, r->names->in->conv[0], 0, 0))
				break;
			if (!thaw_resnet_measure_block(&b, r, w, channels))
				return false;
			channels = b.out;
		}
		if (r->blocks[r->stages] == 0)
			break;
	}
	return r->stages > 0;
}

bool thaw_resnet_measure(struct thaw_resnet *r, const struct thaw_weights *w)
{
	static const struct thaw_resnet_names *const all[] = {&thaw_resnet_torchvision, &legacy, &transformers,
							      &transformers_part};
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		r->names = all[i];
		if (measure_stem(r, w) && measure_stages(r, w))
			return true;
	}
	return false;
}
