/* Internals of thaw_allreduce. The files build on each other: the tree (tree.c), the exchange of buckets (bucket.c),
 * and the object itself (allreduce.c). */
#ifndef THAW_SRC_ALLREDUCE_ALLREDUCE_INTERNAL_H
#define THAW_SRC_ALLREDUCE_ALLREDUCE_INTERNAL_H

#include <stdbool.h>

#include "thaw/allreduce.h"
#include "thaw/lanes.h"
#include "thaw/shards.h"

/* One addition of the tree: piece `into` += piece `from`. */
struct addition {
	int into, from;
};

/* The exchange of one range of the vectors, which starts at `start`. */
struct bucket {
	int64_t start;
	bool slots;              /* this is the bucket of the slots, whose totals are gathered */
	int64_t own;             /* offset of this rank's shard in its packed shards */
	int64_t *count, *offset; /* [size] each rank's shard of the bucket; offsets into the vectors */
	float *received;         /* (pieces of other ranks, stride) their values of this rank's shard */
	int64_t stride;
	int64_t *count_send, *count_recv, *offset_recv; /* [size] of the current all-to-all */
	int round;                                      /* all-to-alls started so far */
	bool gathering, done;
	struct thaw_transfer *transfer; /* in progress; NULL: none */
};

/* A piece is a complete subtree that one rank sums before the exchange. */
struct thaw_allreduce {
	struct thaw_comm *comm;
	int lanes, first, end; /* lanes of the run; this rank has [first, end) */
	struct thaw_sharding shards;
	struct thaw_allreduce_update update;
	int64_t n; /* floats of a vector with its slots */

	float **vectors; /* [depth] of n floats each; [0, stacked) hold subtrees */
	int depth, stacked;
	int next;           /* lane of the vector that thaw_allreduce_next returns */
	bool filling;       /* between thaw_allreduce_next and thaw_allreduce_push */
	int64_t final_from; /* the last lane's vector is added to its subtrees from this offset on */
	thaw_status failed; /* in thaw_allreduce_ready */

	int pieces;                 /* of all ranks, ordered by first lane */
	int rounds;                 /* largest number of pieces of a rank */
	int *piece_first;           /* [size + 1] index of each rank's first piece */
	struct addition *additions; /* [pieces - 1] the additions of the tree that remain after the exchange */

	struct bucket *buckets; /* [bucket_count] of the slots, then of the values from last to first; one rank: none */
	int bucket_count;
	int ready, started, done; /* buckets [0, ready) are final, [0, started) in exchange, [0, done) complete */
	int64_t *tables;          /* memory of all their counts and offsets */
	float *received;          /* receive buffers, which buckets use in turn */
};

/* tree.c: determines the pieces of all ranks and the additions between them. */
thaw_status thaw_allreduce_build_tree(struct thaw_allreduce *allreduce);
/* How many subtrees of [first, lane] the vector of `lane` completes; each is the sum of the two vectors on top of the
 * stack. */
int thaw_allreduce_completed_by(int lane, int first, int lanes);
/* The largest number of vectors that the lanes [first, end) need at once. */
int thaw_allreduce_depth(int first, int end, int lanes);
/* a[n] += b[n] */
void thaw_allreduce_add(float *restrict a, const float *restrict b, int64_t n);

/* bucket.c: creates the buckets; needs the tree. */
thaw_status thaw_allreduce_create_buckets(struct thaw_allreduce *allreduce);
/* Calls the update function for total[shard.count]. */
void thaw_allreduce_update_shard(const struct thaw_allreduce *allreduce, struct thaw_shard shard, float *total);
/* Advances the exchange of the started buckets, and starts those that are ready while receive buffers are free. */
thaw_status thaw_allreduce_advance(struct thaw_allreduce *allreduce);
/* Prepares the buckets for the next step. */
void thaw_allreduce_reset_buckets(struct thaw_allreduce *allreduce);

#endif
