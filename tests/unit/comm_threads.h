/* Threads as ranks: a struct thaw_comm for tests without a launcher. Each collective publishes this rank's arguments,
 * waits for all ranks, copies from the others, and waits again.
 *
 *     static void body(struct thaw_comm *comm, void *argument) { ... }
 *     ranks_run(4, body, &argument);
 *
 * cmocka's assertions may only be used on the main thread: bodies store their findings, and the test checks them after
 * ranks_run. */
#ifndef TESTS_UNIT_COMM_THREADS_H
#define TESTS_UNIT_COMM_THREADS_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "thaw/comm.h"

#define RANKS_MAX 64

/* The arguments of a rank, visible to the others during one collective. */
struct ranks_offer {
	const void *data;
	const int64_t *count, *offset;
};

/* A started exchange: each rank offers its part, takes the parts of the others, and leaves; the last one to leave
 * resets the table. */
struct ranks_table {
	struct ranks_offer offer[RANKS_MAX];
	int offered, taken, left;
};

#define RANKS_TABLES 1024 /* tags */

struct ranks_world {
	pthread_barrier_t barrier;
	struct ranks_offer offer[RANKS_MAX];
	struct ranks_table table[RANKS_TABLES];
};

struct thaw_transfer {
	struct ranks_table *table;
	bool all_to_all, took;
	float *into;
	const int64_t *count, *offset; /* of the received parts */
};

struct ranks_thread {
	struct thaw_comm comm;
	void (*body)(struct thaw_comm *, void *);
	void *argument;
	pthread_t thread;
};

static inline struct ranks_world *ranks_meet(struct thaw_comm *comm, const void *data, const int64_t *count,
					     const int64_t *offset)
{
	struct ranks_world *world = comm->context;
	world->offer[comm->rank] = (struct ranks_offer){data, count, offset};
	pthread_barrier_wait(&world->barrier);
	return world;
}

static inline thaw_status ranks_part(struct ranks_world *world)
{
	pthread_barrier_wait(&world->barrier);
	return THAW_OK;
}

static inline thaw_status ranks_allgather(struct thaw_comm *comm, float *data, const int64_t *count,
					  const int64_t *offset)
{
	struct ranks_world *world = ranks_meet(comm, data, count, offset);
	for (int r = 0; r < comm->size; r++)
		if (r != comm->rank && count[r])
			memcpy(data + offset[r], (const float *)world->offer[r].data + offset[r],
			       (size_t)count[r] * sizeof(float));
	return ranks_part(world);
}

static inline thaw_status ranks_begin(struct thaw_comm *comm, int tag, struct ranks_offer offer,
				      struct thaw_transfer begun, struct thaw_transfer **transfer)
{
	struct ranks_world *world = comm->context;
	struct ranks_table *table = begun.table = &world->table[tag];
	if (tag < 1 || tag >= RANKS_TABLES || !(*transfer = malloc(sizeof(**transfer))))
		abort();
	while (__atomic_load_n(&table->left, __ATOMIC_ACQUIRE) > 0) /* the previous exchange of this tag */
		sched_yield();
	table->offer[comm->rank] = offer;
	**transfer = begun;
	__atomic_fetch_add(&table->offered, 1, __ATOMIC_RELEASE);
	return THAW_OK;
}

static inline thaw_status ranks_alltoall_start(struct thaw_comm *comm, int tag, const float *send,
					       const int64_t *count_send, const int64_t *offset_send, float *recv,
					       const int64_t *count_recv, const int64_t *offset_recv,
					       struct thaw_transfer **transfer)
{
	return ranks_begin(comm, tag, (struct ranks_offer){send, count_send, offset_send},
			   (struct thaw_transfer){NULL, true, false, recv, count_recv, offset_recv}, transfer);
}

static inline thaw_status ranks_allgather_start(struct thaw_comm *comm, int tag, float *data, const int64_t *count,
						const int64_t *offset, struct thaw_transfer **transfer)
{
	return ranks_begin(comm, tag, (struct ranks_offer){data, count, offset},
			   (struct thaw_transfer){NULL, false, false, data, count, offset}, transfer);
}

static inline void ranks_take(const struct thaw_comm *comm, const struct thaw_transfer *t)
{
	for (int r = 0; r < comm->size; r++) {
		const struct ranks_offer *o = &t->table->offer[r];
		int which = t->all_to_all ? comm->rank : r;
		if (o->count[which] != t->count[r]) {
			fprintf(stderr, "exchange: rank %d sends a count that rank %d does not expect\n", r,
				comm->rank);
			abort();
		}
		if (t->count[r] && (t->all_to_all || r != comm->rank))
			memcpy(t->into + t->offset[r], (const float *)o->data + o->offset[which],
			       (size_t)t->count[r] * sizeof(float));
	}
}

