/* thaw_dataset_open_together: the ranks list the folders of a dataset together, and share memory. */
#include <string.h>

#include "src/base/try.h"
#include "thaw/digest.h"
#include "thaw/memory.h"
#include "thaw/train.h"

/* How far a rank is when the ranks meet. */
enum state {
	STATE_LISTED,  /* has its part of a list to exchange */
	STATE_COUNTED, /* knows how much memory the node needs */
	STATE_FILLED,  /* has filled it, or has nothing to fill */
	STATE_OPENED,
	STATE_FAILED,
};

struct together {
	struct thaw_comm *comm;
	const char *path;
	bool failed; /* all ranks know that one has failed */
};

/* Every rank comes here before each exchange and at its end, or when it fails. All go on, or all fail. */
static thaw_status meet(struct together *t, enum state state, thaw_status status)
{
	int64_t most[] = {state, -(int64_t)state};
	THAW_TRY(t->comm->max(t->comm, most, 2));
	if (most[0] != STATE_FAILED && most[0] != -most[1])
		status = thaw_fail(THAW_CONFIG, "ranks find different kinds of datasets: %s: give every rank the same",
				   t->path);
	status = thaw_comm_agree(t->comm, status);
	t->failed = status != THAW_OK;
	return status;
}

static thaw_status same(struct together *t, uint64_t digest, const char *what)
{
	thaw_status status = thaw_comm_same_digest(t->comm, digest, what, "give every rank the same --data");
	t->failed = status != THAW_OK;
	return status;
}

/* Sets end[parts], and the text of all parts. */
static thaw_status gather_texts(struct thaw_comm *comm, const void *mine, char *all, size_t *end)
{
	for (int p = 0; p < comm->size; p++) {
		size_t from = p > 0 ? end[p - 1] : 0;
		if (p == comm->rank)
			memcpy(all + from, mine, end[p] - from);
		THAW_TRY(comm->broadcast(comm, all + from, end[p] - from, p));
	}
	return THAW_OK;
}

static thaw_status exchange(const struct thaw_share *share, const void *mine, size_t bytes, char **all, size_t *end)
{
	struct together *t = share->context;
	struct thaw_comm *comm = t->comm;
	int64_t *sizes = thaw_alloc((size_t)comm->size, sizeof(*sizes));
	size_t total = 0;
	thaw_status status = meet(t, sizes ? STATE_LISTED : STATE_FAILED, sizes ? THAW_OK : THAW_RESOURCE);
	if (status == THAW_OK) {
		sizes[comm->rank] = (int64_t)bytes;
		status = comm->max(comm, sizes, comm->size);
	}
	for (int p = 0; status == THAW_OK && p < comm->size; p++)
		end[p] = total += (size_t)sizes[p];
	if (status == THAW_OK) {
		*all = thaw_alloc(total, 1);
		status = thaw_comm_agree(comm, *all ? THAW_OK : THAW_RESOURCE);
	}
	if (status == THAW_OK)
		status = gather_texts(comm, mine, *all, end);
	thaw_free(sizes);
	return status;
}

static void release(struct thaw_node_block *block)
{
	struct thaw_comm *comm = block->context;
	comm->node_free(comm, block->data, block->bytes);
}

/* Memory of the node; without it *block is as it was. */
static thaw_status allocate_shared(struct thaw_comm *comm, size_t bytes, struct thaw_node_block *block)
{
	void *data = NULL;
	if (comm->node_size > 1)
		THAW_TRY(comm->node_alloc(comm, bytes, &data));
	if (data)
		*block = (struct thaw_node_block){data, bytes, comm->node_rank == 0, release, comm};
	return THAW_OK;
}

static thaw_status open_block(const struct thaw_share *share, size_t bytes, struct thaw_node_block *block)
{
	struct together *t = share->context;
	struct thaw_node_block mine = {.bytes = bytes, .writes = true};
	THAW_TRY(meet(t, STATE_COUNTED, THAW_OK));
	thaw_status status = same(t, bytes, "number of images");
	if (status == THAW_OK)
		status = allocate_shared(t->comm, bytes, &mine);
	if (status == THAW_OK && !mine.data && !(mine.data = thaw_alloc(bytes, 1)))
		status = THAW_RESOURCE;
	*block = mine;
	status = thaw_comm_agree(t->comm, status);
	t->failed = status != THAW_OK;
	return status;
}

static thaw_status meet_filled(const struct thaw_share *share, uint64_t digest, bool *again)
{
	struct together *t = share->context;
	int64_t any = *again;
	THAW_TRY(meet(t, STATE_FILLED, THAW_OK));
	THAW_TRY(t->comm->max(t->comm, &any, 1));
	*again = any != 0;
	return *again ? THAW_OK : same(t, digest, "images");
}

#define VALUES 4

/* An array of a dataset that has a value for each sample. */
struct values {
	void **at;
	size_t bytes;
};

static size_t list_values(struct values v[VALUES], struct thaw_dataset *d)
{
	size_t n = (size_t)d->count, bytes = 0;
	v[0] = (struct values){(void **)&d->groups, n * sizeof(*d->groups)}; /* the most aligned first */
	v[1] = (struct values){(void **)&d->labels, n * sizeof(*d->labels)};
	v[2] = (struct values){(void **)&d->targets, n * (size_t)d->classes * sizeof(*d->targets)};
	v[3] = (struct values){(void **)&d->weights, n * sizeof(*d->weights)};
	for (int i = 0; i < VALUES; i++)
		bytes += v[i].bytes = *v[i].at ? v[i].bytes : 0;
	return bytes;
}

/* Moves these arrays to memory of the node, if they are the same on all ranks; if not, it is said later. */
static thaw_status share_values(struct together *t, struct thaw_dataset *d)
{
	struct values v[VALUES];
	size_t bytes = list_values(v, d);
	uint64_t digest = bytes;
	for (int i = 0; i < VALUES; i++)
		digest = thaw_digest(*v[i].at, v[i].bytes, digest);
	int64_t most[] = {(int64_t)digest, ~(int64_t)digest};
	THAW_TRY(t->comm->max(t->comm, most, 2));
	if (most[0] != ~most[1])
		return THAW_OK;
	THAW_TRY(allocate_shared(t->comm, bytes, &d->values));
	char *to = d->values.data;
	for (int i = 0; i < VALUES && to; to += v[i++].bytes) {
		if (d->values.writes && v[i].bytes > 0)
			memcpy(to, *v[i].at, v[i].bytes);
		thaw_free(*v[i].at);
		*v[i].at = v[i].bytes > 0 ? to : NULL;
	}
	return thaw_comm_agree(t->comm, THAW_OK); /* all is written */
}

thaw_status thaw_dataset_open_together(struct thaw_comm *comm, struct thaw_dataset *d, const char *path,
				       enum thaw_split split, const struct thaw_dataset_options *options)
{
	struct together t = {.comm = comm, .path = path};
	const struct thaw_share share = {.part = comm->rank,
					 .parts = comm->size,
					 .exchange = exchange,
					 .block = open_block,
					 .filled = meet_filled,
					 .context = &t};
	struct thaw_dataset_options all = *options;
	struct thaw_dataset opened = {0};
	if (comm->size > 1)
		all.share = &share;
	thaw_status status = thaw_dataset_open(&opened, path, split, &all);
	if (!t.failed)
		status = meet(&t, status == THAW_OK ? STATE_OPENED : STATE_FAILED, status);
	if (status == THAW_OK && comm->size > 1)
		status = share_values(&t, &opened);
	if (status == THAW_OK)
		*d = opened;
	else
		thaw_dataset_close(&opened);
	return status;
}
