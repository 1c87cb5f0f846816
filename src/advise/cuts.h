/* Where a network may be cut: a few depths from the classifier to the image, about evenly spread over its work. */
#ifndef THAW_SRC_ADVISE_CUTS_H
#define THAW_SRC_ADVISE_CUTS_H

#include "thaw/graph.h"

#define THAW_CUTS_MOST 6

struct thaw_cut {
	char unfreeze[160]; /* as thaw_graph_unfreeze takes it */
	const char *block;  /* the first that trains; the graph's memory */
	int node;           /* the first node of the tail */
	double share;       /* of the forward pass's multiply-adds that lie in the tail */
};

/* Fills cut[THAW_CUTS_MOST] and *count: the classifier first, everything last, each further from the classifier than
 * the one before; the classifier alone where nothing else can train. `side` of the images in pixels. All parameters are
 * frozen afterwards. */
thaw_status thaw_cuts_choose(struct thaw_graph *g, int side, struct thaw_cut *cut, int *count);

#endif
