/* Permutations as keyed bijections (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). A number
 * below n is a place (row, column) of the smallest square that has n places. A Feistel network permutes the places: in
 * each round a function of the column is added to the row, and the two change places. A number that leaves 0 .. n-1
 * goes through the network again until it is back ("cycle walking"); the square has few places more than n. */
#include "src/base/permutation.h"

#include <math.h>

#include "src/base/mix.h"

struct thaw_permutation thaw_permutation_draw(struct thaw_random *r, int64_t n)
{
	struct thaw_permutation p = {.n = n, .side = (uint64_t)sqrt((double)n)};
	while (p.side * p.side < (uint64_t)n)
		p.side++;
	for (int i = 0; i < THAW_PERMUTATION_ROUNDS; i++) {
		uint64_t high = thaw_random_u32(r);
		p.key[i] = high << 32 | thaw_random_u32(r);
	}
	return p;
}

/* A number in 0 .. side-1, without a visible preference: side is far below 2^32. */
static uint64_t number_of(uint64_t column, uint64_t key, uint64_t side)
{
	return (thaw_mix(column ^ key) >> 32) * side >> 32;
}

static uint64_t permute_place(const struct thaw_permutation *p, uint64_t place)
{
	uint64_t row = place / p->side, column = place % p->side;
	for (int i = 0; i < THAW_PERMUTATION_ROUNDS; i++) {
		uint64_t sum = row + number_of(column, p->key[i], p->side);
		row = column;
		column = sum < p->side ? sum : sum - p->side;
	}
	return row * p->side + column;
}

int64_t thaw_permutation_at(const struct thaw_permutation *p, int64_t i)
{
	uint64_t place = (uint64_t)i;
	do
		place = permute_place(p, place);
	while (place >= (uint64_t)p->n);
	return (int64_t)place;
}
