#include "src/advise/pilots.h"

#include "src/advise/draw.h"
#include "src/advise/probe.h"

#define HELD_OUT     0.25 /* of each class */
#define PILOT_PART   5    /* a pilot takes one in so many of the recipe's epochs, see docs/advice.md */
#define FEWEST_WRONG 8.0  /* images, below which pilots are luck */
#define DRAW         1000 /* number of the draw; those of the curves are smaller */
#define PILOT_LANES  4    /* or as many as ranks: no more, since batches are small */

/* What is under way. */
struct trials {
	const struct thaw_pilot_parts *parts;
	struct thaw_pilots *pilots;
	struct thaw_dataset train, test;
	struct thaw_probe probe;
	struct thaw_classifier classifier;
	bool begins; /* with the probe as its classifier; else that has epochs of its own first */
};

/* Rows of the taps are not the dataset's numbers where images are damaged. */
static thaw_status open_part(struct thaw_dataset *d, const struct trials *t, int64_t *row, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		row[i] = t->parts->taps->samples[row[i]];
	return thaw_dataset_subset(d, t->parts->dataset, row, count);
}

/* The probe of the images to learn from. */
static thaw_status fit_probe(struct trials *t, const struct thaw_feature_table *table, const int64_t *taken,
			     int64_t taken_count, const int64_t *rest, int64_t rest_count)
{
	struct thaw_feature_table train = {0}, test = {0};
	thaw_status status;
	THAW_TRY_OUT(thaw_draw_rows(&train, table, taken, taken_count));
	THAW_TRY_OUT(thaw_draw_rows(&test, table, rest, rest_count));
	THAW_TRY_OUT(thaw_probe_fit(&t->probe, &train));
	THAW_TRY_OUT(
		thaw_probe_judge(&t->probe, &test, &t->pilots->pilot[0].trial.top1, &t->pilots->pilot[0].trial.loss));
	t->pilots->pilot[0].trial.images = rest_count;
out:
	thaw_draw_release(&train);
	thaw_draw_release(&test);
	return status;
}

/* Rank 0 gives its own to the others: on other machines it may differ in its last bits. */
static thaw_status share_probe(struct trials *t)
{
	struct thaw_comm *comm = t->parts->comm;
	size_t width = (size_t)t->probe.width, classes = (size_t)t->probe.classes;
	THAW_TRY(comm->broadcast(comm, t->probe.weight, width * classes * sizeof(float), 0));
	THAW_TRY(comm->broadcast(comm, t->probe.bias, classes * sizeof(float), 0));
	THAW_TRY(comm->broadcast(comm, &t->pilots->pilot[0], sizeof(t->pilots->pilot[0]), 0));
	t->pilots->count = t->pilots->test_images > 0;
	t->classifier = (struct thaw_classifier){t->probe.width, t->probe.weight, t->probe.bias};
	t->begins = t->parts->taps->flat;
	return THAW_OK;
}

static thaw_status open_here(struct trials *t)
{
	const struct thaw_pilot_parts *p = t->parts;
	const struct thaw_taps *taps = p->taps;
	const struct thaw_feature_table table = {taps->count, taps->width[0], taps->features[0], taps->labels,
						 p->dataset->classes};
	int64_t *taken = thaw_alloc((size_t)taps->count, sizeof(*taken)), taken_count = 0;
	int64_t *rest = thaw_alloc((size_t)taps->count, sizeof(*rest)), rest_count = 0;
	thaw_status status = taken && rest ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK)
		status = thaw_draw(taps->labels, taps->count, table.classes, 1.0 - HELD_OUT, (uint64_t)p->options->seed,
				   DRAW, taken, &taken_count, rest, &rest_count);
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
	const struct thaw_pilot_parts *p = t->parts;
	struct thaw_pilot *pilot = &t->pilots->pilot[t->pilots->count++];
	struct thaw_train_options options = *p->options;
	const struct thaw_callbacks quiet = {.context = p->callbacks ? p->callbacks->context : NULL,
					     .stop = p->callbacks ? p->callbacks->stop : NULL};
	const int epochs = (p->recipe.epochs + PILOT_PART - 1) / PILOT_PART;
	*pilot = (struct thaw_pilot){.cut = cut, .rate = rate, .epochs = epochs};
	thaw_recipe_apply(&p->recipe, p->cut[cut].unfreeze, thaw_recipe_rate(cut == 0, rate), &options);
	options.head_epochs = t->begins ? 0 : options.head_epochs / PILOT_PART + 1;
	options.epochs = epochs;
	options.views = 1; /* what is frozen then runs once */
	options.lanes = p->comm->size > PILOT_LANES ? p->comm->size : PILOT_LANES;
	options.batch = options.batch > options.lanes ? options.batch : options.lanes;
	*made = pilot;
	return thaw_train_trial(p->comm, &options, &t->train, &t->test, t->begins ? &t->classifier : NULL, &quiet,
				&pilot->trial);
}

/* The better of two: by accuracy on the images held out, by loss where that is the same. */
static bool better(const struct thaw_pilot *a, const struct thaw_pilot *b)
{
	if (a->trial.top1 != b->trial.top1)
		return a->trial.top1 > b->trial.top1;
	return !a->trial.diverged && (b->trial.diverged || a->trial.loss < b->trial.loss);
}

/* The first round tries everything and half of the network at the rate that suits; where neither beats the classifier
 * alone, the better one is tried at a lower rate. */
static thaw_status run_rounds(struct trials *t)
{
	const struct thaw_pilot_parts *p = t->parts;
	const int deepest = p->taps->cut_count - 1, suitable = thaw_prior_rate(&p->prior);
	struct thaw_pilot *best = NULL, *made;
	for (int cut = deepest; cut > 0 && cut >= deepest - 1; cut--) {
		THAW_TRY(run_pilot(t, cut, suitable, &made));
		best = !best || better(made, best) ? made : best;
	}
	if (!best)
		return THAW_OK;
	best->kept = true;
	bool gains = better(best, &t->pilots->pilot[0]);
	return gains || suitable == 0 ? THAW_OK : run_pilot(t, best->cut, suitable - 1, &made);
}

/* Whether enough of the images held out will be got wrong to tell one pilot from another. */
static bool can_tell(const struct trials *t)
{
	return t->parts->prior.error * (double)t->pilots->test_images >= FEWEST_WRONG;
}

thaw_status thaw_pilots_run(struct thaw_pilots *pilots, const struct thaw_pilot_parts *parts)
{
	*pilots = (struct thaw_pilots){0};
	struct trials t = {.parts = parts, .pilots = pilots};
	thaw_status status = thaw_comm_agree(parts->comm, open_here(&t));
	if (status == THAW_OK)
		status = share_probe(&t);
	if (status == THAW_OK && can_tell(&t))
		status = run_rounds(&t);
	thaw_dataset_close(&t.train);
	thaw_dataset_close(&t.test);
	thaw_probe_release(&t.probe);
	return status;
}
