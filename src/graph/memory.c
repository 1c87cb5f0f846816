/* Greedy placement by size, a common heuristic for offset assignment: within a few percent of the lower bound on
 * chain-like networks. */
#include "src/graph/memory.h"

#include <stdlib.h>

#include "src/base/minmax.h"
#include "thaw/memory.h"

static int by_size(const void *a, const void *b)
{
	const struct thaw_buffer *x = *(struct thaw_buffer *const *)a, *y = *(struct thaw_buffer *const *)b;
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x < y ? -1 : x > y; /* qsort is not stable: makes the layout independent of the C library */
}

static int by_offset(const void *a, const void *b)
{
	const struct thaw_buffer *x = *(struct thaw_buffer *const *)a, *y = *(struct thaw_buffer *const *)b;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static size_t rounded(size_t bytes)
{
	return (bytes + THAW_ALIGNMENT - 1) / THAW_ALIGNMENT * THAW_ALIGNMENT;
}

/* The lowest offset at which `b` fits among the placed buffers with overlapping lifetimes. rivals[count]: work space.
 */
static size_t lowest_gap(const struct thaw_buffer *b, struct thaw_buffer **placed, int count,
			 struct thaw_buffer **rivals)
{
	int n = 0;
	for (int i = 0; i < count; i++)
		if (placed[i]->born <= b->dies && b->born <= placed[i]->dies)
			rivals[n++] = placed[i];
	qsort(rivals, (size_t)n, sizeof(*rivals), by_offset);
	size_t offset = 0;
	for (int i = 0; i < n; i++) {
		if (offset + rounded(b->bytes) <= rivals[i]->offset)
			break;
		size_t end = rivals[i]->offset + rounded(rivals[i]->bytes);
		offset = max_size(offset, end);
	}
	return offset;
}

thaw_status thaw_memory_place(struct thaw_buffer *buffers, int count, size_t *total)
{
	struct thaw_buffer **order = thaw_alloc((size_t)count, sizeof(struct thaw_buffer *));
	struct thaw_buffer **rivals = thaw_alloc((size_t)count, sizeof(struct thaw_buffer *));
	if (!order || !rivals) {
		thaw_free(order);
		thaw_free(rivals);
		return THAW_RESOURCE;
	}
	for (int i = 0; i < count; i++)
		order[i] = &buffers[i];
	qsort(order, (size_t)count, sizeof(*order), by_size);
	*total = 0;
	for (int i = 0; i < count; i++) { /* empty buffers, such as those of in-place operators, are last */
		struct thaw_buffer *b = order[i];
		b->offset = 0;
		if (b->bytes == 0)
			continue;
		b->offset = lowest_gap(b, order, i, rivals);
		*total = max_size(*total, b->offset + rounded(b->bytes));
	}
	thaw_free(order);
	thaw_free(rivals);
	return THAW_OK;
}
