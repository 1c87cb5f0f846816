/* LEEP: the joint distribution of labels and source classes, P(y,z) = mean over images of [y_i = y] p_iz, gives P(y|z);
 * the score is the mean over images of log(sum over z of P(y_i|z) p_iz). */
#include <inttypes.h>
#include <math.h>

#include "src/advise/scores.h"
#include "src/base/try.h"
#include "thaw/memory.h"

#define ROUNDING 1e-3 /* tolerance of the sum of the probabilities of an image */

static thaw_status check_distributions(const struct thaw_feature_table *t)
{
	for (int64_t i = 0; i < t->count; i++) {
		double sum = 0.0, least = 0.0;
		for (int64_t z = 0; z < t->width; z++) {
			sum += t->features[i * t->width + z];
			least = fmin(least, t->features[i * t->width + z]);
		}
		if (least < 0.0 || fabs(sum - 1.0) > ROUNDING)
			return thaw_fail(THAW_CONFIG,
					 "not probabilities: the %" PRId64 " features of image %" PRId64
					 ", with sum %g: LEEP needs the output of a softmax",
					 t->width, i, sum);
	}
	return THAW_OK;
}

/* Fills joint (classes,width) with P(y|z); 0 for source classes without probability in any image. */
static void find_conditional(const struct thaw_feature_table *t, double *joint, double *marginal)
{
	for (int64_t i = 0; i < t->count; i++)
		for (int64_t z = 0; z < t->width; z++) {
			joint[t->labels[i] * t->width + z] += t->features[i * t->width + z];
			marginal[z] += t->features[i * t->width + z];
		}
	for (int c = 0; c < t->classes; c++)
		for (int64_t z = 0; z < t->width; z++)
			if (marginal[z] > 0.0)
				joint[c * t->width + z] /= marginal[z];
}

static double mean_log_likelihood(const struct thaw_feature_table *t, const double *conditional)
{
	double sum = 0.0;
	for (int64_t i = 0; i < t->count; i++) {
		double likelihood = 0.0;
		for (int64_t z = 0; z < t->width; z++)
			likelihood += conditional[t->labels[i] * t->width + z] * t->features[i * t->width + z];
		sum += log(likelihood);
	}
	return sum / (double)t->count;
}

thaw_status thaw_leep(const struct thaw_feature_table *t, double *score)
{
	THAW_TRY(thaw_feature_table_check(t));
	THAW_TRY(check_distributions(t));
	double *joint = thaw_alloc((size_t)(t->classes * t->width), sizeof(*joint));
	double *marginal = thaw_alloc((size_t)t->width, sizeof(*marginal));
	thaw_status status = THAW_RESOURCE;
	if (joint && marginal) {
		find_conditional(t, joint, marginal);
		*score = mean_log_likelihood(t, joint);
		status = THAW_OK;
	}
	thaw_free(joint);
	thaw_free(marginal);
	return status;
}
