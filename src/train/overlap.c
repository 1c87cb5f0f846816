#include "src/train/overlap.h"

#include "src/base/minmax.h"
#include "thaw/memory.h"

/* The offset from which on the gradient vector is final when the backward pass has finished `node`: it runs from the
 * last node to the first, so only parameters of earlier nodes are missing. */
static int64_t final_after(const struct thaw_flat_params *params, const struct thaw_graph *graph, int node)
{
	int64_t from = 0;
	for (int i = 0; i < params->count; i++) {
		const struct thaw_flat_param *p = &params->entries[i];
		if (graph->params[p->param].node < node)
			from = max_int64(from, p->offset + p->count);
	}
	return from;
}

static void node_done(void *context, int node)
{
	const struct thaw_overlap *o = context;
	thaw_allreduce_ready(o->allreduce, o->final_from[node]);
}

thaw_status thaw_overlap_create(struct thaw_overlap *o, const struct thaw_flat_params *params,
				const struct thaw_graph *graph, struct thaw_executor *executor,
				struct thaw_allreduce *allreduce)
{
	o->allreduce = allreduce;
	o->final_from = thaw_alloc((size_t)graph->node_count, sizeof(*o->final_from));
	if (!o->final_from)
		return THAW_RESOURCE;
	for (int i = 0; i < graph->node_count; i++)
		o->final_from[i] = final_after(params, graph, i);
	thaw_executor_on_gradient(executor, node_done, o);
	return THAW_OK;
}

void thaw_overlap_release(struct thaw_overlap *o)
{
	thaw_free(o->final_from);
	*o = (struct thaw_overlap){0};
}
