/* Communication between the ranks of a job.
 *
 * libthaw reaches other ranks only through this table of functions. libthaw-mpi fills one over MPI (thaw/mpi.h);
 * thaw_comm_alone() is the table of a single rank. All functions except `advance`, `idle`, `step`, `node_free` and
 * `abort` are collective: all ranks make the same calls in the same order. They return THAW_RESOURCE when MPI fails;
 * after that only `abort` may be called.
 */
#ifndef THAW_COMM_H
#define THAW_COMM_H

#include <stddef.h>
#include <stdint.h>

#include "thaw/api.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

struct thaw_transfer; /* an unfinished exchange; defined by the implementation */

struct thaw_comm {
	int rank; /* 0 .. size-1 */
	int size;
	int node_rank; /* 0 .. node_size-1 among the ranks of this node */
	int node_size;
	/* [size] the first of the consecutive ranks of one node to which a rank belongs; NULL: each rank counts as a
	 * node. The same on all ranks. */
	const int *node_first;
	void *context; /* private to the implementation */

	/* Rank r contributes data[offset[r] .. offset[r] + count[r]) and receives the parts of the others in place.
	 * Counts and offsets are [size], here and below, in floats, and may exceed 2^31; these are the same on all
	 * ranks. */
	thaw_status (*allgather)(struct thaw_comm *, float *data, const int64_t *count, const int64_t *offset);
	/* Starts the same exchange without waiting. Several may be active at once under different tags; a tag is 1 or
	 * more and the same on all ranks. All arguments, counts and offsets included, must stay unchanged until
	 * `advance` sets *transfer to NULL. */
	thaw_status (*allgather_start)(struct thaw_comm *, int tag, float *data, const int64_t *count,
				       const int64_t *offset, struct thaw_transfer **transfer);
	/* Starts an all-to-all in the same way: from rank s this rank receives recv[offset_recv[s] .. + count_recv[s]),
	 * to rank s it sends send[offset_send[s] .. + count_send[s]). Each rank has its own counts and offsets. */
	thaw_status (*alltoall_start)(struct thaw_comm *, int tag, const float *send, const int64_t *count_send,
				      const int64_t *offset_send, float *recv, const int64_t *count_recv,
				      const int64_t *offset_recv, struct thaw_transfer **transfer);
	/* Progresses a transfer without blocking; transfers make progress only here. Sets *transfer to NULL when it is
	 * complete. Not collective. */
	thaw_status (*advance)(struct thaw_comm *, struct thaw_transfer **transfer);
	/* Call between two rounds of `advance` that completed nothing, when there is nothing else to do: this rank then
	 * counts as waiting for the others. Not collective. */
	void (*idle)(struct thaw_comm *);
	/* Reports that this rank has done one step of its work, whose duration is a measure of how long a wait may
	 * take. Not collective. */
	void (*step)(struct thaw_comm *);
	/* data[bytes] of rank `root` is copied to all ranks. */
	thaw_status (*broadcast)(struct thaw_comm *, void *data, size_t bytes, int root);
	/* all[size * bytes] on rank 0 receives mine[bytes] of all ranks in rank order; may be NULL on other ranks. */
	thaw_status (*gather)(struct thaw_comm *, const void *mine, size_t bytes, void *all);
	/* value[i] becomes its maximum over the ranks. */
	thaw_status (*max)(struct thaw_comm *, int64_t *value, int n);
	thaw_status (*barrier)(struct thaw_comm *);
	/* Allocates memory shared by the ranks of this node: `bytes` at *data, zeroed, 64-byte aligned. Only the node's
	 * rank 0 may write to it; the others see its writes after the next barrier or thaw_comm_agree. When a node
	 * cannot allocate it, *data is NULL on all ranks of the node, the reason is recorded, and the status still is
	 * THAW_OK. */
	thaw_status (*node_alloc)(struct thaw_comm *, size_t bytes, void **data);
	/* Releases this rank's mapping of memory from `node_alloc`; NULL is fine. Not collective: other ranks keep
	 * their mappings. */
	void (*node_free)(struct thaw_comm *, void *data, size_t bytes);
	/* Ends the processes of all ranks, this one included, with this exit code: for an error that the other ranks
	 * cannot detect. The only function that ends the process. thaw_comm_alone's does nothing and returns: there is
	 * no other rank to end. Not collective. */
	void (*abort)(struct thaw_comm *, int code);
	/* Releases the communicator; the last call. */
	void (*close)(struct thaw_comm *);
};

/* The communicator of a single rank: collectives copy in memory, `abort` and `close` do nothing. Cannot fail. */
struct thaw_comm thaw_comm_alone(void);

/* Turns a failure on any rank into a failure of all: returns the largest status over the ranks, and records on all
 * ranks the message of the lowest rank with that status, prefixed "rank 3: " unless all ranks failed. Collective. */
thaw_status thaw_comm_agree(struct thaw_comm *comm, thaw_status status);

/* THAW_CONFIG on all ranks unless they all pass the same text. The message names the lowest rank that differs:
 * 'WHAT differs: rank 0 has "...", rank 3 has "...": REMEDY'. Collective. */
thaw_status thaw_comm_same(struct thaw_comm *comm, const char *text, const char *what, const char *remedy);

/* The same for a digest, which the message shows as 16 hex digits. */
thaw_status thaw_comm_same_digest(struct thaw_comm *comm, uint64_t digest, const char *what, const char *remedy);

#define THAW_COMM_HOST 64 /* bytes of a host's name */

/* Where ranks differ. */
struct thaw_comm_difference {
	int item;        /* the first digest that is not the same on all ranks; -1: none, and no other member is set */
	int rank, other; /* the lowest rank that differs from most, and the lowest of the others */
	char host[THAW_COMM_HOST], other_host[THAW_COMM_HOST];
};

/* Compares digests[count], of the same things in the same order on all ranks; a digest of 0 is unknown and differs from
 * none. *difference is the same on all ranks. Of two ranks, or of halves of equal size, the lowest rank's count as
 * most. Collective. */
thaw_status thaw_comm_compare(struct thaw_comm *comm, const uint64_t *digests, int count,
			      struct thaw_comm_difference *difference);

THAW_END_DECLS

#endif
