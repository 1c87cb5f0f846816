/* The sum over lanes, in one order for all rank counts.
 *
 * The tree. At the step s = 1, 2, 4, ..., every vector i that is a multiple of 2s takes in vector i + s, if
 * there is one; that is "pairs, then pairs of pairs, an odd one passes up". A subtree is known by its first lane.
 *
 * A rank's part. Its lanes are consecutive. Adding as soon as both halves of a subtree are there, like carries of
 * a binary counter, leaves a short stack of complete subtrees, as large as fit between the rank's first and last
 * lane. Which they are follows from the lanes alone, so every rank knows those of all.
 *
 * The exchange. A bucket is a range of the vectors. Rank r sums the shard r of it: it receives that shard of every
 * subtree of the other ranks, does the additions of the tree that are left, changes its shard of the values by the
 * total, and these shards are gathered. Each rank so sends and receives what a bandwidth-optimal allreduce does, and
 * does 1/R of the additions and of the update. A rank with several subtrees sends them one after the other; lane counts
 * that are a multiple of the rank count, both powers of two, have one for each rank.
 *
 * Beside the backward pass. Only the rank's last lane completes its subtrees, so buckets set out while that lane's
 * gradients become final, from the end of the vector to its start. All ranks number buckets alike and messages carry
 * the number, so it does not matter that ranks come to them at different times. MPI moves data only within its own
 * calls: every thaw_allreduce_ready makes some. Values change meanwhile, but only such as no backward pass needs any
 * more: a shard's total is there when the shard was final on all ranks. */
#include <string.h>

#include "src/allreduce/allreduce_internal.h"

/* How many subtrees of [first, lane] are completed by `lane` having come, each the sum of the top two of the stack. */
static int completed_by(int lane, int first, int lanes)
{
	int merges = 0;
	for (int step = 1; step < lanes; step *= 2) {
		int start = lane / (2 * step) * (2 * step);
		int end = start + 2 * step < lanes ? start + 2 * step : lanes;
		if (end != lane + 1 || start < first)
			break;
		if (start + step < lanes)
			merges++;
	}
	return merges;
}

/* The subtrees that lanes [first, end) leave: starts[] (may be NULL) receives their first lanes. Returns how many;
 * *depth (may be NULL) becomes the largest number held at once, if that is more. */
static int subtrees(int first, int end, int lanes, int *starts, int *depth)
{
	int count = 0;
	for (int lane = first; lane < end; lane++) {
		if (starts)
			starts[count] = lane;
		count++;
		if (depth && count > *depth)
			*depth = count;
		count -= completed_by(lane, first, lanes);
	}
	return count;
}

/* Counts all ranks' pieces and notes the additions that are left between them. */
static thaw_status plan_pieces(struct thaw_allreduce *allreduce)
{
	int size = allreduce->comm->size, lanes = allreduce->lanes;
	thaw_status status = THAW_RESOURCE;
	int *starts = thaw_alloc((size_t)lanes, sizeof(int));
	int *slot = thaw_alloc((size_t)lanes, sizeof(int)); /* piece that starts at a lane, plus 1; 0: none */
	if (!starts || !slot)
		goto out;
	for (int rank = 0; rank < size; rank++) {
		int first = thaw_lanes_first(lanes, size, rank), end = thaw_lanes_first(lanes, size, rank + 1);
		int count = subtrees(first, end, lanes, starts, NULL);
		allreduce->piece_first[rank] = allreduce->pieces;
		for (int i = 0; i < count; i++)
			slot[starts[i]] = ++allreduce->pieces;
		allreduce->rounds = count > allreduce->rounds ? count : allreduce->rounds;
	}
	allreduce->piece_first[size] = allreduce->pieces;
	allreduce->additions = thaw_alloc((size_t)allreduce->pieces, sizeof(*allreduce->additions));
	if (!allreduce->additions)
		goto out;
	/* A node of the tree is left to do exactly where its right half begins a piece: were it done, both halves
	 * would lie inside one. Its left half then begins a piece too, since pieces do not straddle nodes. */
	int added = 0;
	for (int64_t step = 1; step < lanes; step *= 2)
		for (int64_t i = 0; i + step < lanes; i += 2 * step)
			if (slot[i + step])
				allreduce->additions[added++] = (struct addition){slot[i] - 1, slot[i + step] - 1};
	status = THAW_OK;
out:
	thaw_free(starts);
	thaw_free(slot);
	return status;
}