static inline thaw_status ranks_advance(struct thaw_comm *comm, struct thaw_transfer **transfer)
{
	struct thaw_transfer *t = *transfer;
	struct ranks_table *table = t->table;
	if (!t->took && __atomic_load_n(&table->offered, __ATOMIC_ACQUIRE) == comm->size) {
		ranks_take(comm, t);
		t->took = true;
		__atomic_fetch_add(&table->taken, 1, __ATOMIC_RELEASE);
	}
	if (__atomic_load_n(&table->taken, __ATOMIC_ACQUIRE) < comm->size) {
		sched_yield();
		return THAW_OK;
	}
	free(t);
	*transfer = NULL;
	if (__atomic_add_fetch(&table->left, 1, __ATOMIC_ACQ_REL) == comm->size) {
		table->offered = table->taken = 0;
		__atomic_store_n(&table->left, 0, __ATOMIC_RELEASE);
	}
	return THAW_OK;
}

static inline thaw_status ranks_broadcast(struct thaw_comm *comm, void *data, size_t bytes, int root)
{
	struct ranks_world *world = ranks_meet(comm, data, NULL, NULL);
	if (comm->rank != root)
		memcpy(data, world->offer[root].data, bytes);
	return ranks_part(world);
}

static inline thaw_status ranks_gather(struct thaw_comm *comm, const void *mine, size_t bytes, void *all)
{
	struct ranks_world *world = ranks_meet(comm, mine, NULL, NULL);
	for (int r = 0; comm->rank == 0 && r < comm->size; r++)
		memcpy((char *)all + (size_t)r * bytes, world->offer[r].data, bytes);
	return ranks_part(world);
}

static inline thaw_status ranks_max(struct thaw_comm *comm, int64_t *value, int n)
{
	int64_t *mine = malloc((size_t)n * sizeof(*mine));
	if (!mine)
		abort();
	memcpy(mine, value, (size_t)n * sizeof(*mine));
	struct ranks_world *world = ranks_meet(comm, mine, NULL, NULL);
	for (int r = 0; r < comm->size; r++)
		for (int i = 0; i < n; i++) {
			int64_t other = ((const int64_t *)world->offer[r].data)[i];
			value[i] = other > value[i] ? other : value[i];
		}
	thaw_status status = ranks_part(world);
	free(mine);
	return status;
}

static inline thaw_status ranks_barrier(struct thaw_comm *comm)
{
	return ranks_part(ranks_meet(comm, NULL, NULL, NULL));
}

/* These ranks cannot share memory, to test the code that then does without. */
static inline thaw_status ranks_node_alloc(struct thaw_comm *comm, size_t bytes, void **data)
{
	(void)comm, (void)bytes;
	*data = NULL;
	thaw_fail(THAW_RESOURCE, "cannot share memory among the ranks of this node: threads are not processes");
	return THAW_OK;
}

static inline void ranks_node_free(struct thaw_comm *comm, void *data, size_t bytes)
{
	(void)comm, (void)data, (void)bytes;
}

static inline void ranks_abort(struct thaw_comm *comm, int code)
{
	(void)comm;
	exit(code);
}

static inline void ranks_nothing(struct thaw_comm *comm)
{
	(void)comm;
}

static inline void *ranks_start(void *argument)
{
	struct ranks_thread *t = argument;
	t->body(&t->comm, t->argument);
	return NULL;
}

/* Runs `body` on `size` ranks and waits for all of them. node_first: see struct thaw_comm. */
static inline void ranks_run_on_nodes(int size, const int *node_first, void (*body)(struct thaw_comm *, void *),
				      void *argument)
{
	static struct ranks_world world; /* too large for the stack; one runs at a time */
	struct ranks_thread threads[RANKS_MAX];
	if (size > RANKS_MAX || pthread_barrier_init(&world.barrier, NULL, (unsigned)size) != 0)
		abort();
	for (int r = 0; r < size; r++) {
		threads[r] = (struct ranks_thread){
			.comm = {.rank = r,
				 .size = size,
				 .node_rank = r,
				 .node_size = size,
				 .node_first = node_first,
				 .context = &world,
				 .allgather = ranks_allgather,
				 .alltoall_start = ranks_alltoall_start,
				 .allgather_start = ranks_allgather_start,
				 .advance = ranks_advance,
				 .idle = ranks_nothing,
				 .step = ranks_nothing,
				 .broadcast = ranks_broadcast,
				 .gather = ranks_gather,
				 .max = ranks_max,
				 .barrier = ranks_barrier,
				 .node_alloc = ranks_node_alloc,
				 .node_free = ranks_node_free,
				 .abort = ranks_abort,
				 .close = ranks_nothing},
			.body = body,
			.argument = argument,
		};
		if (pthread_create(&threads[r].thread, NULL, ranks_start, &threads[r]) != 0)
			abort();
	}
	for (int r = 0; r < size; r++)
		pthread_join(threads[r].thread, NULL);
	pthread_barrier_destroy(&world.barrier);
}

static inline void ranks_run(int size, void (*body)(struct thaw_comm *, void *), void *argument)
{
	ranks_run_on_nodes(size, NULL, body, argument);
}

#endif
