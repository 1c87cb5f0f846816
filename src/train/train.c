/* thaw_train: epoch after epoch, with progress, checkpoints, evaluation and stopping in between. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "src/base/clock.h"
#include "src/base/try.h"
#include "src/train/run.h"
#include "src/train/warnings.h"
#include "thaw/found.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define PROGRESS_SECONDS 0.5
#define LINE_BYTES       96   /* of a part of a line */
#define FIRST_CHECKPOINT 30.0 /* seconds after which a new run has something to continue from */

static void show_progress(struct run *r)
{
	double now = thaw_clock();
	if (r->comm->rank != 0 || !r->callbacks || !r->callbacks->progress || now - r->shown < PROGRESS_SECONDS)
		return;
	int64_t here = r->at.total_steps - r->first_step;                 /* steps done by this process */
	double each = here > 0 ? (now - r->entered) / (double)here : 0.0; /* seconds per step */
	struct thaw_train_progress p = {
		.phase = run_phase_options(r)->name,
		.epoch = (int)r->at.epoch + 1,
		.epochs = (int)run_phase_options(r)->epochs,
		.step = r->at.total_steps,
		.steps = run_total_steps(r),
		.loss = run_epoch_mean(r, r->at.epoch_loss),
		.accuracy = r->train.task == THAW_TASK_VALUE ? NAN : run_epoch_mean(r, r->at.epoch_correct),
		.images_per_second = each > 0.0 ? (double)r->train.count / (double)r->steps_per_epoch / each : 0.0,
		.seconds_left = each * (double)(run_total_steps(r) - r->at.total_steps),
	};
	r->shown = now;
	r->callbacks->progress(r->callbacks->context, &p);
}

/* Saves the state and waits for the disk: THAW_UNFINISHED on all ranks, or why saving failed. A process that has done
 * no step has nothing to save. */
static thaw_status save_and_stop(struct run *r)
{
	thaw_status written;
	if (r->at.total_steps == r->first_step)
		return thaw_fail(
			THAW_UNFINISHED,
			"asked to stop: nothing to save since step %lld of %lld: run the same command again to "
			"continue",
			(long long)r->at.total_steps, (long long)run_total_steps(r));
	THAW_TRY(run_save_now(r, &written));
	THAW_TRY(thaw_comm_agree(r->comm, written));
	return thaw_fail(THAW_UNFINISHED,
			 "asked to stop: saved at step %lld of %lld: run the same command again to continue",
			 (long long)r->at.total_steps, (long long)run_total_steps(r));
}

/* Saves the state of a run that fails with THAW_DATA, so that it can go on when the images can be read again. */
static thaw_status save_and_fail(struct run *r)
{
	thaw_status written;
	char *reason = thaw_strdup(thaw_error_message());
	thaw_status status = run_save_now(r, &written);
	if (status == THAW_OK)
		status = thaw_comm_agree(r->comm, written);
	if (status == THAW_OK)
		status = thaw_fail(THAW_DATA, "%s; the state after step %lld is saved",
				   reason ? reason : "out of memory", (long long)r->at.total_steps);
	thaw_free(reason);
	return status;
}

/* A class whose images are all damaged is an error, like a class without images, as soon as that is known. */
static thaw_status check_damage(struct run *r)
{
	int lost;
	THAW_TRY(thaw_damage_report(r->train_damage, r->comm, r->callbacks, &lost));
	if (r->too_damaged) {
		thaw_fail_damaged(&r->train, r->damaged, r->damaged_limit);
		return save_and_fail(r);
	}
	if (lost < 0)
		return THAW_OK;
	thaw_fail(THAW_DATA, "class \"%s\" has damaged images only: --data %s: repair them or remove the class",
		  r->train.class_names[lost], thaw_dataset_place(r->options.data, &r->options.manifest));
	return run_fail_together(r, THAW_DATA);
}

/* Whether the run ends here by options.last_step. After the last step of an epoch it first ends the epoch. */
static bool is_last_step(const struct run *r)
{
	return r->options.last_step > 0 && r->at.total_steps >= r->options.last_step;
}