static thaw_status check_sizes(const struct thaw_sharding *s, int64_t slots)
{
	const int64_t most = INT64_MAX / (int64_t)sizeof(float) / 4;
	if (s->length >= 0 && s->length <= most && slots >= 0 && slots <= most && s->bucket >= 1)
		return THAW_OK;
	return thaw_fail(THAW_SOFTWARE, "a sum of %lld values and %lld slots in buckets of %lld", (long long)s->length,
			 (long long)slots, (long long)s->bucket);
}

thaw_status thaw_allreduce_create(struct thaw_allreduce **out, struct thaw_comm *comm, int lanes,
				  const struct thaw_sharding *shards, int64_t slots,
				  const struct thaw_allreduce_update *use)
{
	if (comm->size > lanes)
		return thaw_fail(THAW_CONFIG,
				 "more ranks than lanes: --lanes %d with %d ranks: start at most %d ranks or a new run "
				 "with more lanes",
				 lanes, comm->size, lanes);
	THAW_TRY(check_sizes(shards, slots));
	struct thaw_allreduce *allreduce = thaw_alloc(1, sizeof(*allreduce));
	if (!allreduce)
		return THAW_RESOURCE;
	size_t size = (size_t)comm->size;
	allreduce->comm = comm;
	allreduce->lanes = lanes;
	allreduce->shards = *shards;
	allreduce->use = *use;
	allreduce->n = allreduce->final = shards->length + slots;
	allreduce->first = allreduce->next = thaw_lanes_first(lanes, comm->size, comm->rank);
	allreduce->end = thaw_lanes_first(lanes, comm->size, comm->rank + 1);
	subtrees(allreduce->first, allreduce->end, lanes, NULL, &allreduce->depth);

	thaw_status status = THAW_RESOURCE;
	allreduce->vectors = thaw_alloc((size_t)allreduce->depth, sizeof(*allreduce->vectors));
	allreduce->piece_first = thaw_alloc(size + 1, sizeof(*allreduce->piece_first));
	if (!allreduce->vectors || !allreduce->piece_first)
		goto out;
	/* Now, where all ranks still meet: a rank that finds no memory within a step leaves the others in the sum. */
	for (int i = 0; i < allreduce->depth; i++)
		if (!(allreduce->vectors[i] = thaw_alloc((size_t)allreduce->n, sizeof(float))))
			goto out;
	THAW_TRY_OUT(plan_pieces(allreduce));
	THAW_TRY_OUT(thaw_allreduce_plan_buckets(allreduce));
	*out = allreduce;
	return THAW_OK;
out:
	thaw_allreduce_destroy(allreduce);
	return status;
}

void thaw_allreduce_destroy(struct thaw_allreduce *allreduce)
{
	if (!allreduce)
		return;
	bool stopped_on_the_way = allreduce->done < allreduce->begun; /* messages may still write where they were to */
	for (int i = 0; allreduce->vectors && i < allreduce->depth && !stopped_on_the_way; i++)
		thaw_free(allreduce->vectors[i]);
	if (!stopped_on_the_way) {
		thaw_free(allreduce->received);
		thaw_free(allreduce->tables);
	}
	thaw_free(allreduce->vectors);
	thaw_free(allreduce->buckets);
	thaw_free(allreduce->piece_first);
	thaw_free(allreduce->additions);
	thaw_free(allreduce);
}

void thaw_allreduce_add(float *restrict a, const float *restrict b, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		a[i] += b[i];
}

float *thaw_allreduce_next(struct thaw_allreduce *allreduce)
{
	if (allreduce->next == allreduce->end) {
		thaw_fail(THAW_SOFTWARE, "more than the %d lanes of this rank were summed",
			  allreduce->end - allreduce->first);
		return NULL;
	}
	allreduce->filling = true;
	return allreduce->vectors[allreduce->stacked];
}

/* Adds [from, to) of the vector on top to the subtrees that its lane completes. */
static void complete(struct thaw_allreduce *allreduce, int64_t from, int64_t to)
{
	int merges = completed_by(allreduce->next, allreduce->first, allreduce->lanes);
	for (int top = allreduce->stacked; top > allreduce->stacked - merges; top--)
		thaw_allreduce_add(allreduce->vectors[top - 1] + from, allreduce->vectors[top] + from, to - from);
}

