/* Compiling an executor: shapes, lifetimes, memory, and one ready call per node.
 *
 * Time runs in steps: node i's forward is step i, the loss is step n (the number of nodes), node i's
 * backward is step 2n - i. Every buffer lives from the step that writes it to the last that reads it:
 *   value      from its node's forward to the last use, in the tail up to the backward calls that read it
 *   kept       from a tail node's forward to its backward
 *   gradient   from the backward of the value's last user to that of its own node
 *   scratch    one step; the largest wish is reserved once for all
 * A tail executor's features are values that are there from its first step on; a trunk executor's stay to the end.
 * A node that works in place puts its value where its input was; such values share one buffer.
 */
#include <string.h>

#include "src/graph/executor_internal.h"
#include "src/graph/graph_internal.h"
#include "src/graph/memory.h"

/* What compiling needs and the finished executor does not. */
struct compiler {
	struct thaw_executor *executor;
	const struct thaw_graph *graph;
	struct thaw_shape *shapes;           /* [nodes] */
	struct thaw_op_workspace *workspace; /* [nodes] */
	bool *needs_gradient;                /* [nodes]: a trainable parameter lies at or before this value */
	int *storage;                        /* [nodes]: the value whose buffer this one's data lie in */
	int *gradient_storage;               /* [nodes]: the same for gradients */
	struct thaw_buffer *buffers;         /* [3 * nodes + 1]: values, gradients, saved, and the scratch */
	int *crossing;                       /* [nodes]: the values that cross the cut */
	int nodes;
};

static struct thaw_buffer *value_buffer(struct compiler *c, int i)
{
	return &c->buffers[c->storage[i]];
}

static struct thaw_buffer *gradient_buffer(struct compiler *c, int i)
{
	return &c->buffers[c->nodes + c->gradient_storage[i]];
}

static struct thaw_buffer *kept_buffer(struct compiler *c, int i)
{
	return &c->buffers[2 * c->nodes + i];
}

static struct thaw_buffer *scratch_buffer(struct compiler *c)
{
	return &c->buffers[3 * c->nodes];
}

static int backward_step(const struct compiler *c, int node)
{
	return 2 * c->nodes - node;
}

/* Whether a value is a parameter, in whose own memory it is read. */
static bool is_parameter(const struct compiler *c, int i)
{
	return c->graph->nodes[i].op && c->graph->nodes[i].op->parameter;
}

static size_t value_bytes(const struct compiler *c, int i)
{
	return (size_t)thaw_shape_count(&c->shapes[i]) * sizeof(float);
}

static bool in_tail(const struct compiler *c, int node)
{
	return c->executor->training && node >= c->executor->cut;
}

