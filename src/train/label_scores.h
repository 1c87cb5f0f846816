/* The scores of all images of an evaluation, for metrics that need their order.
 *
 * Each rank keeps the scores of its own images. They are gathered on rank 0 one label at a time, so that it needs
 * memory for one score per image. */
#ifndef THAW_SRC_TRAIN_LABEL_SCORES_H
#define THAW_SRC_TRAIN_LABEL_SCORES_H

#include "src/train/metrics.h"
#include "thaw/comm.h"

struct thaw_label_scores {
	int classes, lanes, first_lane, end_lane; /* lanes of this rank: [first_lane, end_lane) */
	int64_t count;                            /* images of the dataset */
	int64_t most;                             /* images of the rank that has the most */
	float *logits;                            /* (images of this rank, classes), lane after lane; NaN: damaged */
};

thaw_status thaw_label_scores_open(struct thaw_label_scores *s, const struct thaw_dataset *dataset, int lanes,
				   const struct thaw_comm *comm);
void thaw_label_scores_close(struct thaw_label_scores *s); /* zeroed is fine */

/* Keeps the logits[classes] of a sample, which is in one of this rank's lanes. */
void thaw_label_scores_put(struct thaw_label_scores *s, int64_t sample, const float *logits);

/* Sets the thaw_label_sums of all labels, the same on all ranks. Collective. */
thaw_status thaw_label_scores_measure(const struct thaw_label_scores *s, struct thaw_comm *comm,
				      const struct thaw_measure *m, double *sums);

#endif