static thaw_status after_step(struct run *r, bool stop, bool save)
{
	show_progress(r);
	if (stop) {
		THAW_TRY(check_damage(r));
		return save_and_stop(r);
	}
	if (r->unsaved)
		return run_stop_unsaved(r);
	if (is_last_step(r) && r->at.step < r->steps_per_epoch)
		return save_and_stop(r);
	return save ? run_save(r, false) : THAW_OK;
}

/* The model gets the thresholds of this evaluation, if it has labels. */
static thaw_status keep_thresholds(struct run *r, double *sums)
{
	if (r->test.task != THAW_TASK_LABELS)
		return THAW_OK;
	float *thresholds = thaw_alloc((size_t)r->test.classes, sizeof(*thresholds));
	if (!thresholds)
		return THAW_RESOURCE;
	for (int c = 0; c < r->test.classes; c++)
		thresholds[c] = (float)thaw_label_sums(sums, c)[LABEL_THRESHOLD];
	thaw_status status = thaw_model_set_thresholds(r->model, thresholds);
	thaw_free(thresholds);
	return status;
}

/* *value: the main metric. */
static thaw_status evaluate(struct run *r, json_t **metrics, double *value)
{
	double *sums;
	thaw_status status = run_evaluate(r, &sums);
	const struct thaw_measure measure = run_measure(r, &r->test, NULL);
	if (status == THAW_OK)
		status = keep_thresholds(r, sums);
	if (status == THAW_OK) {
		*metrics = thaw_metrics_json(&measure, sums);
		*value = thaw_metrics_main(&measure, sums);
		status = *metrics ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: the metrics");
	}
	thaw_free(sums);
	return status;
}

static bool is_last_epoch(const struct run *r)
{
	return r->at.phase == r->phase_count - 1 && r->at.epoch == run_phase_options(r)->epochs - 1;
}

static double number(const json_t *metrics, const char *key)
{
	return json_number_value(json_object_get(metrics, key));
}

/* "test accuracy 87.50% (balanced 85.00%)", or the metrics of another task. */
static const char *metrics_text(const struct thaw_dataset *d, const json_t *metrics, char *text, size_t size)
{
	const char *kind = thaw_dataset_kind(d);
	if (d->task == THAW_TASK_CLASS)
		snprintf(text, size, "%s accuracy %.2f%% (balanced %.2f%%)", kind, 100.0 * number(metrics, "top1"),
			 100.0 * number(metrics, "balanced_accuracy"));
	else if (d->task == THAW_TASK_LABELS)
		snprintf(text, size, "%s mAP %.2f%%, F1 %.2f%%", kind, 100.0 * number(metrics, "map"),
			 100.0 * number(metrics, "macro_f1"));
	else if (d->task == THAW_TASK_GRADE)
		snprintf(text, size, "%s accuracy %.2f%%, MAE %.3f, kappa %.4f", kind,
			 100.0 * number(metrics, "accuracy"), number(metrics, "mae"), number(metrics, "kappa"));
	else
		snprintf(text, size, "%s R2 %.4f", kind, number(metrics, "r2"));
	return text;
}

static void log_epoch(const struct run *r, const json_t *metrics)
{
	char test[LINE_BYTES] = "", training[LINE_BYTES] = "", damaged[LINE_BYTES] = "";
	if (r->train.task != THAW_TASK_VALUE)
		snprintf(training, sizeof(training), ", training accuracy %.2f%%",
			 100.0 * run_epoch_mean(r, r->at.epoch_correct));
	if (metrics)
		metrics_text(&r->test, metrics, test, sizeof(test));
	if (run_epoch_damaged(r) > 0)
		snprintf(damaged, sizeof(damaged), ", damaged images skipped: %lld", (long long)run_epoch_damaged(r));
	run_log(r, "%s epoch %d/%d: loss %.4f%s%s%s%s", run_phase_options(r)->name, (int)r->at.epoch + 1,
		(int)run_phase_options(r)->epochs, run_epoch_mean(r, r->at.epoch_loss), training, *test ? ", " : "",
		test, damaged);
}

