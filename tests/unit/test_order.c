/* The order of an epoch: permutations that are computed number by number, and the order of long lanes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "src/base/permutation.h"
#include "thaw/lanes.h"

#define SEED 17

static struct thaw_permutation draw(int64_t n, uint64_t index)
{
	struct thaw_random random = thaw_random_stream(SEED, THAW_STREAM_ORDER, 0, index);
	return thaw_permutation_draw(&random, n);
}

static void expect_each_number_once(int64_t n)
{
	struct thaw_permutation p = draw(n, (uint64_t)n);
	uint8_t *seen = calloc((size_t)n, 1);
	assert_non_null(seen);
	for (int64_t i = 0; i < n; i++) {
		int64_t to = thaw_permutation_at(&p, i);
		assert_in_range(to, 0, n - 1);
		assert_int_equal(seen[to]++, 0);
	}
	free(seen);
}

static void permutations_have_each_number_once(void **state)
{
	(void)state;
	static const int64_t large[] = {4095, 4096, 4097, 65521, 65536, 65537, 65536 + 256, 99991, 262144, 262145};
	for (int64_t n = 1; n <= 300; n++)
		expect_each_number_once(n);
	for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
		expect_each_number_once(large[i]);
}

/* Numbers that do not fit 32 bits stay in range, and different ones stay different. */
static void permutations_of_very_many_numbers_stay_in_range(void **state)
{
	(void)state;
	const int64_t n = INT64_C(5000000000000);
	struct thaw_permutation p = draw(n, 0);
	int64_t before = -1;
	for (int64_t i = n - 1000; i < n; i++) {
		int64_t to = thaw_permutation_at(&p, i);
		assert_in_range(to, 0, n - 1);
		assert_int_not_equal(to, before);
		before = to;
	}
}

/* Of 4200 permutations of 7 numbers each takes every number to every place 600 times, within 5 standard deviations of
 * about 23; and takes 0 and 1 to every pair of places 100 times, within 5 of about 10. */
static void permutations_prefer_no_place(void **state)
{
	(void)state;
	int place[7][7] = {{0}}, pair[7][7] = {{0}};
	for (uint64_t k = 0; k < 4200; k++) {
		struct thaw_permutation p = draw(7, k);
		for (int i = 0; i < 7; i++)
			place[i][thaw_permutation_at(&p, i)]++;
		pair[thaw_permutation_at(&p, 0)][thaw_permutation_at(&p, 1)]++;
	}
	for (int i = 0; i < 7; i++)
		for (int j = 0; j < 7; j++) {
			assert_in_range(place[i][j], 485, 715);
			assert_in_range(pair[i][j], i == j ? 0 : 50, i == j ? 0 : 150);
		}
}

/* Neighbours go to places that have nothing to do with each other: of n = 81920 numbers, those of one of 32 equal parts
 * are spread over all parts alike, 80 each within 5 standard deviations of 9, and so are the distances of neighbours.
 */
static void long_permutations_scatter(void **state)
{
	(void)state;
	enum { N = 81920, PARTS = 32, EACH = N / PARTS };
	int spread[PARTS][PARTS] = {{0}}, distance[PARTS] = {0};
	struct thaw_permutation p = draw(N, 1);
	int64_t before = thaw_permutation_at(&p, N - 1);
	for (int64_t i = 0; i < N; i++) {
		int64_t to = thaw_permutation_at(&p, i);
		spread[i / EACH][to / EACH]++;
		distance[(to - before + N) % N / EACH]++;
		before = to;
	}
	for (int i = 0; i < PARTS; i++) {
		assert_in_range(distance[i], EACH - 250, EACH + 250);
		for (int j = 0; j < PARTS; j++)
			assert_in_range(spread[i][j], 80 - 45, 80 + 45);
	}
}

/* Long lanes of 3, none of them of equal length. */
enum { LANES = 3, SAMPLES = LANES * 70001 + 2 };

static int64_t *order_of(int lane, uint64_t seed, uint64_t epoch)
{
	int64_t *order = calloc((size_t)thaw_lane_count(SAMPLES, LANES, lane), sizeof(*order));
	assert_non_null(order);
	thaw_lane_order(SAMPLES, LANES, lane, seed, epoch, order);
	return order;
}

static void long_lanes_hold_each_sample_once(void **state)
{
	(void)state;
	uint8_t *seen = calloc(SAMPLES, 1);
	assert_non_null(seen);
	for (int lane = 0; lane < LANES; lane++) {
		int64_t count = thaw_lane_count(SAMPLES, LANES, lane), *order = order_of(lane, 1, 2);
		assert_true(count > THAW_LANE_SHUFFLED);
		for (int64_t k = 0; k < count; k++) {
			assert_int_equal(order[k] % LANES, lane);
			assert_in_range(order[k], 0, SAMPLES - 1);
			assert_int_equal(seen[order[k]]++, 0);
		}
		free(order);
	}
	free(seen);
}

static void parts_of_the_order_are_those_of_the_whole(void **state)
{
	(void)state;
	static const int64_t begins[] = {0, 1, 31, 32, 65536, 70000};
	int64_t part[100], *whole = order_of(1, 5, 9), count = thaw_lane_count(SAMPLES, LANES, 1);
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		int64_t n = begins[i] + 100 < count ? 100 : count - begins[i];
		thaw_lane_order_part(SAMPLES, LANES, 1, 5, 9, begins[i], n, part);
		assert_memory_equal(part, whole + begins[i], (size_t)n * sizeof(*part));
	}
	free(whole);
}

static void long_orders_depend_on_seed_epoch_and_lane(void **state)
{
	(void)state;
	int64_t *a = order_of(0, 1, 0), *epoch = order_of(0, 1, 1), *seed = order_of(0, 2, 0),
		*lane = order_of(1, 1, 0);
	int64_t count = thaw_lane_count(SAMPLES, LANES, 0), same[3] = {0};
	for (int64_t k = 0; k < count; k++) {
		same[0] += a[k] == epoch[k];
		same[1] += a[k] == seed[k];
		same[2] += a[k] == lane[k] - 1;
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(same[i], 0, 10); /* 1 by chance */
	free(a);
	free(epoch);
	free(seed);
	free(lane);
}

/* The order is a part of the results: a run must resume with the same one. */
static void orders_stay_as_they_are(void **state)
{
	(void)state;
	static const int64_t computed[] = {571379, 290515, 921755, 812331, 329259, 239691},
			     first[] = {38902, 56518, 54260};
	int64_t part[6], *shuffled = calloc(THAW_LANE_SHUFFLED, sizeof(*shuffled));
	assert_non_null(shuffled);
	thaw_lane_order_part(1000000, 8, 3, 1, 0, 62500, 6, part);
	assert_memory_equal(part, computed, sizeof(computed));
	thaw_lane_order(THAW_LANE_SHUFFLED, 1, 0, 1, 0, shuffled);
	assert_memory_equal(shuffled, first, sizeof(first));
	free(shuffled);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(permutations_have_each_number_once),
		cmocka_unit_test(permutations_of_very_many_numbers_stay_in_range),
		cmocka_unit_test(permutations_prefer_no_place),
		cmocka_unit_test(long_permutations_scatter),
		cmocka_unit_test(long_lanes_hold_each_sample_once),
		cmocka_unit_test(parts_of_the_order_are_those_of_the_whole),
		cmocka_unit_test(long_orders_depend_on_seed_epoch_and_lane),
		cmocka_unit_test(orders_stay_as_they_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
