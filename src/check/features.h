/* What a network's features say of the images: which labels are doubtful, and which images are unlike all others. */
#ifndef THAW_SRC_CHECK_FEATURES_H
#define THAW_SRC_CHECK_FEATURES_H

#include "src/advise/feature_table.h"
#include "thaw/check.h"
#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/model.h"

/* Scores of images by their features. NaN: not measured. */
struct thaw_feature_scores {
	float *label;       /* [images] probability of the label, of that and the most probable other class */
	int32_t *suggested; /* [images] that class */
	float *outlier;     /* [images] */
	double probe;       /* mean accuracy of the probes */
};

/* Loads the network of the options. Collective. */
thaw_status thaw_check_load_model(struct thaw_model **model, struct thaw_comm *comm,
				  const struct thaw_check_options *options);

/* Runs samples[count] of the dataset, the same on all ranks, through the network, and scores them in parts of some
 * thousand images. *scores: on rank 0, arrays by position in the dataset; the caller releases them. Collective. */
thaw_status thaw_feature_scores_measure(struct thaw_feature_scores *scores, struct thaw_comm *comm,
					const struct thaw_model *model, const struct thaw_dataset *dataset,
					const int64_t *samples, int64_t count, int decode_threads,
					const struct thaw_callbacks *callbacks);
void thaw_feature_scores_release(struct thaw_feature_scores *scores); /* zeroed is fine */

/* Scores labels by confident learning (Northcutt, Jiang and Chuang 2021). probability (count,classes): of each image,
 * from a classifier that has not seen it. A label is flagged if another class is more probable, and at least half
 * as probable as that class is on average for its own images. Writes score[count] and suggested[count]. */
thaw_status thaw_label_scores(const float *probability, const int32_t *labels, int64_t count, int classes, float *score,
			      int32_t *suggested);

/* Scores how unlike other images an image is: the mean distance, in angles of the features, to its nearest neighbours,
 * in relation to what is usual in the table. Writes score[count]. */
thaw_status thaw_outlier_scores(const struct thaw_feature_table *t, float *score);

#endif
