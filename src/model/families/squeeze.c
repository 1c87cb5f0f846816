/* See squeeze.h. */
#include "src/model/families/squeeze.h"

#include <stdio.h>

#include "src/model/families/layers.h"

int thaw_layer_squeeze(struct thaw_graph *g, int x, const struct thaw_squeeze_layer *s)
{
	const struct thaw_conv_layer reduce = {
		.name = s->reduce, .in = s->channels, .out = s->reduced, .kernel = 1, .stride = 1, .bias = true};
	const struct thaw_conv_layer expand = {
		.name = s->expand, .in = s->reduced, .out = s->channels, .kernel = 1, .stride = 1, .bias = true};
	char name[THAW_LAYER_NAME + 16];
	snprintf(name, sizeof(name), "%s.mean", s->reduce);
	int gate = thaw_layer_conv(g, thaw_layer_average_pool(g, x, name, 1), &reduce);
	gate = thaw_layer_nonlinearity(g, gate, s->reduce, s->act);
	gate = thaw_layer_nonlinearity(g, thaw_layer_conv(g, gate, &expand), s->expand, s->gate);
	snprintf(name, sizeof(name), "%s.product", s->expand);
	return thaw_graph_add(g, "binary", name, &(struct thaw_attrs){.binary = THAW_BINARY_MUL}, (int[]){x, gate}, 2);
}
