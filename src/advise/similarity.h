/* Distance of a dataset from the one that a network was trained on. */
#ifndef THAW_SRC_ADVISE_SIMILARITY_H
#define THAW_SRC_ADVISE_SIMILARITY_H

#include "src/advise/activations.h"

struct thaw_similarity {
	double distance;     /* 0: like the training data; larger: further away */
	bool from_norms;     /* measured at the batch norms; else the entropy of the classifier */
	double confidence;   /* mean of the largest class probability of the network's classifier */
	double feature_norm; /* mean length of the features before the classifier */
	int layers;          /* number of batch norms */
	double *layer;       /* [layers] the distance at each batch norm */
};

/* Fails only if out of memory. */
thaw_status thaw_similarity_measure(struct thaw_similarity *s, const struct thaw_activations *activations);
void thaw_similarity_release(struct thaw_similarity *s); /* zeroed is fine */

#endif