size_t thaw_allreduce_bytes(const struct thaw_allreduce *allreduce)
{
	return (size_t)allreduce->depth * (size_t)allreduce->n * sizeof(float);
}

void thaw_allreduce_ready(struct thaw_allreduce *allreduce, int64_t from)
{
	if (!allreduce->filling || allreduce->next != allreduce->end - 1)
		return;
	if (from < allreduce->final) {
		complete(allreduce, from, allreduce->final);
		allreduce->final = from;
	}
	while (allreduce->ready < allreduce->bucket_count && allreduce->buckets[allreduce->ready].start >= from)
		allreduce->ready++;
	if (allreduce->failed == THAW_OK)
		allreduce->failed = thaw_allreduce_advance(allreduce);
}

void thaw_allreduce_push(struct thaw_allreduce *allreduce)
{
	if (!allreduce->filling)
		return;
	if (allreduce->next == allreduce->end - 1)
		thaw_allreduce_ready(allreduce, 0);
	else
		complete(allreduce, 0, allreduce->n);
	allreduce->filling = false;
	allreduce->stacked += 1 - completed_by(allreduce->next, allreduce->first, allreduce->lanes);
	allreduce->next++;
}

void thaw_allreduce_apply(const struct thaw_allreduce *allreduce, struct thaw_shard shard, float *total)
{
	if (shard.count > 0)
		allreduce->use.apply(allreduce->use.context, shard, total,
				     allreduce->vectors[0] + allreduce->shards.length);
}

thaw_status thaw_allreduce_finish(struct thaw_allreduce *allreduce, const float **slots)
{
	if (allreduce->next != allreduce->end || allreduce->filling)
		return thaw_fail(THAW_SOFTWARE, "a sum over lanes was asked for after %d of %d lanes",
				 allreduce->next - allreduce->first, allreduce->end - allreduce->first);
	THAW_TRY(allreduce->failed);
	while (allreduce->done < allreduce->bucket_count)
		THAW_TRY(thaw_allreduce_advance(allreduce));
	if (allreduce->comm->size == 1)
		thaw_allreduce_apply(allreduce, (struct thaw_shard){.count = allreduce->shards.length},
				     allreduce->vectors[0]);
	thaw_allreduce_reset_buckets(allreduce);
	allreduce->stacked = 0;
	allreduce->next = allreduce->first;
	allreduce->final = allreduce->n;
	*slots = allreduce->vectors[0] + allreduce->shards.length;
	return THAW_OK;
}

/* Doubles travel as pairs of floats: moved as bits, never computed with. */
#define FLOATS_PER_DOUBLE ((int64_t)(sizeof(double) / sizeof(float)))

thaw_status thaw_allreduce_doubles(struct thaw_comm *comm, int lanes, int n, const double *values, double *total)
{
	int64_t cells = (int64_t)lanes * n;
	size_t size = (size_t)comm->size;
	double *sums = thaw_alloc((size_t)cells, sizeof(double));
	float *bits = thaw_alloc((size_t)cells, sizeof(double));
	int64_t *count = thaw_alloc(size, sizeof(int64_t)), *offset = thaw_alloc(size, sizeof(int64_t));
	thaw_status status = THAW_RESOURCE;
	if (!sums || !bits || !count || !offset)
		goto out;
	for (int rank = 0; rank < comm->size; rank++) {
		offset[rank] = thaw_lanes_first(lanes, comm->size, rank) * n * FLOATS_PER_DOUBLE;
		count[rank] = thaw_lanes_first(lanes, comm->size, rank + 1) * n * FLOATS_PER_DOUBLE - offset[rank];
	}
	memcpy(bits, values, (size_t)cells * sizeof(double));
	THAW_TRY_OUT(comm->allgather(comm, bits, count, offset));
	memcpy(sums, bits, (size_t)cells * sizeof(double));
	for (int64_t step = 1; step < lanes; step *= 2)
		for (int64_t i = 0; i + step < lanes; i += 2 * step)
			for (int64_t k = 0; k < n; k++)
				sums[i * n + k] += sums[(i + step) * n + k];
	memcpy(total, sums, (size_t)n * sizeof(double));
out:
	thaw_free(sums);
	thaw_free(bits);
	thaw_free(count);
	thaw_free(offset);
	return status;
}
