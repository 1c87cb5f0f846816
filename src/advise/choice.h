/* From what was measured to what to expect of each cut. */
#ifndef THAW_SRC_ADVISE_CHOICE_H
#define THAW_SRC_ADVISE_CHOICE_H

#include "src/advise/curve.h"
#include "src/advise/pilots.h"
#include "src/advise/prior.h"
#include "thaw/training_plan.h"

#define THAW_80_PERCENT 1.2816 /* standard errors to each side that hold a normal error four times in five */

/* The range of that half-width, within 0 to 1. */
struct thaw_expected thaw_expected_range(double accuracy, double half);

/* What is known when it is time to choose. */
struct thaw_evidence {
	int cut_count;
	const struct thaw_cut *cut;
	const struct thaw_curve *curve; /* [cut_count] */
	const struct thaw_pilots *pilots;
	struct thaw_prior prior;
};

struct thaw_choice {
	int rate[THAW_CUTS_MOST];                      /* the best of each cut */
	struct thaw_expected expected[THAW_CUTS_MOST]; /* with that */
	int best;                                      /* the cut */
};

/* The probe's error with all images: the share of wrong ones, pulled to one half by an image (Laplace), since none
 * wrong of few is not none. */
double thaw_base_error(const struct thaw_curve *head);

void thaw_choose(struct thaw_choice *choice, const struct thaw_evidence *evidence);

#endif
