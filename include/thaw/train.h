/* Fine-tuning and evaluation on all ranks of a job. */
#ifndef THAW_TRAIN_H
#define THAW_TRAIN_H

#include <stdbool.h>

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/dtype.h"
#include "thaw/model.h"

THAW_BEGIN_DECLS

/* Batch norm of the part that trains. */
enum thaw_bn_mode {
	THAW_BN_AUTO,   /* frozen for a pretrained network, else lane */
	THAW_BN_FROZEN, /* normalise with the stored statistics; scale and shift train */
	THAW_BN_LANE,   /* normalise with the statistics of each lane's batch, and update the moving statistics */
};
const char *thaw_bn_name(enum thaw_bn_mode mode); /* "auto", "frozen" or "lane" */

/* What to do with a run directory that holds a run. */
enum thaw_resume_mode {
	THAW_RESUME_AUTO,  /* continue it */
	THAW_RESUME_NEVER, /* refuse with THAW_CONFIG */
};

/* The options of a run. Strings belong to the caller and must live as long as the run. Each field is the flag of
 * `thaw train` with the same name (with dashes), except that checkpoint_steps and checkpoint_seconds are both
 * --checkpoint-every. Initialise with thaw_train_defaults. */
struct thaw_train_options {
	/* --mean, --std, --crop and --interpolation; all zero: the preprocessing is the network's own */
	struct thaw_preprocess_override images;
	const char *model;                     /* see thaw_model_load */
	const char *weights_key;               /* see thaw_model_load_key; NULL: any */
	const char *data;                      /* see thaw_dataset_open; NULL with a manifest: the folder of that */
	struct thaw_manifest_options manifest; /* --manifest, --label-column, --task and others */
	struct thaw_parts_options parts;       /* --folds, --fold, --group-by */
	const char *out;                       /* the run directory */
	const char *exclude;                   /* list of images that are left out (thaw/exclude.h); NULL: none */
	const char *plan;      /* plan file whose prediction a new run records (thaw/training_plan.h); its flags are
				* ignored here; NULL: none */
	const char *unfreeze;  /* see thaw_graph_unfreeze */
	const char *tune;      /* see thaw_tune_read */
	const char *optimizer; /* see thaw_optimizer_find */
	enum thaw_bn_mode bn;
	enum thaw_precision precision;
	enum thaw_resume_mode resume;
	int epochs;            /* passes over the training images, after head_epochs */
	int head_epochs;       /* passes that train only the classifier, before epochs */
	const char *recompute; /* blocks of the tail to compute again in the backward pass: "off", "auto" (so many that
				* its values take at most half of the free memory), or bytes per rank such as "4G" */
	int lanes;             /* 0: those of the run in `out`, else 8 or the rank count, whichever is larger */
	int batch; /* images per step over all lanes, at least one per lane; 0: 32, or 4 per lane if larger */
	/* Input size of the training: "224", "224x288" (height x width), "160-288" (one per step and lane), "128:224"
	 * (growing from the first epoch to the last) or "native" (each image's own); NULL: the network's own. */
	const char *size;
	const char *eval_size; /* of evaluations and of the trained network: a side or HxW; NULL: follows from `size` */
	int max_size;          /* limit of native sides; 0: twice the network's own */
	int fixres; /* epochs at the end that train classifier and last norms on images prepared as for evaluation */
	bool fully_conv;        /* fully connected layers run as convolutions: see thaw_model_make_fully_conv */
	double lr;              /* peak learning rate; 0: the optimizer's default */
	double head_lr;         /* peak learning rate of the head epochs; 0: as lr */
	double momentum;        /* sgd only */
	double weight_decay;    /* of weights, not of biases and norms; < 0: the optimizer's default */
	double layer_decay;     /* factor of the learning rate per block away from the classifier */
	double warmup;          /* fraction of the steps in which the learning rate rises from 0 */
	double label_smoothing; /* fraction of the target spread over all classes */
	const char *loss; /* "cross-entropy", "focal[:GAMMA]", "mse" or "huber[:DELTA]", as far as the task of the data
			   * has it; NULL: the task's own */
	const char *class_weights; /* "none", "balanced", numbers separated by commas in the order of the classes, or
				    * the path of a JSON object of them; NULL: none */
	const char *sampling;      /* "uniform": each image once per epoch, or "balanced": classes alike */
	double dropout;            /* rate of the network's dropout layers; < 0: the network's own */
	double scale_min;          /* augmentation: smallest fraction of the area that a crop takes; 1: no crop */
	double flip;               /* augmentation: probability of a horizontal flip */
	double jitter;             /* augmentation: strength of colour changes */
	int views;           /* number of fixed views of an image, used in turn epoch by epoch; the first is the one
			      * that evaluation uses; 0: a new view in every epoch */
	int pad_crop;        /* augmentation: pad by so many pixels and crop, instead of scaled crops; 0: off */
	double test_share;   /* fraction held out for testing if the dataset has no test images */
	long long per_class; /* training images of each class to use; 0: all */
	double max_damaged;  /* fraction of the images of a split that may be damaged or unreadable; more stop the run;
			      * < 0: a tenth, but at least 10 images */
	long long seed;
	int eval_every;              /* epochs between evaluations; the last epoch is always evaluated */
	long long checkpoint_steps;  /* steps between checkpoints; 0: none by steps */
	double checkpoint_seconds;   /* seconds between checkpoints; 0: none by time */
	int keep;                    /* number of newest checkpoints to keep; the best is kept in addition */
	int decode_threads;          /* per rank */
	const char *cache;           /* size of the feature cache: "auto", "off", or bytes per rank such as "4G" */
	const char *cache_dir;       /* directory for the cache, reused by later starts; NULL: memory */
	enum thaw_dtype cache_dtype; /* THAW_F32, or THAW_F16 in half the space */
	const char *origin;          /* a run directory: begin with the network that this run began with, instead of
				      * `model`, `weights_key`, `size` and `images`; NULL: none */
	int64_t last_step;           /* save and end with THAW_UNFINISHED after so many steps of the run; 0: go on */
	const char *stage;           /* folder for copies of tar shards on each node (thaw/stage.h); NULL: none */
	const char *stage_limit;     /* bytes that they may take, such as "200G"; NULL: nine tenths of the free space */
	bool mixed_machines;         /* allow ranks with different BLAS kernels; bits then depend on the placement */
};

