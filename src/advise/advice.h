/* The state of thaw_advise, shared by its files. */
#ifndef THAW_SRC_ADVISE_ADVICE_H
#define THAW_SRC_ADVISE_ADVICE_H

#include <jansson.h>

#include "src/advise/budget.h"
#include "src/advise/choice.h"
#include "src/advise/image_cost.h"
#include "src/advise/similarity.h"
#include "thaw/advise.h"
#include "thaw/ledger.h"

#define SMALL_PER_CLASS  20  /* a dataset is small if the median class has fewer images */
#define SIMILAR_DISTANCE 0.5 /* a dataset is similar if its distance is below; docs/advice.md lists examples */

struct advice {
	struct thaw_comm *comm;
	const struct thaw_advise_options *options;
	const struct thaw_callbacks *callbacks;
	struct thaw_budget budget;
	int rank_count; /* of the training */

	int64_t images;              /* training images */
	int64_t least, median, most; /* images of the smallest, the median and the largest class */
	int single_image_classes;    /* classes with one image, which are not measured */
	char single_image_name[64];  /* the first of them */
	int64_t test_images;         /* evaluated after every epoch */
	uint64_t data_digest;
	json_t *found;               /* thaw_found_json of all splits */
	struct thaw_dataset limited; /* the sample of thaw_sample_open */
	struct thaw_dataset dataset; /* `limited` without single-image classes: what is measured */
	int measured_classes;        /* classes with two or more readable images */
	struct thaw_model *model;    /* as loaded */
	struct thaw_cut cut[THAW_MAX_CUTS];
	int cut_count;

	struct thaw_activations activations;
	struct thaw_image_cost image; /* of a forward pass */
	struct thaw_similarity similarity;
	bool has_leep;
	double leep;

	bool probed; /* the next three members are set */
	struct thaw_recipe recipe;
	struct thaw_curve curve[THAW_MAX_CUTS];
	struct thaw_pilots pilots; /* none if too few images could be held out */

	struct thaw_choice choice;
	bool has_history;
	struct thaw_calibration calibration;
	json_t *history; /* rank 0 only */
	int plan;        /* the advised cut; -1: none fits the budget, or nothing could be measured */

	double seconds, core_seconds; /* core_seconds: sum over ranks */
};

/* advice_data.c */

/* Opens the datasets and counts images and classes. Not collective. */
thaw_status thaw_advice_open_data(struct advice *a);
/* Recounts the measured classes without the images that turned out to be damaged. */
thaw_status thaw_advice_count_measured(struct advice *a);

/* advice_plan.c */

/* The training plan for a cut (thaw/training_plan.h). A new reference, NULL if out of memory. */
json_t *thaw_advice_plan_json(const struct advice *a, int cut);
/* Whether the training with this cut fits the budget. */
bool thaw_advice_plan_fits(const struct advice *a, int cut);
/* The best cut that fits the budget, -1 if none does. */
int thaw_advice_plan_choose(const struct advice *a);
/* The mpirun command that follows the plan, to be freed with thaw_free; NULL without a plan or if out of memory. */
char *thaw_advice_command(const struct advice *a);

/* advice_words.c: sentences on what could not be measured, and why. A new reference, NULL if out of memory. */
json_t *thaw_advice_words(const struct advice *a);

/* advice_json.c: the result of thaw_advise. A new reference, NULL if out of memory. */
json_t *thaw_advice_json(const struct advice *a);

#endif
