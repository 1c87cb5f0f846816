/* Counter-based random numbers (Philox 4x32-10, Salmon et al., SC'11).
 *
 * A number is a pure function of key and counter. It does not depend on the rank or on the order of the calls, so there
 * is no state to save in a checkpoint.
 */
#ifndef THAW_RANDOM_H
#define THAW_RANDOM_H

#include <stdint.h>

#include "thaw/api.h"

THAW_BEGIN_DECLS

/* The purpose of a stream; the streams of one sample differ by it. */
enum thaw_stream {
	THAW_STREAM_INIT = 1, /* random weights; index: hash of the parameter's name */
	THAW_STREAM_SPLIT,    /* the split of one folder into train and val */
	THAW_STREAM_ORDER,    /* the order of samples; index: lane */
	THAW_STREAM_AUGMENT,  /* crops, flips, colours; index: sample */
	THAW_STREAM_DROPOUT,  /* index: sample */
	THAW_STREAM_SIZE,     /* input sizes; index: step and lane */
	THAW_STREAM_BATCHES,  /* the order of batches of one size; index: lane */
	THAW_STREAM_PACK,     /* the order of samples in shards; epoch: split */
};

struct thaw_random {
	uint64_t key;
	uint64_t index; /* high half of the counter */
	uint64_t drawn; /* low half: blocks used so far */
	uint32_t block[4];
	int left; /* unused words in `block` */
};

/* A stream keyed by (seed, purpose, epoch, index). */
struct thaw_random thaw_random_stream(uint64_t seed, enum thaw_stream purpose, uint64_t epoch, uint64_t index);

uint32_t thaw_random_u32(struct thaw_random *r);

/* Uniform in [0, 1), with 24 random bits. */
float thaw_random_unit(struct thaw_random *r);

/* Uniform in [lo, hi). */
float thaw_random_range(struct thaw_random *r, float lo, float hi);

/* Uniform in 0 .. n-1 without modulo bias; n >= 1. */
uint32_t thaw_random_below(struct thaw_random *r, uint32_t n);

/* Standard normal (Box-Muller). */
float thaw_random_normal(struct thaw_random *r);

/* Fisher-Yates shuffle of `order[n]`. */
void thaw_random_shuffle(struct thaw_random *r, int64_t *order, int64_t n);

THAW_END_DECLS

#endif
