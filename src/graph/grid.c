/* Finds the grid of class scores of a fully convolutional network. */
#include "src/graph/ending.h"

bool thaw_graph_find_grid(const struct thaw_graph *g, struct thaw_grid *grid)
{
	int value = g->output;
	while (thaw_node_is_view(&g->nodes[value]))
		value = g->nodes[value].inputs[0];
	if (!thaw_node_is_mean(&g->nodes[value]))
		return false;
	*grid = (struct thaw_grid){.value = g->nodes[value].inputs[0], .reach = {1, 1}};
	bool scores = false;
	const struct thaw_node *n = &g->nodes[grid->value];
	for (int in; (in = thaw_node_grid_input(g, n)) >= 0; n = &g->nodes[in]) {
		scores |= n == &g->nodes[g->head];
		for (int axis = 0; axis < 2 && thaw_node_is(n, "conv"); axis++)
			grid->reach[axis] += g->params[n->params[0]].shape.dim[axis] - 1;
	}
	/* A convolution with padding may be the classifier: it is where this walk ends. */
	return scores || n == &g->nodes[g->head];
}
