/* Running an executor: forward and backward passes, and access to its buffers. */
#include <string.h>

#include "src/base/clock.h"
#include "src/graph/executor_internal.h"
#include "src/ops/kernels/bf16_values.h"

static void bind_run(struct thaw_executor *executor, int node, struct thaw_step *step)
{
	int64_t n = executor->batch;
	const struct thaw_node *graph_node = &executor->graph->nodes[node];
	for (int k = 0; k < graph_node->input_count; k++) {
		const struct thaw_node *from = &executor->graph->nodes[graph_node->inputs[k]];
		if (step->x_rows[k] > 0)
			step->x[k].shape.dim[0] = n * step->x_rows[k];
		if (from->op && from->op->parameter)
			step->x[k].data = executor->graph->params[from->params[0]].data;
	}
	if (step->y_rows > 0)
		step->args.y.shape.dim[0] = n * step->y_rows;
	for (int k = 0; k < graph_node->param_count; k++)
		step->param[k].data = executor->graph->params[graph_node->params[k]].data;
	step->args.sample_key = executor->sample_key;
}

static double clock_of(const struct thaw_executor *executor)
{
	return executor->times ? thaw_clock() : 0.0;
}

static bool abandoned(const struct thaw_executor *executor)
{
	return executor->abandon && executor->abandon(executor->abandon_context);
}

static void run_forward(const struct thaw_op *op, struct thaw_step *step)
{
	thaw_step_expand(step, false, true, false);
	op->forward(&step->args);
	thaw_step_round(step);
}

static void report_value(const struct thaw_executor *executor, int node)
{
	const struct thaw_step *step = &executor->p.steps[node];
	struct thaw_view y = step->args.y;
	if (step->stored_y) {
		y.data = NULL;
		y.bf16 = step->stored_y;
	}
	executor->on_value(executor->on_value_context, node, &y);
}

const float *thaw_executor_forward(struct thaw_executor *executor, int64_t n, const uint64_t *sample_key)
{
	executor->batch = n;
	executor->sample_key = sample_key;
	for (int i = 1; i < executor->graph->node_count; i++) {
		if (!executor->p.steps[i].runs)
			continue;
		if (abandoned(executor))
			return NULL;
		double start = clock_of(executor);
		bind_run(executor, i, &executor->p.steps[i]);
		if (!executor->graph->nodes[i].op->parameter)
			run_forward(executor->graph->nodes[i].op, &executor->p.steps[i]);
		if (executor->times)
			executor->times[i].forward += clock_of(executor) - start;
		if (executor->on_value && !executor->graph->nodes[i].op->parameter)
			report_value(executor, i);
	}
	return executor->p.logits;
}

/* Points the node to its gradients, zeroed if its backward function adds to them. */
static void bind_gradients(struct thaw_executor *executor, int node, struct thaw_step *step, float *const *gradient)
{
	const struct thaw_node *n = &executor->graph->nodes[node];
	for (int k = 0; k < n->param_count; k++) {
		const struct thaw_param *p = &executor->graph->params[n->params[k]];
		float *to = p->trainable ? gradient[n->params[k]] : NULL;
		step->dparam[k] = to;
		if (to && !n->op->overwrites_dparam)
			memset(to, 0, (size_t)thaw_shape_count(&p->shape) * sizeof(*to));
	}
}

/* Computes the values of a block again that were not kept. False: abandoned. */
static bool compute_again(struct thaw_executor *executor, int first, int last)
{
	for (int i = first; i <= last; i++) {
		struct thaw_step *step = &executor->p.again[i];
		double start = clock_of(executor);
		if (abandoned(executor))
			return false;
		if (!executor->p.steps[i].runs)
			continue;
		bind_run(executor, i, step);
		if (step->runs)
			run_forward(executor->graph->nodes[i].op, step);
		if (executor->times)
			executor->times[i].backward += clock_of(executor) - start;
	}
	return true;
}

bool thaw_executor_backward(struct thaw_executor *executor, const float *dlogits, float *const *gradient)
{
	int64_t count = executor->batch * executor->p.classes;
	if (dlogits != executor->p.dlogits)
		for (int64_t i = 0; i < count; i++)
			executor->p.dlogits[i] = dlogits[i];
	for (int i = executor->graph->node_count - 1; i >= executor->cut; i--) {
		int first = executor->p.steps[i].first;
		if (first > 0 && !compute_again(executor, first, i))
			return false;
		bool second = executor->p.again && executor->p.again[i].args.attrs; /* it is bound */
		struct thaw_step *step = second ? &executor->p.again[i] : &executor->p.steps[i];
		const struct thaw_node *n = &executor->graph->nodes[i];
		if (abandoned(executor))
			return false;
		double start = clock_of(executor);
		if (step->backward) {
			bind_gradients(executor, i, step, gradient);
			thaw_step_expand(step, true, n->op->backward_reads & THAW_READS_X,
					 n->op->backward_reads & THAW_READS_Y);
			n->op->backward(&step->args);
		}
		if (executor->times)
			executor->times[i].backward += clock_of(executor) - start;
		if (executor->on_gradient && n->param_count > 0)
			executor->on_gradient(executor->on_gradient_context, i);
	}
	return true;
}

int64_t thaw_executor_features(const struct thaw_executor *executor)
{
	int64_t count = 0;
	for (int k = 0; k < executor->p.crossing_count; k++)
		count += executor->p.crossing[k].count;
	return count;
}

bool thaw_executor_run_trunk(struct thaw_executor *executor, float *features)
{
	if (!thaw_executor_forward(executor, 1, NULL))
		return false;
	for (int k = 0; k < executor->p.crossing_count; k++) {
		const struct thaw_crossing *c = &executor->p.crossing[k];
		if (c->value.bf16)
			thaw_bf16_expand(features, c->value.bf16, c->count);
		else
			memcpy(features, c->value.data, (size_t)c->count * sizeof(float));
		features += c->count;
	}
	return true;
}

void thaw_executor_set_features(struct thaw_executor *executor, int64_t i, const float *features)
{
	for (int k = 0; k < executor->p.crossing_count; k++) {
		const struct thaw_crossing *c = &executor->p.crossing[k];
		if (c->value.bf16)
			thaw_bf16_store(c->value.bf16 + i * c->count, features, c->count);
		else
			memcpy(c->value.data + i * c->count, features, (size_t)c->count * sizeof(float));
		features += c->count;
	}
}

void thaw_executor_on_node(struct thaw_executor *executor, bool (*abandon)(void *context), void *context)
{
	executor->abandon = abandon;
	executor->abandon_context = context;
}

void thaw_executor_on_gradient(struct thaw_executor *executor, void (*callback)(void *context, int node), void *context)
{
	executor->on_gradient = callback;
	executor->on_gradient_context = context;
}

void thaw_executor_on_value(struct thaw_executor *executor,
			    void (*callback)(void *context, int node, const struct thaw_view *value), void *context)
{
	executor->on_value = callback;
	executor->on_value_context = context;
}

void thaw_executor_profile(struct thaw_executor *executor, struct thaw_node_time *times)
{
	executor->times = times;
}

float *thaw_executor_input(struct thaw_executor *executor)
{
	return executor->p.input;
}

float *thaw_executor_dlogits(struct thaw_executor *executor)
{
	return executor->p.dlogits;
}

size_t thaw_executor_bytes(const struct thaw_executor *executor)
{
	return executor->arena_bytes;
}
