/* Linear probes: a ridge regression from features to classes, solved in closed form, its regularisation chosen by the
 * images left out one at a time. How well it tells classes apart is what the features know of them. */
#ifndef THAW_SRC_ADVISE_PROBE_H
#define THAW_SRC_ADVISE_PROBE_H

#include "src/advise/table.h"

struct thaw_probe {
	int64_t width;
	int classes;
	float *weight;   /* (classes,width): with the bias, logits whose softmax fits the images left out best */
	float *bias;     /* [classes] */
	double accuracy; /* share of the images that the probe of all others gets right */
	double loss;     /* their mean cross-entropy */
};

/* Of a table that thaw_feature_table_check accepts, with at least two images. Time of order
 * min(count,width)^2 * (count + width). */
thaw_status thaw_probe_fit(struct thaw_probe *probe, const struct thaw_feature_table *t);
void thaw_probe_release(struct thaw_probe *probe); /* zeroed is fine */

/* On other images: the share that the probe gets right, and their mean cross-entropy. */
thaw_status thaw_probe_judge(const struct thaw_probe *probe, const struct thaw_feature_table *t, double *accuracy,
			     double *loss);

#endif
