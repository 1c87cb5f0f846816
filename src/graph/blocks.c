/* Divides a graph into blocks if its builder did not, as for an imported one.
 *
 * A cut point is a value that dominates all later nodes: no other value crosses the graph there. The nodes between two
 * cut points are a piece. Pieces without weights (norms, activations, pooling) are merged with the piece before, and
 * pieces of the same module, by the names of their nodes ("/blocks/blocks.3/attn/qkv/MatMul" and
 * "/blocks/blocks.3/mlp/fc1/MatMul"), form one block. */
#include <stdio.h>
#include <string.h>

#include "src/graph/graph_internal.h"
#include "thaw/memory.h"

#define NAME_SIZE 256 /* bytes of a block name */

/* The innermost list element in a node name: "stages.0.blocks.1" for
 * "/stages/stages.0/blocks/blocks.1/mlp/fc1/MatMul". A part that extends the part before it is a list element; nested
 * lists (plural names such as "blocks", "layers") are followed, other submodules ("mlp", "block") are not. Empty if the
 * name has no list element. */
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

/* The PyTorch name of a node's module: "features.transition1.conv" for "/features/transition1/conv/Conv". Names of
 * another form are copied. */
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

/* Whether nodes [first, end) have a weight, which a new block needs. */
static bool has_weight(const struct thaw_graph *g, int first, int end)
{
	for (int i = first; i < end; i++)
		for (int k = 0; k < g->nodes[i].param_count; k++)
			if (g->params[g->nodes[i].params[k]].role == THAW_ROLE_WEIGHT)
				return true;
	return false;
}

/* cut_point[i]: nodes after i depend on earlier nodes only through the value of i. */
static thaw_status find_cut_points(const struct thaw_graph *g, bool *cut_point)
{
	int reach = 0;                                                /* last user of any value before i */
	int *last = thaw_alloc((size_t)g->node_count, sizeof(*last)); /* user of each value */
	if (!last)
		return THAW_RESOURCE;
	for (int i = 0; i < g->node_count; i++)
		for (int k = 0; k < g->nodes[i].input_count; k++)
			last[g->nodes[i].inputs[k]] = i;
	for (int i = 0; i < g->node_count; i++) {
		cut_point[i] = !g->nodes[i].fixed && reach <= i && (last[i] > i || i == g->output);
		if (!g->nodes[i].fixed && last[i] > reach)
			reach = last[i];
	}
	thaw_free(last);
	return THAW_OK;
}

static void add_block(struct thaw_graph *g, const char *name)
{
	char unique[NAME_SIZE + 16];
	snprintf(unique, sizeof(unique), "%s", name);
	for (int k = 2; thaw_graph_find_block(g, unique) >= 0; k++)
		snprintf(unique, sizeof(unique), "%s#%d", name, k);
	thaw_graph_block(g, "%s", unique);
}

/* The common prefix of the modules of nodes with weights in [first, end); the first module if there is none. */
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
	bool *cut_point = thaw_alloc((size_t)g->node_count, sizeof(*cut_point));
	if (!cut_point)
		return THAW_RESOURCE;
	for (int i = 0; i < g->block_count; i++)
		thaw_free(g->blocks[i]);
	g->block_count = 0;
	if (find_cut_points(g, cut_point) != THAW_OK) {
		thaw_free(cut_point);
		return THAW_RESOURCE;
	}
	for (int first = 1, end; first < g->node_count; first = end) {
		for (end = first + 1; end < g->node_count && !cut_point[end - 1] && end != g->head;)
			end++;
		if (first == g->head)
			module[0] = '\0'; /* the classifier is a separate block */
		if (first <= g->head)
			name_piece(g, first, end, module);
		else
			for (int i = first; i < end; i++)
				g->nodes[i].block = g->block_count - 1;
	}
	thaw_free(cut_point);
	return g->failed;
}
