/* Finds the checkpoint to resume from: the newest one that is whole and belongs to this run.
 *
 * A checkpoint is data from outside: its name may be wrong (a copy), it may be of another run, of other weights or of
 * another version. Such a checkpoint is passed over, like a damaged one, and the log says why. Rank 0 only.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "src/train/position.h"
#include "src/train/run.h"
#include "src/train/state_size.h"
#include "thaw/memory.h"

#define ROUNDING 1e-9 /* of a mean that is 1 */

/* Every member of struct position with its metadata key, for both saving and loading. */
const struct position_field run_position_fields[RUN_POSITION_FIELDS] = {
	{"thaw.phase", offsetof(struct position, phase), false},
	{"thaw.epoch", offsetof(struct position, epoch), false},
	{"thaw.step", offsetof(struct position, step), false},
	{"thaw.total_steps", offsetof(struct position, total_steps), false},
	{"thaw.epoch_images", offsetof(struct position, epoch_images), true},
	{"thaw.epoch_loss", offsetof(struct position, epoch_loss), true},
	{"thaw.epoch_correct", offsetof(struct position, epoch_correct), true},
	{"thaw.best_step", offsetof(struct position, best_step), false},
	{"thaw.best_top1", offsetof(struct position, best_metric), true}, /* or the main metric of another task */
	{"thaw.metrics_lines", offsetof(struct position, metrics_lines), false},
	{"thaw.seconds", offsetof(struct position, seconds), true},
};

static thaw_status read_field(struct position *at, const struct position_field *field, const char *value)
{
	char *member = (char *)at + field->offset, *end;
	if (!value)
		return thaw_fail(THAW_DATA, "%s is missing", field->key);
	if (field->real)
		*(double *)member = strtod(value, &end);
	else
		*(int64_t *)member = strtoll(value, &end, 10);
	if (!*value || *end || (field->real && !isfinite(*(double *)member)))
		return thaw_fail(THAW_DATA, "%s is not a number", field->key);
	return THAW_OK;
}

/* Steps of the run up to the position. */
static int64_t steps_until(const struct run *r, const struct position *at)
{
	int64_t epochs = at->epoch;
	for (int64_t phase = 0; phase < at->phase; phase++)
		epochs += r->phases[phase].epochs;
	return epochs * r->steps_per_epoch + at->step;
}

static bool is_within_run(const struct run *r, const struct position *at)
{
	return at->phase >= 0 && at->phase < r->phase_count && at->epoch >= 0 &&
	       at->epoch < r->phases[at->phase].epochs && at->step >= 0 && at->step <= r->steps_per_epoch &&
	       at->total_steps == steps_until(r, at);
}

static bool has_possible_sums(const struct run *r, const struct position *at)
{
	enum thaw_task task = r->train.task;
	double least = task == THAW_TASK_VALUE ? -INFINITY : task == THAW_TASK_GRADE ? -2.0 : 0.0; /* R2, kappa */
	return at->epoch_images >= 0.0 && at->epoch_images <= (double)r->train.count && at->epoch_correct >= 0.0 &&
	       at->epoch_correct <= at->epoch_images && at->best_step >= -1 && at->best_step <= at->total_steps &&
	       at->best_metric >= least && at->best_metric <= 1.0 + ROUNDING && at->metrics_lines >= 0 &&
	       at->seconds >= 0.0;
}

/* step: in the name of the file. */
static thaw_status check_position(const struct run *r, const struct position *at, int64_t step)
{
	if (!is_within_run(r, at))
		return thaw_fail(THAW_DATA, "its position is outside the run");
	if (at->total_steps != step)
		return thaw_fail(THAW_DATA, "it is of step %lld: a copy under another name",
				 (long long)at->total_steps);
	return has_possible_sums(r, at) ? THAW_OK : thaw_fail(THAW_DATA, "its sums or counts are impossible");
}

/* The run would continue with other frozen weights than it was trained with. */
static thaw_status check_digest(const struct run *r, const struct thaw_weights *w)
{
	const char *digest = thaw_weights_get(w, "thaw.base_digest");
	if (!digest || strtoull(digest, NULL, 16) != r->model->digest)
		return thaw_fail(THAW_CONFIG,
				 "the run was started from other weights: --model: give the file it was started with");
	return THAW_OK;
}

/* state: name of an optimizer state; NULL: the parameter itself. */
static thaw_status check_tensor(const struct thaw_param *p, const struct thaw_weights *w, const char *state)
{
	char *name = state ? thaw_format("optimizer.%s.%s", state, p->name) : thaw_strdup(p->name);
	if (!name)
		return THAW_RESOURCE;
	const struct thaw_named_tensor *t = thaw_weights_find(w, name);
	thaw_status status = THAW_OK;
	if (!t || t->dtype != THAW_F32 || !thaw_shape_equal(&t->shape, &p->file_shape))
		status = thaw_fail(THAW_DATA, "%s is missing or has another shape", name);
	thaw_free(name);
	return status;
}

/* The file must have all that the phase trains, or earlier ones have trained. Cuts the graph for this phase, which
 * run_enter_phase repeats. */
static thaw_status check_tensors(const struct run *r, const struct thaw_weights *w, int64_t phase)
{
	struct thaw_graph *g = r->model->graph;
	THAW_TRY(run_unfreeze(r, (int)phase, true));
	for (int i = 0; i < g->param_count; i++) {
		if (!g->params[i].trainable)
			continue;
		THAW_TRY(check_tensor(&g->params[i], w, NULL));
		for (int s = 0; s < THAW_OPTIMIZER_STATES && r->optimizer->state_names[s]; s++)
			THAW_TRY(check_tensor(&g->params[i], w, r->optimizer->state_names[s]));
	}
	return THAW_OK;
}

struct search {
	const struct run *r;
	struct position *at; /* of the checkpoint that was accepted */
	int skipped;
	thaw_status status; /* why the newest of them was skipped */
};

static thaw_status check_candidate(void *context, const struct thaw_weights *w, int64_t step)
{
	const struct search *s = context;
	struct position at = {0};
	for (size_t i = 0; i < RUN_POSITION_FIELDS; i++)
		THAW_TRY(read_field(&at, &run_position_fields[i], thaw_weights_get(w, run_position_fields[i].key)));
	THAW_TRY(check_digest(s->r, w));
	THAW_TRY(check_position(s->r, &at, step));
	THAW_TRY(check_tensors(s->r, w, at.phase));
	*s->at = at;
	return THAW_OK;
}

static void log_skipped(void *context, const char *path, thaw_status status, const char *why)
{
	(void)path; /* is in `why` */
	struct search *s = context;
	if (s->skipped++ == 0)
		s->status = status;
	run_log(s->r, "skipped: %s", why);
}

thaw_status run_find_checkpoint(const struct run *r, struct thaw_weights *w, struct position *at, int64_t *step)
{
	struct search search = {.r = r, .at = at};
	const struct thaw_checkpoint_search options = {
		.directory = r->options.out,
		.largest = thaw_state_bound(r->model->graph),
		.check = check_candidate,
		.skipped = log_skipped,
		.context = &search,
	};
	THAW_TRY(thaw_checkpoint_latest(w, step, &options));
	if (*step >= 0 || search.skipped == 0)
		return THAW_OK;
	return thaw_fail(search.status,
			 "every checkpoint of the run is damaged or does not fit: --out %s: %s, or remove its "
			 "step-*.safetensors.zst to train from the beginning",
			 r->options.out,
			 search.status == THAW_CONFIG ? "give --model the file that the run was started with"
						      : "restore one from a copy");
}
