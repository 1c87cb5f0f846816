/* Low-rank adapters of linear layers (LoRA): y = W x + b + s B A x. They are nodes of the graph:
 *     down = linear(x; A), scaled = s down, layer = linear(x; W, b), up = linear(scaled, layer; B)
 * where `up` adds `layer` as its residual. So the all-reduce, the optimizer and checkpoints know them as any other
 * parameters, and no operator knows of them. */
#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "src/graph/graph_internal.h"
#include "thaw/memory.h"

#define WEIGHT    ".weight"
#define NAME_SIZE 512

static bool is(const struct thaw_node *n, const char *op)
{
	return n->op && strcmp(n->op->name, op) == 0;
}

static const struct thaw_param *weight_of(const struct thaw_graph *g, int node)
{
	return &g->params[g->nodes[node].params[0]];
}

static bool gets_adapter(const struct thaw_graph *g, int node)
{
	return node != g->head && is(&g->nodes[node], "linear") && weight_of(g, node)->trainable;
}

/* "blocks.0.mlp.fc1.lora_A.weight" of "blocks.0.mlp.fc1.weight". */
static void name_weight(const struct thaw_param *weight, const char *which, char *name)
{
	size_t n = strlen(weight->name), end = strlen(WEIGHT);
	bool usual = n > end && strcmp(weight->name + n - end, WEIGHT) == 0;
	snprintf(name, NAME_SIZE, "%.*s.%s" WEIGHT, (int)(usual ? n - end : n), weight->name, which);
}

/* A linear layer without bias that is part of the adapter of `layer`; its weight is zero. */
static int add_linear(struct thaw_graph *g, int layer, const char *which, const int *inputs, int input_count,
		      enum thaw_layout layout, struct thaw_shape shape)
{
	char name[NAME_SIZE];
	const struct thaw_param weight = *weight_of(g, layer); /* its name stays while the array moves */
	snprintf(name, sizeof(name), "%s.%s", g->nodes[layer].name, which);
	int node = thaw_graph_add(g, "linear", name, NULL, inputs, input_count);
	name_weight(&weight, which, name);
	thaw_graph_param(g, node, name, THAW_ROLE_ADAPTER, layout, &shape, weight.image);
	g->nodes[node].block = g->nodes[layer].block;
	return node;
}

/* Appends the nodes of the adapter of `layer`. Returns `up`, which takes over the layer's activation. */
static int append_adapter(struct thaw_graph *g, int layer, const struct thaw_tune *tune)
{
	const struct thaw_shape w = weight_of(g, layer)->shape;
	const struct thaw_attrs scaling = {.function = THAW_FN_AFFINE, .alpha = (float)(tune->alpha / tune->rank)};
	char name[NAME_SIZE];
	int x = g->nodes[layer].inputs[0];
	int down =
		add_linear(g, layer, "lora_A", &x, 1, weight_of(g, layer)->layout, thaw_shape_of(tune->rank, w.dim[1]));
	snprintf(name, sizeof(name), "%s.lora_scale", g->nodes[layer].name);
	int scaled = thaw_graph_add(g, "pointwise", name, &scaling, &down, 1);
	g->nodes[scaled].block = g->nodes[layer].block;
	int up = add_linear(g, layer, "lora_B", (int[]){scaled, layer}, 2, THAW_LAYOUT_SAME,
			    thaw_shape_of(w.dim[0], tune->rank));
	g->nodes[up].attrs.activation = g->nodes[layer].attrs.activation;
	g->nodes[layer].attrs.activation = THAW_ACT_NONE;
	return up;
}

/* Moves each node to order[node], and what refers to it. */
static thaw_status reorder(struct thaw_graph *g, const int *order)
{
	struct thaw_node *from = thaw_alloc((size_t)g->node_count, sizeof(*from));
	if (!from)
		return THAW_RESOURCE;
	memcpy(from, g->nodes, (size_t)g->node_count * sizeof(*from));
	for (int i = 0; i < g->node_count; i++) {
		for (int k = 0; k < from[i].input_count; k++)
			from[i].inputs[k] = order[from[i].inputs[k]];
		g->nodes[order[i]] = from[i];
	}
	for (int i = 0; i < g->param_count; i++)
		if (g->params[i].node >= 0)
			g->params[i].node = order[g->params[i].node];
	g->output = order[g->output];
	g->head = order[g->head];
	thaw_free(from);
	return THAW_OK;
}

/* Lets the readers of layers read `up` instead, and sorts nodes: down, scaled, layer, up. up[count]: of the nodes
 * before the adapters; 0: none. */
