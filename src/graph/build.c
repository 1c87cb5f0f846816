/* Building graphs: appends nodes, parameters and blocks; keeps the first error. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/base/grow.h"
#include "src/base/try.h"
#include "src/graph/graph_internal.h"
#include "thaw/graph.h"
#include "thaw/memory.h"

struct thaw_graph *thaw_graph_create(void)
{
	struct thaw_graph *g = thaw_alloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->nodes = thaw_grow(NULL, 0, sizeof(*g->nodes));
	if (g->nodes)
		g->nodes[0].name = thaw_strdup("image");
	if (!g->nodes || !g->nodes[0].name) {
		thaw_graph_destroy(g);
		return NULL;
	}
	g->node_count = 1;
	return g;
}

void thaw_graph_destroy(struct thaw_graph *g)
{
	if (!g)
		return;
	for (int i = 0; g->nodes && i < g->node_count; i++) {
		thaw_free(g->nodes[i].name);
		thaw_free(g->nodes[i].inputs);
	}
	for (int i = 0; i < g->param_count; i++) {
		thaw_free(g->params[i].name);
		thaw_free(g->params[i].own);
	}
	for (int i = 0; i < g->block_count; i++)
		thaw_free(g->blocks[i]);
	thaw_free(g->nodes);
	thaw_free(g->params);
	thaw_free(g->blocks);
	thaw_free(g);
}

static void fail(struct thaw_graph *g, thaw_status status)
{
	if (g->failed == THAW_OK)
		g->failed = status;
}

void thaw_graph_block(struct thaw_graph *g, const char *name, ...)
{
	if (g->failed)
		return;
	char text[256];
	va_list arguments;
	va_start(arguments, name);
	vsnprintf(text, sizeof(text), name, arguments);
	va_end(arguments);

	char **blocks = thaw_grow(g->blocks, g->block_count, sizeof(*blocks));
	char *copy = thaw_strdup(text);
	if (blocks)
		g->blocks = blocks;
	if (!blocks || !copy) {
		thaw_free(copy);
		fail(g, THAW_RESOURCE);
		return;
	}
	g->blocks[g->block_count++] = copy;
}

static thaw_status check_node(const struct thaw_graph *g, const struct thaw_op *op, const char *name, const int *inputs,
			      int input_count)
{
	if (input_count < op->min_inputs || input_count > op->max_inputs)
		return thaw_fail(THAW_SOFTWARE, "wrong number of inputs for %s: node %s has %d, needs %d to %d",
				 op->name, name, input_count, op->min_inputs, op->max_inputs);
	for (int i = 0; i < input_count; i++)
		if (inputs[i] < 0 || inputs[i] >= g->node_count)
			return thaw_fail(THAW_SOFTWARE, "input %d does not exist: node %s", inputs[i], name);
	if (g->block_count == 0)
		return thaw_fail(THAW_SOFTWARE, "a node before the first block: node %s", name);
	return THAW_OK;
}

int thaw_graph_add(struct thaw_graph *g, const char *op_name, const char *name, const struct thaw_attrs *attrs,
		   const int *inputs, int input_count)
{
	if (g->failed)
		return 0;
	const struct thaw_op *op = thaw_op_find(op_name);
	if (op)
		return thaw_graph_add_op(g, op, name, attrs, inputs, input_count);
	fail(g, thaw_fail(THAW_SOFTWARE, "no operator %s: node %s", op_name, name));
	return 0;
}

int thaw_graph_add_op(struct thaw_graph *g, const struct thaw_op *op, const char *name, const struct thaw_attrs *attrs,
		      const int *inputs, int input_count)
{
	if (g->failed)
		return 0;
	fail(g, check_node(g, op, name, inputs, input_count));
	if (g->failed)
		return 0;

	struct thaw_node *nodes = thaw_grow(g->nodes, g->node_count, sizeof(*nodes));
	if (!nodes) {
		fail(g, THAW_RESOURCE);
		return 0;
	}
	g->nodes = nodes;
	struct thaw_node *node = &g->nodes[g->node_count];
	*node = (struct thaw_node){.op = op, .block = g->block_count - 1, .input_count = input_count, .fixed = true};
	for (int i = 0; i < input_count; i++)
		node->fixed &= g->nodes[inputs[i]].fixed;
	if (attrs)
		node->attrs = *attrs;
	node->attrs.stream = g->node_count;
	node->name = thaw_strdup(name);
	node->inputs = thaw_alloc((size_t)input_count, sizeof(*node->inputs));
	g->node_count++; /* counted even if out of memory, so that destroy releases its parts */
	if (!node->name || !node->inputs) {
		fail(g, THAW_RESOURCE);
		return 0;
	}
	if (input_count)
		memcpy(node->inputs, inputs, (size_t)input_count * sizeof(*inputs));
	return g->node_count - 1;
}

