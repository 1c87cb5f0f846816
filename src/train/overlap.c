#include "src/train/overlap.h"

/* Nodes run backward from the last to the first: what lies behind all parameters of earlier nodes is final. */
static int64_t final_after(const struct thaw_tail *tail, const struct thaw_graph *graph, int node)
{
	int64_t from = 0;
	for (int i = 0; i < tail->count; i++) {
		const struct thaw_tail_param *p = &tail->params[i];
		if (graph->params[p->param].node < node && p->offset + p->count > from)
			from = p->offset + p->count;
	}
	return from;
}

static void node_done(void *context, int node)
{
	const struct thaw_overlap *o = context;
	thaw_sum_final(o->sum, o->final_from[node]);
}

thaw_status thaw_overlap_create(struct thaw_overlap *o, const struct thaw_tail *tail, const struct thaw_graph *graph,
				struct thaw_plan *plan, struct thaw_sum *sum)
{
	o->sum = sum;
	o->final_from = thaw_alloc((size_t)graph->node_count, sizeof *o->final_from);
	if (!o->final_from)
		return THAW_RESOURCE;
	for (int i = 0; i < graph->node_count; i++)
		o->final_from[i] = final_after(tail, graph, i);
	thaw_plan_on_gradient(plan, node_done, o);
	return THAW_OK;
}

void thaw_overlap_release(struct thaw_overlap *o)
{
	thaw_free(o->final_from);
	*o = (struct thaw_overlap){0};
}
