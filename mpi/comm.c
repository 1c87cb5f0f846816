/* struct thaw_comm over MPI.
 *
 * MPI counts are int; ours have 64 bits. A transfer longer than a message is sent as several. Both ends of a pair know
 * its length and divide it alike, so point-to-point messages need no agreement on the number of rounds, as
 * MPI_Alltoallv would. The two exchanges that carry gradients therefore use them: an all-to-all posts all receives and
 * sends at once; an allgather is a ring, which sends the data over each link between nodes once, however many ranks a
 * node has.
 *
 * No call blocks within MPI: the main thread tests its requests in a loop, so that the watch (watch.h) can end the job
 * when another rank has gone silent. */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/node_memory.h"
#include "mpi/over_mpi.h"
#include "mpi/try.h"
#include "mpi/watch.h"
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/memory.h"

enum { TAG_BLOCKING }; /* of blocking exchanges; the tags of the others start at 1 */

/* Bytes of a point-to-point message. Open MPI sends up to 65,536 bytes, its header included, over TCP without asking
 * the receiver first. A longer message needs an answer before its data flows, and ranks answer only between the layers
 * of the backward pass: on a slow network the end of a step would wait for several such rounds. */
#define EAGER_MESSAGE ((size_t)64000)

struct over_mpi {
	MPI_Comm comm, node; /* node: the ranks of this node */
	int *node_first;     /* see struct thaw_comm */
	size_t max_message;  /* bytes of a broadcast at once */
	size_t message;      /* bytes of a point-to-point message */
	int finalize;
	struct thaw_watch *watch; /* NULL: none */
};

/* Active messages. A failure can leave some of them active; then only `abort` may be called. */
struct thaw_transfer {
	MPI_Request *requests;
	int posted, tag;
	/* Allgather only: the ring's next step, and the arguments. */
	bool ring;
	int step;
	float *data;
	const int64_t *count, *offset;
};

static size_t message_count(const struct over_mpi *o, size_t bytes)
{
	return bytes / o->message + (bytes % o->message != 0);
}

static thaw_status post_receive(const struct over_mpi *o, struct thaw_transfer *t, void *data, size_t bytes, int from)
{
	for (size_t done = 0; done < bytes; done += o->message) {
		size_t n = min_size(bytes - done, o->message);
		MPI_TRY(MPI_Irecv((char *)data + done, (int)n, MPI_BYTE, from, t->tag, o->comm,
				  &t->requests[t->posted]));
		t->posted++;
	}
	return THAW_OK;
}

static thaw_status post_send(const struct over_mpi *o, struct thaw_transfer *t, const void *data, size_t bytes, int to)
{
	for (size_t done = 0; done < bytes; done += o->message) {
		size_t n = min_size(bytes - done, o->message);
		MPI_TRY(MPI_Isend((const char *)data + done, (int)n, MPI_BYTE, to, t->tag, o->comm,
				  &t->requests[t->posted]));
		t->posted++;
	}
	return THAW_OK;
}

static thaw_status wait_for_all(const struct over_mpi *o, struct thaw_transfer *t)
{
	int posted = t->posted;
	t->posted = 0;
	return thaw_watch_wait_all(o->watch, posted, t->requests);
}

static void transfer_free(struct thaw_transfer *t)
{
	if (t)
		thaw_free(t->requests);
	thaw_free(t);
}

static thaw_status transfer_create(struct thaw_transfer **t, int tag, size_t messages)
{
	if (messages > INT_MAX)
		return thaw_fail(THAW_RESOURCE, "too many messages for MPI: %zu in one exchange: use more ranks",
				 messages);
	*t = thaw_alloc(1, sizeof(**t));
	if (!*t)
		return THAW_RESOURCE;
	(*t)->tag = tag;
	(*t)->requests = thaw_alloc(messages, sizeof(MPI_Request));
	if ((*t)->requests)
		return THAW_OK;
	transfer_free(*t);
	*t = NULL;
	return THAW_RESOURCE;
}

