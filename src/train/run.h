/* A run in progress: the state that the files of the training loop share. thaw_train and thaw_train_trial own one each.
 *
 * Each group of members names the functions that write it; all other code only reads it. The order of calls is
 * run_open, run_directory_open, run_resume (which enters a phase); then for each epoch run_epoch (which calls
 * run_step), run_evaluate, run_end_epoch and perhaps run_enter_phase; at the end run_directory_finish,
 * run_directory_close and run_close. A trial omits the directory and enters its phases itself.
 *
 * Of what run_open opens, phase.c later cuts the model's graph and sets logged_private_weights, and feed.c fills
 * `order`. run_step and run_evaluate set `diverged`, run_step sets `too_damaged` and `unsaved`, thaw_train sets
 * `finished`. */
#ifndef THAW_SRC_TRAIN_RUN_H
#define THAW_SRC_TRAIN_RUN_H

#include "src/train/batches.h"
#include "src/train/contents_file.h"
#include "src/train/evaluation.h"
#include "src/train/flat_params.h"
#include "src/train/lock.h"
#include "src/train/metrics.h"
#include "src/train/node_weights.h"
#include "src/train/objective.h"
#include "src/train/overlap.h"
#include "src/train/undo.h"
#include "thaw/allreduce.h"
#include "thaw/checkpoint.h"
#include "thaw/lanes.h"
#include "thaw/shards.h"
#include "thaw/sizes.h"
#include "thaw/train.h"

/* Slots of the all-reduce: numbers that are summed over lanes with the gradients. Counts are exact below 2^24. */
enum {
	SLOT_IMAGES, /* images of the step */
	SLOT_WEIGHT, /* sum of their weights: what sums of losses and gradients are divided by */
	SLOT_LOSS,   /* sum of their weighted losses */
	SLOT_CORRECT,
	SLOT_STOP,      /* not 0: a rank was asked to stop */
	SLOT_SAVE,      /* not 0: rank 0 requests a checkpoint */
	SLOT_UNSAVED,   /* not 0: rank 0 has given up saving */
	SLOT_FAILED,    /* not 0: a rank could not load a batch */
	SLOT_DAMAGED,   /* images of the step that were found damaged, for the first time in this process */
	SLOT_LONE,      /* lanes that are left out, since they had one readable image (phase.lone_norm) */
	SLOT_ABANDONED, /* not 0: a rank was asked to stop before its slots were sent, so no rank updates weights */
	SLOTS
};

#define RUN_MAX_PHASES  3
#define RUN_STEPS_AHEAD 2 /* steps whose batches are requested from the loader in advance */

/* A phase trains one set of parameters: first the classifier alone ("head"), then the tail ("train"), then classifier
 * and norms at the size of the evaluation ("fixres"). */
struct phase_options {
	const char *name;
	const char *unfreeze;
	int64_t epochs;
	double lr;
	bool fixres; /* images are prepared as for the evaluation */
};

/* How far the run is. No pointers, so that rank 0 can broadcast it; every checkpoint holds all of it. Written by
 * run_resume, run_enter_phase (phase), run_step (steps and sums), run_end_epoch (epoch, reset of the sums), run_save
 * (seconds), metrics_log.c (metrics_lines), and train.c and trial.c (best_*, epoch 0 of a new phase). */
struct position {
	int64_t phase;
	int64_t epoch;                                  /* within the phase, from 0 */
	int64_t step;                                   /* steps done in the epoch */
	int64_t total_steps;                            /* steps done in all phases */
	double epoch_images, epoch_loss, epoch_correct; /* sums over this epoch so far */
	int64_t best_step;                              /* total_steps at the best evaluation; -1: not evaluated yet */
	double best_metric;                             /* there: thaw_metrics_main */
	int64_t metrics_lines; /* lines of metrics.jsonl that belong to this state; counted on rank 0 */
	double seconds;        /* spent training, over all starts */
};

