#include "src/advise/stratified_split.h"

#include <math.h>
#include <stdbool.h>

#include "src/base/minmax.h"
#include "thaw/memory.h"
#include "thaw/random.h"

/* Marks the rows of one class that are taken. order: room for the rows of the class. */
static void split_class(const int32_t *labels, int64_t count, int class, double share, struct thaw_random random,
			int64_t *order, bool *taken)
{
	int64_t size = 0;
	for (int64_t i = 0; i < count; i++)
		if (labels[i] == class)
			order[size++] = i;
	int64_t wanted = max_int64((int64_t)lround(share * (double)size), 1);
	thaw_random_shuffle(&random, order, size);
	for (int64_t i = 0; i < min_int64(size, wanted); i++)
		taken[order[i]] = true;
}

thaw_status thaw_stratified_split(const int32_t *labels, int64_t count, int classes, double share, uint64_t seed,
				  uint64_t number, int64_t *taken, int64_t *taken_count, int64_t *rest,
				  int64_t *rest_count)
{
	bool *marked = thaw_alloc((size_t)count, sizeof(*marked));
	int64_t *order = thaw_alloc((size_t)count, sizeof(*order));
	if (!marked || !order) {
		thaw_free(marked);
		thaw_free(order);
		return THAW_RESOURCE;
	}
	for (int c = 0; c < classes; c++)
		split_class(labels, count, c, share, thaw_random_stream(seed, THAW_STREAM_SPLIT, number, (uint64_t)c),
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
