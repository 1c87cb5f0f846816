/* The inside of a sum over lanes, shared by its tree (sum.c) and the way of its buckets (sum_bucket.c). */
#ifndef THAW_SRC_TRAIN_SUM_INTERNAL_H
#define THAW_SRC_TRAIN_SUM_INTERNAL_H

#include <stdbool.h>

#include "thaw/allreduce.h"
#include "thaw/lanes.h"
#include "thaw/shards.h"
#include "thaw/tensor.h"

/* One addition of the tree on received shards: slot `into` += slot `from`. */
struct addition {
	int into, from;
};

/* One range of the vectors, from `start` on, on its way. */
struct bucket {
	int64_t start;
	bool slots;              /* it is that of the slots, whose totals are gathered */
	int64_t own;             /* place of this rank's shard among its shards */
	int64_t *count, *offset; /* [size] each rank's shard of it; offsets in the vectors */
	float *received;         /* (pieces of others, stride) this rank's shard of them; of the bucket's place */
	int64_t stride;
	int64_t *count_send, *count_recv, *offset_recv; /* [size] of the round under way */
	int round;                                      /* all-to-alls that were begun */
	bool gathers, done;
	struct thaw_transfer *transfer; /* NULL: none under way */
};

struct thaw_allreduce {
	struct thaw_comm *comm;
	int lanes, first, end; /* of the run; of this rank [first, end) */
	struct thaw_sharding shards;
	struct thaw_allreduce_update use;
	int64_t n; /* floats of a vector with its slots */

	float **vectors; /* [depth] of n floats each; [0, stacked) hold subtrees */
	int depth, stacked;
	int next;           /* lane that thaw_allreduce_next's vector is for */
	bool filling;       /* thaw_allreduce_next was called, its thaw_allreduce_push not yet */
	int64_t final;      /* the last lane's vector is added to its subtrees from here on */
	thaw_status failed; /* of thaw_allreduce_ready */

	int pieces;                 /* subtrees of all ranks, by first lane */
	int rounds;                 /* subtrees of the rank that has most */
	int *piece_first;           /* [size + 1] index of each rank's first piece */
	struct addition *additions; /* [pieces - 1] what is left of the tree */

	struct bucket *buckets; /* [bucket_count], the slots' and then the vector's last first; none for one rank */
	int bucket_count;
	int ready, begun, done; /* of them: [0, ready) are final, [0, begun) set out, [0, done) are there */
	int64_t *tables;        /* memory of all their counts and offsets */
	float *received;        /* places that buckets take in turn */
};

/* a[n] += b[n] */
void thaw_allreduce_add(float *restrict a, const float *restrict b, int64_t n);

/* Makes the buckets; the tree is planned already. */
thaw_status thaw_allreduce_plan_buckets(struct thaw_allreduce *allreduce);
/* Puts total[count] of the vectors' [start, start + count), at `own` among this rank's shards, to use. */
void thaw_allreduce_apply(const struct thaw_allreduce *allreduce, struct thaw_shard shard, float *total);
/* Moves on the buckets that set out, and lets those that are ready follow as slots become free. */
thaw_status thaw_allreduce_advance(struct thaw_allreduce *allreduce);
/* After a sum, for the next. */
void thaw_allreduce_reset_buckets(struct thaw_allreduce *allreduce);

#endif
