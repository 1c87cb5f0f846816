/* The evaluation of one network on one dataset, spread over lanes. */
#ifndef THAW_SRC_TRAIN_EVALUATION_H
#define THAW_SRC_TRAIN_EVALUATION_H

#include "src/train/batches.h"
#include "src/train/damage.h"
#include "src/train/features.h"
#include "src/train/metrics.h"
#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/executor.h"
#include "thaw/train.h"

#define THAW_EVAL_BATCH 16 /* images per forward pass; the bits of the result depend on it */

/* All members are borrowed. */
struct thaw_evaluation {
	struct thaw_comm *comm;
	struct thaw_executor *executor; /* of the tail, for inference on THAW_EVAL_BATCH images */
	const struct thaw_dataset *dataset;
	struct thaw_features *features;
	struct thaw_size size;              /* of the inputs */
	const struct thaw_own_sizes *sizes; /* of each image, instead of `size`; NULL or zeroed: none */
	int lanes;
	const struct thaw_measure *measure; /* of the dataset, open */
	struct thaw_damage *damage;         /* of the dataset */
	const struct thaw_callbacks *callbacks;
};

/* sums[thaw_metrics_size] over the whole dataset, the same on every rank. Damaged images are named on the log.
 * THAW_UNFINISHED on all ranks when one was asked to stop. Collective. */
thaw_status thaw_evaluation_run(const struct thaw_evaluation *e, double *sums);

#endif