/* Evaluates and records the best result so far. *best: this evaluation is the best. */
static thaw_status evaluate_best(struct run *r, json_t **metrics, bool *best)
{
	double value;
	THAW_TRY(evaluate(r, metrics, &value));
	*best = r->at.best_step < 0 || value > r->at.best_metric;
	if (*best) {
		r->at.best_metric = value;
		r->at.best_step = r->at.total_steps;
	}
	return THAW_OK;
}

/* Evaluates if due, logs, and moves on to the next epoch or phase. *metrics: of the newest evaluation; replaced. */
static thaw_status end_epoch(struct run *r, json_t **metrics)
{
	bool due = is_last_epoch(r) || (r->at.epoch + 1) % r->options.eval_every == 0;
	bool best = false;
	json_t *fresh = NULL;
	if (due) {
		thaw_status status = evaluate_best(r, &fresh, &best);
		if (status == THAW_OK && is_last_epoch(r) && r->final_test.count > 0)
			status = run_evaluate_final(r, &r->final_metrics);
		if (status != THAW_OK) {
			json_decref(fresh);
			if (r->too_damaged)
				return save_and_fail(r);
			return status == THAW_UNFINISHED ? save_and_stop(r) : status;
		}
	}
	run_metrics_epoch(r, fresh);
	log_epoch(r, fresh);
	thaw_status reported = run_report_caches(r);
	if (reported != THAW_OK) {
		json_decref(fresh);
		return reported;
	}
	r->last_loss = run_epoch_mean(r, r->at.epoch_loss);
	if (r->first_loss == 0.0)
		r->first_loss = r->last_loss;
	if (fresh) {
		json_decref(*metrics);
		*metrics = fresh;
	}
	if (is_last_epoch(r)) {
		r->finished = true;
		return THAW_OK;
	}
	run_end_epoch(r);
	if (r->at.epoch == run_phase_options(r)->epochs) {
		r->at.epoch = 0;
		THAW_TRY(run_enter_phase(r, r->at.phase + 1));
	}
	return run_save(r, best);
}

/* Adds which images the accuracy of the summary is of, and what was found. */
static bool add_data(const struct run *r, json_t *summary)
{
	const struct thaw_dataset *parts[] = {&r->train, &r->test, &r->final_test};
	const struct thaw_dataset *measured = r->final_test.count > 0 ? &r->final_test : &r->test;
	return json_object_set_new(summary, "split", json_string(thaw_dataset_kind(measured))) == 0 &&
	       json_object_set_new(summary, "images_from", thaw_report_string(measured->found->from)) == 0 &&
	       json_object_set_new(summary, "preprocess", thaw_model_preprocess_json(r->model)) == 0 &&
	       json_object_set_new(
		       summary, "found",
		       thaw_found_json(thaw_dataset_place(r->options.data, &r->options.manifest), parts, 3)) == 0;
}

static bool add_saves(const struct run_waits *w, json_t *summary)
{
	return json_object_set_new(summary, "saves",
				   json_pack("{s:i, s:f, s:f, s:f}", "count", w->count, "seconds", w->seconds,
					     "longest", w->longest, "processor_seconds", w->processor)) == 0;
}

/* metrics: of the last word; validation: of the last epoch where that was another split, else NULL. */
static json_t *summarise(struct run *r, json_t *metrics, json_t *validation)
{
	double seconds = thaw_clock() - r->started;
	char best[LINE_BYTES];
	snprintf(best, sizeof(best), "best_%s", thaw_metrics_main_name(r->train.task));
	json_t *summary = json_pack("{s:s, s:I, s:f, s:f, s:I, s:s, s:I, s:I, s:I}", "status", "done", "steps",
				    (json_int_t)r->at.total_steps, "seconds", seconds, best, r->at.best_metric,
				    "best_step", (json_int_t)r->at.best_step, "model", r->model->variant, "lanes",
				    (json_int_t)r->options.lanes, "training_images", (json_int_t)r->train.count,
				    "training_damaged", (json_int_t)run_epoch_damaged(r));
	if (summary &&
	    (json_object_update_missing(summary, metrics) != 0 || run_plan_add_result(r, summary) != THAW_OK ||
	     (validation && json_object_set(summary, "validation", validation) != 0) || !add_data(r, summary) ||
	     !add_saves(&r->waits, summary) || !run_contents_add_result(r, summary) ||
	     thaw_warn_result(summary, r->train.task == THAW_TASK_CLASS ? (int)r->model->classes : 0, r->first_loss,
			      r->last_loss) != THAW_OK)) {
		json_decref(summary);
		return NULL;
	}
	return summary;
}

