/* The all-reduce over lanes across processes: the same bits as in one process with all lanes. */
#include <math.h>
#include <string.h>

#include "tests/mpi/check.h"
#include "thaw/allreduce.h"
#include "thaw/lanes.h"
#include "thaw/memory.h"
#include "thaw/random.h"
#include "thaw/shards.h"

static void fill(float *vector, int64_t n, int lane)
{
	struct thaw_random r = thaw_random_stream(5, THAW_STREAM_INIT, 0, (uint64_t)lane);
	for (int64_t i = 0; i < n; i++)
		vector[i] += powf(10.0f, thaw_random_range(&r, -12, 12)) * thaw_random_range(&r, -1, 1);
}

/* The update: values become the total. */
static void store(void *context, struct thaw_shard shard, float *total, const float *slots)
{
	(void)slots;
	memcpy((float *)context + shard.start, total, (size_t)shard.count * sizeof(float));
}

/* The all-reduce over `comm` to total[n], whose last value is a slot. The vectors are filled in `parts` parts from end
 * to start, as by a backward pass. */
static bool reduce_over(struct thaw_comm *comm, int lanes, int64_t n, int64_t bucket, int64_t parts, float *total)
{
	struct thaw_allreduce *allreduce = NULL;
	const float *slots = NULL;
	float *values = thaw_alloc((size_t)n, sizeof(float));
	const struct thaw_sharding shards = {n - 1, bucket, comm->size};
	const struct thaw_allreduce_update update = {total, store, total};
	if (!values || thaw_allreduce_create(&allreduce, comm, lanes, &shards, 1, &update) != THAW_OK)
		return false;
	int end = thaw_lanes_first(lanes, comm->size, comm->rank + 1);
	for (int l = thaw_lanes_first(lanes, comm->size, comm->rank); l < end; l++) {
		float *vector = thaw_allreduce_next(allreduce);
		memset(values, 0, (size_t)n * sizeof(float));
		fill(values, n, l);
		for (int64_t p = parts; vector && p > 0; p--) {
			int64_t from = n * (p - 1) / parts, count = n * p / parts - from;
			memcpy(vector + from, values + from, (size_t)count * sizeof(float));
			thaw_allreduce_ready(allreduce, from);
		}
		thaw_allreduce_push(allreduce);
	}
	bool good = thaw_allreduce_finish(allreduce, &slots) == THAW_OK;
	if (good)
		total[n - 1] = slots[0];
	thaw_allreduce_destroy(allreduce);
	thaw_free(values);
	return good;
}

/* Ranks reach their buckets at different times, since each has another number of parts. */
static bool same_as_alone(struct thaw_comm *comm, int lanes, int64_t n, int64_t bucket)
{
	struct thaw_comm alone = thaw_comm_alone();
	float *a = thaw_alloc((size_t)n, sizeof(float)), *b = thaw_alloc((size_t)n, sizeof(float));
	bool good = a && b && reduce_over(comm, lanes, n, bucket, 1 + 7 * comm->rank, a) &&
		    reduce_over(&alone, lanes, n, n, 1, b) && memcmp(a, b, (size_t)n * sizeof(float)) == 0;
	thaw_free(a);
	thaw_free(b);
	return good;
}

static bool metrics_same_as_alone(struct thaw_comm *comm, int lanes)
{
	struct thaw_comm alone = thaw_comm_alone();
	double all[64 * 2], mine[64 * 2] = {0}, a[2], b[2];
	int first = thaw_lanes_first(lanes, comm->size, comm->rank);
	int end = thaw_lanes_first(lanes, comm->size, comm->rank + 1);
	for (int i = 0; i < lanes * 2; i++)
		all[i] = exp(i * 1.7) / 3;
	memcpy(mine + first * 2, all + first * 2, (size_t)(end - first) * 2 * sizeof(double));
	return thaw_allreduce_doubles(comm, lanes, 2, mine, a) == THAW_OK &&
	       thaw_allreduce_doubles(&alone, lanes, 2, all, b) == THAW_OK && memcmp(a, b, sizeof(a)) == 0;
}

int main(void)
{
	static const int lane_counts[] = {8, 9, 11, 16, 24};
	static const int64_t sizes[] = {1, 3, 1000, 100003, (1 << 20) + 5};
	struct checks c;
	if (!checks_begin(&c))
		return 1;
	for (size_t l = 0; l < sizeof(lane_counts) / sizeof(lane_counts[0]); l++) {
		int lanes = lane_counts[l];
		char what[128];
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			if (lanes < c.comm.size)
				continue;
			for (int64_t bucket = THAW_ALLREDUCE_BUCKET; bucket >= sizes[s] / 100 + 1; bucket /= 50) {
				snprintf(what, sizeof(what),
					 "%d lanes of %lld values in buckets of %lld sum to the same bits", lanes,
					 (long long)sizes[s], (long long)bucket);
				check(&c, same_as_alone(&c.comm, lanes, sizes[s], bucket), what);
			}
		}
		snprintf(what, sizeof(what), "metrics of %d lanes sum to the same bits", lanes);
		if (lanes >= c.comm.size)
			check(&c, metrics_same_as_alone(&c.comm, lanes), what);
	}
	struct thaw_allreduce *allreduce = NULL;
	const struct thaw_sharding shards = {1, THAW_ALLREDUCE_BUCKET, c.comm.size};
	const struct thaw_allreduce_update update = {.update = store};
	if (c.comm.size > 1)
		check(&c,
		      thaw_allreduce_create(&allreduce, &c.comm, c.comm.size - 1, &shards, 0, &update) == THAW_CONFIG,
		      "more ranks than lanes are refused");
	return checks_end(&c);
}
