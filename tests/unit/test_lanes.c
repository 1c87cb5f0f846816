/* Lanes and the all-reduce over them: for every rank count the same bits as a naive tree. */
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
#include "thaw/memory.h"
#include "thaw/random.h"
#include "thaw/shards.h"

#define LANES_MAX 17
#define N_MAX     9001 /* more than two blocks of the local sum, and not a multiple of one */
#define SLOTS     3

/* Lane l's vector: magnitudes from 1e-12 to 1e12, so that any other order of additions changes bits. */
static void fill(float *vector, int64_t n, int lane, uint64_t seed)
{
	struct thaw_random r = thaw_random_stream(seed, THAW_STREAM_INIT, 0, (uint64_t)lane);
	for (int64_t i = 0; i < n; i++)
		vector[i] += powf(10.0f, thaw_random_range(&r, -12, 12)) * thaw_random_range(&r, -1, 1);
}

/* The tree of thaw/lanes.h, level by level: neighbours are added; a last vector without one moves up. */
static void naive_tree(float *rows, int lanes, int64_t n)
{
	for (int alive = lanes; alive > 1; alive = (alive + 1) / 2)
		for (int i = 0; i < (alive + 1) / 2; i++)
			for (int64_t k = 0; k < n; k++)
				rows[i * n + k] = 2 * i + 1 < alive ? rows[2 * i * n + k] + rows[(2 * i + 1) * n + k]
								    : rows[2 * i * n + k];
}

struct reduce_case {
	int lanes;
	int64_t n, bucket;
	const float *expected;
	const char *failed; /* the first check that failed on any rank; NULL: none */
};

/* Records the check if it is the first that fails. The ranks are threads, which must not call cmocka's assertions. */
static void check(struct reduce_case *c, bool passed, const char *what)
{
	const char *none = NULL;
	if (!passed)
		__atomic_compare_exchange_n(&c->failed, &none, what, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* Fills a lane's vector from end to start and reports it as ready, as a backward pass does. Parts are shorter and
 * longer than buckets, and some are reported twice. */
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

/* A rank's updates: the total in values and in the packed shards, and the slots that each update received. */
struct updates {
	struct reduce_case *c;
	float *values, *own, slots[SLOTS];
	size_t slot_bytes;
};

static void update(void *context, struct thaw_shard shard, float *total, const float *slots)
{
	struct updates *u = context;
	memcpy(u->values + shard.start, total, (size_t)shard.count * sizeof(float));
	memcpy(u->own + shard.own, total, (size_t)shard.count * sizeof(float));
	if (u->slots[0] != 0.0f)
		check(u->c, memcmp(u->slots, slots, u->slot_bytes) == 0, "every update gets the same slots");
	memcpy(u->slots, slots, u->slot_bytes);
}

/* If n is larger than SLOTS, the last SLOTS of the n values are slots. */
static int64_t slots_of(int64_t n)
{
	return n > SLOTS ? SLOTS : 0;
}

/* Values, slots and the packed shards must be the total. */
static void check_updates(struct thaw_comm *comm, const struct thaw_sharding *shards, const struct updates *u,
			  const float *slots)
{
	struct reduce_case *c = u->c;
	const size_t bytes = (size_t)shards->length * sizeof(float);
	const size_t own_bytes = (size_t)thaw_sharding_own(shards, comm->rank) * sizeof(float);
	float *all = thaw_alloc(bytes, 1), *own = thaw_alloc(own_bytes, 1);
	int64_t start = shards->length / 3, count = shards->length - start; /* starts within a shard */
	check(c, memcmp(u->values, c->expected, bytes) == 0, "the values are the total");
	check(c, memcmp(slots, c->expected + shards->length, u->slot_bytes) == 0, "the slots are their total");
	check(c, thaw_sharding_gather(shards, comm, start, count, u->own, all) == THAW_OK, "shards can be gathered");
	check(c, memcmp(all, c->expected + start, (size_t)count * sizeof(float)) == 0, "gathered shards are the total");
	thaw_sharding_extract(shards, comm->rank, 0, shards->length, u->values, own);
	check(c, memcmp(own, u->own, own_bytes) == 0, "extracted shards are the packed ones");
	thaw_free(all);
	thaw_free(own);
}

/* Two steps with one object: the first must not change the result of the second. */
static void reduce_body(struct thaw_comm *comm, void *argument)
{
	struct reduce_case *c = argument;
	struct thaw_allreduce *allreduce = NULL;
	const struct thaw_sharding shards = {c->n - slots_of(c->n), c->bucket, comm->size};
	struct updates u = {
		.c = c,
		.values = thaw_alloc((size_t)shards.length, sizeof(float)),
		.own = thaw_alloc((size_t)thaw_sharding_own(&shards, comm->rank), sizeof(float)),
		.slot_bytes = (size_t)slots_of(c->n) * sizeof(float),
	};
	const struct thaw_allreduce_update how = {&u, update, u.values};
	thaw_status status = thaw_allreduce_create(&allreduce, comm, c->lanes, &shards, slots_of(c->n), &how);
	check(c, status == THAW_OK, "thaw_allreduce_create");
	for (int turn = 0; status == THAW_OK && turn < 2; turn++) {
		const float *slots = NULL;
		memset(u.slots, 0, sizeof(u.slots));
		for (int l = thaw_lanes_first(c->lanes, comm->size, comm->rank);
		     l < thaw_lanes_first(c->lanes, comm->size, comm->rank + 1); l++) {
			float *vector = thaw_allreduce_next(allreduce);
			check(c, (uintptr_t)vector % THAW_ALIGNMENT == 0, "vectors are aligned");
			fill_from_the_end(allreduce, vector, c->n, l, turn ? 7 : 8);
			thaw_allreduce_push(allreduce);
		}
		status = thaw_allreduce_finish(allreduce, &slots);
		check(c, status == THAW_OK, "thaw_allreduce_finish");
		if (status == THAW_OK && turn)
			check_updates(comm, &shards, &u, slots);
	}
	thaw_allreduce_destroy(allreduce);
	thaw_free(u.values);
	thaw_free(u.own);
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
				struct reduce_case c = {.lanes = lanes, .n = n, .bucket = bucket, .expected = rows};
				ranks_run(ranks, reduce_body, &c);
				if (c.failed)
					fail_msg("%d lanes, %d ranks, %lld values in buckets of %lld: not so: %s",
						 lanes, ranks, (long long)n, (long long)bucket, c.failed);
			}
		}
}

