/* Predicts the accuracy of each cut from the measurements and chooses the best. */
#ifndef THAW_SRC_ADVISE_CHOICE_H
#define THAW_SRC_ADVISE_CHOICE_H

#include "src/advise/curve.h"
#include "src/advise/pilots.h"
#include "src/advise/prior.h"
#include "thaw/training_plan.h"

#define THAW_80_PERCENT 1.2816 /* half-width of the 80 % interval of a normal distribution, in standard deviations */

/* The range accuracy +- half, clamped to 0..1. */
struct thaw_expected thaw_expected_range(double accuracy, double half);

/* The measurements. */
struct thaw_evidence {
	int cut_count;
	const struct thaw_cut *cut;
	const struct thaw_curve *curve; /* [cut_count] */
	const struct thaw_pilots *pilots;
	struct thaw_prior prior;
};

struct thaw_choice {
	int rate[THAW_MAX_CUTS];                      /* number of the best learning rate for each cut */
	struct thaw_expected expected[THAW_MAX_CUTS]; /* accuracy with that rate */
	int best;                                     /* the best cut */
};

/* The error rate of the probe with all images, with Laplace smoothing by one image, since no errors on few images do
 * not mean an error rate of 0. */
double thaw_base_error(const struct thaw_curve *head);

void thaw_choose(struct thaw_choice *choice, const struct thaw_evidence *evidence);

#endif
