/* Fine-tuning and evaluation on all ranks of a job. */
#ifndef THAW_TRAIN_H
#define THAW_TRAIN_H

#include <stdbool.h>

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/model.h"

THAW_BEGIN_DECLS

/* What a run is. Strings belong to the caller. Every field is a flag of `thaw train` of the same name with
 * dashes; thaw_train_defaults fills in the defaults that --help prints. */
struct thaw_train_options {
	const char *model;     /* see thaw_model_load */
	const char *data;      /* see thaw_dataset_open */
	const char *out;       /* the run directory */
	const char *plan;      /* whose prediction a new run keeps (thaw/training_plan.h): nothing else is taken from
				* it here; NULL: none */
	const char *unfreeze;  /* see thaw_graph_unfreeze */
	const char *optimizer; /* "sgd" | "adamw" */
	const char *bn;        /* "frozen" | "lane"; NULL: frozen when pretrained, else lane */
	const char *resume;    /* "auto" | "never" */
	int epochs;            /* passes over the training images, after head_epochs */
	int head_epochs;       /* passes that train the classifier alone first */
	int lanes;             /* 0: as the run in `out` has, else 8 or the rank count, whichever is larger */
	int batch;             /* images per step over all lanes, at least one per lane; 0: 32, or 4 per lane */
	int size;              /* side of the input in pixels; 0: the network's own */
	double lr;             /* peak learning rate; 0: the optimizer's default */
	double head_lr;        /* of the head epochs; 0: as lr */
	double momentum;       /* sgd */
	double weight_decay;   /* of weights; biases and norms are spared; < 0: the optimizer's default */
	double layer_decay;    /* each block further from the classifier learns at this factor of the one after it */
	double warmup;         /* share of the steps in which the rate rises from 0 */
	double label_smoothing;
	double dropout;      /* rate of the network's dropout layers; < 0: as it was trained */
	double scale_min;    /* augmentation: smallest share of the area a crop takes; 1: no crop */
	double flip;         /* augmentation: probability of a mirror image */
	double jitter;       /* augmentation: strength of colour changes */
	int views;           /* augmented views of an image that come in turn, epoch by epoch, the first of them
			      * the image as evaluated; 0: a new view in every epoch */
	int pad_crop;        /* augmentation: instead of scaled crops, pad by so many pixels and crop */
	double test_share;   /* of a dataset without train/ and val/: share held out */
	long long per_class; /* use only so many training images of each class; 0: all */
	long long seed;
	int eval_every;             /* epochs between evaluations; the last epoch always is evaluated */
	long long checkpoint_steps; /* a checkpoint every so many steps; 0: not by steps */
	double checkpoint_seconds;  /* a checkpoint every so many seconds; 0: not by time */
	int keep;                   /* newest checkpoints that stay */
	int decode_threads;         /* per rank */
	const char *cache;          /* room for features that are kept: "auto" | "off" | bytes per rank, as "4G" */
	const char *cache_dir;      /* folder of files for them, found again by a later start; NULL: memory */
	const char *cache_dtype;    /* "f32" | "f16": as which features are kept */
	bool mixed_machines;        /* ranks may have different BLAS kernels; bits then depend on the placement */
};

void thaw_train_defaults(struct thaw_train_options *o);

/* How a run goes, for a progress bar. Passed on rank 0 only. */
struct thaw_train_progress {
	const char *phase;        /* "head", "train", "eval" */
	int epoch, epochs;        /* counted from 1 */
	int64_t step, steps;      /* of the whole run */
	double loss, accuracy;    /* of this epoch's training images so far */
	double images_per_second; /* of all ranks, over the last seconds */
	double seconds_left;      /* estimate for the whole run */
};

struct thaw_callbacks {
	void *context;
	void (*progress)(void *context, const struct thaw_train_progress *p);
	void (*log)(void *context, const char *line); /* things a person should know; no newline */
	bool (*stop)(void *context);                  /* true once the job has been asked to end; any rank */
};

/* Starts the run, continues it, or finds it done. Collective. THAW_UNFINISHED when it was asked to
 * stop and saved its state. `callbacks` members may be NULL. *result receives the summary (new reference, on
 * rank 0; NULL elsewhere): status, steps, top1, top5, loss, per_class, seconds, ... */
thaw_status thaw_train(struct thaw_comm *comm, const struct thaw_train_options *options,
		       const struct thaw_callbacks *callbacks, json_t **result);

/* What a trial came to; the same on all ranks. */
struct thaw_trial {
	bool diverged;        /* the learning rate is too high for the network: all but `steps` is 0 */
	double top1, loss;    /* of the test images */
	int64_t images;       /* test images that counted */
	int64_t steps;        /* the head's included; where it diverged, those before */
	double train_seconds; /* of the slowest rank, for the steps of the last phase: not the head's where others
				 follow */
	size_t bytes;         /* of the largest rank's buffers in that phase: plans, gradients and optimizer */
};

/* A classifier to begin with: weight (classes,width), bias [classes]. */
struct thaw_classifier {
	int64_t width;
	const float *weight, *bias;
};

/* Trains on one dataset and evaluates on another, both opened by the caller and of the same classes, for the numbers
 * alone: no run directory, nothing is saved. options: `data` and `out` are not looked at. classifier: NULL for fresh
 * weights. Collective; THAW_UNFINISHED when a callback asks to stop. */
thaw_status thaw_train_trial(struct thaw_comm *comm, const struct thaw_train_options *options,
			     const struct thaw_dataset *train, const struct thaw_dataset *test,
			     const struct thaw_classifier *classifier, const struct thaw_callbacks *callbacks,
			     struct thaw_trial *trial);

/* Exact metrics of a model over a dataset split across lanes: each image counts once. Collective.
 * size 0: the network's own. *result (all ranks): images, top1, top5, loss, damaged, per_class. */
thaw_status thaw_evaluate(struct thaw_comm *comm, const struct thaw_model *model, const struct thaw_dataset *dataset,
			  int lanes, int size, int decode_threads, const struct thaw_callbacks *callbacks,
			  json_t **result);

/* Optimizers: one line each in the table of src/train/optimizer.c. */
struct thaw_optimizer {
	const char *name;
	const char *const *state_names; /* NULL-ended; one vector of the parameters' length each */
	double default_lr, default_weight_decay;
	/* Updates w[n] from g[n]; state[] are the vectors at the same place; t counts steps from 1. */
	void (*update)(float *w, const float *g, float *const *state, int64_t n, double lr, double weight_decay,
		       double momentum, int64_t t);
};

const struct thaw_optimizer *thaw_optimizer_find(const char *name); /* NULL: unknown */

/* Learning rate factor in 0..1 of step `step` (from 0) of `steps`: linear warm-up over
 * ceil(warmup * steps) steps, then half a cosine to 0. */
double thaw_schedule(int64_t step, int64_t steps, double warmup);

THAW_END_DECLS

#endif
