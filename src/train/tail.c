#include "src/train/tail.h"

#include <math.h>
#include <string.h>

#include "src/base/multiversion.h"

#define TAIL_ALIGNMENT 16 /* floats: 64 bytes */
#define INFINITY_BITS  0x7f800000u
#define BLOCK          4096 /* floats that an update takes at a time: gradient, weights and states stay in cache */

static thaw_status collect(struct thaw_tail *tail, double layer_decay)
{
	struct thaw_graph *g = tail->graph;
	int head = g->nodes[g->head].block;
	for (int i = 0; i < g->param_count; i++) {
		const struct thaw_param *p = &g->params[i];
		if (!p->trainable)
			continue;
		const struct thaw_node *node = &g->nodes[p->node];
		bool statistic = p->role == THAW_ROLE_MEAN || p->role == THAW_ROLE_VARIANCE;
		struct thaw_tail_param *t = &tail->params[tail->count++];
		*t = (struct thaw_tail_param){
			.param = i,
			.offset = tail->length,
			.count = thaw_shape_count(&p->shape),
			.lr_factor = pow(layer_decay, head - node->block),
			.decays = p->role == THAW_ROLE_WEIGHT,
			.statistic = statistic,
			.momentum = node->attrs.momentum,
		};
		tail->length += (t->count + TAIL_ALIGNMENT - 1) / TAIL_ALIGNMENT * TAIL_ALIGNMENT;
	}
	return tail->count ? THAW_OK : thaw_fail(THAW_USAGE, "nothing is left to train: --unfreeze: give head or more");
}

thaw_status thaw_tail_create(struct thaw_tail **out, struct thaw_graph *graph, const struct thaw_optimizer *optimizer,
			     double layer_decay, const struct thaw_comm *comm)
{
	struct thaw_tail *tail = thaw_alloc(1, sizeof *tail);
	thaw_status status = THAW_RESOURCE;
	if (!tail)
		return status;
	tail->graph = graph;
	tail->optimizer = optimizer;
	tail->params = thaw_alloc((size_t)graph->param_count, sizeof *tail->params);
	if (!tail->params)
		goto out;
	THAW_TRY_OUT(collect(tail, layer_decay));
	tail->shares = (struct thaw_shares){tail->length, THAW_SUM_BUCKET, comm->size};
	size_t own = (size_t)thaw_shares_own(&tail->shares, comm->rank);
	status = THAW_RESOURCE;
	tail->values = thaw_alloc((size_t)tail->length, sizeof(float));
	if (!tail->values)
		goto out;
	for (int i = 0; optimizer->state_names[i]; i++)
		if (!(tail->state[i] = thaw_alloc(own, sizeof(float))))
			goto out;
	for (int i = 0; i < tail->count; i++)
		thaw_param_move(&graph->params[tail->params[i].param], tail->values + tail->params[i].offset);
	*out = tail;
	return THAW_OK;
out:
	thaw_tail_destroy(tail);
	return status;
}

void thaw_tail_destroy(struct thaw_tail *tail)
{
	if (!tail)
		return;
	for (int i = 0; i < THAW_TAIL_STATES; i++)
		thaw_free(tail->state[i]);
	thaw_free(tail->values);
	thaw_free(tail->params);
	thaw_free(tail);
}

void thaw_tail_bind(const struct thaw_tail *tail, float *vector, float **gradient)
{
	for (int i = 0; i < tail->count; i++)
		gradient[tail->params[i].param] = vector + tail->params[i].offset;
}

/* Infinities and NaNs have all bits of the exponent set. In integers, because sums of floats keep their order and
 * would not become vectors. */
THAW_MULTIVERSION
static bool all_finite(const float *v, int64_t n)
{
	uint32_t most = 0;
	for (int64_t i = 0; i < n; i++) {
		uint32_t bits;
		memcpy(&bits, &v[i], sizeof bits);
		bits &= INFINITY_BITS;
		most = bits > most ? bits : most;
	}
	return most < INFINITY_BITS;
}

THAW_MULTIVERSION
static void scaled(float *to, const float *g, int64_t n, float scale)
{
	for (int64_t i = 0; i < n; i++)
		to[i] = g[i] * scale;
}

/* A part of the vector within one parameter. */
static void update_part(struct thaw_tail *tail, const struct thaw_tail_param *p, struct thaw_share part, const float *g,
			const struct thaw_update *u)
{
	float *w = tail->values + part.start;
	if (p->statistic) {
		const float m = p->momentum;
		for (int64_t k = 0; k < part.count; k++)
			w[k] = (1.0f - m) * w[k] + m * g[k];
		return;
	}
	float *state[THAW_TAIL_STATES] = {0};
	for (int s = 0; s < THAW_TAIL_STATES && tail->state[s]; s++)
		state[s] = tail->state[s] + part.own;
	tail->optimizer->update(w, g, state, part.count, u->lr * p->lr_factor, p->decays ? u->weight_decay : 0.0,
				u->momentum, u->t);
}

/* What of the share lies in the parameter. */
static struct thaw_share share_in(const struct thaw_tail_param *p, struct thaw_share share)
{
	int64_t from = share.start > p->offset ? share.start : p->offset;
	int64_t share_end = share.start + share.count, end = p->offset + p->count;
	return (struct thaw_share){from, (share_end < end ? share_end : end) - from, share.own + from - share.start};
}

bool thaw_tail_update(struct thaw_tail *tail, struct thaw_share share, const float *g, const struct thaw_update *u)
{
	float mean[BLOCK];
	bool finite = true;
	for (int i = 0; i < tail->count; i++) {
		const struct thaw_tail_param *p = &tail->params[i];
		struct thaw_share left = share_in(p, share);
		while (left.count > 0) {
			struct thaw_share part = left;
			part.count = left.count < BLOCK ? left.count : BLOCK;
			scaled(mean, g + part.start - share.start, part.count, u->scale);
			finite &= all_finite(mean, part.count);
			update_part(tail, p, part, mean, u);
			finite &= all_finite(tail->values + part.start, part.count);
			left = (struct thaw_share){left.start + part.count, left.count - part.count,
						   left.own + part.count};
		}
	}
	return finite;
}
