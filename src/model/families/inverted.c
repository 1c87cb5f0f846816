/* See inverted.h. */
#include "src/model/families/inverted.h"

#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "src/model/families/inverted_walk.h"
#include "src/model/families/squeeze.h"

#define TENSORFLOW_EPSILON  1e-3f
#define TENSORFLOW_MOMENTUM 0.01f

struct builder {
	struct thaw_graph *g;
	const struct thaw_inverted_traits *traits;
	const struct thaw_weights *w;
};

static int add_norm(struct builder *b, int x, const char *name, int64_t channels)
{
	/* TensorFlow's constant comes with its momentum. */
	const float epsilon = b->traits->epsilon;
	const struct thaw_norm_layer norm = {
		.name = name, .epsilon = epsilon, .momentum = epsilon >= TENSORFLOW_EPSILON ? TENSORFLOW_MOMENTUM : 0};
	return thaw_layer_norm(b->g, x, &norm, channels);
}

static int add_conv(struct builder *b, int x, const struct thaw_inverted_unit *u, int stride, bool late)
{
	const bool same = b->traits->padding == THAW_PAD_SAME;
	const struct thaw_conv_layer conv = {
		.name = u->conv,
		.in = u->in,
		.out = u->out,
		.kernel = u->kernel,
		.stride = stride,
		.same = same,
		.pad = same ? 0 : u->kernel / 2,
		.late = late,
		.groups = (int)u->groups,
	};
	return thaw_layer_conv(b->g, x, &conv);
}

/* A convolution for each part of the channels. */
static int add_mixed(struct builder *b, int x, const struct thaw_inverted_unit *u, int stride, bool late)
{
	int y[THAW_INVERTED_PARTS];
	int64_t first = 0;
	for (int i = 0; i < u->parts; i++) {
		struct thaw_inverted_unit part;
		thaw_inverted_part(&part, u, u->parts, i, b->w); /* it was measured */
		const struct thaw_attrs cut = {.before = {[3] = -first}, .after = {[3] = first + part.in - u->in}};
		char name[2 * THAW_LAYER_NAME + 8];
		snprintf(name, sizeof(name), "%s.in", part.conv);
		y[i] = add_conv(b, thaw_graph_add(b->g, "pad", name, &cut, &x, 1), &part, stride, late);
		first += part.in;
	}
	return thaw_graph_add(b->g, "concat", u->conv, &(struct thaw_attrs){.axis = 3}, y, u->parts);
}

static int add_unit(struct builder *b, int x, const struct thaw_inverted_unit *u, int stride, bool late)
{
	x = u->parts > 0 ? add_mixed(b, x, u, stride, late) : add_conv(b, x, u, stride, late);
	return add_norm(b, x, u->norm, u->out);
}

static enum thaw_nonlinearity act_of_stage(const struct thaw_inverted_traits *t, int stage)
{
	return stage < t->early_stages ? t->early_act : t->act;
}

static enum thaw_nonlinearity end_act(const struct thaw_inverted_traits *t)
{
	return t->end_act == THAW_NL_NONE ? t->act : t->end_act;
}

/* The unit that has the block's stride: the last one with a kernel. */
static int strided_unit(const struct thaw_inverted_block *b)
{
	int strided = 0;
	for (int i = 0; i < b->units; i++)
		if (b->unit[i].kernel > 1)
			strided = i;
	return strided;
}

static int add_squeeze(struct builder *b, int x, const struct thaw_inverted_block *block, enum thaw_nonlinearity act)
{
	char reduce[THAW_LAYER_NAME], expand[THAW_LAYER_NAME];
	const struct thaw_squeeze_layer squeeze = {
		.reduce = reduce,
		.expand = expand,
		.channels = block->unit[block->units - 1].in,
		.reduced = block->squeezed,
		.act = b->traits->squeeze_act == THAW_NL_NONE ? act : b->traits->squeeze_act,
		.gate = b->traits->gate,
	};
	snprintf(reduce, sizeof(reduce), "%.48s.%.40s", block->name, block->kind->reduce);
	snprintf(expand, sizeof(expand), "%.48s.%.40s", block->name, block->kind->expand);
	return thaw_layer_squeeze(b->g, x, &squeeze);
}

/* The first half of 2x2 average pooling instead of a stride. */
static int add_pool(struct builder *b, int x, const char *after)
{
	const struct thaw_attrs pool = {.kernel = {2, 2}, .stride = {2, 2}};
	char name[2 * THAW_LAYER_NAME + 8];
	snprintf(name, sizeof(name), "%s.pool", after);
	return thaw_graph_add(b->g, "average_pool", name, &pool, &x, 1);
}

static bool is_late(const struct thaw_inverted_traits *t, const struct thaw_inverted_block *b, int stride)
{
	const bool symmetric = b->number < t->symmetric_count && t->symmetric[b->number];
	return t->padding == THAW_PAD_LATE && stride > 1 && !symmetric;
}

static bool has_skip(const struct thaw_inverted_traits *t, const struct thaw_inverted_block *b, int stride)
{
	const char no_skip = t->no_skip ? t->no_skip[b->stage] : '-';
	return stride == 1 && b->in == b->out && no_skip != 'a' && !(no_skip == 'f' && b->first);
}

