#include "src/train/undo.h"

#include <string.h>

#include "thaw/memory.h"

struct thaw_undo {
	float *values;                       /* of this rank's shards, packed, as are the states */
	float *state[THAW_OPTIMIZER_STATES]; /* NULL: the optimizer has fewer */
	struct thaw_shard *kept;             /* [count] parts that were kept; neighbours are merged */
	int64_t count;
};

thaw_status thaw_undo_create(struct thaw_undo **undo, const struct thaw_flat_params *params,
			     const struct thaw_comm *comm)
{
	size_t own = (size_t)thaw_sharding_own(&params->shards, comm->rank);
	struct thaw_undo *u = thaw_alloc(1, sizeof(*u));
	if (!u)
		return THAW_RESOURCE;
	/* A shard is updated from its start to its end, so each becomes one part. */
	u->kept = thaw_alloc((size_t)thaw_sharding_buckets(&params->shards), sizeof(*u->kept));
	u->values = thaw_alloc(own, sizeof(*u->values));
	bool good = u->kept && u->values;
	for (int s = 0; s < THAW_OPTIMIZER_STATES && params->state[s] && good; s++)
		good = (u->state[s] = thaw_alloc(own, sizeof(*u->state[s]))) != NULL;
	if (!good) {
		thaw_undo_destroy(u);
		return THAW_RESOURCE;
	}
	*undo = u;
	return THAW_OK;
}

void thaw_undo_destroy(struct thaw_undo *u)
{
	if (!u)
		return;
	for (int s = 0; s < THAW_OPTIMIZER_STATES; s++)
		thaw_free(u->state[s]);
	thaw_free(u->values);
	thaw_free(u->kept);
	thaw_free(u);
}

void thaw_undo_begin(struct thaw_undo *u)
{
	u->count = 0;
}

static void copy(float *to, const float *from, int64_t count)
{
	memcpy(to, from, (size_t)count * sizeof(*to));
}

void thaw_undo_keep(struct thaw_undo *u, const struct thaw_flat_params *params, struct thaw_shard shard)
{
	struct thaw_shard *last = u->count > 0 ? &u->kept[u->count - 1] : NULL;
	if (shard.count <= 0)
		return;
	copy(u->values + shard.own, params->values + shard.start, shard.count);
	for (int s = 0; s < THAW_OPTIMIZER_STATES && u->state[s]; s++)
		copy(u->state[s] + shard.own, params->state[s] + shard.own, shard.count);
	if (last && last->start + last->count == shard.start && last->own + last->count == shard.own)
		last->count += shard.count;
	else
		u->kept[u->count++] = shard;
}

thaw_status thaw_undo_restore(struct thaw_undo *u, struct thaw_flat_params *params, struct thaw_comm *comm)
{
	const struct thaw_sharding *shards = &params->shards;
	for (int64_t i = 0; i < u->count; i++) {
		struct thaw_shard part = u->kept[i];
		copy(params->values + part.start, u->values + part.own, part.count);
		for (int s = 0; s < THAW_OPTIMIZER_STATES && u->state[s]; s++)
			copy(params->state[s] + part.own, u->state[s] + part.own, part.count);
	}
	/* The other shards on this rank may have new values of the ranks that updated them. */
	thaw_sharding_extract(shards, comm->rank, 0, shards->length, params->values, u->values);
	return thaw_sharding_gather(shards, comm, 0, shards->length, u->values, params->values);
}