/* Saves that fail. Rank 0 only; written by save_watch.c. */
struct run_saving {
	int failures;                                     /* since the last success */
	double first_failure, next_attempt, lock_checked; /* times of thaw_clock */
	double wait;                                      /* seconds */
	bool given_up;
	thaw_status status;    /* of the last failure */
	char *reason;          /* its message; from thaw_alloc */
	int completed;         /* thaw_checkpoint_news that have been seen */
	int removed;           /* checkpoints removed to make room that the log does not have yet */
	double removal_logged; /* time of thaw_clock; 0: never */
};

/* What the training of this process has waited for its checkpoints; the thread that writes them is not in it. */
struct run_waits {
	int count;
	double seconds, longest;
	double processor; /* processor time of the training's thread on rank 0: without other programs and the network
			   */
};

/* What the current phase trains with. Created by run_enter_phase and released by run_close_phase (phase.c), except that
 * steps write the contents of `gradient` and `non_finite`. */
struct run_phase {
	struct thaw_flat_params *params;        /* own the model's trainable values: outlive the phase, see run_close */
	struct thaw_graph *graph;               /* lowered copy of the model's graph, which runs */
	struct thaw_node_weights graph_weights; /* its folded weights, and the trunk's packed ones, in node memory */
	struct thaw_executor *trunk_executor;   /* one image at a time */
	struct thaw_executor *tail_executor;    /* forward and backward, one lane's batch */
	struct thaw_executor *eval_executor;    /* forward of the tail, THAW_EVAL_BATCH images */
	struct thaw_cache **train_cache, **test_cache; /* [lanes of this rank]; NULL: no caching */
	bool reported_caches[4];                       /* by run_report_caches, which lines are logged */
	struct thaw_features *train_features, *test_features;
	struct thaw_allreduce *allreduce;
	struct thaw_overlap overlap;
	float **gradient;       /* [graph->param_count] into the vector of the current lane */
	const char *lone_norm;  /* a batch norm that would normalise one value per channel in a lane with one image, or
				   NULL */
	bool non_finite;        /* a gradient or weight of this rank's shards was inf or nan in this step */
	bool abandoned;         /* this rank was asked to stop within this step: it computes and updates nothing more */
	struct thaw_undo *undo; /* what the step has overwritten so far; NULL: one rank, which updates at the end */
};

struct run {
	struct thaw_comm *comm;
	struct thaw_train_options options; /* with all defaults resolved, by run_directory_lanes and run_open */
	const struct thaw_callbacks *callbacks;

	/* Opened by run_open and closed by run_close (setup.c). */
	struct thaw_dataset train;
	struct thaw_dataset test;       /* evaluated after epochs: val/, or the test images where there is no val/ */
	struct thaw_dataset final_test; /* evaluated once, at the end, where `test` is val/; zeroed: none */
	struct thaw_image_names
		known; /* image files that the run began with; empty: a new run, or one without a list */
	struct thaw_image_names listed; /* those that were listed now */
	struct thaw_exclude exclude;    /* images that are left out */
	bool borrowed_data;             /* the datasets are the caller's and not closed here */
	struct thaw_model *model;
	struct thaw_node_weights model_weights; /* those that no phase trains, in node memory */
	bool logged_private_weights;            /* the log already says that ranks hold separate copies of weights */
	struct thaw_preprocess preprocess;      /* of evaluations */
	struct thaw_sizes sizes;                /* of training steps */
	struct thaw_augment augment;
	const struct thaw_optimizer *optimizer;
	struct thaw_tune tune;
	struct thaw_objective objective; /* of the training images */
	struct phase_options phases[RUN_MAX_PHASES];
	int phase_count;
	int first_lane, end_lane; /* this rank's lanes: [first_lane, end_lane) */
	int64_t steps_per_epoch;
	size_t state_bytes; /* of the largest phase: trained parameters and their optimizer state */
	/* Of the images; zeroed unless sizes are native. Evaluations may have one size while the training has not. */
	struct thaw_own_sizes train_sizes, test_sizes;
	/* The batches of this epoch, by run_feed_epoch. */
	int64_t **order;        /* [lanes of this rank][images of the lane]: samples; NULL: computed batch by batch */
	int64_t **batch_first;  /* [lanes of this rank][batches + 1]: positions in `order`; NULL where that is */
	int64_t *batches;       /* [lanes of this rank] */
	int64_t *batch_samples; /* [images of a batch], where `order` is NULL */
	uint32_t **visits; /* as `order`, of balanced sampling: how often a sample was visited before in this epoch */
	int64_t *class_images; /* [classes] of the training images, for balanced sampling; NULL: it is uniform */
	struct thaw_damage *train_damage, *test_damage;
	int64_t damaged;       /* training images found damaged in this process, by run_step */
	int64_t damaged_limit; /* more stop the run */
	struct thaw_loader *train_loader, *test_loader;

