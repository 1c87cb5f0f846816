/* Transferability scores: estimates, without training, of how well a pretrained network suits a dataset; higher is
 * better. A score depends on the table only. Scores of networks on the same images can be compared, but not different
 * scores or scores of different datasets.
 *
 * All return the errors of thaw_feature_table_check; otherwise the score is finite. Classes without images are
 * ignored. */
#ifndef THAW_SRC_ADVISE_SCORES_H
#define THAW_SRC_ADVISE_SCORES_H

#include "src/advise/feature_table.h"

/* LogME (You et al., arXiv 2102.11005): log evidence per image of a Bayesian linear model of each class against the
 * rest, averaged over classes. */
thaw_status thaw_logme(const struct thaw_feature_table *t, double *score);

/* H-score (Bao et al. 2019): variance between classes relative to the covariance of the features, which is shrunk
 * (Ibrahim et al., arXiv 2110.06893) so that the score is meaningful with fewer images than features. 0 .. classes - 1.
 */
thaw_status thaw_h_score(const struct thaw_feature_table *t, double *score);

/* LEEP (Nguyen et al., arXiv 2002.12462): mean log-likelihood of the labels when predicted from the class probabilities
 * of the network's own classifier, which are the features of the table: (count, source classes). At most 0. THAW_CONFIG
 * if a row is not a distribution. */
thaw_status thaw_leep(const struct thaw_feature_table *t, double *score);

#endif
