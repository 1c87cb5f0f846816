#include "src/graph/ending.h"

#include <string.h>

#include "src/base/try.h"
#include "src/ops/factors.h"
#include "thaw/memory.h"

bool thaw_node_is(const struct thaw_node *n, const char *op)
{
	return n->op && strcmp(n->op->name, op) == 0;
}

bool thaw_node_is_mean(const struct thaw_node *n)
{
	enum { DOWN_AND_ACROSS = 1 << 1 | 1 << 2 };
	if (thaw_node_is(n, "reduce"))
		return n->attrs.reduction == THAW_REDUCE_MEAN && n->attrs.axes == DOWN_AND_ACROSS;
	return thaw_node_is(n, "average_pool") && n->attrs.kernel[0] == 0 && n->attrs.kernel[1] == 0 &&
	       n->attrs.output[0] <= 1 && n->attrs.output[1] <= 1;
}

bool thaw_node_is_view(const struct thaw_node *n)
{
	return thaw_node_is(n, "flatten") || thaw_node_is(n, "reshape") || thaw_node_is(n, "rearrange");
}

/* Whether the node is a convolution that moves a kernel by single pixels over its only input, without padding. */
static bool is_plain_conv(const struct thaw_node *n)
{
	const struct thaw_attrs *a = &n->attrs;
	bool padded = a->same || a->pad[0] || a->pad[1] || a->pad[2] || a->pad[3];
	return thaw_node_is(n, "conv") && n->input_count == 1 && !padded && a->stride[0] <= 1 && a->stride[1] <= 1 &&
	       a->dilation[0] <= 1 && a->dilation[1] <= 1;
}

int thaw_node_row(const struct thaw_graph *g, const struct thaw_node *n)
{
	if (!thaw_node_is(n, "binary") && !(thaw_node_is(n, "add") && n->input_count == 2))
		return -1;
	for (int k = 0; k < 2; k++) {
		const struct thaw_node *c = &g->nodes[n->inputs[k]];
		const struct thaw_shape *s = thaw_node_is(c, "constant") ? &g->params[c->params[0]].shape : NULL;
		if (s && thaw_shape_count(s) == s->dim[s->ndim - 1])
			return k;
	}
	return -1;
}

/* Whether the node computes each position of its output from the same position of its only input. */
static bool is_pointwise(const struct thaw_graph *g, const struct thaw_node *n)
{
	static const char *const ops[] = {"activation", "batch_norm", "dropout", "layer_norm",
					  "linear",     "pointwise",  "softmax", NULL};
	if (n->input_count != 1)
		return false;
	for (int i = 0; ops[i]; i++)
		if (thaw_node_is(n, ops[i]))
			return true;
	const int64_t *kernel = is_plain_conv(n) ? g->params[n->params[0]].shape.dim : NULL;
	return kernel && kernel[0] == 1 && kernel[1] == 1;
}

int thaw_node_pointwise_input(const struct thaw_graph *g, const struct thaw_node *n)
{
	int row = thaw_node_row(g, n);
	if (row >= 0)
		return n->inputs[!row];
	return is_pointwise(g, n) ? n->inputs[0] : -1;
}

int thaw_node_grid_input(const struct thaw_graph *g, const struct thaw_node *n)
{
	return is_plain_conv(n) ? n->inputs[0] : thaw_node_pointwise_input(g, n);
}

static bool is_grid(const struct thaw_shape *s)
{
	return s->ndim == 4;
}

static bool has_one_position(const struct thaw_shape *s)
{
	for (int axis = 1; axis < s->ndim - 1; axis++)
		if (s->dim[axis] != 1)
			return false;
	return true;
}

/* Whether the node has the channels of a single position as they are. */
static bool keeps_order(const struct thaw_node *n, const struct thaw_shape *in)
{
	bool moves = thaw_node_is(n, "rearrange") && !thaw_factors_in_order(&n->attrs.factors, in);
	return thaw_node_is_view(n) && has_one_position(in) && !moves;
}

/* Whether no other node reads the node's constant row, if it has one: its shape is to change. */
static bool owns_row(const struct thaw_graph *g, const struct thaw_node *n, const int *uses)
{
	int row = thaw_node_row(g, n);
	return row < 0 || uses[n->inputs[row]] == 1;
}

/* Adds the value's node to the ending, before the others, and decides whether it is the first one. */
static bool takes(struct thaw_ending *e, const struct thaw_graph *g, int value, const int *uses)
{
	const struct thaw_node *n = &g->nodes[value];
	const struct thaw_shape *in = n->input_count == 1 ? &e->shapes[n->inputs[0]] : NULL;
	e->node[e->count++] = value;
	if (in && thaw_node_is_mean(n) && is_grid(in))
		e->kind = THAW_ENDING_POOLED;
	else if (in && thaw_node_is_view(n) && is_grid(in) && !has_one_position(in) &&
		 thaw_shape_count(in) == thaw_shape_count(&e->shapes[value]) && e->shapes[value].ndim == 2)
		e->kind = THAW_ENDING_FLAT;
	else if ((in && keeps_order(n, in)) || (thaw_node_pointwise_input(g, n) >= 0 && owns_row(g, n, uses)))
		return true;
	else
		e->count--;
	return false;
}