static thaw_status mpi_alltoall_start(struct thaw_comm *comm, int tag, const float *send, const int64_t *count_send,
				      const int64_t *offset_send, float *recv, const int64_t *count_recv,
				      const int64_t *offset_recv, struct thaw_transfer **transfer)
{
	struct over_mpi *o = comm->context;
	int rank = comm->rank, size = comm->size;
	size_t messages = 0;
	for (int r = 0; r < size; r++)
		messages += message_count(o, (size_t)count_send[r] * sizeof(float)) +
			    message_count(o, (size_t)count_recv[r] * sizeof(float));
	struct thaw_transfer *t = NULL;
	THAW_TRY(transfer_create(&t, tag, messages));
	thaw_status status = THAW_OK;
	/* Each rank starts with its neighbour, so that rank 0 is not the first target of all. */
	for (int i = 1; i < size; i++) {
		int from = (rank + size - i) % size;
		THAW_TRY_OUT(
			post_receive(o, t, recv + offset_recv[from], (size_t)count_recv[from] * sizeof(float), from));
	}
	for (int i = 1; i < size; i++) {
		int to = (rank + i) % size;
		THAW_TRY_OUT(post_send(o, t, send + offset_send[to], (size_t)count_send[to] * sizeof(float), to));
	}
	if (count_send[rank] > 0)
		memcpy(recv + offset_recv[rank], send + offset_send[rank], (size_t)count_send[rank] * sizeof(float));
	*transfer = t;
	return THAW_OK;
out:
	transfer_free(t);
	return status;
}

/* Posts the ring's next step: sends one part to the right neighbour and receives the next from the left. */
static thaw_status post_ring_step(struct thaw_comm *comm, struct thaw_transfer *t)
{
	struct over_mpi *o = comm->context;
	int rank = comm->rank, size = comm->size;
	int left = (rank + size - 1) % size, right = (rank + 1) % size;
	int sent = (rank + size - t->step) % size, received = (rank + size - t->step - 1) % size;
	t->step++;
	THAW_TRY(post_receive(o, t, t->data + t->offset[received], (size_t)t->count[received] * sizeof(float), left));
	return post_send(o, t, t->data + t->offset[sent], (size_t)t->count[sent] * sizeof(float), right);
}

static thaw_status mpi_allgather_start(struct thaw_comm *comm, int tag, float *data, const int64_t *count,
				       const int64_t *offset, struct thaw_transfer **transfer)
{
	struct over_mpi *o = comm->context;
	size_t longest = 0;
	*transfer = NULL;
	if (comm->size == 1)
		return THAW_OK;
	for (int r = 0; r < comm->size; r++)
		longest = max_size(longest, (size_t)count[r]);
	struct thaw_transfer *t = NULL;
	THAW_TRY(transfer_create(&t, tag, 2 * message_count(o, longest * sizeof(float))));
	t->ring = true;
	t->data = data;
	t->count = count;
	t->offset = offset;
	thaw_status status = post_ring_step(comm, t);
	if (status == THAW_OK)
		*transfer = t;
	else
		transfer_free(t);
	return status;
}

/* After all posted messages completed: posts the next step, or ends the transfer. */
static thaw_status continue_transfer(struct thaw_comm *comm, struct thaw_transfer **transfer)
{
	struct thaw_transfer *t = *transfer;
	t->posted = 0;
	if (t->ring && t->step < comm->size - 1)
		return post_ring_step(comm, t);
	transfer_free(t);
	*transfer = NULL;
	return THAW_OK;
}

static thaw_status mpi_advance(struct thaw_comm *comm, struct thaw_transfer **transfer)
{
	int complete = 0;
	MPI_TRY(MPI_Testall((*transfer)->posted, (*transfer)->requests, &complete, MPI_STATUSES_IGNORE));
	if (!complete)
		return THAW_OK;
	thaw_watch_moved(((struct over_mpi *)comm->context)->watch);
	return continue_transfer(comm, transfer);
}

