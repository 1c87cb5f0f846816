/* Internals of thaw_allreduce. The files build on each other: the tree (tree.c), the pieces of ranks and nodes
 * (pieces.c), spans of buckets (spans.c), the exchange of buckets (bucket.c), and the object itself (allreduce.c). */
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

struct additions {
	struct addition *list;
	int count;
};

/* A piece is a complete subtree that a member, a rank or a node, sums before it sends. */
struct pieces {
	int count;  /* of all members, ordered by first lane */
	int rounds; /* largest number of pieces of a member */
	int *first; /* [members + 1] index of each member's first piece */
	int *lane;  /* [count] the piece's first lane */
};

/* The exchange of one range of the vectors, which starts at `start`. */
struct bucket {
	int64_t start;
	bool slots;              /* this is the bucket of the slots, whose totals are gathered */
	int64_t own;             /* offset of this rank's shard in its packed shards */
	int64_t *count, *offset; /* [size] each rank's shard of the bucket; offsets into the vectors */
	float *received;         /* (pieces of the node's other ranks, span), (received pieces of nodes, stride) */
	int64_t span, stride;
	int64_t *count_send, *offset_send, *count_recv, *offset_recv; /* [size] of the current all-to-all */
	int round;                                                    /* all-to-alls started so far */
	bool summed, gathering, done;   /* summed: the pieces of this node's ranks have become those of the node */
	struct thaw_transfer *transfer; /* in progress; NULL: none */
};

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

	int nodes, node;                  /* runs of consecutive ranks of one node; this rank is in run `node` */
	int *node_first;                  /* [nodes + 1] each node's first rank */
	int *node_of;                     /* [size] */
	struct pieces of_ranks;           /* before the exchange within nodes */
	struct pieces of_nodes;           /* before the exchange between nodes */
	struct additions within, between; /* within: of pieces of this node's ranks; between: of pieces of nodes */
	int *held;            /* [pieces of this node] the rank's piece whose memory holds the node's piece */
	bool holds_own_shard; /* this rank's span has its shard */
	int rounds_within;    /* all-to-alls within nodes, per bucket */
	int rounds;           /* all-to-alls per bucket */

	struct bucket *buckets; /* [bucket_count] of the slots, then of the values from last to first; one rank: none */
	int bucket_count;
	int ready, started, done; /* buckets [0, ready) are final, [0, started) in exchange, [0, done) complete */
	int64_t *tables;          /* memory of all their counts and offsets */
	float *received;          /* receive buffers, which buckets use in turn */
};

/* tree.c: how many subtrees of [first, lane] the vector of `lane` completes; each is the sum of the two vectors on top
 * of the stack. */
int thaw_allreduce_completed_by(int lane, int first, int lanes);
/* The largest number of vectors that the lanes [first, end) need at once. */
int thaw_allreduce_depth(int first, int end, int lanes);
/* The pieces of members of which member m has the lanes [lane[m], lane[m + 1]) of `lanes`. */
thaw_status thaw_allreduce_find_pieces(struct pieces *pieces, int lanes, int members, const int *lane);
/* The additions that sum pieces within the lanes [first, end), which hold whole pieces. */
thaw_status thaw_allreduce_find_additions(struct additions *additions, const struct pieces *pieces, int lanes,
					  int first, int end);
/* a[n] += b[n] */
void thaw_allreduce_add(float *restrict a, const float *restrict b, int64_t n);

/* pieces.c: determines the nodes, the pieces of all ranks and nodes, and the additions between them. */
thaw_status thaw_allreduce_create_pieces(struct thaw_allreduce *allreduce);
void thaw_allreduce_release_pieces(struct thaw_allreduce *allreduce);

/* spans.c: the first of the ranks whose shards are the span of `rank`; `rank` + 1, if in the same node, has the next
 * span. */
int thaw_allreduce_span_first(const struct thaw_allreduce *allreduce, int rank, int node);
/* One after the last of them. */
int thaw_allreduce_span_end(const struct thaw_allreduce *allreduce, int rank);
/* Floats of the span of `rank`. */
int64_t thaw_allreduce_span_count(const struct thaw_allreduce *allreduce, const struct bucket *b, int rank);
/* Where the span of `rank` starts in the vectors. */
int64_t thaw_allreduce_span_offset(const struct thaw_allreduce *allreduce, const struct bucket *b, int rank);
/* The rank of `node` whose span has the shard of `rank`. */
int thaw_allreduce_holder(const struct thaw_allreduce *allreduce, int node, int rank);
/* Number of pieces of this node's other ranks. */
int thaw_allreduce_pieces_within(const struct thaw_allreduce *allreduce);
/* Number of pieces of nodes that this rank receives. */
int thaw_allreduce_pieces_between(const struct thaw_allreduce *allreduce);
/* This rank's span of a piece of one of its node's ranks: in the receive buffer, or in this rank's own vector. */
float *thaw_allreduce_span_of(const struct thaw_allreduce *allreduce, const struct bucket *b, int piece);
/* This rank's shard of a piece of a node: in the receive buffer, or in the sum of its own node. */
float *thaw_allreduce_shard_of(const struct thaw_allreduce *allreduce, const struct bucket *b, int piece);

/* bucket.c: creates the buckets; needs the pieces. */
thaw_status thaw_allreduce_create_buckets(struct thaw_allreduce *allreduce);
/* Calls the update function for total[shard.count]. */
void thaw_allreduce_update_shard(const struct thaw_allreduce *allreduce, struct thaw_shard shard, float *total);
/* Advances the exchange of the started buckets, and starts those that are ready while receive buffers are free. */
thaw_status thaw_allreduce_advance(struct thaw_allreduce *allreduce);
/* Prepares the buckets for the next step. */
void thaw_allreduce_reset_buckets(struct thaw_allreduce *allreduce);

#endif
