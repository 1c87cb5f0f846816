#include "src/train/flat_params.h"

#include <math.h>
#include <string.h>

#include "src/base/multiversion.h"

#define TAIL_ALIGNMENT 16 /* floats: 64 bytes */
#define INFINITY_BITS  0x7f800000u
#define BLOCK          4096 /* floats that an update takes at a time: gradient, weights and states stay in cache */

static thaw_status collect(struct thaw_flat_params *params, double layer_decay)
{
	struct thaw_graph *g = params->graph;
	int head = g->nodes[g->head].block;
	for (int i = 0; i < g->param_count; i++) {
		const struct thaw_param *p = &g->params[i];
		if (!p->trainable)
			continue;
		const struct thaw_node *node = &g->nodes[p->node];
		bool statistic = p->role == THAW_ROLE_MEAN || p->role == THAW_ROLE_VARIANCE;
		struct thaw_flat_params_param *t = &params->params[params->count++];
		*t = (struct thaw_flat_params_param){
			.param = i,
			.offset = params->length,
			.count = thaw_shape_count(&p->shape),
			.lr_factor = pow(layer_decay, head - node->block),
			.decays = p->role == THAW_ROLE_WEIGHT,
			.statistic = statistic,
			.momentum = node->attrs.momentum,
		};
		params->length += (t->count + TAIL_ALIGNMENT - 1) / TAIL_ALIGNMENT * TAIL_ALIGNMENT;
	}
	return params->count ? THAW_OK
			     : thaw_fail(THAW_USAGE, "nothing is left to train: --unfreeze: give head or more");
}

thaw_status thaw_flat_params_create(struct thaw_flat_params **out, struct thaw_graph *graph,
				    const struct thaw_optimizer *optimizer, double layer_decay,
				    const struct thaw_comm *comm)
{
	struct thaw_flat_params *params = thaw_alloc(1, sizeof(*params));
	thaw_status status = THAW_RESOURCE;
	if (!params)
		return status;
	params->graph = graph;
	params->optimizer = optimizer;
	params->params = thaw_alloc((size_t)graph->param_count, sizeof(*params->params));
	if (!params->params)
		goto out;
	THAW_TRY_OUT(collect(params, layer_decay));
	params->shards = (struct thaw_sharding){params->length, THAW_ALLREDUCE_BUCKET, comm->size};
	size_t own = (size_t)thaw_sharding_own(&params->shards, comm->rank);
	status = THAW_RESOURCE;
	params->values = thaw_alloc((size_t)params->length, sizeof(float));
	if (!params->values)
		goto out;
	for (int i = 0; optimizer->state_names[i]; i++)
		if (!(params->state[i] = thaw_alloc(own, sizeof(float))))
			goto out;
	for (int i = 0; i < params->count; i++)
		thaw_param_move_data(&graph->params[params->params[i].param],
				     params->values + params->params[i].offset);
	*out = params;
	return THAW_OK;
out:
	thaw_flat_params_destroy(params);
	return status;
}

void thaw_flat_params_destroy(struct thaw_flat_params *params)
{
	if (!params)
		return;
	for (int i = 0; i < THAW_TAIL_STATES; i++)
		thaw_free(params->state[i]);
	thaw_free(params->values);
	thaw_free(params->params);
	thaw_free(params);
}

void thaw_flat_params_bind(const struct thaw_flat_params *params, float *vector, float **gradient)
{
	for (int i = 0; i < params->count; i++)
		gradient[params->params[i].param] = vector + params->params[i].offset;
}

/* Infinities and NaNs have all bits of the exponent set. In integers, because sums of floats keep their order and
 * would not become vectors. */
THAW_MULTIVERSION
static bool all_finite(const float *v, int64_t n)
{
	uint32_t most = 0;
	for (int64_t i = 0; i < n; i++) {
		uint32_t bits;
		memcpy(&bits, &v[i], sizeof(bits));
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
static void update_part(struct thaw_flat_params *params, const struct thaw_flat_params_param *p, struct thaw_shard part,
			const float *g, const struct thaw_update *u)
{
	float *w = params->values + part.start;
	if (p->statistic) {
		const float m = p->momentum;
		for (int64_t k = 0; k < part.count; k++)
			w[k] = (1.0f - m) * w[k] + m * g[k];
		return;
	}
	float *state[THAW_TAIL_STATES] = {0};
	for (int s = 0; s < THAW_TAIL_STATES && params->state[s]; s++)
		state[s] = params->state[s] + part.own;
	params->optimizer->update(w, g, state, part.count, u->lr * p->lr_factor, p->decays ? u->weight_decay : 0.0,
				  u->momentum, u->t);
}

/* What of the shard lies in the parameter. */
static struct thaw_shard share_in(const struct thaw_flat_params_param *p, struct thaw_shard shard)
{
	int64_t from = shard.start > p->offset ? shard.start : p->offset;
	int64_t share_end = shard.start + shard.count, end = p->offset + p->count;
	return (struct thaw_shard){from, (share_end < end ? share_end : end) - from, shard.own + from - shard.start};
}

bool thaw_flat_params_update(struct thaw_flat_params *params, struct thaw_shard shard, const float *g,
			     const struct thaw_update *u)
{
	float mean[BLOCK];
	bool finite = true;
	for (int i = 0; i < params->count; i++) {
		const struct thaw_flat_params_param *p = &params->params[i];
		struct thaw_shard left = share_in(p, shard);
		while (left.count > 0) {
			struct thaw_shard part = left;
			part.count = left.count < BLOCK ? left.count : BLOCK;
			scaled(mean, g + part.start - shard.start, part.count, u->scale);
			finite &= all_finite(mean, part.count);
			update_part(params, p, part, mean, u);
			finite &= all_finite(params->values + part.start, part.count);
			left = (struct thaw_shard){left.start + part.count, left.count - part.count,
						   left.own + part.count};
		}
	}
	return finite;
}
