/* Memory layout: offsets of buffers in one arena from their sizes and lifetimes. */
#ifndef THAW_SRC_GRAPH_MEMORY_H
#define THAW_SRC_GRAPH_MEMORY_H

#include "thaw/tensor.h"

/* A buffer is live from step `born` to step `dies`, both included. */
struct thaw_buffer {
	size_t bytes;
	int born, dies;
	size_t offset; /* output */
};

/* Assigns an aligned offset to every buffer such that buffers live at the same step do not overlap. Places larger
 * buffers first, each at the lowest offset that is free during its lifetime. *total receives the size of the arena in
 * bytes. Fails only if out of memory. */
thaw_status thaw_memory_place(struct thaw_buffer *buffers, int count, size_t *total);

#endif
