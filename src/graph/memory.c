/* Greedy placement by size, a common heuristic for offset assignment: within a few percent of the lower bound on
 * chain-like networks. */
#include "src/graph/memory.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/minmax.h"
#include "thaw/memory.h"

static int by_size(const void *a, const void *b)
{
	const struct thaw_buffer *x = *(struct thaw_buffer *const *)a, *y = *(struct thaw_buffer *const *)b;
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x < y ? -1 : x > y; /* qsort is not stable: makes the layout independent of the C library */
}

static size_t rounded(size_t bytes)
{
	return (bytes + THAW_ALIGNMENT - 1) / THAW_ALIGNMENT * THAW_ALIGNMENT;
}

/* The lowest offset at which `b` fits among the placed buffers with overlapping lifetimes. placed[count]: in ascending
 * order of offsets, so that the search ends at the first gap. */
static size_t lowest_gap(const struct thaw_buffer *b, struct thaw_buffer *const *placed, int count)
{
	size_t offset = 0, bytes = rounded(b->bytes);
	for (int i = 0; i < count && placed[i]->offset < offset + bytes; i++)
		if (placed[i]->born <= b->dies && b->born <= placed[i]->dies)
			offset = max_size(offset, placed[i]->offset + rounded(placed[i]->bytes));
	return offset;
}

/* Inserts `b` after those of the same offset. */
static void insert(struct thaw_buffer **placed, int count, struct thaw_buffer *b)
{
	int first = 0, end = count;
	while (first < end) {
		int middle = first + (end - first) / 2;
		if (placed[middle]->offset <= b->offset)
			first = middle + 1;
		else
			end = middle;
	}
	memmove(&placed[first + 1], &placed[first], (size_t)(count - first) * sizeof(*placed));
	placed[first] = b;
}

thaw_status thaw_memory_place(struct thaw_buffer *buffers, int count, size_t *total)
{
	struct thaw_buffer **order = thaw_alloc((size_t)count, sizeof(struct thaw_buffer *));
	struct thaw_buffer **placed = thaw_alloc((size_t)count, sizeof(struct thaw_buffer *));
	thaw_status status = order && placed ? THAW_OK : THAW_RESOURCE;
	for (int i = 0; i < count && status == THAW_OK; i++) {
		buffers[i].offset = 0;
		order[i] = &buffers[i];
	}
	if (status == THAW_OK)
		qsort(order, (size_t)count, sizeof(*order), by_size);
	*total = 0;
	/* Empty buffers, such as those of in-place operators, are last and have no place. */
	for (int i = 0; i < count && status == THAW_OK && order[i]->bytes > 0; i++) {
		struct thaw_buffer *b = order[i];
		b->offset = lowest_gap(b, placed, i);
		insert(placed, i, b);
		*total = max_size(*total, b->offset + rounded(b->bytes));
	}
	thaw_free(order);
	thaw_free(placed);
	return status;
}
