/* Running a plan. */
#include "src/graph/plan_internal.h"

static void bind_run(struct thaw_plan *plan, int node, int64_t n, const uint64_t *sample_key)
{
	struct thaw_step *step = &plan->steps[node];
	const struct thaw_node *graph_node = &plan->graph->nodes[node];
	for (int k = 0; k < graph_node->input_count; k++)
		step->x[k].shape.dim[0] = n;
	step->call.y.shape.dim[0] = n;
	for (int k = 0; k < graph_node->param_count; k++)
		step->param[k].data = plan->graph->params[graph_node->params[k]].data;
	step->call.sample_key = sample_key;
}

const float *thaw_plan_forward(struct thaw_plan *plan, int64_t n, const uint64_t *sample_key)
{
	plan->ran = n;
	for (int i = 1; i < plan->graph->node_count; i++) {
		bind_run(plan, i, n, sample_key);
		plan->graph->nodes[i].op->forward(&plan->steps[i].call);
	}
	return plan->logits;
}

void thaw_plan_backward(struct thaw_plan *plan, const float *dlogits, float *const *gradient)
{
	int64_t count = plan->ran * plan->classes;
	if (dlogits != plan->dlogits)
		for (int64_t i = 0; i < count; i++)
			plan->dlogits[i] = dlogits[i];
	for (int i = plan->graph->node_count - 1; i >= plan->cut; i--) {
		struct thaw_step *step = &plan->steps[i];
		if (!step->backward)
			continue;
		const struct thaw_node *n = &plan->graph->nodes[i];
		for (int k = 0; k < n->param_count; k++)
			step->dparam[k] = plan->graph->params[n->params[k]].trainable ? gradient[n->params[k]] : NULL;
		n->op->backward(&step->call);
	}
}

float *thaw_plan_input(struct thaw_plan *plan)
{
	return plan->input;
}

float *thaw_plan_dlogits(struct thaw_plan *plan)
{
	return plan->dlogits;
}

size_t thaw_plan_bytes(const struct thaw_plan *plan)
{
	return plan->arena_bytes;
}
