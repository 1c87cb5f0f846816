/* Blocks and the classifier of a graph whose builder did not know them, such as an imported one.
 *
 * A gate is a value that everything behind it depends on alone: the only one that crosses the graph there. What lies
 * between two gates is the smallest piece that a cut can leave whole. Pieces without weights of their own (norms,
 * activations, pooling) belong to the piece before, and pieces that the names of their nodes put into one module
 * ("/blocks/blocks.3/attn/qkv/MatMul" and "/blocks/blocks.3/mlp/fc1/MatMul") are one block. */
#include <stdio.h>
#include <string.h>

#include "src/graph/graph_internal.h"

#define NAME_SIZE 256 /* bytes of a block's name */

/* The operators that may stand between the classifier and the output. */
static bool passes_classes(const struct thaw_node *n)
{
	static const char *const names[] = {"activation", "average_pool", "dropout", "flatten", "pointwise",
					    "rearrange",  "reduce",       "reshape", "softmax", NULL};
	for (int i = 0; names[i]; i++)
		if (strcmp(n->op->name, names[i]) == 0)
			return true;
	return false;
}

thaw_status thaw_graph_find_head(struct thaw_graph *g)
{
	int node = g->output;
	while (node > 0 && passes_classes(&g->nodes[node]))
		node = g->nodes[node].inputs[0];
	const struct thaw_node *n = &g->nodes[node];
	bool linear = n->op && strcmp(n->op->name, "linear") == 0;
	bool conv = n->op && strcmp(n->op->name, "conv") == 0 && n->attrs.groups <= 1;
	if (!linear && !conv)
		return thaw_fail(THAW_CONFIG,
				 "the network does not end in a classifier: node %s (%s): linear or a convolution is "
				 "needed",
				 n->name, n->op ? n->op->name : "image");
	g->head = node;
	return THAW_OK;
}

/* The module that a name such as "/stages/stages.0/blocks/blocks.1/mlp/fc1/MatMul" tells: "stages.0.blocks.1". A part
 * that goes on where the one before it ended is an element of a list; a list within ("blocks", "layers") is followed,
 * what else a module consists of ("mlp", "block") is not. Empty where the name tells none. */
static void module_of(const char *name, char *module)
{
	char part[NAME_SIZE] = "", before[NAME_SIZE] = "", outer[NAME_SIZE] = "";
	module[0] = '\0';
	while (*name == '/') {
		size_t length = strcspn(++name, "/"), stem = strlen(before);
		snprintf(part, sizeof(part), "%.*s", (int)length, name);
		name += length;
		if (stem > 0 && strncmp(part, before, stem) == 0 && part[stem] == '.')
			snprintf(module, NAME_SIZE, "%.*s%s%s", NAME_SIZE / 2, outer, outer[0] ? "." : "", part);
		else if (module[0] && part[strlen(part) - (part[0] != '\0')] != 's')
			break;
		else
			snprintf(outer, sizeof(outer), "%s", module);
		snprintf(before, sizeof(before), "%s", part);
	}
}

/* The module of a node as PyTorch names it: "/features/transition1/conv/Conv" is of "features.transition1.conv". Names
 * of another kind stay as they are. */
static void path_of(const char *name, char *path)
{
	char part[NAME_SIZE], before[NAME_SIZE] = "";
	size_t used = 0;
	path[0] = '\0';
	while (*name == '/' && strchr(name + 1, '/') && used < NAME_SIZE) {
		size_t length = strcspn(++name, "/"), stem = strlen(before);
		snprintf(part, sizeof(part), "%.*s", (int)length, name);
		name += length;
		bool longer = stem > 0 && strncmp(part, before, stem) == 0 && part[stem] == '.';
		used += (size_t)snprintf(path + used, NAME_SIZE - used, "%s%s", used && !longer ? "." : "",
					 part + (longer ? stem : 0));
		snprintf(before, sizeof(before), "%s", part);
	}
	if (!path[0])
		snprintf(path, NAME_SIZE, "%s", name + (*name == '/'));
}

