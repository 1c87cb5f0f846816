/* Every function of struct thaw_comm over MPI, with whole messages and with pieces of a few bytes. Run with
 * `mpirun -np N`, any N up to 64. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "mpi/over_mpi.h"
#include "tests/mpi/check.h"
#include "thaw/memory.h"

/* Floats that rank `from` sends to rank `to`: uneven, 0 for some. */
static int64_t part(int from, int to)
{
	return (from * 7 + to * 3) % 11;
}

static float cell(int from, int to, int64_t i)
{
	return (float)(from * 10000 + to * 100 + (int)i);
}

static bool alltoall_delivers_each_part(struct thaw_comm *c)
{
	int64_t count_send[64], offset_send[64], count_recv[64], offset_recv[64], sent = 0, received = 0;
	for (int r = 0; r < c->size; r++) {
		count_send[r] = part(c->rank, r);
		count_recv[r] = part(r, c->rank);
		offset_send[r] = sent;
		/* One float of space between parts, which must stay unchanged. */
		offset_recv[r] = received;
		sent += count_send[r];
		received += count_recv[r] + 1;
	}
	float *send = thaw_alloc((size_t)sent, sizeof(float)), *recv = thaw_alloc((size_t)received, sizeof(float));
	for (int r = 0; r < c->size; r++)
		for (int64_t i = 0; i < count_send[r]; i++)
			send[offset_send[r] + i] = cell(c->rank, r, i);
	struct thaw_transfer *transfer = NULL;
	bool good = c->alltoall_start(c, 1, send, count_send, offset_send, recv, count_recv, offset_recv, &transfer) ==
		    THAW_OK;
	while (good && transfer)
		good = c->advance(c, &transfer) == THAW_OK;
	for (int r = 0; r < c->size; r++) {
		for (int64_t i = 0; i < count_recv[r]; i++)
			good &= recv[offset_recv[r] + i] == cell(r, c->rank, i);
		good &= recv[offset_recv[r] + count_recv[r]] == 0;
	}
	thaw_free(send);
	thaw_free(recv);
	return good;
}

static bool allgather_completes_the_vector(struct thaw_comm *c)
{
	int64_t count[64], offset[64], n = 0;
	for (int r = 0; r < c->size; r++) {
		count[r] = part(r, 2);
		offset[r] = n;
		n += count[r] + 1;
	}
	float *data = thaw_alloc((size_t)n, sizeof(float));
	for (int64_t i = 0; i < count[c->rank]; i++)
		data[offset[c->rank] + i] = cell(c->rank, 0, i);
	bool good = c->allgather(c, data, count, offset) == THAW_OK;
	for (int r = 0; r < c->size; r++) {
		for (int64_t i = 0; i < count[r]; i++)
			good &= data[offset[r] + i] == cell(r, 0, i);
		good &= data[offset[r] + count[r]] == 0;
	}
	thaw_free(data);
	return good;
}

static bool broadcast_reaches_all(struct thaw_comm *c)
{
	bool good = true;
	for (int root = 0; root < c->size; root++)
		for (size_t bytes = 0; bytes < 30; bytes += 7) {
			char data[32];
			memset(data, c->rank == root ? 'a' + root : 'x', sizeof(data));
			good &= c->broadcast(c, data, bytes, root) == THAW_OK;
			for (size_t i = 0; i < bytes; i++)
				good &= data[i] == 'a' + root;
			good &= data[bytes] == (c->rank == root ? 'a' + root : 'x');
		}
	return good;
}

static bool gather_is_in_rank_order(struct thaw_comm *c)
{
	int mine[9], *all = thaw_alloc((size_t)c->size * 9, sizeof(int));
	for (int i = 0; i < 9; i++)
		mine[i] = c->rank * 9 + i;
	bool good = c->gather(c, mine, sizeof(mine), c->rank == 0 ? all : NULL) == THAW_OK;
	for (int i = 0; c->rank == 0 && i < c->size * 9; i++)
		good &= all[i] == i;
	good &= c->gather(c, mine, 0, c->rank == 0 ? all : NULL) == THAW_OK;
	thaw_free(all);
	return good;
}

static bool max_is_of_each_value(struct thaw_comm *c)
{
	int64_t value[3] = {c->rank, -c->rank, (int64_t)c->rank << 40};
	return c->max(c, value, 3) == THAW_OK && value[0] == c->size - 1 && value[1] == 0 &&
	       value[2] == (int64_t)(c->size - 1) << 40 && c->barrier(c) == THAW_OK;
}

static bool a_failure_fails_all_ranks(struct thaw_comm *c)
{
	int last = c->size - 1;
	thaw_status mine = c->rank == last ? thaw_fail(THAW_DATA, "x.jpg is damaged") : THAW_OK;
	if (thaw_comm_agree(c, mine) != THAW_DATA)
		return false;
	char expected[64];
	snprintf(expected, sizeof(expected), c->size > 1 ? "rank %d: x.jpg is damaged" : "x.jpg is damaged", last);
	return strcmp(thaw_error_message(), expected) == 0 && thaw_comm_agree(c, THAW_OK) == THAW_OK;
}

