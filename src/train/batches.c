#include "src/train/batches.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/lanes.h"
#include "thaw/memory.h"

void thaw_own_sizes_release(struct thaw_own_sizes *s)
{
	for (int i = 0; i < s->lane_count; i++) {
		if (s->of)
			thaw_free(s->of[i]);
		if (s->distinct)
			thaw_free(s->distinct[i]);
	}
	thaw_free(s->of);
	thaw_free(s->distinct);
	thaw_free(s->distinct_count);
	*s = (struct thaw_own_sizes){0};
}

static thaw_status read_own_size(struct thaw_size *size, const struct thaw_dataset *d, int64_t sample,
				 const struct thaw_native *limits)
{
	const struct thaw_preprocess p = {.native = *limits};
	struct thaw_encoded_image image;
	thaw_status status = d->read(d, sample, &image);
	if (status == THAW_DATA || status == THAW_IO) {
		*size = thaw_square(limits->smallest);
		return THAW_OK;
	}
	if (status == THAW_OK) {
		*size = thaw_preprocess_size(&p, image.width, image.height);
		thaw_encoded_image_free(&image);
	}
	return status;
}

static int64_t area(struct thaw_size s)
{
	return (int64_t)s.height * s.width;
}

static int by_sides(const void *a, const void *b)
{
	const struct thaw_size *x = a, *y = b;
	return x->height != y->height ? x->height - y->height : x->width - y->width;
}

/* The different sizes of the images of a lane. */
static thaw_status find_distinct(struct thaw_own_sizes *s, int own, int64_t images)
{
	struct thaw_size *sorted = thaw_alloc((size_t)images, sizeof(*sorted));
	s->distinct[own] = sorted;
	if (!sorted)
		return THAW_RESOURCE;
	if (images > 0)
		memcpy(sorted, s->of[own], (size_t)images * sizeof(*sorted));
	qsort(sorted, (size_t)images, sizeof(*sorted), by_sides);
	for (int64_t k = 0; k < images; k++)
		if (k == 0 || !thaw_size_equal(sorted[k], sorted[s->distinct_count[own] - 1]))
			sorted[s->distinct_count[own]++] = sorted[k];
	return THAW_OK;
}

static thaw_status read_lane(struct thaw_own_sizes *s, const struct thaw_dataset *d, int lane)
{
	int64_t images = thaw_lane_count(d->count, s->lanes, lane);
	struct thaw_size *of = thaw_alloc((size_t)images, sizeof(*of));
	s->of[lane - s->first_lane] = of;
	if (!of)
		return THAW_RESOURCE;
	for (int64_t k = 0; k < images; k++) {
		THAW_TRY(read_own_size(&of[k], d, thaw_lane_sample(k, s->lanes, lane), &s->limits));
		if (area(of[k]) > area(s->largest))
			s->largest = of[k];
		if (area(s->smallest) == 0 || area(of[k]) < area(s->smallest))
			s->smallest = of[k];
	}
	return find_distinct(s, lane - s->first_lane, images);
}

thaw_status thaw_own_sizes_read(struct thaw_own_sizes *s, const struct thaw_dataset *d,
				const struct thaw_native *limits, int lanes, int first_lane, int end_lane)
{
	*s = (struct thaw_own_sizes){
		.limits = *limits, .lanes = lanes, .first_lane = first_lane, .lane_count = end_lane - first_lane};
	s->of = thaw_alloc((size_t)s->lane_count, sizeof(*s->of));
	s->distinct = thaw_alloc((size_t)s->lane_count, sizeof(*s->distinct));
	s->distinct_count = thaw_alloc((size_t)s->lane_count, sizeof(*s->distinct_count));
	if (!s->of || !s->distinct || !s->distinct_count)
		return THAW_RESOURCE;
	for (int lane = first_lane; lane < end_lane; lane++)
		THAW_TRY(read_lane(s, d, lane));
	return THAW_OK;
}

/* The images of one size that are not in a complete batch yet: a list in the order of the lane. */
struct bucket {
	int64_t head, tail, count;
};

/* One bucket for each size of a lane. */
struct buckets {
	const struct thaw_size *sizes; /* [total], in ascending order */
	int64_t total;
	struct bucket *bucket; /* [total] */
};

static thaw_status buckets_create(struct buckets *b, const struct thaw_own_sizes *s, int lane)
{
	b->sizes = s->distinct[lane - s->first_lane];
	b->total = s->distinct_count[lane - s->first_lane];
	b->bucket = thaw_alloc((size_t)b->total, sizeof(*b->bucket));
	return b->bucket ? THAW_OK : THAW_RESOURCE;
}

