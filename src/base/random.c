/* Random numbers from Random123's Philox 4x32-10 (thaw/random.h). The key is a hash of (seed, purpose, epoch); the
 * counter is (index, blocks drawn). */
#include "thaw/random.h"

#include <Random123/philox.h>
#include <math.h>
#include <string.h>

#include "src/base/mix.h"

#define PI 3.14159265358979323846

struct thaw_random thaw_random_stream(uint64_t seed, enum thaw_stream purpose, uint64_t epoch, uint64_t index)
{
	return (struct thaw_random){.key = thaw_mix(thaw_mix(thaw_mix(seed) ^ (uint64_t)purpose) ^ epoch),
				    .index = index};
}

static void next_block(struct thaw_random *r)
{
	const philox4x32_ctr_t counter = {
		{(uint32_t)r->drawn, (uint32_t)(r->drawn >> 32), (uint32_t)r->index, (uint32_t)(r->index >> 32)}};
	const philox4x32_key_t key = {{(uint32_t)r->key, (uint32_t)(r->key >> 32)}};
	const philox4x32_ctr_t bits = philox4x32_R(10, counter, key);
	memcpy(r->block, bits.v, sizeof(r->block));
	r->drawn++;
	r->left = 4;
}

uint32_t thaw_random_u32(struct thaw_random *r)
{
	if (r->left == 0)
		next_block(r);
	return r->block[4 - r->left--];
}

float thaw_random_unit(struct thaw_random *r)
{
	return (float)(thaw_random_u32(r) >> 8) * 0x1p-24f;
}

float thaw_random_range(struct thaw_random *r, float lo, float hi)
{
	float x = lo + (hi - lo) * thaw_random_unit(r);
	/* The sum may round up to hi. */
	return x < hi || lo >= hi ? x : nextafterf(hi, lo);
}

/* Lemire, "Fast random integer generation in an interval", 2019: the high half of a product; low halves that would make
 * some results more frequent are rejected. */
uint32_t thaw_random_below(struct thaw_random *r, uint32_t n)
{
	uint64_t product = (uint64_t)thaw_random_u32(r) * n;
	if ((uint32_t)product < n) {
		uint32_t reject = -n % n;
		while ((uint32_t)product < reject)
			product = (uint64_t)thaw_random_u32(r) * n;
	}
	return (uint32_t)(product >> 32);
}

float thaw_random_normal(struct thaw_random *r)
{
	/* 1 - unit is in (0, 1], where the logarithm is finite. The second number of each Box-Muller pair is not used,
	 * so that each call draws the same number of words. */
	double radius = sqrt(-2.0 * log(1.0 - (double)thaw_random_unit(r)));
	return (float)(radius * cos(2.0 * PI * (double)thaw_random_unit(r)));
}

/* Uniform in 0 .. n-1 for any n, by masking and rejecting. */
static uint64_t below_64(struct thaw_random *r, uint64_t n)
{
	if (n <= UINT32_MAX)
		return thaw_random_below(r, (uint32_t)n);
	uint64_t mask = UINT64_MAX >> __builtin_clzll(n - 1);
	uint64_t x;
	do {
		x = (uint64_t)thaw_random_u32(r) << 32;
		x = (x | thaw_random_u32(r)) & mask;
	} while (x >= n);
	return x;
}

void thaw_random_shuffle(struct thaw_random *r, int64_t *order, int64_t n)
{
	for (int64_t i = n - 1; i > 0; i--) {
		int64_t j = (int64_t)below_64(r, (uint64_t)i + 1);
		int64_t t = order[i];
		order[i] = order[j];
		order[j] = t;
	}
}
