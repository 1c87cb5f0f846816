/* The nearest vectors to one vector. */
#ifndef THAW_SRC_EMBED_NEIGHBOURS_H
#define THAW_SRC_EMBED_NEIGHBOURS_H

#include <stdint.h>

struct thaw_neighbour {
	float similarity; /* cosine */
	int32_t label;
	int64_t sample; /* decides between equal similarities: the smaller one is nearer */
};

/* Vectors of length 1. */
struct thaw_vectors {
	float *values; /* (count,width) */
	int32_t *labels;
	int64_t *samples;
	int64_t count, width;
};

/* Divides each of rows (count,width) by its length; rows of zeros stay. */
void thaw_unit_rows(float *rows, int64_t count, int64_t width);

/* near[k] receives the nearest of v to `row`, nearest first; where v has fewer, the rest have the label -1. */
void thaw_nearest(struct thaw_neighbour *near, int k, const struct thaw_vectors *v, const float *row);

/* Merges near[k] with more[k], both nearest first, into near[k]. */
void thaw_merge_nearest(struct thaw_neighbour *near, const struct thaw_neighbour *more, int k);

/* vote[classes]: the sum over the neighbours of exp(similarity / 0.07) for each class. */
void thaw_vote(double *vote, int classes, const struct thaw_neighbour *near, int k);

#endif
