/* Linear probes: ridge regression from features to classes, in closed form, with the regularisation chosen by
 * leave-one-out cross-validation. The accuracy measures how well the features separate the classes. */
#ifndef THAW_SRC_ADVISE_PROBE_H
#define THAW_SRC_ADVISE_PROBE_H

#include "src/advise/feature_table.h"

struct thaw_probe {
	int64_t width;
	int classes;
	float *weight;   /* (classes,width); scaled so that the softmax of the logits fits the left-out images best */
	float *bias;     /* [classes] */
	double accuracy; /* leave-one-out accuracy */
	double loss;     /* leave-one-out mean cross-entropy */
};

/* Fits a probe to a table with at least two images; the caller releases it. Takes O(min(count,width)^2 (count + width))
 * time. Errors of thaw_feature_table_check, or THAW_CONFIG if the table is too small or too large. */
thaw_status thaw_probe_fit(struct thaw_probe *probe, const struct thaw_feature_table *t);
/* The same, and writes to probability (count,classes) of each image what the probe of all other images says of it;
 * NULL: not. */
thaw_status thaw_probe_fit_left_out(struct thaw_probe *probe, const struct thaw_feature_table *t, float *probability);
void thaw_probe_release(struct thaw_probe *probe); /* zeroed is fine */

/* Accuracy and mean cross-entropy of the probe on other images. */
thaw_status thaw_probe_evaluate(const struct thaw_probe *probe, const struct thaw_feature_table *t, double *accuracy,
				double *loss);

#endif
