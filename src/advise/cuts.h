/* Candidate cuts of a network: a few depths from the classifier to the image, spread about evenly over its FLOPs. */
#ifndef THAW_SRC_ADVISE_CUTS_H
#define THAW_SRC_ADVISE_CUTS_H

#include "thaw/graph.h"
#include "thaw/transform.h"

#define THAW_MAX_CUTS 6

struct thaw_cut {
	char unfreeze[160]; /* for thaw_graph_unfreeze */
	const char *block;  /* the first trainable block; owned by the graph */
	int node;           /* the first node of the tail */
	double share;       /* fraction of the forward pass's FLOPs in the tail */
};

/* Fills cut[THAW_MAX_CUTS] and *count, from the classifier alone to the whole network, each cut further from the
 * classifier than the one before; only the classifier if nothing else is trainable. size: of the images in pixels.
 * Freezes all parameters. */
thaw_status thaw_cuts_choose(struct thaw_graph *g, struct thaw_size size, struct thaw_cut *cut, int *count);

#endif
