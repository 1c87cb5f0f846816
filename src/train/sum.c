/* The sum over lanes, in one order for all rank counts.
 *
 * The tree. At the step s = 1, 2, 4, ..., every vector i that is a multiple of 2s takes in vector i + s, if
 * there is one; that is "pairs, then pairs of pairs, an odd one passes up". A subtree is known by its first lane.
 *
 * A rank's part. Its lanes are consecutive. Adding as soon as both halves of a subtree are there, like carries of
 * a binary counter, leaves a short stack of complete subtrees, as large as fit between the rank's first and last
 * lane. Which they are follows from the lanes alone, so every rank knows those of all.
 *
 * The exchange. A bucket is a range of the vectors. Rank r sums the share r of it: it receives that share of every
 * subtree of the other ranks, does the additions of the tree that are left, changes its share of the values by the
 * total, and these shares are gathered. Each rank so sends and receives what a bandwidth-optimal allreduce does, and
 * does 1/R of the additions and of the update. A rank with several subtrees sends them one after the other; lane counts
 * that are a multiple of the rank count, both powers of two, have one for each rank.
 *
 * Beside the backward pass. Only the rank's last lane completes its subtrees, so buckets set out while that lane's
 * gradients become final, from the end of the vector to its start. All ranks number buckets alike and messages carry
 * the number, so it does not matter that ranks come to them at different times. MPI moves data only within its own
 * calls: every thaw_sum_final makes some. Values change meanwhile, but only such as no backward pass needs any more: a
 * share's total is there when the share was final on all ranks. */
#include <string.h>

#include "src/train/sum_internal.h"

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
static thaw_status plan_pieces(struct thaw_sum *sum)
{
	int size = sum->comm->size, lanes = sum->lanes;
	thaw_status status = THAW_RESOURCE;
	int *starts = thaw_alloc((size_t)lanes, sizeof(int));
	int *slot = thaw_alloc((size_t)lanes, sizeof(int)); /* piece that starts at a lane, plus 1; 0: none */
	if (!starts || !slot)
		goto out;
	for (int rank = 0; rank < size; rank++) {
		int first = thaw_lanes_first(lanes, size, rank), end = thaw_lanes_first(lanes, size, rank + 1);
		int count = subtrees(first, end, lanes, starts, NULL);
		sum->piece_first[rank] = sum->pieces;
		for (int i = 0; i < count; i++)
			slot[starts[i]] = ++sum->pieces;
		sum->rounds = count > sum->rounds ? count : sum->rounds;
	}
	sum->piece_first[size] = sum->pieces;
	sum->additions = thaw_alloc((size_t)sum->pieces, sizeof(*sum->additions));
	if (!sum->additions)
		goto out;
	/* A node of the tree is left to do exactly where its right half begins a piece: were it done, both halves
	 * would lie inside one. Its left half then begins a piece too, since pieces do not straddle nodes. */
	int added = 0;
	for (int64_t step = 1; step < lanes; step *= 2)
		for (int64_t i = 0; i + step < lanes; i += 2 * step)
			if (slot[i + step])
				sum->additions[added++] = (struct addition){slot[i] - 1, slot[i + step] - 1};
	status = THAW_OK;
out:
	thaw_free(starts);
	thaw_free(slot);
	return status;
}

static thaw_status check_sizes(const struct thaw_shares *s, int64_t slots)
{
	const int64_t most = INT64_MAX / (int64_t)sizeof(float) / 4;
	if (s->length >= 0 && s->length <= most && slots >= 0 && slots <= most && s->bucket >= 1)
		return THAW_OK;
	return thaw_fail(THAW_SOFTWARE, "a sum of %lld values and %lld slots in buckets of %lld", (long long)s->length,
			 (long long)slots, (long long)s->bucket);
}

thaw_status thaw_sum_create(struct thaw_sum **out, struct thaw_comm *comm, int lanes, const struct thaw_shares *shares,
			    int64_t slots, const struct thaw_sum_use *use)
{
	if (comm->size > lanes)
		return thaw_fail(THAW_CONFIG,
				 "more ranks than lanes: --lanes %d with %d ranks: start at most %d ranks or a new run "
				 "with more lanes",
				 lanes, comm->size, lanes);
	THAW_TRY(check_sizes(shares, slots));
	struct thaw_sum *sum = thaw_alloc(1, sizeof(*sum));
	if (!sum)
		return THAW_RESOURCE;
	size_t size = (size_t)comm->size;
	sum->comm = comm;
	sum->lanes = lanes;
	sum->shares = *shares;
	sum->use = *use;
	sum->n = sum->final = shares->length + slots;
	sum->first = sum->next = thaw_lanes_first(lanes, comm->size, comm->rank);
	sum->end = thaw_lanes_first(lanes, comm->size, comm->rank + 1);
	subtrees(sum->first, sum->end, lanes, NULL, &sum->depth);

	thaw_status status = THAW_RESOURCE;
	sum->vectors = thaw_alloc((size_t)sum->depth, sizeof(*sum->vectors));
	sum->piece_first = thaw_alloc(size + 1, sizeof(*sum->piece_first));
	if (!sum->vectors || !sum->piece_first)
		goto out;
	/* Now, where all ranks still meet: a rank that finds no memory within a step leaves the others in the sum. */
	for (int i = 0; i < sum->depth; i++)
		if (!(sum->vectors[i] = thaw_alloc((size_t)sum->n, sizeof(float))))
			goto out;
	THAW_TRY_OUT(plan_pieces(sum));
	THAW_TRY_OUT(thaw_sum_plan_buckets(sum));
	*out = sum;
	return THAW_OK;
out:
	thaw_sum_destroy(sum);
	return status;
}