/* The size is one of them. */
static struct bucket *bucket_of(const struct buckets *b, struct thaw_size size)
{
	int64_t first = 0, last = b->total - 1;
	while (first < last) {
		int64_t middle = (first + last) / 2;
		if (by_sides(&b->sizes[middle], &size) < 0)
			first = middle + 1;
		else
			last = middle;
	}
	return &b->bucket[first];
}

/* As thaw_batches_count, with own sizes. */
static int64_t count_batches(const struct thaw_own_sizes *s, int64_t images, int lane, int64_t batch)
{
	struct buckets b = {0};
	int64_t batches = 0;
	if (buckets_create(&b, s, lane) != THAW_OK)
		return -1;
	for (int64_t k = 0; k < images; k++) {
		struct bucket *to = bucket_of(&b, s->of[lane - s->first_lane][k]);
		batches += to->count++ % batch == 0;
	}
	thaw_free(b.bucket);
	return batches;
}

int64_t thaw_batches_count(const struct thaw_own_sizes *s, int64_t images, int lane, int64_t batch)
{
	return thaw_own_sizes_known(s) ? count_batches(s, images, lane, batch) : (images + batch - 1) / batch;
}

/* Batches, as lists. */
struct arrangement {
	int64_t *next;    /* [images] of the lists */
	int64_t *from;    /* [batches] first position of each batch in the list */
	int64_t *members; /* [batches] */
	int64_t batches;
};

static void finish_batch(struct arrangement *p, struct bucket *b)
{
	p->from[p->batches] = b->head;
	p->members[p->batches++] = b->count;
	b->count = 0;
}

/* Fills the lists in the order in which batches become complete; incomplete ones follow by size. */
static void fill_arrangement(struct arrangement *p, const struct thaw_own_sizes *s, struct buckets *b,
			     const int64_t *order, int64_t images, int lane, int64_t batch)
{
	for (int64_t i = 0; i < images; i++) {
		struct bucket *to = bucket_of(b, thaw_own_size(s, lane, order[i]));
		if (to->count++ == 0)
			to->head = i;
		else
			p->next[to->tail] = i;
		to->tail = i;
		if (to->count == batch)
			finish_batch(p, to);
	}
	for (int64_t k = 0; k < b->total; k++)
		if (b->bucket[k].count > 0)
			finish_batch(p, &b->bucket[k]);
}

/* Writes the batches one after the other to order and first; which[batches]: their order, shuffled here. */
static void write_arrangement(const struct arrangement *p, struct thaw_random *shuffle, int64_t *which,
			      int64_t *samples, int64_t *order, int64_t images, int64_t *first)
{
	int64_t written = 0;
	memcpy(samples, order, (size_t)images * sizeof(*samples));
	for (int64_t k = 0; k < p->batches; k++)
		which[k] = k;
	if (shuffle)
		thaw_random_shuffle(shuffle, which, p->batches);
	for (int64_t k = 0; k < p->batches; k++) {
		int64_t at = p->from[which[k]];
		first[k] = written;
		for (int64_t i = 0; i < p->members[which[k]]; i++, at = p->next[at])
			order[written++] = samples[at];
	}
	first[p->batches] = written;
}

static thaw_status arrange_by_size(const struct thaw_own_sizes *s, int64_t *order, int64_t images, int lane,
				   int64_t batch, struct thaw_random *shuffle, int64_t *first)
{
	struct buckets b = {0};
	size_t n = (size_t)images;
	struct arrangement p = {.next = thaw_alloc(n, sizeof(*p.next)),
				.from = thaw_alloc(n, sizeof(*p.from)),
				.members = thaw_alloc(n, sizeof(*p.members))};
	int64_t *which = thaw_alloc(n, sizeof(*which)), *samples = thaw_alloc(n, sizeof(*samples));
	thaw_status status = p.next && p.from && p.members && which && samples ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK)
		status = buckets_create(&b, s, lane);
	if (status == THAW_OK) {
		fill_arrangement(&p, s, &b, order, images, lane, batch);
		write_arrangement(&p, shuffle, which, samples, order, images, first);
	}
	thaw_free(p.next);
	thaw_free(p.from);
	thaw_free(p.members);
	thaw_free(which);
	thaw_free(samples);
	thaw_free(b.bucket);
	return status;
}

thaw_status thaw_batches_arrange(const struct thaw_own_sizes *s, int64_t *order, int64_t images, int lane,
				 int64_t batch, struct thaw_random *shuffle, int64_t *first)
{
	if (thaw_own_sizes_known(s) && images > 0)
		return arrange_by_size(s, order, images, lane, batch, shuffle, first);
	for (int64_t k = 0, all = thaw_batches_count(s, images, lane, batch); k <= all; k++)
		first[k] = min_int64(k * batch, images);
	return THAW_OK;
}
