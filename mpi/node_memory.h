/* Memory shared by the ranks of a node. */
#ifndef MPI_NODE_MEMORY_H
#define MPI_NODE_MEMORY_H

#include <mpi.h>
#include <stddef.h>

#include "mpi/watch.h"
#include "thaw/error.h"

/* Implements `node_alloc` of struct thaw_comm. `node`: ranks of one machine; watch: may be NULL.
 * Collective over these. */
thaw_status thaw_node_memory_open(MPI_Comm node, struct thaw_watch *watch, size_t bytes, void **data);
/* Unmaps this rank's memory; NULL is fine. Not collective. */
void thaw_node_memory_close(void *data, size_t bytes);

#endif
