#include "src/train/objective.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

#define DEFAULT_GAMMA 2.0 /* of the focal loss's authors */
#define DEFAULT_DELTA 1.0 /* standard deviations */
#define MAX_PARAMETER 100.0
#define WORD_BYTES    32

struct thaw_objective_kind {
	enum thaw_task task;
	const char *name;
	thaw_loss_function *loss;
	double parameter; /* the default; 0: it has none */
};

/* The first of a task is its default. */
static const struct thaw_objective_kind kinds[] = {
	{THAW_TASK_CLASS, "cross-entropy", thaw_loss_classes, 0},
	{THAW_TASK_CLASS, "focal", thaw_loss_focal, DEFAULT_GAMMA},
	{THAW_TASK_LABELS, "cross-entropy", thaw_loss_labels, 0},
	{THAW_TASK_LABELS, "focal", thaw_loss_focal_labels, DEFAULT_GAMMA},
	{THAW_TASK_GRADE, "cross-entropy", thaw_loss_grades, 0},
	{THAW_TASK_VALUE, "mse", thaw_loss_squares, 0},
	{THAW_TASK_VALUE, "huber", thaw_loss_huber, DEFAULT_DELTA},
};

static const struct thaw_objective_kind *find_kind(enum thaw_task task, const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i].task == task && (!name || strcmp(kinds[i].name, name) == 0))
			return &kinds[i];
	return NULL;
}

/* "cross-entropy or focal" */
static const char *list_kinds(enum thaw_task task, char *text, size_t size)
{
	size_t used = 0;
	*text = '\0';
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && used < size; i++)
		if (kinds[i].task == task)
			used += (size_t)snprintf(text + used, size - used, "%s%s", used ? " or " : "", kinds[i].name);
	return text;
}

/* Splits NAME:PARAMETER. */
static thaw_status choose_kind(struct thaw_objective *o, const char *text)
{
	char name[WORD_BYTES], list[2 * WORD_BYTES], *end = NULL;
	enum thaw_task task = o->dataset->task;
	const char *colon = text ? strchr(text, ':') : NULL;
	snprintf(name, sizeof(name), "%.*s", colon ? (int)(colon - text) : WORD_BYTES, text ? text : "");
	o->kind = find_kind(task, text ? name : NULL);
	if (!o->kind)
		return thaw_fail(THAW_USAGE, "not a loss for %s: --loss %.64s: give %s", thaw_task_phrase(task), text,
				 list_kinds(task, list, sizeof(list)));
	o->parameter = colon ? strtod(colon + 1, &end) : o->kind->parameter;
	if (colon && (o->kind->parameter == 0.0 || !colon[1] || *end || !(o->parameter >= 0.0) ||
		      o->parameter > MAX_PARAMETER || (o->kind->loss == thaw_loss_huber && o->parameter == 0.0)))
		return thaw_fail(THAW_USAGE, "not understood: --loss %.64s: give %s%s", text, name,
				 o->kind->parameter > 0.0 ? ":NUMBER, with a number up to 100" : " alone");
	if (o->kind->parameter > 0.0)
		snprintf(o->text, sizeof(o->text), "%s:%g", name[0] ? name : o->kind->name, o->parameter);
	else
		snprintf(o->text, sizeof(o->text), "%s", o->kind->name);
	return THAW_OK;
}

/* Of the known targets of quantity c. A quantity that is the same in all images is not scaled. */
static void standardise(const struct thaw_dataset *d, int c, double *mean, double *deviation)
{
	double sum = 0.0, squares = 0.0;
	int64_t known = 0;
	for (int64_t i = 0; i < d->count; i++) {
		double t = d->targets[i * d->classes + c];
		if (isnan(t))
			continue;
		known++;
		sum += t;
	}
	*mean = known > 0 ? sum / (double)known : 0.0;
	for (int64_t i = 0; i < d->count; i++) {
		double t = d->targets[i * d->classes + c];
		squares += isnan(t) ? 0.0 : (t - *mean) * (t - *mean);
	}
	*deviation = squares > 0.0 ? sqrt(squares / (double)known) : 1.0;
}

static thaw_status standardise_all(struct thaw_objective *o)
{
	size_t classes = (size_t)o->dataset->classes;
	o->mean = thaw_alloc(classes, sizeof(*o->mean));
	o->deviation = thaw_alloc(classes, sizeof(*o->deviation));
	o->standardised = thaw_alloc(classes, sizeof(*o->standardised));
	if (!o->mean || !o->deviation || !o->standardised)
		return THAW_RESOURCE;
	for (int c = 0; c < o->dataset->classes; c++)
		standardise(o->dataset, c, &o->mean[c], &o->deviation[c]);
	return THAW_OK;
}

