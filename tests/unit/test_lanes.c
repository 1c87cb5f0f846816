/* Lanes and the sum over them: the bits of every rank count against one naive tree. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/comm_threads.h"
#include "thaw/allreduce.h"
#include "thaw/lanes.h"
#include "thaw/random.h"
#include "thaw/shards.h"
#include "thaw/tensor.h"

#define LANES_MAX 17
#define N_MAX     9001 /* more than two blocks of the local sum, no multiple of anything */
#define SLOTS     3

/* Lane l's vector: magnitudes from 1e-12 to 1e12, so that every other order of additions shows. */
static void fill(float *vector, int64_t n, int lane, uint64_t seed)
{
	struct thaw_random r = thaw_random_stream(seed, THAW_STREAM_INIT, 0, (uint64_t)lane);
	for (int64_t i = 0; i < n; i++)
		vector[i] += powf(10.0f, thaw_random_range(&r, -12, 12)) * thaw_random_range(&r, -1, 1);
}

/* The tree as the header says it: level by level, neighbours, an odd one passes up. */
static void naive_tree(float *rows, int lanes, int64_t n)
{
	for (int alive = lanes; alive > 1; alive = (alive + 1) / 2)
		for (int i = 0; i < (alive + 1) / 2; i++)
			for (int64_t k = 0; k < n; k++)
				rows[i * n + k] = 2 * i + 1 < alive ? rows[2 * i * n + k] + rows[(2 * i + 1) * n + k]
								    : rows[2 * i * n + k];
}

struct sum_case {
	int lanes;
	int64_t n, bucket;
	const float *expected;
	int wrong; /* ranks with other bits or a failure */
};

/* Fills a lane's vector as a backward pass does, from its end to its start, and says so. Parts are as long as they
 * come: shorter than buckets and longer, and now and then one is said to be final twice. */
static void fill_from_the_end(struct thaw_allreduce *allreduce, float *vector, int64_t n, int lane, uint64_t seed)
{
	float *values = thaw_alloc((size_t)n, sizeof(float));
	fill(values, n, lane, seed);
	for (int64_t end = n, part = 1; end > 0; part = part * 3 % 4001) {
		int64_t from = end > part ? end - part : 0;
		memcpy(vector + from, values + from, (size_t)(end - from) * sizeof(float));
		thaw_allreduce_ready(allreduce, from);
		thaw_allreduce_ready(allreduce, end);
		end = from;
	}
	thaw_free(values);
}

/* What a rank makes of a sum: the total in its values, in its own places as well, and the slots as every use saw them.
 */
struct use_case {
	float *values, *own, slots[SLOTS];
	size_t slot_bytes;
	int wrong;
};

static void use(void *context, struct thaw_shard shard, float *total, const float *slots)
{
	struct use_case *u = context;
	memcpy(u->values + shard.start, total, (size_t)shard.count * sizeof(float));
	memcpy(u->own + shard.own, total, (size_t)shard.count * sizeof(float));
	if (u->slots[0] != 0.0f)
		u->wrong += memcmp(u->slots, slots, u->slot_bytes) != 0;
	memcpy(u->slots, slots, u->slot_bytes);
}

/* The last SLOTS of the n values are slots, where there are more. */
static int64_t slots_of(int64_t n)
{
	return n > SLOTS ? SLOTS : 0;
}

/* Values, slots and what the ranks hold apart must be the total. */
static int compare_use(const struct sum_case *c, struct thaw_comm *comm, const struct thaw_sharding *shards,
		       const struct use_case *u, const float *slots)
{
	size_t bytes = (size_t)shards->length * sizeof(float);
	int wrong = u->wrong + (memcmp(u->values, c->expected, bytes) != 0);
	wrong += memcmp(slots, c->expected + shards->length, (size_t)(c->n - shards->length) * sizeof(float)) != 0;
	float *all = thaw_alloc((size_t)shards->length, sizeof(float));
	float *own = thaw_alloc((size_t)thaw_sharding_own(shards, comm->rank), sizeof(float));
	int64_t start = shards->length / 3, count = shards->length - start; /* begins within a shard */
	wrong += thaw_sharding_gather(shards, comm, start, count, u->own, all) != THAW_OK;
	wrong += memcmp(all, c->expected + start, (size_t)count * sizeof(float)) != 0;
	thaw_sharding_take(shards, comm->rank, 0, shards->length, u->values, own);
	wrong += memcmp(own, u->own, (size_t)thaw_sharding_own(shards, comm->rank) * sizeof(float)) != 0;
	thaw_free(all);
	thaw_free(own);
	return wrong;
}