static void mpi_idle(struct thaw_comm *comm)
{
	thaw_watch_idle(((struct over_mpi *)comm->context)->watch);
}

static void mpi_step(struct thaw_comm *comm)
{
	thaw_watch_step(((struct over_mpi *)comm->context)->watch);
}

static thaw_status finish_transfer(struct thaw_comm *comm, struct thaw_transfer *t)
{
	thaw_status status = THAW_OK;
	while (t && status == THAW_OK)
		if ((status = wait_for_all(comm->context, t)) == THAW_OK)
			status = continue_transfer(comm, &t);
	transfer_free(t);
	return status;
}

static thaw_status mpi_allgather(struct thaw_comm *comm, float *data, const int64_t *count, const int64_t *offset)
{
	struct thaw_transfer *t = NULL;
	THAW_TRY(mpi_allgather_start(comm, TAG_BLOCKING, data, count, offset, &t));
	return finish_transfer(comm, t);
}

static thaw_status mpi_broadcast(struct thaw_comm *comm, void *data, size_t bytes, int root)
{
	struct over_mpi *o = comm->context;
	for (size_t done = 0; done < bytes; done += o->max_message) {
		size_t n = min_size(bytes - done, o->max_message);
		MPI_Request request;
		MPI_TRY(MPI_Ibcast((char *)data + done, (int)n, MPI_BYTE, root, o->comm, &request));
		THAW_TRY(thaw_watch_wait(o->watch, &request));
	}
	return THAW_OK;
}

static thaw_status mpi_gather(struct thaw_comm *comm, const void *mine, size_t bytes, void *all)
{
	struct over_mpi *o = comm->context;
	size_t senders = comm->rank == 0 ? (size_t)comm->size - 1 : 1;
	struct thaw_transfer *t = NULL;
	THAW_TRY(transfer_create(&t, TAG_BLOCKING, senders * message_count(o, bytes)));
	thaw_status status = THAW_OK;
	if (comm->rank == 0) {
		for (int r = 1; r < comm->size; r++)
			THAW_TRY_OUT(post_receive(o, t, (char *)all + (size_t)r * bytes, bytes, r));
		if (bytes > 0)
			memcpy(all, mine, bytes);
	} else {
		THAW_TRY_OUT(post_send(o, t, mine, bytes, 0));
	}
	status = wait_for_all(o, t);
out:
	transfer_free(t);
	return status;
}

static thaw_status mpi_max(struct thaw_comm *comm, int64_t *value, int n)
{
	struct over_mpi *o = comm->context;
	MPI_Request request;
	MPI_TRY(MPI_Iallreduce(MPI_IN_PLACE, value, n, MPI_INT64_T, MPI_MAX, o->comm, &request));
	return thaw_watch_wait(o->watch, &request);
}

static thaw_status mpi_barrier(struct thaw_comm *comm)
{
	struct over_mpi *o = comm->context;
	MPI_Request request;
	MPI_TRY(MPI_Ibarrier(o->comm, &request));
	return thaw_watch_wait(o->watch, &request);
}

static thaw_status mpi_node_alloc(struct thaw_comm *comm, size_t bytes, void **data)
{
	struct over_mpi *o = comm->context;
	return thaw_node_memory_open(o->node, o->watch, bytes, data);
}

static void mpi_node_free(struct thaw_comm *comm, void *data, size_t bytes)
{
	(void)comm;
	thaw_node_memory_close(data, bytes);
}

static void mpi_abort(struct thaw_comm *comm, int code)
{
	struct over_mpi *o = comm->context;
	MPI_Abort(o->comm, code);
	_Exit(code); /* in case MPI_Abort returns */
}