	/* Which bytes were read, of train, test and final_test; all NULL in a trial. run_contents.c. */
	struct thaw_contents *contents[CONTENTS_PARTS];
	json_t *content_changes;      /* images that changed during the run, on rank 0; NULL: none */
	int64_t content_change_count; /* rank 0 */
	bool contents_unsaved;        /* the last attempt to record them failed */
	uint64_t contents_digest;     /* of all, at the end of the run; rank 0 */
	int64_t contents_unread;      /* images that were never read, at the end of the run; rank 0 */

	struct run_phase phase;
	struct position at;
	int64_t lone_logged;          /* the epoch, from 1, whose SLOT_LONE is in the log; 0: none */
	bool too_damaged;             /* the failure is a number of damaged images; the state is worth saving */
	bool keep_step;               /* asked to stop before this process's first step, which is done nevertheless */
	bool diverged;                /* the failure is a loss, gradient or weight that is not finite */
	bool unsaved;                 /* rank 0 has given up saving; the same on all ranks */
	bool finished;                /* after the last epoch */
	double first_loss, last_loss; /* mean training loss of this process's first and last epoch; 0: none yet */
	json_t *final_metrics;        /* of final_test, after the last epoch; else NULL */

	/* Times of thaw_clock, written by thaw_train; last_checkpoint also by run_save. */
	double started;         /* when the run would have started, had it never been interrupted */
	double entered;         /* when this process started training */
	double last_checkpoint; /* last save */
	struct run_waits waits;
	double shown;       /* last progress callback */
	int64_t first_step; /* total_steps when this process started training */

	/* Rank 0 only; run_directory_open and run_directory_close (directory.c). */
	struct thaw_lock *lock;
	struct thaw_checkpoint_writer *writer;
	struct run_saving saving;
	char *metrics_path;
	bool metrics_written; /* this start's last line was written */
	int64_t metrics_lost; /* lines of this start that could not be written */
	json_t *plan_file;    /* the plan that the run was started with; NULL: none */
	bool as_planned;      /* every setting that affects the result is the plan's */
};

/* The options of the current phase. */
static inline const struct phase_options *run_phase_options(const struct run *r)
{
	return &r->phases[r->at.phase];
}

