/* Memory that the ranks of a node hold together. */
#ifndef MPI_NODE_MEMORY_H
#define MPI_NODE_MEMORY_H

#include <mpi.h>
#include <stddef.h>

#include "thaw/error.h"

/* thaw_comm's `node_alloc` for the ranks of `node`, which are of one machine; collective over these. */
thaw_status thaw_node_memory_open(MPI_Comm node, size_t bytes, void **data);
/* NULL is fine. Not collective. */
void thaw_node_memory_close(void *data, size_t bytes);

#endif
