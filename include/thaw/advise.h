/* How much of a network to retrain for a dataset, and which network to take: measured, not guessed. */
#ifndef THAW_ADVISE_H
#define THAW_ADVISE_H

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/train.h"

THAW_BEGIN_DECLS

/* Strings belong to the caller. thaw_advise_defaults fills in the defaults that --help prints. */
struct thaw_advise_options {
	const char *model;   /* see thaw_model_load; a pretrained network */
	const char *data;    /* see thaw_dataset_open; its training images alone are looked at */
	const char *out;     /* folder for advice.json and plan.json, written by rank 0; NULL: nothing is written */
	const char *history; /* folder of runs that followed earlier advice; NULL: none */
	const char *budget;  /* what the training may take: "2h", "90m", "30 core-hours"; NULL: any */
	int ranks;           /* that the training will have; 0: as many as there are now */
	int lanes;           /* 0: 8, or the rank count if larger */
	int size;            /* side of the input in pixels; 0: the network's own */
	double test_share;   /* of a dataset without train/ and val/ */
	long long per_class; /* advise for a training on only so many images of each class; 0: all */
	long long seed;
	int decode_threads; /* per rank */
};

void thaw_advise_defaults(struct thaw_advise_options *o);

/* Looks at the data through the network, tries what is in doubt, and says what to unfreeze. *result (rank 0, a new
 * reference; NULL elsewhere): see docs/advice.md. What cannot be measured on this dataset is null there, with words
 * beside it; that is no failure. The same advice for one to four ranks, but for times; with more, pilots sum over more
 * lanes, and a step has an image for each rank. Collective. */
thaw_status thaw_advise(struct thaw_comm *comm, const struct thaw_advise_options *options,
			const struct thaw_callbacks *callbacks, json_t **result);

/* Which of these networks suits the dataset: LogME, H-score and a linear probe of what each makes of its training
 * images, beside what an image costs. Of `options`, model, history, budgets and ranks are not looked at. *result (rank
 * 0, a new reference; NULL elsewhere): data, images and damaged ones, classes, classes_of_one_image, and `networks`,
 * best first: model, network, pretrained, size, probe, error (of the probe), logme, h_score, leep or null, milliseconds
 * and mflop of an image, parameters, pareto (no better network is as cheap). THAW_CONFIG for one class, or one image of
 * each. Collective. */
thaw_status thaw_compare(struct thaw_comm *comm, const struct thaw_advise_options *options, const char *const *models,
			 int count, const struct thaw_callbacks *callbacks, json_t **result);

THAW_END_DECLS

#endif
