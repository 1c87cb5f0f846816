/* How code reaches the other ranks of a job.
 *
 * src/ knows ranks only through this table of functions; mpi/ fills one over MPI, and
 * thaw_comm_alone() is the version for a program without a launcher. All calls but `advance`, `abort` and
 * `node_free` are collective: every rank makes the same calls in the same order.
 */
#ifndef THAW_COMM_H
#define THAW_COMM_H

#include <stddef.h>
#include <stdint.h>

#include "thaw/api.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

struct thaw_transfer; /* an exchange under way; of the implementation */

struct thaw_comm {
	int rank; /* 0 .. size-1 */
	int size;
	int node_rank; /* the same among the ranks that share this node's memory */
	int node_size;
	void *context; /* of the implementation */

	/* Every rank r holds data[offset[r] .. +count[r]) and receives the pieces of the others in place. Counts and
	 * offsets are in floats and may exceed 2^31, here and below. */
	thaw_status (*allgather)(struct thaw_comm *, float *data, const int64_t *count, const int64_t *offset);
	/* The same begun: several may be under way, told apart by `tag`, 1 or more and the same on all ranks. All
	 * memory named, counts and offsets too, must stay as it is until `advance` has made *transfer NULL. */
	thaw_status (*allgather_start)(struct thaw_comm *, int tag, float *data, const int64_t *count,
				       const int64_t *offset, struct thaw_transfer **transfer);
	/* Begun in the same way: rank r receives count_recv[s] floats from each rank s, placed at recv +
	 * offset_recv[s]; the send side likewise. */
	thaw_status (*alltoall_start)(struct thaw_comm *, int tag, const float *send, const int64_t *count_send,
				      const int64_t *offset_send, float *recv, const int64_t *count_recv,
				      const int64_t *offset_recv, struct thaw_transfer **transfer);
	/* Moves what can be moved, and returns; nothing moves without it. NULL: complete. Not collective. */
	thaw_status (*advance)(struct thaw_comm *, struct thaw_transfer **transfer);
	thaw_status (*broadcast)(struct thaw_comm *, void *data, size_t bytes, int root);
	/* all[size * bytes] on rank 0 (may be NULL elsewhere) receives `bytes` from every rank, in rank order. */
	thaw_status (*gather)(struct thaw_comm *, const void *mine, size_t bytes, void *all);
	/* value[i] becomes its maximum over the ranks. */
	thaw_status (*max)(struct thaw_comm *, int64_t *value, int n);
	thaw_status (*barrier)(struct thaw_comm *);
	/* Memory that the ranks of this node hold together: `bytes` at *data, zeroed and aligned to 64. The node's
	 * first rank may write it; the others may only read, and see what was written once all ranks have met again
	 * (thaw_comm_agree). Where a node cannot have it, *data becomes NULL on all its ranks and the reason is the
	 * recorded message: that is no failure. */
	thaw_status (*node_alloc)(struct thaw_comm *, size_t bytes, void **data);
	/* Ends this rank's hold on what `node_alloc` gave (NULL is fine); not collective, the others keep theirs. */
	void (*node_free)(struct thaw_comm *, void *data, size_t bytes);
	/* Ends the whole job with this exit code; for errors that the other ranks cannot know of. */
	void (*abort)(struct thaw_comm *, int code);
	/* Releases the communicator; called once, last. */
	void (*close)(struct thaw_comm *);
};

/* The one-rank communicator: collectives copy in memory. Its `close` does nothing. */
struct thaw_comm thaw_comm_alone(void);

/* Makes a failure on any rank the failure of all: returns the largest status over the ranks, and
 * on every rank records the message of the lowest rank that had it, with that rank's name in front
 * ("rank 3: ...") unless all ranks failed. Collective. */
thaw_status thaw_comm_agree(struct thaw_comm *comm, thaw_status status);

/* THAW_CONFIG on every rank unless all ranks give the same text: "WHAT differs: rank 0 has "...", rank 3
 * has "...": REMEDY", naming the lowest rank that differs. Collective. */
thaw_status thaw_comm_same(struct thaw_comm *comm, const char *text, const char *what, const char *remedy);

/* The same for a digest, which the message shows as 16 hex digits. */
thaw_status thaw_comm_same_digest(struct thaw_comm *comm, uint64_t digest, const char *what, const char *remedy);

THAW_END_DECLS

#endif
