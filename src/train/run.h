/* A run in progress: what the files of the training loop share. */
#ifndef THAW_SRC_TRAIN_RUN_H
#define THAW_SRC_TRAIN_RUN_H

#include "src/train/flat_params.h"
#include "src/train/metrics.h"
#include "src/train/node_weights.h"
#include "src/train/overlap.h"
#include "thaw/allreduce.h"
#include "thaw/checkpoint.h"
#include "thaw/lanes.h"
#include "thaw/shards.h"
#include "thaw/train.h"

/* Numbers that travel with the gradients in the sum over lanes, behind the tail's vector. Summed exactly
 * while they stay below 2^24. */
enum { SLOT_IMAGES, SLOT_LOSS, SLOT_CORRECT, SLOT_STOP, SLOT_SAVE, SLOT_FAILED, SLOTS };

#define RUN_MAX_PHASES  2
#define RUN_STEPS_AHEAD 2 /* steps whose batches the loader is asked for before they are needed */

/* A part of training with one set of trainable parameters: the classifier first, then the tail. */
struct phase {
	const char *name;
	const char *unfreeze;
	int64_t epochs;
	double lr;
};

/* Where the run is, plain bytes so that rank 0 can send it to the others. All of it is in every checkpoint. */
struct position {
	int64_t phase;
	int64_t epoch;                                  /* within the phase, from 0 */
	int64_t step;                                   /* within the epoch: steps that are done */
	int64_t total_steps;                            /* over all phases */
	double epoch_images, epoch_loss, epoch_correct; /* of this epoch so far */
	int64_t best_step; /* total_steps when the best evaluation was made; -1: none yet */
	double best_top1;
	int64_t metrics_lines; /* of metrics.jsonl that belong to this state; counted on rank 0 */
	double seconds;        /* spent training, over all starts */
};

struct run {
	struct thaw_comm *comm;
	struct thaw_train_options options; /* resolved: no default left open */
	const struct thaw_callbacks *callbacks;

	struct thaw_dataset train, test;
	bool lent; /* these are the caller's, opened before and not closed here */
	struct thaw_model *model;
	struct thaw_node_weights model_shared; /* what of it stays frozen in all phases */
	bool told_apart;                       /* the log says that ranks hold frozen weights for themselves */
	struct thaw_preprocess preprocess;
	struct thaw_augment augment;
	const struct thaw_optimizer *optimizer;
	struct phase phases[RUN_MAX_PHASES];
	int phase_count;

	int first_lane, end_lane; /* of this rank */
	int64_t steps_per_epoch;
	int64_t **order; /* [lanes of this rank][lane_count]: this epoch's order */
	struct thaw_damage *train_damage, *test_damage;
	struct thaw_loader *train_loader, *test_loader;

	/* Of the current phase. */
	struct thaw_flat_params *params;
	struct thaw_graph *graph;              /* folded and fused copy that runs */
	struct thaw_node_weights graph_shared; /* its folded weights, and the trunk's prepared ones */
	struct thaw_executor *trunk_executor, *tail_executor,
		*eval_executor;                        /* executor: the tail's, of one lane's batch */
	struct thaw_cache **train_cache, **test_cache; /* [lanes of this rank]; NULL: nothing is kept */
	struct thaw_features *train_features, *test_features;
	struct thaw_allreduce *allreduce;
	struct thaw_overlap overlap;
	float **gradient; /* [graph->param_count] */
	bool infinite;    /* this step's update left the numbers, in a share of this rank */
	bool diverged;    /* a failure was that: the learning rate is too high */

	struct position at;
	bool finished;
	double started;                         /* clock at which the run would have begun without interruption */
	double entered, last_checkpoint, shown; /* clocks: of this start, the last save, the last progress */
	int64_t first_step;                     /* total_steps at this start of the program */

	/* Rank 0 only. */
	int lock; /* file descriptor that holds the run's lock, -1: none */
	struct thaw_checkpoint_writer *writer;
	char *metrics_path;
	json_t *plan_file; /* what the run was started with, NULL: nothing */
	bool as_planned;   /* it does what the plan says, in all that decides numbers */
};

/* log.c: one line to the callbacks, rank 0 only (printf). */
void run_log(const struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* options.c: defaults that depend on ranks and optimizer; THAW_USAGE or THAW_CONFIG for what cannot be. */
thaw_status run_resolve_options(struct run *r);
json_t *run_config_json(const struct run *r);
/* Whether two values of a setting mean the same: 1 is 1.0. NULL is the same as nothing. */
bool run_same_setting(const json_t *a, const json_t *b);

/* setup.c: opens data and model, agrees across ranks. */
thaw_status run_open(struct run *r);
void run_close(struct run *r);
int64_t run_total_steps(const struct run *r);
/* Builds what one phase runs with. Collective. */
thaw_status run_enter_phase(struct run *r, int64_t phase);

/* directory.c: the run directory. Rank 0 decides, all agree. */
/* Options that were not given and that a run already there has decided: its lanes. Before anything else. */
thaw_status run_directory_lanes(struct run *r);
thaw_status run_directory_open(struct run *r, bool *done, json_t **summary);
thaw_status run_directory_finish(struct run *r, json_t *summary);
void run_directory_close(struct run *r);

/* train.c: sums[thaw_metrics_size] over the test images, on all ranks. Collective. */
thaw_status run_evaluate(struct run *r, double *sums);

/* planned_result.c: the plan that the run was started with. Rank 0 only. */
/* Copies it into the run directory of a new run, or reads that copy. config: that of run_config_json, and "data". */
thaw_status run_planned_open(struct run *r, bool new_run, const json_t *config);
/* Adds to the summary of a run with an executor: predicted, network, inside, as_planned, predicted_hours, hours. */
thaw_status run_planned_report(const struct run *r, json_t *summary);
void run_planned_close(struct run *r);

/* resume.c: the state in checkpoints. */
thaw_status run_resume(struct run *r);
/* Both collective: rank 0 writes, and the others give it what they hold of the state. */
thaw_status run_save(struct run *r, bool best); /* queues it; what rank 0 cannot write is logged and ends no run */
thaw_status run_save_now(struct run *r, thaw_status *written); /* waits for the disk; written: THAW_OK but on rank 0 */
/* Whether --checkpoint-every asks rank 0 for one after the step to come; false elsewhere: the slots tell the others. */
bool run_save_due(const struct run *r);

/* trunk.c: the features that the trunk of a phase makes. */
/* Bytes of this rank for kept features, of --cache; 0: none. THAW_USAGE when it is not understood. */
thaw_status run_cache_budget(const struct run *r, size_t *bytes);
thaw_status run_open_features(struct run *r);
void run_close_features(struct run *r);

/* feed.c: which samples come when. */
int64_t run_lane_batch(const struct run *r, int lane);   /* images of a step that are the lane's */
thaw_status run_feed_epoch(struct run *r);               /* order of the epoch; queues from at.step on */
thaw_status run_feed_ahead(struct run *r, int64_t step); /* queues the lanes' batches of one step */

/* step.c: one step over all lanes. *stop: somebody asked to end. *save: rank 0 asks for a checkpoint. */
thaw_status run_step(struct run *r, bool *stop, bool *save);
/* thaw_allreduce_update's function, of a run: updates a share. */
void run_update(void *context, struct thaw_shard share, float *total, const float *slots);

/* metrics_log.c: metrics.jsonl. */
int64_t run_epoch_damaged(const struct run *r); /* training images left out in this epoch, exact at its end */
void run_log_step(struct run *r, double loss, double accuracy, double lr);
void run_log_epoch(struct run *r, const json_t *metrics);

#endif