/* The shape in files of a parameter that has this shape in memory. */
static struct thaw_shape file_shape(const struct thaw_shape *memory, enum thaw_layout layout)
{
	const int64_t *d = memory->dim;
	if (layout == THAW_LAYOUT_FC_CONV)
		return thaw_shape_of(d[3], d[2] * d[0] * d[1]);
	if (layout == THAW_LAYOUT_CONV_ROW)
		return thaw_shape_of(d[3], d[2], d[1]);
	return layout == THAW_LAYOUT_CONV ? thaw_shape_of(d[3], d[2], d[0], d[1]) : *memory;
}

static thaw_status add_param(struct thaw_graph *g, int node, const struct thaw_param *wanted)
{
	struct thaw_node *n = &g->nodes[node];
	int allowed = 0;
	while (allowed < THAW_MAX_PARAMS && n->op->param_names && n->op->param_names[allowed])
		allowed++;
	if (n->param_count == allowed)
		return thaw_fail(THAW_SOFTWARE, "too many parameters: %s: %s takes %d", wanted->name, n->op->name,
				 allowed);
	if (thaw_param_is_filter(wanted) && wanted->shape.ndim != 4)
		return thaw_fail(THAW_SOFTWARE, "a convolution's weight has four dimensions: %s", wanted->name);
	THAW_TRY(thaw_shape_check(&wanted->shape, wanted->name));

	struct thaw_param *params = thaw_grow(g->params, g->param_count, sizeof(*params));
	if (!params)
		return THAW_RESOURCE;
	g->params = params;
	struct thaw_param *p = &g->params[g->param_count];
	*p = *wanted;
	p->name = thaw_strdup(wanted->name);
	p->own = p->data = thaw_alloc((size_t)thaw_shape_count(&p->shape), sizeof(float));
	n->params[n->param_count++] = g->param_count++;
	return p->name && p->data ? THAW_OK : THAW_RESOURCE;
}

void thaw_graph_param(struct thaw_graph *g, int node, const char *name, enum thaw_role role, enum thaw_layout layout,
		      const struct thaw_shape *shape, const int *image)
{
	if (g->failed)
		return;
	struct thaw_param p = {
		.name = (char *)name,
		.role = role,
		.layout = layout,
		.shape = *shape,
		.file_shape = file_shape(shape, layout),
		.node = node,
	};
	if (image)
		memcpy(p.image, image, sizeof(p.image));
	fail(g, add_param(g, node, &p));
}

thaw_status thaw_graph_finish(struct thaw_graph *g)
{
	THAW_TRY(g->failed);
	g->output = g->head = g->node_count - 1;
	const struct thaw_node *head = &g->nodes[g->head];
	const char *wanted = "linear";
	if (head->op && strcmp(head->op->name, "flatten") == 0) {
		g->head = head->inputs[0];
		head = &g->nodes[g->head];
		wanted = "conv";
	}
	if (!head->op || strcmp(head->op->name, wanted) != 0 || head->param_count == 0)
		return thaw_fail(THAW_CONFIG, "the network does not end in a linear classifier: node %s", head->name);
	for (int i = 0; i < g->param_count; i++)
		if (thaw_graph_find_param(g, g->params[i].name) != i)
			return thaw_fail(THAW_SOFTWARE, "two parameters have the same name: %s", g->params[i].name);
	return THAW_OK;
}

int thaw_graph_find_param(const struct thaw_graph *g, const char *name)
{
	for (int i = 0; i < g->param_count; i++)
		if (strcmp(g->params[i].name, name) == 0)
			return i;
	return -1;
}

int thaw_graph_find_block(const struct thaw_graph *g, const char *name)
{
	for (int i = 0; i < g->block_count; i++)
		if (strcmp(g->blocks[i], name) == 0)
			return i;
	return -1;
}
