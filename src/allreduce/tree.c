/* The tree over lanes.
 *
 * At step s = 1, 2, 4, ..., every vector i that is a multiple of 2s adds vector i + s, if there is one: pairs, then
 * pairs of pairs. A last vector without a neighbour moves up unchanged. A subtree is identified by its first lane.
 *
 * The lanes of a rank are consecutive. Adding the two halves of a subtree as soon as both are complete, like carries in
 * a binary counter, leaves a short stack of complete subtrees: the rank's pieces, the largest subtrees between its
 * first and last lane. They depend only on the lane numbers, so every rank knows the pieces of all ranks. */
#include "src/allreduce/allreduce_internal.h"
#include "src/base/minmax.h"
#include "thaw/memory.h"

int thaw_allreduce_completed_by(int lane, int first, int lanes)
{
	int merges = 0;
	for (int step = 1; step < lanes; step *= 2) {
		int start = lane / (2 * step) * (2 * step);
		int end = min_int(start + 2 * step, lanes);
		if (end != lane + 1 || start < first)
			break;
		if (start + step < lanes)
			merges++;
	}
	return merges;
}

/* The pieces of lanes [first, end): returns their number; starts[] (may be NULL) receives their first lanes. *depth
 * (may be NULL) becomes the largest number of vectors held at once. */
static int find_pieces(int first, int end, int lanes, int *starts, int *depth)
{
	int count = 0, most = 0;
	for (int lane = first; lane < end; lane++) {
		if (starts)
			starts[count] = lane;
		count++;
		most = max_int(most, count);
		count -= thaw_allreduce_completed_by(lane, first, lanes);
	}
	if (depth)
		*depth = most;
	return count;
}

int thaw_allreduce_depth(int first, int end, int lanes)
{
	int depth;
	find_pieces(first, end, lanes, NULL, &depth);
	return depth;
}

thaw_status thaw_allreduce_find_pieces(struct pieces *pieces, int lanes, int members, const int *lane)
{
	pieces->first = thaw_alloc((size_t)members + 1, sizeof(*pieces->first));
	pieces->lane = thaw_alloc((size_t)lanes, sizeof(*pieces->lane));
	if (!pieces->first || !pieces->lane)
		return THAW_RESOURCE;
	for (int m = 0; m < members; m++) {
		int count = find_pieces(lane[m], lane[m + 1], lanes, pieces->lane + pieces->count, NULL);
		pieces->first[m] = pieces->count;
		pieces->count += count;
		pieces->rounds = max_int(pieces->rounds, count);
	}
	pieces->first[members] = pieces->count;
	return THAW_OK;
}

thaw_status thaw_allreduce_find_additions(struct additions *additions, const struct pieces *pieces, int lanes,
					  int first, int end)
{
	/* [lane] index of the piece that starts at the lane, plus 1; 0: none. */
	int *piece = thaw_alloc((size_t)lanes, sizeof(*piece));
	additions->list = thaw_alloc((size_t)pieces->count, sizeof(*additions->list));
	if (!piece || !additions->list) {
		thaw_free(piece);
		return THAW_RESOURCE;
	}
	for (int i = 0; i < pieces->count; i++)
		piece[pieces->lane[i]] = i + 1;
	/* A node of the tree remains to be added exactly where its right half starts a piece: otherwise both halves are
	 * within one piece. Its left half then starts a piece too, since pieces do not straddle nodes of the tree. */
	for (int64_t step = 1; step < lanes; step *= 2)
		for (int64_t i = 0; i + step < lanes; i += 2 * step)
			if (piece[i + step] && i >= first && min_int64(i + 2 * step, lanes) <= end)
				additions->list[additions->count++] =
					(struct addition){piece[i] - 1, piece[i + step] - 1};
	thaw_free(piece);
	return THAW_OK;
}

void thaw_allreduce_add(float *restrict a, const float *restrict b, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		a[i] += b[i];
}