/* Whether nodes [first, end) have a weight: something to begin a block with. */
static bool has_weight(const struct thaw_graph *g, int first, int end)
{
	for (int i = first; i < end; i++)
		for (int k = 0; k < g->nodes[i].param_count; k++)
			if (g->params[g->nodes[i].params[k]].role == THAW_ROLE_WEIGHT)
				return true;
	return false;
}

/* gate[i]: what lies behind node i knows of what lies before by its value alone. */
static void find_gates(const struct thaw_graph *g, bool *gate)
{
	int reach = 0; /* the last user of any value before i */
	for (int i = 0; i < g->node_count; i++) {
		int last;
		thaw_graph_uses(g, i, &last);
		gate[i] = !g->nodes[i].fixed && reach <= i && (last > i || i == g->output);
		if (!g->nodes[i].fixed && last > reach)
			reach = last;
	}
}

static void add_block(struct thaw_graph *g, const char *name)
{
	char unique[NAME_SIZE + 16];
	snprintf(unique, sizeof(unique), "%s", name);
	for (int k = 2; thaw_graph_find_block(g, unique) >= 0; k++)
		snprintf(unique, sizeof(unique), "%s#%d", name, k);
	thaw_graph_block(g, "%s", unique);
}

/* What the modules of the nodes with weights in [first, end) have in common; the first one's where that is nothing. */
static void common_path(const struct thaw_graph *g, int first, int end, char *common)
{
	char path[NAME_SIZE], whole[NAME_SIZE] = "";
	for (int i = first; i < end; i++) {
		if (!has_weight(g, i, i + 1))
			continue;
		path_of(g->nodes[i].name, path);
		if (!whole[0]) {
			memcpy(whole, path, NAME_SIZE);
			memcpy(common, path, NAME_SIZE);
		}
		size_t same = 0, parts = 0;
		while (common[same] && common[same] == path[same]) {
			same++;
			if ((!common[same] || common[same] == '.') && (!path[same] || path[same] == '.'))
				parts = same;
		}
		common[parts] = '\0';
	}
	if (!whole[0])
		path_of(g->nodes[first].name, whole);
	if (!whole[0] || !common[0])
		memcpy(common, whole, NAME_SIZE);
}

/* The first node of [first, end) with a weight. */
static int weighted_node(const struct thaw_graph *g, int first, int end)
{
	for (int i = first; i < end; i++)
		if (has_weight(g, i, i + 1))
			return i;
	return first;
}

static void name_piece(struct thaw_graph *g, int first, int end, char *module)
{
	char named[NAME_SIZE], common[NAME_SIZE] = "";
	bool begins = has_weight(g, first, end) || g->block_count == 0;
	module_of(g->nodes[weighted_node(g, first, end)].name, named);
	if (begins && (!named[0] || strcmp(named, module) != 0)) {
		common_path(g, first, end, common);
		add_block(g, named[0] ? named : common);
		memcpy(module, named, NAME_SIZE);
	}
	for (int i = first; i < end; i++)
		g->nodes[i].block = g->block_count - 1;
}

thaw_status thaw_graph_find_blocks(struct thaw_graph *g)
{
	char module[NAME_SIZE] = "";
	bool *gate = thaw_alloc((size_t)g->node_count, sizeof(*gate));
	if (!gate)
		return THAW_RESOURCE;
	for (int i = 0; i < g->block_count; i++)
		thaw_free(g->blocks[i]);
	g->block_count = 0;
	find_gates(g, gate);
	for (int first = 1, end; first < g->node_count; first = end) {
		for (end = first + 1; end < g->node_count && !gate[end - 1] && end != g->head;)
			end++;
		if (first == g->head)
			module[0] = '\0'; /* the classifier is a block of its own */
		if (first == g->head || first < g->head)
			name_piece(g, first, end, module);
		else
			for (int i = first; i < end; i++)
				g->nodes[i].block = g->block_count - 1;
	}
	thaw_free(gate);
	return g->failed;
}
