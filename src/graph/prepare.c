/* Frozen parameters in their kernels' own form, such as Winograd's transformed filters. */
#include "src/graph/plan_internal.h"

size_t thaw_plan_prepared_bytes(const struct thaw_plan *plan)
{
	return plan->prepared_bytes;
}

static void write_all(struct thaw_plan *plan)
{
	for (int i = 1; i < plan->graph->node_count; i++) {
		struct thaw_step *step = &plan->steps[i];
		const struct thaw_node *n = &plan->graph->nodes[i];
		for (int k = 0; k < n->param_count; k++)
			step->param[k].data = plan->graph->params[n->params[k]].data;
		if (step->prepared_bytes > 0)
			n->op->prepare(&step->call, plan->prepared + step->prepared_offset);
	}
}

thaw_status thaw_plan_prepare(struct thaw_plan *plan, void *memory, bool write)
{
	if (plan->prepared_bytes == 0)
		return THAW_OK;
	if (!memory) {
		if (!plan->own_prepared && !(plan->own_prepared = thaw_alloc(plan->prepared_bytes, 1)))
			return THAW_RESOURCE;
		memory = plan->own_prepared;
	}
	plan->prepared = memory;
	if (write)
		write_all(plan);
	for (int i = 1; i < plan->graph->node_count; i++)
		if (plan->steps[i].prepared_bytes > 0)
			plan->steps[i].call.prepared = plan->prepared + plan->steps[i].prepared_offset;
	return THAW_OK;
}
