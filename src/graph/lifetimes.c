/* Lifetimes of an executor's buffers.
 *
 * Time is counted in steps: the forward pass of node i is step i, the loss is step n (the number of nodes), then
 * follows the backward pass (recompute.c). A buffer is live from the step that writes it to the last step that reads
 * it: value      from its node's forward to its last reader, in the tail up to the backward passes that read it saved
 * from a tail node's forward to its backward gradient   from the backward of the value's last reader to the backward of
 * its own node scratch    one step; with the values that the executor converts for the operator The features of a tail
 * executor are live from the first step; those of a trunk executor up to the end. The value of an in-place node is
 * stored in the buffer of its input. A value that is computed again has two buffers: one for its readers in the forward
 * pass, and one for those later.
 */
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/graph/compiler.h"
#include "src/graph/graph_internal.h"
#include "thaw/memory.h"

static int backward_step(const struct thaw_compiler *c, int node)
{
	return c->backward[node];
}

/* Whether a value is a parameter, which is read where it is and needs no buffer. */
static bool is_parameter(const struct thaw_compiler *c, int i)
{
	return c->graph->nodes[i].op && c->graph->nodes[i].op->parameter;
}

/* Whether to store a value in bfloat16. */
static bool stores_bf16(const struct thaw_compiler *c, int i)
{
	const struct thaw_graph *g = c->graph;
	const struct thaw_shape *s = &c->shapes[i];
	int64_t images = c->shapes[0].dim[0];
	bool rows = s->ndim > 1 && thaw_shape_count(s) > images * s->dim[s->ndim - 1];
	return g->precision == THAW_PRECISION_BF16 && i > 0 && i != g->output && !g->nodes[i].fixed && rows;
}

static size_t gradient_bytes(const struct thaw_compiler *c, int i)
{
	return (size_t)thaw_shape_count(&c->shapes[i]) * sizeof(float);
}

static size_t value_bytes(const struct thaw_compiler *c, int i)
{
	return (size_t)thaw_shape_count(&c->shapes[i]) * (c->bf16[i] ? sizeof(uint16_t) : sizeof(float));
}

/* Finds the values that need a gradient and asks the operators for their workspace. */
static thaw_status query_nodes(struct thaw_compiler *c)
{
	struct thaw_shape param[THAW_MAX_PARAMS];
	for (int i = 1; i < c->nodes; i++) {
		const struct thaw_node *n = &c->graph->nodes[i];
		if (!c->executor->p.steps[i].runs)
			continue;
		struct thaw_shape *x = thaw_alloc((size_t)n->input_count, sizeof(*x));
		if (!x)
			return THAW_RESOURCE;
		struct thaw_op_desc desc = thaw_graph_op_desc(c->graph, i, c->shapes, param, x);
		desc.training = in_tail(c, i);
		desc.frozen = thaw_graph_frozen(c->graph, i);
		if (n->op->workspace)
			n->op->workspace(&desc, &c->workspace[i]);
		thaw_free(x);

		for (int k = 0; k < n->input_count; k++)
			c->needs_gradient[i] |= c->needs_gradient[n->inputs[k]];
		for (int k = 0; k < n->param_count; k++)
			c->needs_gradient[i] |= in_tail(c, i) && c->graph->params[n->params[k]].trainable;
	}
	return THAW_OK;
}

/* Values that exist before the first step: the image, or the features of a tail executor. */
static void mark_inputs(struct thaw_compiler *c)
{
	int image = 0;
	bool tail = c->executor->segment == THAW_TAIL;
	const int *input = tail ? c->crossing : &image;
	for (int k = 0; k < (tail ? c->executor->p.crossing_count : 1); k++)
		c->buffers[input[k]] = (struct thaw_buffer){.bytes = value_bytes(c, input[k])};
}

static bool reads_y(const struct thaw_node *n)
{
	return (n->op->backward_reads & THAW_READS_Y) && (!n->op->activates || n->attrs.activation != THAW_ACT_NONE);
}

/* Whether the node's backward pass reads its input k. */
static bool reads_x(const struct thaw_compiler *c, const struct thaw_node *n, int k)
{
	if (!(n->op->backward_reads & THAW_READS_X) || (n->op->adds && k > 0))
		return false;
	return !n->op->x_for_weight || c->graph->params[n->params[0]].trainable;
}

/* Lifetimes of the node's inputs, as far as it reads them, and of its value, as far as its backward pass does. */
static void extend_lifetimes(struct thaw_compiler *c, int i)
{
	const struct thaw_node *n = &c->graph->nodes[i];
	bool backward = in_tail(c, i) && c->needs_gradient[i];
	struct thaw_buffer *y = c->again[i] ? value_again(c, i) : &c->buffers[i];
	if (backward && reads_y(n))
		y->dies = max_int(y->dies, backward_step(c, i));
	for (int k = 0; k < n->input_count; k++) {
		struct thaw_buffer *x = &c->buffers[n->inputs[k]];
		x->dies = max_int(x->dies, i);
		if (c->again[n->inputs[k]])
			x = value_again(c, n->inputs[k]);
		if (c->again[i])
			x->dies = max_int(x->dies, c->again[i]);
		if (backward && reads_x(c, n, k))
			x->dies = max_int(x->dies, backward_step(c, i));
	}
}

