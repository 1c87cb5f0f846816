/* The time of a step on many ranks, from that on one and the network's latency and bandwidth; docs/scaling.md explains
 * the formulas. */
#ifndef THAW_SRC_TRAIN_SCALING_H
#define THAW_SRC_TRAIN_SCALING_H

#include <stdint.h>

struct thaw_network {
	double latency;   /* seconds per message */
	double bandwidth; /* bytes per second of a node's link, in each direction */
};

/* A step on one rank. */
struct thaw_local_step {
	double compute, update; /* seconds: forward and backward pass; update of all weights */
	double exchange;        /* processor seconds of the exchange of a volume of 1 (thaw_scaling_volume) */
	const double *ready;    /* [buckets] seconds from the start until a bucket's gradients are final */
	int buckets;
	int64_t bytes, bucket_bytes; /* of the gradients, and of a bucket; the first bucket may be shorter */
};

/* Messages that follow one another in the exchange of a bucket. */
double thaw_scaling_messages(int nodes, int ranks);
/* Bytes that a node sends to other nodes, relative to those of the gradients. */
double thaw_scaling_volume(int nodes, int ranks);
/* Latency and bandwidth from the seconds of the all-reduce of a few bytes and of many. */
struct thaw_network thaw_scaling_fit(int nodes, int ranks, double few_seconds, double many_seconds, double many_bytes);
/* Seconds of a step on `ranks` ranks, evenly on `nodes` nodes. */
double thaw_scaling_step(const struct thaw_network *network, const struct thaw_local_step *step, int nodes, int ranks);

#endif
