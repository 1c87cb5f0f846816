/* Advice in the making: what the files of thaw_advise share. */
#ifndef THAW_SRC_ADVISE_ADVICE_H
#define THAW_SRC_ADVISE_ADVICE_H

#include <jansson.h>

#include "src/advise/budget.h"
#include "src/advise/choice.h"
#include "src/advise/cost.h"
#include "src/advise/similarity.h"
#include "thaw/advise.h"
#include "thaw/ledger.h"

#define SMALL_PER_CLASS  20  /* images of a class in the middle, below which a dataset counts as small */
#define SIMILAR_DISTANCE 0.5 /* below, as similar; see docs/advice.md for what datasets come to */

struct advice {
	struct thaw_comm *comm;
	const struct thaw_advise_options *options;
	const struct thaw_callbacks *callbacks;
	struct thaw_budget budget;

	int64_t images;              /* to train on */
	int64_t least, median, most; /* of the smallest, the middle and the largest class */
	int lonely;                  /* classes of one image, which are left out of all measurements */
	char lonely_name[64];        /* the first of them */
	int64_t test_images;         /* that every epoch will be evaluated on */
	uint64_t data_digest;
	struct thaw_dataset limited; /* what is looked at, lonely classes too */
	struct thaw_dataset dataset; /* what is measured: a part of it */
	int measured_classes;        /* with two images in it, or more, that can be read */
	struct thaw_model *model;    /* as it was loaded */
	struct thaw_cut cut[THAW_CUTS_MOST];
	int cut_count;

	struct thaw_taps taps;
	struct thaw_cost image; /* of showing the network one */
	struct thaw_similarity similarity;
	bool has_leep;
	double leep;

	bool probed; /* what follows is there */
	struct thaw_recipe recipe;
	struct thaw_curve curve[THAW_CUTS_MOST];
	struct thaw_pilots pilots; /* none where too few images could be held out */

	struct thaw_choice choice;
	bool has_history;
	struct thaw_calibration calibration;
	json_t *history; /* rank 0 */
	int plan;        /* the cut that is advised; -1: none fits the budget, or nothing could be measured */

	double seconds, core_seconds; /* core_seconds: of all ranks */
};

/* advice_plan.c: how many ranks the training will have. */
int advice_ranks(const struct advice *a);
/* What `thaw train --plan` follows, for a cut; what one is expected to reach. New reference, NULL
 * without memory. */
json_t *advice_plan_json(const struct advice *a, int cut);
bool advice_plan_fits(const struct advice *a, int cut);
/* The best cut that fits the budget, -1: none. */
int advice_plan_choose(const struct advice *a);
/* The mpirun line; NULL without a plan, or memory. The caller frees it with thaw_free. */
char *advice_command(const struct advice *a);

/* advice_words.c: sentences on what could not be measured, and why. New reference, NULL without memory. */
json_t *advice_words(const struct advice *a);

/* advice_json.c: the result of thaw_advise; NULL without memory. */
json_t *advice_json(const struct advice *a);

#endif
