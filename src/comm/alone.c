/* The communicator of a single rank: it sends to itself. */
#include <string.h>

#include "thaw/comm.h"
#include "thaw/memory.h"

static thaw_status alone_allgather(struct thaw_comm *comm, float *data, const int64_t *count, const int64_t *offset)
{
	(void)comm, (void)data, (void)count, (void)offset;
	return THAW_OK;
}

static thaw_status alone_alltoall_start(struct thaw_comm *comm, int tag, const float *send, const int64_t *count_send,
					const int64_t *offset_send, float *recv, const int64_t *count_recv,
					const int64_t *offset_recv, struct thaw_transfer **transfer)
{
	(void)comm, (void)tag;
	*transfer = NULL;
	if (count_send[0] != count_recv[0])
		return thaw_fail(THAW_SOFTWARE, "all-to-all: %lld floats sent, %lld expected: pass equal counts",
				 (long long)count_send[0], (long long)count_recv[0]);
	if (count_send[0] > 0)
		memmove(recv + offset_recv[0], send + offset_send[0], (size_t)count_send[0] * sizeof(float));
	return THAW_OK;
}

static thaw_status alone_allgather_start(struct thaw_comm *comm, int tag, float *data, const int64_t *count,
					 const int64_t *offset, struct thaw_transfer **transfer)
{
	(void)tag;
	*transfer = NULL;
	return alone_allgather(comm, data, count, offset);
}

static thaw_status alone_advance(struct thaw_comm *comm, struct thaw_transfer **transfer)
{
	(void)comm, (void)transfer;
	return THAW_OK;
}

static void alone_nothing(struct thaw_comm *comm)
{
	(void)comm;
}

static thaw_status alone_broadcast(struct thaw_comm *comm, void *data, size_t bytes, int root)
{
	(void)comm, (void)data, (void)bytes, (void)root;
	return THAW_OK;
}

static thaw_status alone_gather(struct thaw_comm *comm, const void *mine, size_t bytes, void *all)
{
	(void)comm;
	if (bytes > 0)
		memmove(all, mine, bytes);
	return THAW_OK;
}

static thaw_status alone_max(struct thaw_comm *comm, int64_t *value, int n)
{
	(void)comm, (void)value, (void)n;
	return THAW_OK;
}

static thaw_status alone_barrier(struct thaw_comm *comm)
{
	(void)comm;
	return THAW_OK;
}

static thaw_status alone_node_alloc(struct thaw_comm *comm, size_t bytes, void **data)
{
	(void)comm;
	*data = thaw_alloc(bytes, 1);
	return THAW_OK;
}

static void alone_node_free(struct thaw_comm *comm, void *data, size_t bytes)
{
	(void)comm, (void)bytes;
	thaw_free(data);
}

static void alone_abort(struct thaw_comm *comm, int code)
{
	(void)comm, (void)code;
}

struct thaw_comm thaw_comm_alone(void)
{
	return (struct thaw_comm){
		.rank = 0,
		.size = 1,
		.node_rank = 0,
		.node_size = 1,
		.allgather = alone_allgather,
		.alltoall_start = alone_alltoall_start,
		.allgather_start = alone_allgather_start,
		.advance = alone_advance,
		.idle = alone_nothing,
		.step = alone_nothing,
		.broadcast = alone_broadcast,
		.gather = alone_gather,
		.max = alone_max,
		.barrier = alone_barrier,
		.node_alloc = alone_node_alloc,
		.node_free = alone_node_free,
		.abort = alone_abort,
		.close = alone_nothing,
	};
}
