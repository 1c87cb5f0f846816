/* See dense_head.h. */
#include "src/model/families/dense_head.h"

#include <stdio.h>

#define DROPOUT 0.5f

static int dropout(struct thaw_graph *g, int x, const char *layer)
{
	char name[THAW_LAYER_NAME];
	snprintf(name, sizeof(name), "%s.dropout", layer);
	return thaw_layer_dropout(g, x, name, DROPOUT);
}

/* The outputs of a linear layer in the file; `fallback` without one. */
static int64_t outputs(const struct thaw_weights *w, const char *layer, int64_t in, int64_t fallback)
{
	char name[THAW_LAYER_NAME];
	snprintf(name, sizeof(name), "%s.weight", layer);
	return thaw_weights_outputs(w, name, &thaw_shape_of(0, in), fallback);
}

void thaw_layer_dense_head(struct thaw_graph *g, int x, const struct thaw_dense_head *h, int64_t classes,
			   const struct thaw_weights *w)
{
	const int image[3] = {(int)h->channels, h->side, h->side};
	x = thaw_layer_average_pool(g, x, "avgpool", h->side);
	x = thaw_layer_flatten(g, x, "flatten");
	int64_t in = h->channels * h->side * h->side;
	for (int i = 0; i < 2; i++) {
		const int64_t out = outputs(w, h->layer[i], in, THAW_DENSE_HIDDEN);
		thaw_graph_block(g, "%s", h->layer[i]);
		if (h->dropout_first)
			x = dropout(g, x, h->layer[i]);
		x = thaw_layer_linear(g, x, h->layer[i], in, out, i == 0 ? image : NULL);
		x = thaw_layer_activation(g, x, h->layer[i], THAW_ACT_RELU);
		if (!h->dropout_first)
			x = dropout(g, x, h->layer[i]);
		in = out;
	}
	thaw_graph_block(g, "%s", h->layer[2]);
	thaw_layer_linear(g, x, h->layer[2], in, outputs(w, h->layer[2], in, classes), NULL);
}