static int add_block(struct builder *b, int x, const struct thaw_inverted_block *block)
{
	const struct thaw_inverted_traits *t = b->traits;
	const int stride = block->first ? t->strides[block->stage] - '0' : 1, strided = strided_unit(block);
	const enum thaw_nonlinearity act = act_of_stage(t, block->stage);
	int y = x;
	thaw_graph_block(b->g, "%s", block->name);
	for (int i = 0; i < block->units; i++) {
		const struct thaw_inverted_unit *u = &block->unit[i];
		const int own = i == strided ? stride : 1;
		if (block->squeezed && i == block->units - 1)
			y = add_squeeze(b, y, block, act);
		y = add_unit(b, y, u, t->pools ? 1 : own, is_late(t, block, own));
		if (u->end == THAW_END_ACTIVE || (u->end == THAW_END_SEPARABLE && t->pointwise_act))
			y = thaw_layer_nonlinearity(b->g, y, u->norm, act);
		if (t->pools && own > 1)
			y = add_pool(b, y, u->norm);
	}
	return has_skip(t, block, stride) ? thaw_layer_add(b->g, y, x, block->name) : y;
}

/* A layer between pooling and classifier: a 1x1 convolution, with or without batch norm, or a linear layer. *channels
 * are its inputs, then its outputs. */
static int add_hidden(struct builder *b, int x, const struct thaw_inverted_naming *n, int64_t *channels)
{
	char weight[2 * THAW_LAYER_NAME], bias[2 * THAW_LAYER_NAME];
	snprintf(weight, sizeof(weight), "%s.weight", n->hidden);
	snprintf(bias, sizeof(bias), "%s.bias", n->hidden);
	const struct thaw_named_tensor *t = thaw_weights_find(b->w, weight);
	const int64_t in = *channels, out = *channels = t->shape.dim[0];
	thaw_graph_block(b->g, "%s", n->hidden);
	x = thaw_layer_average_pool(b->g, x, "global_pool", 1);
	if (t->shape.ndim == 2) {
		x = thaw_layer_linear(b->g, thaw_layer_flatten(b->g, x, "flatten"), n->hidden, in, out, NULL);
		return thaw_layer_nonlinearity(b->g, x, n->hidden, end_act(b->traits));
	}
	const struct thaw_conv_layer conv = {.name = n->hidden,
					     .in = in,
					     .out = out,
					     .kernel = 1,
					     .stride = 1,
					     .bias = thaw_weights_find(b->w, bias) != NULL};
	x = thaw_layer_conv(b->g, x, &conv);
	if (n->hidden_norm) {
		snprintf(weight, sizeof(weight), "%s.weight", n->hidden_norm);
		if (thaw_weights_find(b->w, weight))
			x = add_norm(b, x, n->hidden_norm, out);
	}
	x = thaw_layer_nonlinearity(b->g, x, n->hidden, end_act(b->traits));
	return thaw_layer_flatten(b->g, x, "flatten");
}

/* From the last block to the classifier. */
static void add_head(struct builder *b, int x, const struct thaw_inverted_walk *walk, int64_t classes)
{
	const struct thaw_inverted_naming *n = walk->naming;
	struct thaw_inverted_unit head;
	int64_t channels = walk->block.out;
	const float dropout = b->traits->dropout;
	if (thaw_inverted_head(walk, &head)) {
		thaw_graph_block(b->g, "head");
		x = thaw_layer_nonlinearity(b->g, add_unit(b, x, &head, 1, false), head.norm, end_act(b->traits));
		channels = head.out;
	}
	if (!thaw_inverted_has_hidden(walk)) {
		thaw_layer_classifier(b->g, x, n->classifier, channels, classes, dropout, b->w);
		return;
	}
	x = add_hidden(b, x, n, &channels);
	thaw_layer_vector_classifier(b->g, x, n->late_classifier, channels, classes, dropout, b->w);
}

thaw_status thaw_inverted_build(struct thaw_graph *g, const struct thaw_inverted_traits *traits,
				const struct thaw_inverted_naming *naming, const struct thaw_inverted_plan *plan,
				int64_t classes, const struct thaw_weights *w)
{
	struct builder b = {.g = g, .traits = traits, .w = w};
	struct thaw_inverted_walk walk;
	const int stages = (int)strlen(traits->strides);
	if (!thaw_inverted_start(&walk, naming, w, plan))
		return thaw_fail(THAW_CONFIG, "no stem: %s: the file is of another network", naming->stem.conv);
	thaw_graph_block(g, "stem");
	int x = add_unit(&b, 0, &walk.stem, 2, traits->padding == THAW_PAD_LATE);
	x = thaw_layer_nonlinearity(g, x, walk.stem.norm, end_act(traits));
	while (thaw_inverted_next(&walk) && walk.block.stage < stages)
		x = add_block(&b, x, &walk.block);
	if (walk.block.stage != stages - 1)
		return thaw_fail(
			THAW_CONFIG,
			"stages of blocks are not the %d of this network: at %s: give the name of the network, "
			"as --model NAME:FILE",
			stages, walk.block.name);
	add_head(&b, x, &walk, classes);
	return thaw_graph_finish(g);
}
