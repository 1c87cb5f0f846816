/* metrics.jsonl: one line per step and per epoch, written by rank 0.
 *
 * If a line cannot be written, the log says so once and the run continues. The next line is tried again: a file system
 * that was full, or a server that did not answer, may be back.
 */
#include "src/base/clock.h"
#include "src/base/minmax.h"
#include "src/train/run.h"
#include "thaw/found.h"
#include "thaw/memory.h"
#include "thaw/report.h"

static void write_line(struct run *r, json_t *line)
{
	r->metrics_written = line && thaw_report_line(r->metrics_path, line) == THAW_OK;
	if (r->metrics_written)
		r->at.metrics_lines++;
	else if (r->metrics_lost++ == 0)
		run_log(r, "metrics are not written: %s: the run continues, and tries again with the next line",
			line ? thaw_error_message() : "out of memory");
	json_decref(line);
}

void run_metrics_close(struct run *r)
{
	if (r->metrics_lost > 0)
		run_log(r, "lines of metrics.jsonl that could not be written: %lld", (long long)r->metrics_lost);
}

void run_metrics_repeat_last(struct run *r)
{
	r->at.metrics_lines -= r->metrics_written;
}

int64_t run_epoch_damaged(const struct run *r)
{
	return r->train.count - (int64_t)r->at.epoch_images; /* each image is visited once */
}

double run_epoch_mean(const struct run *r, double sum)
{
	return sum / max_double(r->at.epoch_images, 1.0);
}

void run_metrics_step(struct run *r, double loss, double accuracy, double lr)
{
	if (!r->metrics_path)
		return;
	json_t *line = json_pack("{s:s, s:I, s:s, s:I, s:f, s:f, s:f}", "event", "step", "step",
				 (json_int_t)r->at.total_steps, "phase", run_phase_options(r)->name, "epoch",
				 (json_int_t)r->at.epoch + 1, "loss", loss, "accuracy", accuracy, "lr", lr);
	if (r->train.task == THAW_TASK_VALUE)
		json_object_del(line, "accuracy");
	write_line(r, line);
}

void run_metrics_epoch(struct run *r, json_t *metrics)
{
	if (!r->metrics_path)
		return;
	json_t *line = json_pack("{s:s, s:I, s:s, s:I, s:f, s:f, s:I, s:f}", "event", "epoch", "step",
				 (json_int_t)r->at.total_steps, "phase", run_phase_options(r)->name, "epoch",
				 (json_int_t)r->at.epoch + 1, "train_loss", run_epoch_mean(r, r->at.epoch_loss),
				 "train_accuracy", run_epoch_mean(r, r->at.epoch_correct), "train_damaged",
				 (json_int_t)run_epoch_damaged(r), "seconds", thaw_clock() - r->started);
	if (r->train.task == THAW_TASK_VALUE)
		json_object_del(line, "train_accuracy");
	if (line && metrics)
		json_object_set(line, r->test.found->split == THAW_SPLIT_VAL ? "validation" : "test", metrics);
	write_line(r, line);
}
