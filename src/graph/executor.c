/* Compiling an executor: shapes, lifetimes (lifetimes.c), memory layout (memory.c), and one bound step per node. */
#include "src/base/try.h"
#include "src/graph/compiler.h"
#include "src/graph/graph_internal.h"
#include "thaw/memory.h"

/* The memory of a buffer. */
static void *at(const struct thaw_compiler *c, const struct thaw_buffer *b)
{
	return c->executor->arena + b->offset;
}

/* Rows of a value's first dimension per image; 0 for fixed values. */
static int64_t rows(const struct thaw_compiler *c, int i)
{
	return c->graph->nodes[i].fixed ? 0 : c->shapes[i].dim[0] / c->shapes[0].dim[0];
}

/* Points a step to its buffers. */
static void bind_step(struct thaw_compiler *c, int i)
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
		.saved = at(c, saved_buffer(c, i)),
		.scratch = at(c, scratch_buffer(c)),
		.training = in_tail(c, i),
		.dy = step->dy,
		.dx = step->dx,
		.dx_add = step->dx_add,
		.dparam = step->dparam,
	};
}

static thaw_status create_steps(struct thaw_compiler *c)
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

static void bind_crossing(struct thaw_compiler *c)
{
	for (int k = 0; k < c->executor->crossing_count; k++) {
		const struct thaw_shape *shape = &c->shapes[c->crossing[k]];
		c->executor->crossing[k] = (struct thaw_crossing){
			.data = at(c, value_buffer(c, c->crossing[k])),
			.count = thaw_shape_count(shape) / c->shapes[0].dim[0],
		};
	}
}

/* Finds the nodes that run (fixed ones in every segment that reads them) and the values that cross the cut. */
static thaw_status choose_segment(struct thaw_compiler *c)
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

static thaw_status compile(struct thaw_compiler *c, const struct thaw_shape *image)
{
	struct thaw_executor *executor = c->executor;
	struct thaw_shape batch = *image;
	if (executor->segment == THAW_TRUNK)
		batch.dim[0] = 1;
	THAW_TRY(thaw_graph_infer(c->graph, &batch, c->shapes));
	THAW_TRY(create_steps(c));
	THAW_TRY(choose_segment(c));
	THAW_TRY(thaw_compiler_find_lifetimes(c));
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

thaw_status thaw_executor_create(struct thaw_executor **executor, const struct thaw_graph *graph,
				 const struct thaw_shape *image, enum thaw_segment segment, bool training)
{
	size_t nodes = (size_t)graph->node_count;
	struct thaw_executor *made = thaw_alloc(1, sizeof(*made));
	struct thaw_compiler c = {
		.executor = made,
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
	if (made && c.shapes && c.workspace && c.needs_gradient && c.storage && c.gradient_storage && c.buffers &&
	    c.crossing) {
		made->graph = graph;
		made->segment = segment;
		made->training = training;
		made->cut = thaw_graph_cut(graph);
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
		thaw_executor_destroy(made);
		return status;
	}
	*executor = made;
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
	thaw_free(executor->own_packed);
	thaw_free(executor->arena);
	thaw_free(executor);
}
