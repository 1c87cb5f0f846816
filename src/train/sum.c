/* The sum over lanes, in one order for all rank counts.
 *
 * The tree. At the step s = 1, 2, 4, ..., every vector i that is a multiple of 2s takes in vector i + s, if
 * there is one; that is "pairs, then pairs of pairs, an odd one passes up". A subtree is known by its first lane.
 *
 * A rank's part. Its lanes are consecutive. Adding as soon as both halves of a subtree are there, like carries of
 * a binary counter, leaves a short stack of complete subtrees, as large as fit between the rank's first and last
 * lane. Which they are follows from the lanes alone, so every rank knows those of all.
 *
 * The exchange. Rank r sums the share r of [0, n): it receives that share of every subtree of every rank, does
 * the additions of the tree that are left, and the shares are gathered. Each rank so sends and receives what a
 * bandwidth-optimal allreduce does, and does 1/R of the additions. A rank with several subtrees sends them one after
 * the other; lane counts that are a multiple of the rank count, both powers of two, have one for each rank. */
#include <stdbool.h>
#include <string.h>

#include "thaw/lanes.h"
#include "thaw/tensor.h"

#define VECTOR_FLOATS (THAW_ALIGNMENT / (int64_t)sizeof(float))
/* Floats of each subtree that are summed at a time: 32 subtrees of 16 KiB stay within a common L2 cache. */
#define BLOCK INT64_C(4096)

/* One addition of the tree on received shares: slot `into` += slot `from`. */
struct addition {
	int into, from;
};

struct thaw_sum {
	struct thaw_comm *comm;
	int lanes, first, end; /* of the run; of this rank [first, end) */
	int64_t n;

	float **vectors; /* [depth] of n floats each; [0, stacked) hold subtrees */
	int depth, stacked;
	int next;     /* lane that thaw_sum_next's vector is for */
	bool filling; /* thaw_sum_next was called, its thaw_sum_push not yet */

	int pieces;                 /* subtrees of all ranks, by first lane */
	int rounds;                 /* subtrees of the rank that has most */
	int *piece_first;           /* [size + 1] index of each rank's first piece */
	struct addition *additions; /* [pieces - 1] what is left of the tree */

	int64_t *count, *offset; /* [size] each rank's share of [0, n) */
	float *received;         /* (pieces, stride) this rank's share of every piece; NULL for one rank */
	int64_t stride;
	int64_t *count_send, *count_recv, *offset_recv; /* [size] of one exchange */
};

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

static thaw_status plan_shares(struct thaw_sum *sum)
{
	int size = sum->comm->size;
	int64_t share = (sum->n + size - 1) / size;
	share = (share + VECTOR_FLOATS - 1) / VECTOR_FLOATS * VECTOR_FLOATS;
	for (int rank = 0; rank < size; rank++) {
		int64_t start = rank * share < sum->n ? rank * share : sum->n;
		int64_t end = start + share < sum->n ? start + share : sum->n;
		sum->offset[rank] = start;
		sum->count[rank] = end - start;
	}
	sum->stride = share;
	if (size == 1)
		return THAW_OK;
	sum->received = thaw_alloc((size_t)sum->pieces, (size_t)share * sizeof(float));
	return sum->received ? THAW_OK : THAW_RESOURCE;
}

