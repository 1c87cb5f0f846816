/* Values in bfloat16 for operators that take fp32 only: the executor expands x, and y in backward, to the beginning of
 * the scratch buffer before the operator runs, and rounds y after its forward pass. */
#include "src/graph/compiler.h"
#include "src/ops/kernels/bf16_values.h"
#include "thaw/memory.h"

static bool converts(const struct thaw_compiler *c, int node)
{
	const struct thaw_op *op = c->graph->nodes[node].op;
	return !op->bf16 && !op->parameter;
}

static size_t expanded_bytes(const struct thaw_shape *s)
{
	size_t bytes = (size_t)thaw_shape_count(s) * sizeof(float);
	return (bytes + THAW_ALIGNMENT - 1) / THAW_ALIGNMENT * THAW_ALIGNMENT;
}

size_t thaw_compiler_converted_bytes(const struct thaw_compiler *c, int node)
{
	const struct thaw_node *n = &c->graph->nodes[node];
	size_t bytes = 0;
	if (!converts(c, node))
		return 0;
	for (int k = 0; k < n->input_count; k++)
		bytes += c->bf16[n->inputs[k]] ? expanded_bytes(&c->shapes[n->inputs[k]]) : 0;
	return bytes + (c->bf16[node] ? expanded_bytes(&c->shapes[node]) : 0);
}

/* Replaces the values of v by floats at *memory, which is moved behind them. Returns the values. */
static uint16_t *replace(struct thaw_view *v, char **memory)
{
	uint16_t *stored = v->bf16;
	if (!stored)
		return NULL;
	v->bf16 = NULL;
	v->data = (float *)*memory;
	*memory += expanded_bytes(&v->shape);
	return stored;
}

void thaw_compiler_bind_converted(struct thaw_compiler *c, int node)
{
	struct thaw_step *step = &c->executor->p.steps[node];
	char *memory = step->args.scratch;
	if (!converts(c, node))
		return;
	for (int k = 0; k < step->args.inputs; k++)
		step->stored_x[k] = replace(&step->x[k], &memory);
	step->stored_y = replace(&step->args.y, &memory);
	step->args.scratch = memory;
}

void thaw_step_expand(const struct thaw_step *step, bool x, bool y)
{
	for (int k = 0; x && k < step->args.inputs; k++)
		if (step->stored_x[k])
			thaw_bf16_expand(step->x[k].data, step->stored_x[k], thaw_shape_count(&step->x[k].shape));
	if (y && step->stored_y)
		thaw_bf16_expand(step->args.y.data, step->stored_y, thaw_shape_count(&step->args.y.shape));
}

void thaw_step_round(const struct thaw_step *step)
{
	if (step->stored_y)
		thaw_bf16_store(step->stored_y, step->args.y.data, thaw_shape_count(&step->args.y.shape));
}
