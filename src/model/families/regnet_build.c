/* The layers of a RegNet. A block's shortcut is the identity, a convolution where the shape changes, or, in RegNetZ,
 * absent there. */
#include <stdio.h>

#include "src/model/families/regnet.h"
#include "src/model/families/squeeze.h"

/* A layer of a block. */
struct place {
	const struct thaw_regnet *v;
	int stage, block;
};

static const char *name_in(char *text, const struct place *p, const char *layer)
{
	return thaw_regnet_in_block(text, p->v, p->stage, p->block, layer);
}

static int norm(struct thaw_graph *g, int x, const char *name, int64_t channels)
{
	return thaw_layer_norm(g, x, &(struct thaw_norm_layer){.name = name}, channels);
}

/* A layer of the trunk with its norm and activation. */
static int trunk(struct thaw_graph *g, int x, const struct thaw_regnet *v, const char *conv_name, const char *norm_name,
		 struct thaw_conv_layer conv)
{
	char name[THAW_LAYER_NAME];
	conv.name = thaw_regnet_trunk(name, v, conv_name);
	conv.pad = conv.kernel / 2;
	x = thaw_layer_conv(g, x, &conv);
	if (!norm_name)
		return x;
	x = norm(g, x, thaw_regnet_trunk(name, v, norm_name), conv.out);
	return thaw_layer_nonlinearity(g, x, name, v->act);
}

/* The block's convolution i. The norm and, if `act`, the activation come after it, or before it. */
static int unit(struct thaw_graph *g, int x, const struct place *p, int i, struct thaw_conv_layer conv, bool act)
{
	const struct thaw_regnet_names *n = p->v->names;
	char conv_name[THAW_LAYER_NAME], norm_name[THAW_LAYER_NAME];
	conv.name = name_in(conv_name, p, n->conv[i]);
	conv.pad = conv.kernel / 2;
	name_in(norm_name, p, n->norm[i]);
	if (!n->before)
		x = norm(g, thaw_layer_conv(g, x, &conv), norm_name, conv.out);
	else if (i > 0) /* the first norm is the shortcut's, too */
		x = norm(g, x, norm_name, conv.in);
	if (act && (!n->before || i > 0))
		x = thaw_layer_nonlinearity(g, x, norm_name, p->v->act);
	return n->before ? thaw_layer_conv(g, x, &conv) : x;
}

static int squeeze(struct thaw_graph *g, int x, const struct place *p)
{
	const struct thaw_regnet_stage *s = &p->v->stage[p->stage];
	char reduce[THAW_LAYER_NAME], expand[THAW_LAYER_NAME];
	const struct thaw_squeeze_layer layer = {
		.reduce = reduce,
		.expand = expand,
		.channels = s->inner,
		.reduced = s->reduced[p->block > 0],
		.act = p->v->names->transformers ? THAW_NL_RELU : p->v->act,
		.gate = THAW_NL_SIGMOID,
	};
	if (layer.reduced == 0)
		return x;
	name_in(reduce, p, p->v->names->reduce);
	name_in(expand, p, p->v->names->expand);
	return thaw_layer_squeeze(g, x, &layer);
}

static int branch(struct thaw_graph *g, int x, const struct place *p, int64_t in, int stride)
{
	const struct thaw_regnet_stage *s = &p->v->stage[p->stage];
	const struct thaw_conv_layer reduce = {.in = in, .out = s->inner, .kernel = 1, .stride = 1};
	const struct thaw_conv_layer spatial = {
		.in = s->inner,
		.out = s->inner,
		.kernel = 3,
		.stride = stride,
		.groups = (int)(s->inner / s->group),
	};
	const struct thaw_conv_layer expand = {.in = s->inner, .out = s->channels, .kernel = 1, .stride = 1};
	x = unit(g, x, p, 0, reduce, true);
	x = unit(g, x, p, 1, spatial, true);
	return unit(g, squeeze(g, x, p), p, 2, expand, p->v->names->before);
}

/* The first block's shortcut. */
static int shortcut(struct thaw_graph *g, int x, const struct place *p, int64_t in, int stride)
{
	const struct thaw_regnet_names *n = p->v->names;
	const struct thaw_regnet_stage *s = &p->v->stage[p->stage];
	char name[THAW_LAYER_NAME];
	if (!s->shortcut && !s->average)
		return x;
	if (s->average && stride == 2)
		x = thaw_layer_average_windows(g, x, name_in(name, p, "downsample.pool"), 2, 2, true);
	const struct thaw_conv_layer conv = {
		.name = name_in(name, p, s->average ? n->average : n->shortcut),
		.in = in,
		.out = s->channels,
		.kernel = 1,
		.stride = s->average ? 1 : stride,
	};
	const char *norm_name = s->average ? n->average_norm : n->shortcut_norm;
	x = thaw_layer_conv(g, x, &conv);
	return norm_name ? norm(g, x, name_in(name, p, norm_name), s->channels) : x;
}

static int add_block(struct thaw_graph *g, int x, const struct place *p, int64_t in)
{
	const struct thaw_regnet *v = p->v;
	const struct thaw_regnet_stage *s = &v->stage[p->stage];
	const int stride = p->block == 0 && !(p->stage == 0 && v->keep_size) ? 2 : 1;
	const bool changes = stride == 2 || in != s->channels;
	char name[THAW_LAYER_NAME];
	thaw_graph_block(g, "%s", name_in(name, p, ""));
	if (v->names->before) {
		x = norm(g, x, name_in(name, p, v->names->norm[0]), in);
		x = thaw_layer_nonlinearity(g, x, name, v->act);
	}
	int y = branch(g, x, p, in, stride);
	if (!changes || s->shortcut || s->average)
		y = thaw_layer_add(g, y, changes ? shortcut(g, x, p, in, stride) : x, name_in(name, p, "add"));
	return v->linear || v->names->before ? y : thaw_layer_nonlinearity(g, y, name_in(name, p, "out"), v->act);
}

static void classify(struct thaw_graph *g, int x, const struct thaw_regnet *v, const struct thaw_architecture *a)
{
	int64_t channels = v->stage[v->stages - 1].channels;
	if (v->last_channels > 0) {
		const struct thaw_conv_layer last = {.in = channels, .out = v->last_channels, .kernel = 1, .stride = 1};
		thaw_graph_block(g, "%s", v->names->last);
		x = trunk(g, x, v, v->names->last, v->names->last_norm, last);
		channels = v->last_channels;
	} else if (v->linear || v->names->before) {
		x = thaw_layer_nonlinearity(g, x, "last", v->act);
	}
	thaw_layer_classifier(g, x, v->names->head, channels, a->classes, 0, a->w);
}

void thaw_regnet_build(struct thaw_graph *g, const struct thaw_regnet *v, const struct thaw_architecture *a)
{
	const struct thaw_conv_layer stem = {.in = 3, .out = v->stem_channels, .kernel = 3, .stride = 2};
	int64_t channels = v->stem_channels;
	thaw_graph_block(g, "stem");
	int x = trunk(g, 0, v, v->names->stem, v->names->stem_norm, stem);
	for (int s = 0; s < v->stages; s++) {
		for (int i = 0; i < v->stage[s].blocks; i++) {
			x = add_block(g, x, &(struct place){v, s, i}, channels);
			channels = v->stage[s].channels;
		}
	}
	classify(g, x, v, a);
}