static void mpi_close(struct thaw_comm *comm)
{
	struct over_mpi *o = comm->context;
	thaw_watch_leave(o->watch);
	MPI_Comm_free(&o->node);
	MPI_Comm_free(&o->comm);
	if (o->finalize)
		MPI_Finalize();
	thaw_watch_destroy(o->watch);
	thaw_free(o->node_first);
	thaw_free(o);
	*comm = thaw_comm_alone();
}

/* Sets this rank's number within its node. */
static thaw_status find_node(struct thaw_comm *comm, struct over_mpi *o)
{
	MPI_TRY(MPI_Comm_split_type(o->comm, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &o->node));
	MPI_TRY(MPI_Comm_rank(o->node, &comm->node_rank));
	MPI_TRY(MPI_Comm_size(o->node, &comm->node_size));
	return THAW_OK;
}

/* Sets the first rank of each run of consecutive ranks of one node. */
static thaw_status find_runs(struct thaw_comm *comm, struct over_mpi *o)
{
	int node = comm->rank, before = -1; /* a node's lowest rank identifies it */
	o->node_first = thaw_alloc((size_t)comm->size, sizeof(*o->node_first));
	if (!o->node_first)
		return THAW_RESOURCE;
	MPI_TRY(MPI_Bcast(&node, 1, MPI_INT, 0, o->node));
	MPI_TRY(MPI_Allgather(&node, 1, MPI_INT, o->node_first, 1, MPI_INT, o->comm));
	for (int rank = 0; rank < comm->size; rank++) {
		node = o->node_first[rank];
		o->node_first[rank] = node == before ? o->node_first[rank - 1] : rank;
		before = node;
	}
	comm->node_first = o->node_first;
	return THAW_OK;
}

static thaw_status set_up(struct thaw_comm *comm, struct over_mpi *o, MPI_Comm parent)
{
	/* By default MPI ends the program on an error instead of returning it. Duplicates inherit the handler. */
	MPI_TRY(MPI_Comm_set_errhandler(parent, MPI_ERRORS_RETURN));
	MPI_TRY(MPI_Comm_dup(parent, &o->comm));
	MPI_TRY(MPI_Comm_rank(o->comm, &comm->rank));
	MPI_TRY(MPI_Comm_size(o->comm, &comm->size));
	THAW_TRY(find_node(comm, o));
	return find_runs(comm, o);
}

thaw_status thaw_comm_over_mpi(struct thaw_comm *comm, MPI_Comm parent, size_t max_message, int finalize,
			       struct thaw_watch *watch)
{
	struct over_mpi *o = thaw_alloc(1, sizeof(*o));
	if (!o)
		return THAW_RESOURCE;
	*o = (struct over_mpi){.comm = MPI_COMM_NULL,
			       .node = MPI_COMM_NULL,
			       .max_message = max_message,
			       .message = min_size(max_message, EAGER_MESSAGE),
			       .finalize = finalize,
			       .watch = watch};
	struct thaw_comm made = {
		.context = o,
		.allgather = mpi_allgather,
		.alltoall_start = mpi_alltoall_start,
		.allgather_start = mpi_allgather_start,
		.advance = mpi_advance,
		.idle = mpi_idle,
		.step = mpi_step,
		.broadcast = mpi_broadcast,
		.gather = mpi_gather,
		.max = mpi_max,
		.barrier = mpi_barrier,
		.node_alloc = mpi_node_alloc,
		.node_free = mpi_node_free,
		.abort = mpi_abort,
		.close = mpi_close,
	};
	thaw_status status = set_up(&made, o, parent);
	if (status == THAW_OK)
		status = thaw_watch_join(&o->watch, o->comm);
	if (status != THAW_OK) {
		if (o->node != MPI_COMM_NULL)
			MPI_Comm_free(&o->node);
		if (o->comm != MPI_COMM_NULL)
			MPI_Comm_free(&o->comm);
		thaw_free(o->node_first);
		thaw_free(o);
		return status;
	}
	*comm = made;
	return THAW_OK;
}
