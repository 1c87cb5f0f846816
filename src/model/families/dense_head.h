/* The head of AlexNet and VGG: average pooling to a fixed size, flattening, two hidden linear layers with ReLU and
 * dropout, and the classifier. */
#ifndef THAW_SRC_MODEL_FAMILIES_DENSE_HEAD_H
#define THAW_SRC_MODEL_FAMILIES_DENSE_HEAD_H

#include "src/model/families/layers.h"

#define THAW_DENSE_HIDDEN 4096 /* default outputs of a hidden layer */

struct thaw_dense_head {
	const char *layer[3]; /* names of the linear layers; each starts a block */
	int64_t channels;     /* of the features */
	int side;             /* of the features after pooling */
	bool dropout_first;   /* before each hidden layer (AlexNet) instead of after it (VGG) */
};

/* Adds the head to value x. `w`, which may be NULL, has the outputs of each layer; else hidden layers have
 * THAW_DENSE_HIDDEN outputs and the classifier has `classes`. */
void thaw_layer_dense_head(struct thaw_graph *g, int x, const struct thaw_dense_head *h, int64_t classes,
			   const struct thaw_weights *w);

#endif
