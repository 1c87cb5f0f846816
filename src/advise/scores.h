/* How well a pretrained network suits a dataset, guessed without training: the higher, the better. Each score is a
 * function of the table alone, comparable between networks on the same images, not between datasets or scores.
 *
 * All fail as thaw_feature_table_check does, and else give a finite number. Classes without images say nothing. */
#ifndef THAW_SRC_ADVISE_SCORES_H
#define THAW_SRC_ADVISE_SCORES_H

#include "src/advise/table.h"

/* LogME (You et al., arXiv 2102.11005): the logarithm of the evidence, per image, of a Bayesian linear model from the
 * features to each class against the rest; the mean over classes. */
thaw_status thaw_logme(const struct thaw_feature_table *t, double *score);

/* H-score (Bao et al. 2019), the variance between classes in units of the features' covariance, which is shrunk
 * (Ibrahim et al., arXiv 2110.06893), so that it means something where there are fewer images than features. 0 ..
 * classes - 1. */
thaw_status thaw_h_score(const struct thaw_feature_table *t, double *score);

/* LEEP (Nguyen et al., arXiv 2002.12462): the features are the probabilities of the classes that the network was
 * trained for, (count, source classes), from its own head. The mean log-likelihood of the labels when they are guessed
 * from these; at most 0. THAW_CONFIG where a row is not a distribution. */
thaw_status thaw_leep(const struct thaw_feature_table *t, double *score);

#endif