static bool a_different_rank_is_named(struct thaw_comm *c)
{
	if (thaw_comm_same(c, "Zen", "BLAS", "stop") != THAW_OK)
		return false;
	if (c->size == 1)
		return true;
	char expected[128];
	snprintf(expected, sizeof(expected), "BLAS differs: rank 0 has \"Zen\", rank %d has \"Haswell\": stop",
		 c->size - 1);
	return thaw_comm_same(c, c->rank == c->size - 1 ? "Haswell" : "Zen", "BLAS", "stop") == THAW_CONFIG &&
	       strcmp(thaw_error_message(), expected) == 0;
}

/* All ranks of a node read what its first rank wrote, also after that rank released the memory. */
static bool node_memory_is_shared(struct thaw_comm *c)
{
	static const size_t sizes[] = {0, 1, 100003, 3 << 20};
	bool good = true;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		size_t n = sizes[s];
		void *data = NULL;
		good &= c->node_alloc(c, n, &data) == THAW_OK && data && (size_t)data % THAW_ALIGNMENT == 0;
		unsigned char *byte = data;
		good &= n == 0 || (byte && byte[0] == 0 && byte[n - 1] == 0);
		good &= c->barrier(c) == THAW_OK;
		for (size_t i = 0; byte && c->node_rank == 0 && i < n; i++)
			byte[i] = (unsigned char)(i * 7 + s);
		good &= c->barrier(c) == THAW_OK;
		if (c->node_rank == 0)
			c->node_free(c, data, n);
		good &= c->barrier(c) == THAW_OK;
		for (size_t i = 0; byte && c->node_rank > 0 && i < n; i++)
			good &= byte[i] == (unsigned char)(i * 7 + s);
		if (c->node_rank > 0)
			c->node_free(c, data, n);
	}
	c->node_free(c, NULL, 10);
	return good;
}

/* With a resource limit on one rank that makes its part fail: no rank has the memory, all have the reason, and the next
 * allocation succeeds. */
static bool no_rank_shares(struct thaw_comm *c, int limited, int limit, rlim_t most, const char *reason)
{
	struct rlimit before, low;
	void *data = c;
	bool good = getrlimit(limit, &before) == 0;
	low = (struct rlimit){most, before.rlim_max};
	if (good && c->node_rank == limited)
		good = setrlimit(limit, &low) == 0;
	thaw_fail(THAW_SOFTWARE, "not this");
	good &= c->node_alloc(c, 1 << 20, &data) == THAW_OK && !data;
	good &= strstr(thaw_error_message(), reason) != NULL;
	if (c->node_rank == limited)
		good &= setrlimit(limit, &before) == 0;
	bool again = node_memory_is_shared(c);
	return good && again;
}

static bool a_first_rank_without_memory_is_not_a_failure(struct thaw_comm *c)
{
	signal(SIGXFSZ, SIG_IGN); /* as the program does */
	return no_rank_shares(c, 0, RLIMIT_FSIZE, 0, "fallocate: File too large");
}

static bool a_rank_that_cannot_open_it_is_not_a_failure(struct thaw_comm *c)
{
	int next = dup(STDERR_FILENO); /* the lowest free descriptor */
	bool known = next >= 0 && close(next) == 0;
	return c->node_size == 1 ||
	       (known && no_rank_shares(c, c->node_size - 1, RLIMIT_NOFILE, (rlim_t)next, "Too many open files"));
}

int main(void)
{
	static const struct {
		const char *name;
		bool (*holds)(struct thaw_comm *);
	} all[] = {
		{"alltoall delivers each part", alltoall_delivers_each_part},
		{"allgather completes the vector", allgather_completes_the_vector},
		{"broadcast reaches all", broadcast_reaches_all},
		{"gather is in rank order", gather_is_in_rank_order},
		{"max is of each value", max_is_of_each_value},
		{"a failure fails all ranks", a_failure_fails_all_ranks},
		{"a different rank is named", a_different_rank_is_named},
		{"node memory is shared", node_memory_is_shared},
		{"a first rank without memory is not a failure", a_first_rank_without_memory_is_not_a_failure},
		{"a rank that cannot open it is not a failure", a_rank_that_cannot_open_it_is_not_a_failure},
	};
	static const size_t pieces[] = {1, 6, 20}; /* bytes: they end inside floats, and at the end of messages */
	struct checks c;
	if (!checks_begin(&c))
		return 1;
	check(&c, c.comm.node_size >= 1 && c.comm.node_rank < c.comm.node_size, "node_rank is in range");
	check(&c, c.comm.node_size < c.comm.size || c.comm.node_first[c.comm.size - 1] == 0,
	      "one node is one run of ranks");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		check(&c, all[i].holds(&c.comm), all[i].name);
	int started = 0;
	MPI_Initialized(&started);
	for (size_t p = 0; started && p < sizeof(pieces) / sizeof(pieces[0]); p++) {
		struct thaw_comm cut;
		thaw_status status = thaw_comm_over_mpi(&cut, MPI_COMM_WORLD, pieces[p], 0, NULL);
		check(&c, status == THAW_OK, "a communicator of small pieces");
		for (size_t i = 0; status == THAW_OK && i < sizeof(all) / sizeof(all[0]); i++) {
			char what[128];
			snprintf(what, sizeof(what), "%s, in pieces of %zu bytes", all[i].name, pieces[p]);
			check(&c, all[i].holds(&cut), what);
		}
		if (status == THAW_OK)
			cut.close(&cut);
	}
	return checks_end(&c);
}