static thaw_status insert(struct thaw_graph *g, const int *up, int count)
{
	int *order = thaw_alloc((size_t)g->node_count, sizeof(*order)), at = 0;
	if (!order)
		return THAW_RESOURCE;
	for (int i = 0; i < count; i++) {
		for (int k = 0; k < g->nodes[i].input_count; k++)
			if (up[g->nodes[i].inputs[k]])
				g->nodes[i].inputs[k] = up[g->nodes[i].inputs[k]];
		if (up[i]) {
			order[up[i] - 2] = at++;
			order[up[i] - 1] = at++;
		}
		order[i] = at++;
		if (up[i])
			order[up[i]] = at++;
	}
	for (int i = count; i < g->node_count; i++) /* x of an adapter may be the output of another layer */
		if (g->nodes[i].input_count == 1 && g->nodes[i].inputs[0] < count && up[g->nodes[i].inputs[0]])
			g->nodes[i].inputs[0] = up[g->nodes[i].inputs[0]];
	thaw_status status = reorder(g, order);
	thaw_free(order);
	return status;
}

static thaw_status no_layer(const struct thaw_tune *tune, const char *unfreeze)
{
	char text[THAW_TUNE_TEXT];
	return thaw_fail(
		THAW_USAGE,
		"no linear layer for adapters: --tune %s with --unfreeze %s: unfreeze more, such as all, or give "
		"--tune norm or bias",
		thaw_tune_text(tune, text, sizeof(text)), unfreeze);
}

thaw_status thaw_graph_add_adapters(struct thaw_graph *g, const char *unfreeze, const struct thaw_tune *tune,
				    uint64_t seed)
{
	int nodes = g->node_count, params = g->param_count;
	if (tune->kind != THAW_TUNE_LORA)
		return THAW_OK;
	THAW_TRY(thaw_graph_unfreeze(g, unfreeze));
	int *up = thaw_alloc((size_t)nodes, sizeof(*up));
	if (!up)
		return THAW_RESOURCE;
	for (int i = 1; i < nodes && g->failed == THAW_OK; i++)
		if (gets_adapter(g, i))
			up[i] = append_adapter(g, i, tune);
	thaw_status status = g->failed;
	if (status == THAW_OK && g->node_count == nodes)
		status = no_layer(tune, unfreeze);
	if (status == THAW_OK)
		status = insert(g, up, nodes);
	for (int i = params; i < g->param_count && status == THAW_OK; i += 2) /* A; B stays zero */
		thaw_graph_init(g, seed, i, i + 1);
	thaw_free(up);
	return status;
}

bool thaw_graph_adapter(const struct thaw_graph *g, int node, struct thaw_adapter *adapter)
{
	const struct thaw_node *n = &g->nodes[node];
	if (!is(n, "linear") || n->input_count != 2 || weight_of(g, node)->role != THAW_ROLE_ADAPTER)
		return false;
	const struct thaw_node *scaled = &g->nodes[n->inputs[0]];
	*adapter = (struct thaw_adapter){n->inputs[1], scaled->inputs[0], node, scaled->attrs.alpha};
	return true;
}

bool thaw_graph_has_adapters(const struct thaw_graph *g)
{
	return g->param_count > 0 && g->params[g->param_count - 1].role == THAW_ROLE_ADAPTER;
}

/* W + s B A as the layer's weight. The sum over the rank is rounded before W is added, not after each term. */
static thaw_status merge(struct thaw_graph *g, const struct thaw_adapter *adapter)
{
	struct thaw_param *w = &g->params[g->nodes[adapter->layer].params[0]];
	const struct thaw_param *a = weight_of(g, adapter->down), *b = weight_of(g, adapter->up);
	int64_t outputs = w->shape.dim[0], inputs = w->shape.dim[1], rank = a->shape.dim[0];
	float *merged = thaw_alloc((size_t)(outputs * inputs), sizeof(*merged));
	if (!merged)
		return THAW_RESOURCE;
	for (int64_t o = 0; o < outputs; o++) {
		float *row = merged + o * inputs;
		for (int64_t r = 0; r < rank; r++)
			for (int64_t i = 0; i < inputs; i++)
				row[i] += b->data[o * rank + r] * a->data[r * inputs + i];
		for (int64_t i = 0; i < inputs; i++)
			row[i] = w->data[o * inputs + i] + adapter->scale * row[i];
	}
	thaw_free(w->own);
	w->own = w->data = merged;
	return THAW_OK;
}

thaw_status thaw_graph_merge_adapters(struct thaw_graph *g)
{
	bool *dead = thaw_alloc((size_t)g->node_count, sizeof(*dead));
	thaw_status status = dead ? THAW_OK : THAW_RESOURCE;
	for (int i = 1; i < g->node_count && status == THAW_OK; i++) {
		struct thaw_adapter adapter;
		if (!thaw_graph_adapter(g, i, &adapter))
			continue;
		status = merge(g, &adapter);
		g->nodes[adapter.layer].attrs.activation = g->nodes[i].attrs.activation;
		dead[i] = dead[adapter.down] = dead[g->nodes[i].inputs[0]] = true;
		g->nodes[i].inputs[0] = adapter.layer; /* what its readers read */
	}
	if (status == THAW_OK) {
		thaw_graph_remove(g, dead);
		status = g->failed;
	}
	while (status == THAW_OK && thaw_graph_has_adapters(g)) {
		struct thaw_param *last = &g->params[--g->param_count];
		thaw_free(last->name);
		thaw_free(last->own);
	}
	thaw_free(dead);
	return status;
}
