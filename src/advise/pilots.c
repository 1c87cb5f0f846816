#include "src/advise/pilots.h"

#include "src/advise/probe.h"
#include "src/advise/stratified_split.h"
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/memory.h"

#define HELD_OUT     0.25 /* fraction of each class */
#define PILOT_PART   5    /* a pilot runs one in this many of the recipe's epochs, see docs/advice.md */
#define MIN_WRONG    8.0  /* expected number of wrong images; with fewer, pilots cannot be compared */
#define SPLIT_NUMBER 1000 /* of thaw_stratified_split; the learning curves use smaller ones */
#define PILOT_LANES  4    /* or the rank count if larger; few, since batches are small */

/* The pilots and the data they share. */
struct trials {
	const struct thaw_pilot_inputs *inputs;
	struct thaw_pilots *pilots;
	struct thaw_dataset train, test;
	struct thaw_probe probe;
	struct thaw_classifier classifier;
	bool starts_from_probe; /* else the pilots begin with head epochs */
};

/* Rows of the activations skip damaged images, so they are mapped to samples of the dataset. Overwrites row[count]. */
static thaw_status open_part(struct thaw_dataset *d, const struct trials *t, int64_t *row, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		row[i] = t->inputs->activations->samples[row[i]];
	return thaw_dataset_subset(d, t->inputs->dataset, row, count);
}

/* Fits the probe to the images taken and evaluates it on the rest. */
static thaw_status fit_probe(struct trials *t, const struct thaw_feature_table *table, const int64_t *taken,
			     int64_t taken_count, const int64_t *rest, int64_t rest_count)
{
	struct thaw_feature_rows train = {0}, test = {0};
	thaw_status status;
	THAW_TRY_OUT(thaw_feature_rows_copy(&train, table, taken, taken_count));
	THAW_TRY_OUT(thaw_feature_rows_copy(&test, table, rest, rest_count));
	THAW_TRY_OUT(thaw_probe_fit(&t->probe, &train.table));
	THAW_TRY_OUT(thaw_probe_evaluate(&t->probe, &test.table, &t->pilots->pilot[0].trial.top1,
					 &t->pilots->pilot[0].trial.loss));
	t->pilots->pilot[0].trial.images = rest_count;
out:
	thaw_feature_rows_release(&train);
	thaw_feature_rows_release(&test);
	return status;
}

/* All ranks use the probe of rank 0, since the last bits may differ on other CPUs. */
static thaw_status broadcast_probe(struct trials *t)
{
	struct thaw_comm *comm = t->inputs->comm;
	size_t width = (size_t)t->probe.width, classes = (size_t)t->probe.classes;
	THAW_TRY(comm->broadcast(comm, t->probe.weight, width * classes * sizeof(float), 0));
	THAW_TRY(comm->broadcast(comm, t->probe.bias, classes * sizeof(float), 0));
	THAW_TRY(comm->broadcast(comm, &t->pilots->pilot[0], sizeof(t->pilots->pilot[0]), 0));
	t->pilots->count = t->pilots->test_images > 0;
	t->classifier = (struct thaw_classifier){t->probe.width, t->probe.weight, t->probe.bias};
	t->starts_from_probe = t->inputs->activations->flat;
	return THAW_OK;
}

static thaw_status open_here(struct trials *t)
{
	const struct thaw_pilot_inputs *p = t->inputs;
	const struct thaw_activations *activations = p->activations;
	const struct thaw_feature_table table = {activations->count, activations->width[0], activations->features[0],
						 activations->labels, p->dataset->classes};
	int64_t *taken = thaw_alloc((size_t)activations->count, sizeof(*taken)), taken_count = 0;
	int64_t *rest = thaw_alloc((size_t)activations->count, sizeof(*rest)), rest_count = 0;
	thaw_status status = taken && rest ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK)
		status = thaw_stratified_split(activations->labels, activations->count, table.classes, 1.0 - HELD_OUT,
					       (uint64_t)p->options->seed, SPLIT_NUMBER, taken, &taken_count, rest,
					       &rest_count);
	if (status == THAW_OK)
		status = fit_probe(t, &table, taken, taken_count, rest, rest_count);
	if (status == THAW_OK)
		status = open_part(&t->train, t, taken, taken_count);
	if (status == THAW_OK)
		status = open_part(&t->test, t, rest, rest_count);
	t->pilots->train_images = taken_count;
	t->pilots->test_images = rest_count;
	thaw_free(taken);
	thaw_free(rest);
	return status;
}

