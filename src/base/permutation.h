#ifndef THAW_SRC_BASE_PERMUTATION_H
#define THAW_SRC_BASE_PERMUTATION_H

#include "thaw/random.h"

/* A random permutation of 0 .. n-1 without an array: where it takes a number is computed when it is asked for. */
#define THAW_PERMUTATION_ROUNDS 8
struct thaw_permutation {
	int64_t n;
	uint64_t side; /* of the square whose places the numbers are */
	uint64_t key[THAW_PERMUTATION_ROUNDS];
};

/* Draws a permutation of 0 .. n-1, n < 2^62. */
struct thaw_permutation thaw_permutation_draw(struct thaw_random *r, int64_t n);

/* Where the permutation takes i, which is in 0 .. n-1. */
int64_t thaw_permutation_at(const struct thaw_permutation *p, int64_t i);

#endif