void thaw_train_defaults(struct thaw_train_options *o);

/* Progress of a run; reported on rank 0 only. */
struct thaw_train_progress {
	const char *phase;        /* "head", "train" or "fixres" */
	int epoch, epochs;        /* of the phase, counted from 1 */
	int64_t step, steps;      /* of the whole run */
	double loss, accuracy;    /* means over this epoch's training images so far; the accuracy of numbers is NaN */
	double images_per_second; /* of all ranks, since this start */
	double seconds_left;      /* estimate for the whole run */
};

/* Any member may be NULL. */
struct thaw_callbacks {
	void *context;
	void (*progress)(void *context, const struct thaw_train_progress *p);
	void (*log)(void *context, const char *line); /* a message for the user, without newline; rank 0 only */
	bool (*stop)(void *context); /* returns true once the job should stop; called on every rank, very often */
	/* Called once on every rank, directly before the first step: until then nothing would be lost if the process
	 * were ended, from then on `stop` makes it save. */
	void (*begin)(void *context);
	/* Called on every rank: how long a checkpoint takes at most. An estimate before the first one. */
	void (*save_cost)(void *context, double seconds);
};

/* thaw_dataset_open on all ranks of a job, which list the folders of images together: each class folder is listed by
 * one rank. The dataset is the same as without other ranks. All ranks fail, or none. Collective. */
thaw_status thaw_dataset_open_together(struct thaw_comm *comm, struct thaw_dataset *d, const char *path,
				       enum thaw_split split, const struct thaw_dataset_options *options);

/* Starts the run in options->out, continues it, or finds it done. `callbacks` may be NULL. *result receives the summary
 * on rank 0 (a new reference; NULL on other ranks): status, steps, top1, top5, loss, per_class, seconds, ..., or the
 * metrics of another task (docs/datasets.md); `split`
 * and `images_from` say which images top1 is of: test/ if the dataset has it, else what epochs were evaluated on.
 * THAW_UNFINISHED when the run was asked to stop and saved its state. Collective. */
thaw_status thaw_train(struct thaw_comm *comm, const struct thaw_train_options *options,
		       const struct thaw_callbacks *callbacks, json_t **result);

/* The result of a trial, the same on all ranks. */
struct thaw_trial {
	bool diverged;        /* the learning rate is too high; all other members but `steps` are 0 */
	double top1, loss;    /* means over the test images; top1 is 0 for other tasks than one class per image */
	double metric;        /* the task's main metric: top1, map, kappa or r2 */
	int64_t images;       /* test images that were evaluated */
	int64_t steps;        /* with those of the head epochs; if diverged, those done before */
	double train_seconds; /* of the slowest rank, for the steps of the last phase only */
	size_t bytes;         /* buffers of the last phase on the largest rank: executors, gradients, optimizer state */
};