/* The input that is not a constant. */
static int input_of(const struct thaw_graph *g, int value)
{
	int in = thaw_node_pointwise_input(g, &g->nodes[value]);
	return in >= 0 ? in : g->nodes[value].inputs[0];
}

static void reverse(int *list, int count)
{
	for (int i = 0; i < count / 2; i++) {
		int other = list[i];
		list[i] = list[count - 1 - i];
		list[count - 1 - i] = other;
	}
}

thaw_status thaw_ending_find(struct thaw_ending *e, const struct thaw_graph *g, const struct thaw_shape *image)
{
	*e = (struct thaw_ending){.shapes = thaw_alloc((size_t)g->node_count, sizeof(*e->shapes)),
				  .node = thaw_alloc((size_t)g->node_count, sizeof(*e->node))};
	int *uses = thaw_graph_count_uses(g), value = g->output;
	thaw_status status = e->shapes && e->node && uses ? thaw_graph_infer(g, image, e->shapes) : THAW_RESOURCE;
	while (status == THAW_OK && uses[value] == 1 && takes(e, g, value, uses))
		value = input_of(g, value);
	if (status == THAW_OK) {
		bool single = e->kind == THAW_ENDING_OTHER && e->count > 0 && is_grid(&e->shapes[value]) &&
			      has_one_position(&e->shapes[value]);
		if (single)
			e->kind = THAW_ENDING_SINGLE;
		e->stopped = value;
		reverse(e->node, e->count);
		e->features = e->count > 0 ? g->nodes[e->node[0]].inputs[0] : value;
		for (int i = 0; i < e->count; i++)
			e->scores |= e->node[i] == g->head;
	}
	thaw_free(uses);
	return status;
}

void thaw_ending_release(struct thaw_ending *e)
{
	thaw_free(e->shapes);
	thaw_free(e->node);
	*e = (struct thaw_ending){0};
}

/* (kh,kw,C,O) of a weight (O,I). Some filters at a time, so that a cache line is written at once. */
static void copy_filters(float *to, const float *from, const struct thaw_shape *shape, const int64_t stride[3])
{
	enum { LINE = 16 };
	const int64_t *d = shape->dim, row = d[0] * d[1] * d[2];
	for (int64_t first = 0; first < d[3]; first += LINE)
		for (int64_t y = 0; y < d[0]; y++)
			for (int64_t x = 0; x < d[1]; x++)
				for (int64_t c = 0; c < d[2]; c++)
					for (int64_t o = first; o < first + LINE && o < d[3]; o++)
						to[((y * d[1] + x) * d[2] + c) * d[3] + o] =
							from[o * row + y * stride[0] + x * stride[1] + c * stride[2]];
}

thaw_status thaw_linear_to_conv(struct thaw_graph *g, int node, const int64_t kernel[2], const int64_t stride[3])
{
	struct thaw_node *n = &g->nodes[node];
	struct thaw_param *p = &g->params[n->params[0]];
	const int64_t out = p->shape.dim[0], in = p->shape.dim[1];
	const struct thaw_shape shape = thaw_shape_of(kernel[0], kernel[1], in / (kernel[0] * kernel[1]), out);
	float *data = thaw_alloc((size_t)thaw_shape_count(&shape), sizeof(*data));
	if (!data)
		return THAW_RESOURCE;
	copy_filters(data, p->data, &shape, stride);
	thaw_free(p->own);
	p->own = p->data = data;
	p->shape = shape;
	p->file_shape = thaw_shape_of(out, in);
	p->layout = THAW_LAYOUT_FC_CONV;
	n->op = thaw_op_find("conv");
	return THAW_OK;
}

/* A constant of a vector as that of each position of a grid. */
static void widen_row(struct thaw_graph *g, const struct thaw_node *n)
{
	int row = thaw_node_row(g, n);
	struct thaw_shape *s = row >= 0 ? &g->params[g->nodes[n->inputs[row]].params[0]].shape : NULL;
	if (s)
		*s = thaw_shape_of(1, 1, 1, thaw_shape_count(s));
}

/* Appends the mean of all positions of the output, as a vector. */
static thaw_status append_mean(struct thaw_graph *g)
{
	int mean = thaw_graph_add(g, "average_pool", "grid.mean", &(struct thaw_attrs){0}, &g->output, 1);
	int flat = thaw_graph_add(g, "flatten", "grid.scores", &(struct thaw_attrs){0}, &mean, 1);
	g->output = flat;
	return g->failed;
}

thaw_status thaw_ending_as_grid(const struct thaw_ending *e, struct thaw_graph *g, bool *dead)
{
	for (int i = 0; i < e->count; i++) {
		if (thaw_node_is_view(&g->nodes[e->node[i]]))
			dead[e->node[i]] = true;
		if (thaw_node_is(&g->nodes[e->node[i]], "linear"))
			THAW_TRY(thaw_linear_to_conv(g, e->node[i], (const int64_t[]){1, 1},
						     (const int64_t[]){0, 0, 1}));
		widen_row(g, &g->nodes[e->node[i]]);
	}
	thaw_graph_remove(g, dead);
	THAW_TRY(g->failed);
	return append_mean(g);
}
