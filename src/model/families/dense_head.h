/* The end of AlexNet and VGG: the image averaged to a fixed size, flattened, two hidden linear layers with ReLU
 * and dropout, the classifier. */
#ifndef THAW_SRC_MODEL_FAMILIES_DENSE_HEAD_H
#define THAW_SRC_MODEL_FAMILIES_DENSE_HEAD_H

#include "src/model/families/layers.h"

#define THAW_DENSE_HIDDEN 4096 /* outputs of a hidden layer, unless the file says otherwise */

struct thaw_dense_head {
	const char *layer[3]; /* names; each begins a block */
	int64_t channels;     /* of the features */
	int side;             /* what the features are averaged to */
	bool dropout_first;   /* before a hidden layer (AlexNet) instead of behind it (VGG) */
};

void thaw_layer_dense_head(struct thaw_graph *g, int x, const struct thaw_dense_head *h, int64_t classes,
			   const struct thaw_weights *w);

#endif
