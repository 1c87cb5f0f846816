/* Running a plan. */
#include <string.h>

#include "src/base/clock.h"
#include "src/graph/plan_internal.h"

static void bind_run(struct thaw_plan *plan, int node, int64_t n, const uint64_t *sample_key)
{
	struct thaw_step *step = &plan->steps[node];
	const struct thaw_node *graph_node = &plan->graph->nodes[node];
	for (int k = 0; k < graph_node->input_count; k++) {
		const struct thaw_node *from = &plan->graph->nodes[graph_node->inputs[k]];
		if (step->x_rows[k] > 0)
			step->x[k].shape.dim[0] = n * step->x_rows[k];
		if (from->op && from->op->parameter)
			step->x[k].data = plan->graph->params[from->params[0]].data;
	}
	if (step->y_rows > 0)
		step->call.y.shape.dim[0] = n * step->y_rows;
	for (int k = 0; k < graph_node->param_count; k++)
		step->param[k].data = plan->graph->params[graph_node->params[k]].data;
	step->call.sample_key = sample_key;
}

static double clock_of(const struct thaw_plan *plan)
{
	return plan->times ? thaw_clock() : 0.0;
}

const float *thaw_plan_forward(struct thaw_plan *plan, int64_t n, const uint64_t *sample_key)
{
	plan->ran = n;
	for (int i = 1; i < plan->graph->node_count; i++) {
		if (!plan->steps[i].runs)
			continue;
		double start = clock_of(plan);
		bind_run(plan, i, n, sample_key);
		if (!plan->graph->nodes[i].op->parameter)
			plan->graph->nodes[i].op->forward(&plan->steps[i].call);
		if (plan->times)
			plan->times[i].forward += clock_of(plan) - start;
		if (plan->made && !plan->graph->nodes[i].op->parameter)
			plan->made(plan->made_context, i, plan->steps[i].call.y.data);
	}
	return plan->logits;
}

/* Where the node's gradients go; zeros there if it adds to them. */
static void bind_gradients(struct thaw_plan *plan, int node, float *const *gradient)
{
	struct thaw_step *step = &plan->steps[node];
	const struct thaw_node *n = &plan->graph->nodes[node];
	for (int k = 0; k < n->param_count; k++) {
		const struct thaw_param *p = &plan->graph->params[n->params[k]];
		float *to = p->trainable ? gradient[n->params[k]] : NULL;
		step->dparam[k] = to;
		if (to && !n->op->overwrites_dparam)
			memset(to, 0, (size_t)thaw_shape_count(&p->shape) * sizeof *to);
	}
}

void thaw_plan_backward(struct thaw_plan *plan, const float *dlogits, float *const *gradient)
{
	int64_t count = plan->ran * plan->classes;
	if (dlogits != plan->dlogits)
		for (int64_t i = 0; i < count; i++)
			plan->dlogits[i] = dlogits[i];
	for (int i = plan->graph->node_count - 1; i >= plan->cut; i--) {
		struct thaw_step *step = &plan->steps[i];
		const struct thaw_node *n = &plan->graph->nodes[i];
		double start = clock_of(plan);
		if (step->backward) {
			bind_gradients(plan, i, gradient);
			n->op->backward(&step->call);
		}
		if (plan->times)
			plan->times[i].backward += clock_of(plan) - start;
		if (plan->done && n->param_count > 0)
			plan->done(plan->done_context, i);
	}
}

int64_t thaw_plan_features(const struct thaw_plan *plan)
{
	int64_t count = 0;
	for (int k = 0; k < plan->crossing_count; k++)
		count += plan->crossing[k].count;
	return count;
}

void thaw_plan_run_trunk(struct thaw_plan *plan, float *features)
{
	thaw_plan_forward(plan, 1, NULL);
	for (int k = 0; k < plan->crossing_count; k++) {
		memcpy(features, plan->crossing[k].data, (size_t)plan->crossing[k].count * sizeof(float));
		features += plan->crossing[k].count;
	}
}

void thaw_plan_take(struct thaw_plan *plan, int64_t i, const float *features)
{
	for (int k = 0; k < plan->crossing_count; k++) {
		const struct thaw_crossing *c = &plan->crossing[k];
		memcpy(c->data + i * c->count, features, (size_t)c->count * sizeof(float));
		features += c->count;
	}
}

void thaw_plan_on_gradient(struct thaw_plan *plan, void (*done)(void *context, int node), void *context)
{
	plan->done = done;
	plan->done_context = context;
}

void thaw_plan_on_value(struct thaw_plan *plan, void (*made)(void *context, int node, const float *value),
			void *context)
{
	plan->made = made;
	plan->made_context = context;
}

void thaw_plan_profile(struct thaw_plan *plan, struct thaw_node_time *times)
{
	plan->times = times;
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
