/* The trainable parameters of a network as one vector, with the optimizer's state beside it.
 *
 * One vector because gradients are summed over ranks in one exchange, and because a checkpoint is these
 * vectors. The values are whole on every rank; a rank has the optimizer's state of its shards, and updates these
 * (ZeRO-1, 1910.02054): updates are element-wise, so that the bits do not depend on who does which. Moving statistics
 * that are learned (--bn lane) lie in it too: their "gradient" is the batch's statistic.
 */
#ifndef THAW_SRC_TRAIN_FLAT_PARAMS_H
#define THAW_SRC_TRAIN_FLAT_PARAMS_H

#include "thaw/graph.h"
#include "thaw/shards.h"
#include "thaw/train.h"

#define THAW_TAIL_STATES 2 /* the most vectors that an optimizer keeps */

struct thaw_flat_params_param {
	int param; /* index in the graph */
	int64_t offset, count;
	double lr_factor;
	bool decays;
	bool statistic; /* a moving statistic, updated as (1 - momentum) * old + momentum * new */
	float momentum; /* of a statistic */
};

struct thaw_flat_params {
	struct thaw_graph *graph;
	const struct thaw_optimizer *optimizer;
	struct thaw_flat_params_param *params;
	int count;
	int64_t length; /* floats; each parameter starts at a multiple of 16 */
	float *values;  /* the graph's trainable parameters lie here */
	struct thaw_sharding shards;
	float *state[THAW_TAIL_STATES]; /* [thaw_sharding_own] */
};

/* Moves the trainable parameters of the graph into a new tail. The graph's parameters point into it
 * until another tail takes them. layer_decay: see thaw_train_options. Of `comm` it needs size and rank. */
thaw_status thaw_flat_params_create(struct thaw_flat_params **tail, struct thaw_graph *graph,
				    const struct thaw_optimizer *optimizer, double layer_decay,
				    const struct thaw_comm *comm);
/* NULL is fine. The graph must no longer be used, or another tail must have taken its parameters. */
void thaw_flat_params_destroy(struct thaw_flat_params *params);

/* gradient[i] of graph parameter i becomes its place in vector[length], NULL where frozen. */
void thaw_flat_params_bind(const struct thaw_flat_params *params, float *vector, float **gradient);

/* One optimizer step. */
struct thaw_update {
	float scale; /* of the gradient: 1 / images */
	double lr, weight_decay, momentum;
	int64_t t; /* from 1 */
};

/* Updates this rank's shard, or a part of it, with its summed gradient g[shard.count]. False when a gradient or a
 * weight was or became no finite number; the tail is then of no use any more. */
bool thaw_flat_params_update(struct thaw_flat_params *params, struct thaw_shard shard, const float *g,
			     const struct thaw_update *update);

#endif