/* Nodes of `most` ranks, then most - 1, ..., 1, and again; in the last node as many as are left. */
static void set_nodes(int *node_first, int ranks, int most)
{
	for (int rank = 0, wanted = most; rank<ranks; wanted = wanted> 1 ? wanted - 1 : most)
		for (int first = rank; rank < ranks && rank < first + wanted; rank++)
			node_first[rank] = first;
}

/* Nodes of equal and of different size. */
static void same_bits_for_all_nodes(void **state)
{
	(void)state;
	static float rows[LANES_MAX * 1000];
	const int64_t n = 1000;
	for (int lanes = 2; lanes <= LANES_MAX; lanes++) {
		memset(rows, 0, sizeof(rows));
		for (int l = 0; l < lanes; l++)
			fill(rows + l * n, n, l, 7);
		naive_tree(rows, lanes, n);
		for (int ranks = 2; ranks <= lanes; ranks++)
			for (int most = 2; most < 6; most++) {
				int uneven[LANES_MAX], even[LANES_MAX];
				set_nodes(uneven, ranks, most);
				for (int rank = 0; rank < ranks; rank++)
					even[rank] = rank / most * most;
				struct reduce_case c = {.lanes = lanes, .n = n, .bucket = 301, .expected = rows};
				ranks_run_on_nodes(ranks, uneven, reduce_body, &c);
				ranks_run_on_nodes(ranks, even, reduce_body, &c);
				if (c.failed)
					fail_msg("%d lanes, %d ranks, nodes of at most %d: not so: %s", lanes, ranks,
						 most, c.failed);
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
	const struct thaw_allreduce_update how = {.update = update};
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

static void misuse_is_reported(void **state)
{
	(void)state;
	struct thaw_comm alone = thaw_comm_alone();
	struct thaw_allreduce *allreduce = NULL;
	const float *slots = NULL;
	float values[4], own[4];
	struct updates u = {.values = values, .own = own};
	const struct thaw_sharding shards = {4, THAW_ALLREDUCE_BUCKET, 1};
	const struct thaw_allreduce_update how = {&u, update, values};
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
		cmocka_unit_test(same_bits_for_all_nodes),
		cmocka_unit_test(metrics_follow_the_same_tree),
		cmocka_unit_test(more_ranks_than_lanes_are_refused),
		cmocka_unit_test(misuse_is_reported),
	};
	return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