/* Which values carry a gradient, and what each node wants besides them. */
static thaw_status survey(struct compiler *c)
{
	struct thaw_shape param[THAW_MAX_PARAMS];
	for (int i = 1; i < c->nodes; i++) {
		const struct thaw_node *n = &c->graph->nodes[i];
		if (!c->executor->steps[i].runs)
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

/* Values that are there before the first step. */
static void mark_inputs(struct compiler *c)
{
	int image = 0;
	bool tail = c->executor->segment == THAW_TAIL;
	const int *input = tail ? c->crossing : &image;
	for (int k = 0; k < (tail ? c->executor->crossing_count : 1); k++)
		c->buffers[input[k]] = (struct thaw_buffer){.bytes = value_bytes(c, input[k])};
}

/* The last step that reads each value, without regard to sharing. */
static void value_lifetimes(struct compiler *c)
{
	int end = 2 * c->nodes + 1;
	for (int i = 0; i < c->nodes; i++) {
		struct thaw_buffer *b = &c->buffers[i];
		bool here = c->executor->steps[i].runs && !is_parameter(c, i);
		*b = (struct thaw_buffer){.bytes = here ? value_bytes(c, i) : 0, .born = i, .dies = i};
		c->storage[i] = i;
	}
	mark_inputs(c);
	if (c->executor->segment == THAW_TRUNK)
		for (int k = 0; k < c->executor->crossing_count; k++)
			c->buffers[c->crossing[k]].dies = end;
	for (int i = 1; i < c->nodes; i++) {
		const struct thaw_node *n = &c->graph->nodes[i];
		if (!c->executor->steps[i].runs)
			continue;
		bool backward = in_tail(c, i) && c->needs_gradient[i];
		if (backward && (n->op->backward_reads & THAW_READS_Y))
			c->buffers[i].dies = backward_step(c, i);
		for (int k = 0; k < n->input_count; k++) {
			struct thaw_buffer *x = &c->buffers[n->inputs[k]];
			int last = backward && (n->op->backward_reads & THAW_READS_X) ? backward_step(c, i) : i;
			x->dies = last > x->dies ? last : x->dies;
		}
	}
	c->buffers[c->graph->output].dies = end;
}

/* A node may overwrite its first input if nobody reads that later. */
static void share_values(struct compiler *c)
{
	for (int i = 1; i < c->nodes; i++) {
		const struct thaw_node *n = &c->graph->nodes[i];
		if (!c->executor->steps[i].runs || !n->op->in_place || n->inputs[0] == 0)
			continue;
		struct thaw_buffer *x = value_buffer(c, n->inputs[0]);
		bool twice = n->input_count > 1 && n->inputs[0] == n->inputs[1];
		if (x->dies != i || x->bytes != c->buffers[i].bytes || twice)
			continue;
		x->dies = c->buffers[i].dies;
		c->buffers[i].bytes = 0;
		c->storage[i] = c->storage[n->inputs[0]];
	}
}

/* Gradients: born when the last user runs backward, shared with the user's own when it works in place.
 * Also decides who overwrites and who adds. */
static void plan_gradients(struct compiler *c)
{
	for (int i = 0; i < c->nodes; i++) {
		c->gradient_storage[i] = i;
		c->buffers[c->nodes + i] = (struct thaw_buffer){.born = -1};
	}
	if (!c->executor->training)
		return;
	int output = c->graph->output;
	*gradient_buffer(c, output) = (struct thaw_buffer){
		.bytes = value_bytes(c, output), .born = c->nodes, .dies = backward_step(c, output)};
	for (int i = c->nodes - 1; i >= c->executor->cut && i > 0; i--) {
		const struct thaw_node *n = &c->graph->nodes[i];
		struct thaw_step *step = &c->executor->steps[i];
		step->backward = c->needs_gradient[i] && gradient_buffer(c, i)->born >= 0;
		for (int k = 0; step->backward && k < n->input_count; k++) {
			int x = n->inputs[k];
			if (!c->needs_gradient[x])
				continue;
			struct thaw_buffer *dx = gradient_buffer(c, x), *dy = gradient_buffer(c, i);
			step->dx_add[k] = dx->born >= 0;
			if (step->dx_add[k])
				continue;
			if (k == 0 && n->op->in_place && dy->bytes == value_bytes(c, x)) {
				c->gradient_storage[x] = c->gradient_storage[i];
				dy->dies = backward_step(c, x);
			} else {
				*dx = (struct thaw_buffer){.bytes = value_bytes(c, x),
							   .born = backward_step(c, i),
							   .dies = backward_step(c, x)};
			}
		}
	}
}

static void plan_kept_and_scratch(struct compiler *c)
{
	size_t most = 0;
	for (int i = 1; i < c->nodes; i++) {
		const struct thaw_op_workspace *s = &c->workspace[i];
		c->executor->steps[i].prepared_bytes = s->packed;
		c->executor->steps[i].prepared_offset = c->executor->prepared_bytes;
		c->executor->prepared_bytes += (s->packed + THAW_ALIGNMENT - 1) / THAW_ALIGNMENT * THAW_ALIGNMENT;
		most = s->scratch_forward > most ? s->scratch_forward : most;
		if (c->executor->steps[i].backward && s->scratch_backward > most)
			most = s->scratch_backward;
		*kept_buffer(c, i) = (struct thaw_buffer){
			.bytes = s->saved, .born = i, .dies = c->executor->steps[i].backward ? backward_step(c, i) : i};
	}
	*scratch_buffer(c) = (struct thaw_buffer){.bytes = most, .born = 0, .dies = 2 * c->nodes + 1};
}

static void *at(const struct compiler *c, const struct thaw_buffer *b)
{
	return c->executor->arena + b->offset;
}

/* How long a value's first dimension is for each image; 0 for fixed values. */
static int64_t rows(const struct compiler *c, int i)
{
	return c->graph->nodes[i].fixed ? 0 : c->shapes[i].dim[0] / c->shapes[0].dim[0];
}

static void bind_step(struct compiler *c, int i)
{
	const struct thaw_node *n = &c->graph->nodes[i];
	struct thaw_step *step = &c->executor->steps[i];
	for (int k = 0; k < n->input_count; k++) {
		int x = n->inputs[k];
		step->x[k] = (struct thaw_view){at(c, value_buffer(c, x)), c->shapes[x]};
		step->x_rows[k] = rows(c, x);
		if (step->backward && c->needs_gradient[x])
			step->dx[k] = at(c, gradient_buffer(c, x));
	}
	for (int k = 0; k < n->param_count; k++)
		step->param[k].shape = c->graph->params[n->params[k]].shape;
	step->y_rows = rows(c, i);
	if (step->backward)
		step->dy = at(c, gradient_buffer(c, i));
	step->args = (struct thaw_op_args){
		.attrs = &n->attrs,
		.inputs = n->input_count,
		.x = step->x,
		.y = {at(c, value_buffer(c, i)), c->shapes[i]},
		.params = n->param_count,
		.param = step->param,
		.saved = at(c, kept_buffer(c, i)),
		.scratch = at(c, scratch_buffer(c)),
		.training = in_tail(c, i),
		.dy = step->dy,
		.dx = step->dx,
		.dx_add = step->dx_add,
		.dparam = step->dparam,
	};
}

static thaw_status create_steps(struct compiler *c)
{
	c->executor->steps = thaw_alloc((size_t)c->nodes, sizeof(*c->executor->steps));
	if (!c->executor->steps)
		return THAW_RESOURCE;
	for (int i = 1; i < c->nodes; i++) {
		struct thaw_step *step = &c->executor->steps[i];
		size_t inputs = (size_t)c->graph->nodes[i].input_count;
		step->x = thaw_alloc(inputs, sizeof(*step->x));
		step->dx = thaw_alloc(inputs, sizeof(*step->dx));
		step->dx_add = thaw_alloc(inputs, sizeof(*step->dx_add));
		step->x_rows = thaw_alloc(inputs, sizeof(*step->x_rows));
		if (!step->x || !step->dx || !step->dx_add || !step->x_rows)
			return THAW_RESOURCE;
	}
	return THAW_OK;
}

static void bind_crossing(struct compiler *c)
{
	for (int k = 0; k < c->executor->crossing_count; k++) {
		const struct thaw_shape *shape = &c->shapes[c->crossing[k]];
		c->executor->crossing[k] = (struct thaw_crossing){
			.data = at(c, value_buffer(c, c->crossing[k])),
			.count = thaw_shape_count(shape) / c->shapes[0].dim[0],
		};
	}
}

/* Which nodes run (fixed ones wherever somebody reads them), and what they take from or give to the other side of the
 * cut. */
static thaw_status choose_stretch(struct compiler *c)
{
	struct thaw_executor *executor = c->executor;
	int first = executor->segment == THAW_TAIL ? executor->cut : 1;
	int end = executor->segment == THAW_TRUNK ? executor->cut : c->nodes;
	for (int i = c->nodes - 1; i > 0; i--) {
		const struct thaw_node *n = &c->graph->nodes[i];
		executor->steps[i].runs |= !n->fixed && i >= first && i < end;
		for (int k = 0; executor->steps[i].runs && k < n->input_count; k++)
			executor->steps[n->inputs[k]].runs |= c->graph->nodes[n->inputs[k]].fixed;
	}
	executor->crossing_count = thaw_graph_crossing(c->graph, executor->cut, c->crossing);
	executor->crossing = thaw_alloc((size_t)executor->crossing_count, sizeof(*executor->crossing));
	return executor->crossing ? THAW_OK : THAW_RESOURCE;
}

static thaw_status compile(struct compiler *c, const struct thaw_shape *image)
{
	struct thaw_executor *executor = c->executor;
	struct thaw_shape batch = *image;
	if (executor->segment == THAW_TRUNK)
		batch.dim[0] = 1;
	THAW_TRY(thaw_graph_infer(c->graph, &batch, c->shapes));
	THAW_TRY(create_steps(c));
	THAW_TRY(choose_stretch(c));
	THAW_TRY(survey(c));
	value_lifetimes(c);
	share_values(c);
	plan_gradients(c);
	plan_kept_and_scratch(c);
	THAW_TRY(thaw_memory_place(c->buffers, 3 * c->nodes + 1, &executor->arena_bytes));
	executor->arena = thaw_alloc(executor->arena_bytes, 1);
	if (!executor->arena)
		return thaw_fail_in(THAW_RESOURCE, "an executor for %d images of %d x %d", (int)image->dim[0],
				    (int)image->dim[1], (int)image->dim[2]);
	for (int i = 1; i < c->nodes; i++)
		if (executor->steps[i].runs)
			bind_step(c, i);
	bind_crossing(c);
	executor->input = at(c, value_buffer(c, 0));
	executor->logits = at(c, value_buffer(c, c->graph->output));
	executor->classes = c->shapes[c->graph->output].dim[1];
	if (executor->training)
		executor->dlogits = at(c, gradient_buffer(c, c->graph->output));
	return THAW_OK;
}

thaw_status thaw_executor_create(struct thaw_executor **out, const struct thaw_graph *graph,
				 const struct thaw_shape *image, enum thaw_segment segment, bool training)
{
	size_t nodes = (size_t)graph->node_count;
	struct thaw_executor *executor = thaw_alloc(1, sizeof(*executor));
	struct compiler c = {
		.executor = executor,
		.graph = graph,
		.nodes = graph->node_count,
		.shapes = thaw_alloc(nodes, sizeof(*c.shapes)),
		.workspace = thaw_alloc(nodes, sizeof(*c.workspace)),
		.needs_gradient = thaw_alloc(nodes, sizeof(*c.needs_gradient)),
		.storage = thaw_alloc(nodes, sizeof(*c.storage)),
		.gradient_storage = thaw_alloc(nodes, sizeof(*c.gradient_storage)),
		.buffers = thaw_alloc(3 * nodes + 1, sizeof(*c.buffers)),
		.crossing = thaw_alloc(nodes, sizeof(*c.crossing)),
	};
	thaw_status status = THAW_RESOURCE;
	if (executor && c.shapes && c.workspace && c.needs_gradient && c.storage && c.gradient_storage && c.buffers &&
	    c.crossing) {
		executor->graph = graph;
		executor->segment = segment;
		executor->training = training;
		executor->cut = thaw_graph_cut(graph);
		status = compile(&c, image);
	}
	thaw_free(c.shapes);
	thaw_free(c.workspace);
	thaw_free(c.needs_gradient);
	thaw_free(c.storage);
	thaw_free(c.gradient_storage);
	thaw_free(c.buffers);
	thaw_free(c.crossing);
	if (status != THAW_OK) {
		thaw_executor_destroy(executor);
		return status;
	}
	*out = executor;
	return THAW_OK;
}

void thaw_executor_destroy(struct thaw_executor *executor)
{
	if (!executor)
		return;
	for (int i = 1; executor->steps && i < executor->graph->node_count; i++) {
		thaw_free(executor->steps[i].x);
		thaw_free(executor->steps[i].dx);
		thaw_free(executor->steps[i].dx_add);
		thaw_free(executor->steps[i].x_rows);
	}
	thaw_free(executor->steps);
	thaw_free(executor->crossing);
	thaw_free(executor->own_prepared);
	thaw_free(executor->arena);
	thaw_free(executor);
}
