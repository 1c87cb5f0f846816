/* Shapes and FLOPs of all nodes for one image size. */
#include "src/base/minmax.h"
#include "src/graph/graph_internal.h"
#include "thaw/memory.h"

struct thaw_op_desc thaw_graph_op_desc(const struct thaw_graph *g, int node, const struct thaw_shape *shapes,
				       struct thaw_shape *param, struct thaw_shape *x)
{
	const struct thaw_node *n = &g->nodes[node];
	for (int k = 0; k < n->input_count; k++)
		x[k] = shapes[n->inputs[k]];
	for (int k = 0; k < n->param_count; k++)
		param[k] = g->params[n->params[k]].shape;
	return (struct thaw_op_desc){
		.attrs = &n->attrs,
		.inputs = n->input_count,
		.x = x,
		.params = n->param_count,
		.param = param,
		.y = shapes[node],
	};
}

/* Of the nodes [first, end). */
static int max_inputs(const struct thaw_graph *g, int first, int end)
{
	int most = 1;
	for (int i = first; i < end; i++)
		most = max_int(most, g->nodes[i].input_count);
	return most;
}

thaw_status thaw_graph_infer_node(const struct thaw_graph *g, int node, struct thaw_shape *shapes)
{
	struct thaw_shape param[THAW_MAX_PARAMS];
	struct thaw_shape *x = thaw_alloc((size_t)g->nodes[node].input_count, sizeof(*x));
	if (!x)
		return THAW_RESOURCE;
	shapes[node] = (struct thaw_shape){0};
	struct thaw_op_desc desc = thaw_graph_op_desc(g, node, shapes, param, x);
	thaw_status status = g->nodes[node].op->infer(&desc, &shapes[node]);
	thaw_free(x);
	return status != THAW_OK ? status : thaw_shape_check(&shapes[node], g->nodes[node].name);
}

thaw_status thaw_graph_infer(const struct thaw_graph *g, const struct thaw_shape *image, struct thaw_shape *shapes)
{
	shapes[0] = *image;
	for (int i = 1; i < g->node_count; i++) {
		thaw_status status = thaw_graph_infer_node(g, i, shapes);
		if (status != THAW_OK)
			return thaw_fail_in(status, "image of %d x %d at %s", (int)image->dim[1], (int)image->dim[2],
					    g->nodes[i].name);
	}
	return THAW_OK;
}

thaw_status thaw_graph_check_output(const struct thaw_graph *g, const struct thaw_shape *shapes)
{
	char text[THAW_SHAPE_TEXT];
	const struct thaw_shape *y = &shapes[g->output];
	if (y->dim[0] == shapes[0].dim[0])
		return THAW_OK;
	return thaw_fail(THAW_CONFIG,
			 "the network flattens images of one size only: image of %d x %d: it makes outputs %s: use the "
			 "network's own size",
			 (int)shapes[0].dim[1], (int)shapes[0].dim[2], thaw_shape_text(y, text, sizeof(text)));
}

thaw_status thaw_graph_check_size(const struct thaw_graph *g, const struct thaw_shape *image)
{
	struct thaw_shape *shapes = thaw_alloc((size_t)g->node_count, sizeof(*shapes));
	thaw_status status = shapes ? thaw_graph_infer(g, image, shapes) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = thaw_graph_check_output(g, shapes);
	thaw_free(shapes);
	return status;
}

/* The shorter side of the smallest feature map that is not a single pixel; 0: there is none. */
static int64_t smallest_map(const struct thaw_graph *g, const struct thaw_shape *shapes)
{
	int64_t smallest = 0;
	for (int i = 1; i < g->node_count; i++) {
		const struct thaw_shape *s = &shapes[i];
		bool map = s->ndim == 4 && s->dim[0] == 1 && s->dim[1] > 1 && s->dim[2] > 1 && !g->nodes[i].fixed;
		if (map && (smallest == 0 || min_int64(s->dim[1], s->dim[2]) < smallest))
			smallest = min_int64(s->dim[1], s->dim[2]);
	}
	return smallest;
}

int thaw_graph_stride(const struct thaw_graph *g, const struct thaw_shape *image)
{
	struct thaw_shape *shapes = thaw_alloc((size_t)g->node_count, sizeof(*shapes));
	int64_t side = min_int64(image->dim[1], image->dim[2]), smallest = 0;
	int stride = 1;
	if (shapes && thaw_graph_infer(g, image, shapes) == THAW_OK)
		smallest = smallest_map(g, shapes);
	thaw_free(shapes);
	/* The nearest power of two, in ratios: maps are rounded, and some networks do not pad. */
	while (smallest > 0 && 3 * smallest * stride < 2 * side)
		stride *= 2;
	return stride;
}

int64_t thaw_graph_flops(const struct thaw_graph *g, const struct thaw_shape *shapes, int first, int end)
{
	struct thaw_shape param[THAW_MAX_PARAMS];
	struct thaw_shape *x = thaw_alloc((size_t)max_inputs(g, first, end), sizeof(*x));
	int64_t sum = 0;
	for (int i = max_int(first, 1); x && i < end; i++) {
		struct thaw_op_desc desc = thaw_graph_op_desc(g, i, shapes, param, x);
		sum += g->nodes[i].op->flops ? g->nodes[i].op->flops(&desc) : thaw_shape_count(&shapes[i]);
	}
	thaw_free(x);
	return sum;
}

int64_t thaw_graph_parameters(const struct thaw_graph *g, int first, int end)
{
	int64_t n = 0;
	for (int i = first; i < end; i++) {
		for (int k = 0; k < g->nodes[i].param_count; k++) {
			const struct thaw_param *p = &g->params[g->nodes[i].params[k]];
			if (p->role != THAW_ROLE_MEAN && p->role != THAW_ROLE_VARIANCE && !p->computed)
				n += thaw_shape_count(&p->shape);
		}
	}
	return n;
}