/* Two sums with one object: what the first leaves behind must not show in the second. */
static void sum_body(struct thaw_comm *comm, void *argument)
{
	struct sum_case *c = argument;
	struct thaw_allreduce *allreduce = NULL;
	const struct thaw_sharding shards = {c->n - slots_of(c->n), c->bucket, comm->size};
	struct use_case u = {
		.values = thaw_alloc((size_t)shards.length, sizeof(float)),
		.own = thaw_alloc((size_t)thaw_sharding_own(&shards, comm->rank), sizeof(float)),
		.slot_bytes = (size_t)slots_of(c->n) * sizeof(float),
	};
	const struct thaw_allreduce_update how = {&u, use, u.values};
	int wrong = thaw_allreduce_create(&allreduce, comm, c->lanes, &shards, slots_of(c->n), &how) != THAW_OK;
	for (int turn = 0; !wrong && turn < 2; turn++) {
		const float *slots = NULL;
		memset(u.slots, 0, sizeof(u.slots));
		for (int l = thaw_lanes_first(c->lanes, comm->size, comm->rank);
		     l < thaw_lanes_first(c->lanes, comm->size, comm->rank + 1); l++) {
			float *vector = thaw_allreduce_next(allreduce);
			wrong += (uintptr_t)vector % THAW_ALIGNMENT != 0;
			fill_from_the_end(allreduce, vector, c->n, l, turn ? 7 : 8);
			thaw_allreduce_push(allreduce);
		}
		wrong += thaw_allreduce_finish(allreduce, &slots) != THAW_OK;
		wrong += turn ? compare_use(c, comm, &shards, &u, slots) : 0;
	}
	thaw_allreduce_destroy(allreduce);
	thaw_free(u.values);
	thaw_free(u.own);
	__atomic_fetch_add(&c->wrong, wrong, __ATOMIC_RELAXED);
}

static void same_bits_for_all_rank_counts(void **state)
{
	(void)state;
	static const int64_t sizes[] = {0, 1, 5, 17, 1000, N_MAX};
	static float rows[LANES_MAX * N_MAX];
	for (int lanes = 1; lanes <= LANES_MAX; lanes++)
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			int64_t n = sizes[s];
			memset(rows, 0, sizeof(rows));
			for (int l = 0; l < lanes; l++)
				fill(rows + l * n, n, l, 7);
			naive_tree(rows, lanes, n);
			for (int ranks = 1; ranks <= lanes; ranks++) {
				int64_t bucket = ranks % 2 ? n / 5 + 1 : n + 1;
				struct sum_case c = {.lanes = lanes, .n = n, .bucket = bucket, .expected = rows};
				ranks_run(ranks, sum_body, &c);
				if (c.wrong)
					fail_msg("%d lanes, %d ranks, %lld values in buckets of %lld: %d ranks are "
						 "wrong",
						 lanes, ranks, (long long)n, (long long)bucket, c.wrong);
			}
		}
}

struct metrics_case {
	int lanes, wrong;
	const double *values, *expected; /* (lanes, 3), [3] */
};

static void metrics_body(struct thaw_comm *comm, void *argument)
{
	struct metrics_case *c = argument;
	double mine[LANES_MAX * 3] = {0}, total[3];
	int first = thaw_lanes_first(c->lanes, comm->size, comm->rank);
	int end = thaw_lanes_first(c->lanes, comm->size, comm->rank + 1);
	memcpy(mine + first * 3, c->values + first * 3, (size_t)(end - first) * 3 * sizeof(double));
	if (thaw_allreduce_doubles(comm, c->lanes, 3, mine, total) != THAW_OK ||
	    memcmp(total, c->expected, sizeof(total)) != 0)
		__atomic_fetch_add(&c->wrong, 1, __ATOMIC_RELAXED);
}

static void metrics_follow_the_same_tree(void **state)
{
	(void)state;
	struct thaw_random r = thaw_random_stream(3, THAW_STREAM_INIT, 0, 0);
	for (int lanes = 1; lanes <= LANES_MAX; lanes++) {
		double values[LANES_MAX * 3], tree[LANES_MAX * 3];
		for (int i = 0; i < lanes * 3; i++)
			values[i] = tree[i] = pow(10, thaw_random_range(&r, -20, 20)) * thaw_random_normal(&r);
		for (int alive = lanes; alive > 1; alive = (alive + 1) / 2)
			for (int i = 0; i < (alive + 1) / 2; i++)
				for (int k = 0; k < 3; k++)
					tree[i * 3 + k] =
						tree[6 * i + k] + (2 * i + 1 < alive ? tree[6 * i + 3 + k] : 0.0);
		for (int ranks = 1; ranks <= lanes; ranks++) {
			struct metrics_case c = {.lanes = lanes, .values = values, .expected = tree};
			ranks_run(ranks, metrics_body, &c);
			assert_int_equal(c.wrong, 0);
		}
	}
}

