/* How far a dataset is from the one that a network was trained on. */
#ifndef THAW_SRC_ADVISE_SIMILARITY_H
#define THAW_SRC_ADVISE_SIMILARITY_H

#include "src/advise/taps.h"

struct thaw_similarity {
	double distance;     /* 0: as the training data; larger: further away */
	bool from_norms;     /* measured at the batch norms; else from the classifier's doubt alone */
	double confidence;   /* mean of the largest probability of the network's own classifier */
	double feature_norm; /* mean length of the features before the classifier */
	int layers;          /* as many as taps have batch norms */
	double *layer;       /* [layers] the distance at each */
};

thaw_status thaw_similarity_measure(struct thaw_similarity *s, const struct thaw_taps *taps);
void thaw_similarity_release(struct thaw_similarity *s); /* zeroed is fine */

#endif
