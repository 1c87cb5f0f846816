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
