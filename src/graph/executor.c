/* Compiling an executor: shapes, lifetimes (lifetimes.c), memory layout (memory.c), and one bound step per node. */
#include <string.h>

#include "src/base/try.h"
#include "src/graph/compiler.h"
#include "src/graph/graph_internal.h"
#include "thaw/memory.h"

static void steps_release(const struct thaw_executor *executor, struct thaw_step *steps)
{
	for (int i = 1; steps && i < executor->graph->node_count; i++) {
		thaw_free(steps[i].x);
		thaw_free(steps[i].dx);
		thaw_free(steps[i].dx_add);
		thaw_free(steps[i].x_rows);
		thaw_free(steps[i].stored_x);
	}
	thaw_free(steps);
}

static void program_release(const struct thaw_executor *executor, struct thaw_program *p)
{
	steps_release(executor, p->steps);
	steps_release(executor, p->again);
	thaw_free(p->crossing);
	*p = (struct thaw_program){0};
}

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

/* The value of a node as it is stored; again: the second time, if there is one. */
static struct thaw_view value_view(struct thaw_compiler *c, int i, bool again)
{
	void *memory = at(c, again && c->again[i] ? value_again(c, i) : value_buffer(c, i));
	struct thaw_view v = {.shape = c->shapes[i]};
	if (c->bf16[i])
		v.bf16 = memory;
	else
		v.data = memory;
	return v;
}

/* Points a step to its buffers; again: those from the time on when its block is computed again. */
static void bind_step(struct thaw_compiler *c, int i, struct thaw_step *step, bool again)
{
	const struct thaw_node *n = &c->graph->nodes[i];
	bool second = again && c->again[i];
	for (int k = 0; k < n->input_count; k++) {
		int x = n->inputs[k];
		step->x[k] = value_view(c, x, again);
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
		.y = value_view(c, i, again),
		.params = n->param_count,
		.param = step->param,
		.saved = at(c, second ? saved_again(c, i) : saved_buffer(c, i)),
		.training = in_tail(c, i),
		.dy = step->dy,
		.dx = step->dx,
		.dx_add = step->dx_add,
		.dparam = step->dparam,
	};
	step->scratch[false] = at(c, second ? scratch_again(c, i) : scratch_buffer(c, i, false));
	step->scratch[true] = at(c, scratch_buffer(c, i, true));
	if (takes_fp32_only(n->op))
		thaw_step_bind_converted(step);
}

/* The second steps of the blocks that are computed again. */
static void bind_again(struct thaw_compiler *c)
{
	struct thaw_program *p = &c->executor->p;
	for (int last = 1; last < c->nodes; last++)
		for (int i = p->steps[last].first; i > 0 && i <= last; i++) {
			if (!p->steps[i].runs)
				continue;
			p->again[i].runs = c->again[i] > 0;
			p->again[i].backward = p->steps[i].backward;
			for (int k = 0; k < c->graph->nodes[i].input_count; k++)
				p->again[i].dx_add[k] = p->steps[i].dx_add[k];
			bind_step(c, i, &p->again[i], true);
		}
}

static thaw_status create_steps(struct thaw_compiler *c, struct thaw_step **steps)
{
	*steps = thaw_alloc((size_t)c->nodes, sizeof(**steps));
	if (!*steps)
		return THAW_RESOURCE;
	for (int i = 1; i < c->nodes; i++) {
		struct thaw_step *step = &(*steps)[i];
		size_t inputs = (size_t)c->graph->nodes[i].input_count;
		step->x = thaw_alloc(inputs, sizeof(*step->x));
		step->dx = thaw_alloc(inputs, sizeof(*step->dx));
		step->dx_add = thaw_alloc(inputs, sizeof(*step->dx_add));
		step->x_rows = thaw_alloc(inputs, sizeof(*step->x_rows));
		step->stored_x = thaw_alloc(inputs, sizeof(*step->stored_x));
		if (!step->x || !step->dx || !step->dx_add || !step->x_rows || !step->stored_x)
			return THAW_RESOURCE;
	}
	return THAW_OK;
}

