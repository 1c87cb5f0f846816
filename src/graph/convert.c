/* Values in bfloat16 for operators that take fp32 only: the executor expands x, and y in backward, to the beginning of
 * the scratch buffer before the operator runs, and rounds y after its forward pass. */
#include "src/graph/compiler.h"
#include "src/ops/kernels/bf16_values.h"
#include "thaw/memory.h"

static size_t expanded_bytes(const struct thaw_shape *s)
{
	size_t bytes = (size_t)thaw_shape_count(s) * sizeof(float);
	return (bytes + THAW_ALIGNMENT - 1) / THAW_ALIGNMENT * THAW_ALIGNMENT;
}

size_t thaw_compiler_converted_bytes(const struct thaw_compiler *c, int node)
{
	const struct thaw_node *n = &c->graph->nodes[node];
	if (!takes_fp32_only(n->op))
		return 0;
	size_t bytes = c->bf16[node] ? expanded_bytes(&c->shapes[node]) : 0;
	for (int k = 0; k < n->input_count; k++)
		bytes += c->bf16[n->inputs[k]] ? expanded_bytes(&c->shapes[n->inputs[k]]) : 0;
	return bytes;
}

static uint16_t *take(struct thaw_view *v)
{
	uint16_t *stored = v->bf16;
	v->bf16 = NULL;
	return stored;
}

void thaw_step_bind_converted(struct thaw_step *step)
{
	for (int k = 0; k < step->args.inputs; k++)
		step->stored_x[k] = take(&step->x[k]);
	step->stored_y = take(&step->args.y);
}

/* The first input that is the same value as input k: operators compare pointers to find that out. */
static int first_use(const struct thaw_step *step, int k)
{
	int i = 0;
	while (step->stored_x[i] != step->stored_x[k])
		i++;
	return i;
}

void thaw_step_expand(struct thaw_step *step, bool backward, bool x, bool y)
{
	char *memory = step->scratch[backward];
	for (int k = 0; k < step->args.inputs; k++) {
		if (!step->stored_x[k])
			continue;
		int first = first_use(step, k);
		if (first < k) {
			step->x[k].data = step->x[first].data;
			continue;
		}
		step->x[k].data = (float *)memory;
		memory += expanded_bytes(&step->x[k].shape);
		if (x)
			thaw_bf16_expand(step->x[k].data, step->stored_x[k], thaw_shape_count(&step->x[k].shape));
	}
	if (step->stored_y) {
		step->args.y.data = (float *)memory;
		memory += expanded_bytes(&step->args.y.shape);
		if (y)
			thaw_bf16_expand(step->args.y.data, step->stored_y, thaw_shape_count(&step->args.y.shape));
	}
	step->args.scratch = memory;
}

void thaw_step_round(const struct thaw_step *step)
{
	if (step->stored_y)
		thaw_bf16_store(step->stored_y, step->args.y.data, thaw_shape_count(&step->args.y.shape));
}
