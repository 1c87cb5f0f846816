/* The method of scikit-learn's StratifiedGroupKFold: groups, large ones first, each to the part where the shares of the
 * classes then differ least between the parts. Only the classes of the group at hand can change, so a step costs their
 * number times the square of that of the parts. */
#include "src/data/stratify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/memory.h"
#include "thaw/random.h"

#define BINS    10    /* at most, of the values of VALUE; unknown ones are one more */
#define EQUAL   1e-12 /* difference of two sums of standard deviations that counts as none */
#define NEVER   1e300
#define UNKNOWN (-1)

/* Samples that stay together. */
struct unit {
	double weight;    /* sum over the strata of the squared number of its samples */
	int32_t stratum;  /* that of its first sample */
	int64_t position; /* in the shuffled order */
	int64_t number;
};

struct division {
	const struct thaw_dataset *d;
	const double *share; /* [parts] */
	int parts, strata;   /* strata: classes, or what stands for them */
	int bins;            /* of VALUE */
	int32_t *bin;        /* [count] of VALUE */
	int64_t units;
	int64_t *start;   /* [units + 1] */
	int64_t *member;  /* [count] samples of unit u: member[start[u]] .. member[start[u + 1] - 1] */
	int64_t *size;    /* [strata] samples in all */
	int64_t *placed;  /* [strata][parts] samples in each part so far */
	int64_t *samples; /* [parts] */
	int64_t *here;    /* [strata] samples of the unit at hand */
	int32_t *touched; /* [strata] its strata */
	int touched_count;
};

