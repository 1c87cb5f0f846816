/* Pilot runs: short fine-tunings of a few cuts and learning rates, judged on training images held out. */
#ifndef THAW_SRC_ADVISE_PILOTS_H
#define THAW_SRC_ADVISE_PILOTS_H

#include "src/advise/prior.h"
#include "src/advise/recipe.h"
#include "src/advise/taps.h"

#define THAW_PILOTS_MOST 4 /* the probe, two cuts, one at a lower rate */

struct thaw_pilot {
	int cut, rate; /* numbers of both */
	int epochs;
	bool kept; /* the better one of the first round */
	struct thaw_trial trial;
};

struct thaw_pilots {
	int count;
	struct thaw_pilot
		pilot[THAW_PILOTS_MOST];   /* the first is what all begin with: the probe as classifier, 0 epochs */
	int64_t train_images, test_images; /* that they learnt from, and were judged on */
};

/* What pilots need. The first cut is the classifier's. */
struct thaw_pilot_parts {
	struct thaw_comm *comm;
	const struct thaw_train_options *options; /* what all runs have in common: model, size, seed, ... */
	const struct thaw_dataset *dataset;       /* the one that `taps` were collected from */
	const struct thaw_taps *taps;
	const struct thaw_cut *cut;
	const struct thaw_callbacks *callbacks;
	struct thaw_prior prior;
	struct thaw_recipe recipe; /* of the whole training, of which pilots are a part */
};

/* Collective; the same numbers, but for times, on up to four ranks: on more, sums run over as many lanes as ranks. */
thaw_status thaw_pilots_run(struct thaw_pilots *pilots, const struct thaw_pilot_parts *parts);

#endif
