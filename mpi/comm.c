/* struct thaw_comm over MPI.
 *
 * MPI counts in int. Here counts are 64 bits wide, and any transfer longer than a piece goes in several
 * messages. Both ends of a pair know the length and cut alike, so point-to-point messages need no agreement on how
 * many rounds there are, as MPI_Alltoallv would. The two exchanges that carry gradients are therefore built of them:
 * all receives and sends of an all-to-all at once, and a ring for the allgather, which crosses each link between
 * nodes once with the data, however many ranks a node has. */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/node_memory.h"
#include "mpi/over_mpi.h"
#include "thaw/tensor.h"

#define TAG 1

struct over_mpi {
	MPI_Comm comm, node; /* node: the ranks of this node */
	size_t piece;        /* bytes */
	int finalize;
};

/* Messages under way. A failure in between leaves some of them so; after it the communicator is only good for
 * `abort`. */
struct transfer {
	MPI_Request *requests;
	int posted;
};

static thaw_status mpi_failed(int error, const char *call)
{
	char text[MPI_MAX_ERROR_STRING] = "";
	int length = 0;
	if (MPI_Error_string(error, text, &length) != MPI_SUCCESS)
		text[0] = '\0';
	return thaw_fail(THAW_RESOURCE, "the message layer failed: %.*s: %s (%d): see the log of the job",
			 (int)strcspn(call, "("), call, text[0] ? text : "an error without a text", error);
}

