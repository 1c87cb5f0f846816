/* Which rank differs: digests of all ranks are gathered on rank 0, which compares them and tells the others. */
#include <string.h>
#include <unistd.h>

#include "src/base/try.h"
#include "thaw/comm.h"
#include "thaw/memory.h"

/* The digests of all ranks. */
struct table {
	const uint64_t *all; /* (ranks, count) */
	int ranks, count;
};

static uint64_t digest_at(const struct table *t, int rank, int i)
{
	return t->all[(size_t)rank * (size_t)t->count + (size_t)i];
}

/* How many ranks have this value of digest i. */
static int count_equal(const struct table *t, int i, uint64_t value)
{
	int equal = 0;
	for (int r = 0; r < t->ranks; r++)
		equal += digest_at(t, r, i) == value;
	return equal;
}

/* The value of digest i that most ranks have; of equally frequent ones that of the lowest rank; 0: none is known. */
static uint64_t most_frequent(const struct table *t, int i)
{
	uint64_t best = 0;
	int most = 0;
	for (int r = 0; r < t->ranks && 2 * most <= t->ranks; r++) {
		uint64_t value = digest_at(t, r, i);
		int equal = value ? count_equal(t, i, value) : 0;
		if (equal > most) {
			most = equal;
			best = value;
		}
	}
	return best;
}

/* Fills in the members but the hosts. */
static void find_difference(struct thaw_comm_difference *d, const struct table *t)
{
	d->item = -1;
	for (int i = 0; i < t->count && d->item < 0; i++) {
		uint64_t usual = most_frequent(t, i);
		if (count_equal(t, i, usual) + (usual ? count_equal(t, i, 0) : 0) == t->ranks)
			continue;
		d->item = i;
		for (int r = t->ranks - 1; r >= 0; r--) {
			uint64_t value = digest_at(t, r, i);
			if (value)
				*(value == usual ? &d->other : &d->rank) = r;
		}
	}
}

static thaw_status share_host(struct thaw_comm *comm, char host[THAW_COMM_HOST], int root)
{
	memset(host, 0, THAW_COMM_HOST);
	if (comm->rank == root && gethostname(host, THAW_COMM_HOST - 1) != 0)
		strcpy(host, "an unknown host");
	return comm->broadcast(comm, host, THAW_COMM_HOST, root);
}

thaw_status thaw_comm_compare(struct thaw_comm *comm, const uint64_t *digests, int count,
			      struct thaw_comm_difference *difference)
{
	struct thaw_comm_difference d = {.item = -1};
	uint64_t *all = NULL;
	thaw_status status = THAW_OK;
	if (comm->rank == 0 && !(all = thaw_alloc((size_t)comm->size * (size_t)count, sizeof(*all))))
		status = THAW_RESOURCE;
	THAW_TRY_OUT(thaw_comm_agree(comm, status));
	THAW_TRY_OUT(comm->gather(comm, digests, (size_t)count * sizeof(*digests), all));
	if (comm->rank == 0)
		find_difference(&d, &(struct table){all, comm->size, count});
	THAW_TRY_OUT(comm->broadcast(comm, &d, sizeof(d), 0));
	if (d.item >= 0) {
		THAW_TRY_OUT(share_host(comm, d.host, d.rank));
		THAW_TRY_OUT(share_host(comm, d.other_host, d.other));
	}
	*difference = d;
out:
	thaw_free(all);
	return status;
}