static int compare_floats(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

/* A bin has samples for every part: of fewer, all would come into the largest one. */
static int count_bins(const struct thaw_dataset *d, const double *share, int parts)
{
	double least = 1;
	for (int p = 0; p < parts; p++)
		least = fmin(least, share[p]);
	return (int)fmax(1, fmin(BINS, (double)d->count * least / 2));
}

/* Sets bin[count]: tenths of the known values of the first quantity. */
static thaw_status bin_values(struct division *v)
{
	const struct thaw_dataset *d = v->d;
	float *sorted = thaw_alloc((size_t)d->count, sizeof(*sorted));
	v->bin = thaw_alloc((size_t)d->count, sizeof(*v->bin));
	int64_t known = 0;
	for (int64_t i = 0; sorted && i < d->count; i++)
		if (!isnan(d->targets[i * d->classes]))
			sorted[known++] = d->targets[i * d->classes];
	if (sorted)
		qsort(sorted, (size_t)known, sizeof(*sorted), compare_floats);
	for (int64_t i = 0; sorted && v->bin && i < d->count; i++) {
		float value = d->targets[i * d->classes];
		v->bin[i] = v->bins;
		for (int b = v->bins - 1; !isnan(value) && b >= 0 && v->bin[i] == v->bins; b--)
			if (b == 0 || value >= sorted[b * known / v->bins])
				v->bin[i] = b;
	}
	thaw_free(sorted);
	return sorted && v->bin ? THAW_OK : THAW_RESOURCE;
}

/* Adds sample i to the unit at hand. */
static void touch(struct division *v, int stratum)
{
	if (v->here[stratum]++ == 0)
		v->touched[v->touched_count++] = stratum;
}

static void touch_sample(struct division *v, int64_t i)
{
	const struct thaw_dataset *d = v->d;
	if (d->task == THAW_TASK_VALUE) {
		touch(v, v->bin[i]);
	} else if (d->task == THAW_TASK_LABELS) {
		int before = 0;
		for (int c = 0; c < d->classes; c++)
			if (d->targets[i * d->classes + c] > 0) {
				touch(v, c);
				before++;
			}
		if (before == 0)
			touch(v, d->classes);
	} else {
		touch(v, d->labels[i]);
	}
}

static void touch_unit(struct division *v, int64_t unit)
{
	for (int k = 0; k < v->touched_count; k++)
		v->here[v->touched[k]] = 0;
	v->touched_count = 0;
	for (int64_t m = v->start[unit]; m < v->start[unit + 1]; m++)
		touch_sample(v, v->member[m]);
}

/* The unit of each sample: *number[count], in the order of their first samples. */
static thaw_status number_units(struct division *v, int64_t **number)
{
	const struct thaw_dataset *d = v->d;
	uint64_t slots = 2;
	while (slots < 2 * (uint64_t)d->count)
		slots *= 2;
	int64_t *slot = thaw_alloc(d->groups ? slots : 1, sizeof(*slot)); /* 1 + a sample of the group */
	*number = thaw_alloc((size_t)d->count, sizeof(**number));
	if (!slot || !*number) {
		thaw_free(slot);
		return THAW_RESOURCE;
	}
	for (int64_t i = 0; i < d->count; i++) {
		uint64_t group = d->groups ? d->groups[i] : 0, at = group & (slots - 1);
		while (group != 0 && slot[at] != 0 && d->groups[slot[at] - 1] != group)
			at = (at + 1) & (slots - 1);
		if (group != 0 && slot[at] != 0) {
			(*number)[i] = (*number)[slot[at] - 1];
			continue;
		}
		if (group != 0)
			slot[at] = i + 1;
		(*number)[i] = v->units++;
	}
	thaw_free(slot);
	return THAW_OK;
}

static thaw_status collect_units(struct division *v)
{
	int64_t *number = NULL;
	thaw_status status = number_units(v, &number);
	if (status == THAW_OK) {
		v->start = thaw_alloc((size_t)v->units + 2, sizeof(*v->start));
		v->member = thaw_alloc((size_t)v->d->count, sizeof(*v->member));
		status = v->start && v->member ? THAW_OK : THAW_RESOURCE;
	}
	if (status == THAW_OK) { /* counting sort; start is one place ahead until the end */
		for (int64_t i = 0; i < v->d->count; i++)
			v->start[number[i] + 2]++;
		for (int64_t u = 0; u < v->units; u++)
			v->start[u + 2] += v->start[u + 1];
		for (int64_t i = 0; i < v->d->count; i++)
			v->member[v->start[number[i] + 1]++] = i;
	}
	thaw_free(number);
	return status;
}

/* The sum over the classes of the unit of the standard deviation, over the parts, of the class's share in each part,
 * with the unit in part `to`, or in none if `to` is -1. */
static double unevenness(const struct division *v, int to)
{
	double sum = 0;
	for (int k = 0; k < v->touched_count; k++) {
		int s = v->touched[k];
		double first = 0, second = 0;
		for (int p = 0; p < v->parts; p++) {
			int64_t n = v->placed[(int64_t)s * v->parts + p] + (p == to ? v->here[s] : 0);
			double x = (double)n / (v->share[p] * v->parts);
			first += x;
			second += x * x;
		}
		double mean = first / v->parts, variance = second / v->parts - mean * mean;
		sum += (variance > 0 ? sqrt(variance) : 0) / (double)v->size[s];
	}
	return sum;
}

static double fill(const struct division *v, int part)
{
	return (double)v->samples[part] / v->share[part];
}

/* The part for the unit at hand; of equally good ones the emptiest. */
static int choose_part(const struct division *v)
{
	double before = unevenness(v, UNKNOWN), best = NEVER;
	int chosen = 0;
	for (int p = 0; p < v->parts; p++) {
		double change = unevenness(v, p) - before;
		bool equal = fabs(change - best) <= EQUAL;
		if (equal ? fill(v, p) < fill(v, chosen) : change < best) {
			best = change;
			chosen = p;
		}
	}
	return chosen;
}

static void place(struct division *v, int64_t unit, int32_t *part)
{
	touch_unit(v, unit);
	int to = choose_part(v);
	for (int k = 0; k < v->touched_count; k++)
		v->placed[(int64_t)v->touched[k] * v->parts + to] += v->here[v->touched[k]];
	for (int64_t m = v->start[unit]; m < v->start[unit + 1]; m++)
		part[v->member[m]] = to;
	v->samples[to] += v->start[unit + 1] - v->start[unit];
}

static int compare_units(const void *a, const void *b)
{
	const struct unit *x = a, *y = b;
	if (x->weight != y->weight)
		return x->weight < y->weight ? 1 : -1;
	if (x->stratum != y->stratum)
		return x->stratum < y->stratum ? -1 : 1;
	return (x->position > y->position) - (x->position < y->position);
}

/* *order[units]: the largest units first, since small ones can still fill gaps; then class by class, so that the sizes
 * of the parts differ by one at most without groups; else in random order. */
static thaw_status order_units(struct division *v, struct unit **order, uint64_t seed)
{
	int64_t *shuffled = thaw_alloc((size_t)v->units, sizeof(*shuffled));
	*order = thaw_alloc((size_t)v->units, sizeof(**order));
	if (!shuffled || !*order) {
		thaw_free(shuffled);
		return THAW_RESOURCE;
	}
	for (int64_t u = 0; u < v->units; u++)
		shuffled[u] = u;
	struct thaw_random random = thaw_random_stream(seed, THAW_STREAM_SPLIT, SELECT_PARTS, 0);
	thaw_random_shuffle(&random, shuffled, v->units);
	for (int64_t at = 0; at < v->units; at++) {
		int64_t u = shuffled[at];
		double weight = 0;
		touch_unit(v, u);
		for (int k = 0; k < v->touched_count; k++) {
			double n = (double)v->here[v->touched[k]];
			weight += n * n;
			v->size[v->touched[k]] += v->here[v->touched[k]];
		}
		(*order)[at] = (struct unit){weight, v->touched[0], at, u};
	}
	thaw_free(shuffled);
	qsort(*order, (size_t)v->units, sizeof(**order), compare_units);
	return THAW_OK;
}

static void free_division(struct division *v)
{
	thaw_free(v->bin);
	thaw_free(v->start);
	thaw_free(v->member);
	thaw_free(v->size);
	thaw_free(v->placed);
	thaw_free(v->samples);
	thaw_free(v->here);
	thaw_free(v->touched);
}

thaw_status thaw_stratify(int32_t *part, const struct thaw_dataset *d, const double *share, int parts, uint64_t seed)
{
	struct division v = {.d = d, .share = share, .parts = parts};
	struct unit *order = NULL;
	thaw_status status = THAW_OK;
	v.bins = count_bins(d, share, parts);
	v.strata = d->task == THAW_TASK_VALUE ? v.bins + 1 : d->classes + (d->task == THAW_TASK_LABELS);
	v.size = thaw_alloc((size_t)v.strata, sizeof(*v.size));
	v.placed = thaw_alloc((size_t)v.strata * (size_t)parts, sizeof(*v.placed));
	v.samples = thaw_alloc((size_t)parts, sizeof(*v.samples));
	v.here = thaw_alloc((size_t)v.strata, sizeof(*v.here));
	v.touched = thaw_alloc((size_t)v.strata, sizeof(*v.touched));
	if (!v.size || !v.placed || !v.samples || !v.here || !v.touched)
		status = THAW_RESOURCE;
	if (status == THAW_OK && d->task == THAW_TASK_VALUE)
		status = bin_values(&v);
	if (status == THAW_OK)
		status = collect_units(&v);
	if (status == THAW_OK)
		status = order_units(&v, &order, seed);
	for (int64_t u = 0; status == THAW_OK && u < v.units; u++)
		place(&v, order[u].number, part);
	thaw_free(order);
	free_division(&v);
	return status;
}