#define MPI_TRY(call)                                         \
	do {                                                  \
		int mpi_error_ = (call);                      \
		if (mpi_error_ != MPI_SUCCESS)                \
			return mpi_failed(mpi_error_, #call); \
	} while (0)

static size_t piece_count(const struct over_mpi *o, size_t bytes)
{
	return bytes / o->piece + (bytes % o->piece != 0);
}

static thaw_status post_receive(const struct over_mpi *o, struct transfer *t, void *data, size_t bytes, int from)
{
	for (size_t done = 0; done < bytes; done += o->piece) {
		size_t n = bytes - done < o->piece ? bytes - done : o->piece;
		MPI_TRY(MPI_Irecv((char *)data + done, (int)n, MPI_BYTE, from, TAG, o->comm, &t->requests[t->posted]));
		t->posted++;
	}
	return THAW_OK;
}

static thaw_status post_send(const struct over_mpi *o, struct transfer *t, const void *data, size_t bytes, int to)
{
	for (size_t done = 0; done < bytes; done += o->piece) {
		size_t n = bytes - done < o->piece ? bytes - done : o->piece;
		MPI_TRY(MPI_Isend((const char *)data + done, (int)n, MPI_BYTE, to, TAG, o->comm,
				  &t->requests[t->posted]));
		t->posted++;
	}
	return THAW_OK;
}

static thaw_status wait_for_all(struct transfer *t)
{
	int posted = t->posted;
	t->posted = 0;
	MPI_TRY(MPI_Waitall(posted, t->requests, MPI_STATUSES_IGNORE));
	return THAW_OK;
}

static thaw_status transfer_create(struct transfer *t, size_t messages)
{
	if (messages > INT_MAX)
		return thaw_fail(THAW_RESOURCE, "an exchange of %zu messages is more than MPI can count", messages);
	t->requests = thaw_alloc(messages, sizeof(MPI_Request));
	t->posted = 0;
	return t->requests ? THAW_OK : THAW_RESOURCE;
}

static thaw_status mpi_alltoall(struct thaw_comm *comm, const float *send, const int64_t *count_send,
				const int64_t *offset_send, float *recv, const int64_t *count_recv,
				const int64_t *offset_recv)
{
	struct over_mpi *o = comm->context;
	int rank = comm->rank, size = comm->size;
	size_t messages = 0;
	for (int r = 0; r < size; r++)
		messages += piece_count(o, (size_t)count_send[r] * sizeof(float)) +
			    piece_count(o, (size_t)count_recv[r] * sizeof(float));
	struct transfer t = {0};
	THAW_TRY(transfer_create(&t, messages));
	thaw_status status = THAW_OK;
	/* Each rank begins with its neighbour, so that not all knock at rank 0 first. */
	for (int i = 1; i < size; i++) {
		int from = (rank + size - i) % size;
		THAW_TRY_OUT(
			post_receive(o, &t, recv + offset_recv[from], (size_t)count_recv[from] * sizeof(float), from));
	}
	for (int i = 1; i < size; i++) {
		int to = (rank + i) % size;
		THAW_TRY_OUT(post_send(o, &t, send + offset_send[to], (size_t)count_send[to] * sizeof(float), to));
	}
	if (count_send[rank] > 0)
		memcpy(recv + offset_recv[rank], send + offset_send[rank], (size_t)count_send[rank] * sizeof(float));
	status = wait_for_all(&t);
out:
	thaw_free(t.requests);
	return status;
}

static thaw_status mpi_allgather(struct thaw_comm *comm, float *data, const int64_t *count, const int64_t *offset)
{
	struct over_mpi *o = comm->context;
	int rank = comm->rank, size = comm->size;
	size_t longest = 0;
	for (int r = 0; r < size; r++)
		longest = (size_t)count[r] > longest ? (size_t)count[r] : longest;
	struct transfer t = {0};
	THAW_TRY(transfer_create(&t, 2 * piece_count(o, longest * sizeof(float))));
	thaw_status status = THAW_OK;
	int left = (rank + size - 1) % size, right = (rank + 1) % size;
	for (int step = 0; step < size - 1; step++) {
		int gives = (rank + size - step) % size, takes = (rank + size - step - 1) % size;
		THAW_TRY_OUT(post_receive(o, &t, data + offset[takes], (size_t)count[takes] * sizeof(float), left));
		THAW_TRY_OUT(post_send(o, &t, data + offset[gives], (size_t)count[gives] * sizeof(float), right));
		THAW_TRY_OUT(wait_for_all(&t));
	}
out:
	thaw_free(t.requests);
	return status;
}

static thaw_status mpi_broadcast(struct thaw_comm *comm, void *data, size_t bytes, int root)
{
	struct over_mpi *o = comm->context;
	for (size_t done = 0; done < bytes; done += o->piece) {
		size_t n = bytes - done < o->piece ? bytes - done : o->piece;
		MPI_TRY(MPI_Bcast((char *)data + done, (int)n, MPI_BYTE, root, o->comm));
	}
	return THAW_OK;
}

static thaw_status mpi_gather(struct thaw_comm *comm, const void *mine, size_t bytes, void *all)
{
	struct over_mpi *o = comm->context;
	size_t senders = comm->rank == 0 ? (size_t)comm->size - 1 : 1;
	struct transfer t = {0};
	THAW_TRY(transfer_create(&t, senders * piece_count(o, bytes)));
	thaw_status status = THAW_OK;
	if (comm->rank == 0) {
		for (int r = 1; r < comm->size; r++)
			THAW_TRY_OUT(post_receive(o, &t, (char *)all + (size_t)r * bytes, bytes, r));
		if (bytes > 0)
			memcpy(all, mine, bytes);
	} else {
		THAW_TRY_OUT(post_send(o, &t, mine, bytes, 0));
	}
	status = wait_for_all(&t);
out:
	thaw_free(t.requests);
	return status;
}

static thaw_status mpi_max(struct thaw_comm *comm, int64_t *value, int n)
{
	struct over_mpi *o = comm->context;
	MPI_TRY(MPI_Allreduce(MPI_IN_PLACE, value, n, MPI_INT64_T, MPI_MAX, o->comm));
	return THAW_OK;
}

static thaw_status mpi_barrier(struct thaw_comm *comm)
{
	struct over_mpi *o = comm->context;
	MPI_TRY(MPI_Barrier(o->comm));
	return THAW_OK;
}

static thaw_status mpi_share(struct thaw_comm *comm, size_t bytes, void **data)
{
	struct over_mpi *o = comm->context;
	return thaw_node_memory_open(o->node, bytes, data);
}

static void mpi_unshare(struct thaw_comm *comm, void *data, size_t bytes)
{
	(void)comm;
	thaw_node_memory_close(data, bytes);
}

static void mpi_abort(struct thaw_comm *comm, int code)
{
	struct over_mpi *o = comm->context;
	MPI_Abort(o->comm, code);
	_Exit(code); /* should MPI_Abort come back */
}

static void mpi_close(struct thaw_comm *comm)
{
	struct over_mpi *o = comm->context;
	MPI_Comm_free(&o->node);
	MPI_Comm_free(&o->comm);
	if (o->finalize)
		MPI_Finalize();
	thaw_free(o);
	*comm = thaw_comm_alone();
}

/* This process's place among those that share its node's memory. */
static thaw_status find_node(struct thaw_comm *comm, struct over_mpi *o)
{
	MPI_TRY(MPI_Comm_split_type(o->comm, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &o->node));
	MPI_TRY(MPI_Comm_rank(o->node, &comm->node_rank));
	MPI_TRY(MPI_Comm_size(o->node, &comm->node_size));
	return THAW_OK;
}

static thaw_status set_up(struct thaw_comm *comm, struct over_mpi *o, MPI_Comm parent)
{
	/* Without this MPI ends the program itself, and no error is ever returned. Duplicates inherit it. */
	MPI_TRY(MPI_Comm_set_errhandler(parent, MPI_ERRORS_RETURN));
	MPI_TRY(MPI_Comm_dup(parent, &o->comm));
	MPI_TRY(MPI_Comm_rank(o->comm, &comm->rank));
	MPI_TRY(MPI_Comm_size(o->comm, &comm->size));
	return find_node(comm, o);
}

thaw_status thaw_comm_over_mpi(struct thaw_comm *comm, MPI_Comm parent, size_t piece, int finalize)
{
	struct over_mpi *o = thaw_alloc(1, sizeof(*o));
	if (!o)
		return THAW_RESOURCE;
	*o = (struct over_mpi){.comm = MPI_COMM_NULL, .node = MPI_COMM_NULL, .piece = piece, .finalize = finalize};
	struct thaw_comm made = {
		.context = o,
		.alltoall = mpi_alltoall,
		.allgather = mpi_allgather,
		.broadcast = mpi_broadcast,
		.gather = mpi_gather,
		.max = mpi_max,
		.barrier = mpi_barrier,
		.share = mpi_share,
		.unshare = mpi_unshare,
		.abort = mpi_abort,
		.close = mpi_close,
	};
	thaw_status status = set_up(&made, o, parent);
	if (status != THAW_OK) {
		if (o->node != MPI_COMM_NULL)
			MPI_Comm_free(&o->node);
		if (o->comm != MPI_COMM_NULL)
			MPI_Comm_free(&o->comm);
		thaw_free(o);
		return status;
	}
	*comm = made;
	return THAW_OK;
}
