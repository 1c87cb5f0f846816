/* Advice from measurements: how much of a network to retrain for a dataset, and which network to choose. */
#ifndef THAW_ADVISE_H
#define THAW_ADVISE_H

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/train.h"

THAW_BEGIN_DECLS

/* Strings are owned by the caller. thaw_advise_defaults sets the defaults that --help prints. */
struct thaw_advise_options {
	/* --mean, --std, --crop and --interpolation; all zero: the preprocessing is the network's own */
	struct thaw_preprocess_override images;
	const char *model;                     /* a pretrained network, see thaw_model_load */
	const char *weights_key;               /* see thaw_model_load_key; NULL: any */
	const char *data;                      /* see thaw_dataset_open; only its training images are read */
	struct thaw_manifest_options manifest; /* --manifest, --label-column, --task and others */
	struct thaw_parts_options parts;       /* --folds, --fold, --group-by */
	const char *exclude;                   /* list of images that are left out (thaw/exclude.h); NULL: none */
	const char *out;     /* folder for advice.json and plan.json, written by rank 0; NULL: no files */
	const char *history; /* folder of runs that followed earlier advice; NULL: none */
	const char *budget;  /* limit for the training: "2h", "90m", "30 core-hours"; NULL: none */
	enum thaw_precision precision;
	int ranks;             /* of the training; 0: as many as in `comm` */
	int lanes;             /* 0: 8, or the rank count if larger */
	struct thaw_size size; /* of the input in pixels; 0: the network's default */
	double test_share;     /* fraction of the images to test on, for a dataset without train/ and val/ */
	long long per_class;   /* the training uses at most this many images of each class; 0: all */
	long long seed;
	int decode_threads; /* per rank */
};

void thaw_advise_defaults(struct thaw_advise_options *o);

/* Measures the features of the network on the dataset, runs short pilot trainings, and advises what to unfreeze.
 * *result: rank 0 receives a new reference, other ranks NULL; its members are described in docs/advice.md. Quantities
 * that cannot be measured on this dataset are null, explained by a sentence in "words"; this is not an error. Apart
 * from times, the advice is the same for one to four ranks; with more, pilots use as many lanes as ranks and a batch
 * has at least one image per rank. Collective. */
thaw_status thaw_advise(struct thaw_comm *comm, const struct thaw_advise_options *options,
			const struct thaw_callbacks *callbacks, json_t **result);

/* Compares networks, models[count], on the dataset: LogME, H-score and a linear probe of each network's features of the
 * training images, and the cost per image. Options model, out, history, budget and ranks are ignored. *result: rank 0
 * receives a new reference, other ranks NULL: data, images (read), damaged, classes, classes_of_one_image,
 * found (thaw_found_json), and `networks`, best first: model, network, pretrained, size, probe (accuracy), error
 * (standard error of it), logme, h_score, leep or null, milliseconds and mflop per image, parameters, pareto (no better
 * network is as cheap). THAW_CONFIG if there is only one class, or one image of each class. Collective. */
thaw_status thaw_compare(struct thaw_comm *comm, const struct thaw_advise_options *options, const char *const *models,
			 int count, const struct thaw_callbacks *callbacks, json_t **result);

THAW_END_DECLS

#endif
