/* One pass of images through a network: computes a row per image and the sums of its batch norms.
 *
 * A row holds 1 if the image could be read (else 0), the image's features cut by cut, and its class probabilities. */
#ifndef THAW_SRC_ADVISE_ACTIVATION_PASS_H
#define THAW_SRC_ADVISE_ACTIVATION_PASS_H

#include "src/advise/activations.h"
#include "thaw/executor.h"

struct thaw_activation_pass {
	struct thaw_activations *activations;
	const struct thaw_graph *graph;
	struct thaw_executor *executor;
	struct thaw_shape *shapes;      /* [nodes] of one image */
	int *crossing[THAW_MAX_CUTS];   /* the nodes whose values cross each cut */
	int crossings[THAW_MAX_CUTS];   /* their number */
	int64_t start[THAW_MAX_CUTS];   /* offset of the features of each cut in a row */
	int64_t probability, row_width; /* offset of the class probabilities in a row; floats of a row */
	float *row;                     /* of the current image */
	float *value;                   /* room to expand any value of one image; NULL in fp32 */
	double *sums;                   /* of the current lane: see norm_start */
	int64_t *norm_start;            /* [nodes] offset of means, then squares, in sums; -1: not a batch norm */
	int64_t sum_count;
};

/* Lays out the rows and the sums, sets the widths and norms of p->activations, and compiles the graph. The caller sets
 * p->activations (with cut_count) and p->graph before. size: of the images in pixels. */
thaw_status thaw_activation_pass_open(struct thaw_activation_pass *p, const struct thaw_cut *cut,
				      struct thaw_size size);

/* Runs one image (height,width,3): fills row[row_width] and adds to p->sums, which the caller sets before. THAW_DATA if
 * an activation is not finite. */
thaw_status thaw_activation_pass_run(struct thaw_activation_pass *p, const float *image, float *row);

void thaw_activation_pass_close(struct thaw_activation_pass *p); /* zeroed is fine; p->activations stays */

#endif