static thaw_status finish(struct run *r, json_t *metrics, json_t **summary)
{
	char text[LINE_BYTES];
	json_t *final = r->final_metrics;
	if (final)
		run_log(r, "%s (%s)", metrics_text(&r->final_test, final, text, sizeof(text)),
			r->final_test.found->from);
	THAW_TRY(run_contents_finish(r));
	*summary = summarise(r, final ? final : metrics, final ? metrics : NULL);
	thaw_status status = run_directory_finish(r, *summary);
	return status == THAW_IO ? run_save_end(r) : status;
}

/* All ranks have all that the first step needs. */
static thaw_status begin(const struct run *r)
{
	THAW_TRY(r->comm->barrier(r->comm));
	run_report_save_cost(r, 0.0);
	if (r->callbacks && r->callbacks->begin)
		r->callbacks->begin(r->callbacks->context);
	return THAW_OK;
}

static thaw_status train_to_end(struct run *r, json_t **summary)
{
	json_t *metrics = NULL;
	thaw_status status = run_resume(r);
	if (status == THAW_OK)
		run_report_save_cost(r, 0.0);
	r->started = thaw_clock() - r->at.seconds;
	r->entered = r->last_checkpoint = thaw_clock();
	r->first_step = r->at.total_steps;
	if (r->at.total_steps == 0 && r->options.checkpoint_seconds > FIRST_CHECKPOINT)
		r->last_checkpoint -= r->options.checkpoint_seconds - FIRST_CHECKPOINT;
	if (status == THAW_OK && r->metrics_path && thaw_report_rewind(r->metrics_path, r->at.metrics_lines) != THAW_OK)
		run_log(r, "metrics of steps that will be repeated stay in metrics.jsonl: %s", thaw_error_message());
	if (status == THAW_OK)
		status = begin(r);
	while (status == THAW_OK && !r->finished) {
		status = run_epoch(r, after_step);
		if (status == THAW_OK)
			status = check_damage(r);
		if (status == THAW_OK)
			status = end_epoch(r, &metrics);
		if (status == THAW_OK && !r->finished && is_last_step(r))
			status = thaw_fail(THAW_UNFINISHED, "saved at step %lld of %lld", (long long)r->at.total_steps,
					   (long long)run_total_steps(r));
	}
	if (status == THAW_OK)
		status = finish(r, metrics, summary);
	json_decref(metrics);
	return status;
}

thaw_status thaw_train(struct thaw_comm *comm, const struct thaw_train_options *options,
		       const struct thaw_callbacks *callbacks, json_t **result)
{
	struct run r = {.comm = comm, .options = *options, .callbacks = callbacks};
	json_t *summary = NULL;
	bool done = false;
	thaw_status status = run_open(&r);
	if (status == THAW_OK)
		status = run_directory_open(&r, &done, &summary);
	run_images_close(&r);
	if (status == THAW_OK && !done) {
		run_announce(&r);
		if (r.options.last_step == 0)
			run_check_space(&r);
		status = train_to_end(&r, &summary);
		if (r.diverged)
			status = run_fail_together(&r, status);
		if (r.diverged && comm->rank == 0)
			run_record_divergence(&r);
	}
	json_decref(r.final_metrics);
	run_directory_close(&r);
	run_close(&r);
	if (status != THAW_OK || comm->rank != 0) {
		json_decref(summary);
		summary = NULL;
	}
	*result = summary;
	return status;
}