static void bind_crossing(struct thaw_compiler *c)
{
	for (int k = 0; k < c->executor->p.crossing_count; k++) {
		const struct thaw_shape *shape = &c->shapes[c->crossing[k]];
		c->executor->p.crossing[k] = (struct thaw_crossing){
			.value = value_view(c, c->crossing[k], false),
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
		executor->p.steps[i].runs |= !n->fixed && i >= first && i < end;
		for (int k = 0; executor->p.steps[i].runs && k < n->input_count; k++)
			executor->p.steps[n->inputs[k]].runs |= c->graph->nodes[n->inputs[k]].fixed;
	}
	executor->p.crossing_count = thaw_graph_crossing(c->graph, executor->cut, c->crossing);
	executor->p.crossing = thaw_alloc((size_t)executor->p.crossing_count, sizeof(*executor->p.crossing));
	return executor->p.crossing ? THAW_OK : THAW_RESOURCE;
}

/* Allocates the arena, or enlarges it: what was compiled for other sizes then points to the old one. */
static thaw_status reserve_arena(struct thaw_executor *executor, size_t bytes, const struct thaw_shape *image)
{
	if (executor->arena && bytes <= executor->arena_bytes)
		return THAW_OK;
	char *arena = thaw_alloc(bytes, 1);
	if (!arena)
		return thaw_fail_in(THAW_RESOURCE, "an executor for %d images of %d x %d", (int)image->dim[0],
				    (int)image->dim[1], (int)image->dim[2]);
	thaw_free(executor->arena);
	executor->arena = arena;
	executor->arena_bytes = bytes;
	while (executor->kept_count > 0)
		program_release(executor, &executor->kept[--executor->kept_count]);
	return THAW_OK;
}

/* Compiles executor->p, which is zeroed but for its image. */
static thaw_status compile(struct thaw_compiler *c)
{
	struct thaw_executor *executor = c->executor;
	struct thaw_program *p = &executor->p;
	size_t bytes;
	THAW_TRY(thaw_graph_infer(c->graph, &p->image, c->shapes));
	THAW_TRY(create_steps(c, &p->steps));
	if (executor->training && c->graph->recomputed > 0)
		THAW_TRY(create_steps(c, &p->again));
	THAW_TRY(choose_segment(c));
	THAW_TRY(thaw_compiler_find_lifetimes(c));
	THAW_TRY(thaw_memory_place(c->buffers, BUFFERS * c->nodes, &bytes));
	if (executor->measures) {
		executor->arena_bytes = bytes;
		return THAW_OK;
	}
	THAW_TRY(reserve_arena(executor, bytes, &p->image));
	for (int i = 1; i < c->nodes; i++)
		if (p->steps[i].runs)
			bind_step(c, i, &p->steps[i], false);
	if (p->again)
		bind_again(c);
	bind_crossing(c);
	p->input = at(c, value_buffer(c, 0));
	p->logits = at(c, value_buffer(c, c->graph->output));
	p->classes = c->shapes[c->graph->output].dim[1];
	if (executor->training)
		p->dlogits = at(c, gradient_buffer(c, c->graph->output));
	return THAW_OK;
}

/* Compiles executor->p for images (max batch,H,W,C); on failure it is released. */
static thaw_status compile_program(struct thaw_executor *executor, const struct thaw_shape *image)
{
	size_t nodes = (size_t)executor->graph->node_count;
	struct thaw_compiler c = {
		.executor = executor,
		.graph = executor->graph,
		.nodes = executor->graph->node_count,
		.shapes = thaw_alloc(nodes, sizeof(*c.shapes)),
		.workspace = thaw_alloc(nodes, sizeof(*c.workspace)),
		.needs_gradient = thaw_alloc(nodes, sizeof(*c.needs_gradient)),
		.bf16 = thaw_alloc(nodes, sizeof(*c.bf16)),
		.storage = thaw_alloc(nodes, sizeof(*c.storage)),
		.gradient_storage = thaw_alloc(nodes, sizeof(*c.gradient_storage)),
		.backward = thaw_alloc(nodes, sizeof(*c.backward)),
		.again = thaw_alloc(nodes, sizeof(*c.again)),
		.buffers = thaw_alloc(BUFFERS * nodes, sizeof(*c.buffers)),
		.crossing = thaw_alloc(nodes, sizeof(*c.crossing)),
	};
	bool allocated = c.shapes && c.workspace && c.needs_gradient && c.bf16 && c.storage && c.gradient_storage &&
			 c.backward && c.again && c.buffers && c.crossing;
	executor->p = (struct thaw_program){.image = *image};
	thaw_status status = allocated ? compile(&c) : THAW_RESOURCE;
	thaw_free(c.shapes);
	thaw_free(c.workspace);
	thaw_free(c.needs_gradient);
	thaw_free(c.bf16);
	thaw_free(c.storage);
	thaw_free(c.gradient_storage);
	thaw_free(c.backward);
	thaw_free(c.again);
	thaw_free(c.buffers);
	thaw_free(c.crossing);
	if (status != THAW_OK)
		program_release(executor, &executor->p);
	return status;
}

/* Lays out the packed parameters for the size that the executor was created with. */
static thaw_status place_packed(struct thaw_executor *executor)
{
	executor->packs = thaw_alloc((size_t)executor->graph->node_count, sizeof(*executor->packs));
	if (!executor->packs)
		return THAW_RESOURCE;
	for (int i = 1; i < executor->graph->node_count; i++) {
		size_t bytes = executor->p.steps[i].packed_bytes;
		executor->packs[i] = (struct thaw_packed){bytes, executor->packed_bytes};
		executor->packed_bytes += (bytes + THAW_ALIGNMENT - 1) / THAW_ALIGNMENT * THAW_ALIGNMENT;
	}
	return THAW_OK;
}

thaw_status thaw_executor_create(struct thaw_executor **executor, const struct thaw_graph *graph,
				 const struct thaw_shape *image, enum thaw_segment segment, bool training)
{
	struct thaw_executor *made = thaw_alloc(1, sizeof(*made));
	if (!made)
		return THAW_RESOURCE;
	*made = (struct thaw_executor){
		.graph = graph, .segment = segment, .training = training, .cut = thaw_graph_cut(graph)};
	struct thaw_shape batch = *image;
	if (segment == THAW_TRUNK)
		batch.dim[0] = 1;
	thaw_status status = compile_program(made, &batch);
	if (status == THAW_OK)
		status = place_packed(made);
	if (status != THAW_OK) {
		thaw_executor_destroy(made);
		return status;
	}
	*executor = made;
	return THAW_OK;
}

thaw_status thaw_executor_tail_bytes(size_t *bytes, const struct thaw_graph *graph, const struct thaw_shape *image)
{
	struct thaw_executor e = {
		.graph = graph, .segment = THAW_TAIL, .training = true, .measures = true, .cut = thaw_graph_cut(graph)};
	THAW_TRY(compile_program(&e, image));
	*bytes = e.arena_bytes;
	program_release(&e, &e.p);
	return THAW_OK;
}

/* Keeps the program of the current size; discards the one that was not used for longest if there is no room. */
static void keep_program(struct thaw_executor *executor, const struct thaw_program *program)
{
	if (executor->kept_count == THAW_MAX_PROGRAMS) {
		program_release(executor, &executor->kept[0]);
		memmove(&executor->kept[0], &executor->kept[1], (THAW_MAX_PROGRAMS - 1) * sizeof(executor->kept[0]));
		executor->kept_count--;
	}
	executor->kept[executor->kept_count++] = *program;
}

/* Makes a kept program the current one. */
static bool take_program(struct thaw_executor *executor, int64_t height, int64_t width)
{
	for (int i = 0; i < executor->kept_count; i++) {
		struct thaw_program found = executor->kept[i];
		if (found.image.dim[1] != height || found.image.dim[2] != width)
			continue;
		executor->kept_count--;
		memmove(&executor->kept[i], &executor->kept[i + 1],
			(size_t)(executor->kept_count - i) * sizeof(executor->kept[0]));
		keep_program(executor, &executor->p);
		executor->p = found;
		return true;
	}
	return false;
}

thaw_status thaw_executor_resize(struct thaw_executor *executor, int64_t height, int64_t width)
{
	struct thaw_shape image = executor->p.image;
	if (image.dim[1] == height && image.dim[2] == width)
		return THAW_OK;
	if (take_program(executor, height, width))
		return THAW_OK;
	struct thaw_program before = executor->p;
	char *arena = executor->arena;
	image.dim[1] = height;
	image.dim[2] = width;
	thaw_status status = compile_program(executor, &image);
	if (status != THAW_OK) {
		executor->p = before;
		return status;
	}
	if (executor->arena == arena)
		keep_program(executor, &before);
	else
		program_release(executor, &before);
	thaw_executor_bind_packed(executor);
	return THAW_OK;
}

void thaw_executor_destroy(struct thaw_executor *executor)
{
	if (!executor)
		return;
	program_release(executor, &executor->p);
	for (int i = 0; i < executor->kept_count; i++)
		program_release(executor, &executor->kept[i]);
	thaw_free(executor->packs);
	thaw_free(executor->own_packed);
	thaw_free(executor->arena);
	thaw_free(executor);
}