/* Lifetimes of values, ignoring in-place operators. */
static void value_lifetimes(struct thaw_compiler *c)
{
	int end = c->end;
	for (int i = 0; i < c->nodes; i++) {
		struct thaw_buffer *b = &c->buffers[i];
		bool stored = c->executor->p.steps[i].runs && !is_parameter(c, i);
		*b = (struct thaw_buffer){.bytes = stored ? value_bytes(c, i) : 0, .born = i, .dies = i};
		*value_again(c, i) = (struct thaw_buffer){
			.bytes = c->again[i] ? b->bytes : 0, .born = c->again[i], .dies = c->again[i]};
		c->storage[i] = i;
	}
	mark_inputs(c);
	if (c->executor->segment == THAW_TRUNK)
		for (int k = 0; k < c->executor->p.crossing_count; k++)
			c->buffers[c->crossing[k]].dies = end;
	for (int i = 1; i < c->nodes; i++)
		if (c->executor->p.steps[i].runs)
			extend_lifetimes(c, i);
	c->buffers[c->graph->output].dies = end;
}

/* Lets in-place operators overwrite their first input if it has no later reader. */
static void share_values(struct thaw_compiler *c)
{
	for (int i = 1; i < c->nodes; i++) {
		const struct thaw_node *n = &c->graph->nodes[i];
		if (!c->executor->p.steps[i].runs || !n->op->in_place || n->inputs[0] == 0)
			continue;
		struct thaw_buffer *x = value_buffer(c, n->inputs[0]);
		bool twice = n->input_count > 1 && n->inputs[0] == n->inputs[1];
		twice |= c->again[i] || c->again[n->inputs[0]];
		if (x->dies != i || x->bytes != c->buffers[i].bytes || c->bf16[i] != c->bf16[n->inputs[0]] || twice)
			continue;
		x->dies = c->buffers[i].dies;
		c->buffers[i].bytes = 0;
		c->storage[i] = c->storage[n->inputs[0]];
	}
}

/* Lifetimes of gradients: born when the last reader of the value runs backward; an in-place reader's own gradient is
 * reused. Also sets dx_add: the first reader to run writes the gradient, the others add to it. */
static void gradient_lifetimes(struct thaw_compiler *c)
{
	for (int i = 0; i < c->nodes; i++) {
		c->gradient_storage[i] = i;
		c->buffers[c->nodes + i] = (struct thaw_buffer){.born = -1};
	}
	if (!c->executor->training)
		return;
	int output = c->graph->output;
	*gradient_buffer(c, output) = (struct thaw_buffer){
		.bytes = gradient_bytes(c, output), .born = c->nodes, .dies = backward_step(c, output)};
	for (int i = c->nodes - 1; i >= c->executor->cut && i > 0; i--) {
		const struct thaw_node *n = &c->graph->nodes[i];
		struct thaw_step *step = &c->executor->p.steps[i];
		step->backward = c->needs_gradient[i] && gradient_buffer(c, i)->born >= 0;
		for (int k = 0; step->backward && k < n->input_count; k++) {
			int x = n->inputs[k];
			if (!c->needs_gradient[x])
				continue;
			struct thaw_buffer *dx = gradient_buffer(c, x), *dy = gradient_buffer(c, i);
			step->dx_add[k] = dx->born >= 0;
			if (step->dx_add[k])
				continue;
			if (k == 0 && n->op->in_place && dy->bytes == gradient_bytes(c, x)) {
				c->gradient_storage[x] = c->gradient_storage[i];
				dy->dies = backward_step(c, x);
			} else {
				*dx = (struct thaw_buffer){.bytes = gradient_bytes(c, x),
							   .born = backward_step(c, i),
							   .dies = backward_step(c, x)};
			}
		}
	}
}

/* Lifetimes of saved tensors and of scratch; sizes of the packed parameters. */
static void workspace_lifetimes(struct thaw_compiler *c)
{
	for (int i = 1; i < c->nodes; i++) {
		const struct thaw_op_workspace *s = &c->workspace[i];
		const struct thaw_step *step = &c->executor->p.steps[i];
		c->executor->p.steps[i].packed_bytes = s->packed;
		size_t converted = step->runs ? thaw_compiler_converted_bytes(c, i) : 0;
		int last = step->backward ? backward_step(c, i) : i, again = c->again[i];
		*saved_buffer(c, i) = (struct thaw_buffer){.bytes = s->saved, .born = i, .dies = again ? i : last};
		*saved_again(c, i) = (struct thaw_buffer){
			.bytes = again ? s->saved : 0, .born = again, .dies = max_int(again, last)};
		*scratch_again(c, i) = (struct thaw_buffer){
			.bytes = again ? converted + s->scratch_forward : 0, .born = again, .dies = again};
		*scratch_buffer(c, i, false) =
			(struct thaw_buffer){.bytes = converted + s->scratch_forward, .born = i, .dies = i};
		if (step->backward)
			*scratch_buffer(c, i, true) = (struct thaw_buffer){
				.bytes = converted + s->scratch_backward, .born = last, .dies = last};
	}
}

thaw_status thaw_compiler_find_lifetimes(struct thaw_compiler *c)
{
	for (int i = 0; i < c->nodes; i++)
		c->bf16[i] = stores_bf16(c, i);
	THAW_TRY(query_nodes(c));
	thaw_compiler_plan_steps(c);
	value_lifetimes(c);
	share_values(c);
	gradient_lifetimes(c);
	workspace_lifetimes(c);
	return THAW_OK;
}