/* Initial weights of a classifier: weight (classes,width), bias [classes]. */
struct thaw_classifier {
	int64_t width;
	const float *weight, *bias;
};

/* Trains on one dataset and evaluates on another, without a run directory: nothing is saved. Both datasets stay the
 * caller's and must have the same classes. options: `data` and `out` are ignored. classifier: NULL for the network's
 * own. THAW_UNFINISHED when a callback asks to stop. Collective. */
thaw_status thaw_train_trial(struct thaw_comm *comm, const struct thaw_train_options *options,
			     const struct thaw_dataset *train, const struct thaw_dataset *test,
			     const struct thaw_classifier *classifier, const struct thaw_callbacks *callbacks,
			     struct thaw_trial *trial);

/* Evaluates a model on a dataset spread over `lanes` lanes; each image counts once. Images have the size that the
 * model's preprocessing says. max_damaged: as in struct thaw_train_options. *result (a new reference on every rank):
 * images, top1, top5, balanced_accuracy, macro_f1, loss, damaged, per_class, or the metrics of another task
 * (docs/datasets.md). THAW_CONFIG when model and dataset differ in their task or number of classes, THAW_DATA when no
 * image can be read or more images are damaged than may be, THAW_UNFINISHED when a rank is asked to stop. Collective.
 */
thaw_status thaw_evaluate(struct thaw_comm *comm, const struct thaw_model *model, const struct thaw_dataset *dataset,
			  int lanes, int decode_threads, double max_damaged, const struct thaw_callbacks *callbacks,
			  json_t **result);

/* What a run directory says about its data. */
struct thaw_run_record {
	bool found;
	enum thaw_precision precision;       /* with which it was trained */
	struct thaw_dataset_options options; /* with which the run opened its dataset; with the two lists below */
	uint64_t data;                       /* digest of its training images (thaw_dataset_digest) */
	struct thaw_image_names images;      /* the image files that it began with, if it has such a list */
	json_t *config;                      /* has the texts in `options`; `options.manifest.file` is not recorded */
	uint64_t manifest;                   /* digest of the manifest; 0: none */
	struct thaw_exclude exclude;         /* those that it left out; `options.exclude` is this, or NULL */
};

/* Reads the record of the run directory `model`, or of the one that the file `model` is in. record->found is false if
 * there is none. On success the caller releases it with thaw_run_record_close, and does not move it. */
thaw_status thaw_run_record_read(struct thaw_run_record *record, const char *model);
void thaw_run_record_close(struct thaw_run_record *record);

/* The model card of a network, in Markdown with the header of the Hub: how `library` ("timm" or "transformers") loads
 * it, preprocessing, digests, and if `run` is a run directory its data, recipe and, as_trained, its accuracy.
 * as_trained: the model is the run's trained network with its preprocessing. *card is from thaw_alloc. Returns the
 * errors of thaw_run_record_read and thaw_run_result_read. */
thaw_status thaw_run_model_card(char **card, const struct thaw_model *model, const char *library, const char *run,
				bool as_trained);

/* Loads the network of a run directory, done or not. from: "best", "last" or "step-N". *step receives the step of the
 * checkpoint, or the last one of the run for its trained network. THAW_USAGE if `from` has another form or `directory`
 * is not a folder, THAW_IO if there is no such checkpoint. The caller destroys *model. */
thaw_status thaw_run_model_load(struct thaw_model **model, int64_t *step, const char *directory, const char *from);

/* Writes the adapters of a run directory (--tune lora:R) to the folder `to`, which is created, as PEFT reads them:
 * see thaw_model_save_adapters. from: as above. THAW_CONFIG if the run has no adapters, and the errors of
 * thaw_run_model_load. Not collective. */
thaw_status thaw_run_save_adapters(const char *directory, const char *from, const char *to);

/* An optimizer; src/train/optimizer.c has the table of them. */
struct thaw_optimizer {
	const char *name;
	const char *const *state_names; /* NULL-terminated; one state vector each, as long as the parameters */
	double default_lr, default_weight_decay;
	/* Updates w[n] with the gradients g[n]. state[]: the same range of each state vector. t: step, from 1. */
	void (*update)(float *w, const float *g, float *const *state, int64_t n, double lr, double weight_decay,
		       double momentum, int64_t t);
};

const struct thaw_optimizer *thaw_optimizer_find(const char *name); /* "sgd" or "adamw"; NULL: unknown */

/* The factor in 0..1 of the peak learning rate at step `step` (from 0) of `steps`: linear warm-up over
 * ceil(warmup * steps) steps, then half a cosine to 0. */
double thaw_schedule(int64_t step, int64_t steps, double warmup);

THAW_END_DECLS

#endif
