#include "src/train/tail.h"

#include <math.h>

#define TAIL_ALIGNMENT 16 /* floats: 64 bytes */

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
			     double layer_decay)
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
	status = THAW_RESOURCE;
	tail->values = thaw_alloc((size_t)tail->length, sizeof(float));
	if (!tail->values)
		goto out;
	for (int i = 0; optimizer->state_names[i]; i++)
		if (!(tail->state[i] = thaw_alloc((size_t)tail->length, sizeof(float))))
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

void thaw_tail_update(struct thaw_tail *tail, const float *g, double lr, double weight_decay, double momentum,
		      int64_t t)
{
	for (int i = 0; i < tail->count; i++) {
		const struct thaw_tail_param *p = &tail->params[i];
		float *w = tail->values + p->offset;
		if (p->statistic) {
			const float m = p->momentum;
			for (int64_t k = 0; k < p->count; k++)
				w[k] = (1.0f - m) * w[k] + m * g[p->offset + k];
			continue;
		}
		float *state[THAW_TAIL_STATES] = {0};
		for (int s = 0; s < THAW_TAIL_STATES && tail->state[s]; s++)
			state[s] = tail->state[s] + p->offset;
		tail->optimizer->update(w, g + p->offset, state, p->count, lr * p->lr_factor,
					p->decays ? weight_decay : 0.0, momentum, t);
	}
}
