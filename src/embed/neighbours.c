/* See neighbours.h. */
#include "src/embed/neighbours.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "src/base/multiversion.h"

#define TEMPERATURE 0.07 /* of Wu et al. */

void thaw_unit_rows(float *rows, int64_t count, int64_t width)
{
	for (int64_t i = 0; i < count; i++, rows += width) {
		double square = 0;
		for (int64_t j = 0; j < width; j++)
			square += (double)rows[j] * rows[j];
		for (int64_t j = 0; j < width && square > 0; j++)
			rows[j] = (float)(rows[j] / sqrt(square));
	}
}

static bool is_nearer(const struct thaw_neighbour *a, const struct thaw_neighbour *b)
{
	if (b->label < 0 || a->label < 0)
		return a->label >= 0;
	return a->similarity > b->similarity || (a->similarity == b->similarity && a->sample < b->sample);
}

static void insert(struct thaw_neighbour *near, int k, const struct thaw_neighbour *n)
{
	int at = k;
	while (at > 0 && is_nearer(n, &near[at - 1]))
		at--;
	if (at == k)
		return;
	memmove(near + at + 1, near + at, (size_t)(k - at - 1) * sizeof(*near));
	near[at] = *n;
}

/* Several sums at once, always in the same order: one sum alone would wait for each addition. */
THAW_MULTIVERSION static float product(const float *a, const float *b, int64_t n)
{
	enum { SUMS = 16 };
	float sum[SUMS] = {0};
	int64_t i = 0;
	for (; i + SUMS <= n; i += SUMS)
		for (int k = 0; k < SUMS; k++)
			sum[k] += a[i + k] * b[i + k];
	for (; i < n; i++)
		sum[0] += a[i] * b[i];
	for (int k = 1; k < SUMS; k++)
		sum[0] += sum[k];
	return sum[0];
}

void thaw_nearest(struct thaw_neighbour *near, int k, const struct thaw_vectors *v, const float *row)
{
	for (int i = 0; i < k; i++)
		near[i] = (struct thaw_neighbour){.label = -1};
	for (int64_t i = 0; i < v->count; i++) {
		const struct thaw_neighbour n = {product(row, v->values + i * v->width, v->width), v->labels[i],
						 v->samples[i]};
		insert(near, k, &n);
	}
}

void thaw_merge_nearest(struct thaw_neighbour *near, const struct thaw_neighbour *more, int k)
{
	for (int i = 0; i < k && more[i].label >= 0; i++)
		insert(near, k, &more[i]);
}

void thaw_vote(double *vote, int classes, const struct thaw_neighbour *near, int k)
{
	memset(vote, 0, (size_t)classes * sizeof(*vote));
	for (int i = 0; i < k && near[i].label >= 0; i++)
		vote[near[i].label] += exp(near[i].similarity / TEMPERATURE);
}