thaw_status thaw_sum_create(struct thaw_sum **out, struct thaw_comm *comm, int lanes, int64_t n)
{
	if (comm->size > lanes)
		return thaw_fail(THAW_CONFIG,
				 "more ranks than lanes: --lanes %d with %d ranks: start at most %d ranks or a new run "
				 "with more lanes",
				 lanes, comm->size, lanes);
	if (n < 0 || n > INT64_MAX / (int64_t)sizeof(float) / 2)
		return thaw_fail(THAW_SOFTWARE, "a sum of %lld values", (long long)n);
	struct thaw_sum *sum = thaw_alloc(1, sizeof(*sum));
	if (!sum)
		return THAW_RESOURCE;
	size_t size = (size_t)comm->size;
	sum->comm = comm;
	sum->lanes = lanes;
	sum->n = n;
	sum->first = sum->next = thaw_lanes_first(lanes, comm->size, comm->rank);
	sum->end = thaw_lanes_first(lanes, comm->size, comm->rank + 1);
	subtrees(sum->first, sum->end, lanes, NULL, &sum->depth);

	thaw_status status = THAW_RESOURCE;
	sum->vectors = thaw_alloc((size_t)sum->depth, sizeof(*sum->vectors));
	sum->piece_first = thaw_alloc(size + 1, sizeof(*sum->piece_first));
	sum->count = thaw_alloc(size, sizeof(*sum->count));
	sum->offset = thaw_alloc(size, sizeof(*sum->offset));
	sum->count_send = thaw_alloc(size, sizeof(*sum->count_send));
	sum->count_recv = thaw_alloc(size, sizeof(*sum->count_recv));
	sum->offset_recv = thaw_alloc(size, sizeof(*sum->offset_recv));
	if (!sum->vectors || !sum->piece_first || !sum->count || !sum->offset || !sum->count_send || !sum->count_recv ||
	    !sum->offset_recv)
		goto out;
	/* Now, where all ranks still meet: a rank that finds no memory within a step leaves the others in the sum. */
	for (int i = 0; i < sum->depth; i++)
		if (!(sum->vectors[i] = thaw_alloc((size_t)n, sizeof(float))))
			goto out;
	THAW_TRY_OUT(plan_pieces(sum));
	THAW_TRY_OUT(plan_shares(sum));
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
	for (int i = 0; sum->vectors && i < sum->depth; i++)
		thaw_free(sum->vectors[i]);
	thaw_free(sum->vectors);
	thaw_free(sum->piece_first);
	thaw_free(sum->additions);
	thaw_free(sum->count);
	thaw_free(sum->offset);
	thaw_free(sum->received);
	thaw_free(sum->count_send);
	thaw_free(sum->count_recv);
	thaw_free(sum->offset_recv);
	thaw_free(sum);
}

/* a[n] += b[n] */
static void add(float *restrict a, const float *restrict b, int64_t n)
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
	return memset(sum->vectors[sum->stacked], 0, (size_t)sum->n * sizeof(float));
}

void thaw_sum_push(struct thaw_sum *sum)
{
	if (!sum->filling)
		return;
	sum->filling = false;
	sum->stacked++;
	for (int left = completed_by(sum->next, sum->first, sum->lanes); left > 0; left--) {
		sum->stacked--;
		add(sum->vectors[sum->stacked - 1], sum->vectors[sum->stacked], sum->n);
	}
	sum->next++;
}

/* Sends this rank's pieces out and receives its share of all pieces. */
static thaw_status exchange(struct thaw_sum *sum)
{
	struct thaw_comm *comm = sum->comm;
	int rank = comm->rank;
	for (int round = 0; round < sum->rounds; round++) {
		bool sends = round < sum->stacked;
		for (int r = 0; r < comm->size; r++) {
			int piece = sum->piece_first[r] + round;
			sum->count_send[r] = sends ? sum->count[r] : 0;
			sum->count_recv[r] = piece < sum->piece_first[r + 1] ? sum->count[rank] : 0;
			sum->offset_recv[r] = sum->count_recv[r] ? piece * sum->stride : 0;
		}
		THAW_TRY(comm->alltoall(comm, sum->vectors[sends ? round : 0], sum->count_send, sum->offset,
					sum->received, sum->count_recv, sum->offset_recv));
	}
	return THAW_OK;
}

/* Sums this rank's share of all pieces, block by block so that a block is read from memory once, into `total`
 * at the place of the share. */
static void sum_share(struct thaw_sum *sum, float *total)
{
	int64_t count = sum->count[sum->comm->rank], offset = sum->offset[sum->comm->rank];
	for (int64_t start = 0; start < count; start += BLOCK) {
		int64_t n = count - start < BLOCK ? count - start : BLOCK;
		float *block = sum->received + start;
		for (int i = 0; i < sum->pieces - 1; i++)
			add(block + sum->additions[i].into * sum->stride, block + sum->additions[i].from * sum->stride,
			    n);
		memcpy(total + offset + start, block, (size_t)n * sizeof(float));
	}
}

thaw_status thaw_sum_reduce(struct thaw_sum *sum, float **total)
{
	if (sum->next != sum->end || sum->filling)
		return thaw_fail(THAW_SOFTWARE, "a sum over lanes was asked for after %d of %d lanes",
				 sum->next - sum->first, sum->end - sum->first);
	if (sum->comm->size > 1) {
		THAW_TRY(exchange(sum));
		sum_share(sum, sum->vectors[0]);
		THAW_TRY(sum->comm->allgather(sum->comm, sum->vectors[0], sum->count, sum->offset));
	}
	sum->stacked = 0;
	sum->next = sum->first;
	*total = sum->vectors[0];
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