static void too_many_ranks_body(struct thaw_comm *comm, void *argument)
{
	struct thaw_allreduce *allreduce = NULL;
	const struct thaw_sharding shards = {10, THAW_ALLREDUCE_BUCKET, comm->size};
	const struct thaw_allreduce_update how = {.apply = use};
	if (thaw_allreduce_create(&allreduce, comm, 8, &shards, 0, &how) == THAW_CONFIG && !allreduce &&
	    strcmp(thaw_error_message(), "more ranks than lanes: --lanes 8 with 16 ranks: start at most 8 ranks or a "
					 "new run with more lanes") == 0)
		__atomic_fetch_add((int *)argument, 1, __ATOMIC_RELAXED);
}

static void more_ranks_than_lanes_are_refused(void **state)
{
	(void)state;
	int refused = 0;
	ranks_run(16, too_many_ranks_body, &refused);
	assert_int_equal(refused, 16);
}

static void misuse_is_told(void **state)
{
	(void)state;
	struct thaw_comm alone = thaw_comm_alone();
	struct thaw_allreduce *allreduce = NULL;
	const float *slots = NULL;
	float values[4], own[4];
	struct use_case u = {.values = values, .own = own};
	const struct thaw_sharding shards = {4, THAW_ALLREDUCE_BUCKET, 1};
	const struct thaw_allreduce_update how = {&u, use, values};
	assert_int_equal(thaw_allreduce_create(&allreduce, &alone, 2, &shards, SLOTS, &how), THAW_OK);
	assert_non_null(thaw_allreduce_next(allreduce));
	thaw_allreduce_push(allreduce);
	assert_int_equal(thaw_allreduce_finish(allreduce, &slots), THAW_SOFTWARE);
	assert_null(slots);
	assert_non_null(thaw_allreduce_next(allreduce));
	thaw_allreduce_push(allreduce);
	assert_null(thaw_allreduce_next(allreduce));
	assert_int_equal(thaw_allreduce_finish(allreduce, &slots), THAW_OK);
	thaw_allreduce_destroy(allreduce);
	thaw_allreduce_destroy(NULL);
}

static void lanes_hold_each_sample_once(void **state)
{
	(void)state;
	for (int lanes = 1; lanes <= LANES_MAX; lanes++)
		for (int64_t samples = 0; samples < 60; samples++) {
			int seen[60] = {0};
			for (int l = 0; l < lanes; l++) {
				int64_t order[60], count = thaw_lane_count(samples, lanes, l);
				thaw_lane_order(samples, lanes, l, 1, 2, order);
				for (int64_t k = 0; k < count; k++) {
					assert_int_equal(order[k] % lanes, l);
					assert_in_range(order[k], 0, samples - 1);
					seen[order[k]]++;
				}
			}
			for (int64_t i = 0; i < samples; i++)
				assert_int_equal(seen[i], 1);
		}
}

static void order_depends_on_seed_epoch_and_lane(void **state)
{
	(void)state;
	int64_t a[100], b[100];
	thaw_lane_order(800, 8, 3, 1, 0, a);
	thaw_lane_order(800, 8, 3, 1, 0, b);
	assert_memory_equal(a, b, sizeof(a));
	thaw_lane_order(800, 8, 3, 1, 1, b);
	assert_memory_not_equal(a, b, sizeof(a));
	thaw_lane_order(800, 8, 3, 2, 0, b);
	assert_memory_not_equal(a, b, sizeof(a));
	thaw_lane_order(800, 8, 4, 1, 0, b);
	for (int k = 0; k < 100; k++)
		b[k] -= 1;
	assert_memory_not_equal(a, b, sizeof(a));
}

static void ranks_carry_all_lanes_evenly(void **state)
{
	(void)state;
	for (int lanes = 1; lanes <= 40; lanes++)
		for (int ranks = 1; ranks <= lanes; ranks++) {
			assert_int_equal(thaw_lanes_first(lanes, ranks, 0), 0);
			assert_int_equal(thaw_lanes_first(lanes, ranks, ranks), lanes);
			for (int r = 0; r < ranks; r++) {
				int count = thaw_lanes_first(lanes, ranks, r + 1) - thaw_lanes_first(lanes, ranks, r);
				assert_in_range(count, lanes / ranks, (lanes + ranks - 1) / ranks);
			}
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranks_carry_all_lanes_evenly),
		cmocka_unit_test(lanes_hold_each_sample_once),
		cmocka_unit_test(order_depends_on_seed_epoch_and_lane),
		cmocka_unit_test(same_bits_for_all_rank_counts),
		cmocka_unit_test(metrics_follow_the_same_tree),
		cmocka_unit_test(more_ranks_than_lanes_are_refused),
		cmocka_unit_test(misuse_is_told),
	};
	return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
