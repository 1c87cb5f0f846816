#include "src/advise/draw.h"

#include <math.h>
#include <string.h>

#include "thaw/random.h"
#include "thaw/tensor.h"

/* Marks the rows of one class that are taken. order: memory for its rows. */
static void draw_class(const int32_t *labels, int64_t count, int class, double share, struct thaw_random random,
		       int64_t *order, bool *taken)
{
	int64_t size = 0;
	for (int64_t i = 0; i < count; i++)
		if (labels[i] == class)
			order[size++] = i;
	int64_t wanted = (int64_t)lround(share * (double)size);
	wanted = wanted < 1 ? 1 : wanted;
	thaw_random_shuffle(&random, order, size);
	for (int64_t i = 0; i < size && i < wanted; i++)
		taken[order[i]] = true;
}

thaw_status thaw_draw(const int32_t *labels, int64_t count, int classes, double share, uint64_t seed, uint64_t number,
		      int64_t *taken, int64_t *taken_count, int64_t *rest, int64_t *rest_count)
{
	bool *marked = thaw_alloc((size_t)count, sizeof(*marked));
	int64_t *order = thaw_alloc((size_t)count, sizeof(*order));
	if (!marked || !order) {
		thaw_free(marked);
		thaw_free(order);
		return THAW_RESOURCE;
	}
	for (int c = 0; c < classes; c++)
		draw_class(labels, count, c, share, thaw_random_stream(seed, THAW_STREAM_SPLIT, number, (uint64_t)c),
			   order, marked);
	*taken_count = *rest_count = 0;
	for (int64_t i = 0; i < count; i++)
		if (marked[i])
			taken[(*taken_count)++] = i;
		else
			rest[(*rest_count)++] = i;
	thaw_free(marked);
	thaw_free(order);
	return THAW_OK;
}

thaw_status thaw_draw_rows(struct thaw_feature_table *part, const struct thaw_feature_table *t, const int64_t *row,
			   int64_t count)
{
	size_t width = (size_t)t->width;
	float *features = thaw_alloc((size_t)count * width, sizeof(*features));
	int32_t *labels = thaw_alloc((size_t)count, sizeof(*labels));
	if (!features || !labels) {
		thaw_free(features);
		thaw_free(labels);
		return THAW_RESOURCE;
	}
	for (int64_t i = 0; i < count; i++) {
		memcpy(features + (size_t)i * width, t->features + (size_t)row[i] * width, width * sizeof(*features));
		labels[i] = t->labels[row[i]];
	}
	*part = (struct thaw_feature_table){count, t->width, features, labels, t->classes};
	return THAW_OK;
}

void thaw_draw_release(struct thaw_feature_table *part)
{
	thaw_free((void *)part->features);
	thaw_free((void *)part->labels);
	*part = (struct thaw_feature_table){0};
}