void thaw_sum_destroy(struct thaw_sum *sum)
{
	if (!sum)
		return;
	bool stopped_on_the_way = sum->done < sum->begun; /* messages may still write where they were to */
	for (int i = 0; sum->vectors && i < sum->depth && !stopped_on_the_way; i++)
		thaw_free(sum->vectors[i]);
	if (!stopped_on_the_way) {
		thaw_free(sum->received);
		thaw_free(sum->tables);
	}
	thaw_free(sum->vectors);
	thaw_free(sum->buckets);
	thaw_free(sum->piece_first);
	thaw_free(sum->additions);
	thaw_free(sum);
}

void thaw_sum_add(float *restrict a, const float *restrict b, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		a[i] += b[i];
}

float *thaw_sum_next(struct thaw_sum *sum)
{
	if (sum->next == sum->end) {
		thaw_fail(THAW_SOFTWARE, "more than the %d lanes of this rank were summed", sum->end - sum->first);
		return NULL;
	}
	sum->filling = true;
	return sum->vectors[sum->stacked];
}

/* Adds [from, to) of the vector on top to the subtrees that its lane completes. */
static void complete(struct thaw_sum *sum, int64_t from, int64_t to)
{
	int merges = completed_by(sum->next, sum->first, sum->lanes);
	for (int top = sum->stacked; top > sum->stacked - merges; top--)
		thaw_sum_add(sum->vectors[top - 1] + from, sum->vectors[top] + from, to - from);
}

size_t thaw_sum_bytes(const struct thaw_sum *sum)
{
	return (size_t)sum->depth * (size_t)sum->n * sizeof(float);
}

void thaw_sum_final(struct thaw_sum *sum, int64_t from)
{
	if (!sum->filling || sum->next != sum->end - 1)
		return;
	if (from < sum->final) {
		complete(sum, from, sum->final);
		sum->final = from;
	}
	while (sum->ready < sum->bucket_count && sum->buckets[sum->ready].start >= from)
		sum->ready++;
	if (sum->failed == THAW_OK)
		sum->failed = thaw_sum_advance(sum);
}

void thaw_sum_push(struct thaw_sum *sum)
{
	if (!sum->filling)
		return;
	if (sum->next == sum->end - 1)
		thaw_sum_final(sum, 0);
	else
		complete(sum, 0, sum->n);
	sum->filling = false;
	sum->stacked += 1 - completed_by(sum->next, sum->first, sum->lanes);
	sum->next++;
}

void thaw_sum_apply(const struct thaw_sum *sum, struct thaw_share share, float *total)
{
	if (share.count > 0)
		sum->use.apply(sum->use.context, share, total, sum->vectors[0] + sum->shares.length);
}

thaw_status thaw_sum_reduce(struct thaw_sum *sum, const float **slots)
{
	if (sum->next != sum->end || sum->filling)
		return thaw_fail(THAW_SOFTWARE, "a sum over lanes was asked for after %d of %d lanes",
				 sum->next - sum->first, sum->end - sum->first);
	THAW_TRY(sum->failed);
	while (sum->done < sum->bucket_count)
		THAW_TRY(thaw_sum_advance(sum));
	if (sum->comm->size == 1)
		thaw_sum_apply(sum, (struct thaw_share){.count = sum->shares.length}, sum->vectors[0]);
	thaw_sum_reset_buckets(sum);
	sum->stacked = 0;
	sum->next = sum->first;
	sum->final = sum->n;
	*slots = sum->vectors[0] + sum->shares.length;
	return THAW_OK;
}

/* Doubles travel as pairs of floats: moved as bits, never computed with. */
#define FLOATS_PER_DOUBLE ((int64_t)(sizeof(double) / sizeof(float)))

thaw_status thaw_sum_metrics(struct thaw_comm *comm, int lanes, int n, const double *values, double *total)
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
