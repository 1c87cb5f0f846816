/* The trainable parameters of a network as one flat vector, with the optimizer state.
 *
 * Gradients in one vector are summed over ranks by one all-reduce, and a checkpoint is these vectors. Every rank has
 * all values; it updates those of its shards and has the optimizer state of its shards only (ZeRO-1, 1910.02054).
 * Updates are element-wise, so the bits do not depend on which rank updates which values. Moving statistics that are
 * learned (THAW_BN_LANE) are in the vector too: their "gradient" is the statistic of the batch.
 */
#ifndef THAW_SRC_TRAIN_FLAT_PARAMS_H
#define THAW_SRC_TRAIN_FLAT_PARAMS_H

#include "thaw/graph.h"
#include "thaw/shards.h"
#include "thaw/train.h"

#define THAW_OPTIMIZER_STATES 2 /* largest number of state vectors of an optimizer */

/* The place of one parameter in the vector. */
struct thaw_flat_param {
	int param; /* index in graph->params */
	int64_t offset, count;
	double lr_factor;
	bool decays;    /* weight decay applies */
	bool frozen;    /* not updated */
	bool statistic; /* a moving statistic, updated as (1 - momentum) * old + momentum * new */
	float momentum; /* of a statistic */
};

struct thaw_flat_params {
	struct thaw_graph *graph;
	const struct thaw_optimizer *optimizer;
	struct thaw_flat_param *entries;
	int count;
	int64_t length; /* floats; each parameter starts at a multiple of 16 floats */
	float *values;  /* [length] the data of the graph's trainable parameters */
	struct thaw_sharding shards;
	float *state[THAW_OPTIMIZER_STATES]; /* [thaw_sharding_own] each */
};

/* Moves the trainable parameters of the graph into a new vector; the graph's parameters point into it until another
 * vector takes them over. layer_decay: see thaw_train_options. comm: only its size and rank are used. THAW_USAGE when
 * nothing is trainable. */
thaw_status thaw_flat_params_create(struct thaw_flat_params **params, struct thaw_graph *graph,
				    const struct thaw_optimizer *optimizer, double layer_decay,
				    const struct thaw_comm *comm);
/* From now on updates skip the entries whose parameters are no longer trainable in the graph. Gradients of these are
 * not read, and may be anything. */
void thaw_flat_params_freeze(struct thaw_flat_params *params);
/* NULL is fine. The graph must no longer be used, or another vector must have taken over its parameters. */
void thaw_flat_params_destroy(struct thaw_flat_params *params);

/* Points gradient[i] of each trainable graph parameter i to its place in vector[length]. Frozen ones stay NULL. */
void thaw_flat_params_bind(const struct thaw_flat_params *params, float *vector, float **gradient);

/* One optimizer step. */
struct thaw_update {
	float scale; /* factor of the gradient: 1 / images */
	double lr, weight_decay, momentum;
	int64_t t; /* step, from 1 */
};

/* Updates this rank's shard, or a part of it, with its summed gradient g[shard.count]. False when a gradient or an
 * updated weight is not finite; the values are then unusable. */
bool thaw_flat_params_update(struct thaw_flat_params *params, struct thaw_shard shard, const float *g,
			     const struct thaw_update *update);

#endif
