/* Where buffers lie: offsets in one arena from sizes and lifetimes. */
#ifndef THAW_SRC_GRAPH_MEMORY_H
#define THAW_SRC_GRAPH_MEMORY_H

#include "thaw/tensor.h"

/* A buffer is needed from step `born` to step `dies`, both included. */
struct thaw_buffer {
	size_t bytes;
	int born, dies;
	size_t offset; /* computed */
};

/* Gives every buffer an offset, aligned, such that buffers alive at the same step do not overlap. Larger ones
 * are placed first, each at the lowest offset that is free during its life. *total receives the arena's size. */
thaw_status thaw_memory_place(struct thaw_buffer *buffers, int count, size_t *total);

#endif
