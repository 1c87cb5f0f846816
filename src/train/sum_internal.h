/* The inside of a sum over lanes, shared by its tree (sum.c) and the way of its buckets (sum_bucket.c). */
#ifndef THAW_SRC_TRAIN_SUM_INTERNAL_H
#define THAW_SRC_TRAIN_SUM_INTERNAL_H

#include <stdbool.h>

#include "thaw/lanes.h"
#include "thaw/tensor.h"

/* One addition of the tree on received shares: slot `into` += slot `from`. */
struct addition {
	int into, from;
};

/* One range [start, end) of the vectors on its way. */
struct bucket {
	int64_t start, end;
	int64_t *count, *offset; /* [size] each rank's share of it; offsets in the vectors */
	float *received;         /* (pieces, stride) this rank's share of every piece; of the bucket's slot */
	int64_t stride;
	int64_t *count_send, *count_recv, *offset_recv; /* [size] of the round under way */
	int round;                                      /* all-to-alls that were begun */
	bool gathers, done;
	struct thaw_transfer *transfer; /* NULL: none under way */
};

struct thaw_sum {
	struct thaw_comm *comm;
	int lanes, first, end; /* of the run; of this rank [first, end) */
	int64_t n;

	float **vectors; /* [depth] of n floats each; [0, stacked) hold subtrees */
	int depth, stacked;
	int next;           /* lane that thaw_sum_next's vector is for */
	bool filling;       /* thaw_sum_next was called, its thaw_sum_push not yet */
	int64_t final;      /* the last lane's vector is added to its subtrees from here on */
	thaw_status failed; /* of thaw_sum_final */

	int pieces;                 /* subtrees of all ranks, by first lane */
	int rounds;                 /* subtrees of the rank that has most */
	int *piece_first;           /* [size + 1] index of each rank's first piece */
	struct addition *additions; /* [pieces - 1] what is left of the tree */

	struct bucket *buckets; /* [bucket_count], the last range of the vectors first; none for one rank */
	int bucket_count;
	int ready, begun, done; /* of them: [0, ready) are final, [0, begun) set out, [0, done) are there */
	int64_t *tables;        /* memory of all their counts and offsets */
	float *received;        /* slots that buckets take in turn */
};

/* a[n] += b[n] */
void thaw_sum_add(float *restrict a, const float *restrict b, int64_t n);

/* Cuts [0, n) into buckets; the tree is planned already. */
thaw_status thaw_sum_plan_buckets(struct thaw_sum *sum, int64_t bucket);
/* Moves on the buckets that set out, and lets those that are ready follow as slots become free. */
thaw_status thaw_sum_advance(struct thaw_sum *sum);
/* After a sum, for the next. */
void thaw_sum_reset_buckets(struct thaw_sum *sum);

#endif