static thaw_status run_pilot(struct trials *t, int cut, int rate, struct thaw_pilot **made)
{
	const struct thaw_pilot_inputs *p = t->inputs;
	struct thaw_pilot *pilot = &t->pilots->pilot[t->pilots->count++];
	struct thaw_train_options options = *p->options;
	const struct thaw_callbacks quiet = {.context = p->callbacks ? p->callbacks->context : NULL,
					     .stop = p->callbacks ? p->callbacks->stop : NULL};
	const int epochs = (p->recipe.epochs + PILOT_PART - 1) / PILOT_PART;
	*pilot = (struct thaw_pilot){.cut = cut, .rate = rate, .epochs = epochs};
	thaw_recipe_apply(&p->recipe, p->cut[cut].unfreeze, thaw_recipe_rate(cut == 0, rate), &options);
	options.head_epochs = t->starts_from_probe ? 0 : options.head_epochs / PILOT_PART + 1;
	options.epochs = epochs;
	options.views = 1; /* so that the frozen part runs only once */
	options.lanes = max_int(p->comm->size, PILOT_LANES);
	options.batch = max_int(options.batch, options.lanes);
	*made = pilot;
	return thaw_train_trial(p->comm, &options, &t->train, &t->test, t->starts_from_probe ? &t->classifier : NULL,
				&quiet, &pilot->trial);
}

/* Whether a is better than b: higher accuracy on the held-out images or, if equal, lower loss. */
static bool better(const struct thaw_pilot *a, const struct thaw_pilot *b)
{
	if (a->trial.top1 != b->trial.top1)
		return a->trial.top1 > b->trial.top1;
	return !a->trial.diverged && (b->trial.diverged || a->trial.loss < b->trial.loss);
}

/* First round: the two deepest cuts at the prior's learning rate. If neither beats the probe, a second round runs the
 * better one at the next lower rate. */
static thaw_status run_rounds(struct trials *t)
{
	const struct thaw_pilot_inputs *p = t->inputs;
	const int deepest = p->activations->cut_count - 1, rate = thaw_prior_rate(&p->prior);
	struct thaw_pilot *best = NULL, *made;
	for (int cut = deepest; cut > 0 && cut >= deepest - 1; cut--) {
		THAW_TRY(run_pilot(t, cut, rate, &made));
		best = !best || better(made, best) ? made : best;
	}
	if (!best)
		return THAW_OK;
	best->kept = true;
	bool gains = better(best, &t->pilots->pilot[0]);
	return gains || rate == 0 ? THAW_OK : run_pilot(t, best->cut, rate - 1, &made);
}

/* Whether enough errors on the held-out images are expected to compare pilots. */
static bool comparable(const struct trials *t)
{
	return t->inputs->prior.error * (double)t->pilots->test_images >= MIN_WRONG;
}

thaw_status thaw_pilots_run(struct thaw_pilots *pilots, const struct thaw_pilot_inputs *inputs)
{
	*pilots = (struct thaw_pilots){0};
	struct trials t = {.inputs = inputs, .pilots = pilots};
	thaw_status status = thaw_comm_agree(inputs->comm, open_here(&t));
	if (status == THAW_OK)
		status = broadcast_probe(&t);
	if (status == THAW_OK && comparable(&t))
		status = run_rounds(&t);
	thaw_dataset_close(&t.train);
	thaw_dataset_close(&t.test);
	thaw_probe_release(&t.probe);
	return status;
}
