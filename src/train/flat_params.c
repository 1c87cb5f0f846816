#include "src/train/flat_params.h"

#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/multiversion.h"
#include "src/base/try.h"
#include "thaw/memory.h"

#define PARAM_ALIGNMENT (THAW_ALIGNMENT / (int64_t)sizeof(float)) /* floats */
#define INFINITY_BITS   0x7f800000u
#define BLOCK           4096 /* floats updated at a time, so that gradient, weights and states stay in cache */

/* Lists the trainable parameters. */
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
		struct thaw_flat_param *t = &params->entries[params->count++];
		*t = (struct thaw_flat_param){
			.param = i,
			.offset = params->length,
			.count = thaw_shape_count(&p->shape),
			.lr_factor = pow(layer_decay, head - node->block),
			.decays = p->role == THAW_ROLE_WEIGHT || p->role == THAW_ROLE_ADAPTER,
			.statistic = statistic,
			.momentum = node->attrs.momentum,
		};
		params->length += (t->count + PARAM_ALIGNMENT - 1) / PARAM_ALIGNMENT * PARAM_ALIGNMENT;
	}
	return params->count ? THAW_OK : thaw_fail(THAW_USAGE, "nothing to train: --unfreeze: give head or more");
}

thaw_status thaw_flat_params_create(struct thaw_flat_params **params, struct thaw_graph *graph,
				    const struct thaw_optimizer *optimizer, double layer_decay,
				    const struct thaw_comm *comm)
{
	struct thaw_flat_params *made = thaw_alloc(1, sizeof(*made));
	thaw_status status = THAW_RESOURCE;
	if (!made)
		return status;
	made->graph = graph;
	made->optimizer = optimizer;
	made->entries = thaw_alloc((size_t)graph->param_count, sizeof(*made->entries));
	if (!made->entries)
		goto out;
	THAW_TRY_OUT(collect(made, layer_decay));
	made->shards = (struct thaw_sharding){made->length, THAW_ALLREDUCE_BUCKET, comm->size};
	size_t own = (size_t)thaw_sharding_own(&made->shards, comm->rank);
	status = THAW_RESOURCE;
	made->values = thaw_alloc((size_t)made->length, sizeof(float));
	if (!made->values)
		goto out;
	for (int i = 0; optimizer->state_names[i]; i++)
		if (!(made->state[i] = thaw_alloc(own, sizeof(float))))
			goto out;
	for (int i = 0; i < made->count; i++)
		thaw_param_move_data(&graph->params[made->entries[i].param], made->values + made->entries[i].offset);
	*params = made;
	return THAW_OK;
out:
	thaw_flat_params_destroy(made);
	return status;
}

void thaw_flat_params_freeze(struct thaw_flat_params *params)
{
	for (int i = 0; i < params->count; i++)
		params->entries[i].frozen = !params->graph->params[params->entries[i].param].trainable;
}

void thaw_flat_params_destroy(struct thaw_flat_params *params)
{
	if (!params)
		return;
	for (int i = 0; i < THAW_OPTIMIZER_STATES; i++)
		thaw_free(params->state[i]);
	thaw_free(params->values);
	thaw_free(params->entries);
	thaw_free(params);
}

void thaw_flat_params_bind(const struct thaw_flat_params *params, float *vector, float **gradient)
{
	for (int i = 0; i < params->count; i++)
		gradient[params->entries[i].param] = vector + params->entries[i].offset;
}

/* Infinities and NaNs have all exponent bits set. Integers, because the compiler must keep the order of float additions
 * and would not vectorise them. */
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
static void scale_to(float *to, const float *g, int64_t n, float scale)
{
	for (int64_t i = 0; i < n; i++)
		to[i] = g[i] * scale;
}

/* Updates a part of the vector within one parameter. */
static void update_part(struct thaw_flat_params *params, const struct thaw_flat_param *p, struct thaw_shard part,
			const float *g, const struct thaw_update *u)
{
	float *w = params->values + part.start;
	if (p->statistic) {
		const float m = p->momentum;
		for (int64_t k = 0; k < part.count; k++)
			w[k] = (1.0f - m) * w[k] + m * g[k];
		return;
	}
	float *state[THAW_OPTIMIZER_STATES] = {0};
	for (int s = 0; s < THAW_OPTIMIZER_STATES && params->state[s]; s++)
		state[s] = params->state[s] + part.own;
	params->optimizer->update(w, g, state, part.count, u->lr * p->lr_factor, p->decays ? u->weight_decay : 0.0,
				  u->momentum, u->t);
}

/* The part of the shard within the parameter; its count is <= 0 if there is none. */
static struct thaw_shard within_param(const struct thaw_flat_param *p, struct thaw_shard shard)
{
	int64_t from = max_int64(shard.start, p->offset);
	int64_t end = min_int64(shard.start + shard.count, p->offset + p->count);
	return (struct thaw_shard){from, end - from, shard.own + from - shard.start};
}

bool thaw_flat_params_update(struct thaw_flat_params *params, struct thaw_shard shard, const float *g,
			     const struct thaw_update *u)
{
	float mean[BLOCK];
	bool finite = true;
	for (int i = 0; i < params->count; i++) {
		const struct thaw_flat_param *p = &params->entries[i];
		struct thaw_shard left = p->frozen ? (struct thaw_shard){0} : within_param(p, shard);
		while (left.count > 0) {
			struct thaw_shard part = left;
			part.count = min_int64(left.count, BLOCK);
			scale_to(mean, g + part.start - shard.start, part.count, u->scale);
			finite &= all_finite(mean, part.count);
			update_part(params, p, part, mean, u);
			finite &= all_finite(params->values + part.start, part.count);
			left = (struct thaw_shard){left.start + part.count, left.count - part.count,
						   left.own + part.count};
		}
	}
	return finite;
}