static thaw_status check_smoothing(const struct thaw_objective *o)
{
	if (o->smoothing == 0.0f || o->kind->loss == thaw_loss_classes)
		return THAW_OK;
	return thaw_fail(
		THAW_USAGE,
		"labels can be smoothed for the cross-entropy of classes only: --label-smoothing: leave it out, "
		"the loss is %s, of %s",
		o->kind->name, thaw_task_phrase(o->dataset->task));
}

thaw_status thaw_objective_open(struct thaw_objective *o, const struct thaw_dataset *dataset, const char *loss,
				const char *class_weights, double smoothing)
{
	*o = (struct thaw_objective){.dataset = dataset, .smoothing = (float)smoothing};
	o->outputs = dataset->classes - (dataset->task == THAW_TASK_GRADE);
	THAW_TRY(choose_kind(o, loss));
	THAW_TRY(check_smoothing(o));
	if (dataset->task == THAW_TASK_VALUE)
		THAW_TRY(standardise_all(o));
	return thaw_class_weights_read(&o->class_weights, dataset, class_weights);
}

void thaw_objective_close(struct thaw_objective *o)
{
	thaw_free(o->class_weights);
	thaw_free(o->mean);
	thaw_free(o->deviation);
	thaw_free(o->standardised);
	*o = (struct thaw_objective){0};
}

static size_t weight_count(const struct thaw_objective *o)
{
	return (size_t)o->dataset->classes * (o->dataset->task == THAW_TASK_LABELS ? 2 : 1);
}

/* Writes ", WHAT weights LEAST to MOST" to text[size], nothing without weights. */
static void describe_weights(char *text, size_t size, const char *what, const float *weights, size_t count)
{
	float least = INFINITY, most = 0.0f;
	*text = '\0';
	for (size_t i = 0; i < count && weights; i++) {
		least = fminf(least, weights[i]);
		most = fmaxf(most, weights[i]);
	}
	if (weights)
		snprintf(text, size, ", %s weights %.3g to %.3g", what, least, most);
}

const char *thaw_objective_line(const struct thaw_objective *o, char *text, size_t size)
{
	const struct thaw_dataset *d = o->dataset;
	char classes[2 * WORD_BYTES], images[2 * WORD_BYTES];
	if (o->kind == find_kind(THAW_TASK_CLASS, NULL) && !o->class_weights && !d->weights)
		return NULL;
	describe_weights(classes, sizeof(classes), "class", o->class_weights, weight_count(o));
	describe_weights(images, sizeof(images), "image", d->weights, (size_t)d->count);
	snprintf(text, size, "%s, loss %s%s%s", thaw_task_phrase(d->task), o->text, classes, images);
	return text;
}

uint64_t thaw_objective_digest(const struct thaw_objective *o)
{
	size_t count = weight_count(o);
	return o->class_weights ? thaw_digest(o->class_weights, count * sizeof(*o->class_weights), 0) : 0;
}

/* The targets of one sample, as the network learns them; NULL: its label. */
static const float *targets_of(const struct thaw_objective *o, int64_t sample)
{
	const struct thaw_dataset *d = o->dataset;
	const float *targets = d->targets ? d->targets + sample * d->classes : NULL;
	if (!o->standardised)
		return targets;
	for (int c = 0; c < d->classes; c++)
		o->standardised[c] = (float)(((double)targets[c] - o->mean[c]) / o->deviation[c]);
	return o->standardised;
}

static float weight_of(const struct thaw_objective *o, int64_t sample)
{
	const struct thaw_dataset *d = o->dataset;
	float weight = d->weights ? d->weights[sample] : 1.0f;
	return o->class_weights && d->task != THAW_TASK_LABELS ? weight * o->class_weights[d->labels[sample]] : weight;
}

void thaw_objective_loss(const struct thaw_objective *o, const float *outputs, const int64_t *samples, int64_t n,
			 float *doutputs, struct thaw_loss_sums *sums)
{
	*sums = (struct thaw_loss_sums){0};
	for (int64_t i = 0; i < n; i++) {
		const struct thaw_loss_input in = {
			.outputs = outputs + i * o->outputs,
			.count = o->outputs,
			.label = o->dataset->labels[samples[i]],
			.targets = targets_of(o, samples[i]),
			.balance = o->dataset->task == THAW_TASK_LABELS ? o->class_weights : NULL,
			.parameter = o->parameter,
			.smoothing = o->smoothing,
		};
		const float weight = weight_of(o, samples[i]);
		float *gradient = doutputs + i * o->outputs;
		const struct thaw_loss_sums one = o->kind->loss(&in, gradient);
		sums->loss += weight * one.loss;
		sums->weight += weight * one.weight;
		sums->correct += one.correct;
		for (int c = 0; c < o->outputs && weight != 1.0f; c++)
			gradient[c] *= weight;
	}
}