/* log.c: passes one line to the log callback, on rank 0 only (printf). */
void run_log(const struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* options.c: fills in the defaults that depend on the ranks and the optimizer. THAW_USAGE or THAW_CONFIG when options
 * are invalid. */
thaw_status run_resolve_options(struct run *r);
json_t *run_config_json(const struct run *r);
/* Whether two values of a setting are equal; numbers are compared by value, so 1 equals 1.0. Either may be NULL. */
bool run_same_setting(const json_t *a, const json_t *b);
/* Whether this is a setting of loss, weights or sampling with its default, which earlier versions did not record. */
bool run_is_default_objective(const struct run *r, const char *key, const json_t *value);

/* cache_budget.c: bytes that --cache allows the feature caches of this rank, whose files in --cache-dir hold `held`.
 * 0: no caching. THAW_USAGE when invalid. */
thaw_status run_cache_budget(const struct run *r, double held, size_t *bytes);

/* setup.c: opens data and model and compares them across ranks. Collective. */
thaw_status run_open(struct run *r);
void run_close(struct run *r);
/* data_sample.c: THAW_CONFIG, naming the image and the ranks, if a sample of the images is not the same everywhere.
 * Collective. */
thaw_status run_compare_images(struct run *r, const struct thaw_dataset *dataset);
/* The sample as config.json records it; NULL if out of memory. Rank 0. */
json_t *run_image_sample(const struct run *r);
/* THAW_CONFIG, naming the image, if one is another picture than the one recorded. recorded: may be NULL. Rank 0. */
thaw_status run_compare_recorded_images(const struct run *r, const json_t *recorded);
/* Logs what the user should know of data and network before the training. Call before a phase is entered. */
void run_announce(struct run *r);
int64_t run_total_steps(const struct run *r);

/* phase.c: marks what the phase trains in the model's graph. kept: as well what it does not train and earlier phases
 * did, so that it is part of checkpoints. */
thaw_status run_unfreeze(const struct run *r, int phase, bool kept);
/* The parameters of a phase alone, so that they can be restored before run_enter_phase. Collective. */
thaw_status run_open_params(struct run *r, int64_t phase);
/* Builds r->phase; closes the previous one first. Collective. */
thaw_status run_enter_phase(struct run *r, int64_t phase);
void run_close_phase(struct run *r);
/* Leaves one copy of frozen weights per node; see thaw_node_weights_create. Logs once if that fails. Collective. */
thaw_status run_move_to_node_memory(struct run *r, struct thaw_node_weights *weights, struct thaw_graph *graph,
				    struct thaw_executor *executor);

/* feature_caches.c: the feature caches of a phase, where features are used more than once. */
thaw_status run_open_caches(struct run *r);
void run_close_caches(struct run *r);
/* Logs once per phase what was damaged or no longer fits in the files of --cache-dir. Collective. */
thaw_status run_report_caches(struct run *r);

/* directory.c: the run directory. Rank 0 decides, all ranks agree. Collective, except for run_directory_close. */
/* Takes over the lanes of an existing run if --lanes was not given. Call before any other. */
thaw_status run_directory_lanes(struct run *r);
thaw_status run_directory_open(struct run *r, bool *done, json_t **summary);
thaw_status run_directory_finish(struct run *r, json_t *summary);
void run_directory_close(struct run *r);

/* run_state.c: what an earlier start left. Rank 0 only. */
bool run_is_complete(const struct run *r); /* it has a result */
/* Whether the run has a result or a checkpoint. One that has neither lost nothing when it starts anew. */
thaw_status run_has_state(const struct run *r, bool *state);

/* data_record.c: what config.json says about the data. */
bool run_add_data(json_t *config, const struct run *r); /* task, digest of the manifest, folds; false without memory */
json_t *run_columns_json(const struct run *r);          /* the flags that say what is in it */
bool run_had_manifest(const json_t *recorded);          /* recorded: member "manifest", or NULL */
bool run_is_default_data(const char *key, const json_t *value);           /* what runs of earlier versions had */
void run_data_read(struct thaw_run_record *record, const json_t *config); /* borrows texts of `config` */

/* run_images.c: the images that the run began with. */
/* Sets r->known on all ranks if the run has something to continue from. Call before the data are opened. Collective. */
thaw_status run_images_read(struct run *r);
/* Reads the list of a run directory; *names stays empty if there is none. */
thaw_status run_images_load(struct thaw_image_names *names, const char *directory);
thaw_status run_images_write(const struct run *r); /* rank 0 only; does nothing where a list was read */
/* Frees both lists, which only the start needs. */
void run_images_close(struct run *r);

/* run_contents.c: which bytes the run was trained on (images.digests.zst). */
thaw_status run_contents_open(struct run *r);
void run_contents_close(struct run *r);
/* Reads what earlier starts recorded. A file that cannot be used is logged. Collective. */
thaw_status run_contents_resume(struct run *r);
void run_contents_begin_epoch(struct run *r); /* changes are noticed in the current epoch from now on */
/* Logs images that have changed, and writes the file if there is anything new. A failure to write it is logged; it does
 * not end the run. Call before each checkpoint. Collective. */
thaw_status run_contents_save(struct run *r);
/* The same, at the end of the run, and computes one digest of all. Collective. */
thaw_status run_contents_finish(struct run *r);
/* Adds images_digest, images_unread and images_changed. False without memory. Rank 0. */
bool run_contents_add_result(const struct run *r, json_t *summary);

/* run_exclude.c: images that the run leaves out. */
/* Reads options.exclude on all ranks. THAW_CONFIG if the run in the directory has left out others. Collective. */
thaw_status run_exclude_open(struct run *r);
/* *exclude stays zeroed if the run in the directory leaves out none. */
thaw_status run_exclude_load(struct thaw_exclude *exclude, const char *directory);
thaw_status run_exclude_write(const struct run *r); /* rank 0 only */
void run_exclude_log(const struct run *r);          /* names that are not in the data */
json_t *run_exclude_json(const struct run *r);      /* for config.json; null: none */

/* diverged.c: runs whose loss or weights became infinite. Rank 0 only. */
/* Leaves a record in the run directory. Keeps the error message. */
void run_record_divergence(const struct run *r);
/* Whether the run diverged, and only settings of the optimizer differ. */
bool run_may_start_over(const struct run *r, const json_t *recorded, json_t *current);
/* Removes the checkpoints and the record. */
thaw_status run_start_over(const struct run *r);

/* planned_result.c: the plan that the run was started with. Rank 0 only. */
/* Copies --plan into the directory of a new run, or reads that copy. config: run_config_json with "data" added. */
thaw_status run_plan_open(struct run *r, bool new_run, const json_t *config);
/* Adds to the summary of a run with a plan: predicted, network, inside, as_planned, predicted_hours, hours. */
thaw_status run_plan_add_result(const struct run *r, json_t *summary);
void run_plan_close(struct run *r);

/* find_checkpoint.c: reads the newest checkpoint that the run can continue from. *step: -1 if there is none; *at and *w
 * (freed by the caller) are set otherwise. Names in the log those that are passed over. THAW_DATA, THAW_CONFIG or
 * THAW_IO if there are only such: to start from the beginning would discard a long run, so the user must decide. Rank 0
 * only. */
thaw_status run_find_checkpoint(const struct run *r, struct thaw_weights *w, struct position *at, int64_t *step);

/* resume.c: the state in checkpoints. Collective. */
/* Enters the phase of the newest checkpoint and restores its state, or enters the first phase. */
thaw_status run_resume(struct run *r);
/* Queues a checkpoint. *written: the result on rank 0, THAW_OK on other ranks. A failure that is returned ends the run:
 * it is collective, or leaves the other ranks blocked. */
thaw_status run_write_checkpoint(struct run *r, bool best, thaw_status *written);

/* save_watch.c: saves that fail. Rank 0 only. */
/* Call in each step: learns how saves ended. True: a failed one should be tried again now. */
bool run_watch_saves(struct run *r);
/* Takes note of a failed save, whose error message is current, or of a successful one. */
void run_note_unsaved(struct run *r, thaw_status status);
void run_note_saved(struct run *r);
/* Logs that the writer removed so many checkpoints to make room: now, or at most once per minute. */
void run_log_removed(struct run *r, int removed, bool now);

/* saving.c: checkpoints during the training and at its end. Collective. */
/* Queues a checkpoint. A failure to write it is logged, and tried again later; it does not end the run yet. */
thaw_status run_save(struct run *r, bool best);
/* Reports to the callbacks how many seconds a checkpoint takes: `seconds` for which the ranks wait, and an estimate of
 * those that a thread writes. */
void run_report_save_cost(const struct run *r, double seconds);
/* Writes a checkpoint and waits for the disk. *written: the result on rank 0, THAW_OK on other ranks. */
thaw_status run_save_now(struct run *r, thaw_status *written);
/* Rank 0 has given up saving. A last attempt: THAW_OK if it succeeded; else THAW_IO or THAW_CONFIG on all ranks. */
thaw_status run_stop_unsaved(struct run *r);
/* After the results could not be written, with that error message: saves the state after the last step, so that the
 * next start writes them. THAW_IO with the message, to which it adds whether that succeeded. */
thaw_status run_save_end(struct run *r);

/* fail_together.c: for a failure of all ranks, whose message is current: waits for the checkpoint that rank 0 is
 * writing. Otherwise the other ranks would wait for rank 0 at their end, which has a limit of seconds. Returns status,
 * with the same message. Collective. */
thaw_status run_fail_together(const struct run *r, thaw_status status);

/* space.c: logs a warning if the disk has no room for the checkpoints and the network. */
void run_check_space(const struct run *r);

/* weights_check.c: THAW_UNFINISHED, naming rank and host, unless all ranks have the same weights. Before every
 * checkpoint and at the end, so that a checkpoint never holds such a state. Collective. */
thaw_status run_compare_weights(struct run *r);

/* feed.c: which samples are trained on when. */
int64_t run_lane_batch(const struct run *r, int lane);   /* images of the lane in one step */
thaw_status run_feed_epoch(struct run *r);               /* computes the epoch's order; requests from at.step on */
thaw_status run_feed_ahead(struct run *r, int64_t step); /* requests the batches of one step for this rank's lanes */

/* Whether images have their own sizes in training. */
bool run_trains_native(const struct run *r);
/* phase.c: the largest input of the current phase and its evaluations on this rank. */
struct thaw_size run_largest_size(const struct run *r);

/* lane_norms.c: THAW_CONFIG if a batch norm that is unfrozen would normalise one value per channel. */
thaw_status run_check_lane_norms(struct run *r);
/* *name receives a batch norm of the model's graph, with the statistics that are set there, that has one value per
 * channel in a lane with one image; NULL: none. */
thaw_status run_find_lone_norm(const struct run *r, const char **name);

/* step.c: for executors and loaders: whether this rank was asked to stop and leaves its work undone. context: the run
 */
bool run_abandons(void *context);
/* One step over all lanes. *stop: a rank was asked to stop; the step is then done on all
 * ranks or on none. *save: a checkpoint is due. Collective. */
thaw_status run_step(struct run *r, bool *stop, bool *save);
/* The update function of the all-reduce (struct thaw_allreduce_update); context is the run. */
void run_update(void *context, struct thaw_shard shard, float *total, const float *slots);

/* epoch.c: trains from at.step to the end of the epoch and calls `after_step` after each step. Collective. */
typedef thaw_status run_after_step(struct run *r, bool stop, bool save);
thaw_status run_epoch(struct run *r, run_after_step *after_step);
/* Moves the position to the next epoch. */
void run_end_epoch(struct run *r);
/* What evaluations of a dataset measure. thresholds: see struct thaw_measure. thaw_measure_open is left to do. */
struct thaw_measure run_measure(const struct run *r, const struct thaw_dataset *dataset, const float *thresholds);
/* Evaluates the test images. *sums [thaw_metrics_size] is the same on all ranks; the caller frees it with thaw_free,
 * after a failure too. THAW_CONFIG, and r->diverged, when the loss is not finite. Collective. */
thaw_status run_evaluate(struct run *r, double **sums);
/* THAW_DATA, and r->too_damaged, when the sums of an evaluation count too many damaged images. */
thaw_status run_check_damaged(struct run *r, const struct thaw_dataset *dataset, const double *sums);

/* final_test.c: evaluates r->final_test with the trained network. *metrics: a new reference. Collective. */
thaw_status run_evaluate_final(struct run *r, json_t **metrics);

/* metrics_log.c: metrics.jsonl. */
int64_t run_epoch_damaged(const struct run *r); /* training images skipped as damaged in this epoch; exact at its end */
/* sum / training images of this epoch so far, for a sum over them; 0 images count as 1. */
double run_epoch_mean(const struct run *r, double sum);
void run_metrics_step(struct run *r, double loss, double accuracy, double lr);
void run_metrics_epoch(struct run *r, json_t *metrics); /* metrics: of the evaluation; NULL: none */
void run_metrics_repeat_last(struct run *r); /* the next start writes the last line anew, if it was written */
void run_metrics_close(struct run *r);       /* logs how many lines could not be written, if any */

#endif
