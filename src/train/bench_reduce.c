/* thaw_bench_reduce: the all-reduce alone, for vectors of several sizes, and the prediction from it (scaling.h). */
#include <math.h>
#include <stdlib.h>

#include "src/base/clock.h"
#include "src/base/compare.h"
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/train/scaling.h"
#include "thaw/allreduce.h"
#include "thaw/bench.h"
#include "thaw/memory.h"
#include "thaw/shards.h"

#define REPETITIONS 5
#define MOST_RANKS  1024
#define ENOUGH      2.0 /* seconds of one all-reduce, after which no longer vector is measured */

static const int64_t sizes[] = {16, 1 << 10, 1 << 14, 1 << 18, 1 << 20, 1 << 22, 1 << 24}; /* floats */
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

struct reduce {
	struct thaw_comm *comm;
	int nodes, ranks_per_node;
	int measured;          /* sizes */
	double seconds[SIZES]; /* [measured] */
	json_t *local;         /* this rank's thaw_bench without communication */
	double step_seconds;   /* of a step on one rank */
	double exchange;       /* processor seconds that the exchange adds to a step of all ranks */
};

/* Only the exchange and the sum are measured. */
static void update_nothing(void *context, struct thaw_shard shard, float *total, const float *slots)
{
	(void)context, (void)shard, (void)total, (void)slots;
}

/* Of the slowest rank. The exchange of all buckets may start at once, as after a backward pass. */
static thaw_status time_once(struct thaw_comm *comm, struct thaw_allreduce *allreduce, double *seconds)
{
	const float *slots;
	if (!thaw_allreduce_next(allreduce))
		return THAW_SOFTWARE;
	THAW_TRY(comm->barrier(comm));
	double start = thaw_clock();
	thaw_allreduce_push(allreduce);
	THAW_TRY(thaw_allreduce_finish(allreduce, &slots));
	int64_t ns = (int64_t)(1e9 * (thaw_clock() - start));
	THAW_TRY(comm->max(comm, &ns, 1));
	*seconds = 1e-9 * (double)ns;
	return THAW_OK;
}

static thaw_status time_size(struct thaw_comm *comm, int64_t n, double *median)
{
	struct thaw_allreduce *allreduce = NULL;
	const struct thaw_sharding shards = {n, THAW_ALLREDUCE_BUCKET, comm->size};
	struct thaw_allreduce_update update = {.update = update_nothing,
					       .values = thaw_alloc((size_t)n, sizeof(float))};
	thaw_status status = update.values ? THAW_OK : THAW_RESOURCE;
	double seconds[REPETITIONS], warm_up;
	if (status == THAW_OK)
		status = thaw_allreduce_create(&allreduce, comm, comm->size, &shards, 0, &update);
	status = thaw_comm_agree(comm, status);
	if (status == THAW_OK)
		status = time_once(comm, allreduce, &warm_up);
	for (int i = 0; status == THAW_OK && i < REPETITIONS; i++)
		status = time_once(comm, allreduce, &seconds[i]);
	if (status == THAW_OK) {
		qsort(seconds, REPETITIONS, sizeof(*seconds), compare_double);
		*median = seconds[REPETITIONS / 2];
	}
	thaw_allreduce_destroy(allreduce);
	thaw_free(update.values);
	return status;
}

static thaw_status measure_sizes(struct reduce *r)
{
	for (int i = 0; i < SIZES; i++) {
		THAW_TRY(time_size(r->comm, sizes[i], &r->seconds[i]));
		r->measured = i + 1;
		if (r->seconds[i] > ENOUGH)
			break;
	}
	return THAW_OK;
}

/* As thaw_allreduce: a job on one node, or whose ranks were dealt to the nodes in turn, has one node per rank. */
static void count_nodes(struct reduce *r)
{
	const int *first = r->comm->node_first;
	for (int rank = 0; first && rank < r->comm->size; rank++)
		r->nodes += first[rank] == rank;
	if (r->nodes <= 1)
		r->nodes = r->comm->size;
	r->ranks_per_node = (r->comm->size + r->nodes - 1) / r->nodes;
}

/* Every rank runs the step by itself, at the same time as the others, which share memory and caches with it. */
static thaw_status measure_step(struct reduce *r, const struct thaw_bench_options *options, double given)
{
	struct thaw_comm alone = thaw_comm_alone();
	thaw_status status = thaw_bench(&alone, options, &r->local);
	if (status == THAW_OK && json_array_size(json_object_get(r->local, "bucket_ready_seconds")) == 0)
		status = thaw_fail(THAW_CONFIG, "nothing to reduce: --unfreeze %s: unfreeze a part of the network",
				   options->unfreeze);
	THAW_TRY(thaw_comm_agree(r->comm, status));
	int64_t ns = (int64_t)(1e9 * json_real_value(json_object_get(r->local, "step_seconds")));
	THAW_TRY(r->comm->max(r->comm, &ns, 1));
	r->step_seconds = given > 0.0 ? given : 1e-9 * (double)ns;
	return THAW_OK;
}

/* MPI copies messages and talks to the network on the processor that computes. How much that takes is the difference
 * between steps with and without the exchange, both without waiting, on rank 0. */
static thaw_status measure_exchange(struct reduce *r, const struct thaw_bench_options *options)
{
	json_t *shared;
	THAW_TRY(thaw_bench(r->comm, options, &shared));
	if (!shared)
		return THAW_OK;
	double with = json_real_value(json_object_get(shared, "step_seconds")) -
		      json_real_value(json_object_get(shared, "sum_wait_seconds"));
	double without = json_real_value(json_object_get(r->local, "step_seconds")) -
			 json_real_value(json_object_get(r->local, "update_seconds"));
	r->exchange = fmax(with - without, 0.0);
	json_decref(shared);
	return THAW_OK;
}

/* The step of rank 0, scaled to r->step_seconds. ready: [buckets] memory */
static struct thaw_local_step local_step(const struct reduce *r, double *ready)
{
	const json_t *times = json_object_get(r->local, "bucket_ready_seconds");
	double scale = r->step_seconds / json_real_value(json_object_get(r->local, "step_seconds"));
	struct thaw_local_step step = {
		.update = scale * json_real_value(json_object_get(r->local, "update_seconds")),
		.exchange = r->exchange / thaw_scaling_volume(r->nodes, r->comm->size),
		.ready = ready,
		.buckets = (int)json_array_size(times),
		.bytes = json_integer_value(json_object_get(r->local, "values")) * (int64_t)sizeof(float),
		.bucket_bytes = THAW_ALLREDUCE_BUCKET * (int64_t)sizeof(float),
	};
	for (int i = 0; i < step.buckets; i++)
		ready[i] = scale * json_real_value(json_array_get(times, (size_t)i));
	step.compute = r->step_seconds - step.update;
	return step;
}

static json_t *describe_sizes(const struct reduce *r)
{
	json_t *list = json_array();
	for (int i = 0; i < r->measured; i++)
		json_array_append_new(
			list, json_pack("{s:I, s:f}", "bytes", (json_int_t)sizes[i] * 4, "ms", 1e3 * r->seconds[i]));
	return list;
}

static json_t *predict(const struct reduce *r, const struct thaw_network *network, const struct thaw_local_step *step,
		       int batch)
{
	json_t *list = json_array();
	for (int ranks = 1; ranks <= MOST_RANKS; ranks *= 2) {
		int nodes = (ranks + r->ranks_per_node - 1) / r->ranks_per_node;
		double seconds = ranks == 1 ? r->step_seconds : thaw_scaling_step(network, step, nodes, ranks);
		json_array_append_new(list,
				      json_pack("{s:i, s:i, s:f, s:f, s:f}", "ranks", ranks, "nodes", nodes,
						"step_seconds", seconds, "images_per_second", batch * ranks / seconds,
						"efficiency", r->step_seconds / seconds));
	}
	return list;
}

static const char *note(const struct reduce *r)
{
	bool known = r->comm->node_first && r->comm->node_first[r->comm->size - 1] > 0;
	return known ? NULL : "all ranks are on one node: the figures are those of its memory, not of a network";
}

static thaw_status report(const struct reduce *r, const struct thaw_bench_options *o, json_t **result)
{
	int last = r->measured - 1;
	const struct thaw_network network = thaw_scaling_fit(r->nodes, r->comm->size, r->seconds[0], r->seconds[last],
							     (double)sizes[last] * sizeof(float));
	double *ready = thaw_alloc(json_array_size(json_object_get(r->local, "bucket_ready_seconds")), sizeof(*ready));
	if (!ready)
		return THAW_RESOURCE;
	const struct thaw_local_step step = local_step(r, ready);
	*result = json_pack("{s:i, s:i, s:i, s:o, s:f, s:f, s:O, s:i, s:s, s:I, s:f, s:f, s:o, s:s?}", "ranks",
			    r->comm->size, "nodes", r->nodes, "ranks_per_node", r->ranks_per_node, "sizes",
			    describe_sizes(r), "latency_us", 1e6 * network.latency, "gbit_per_second",
			    8e-9 * network.bandwidth, "network", json_object_get(r->local, "network"), "batch",
			    o->batch, "unfreeze", o->unfreeze, "gradient_bytes", (json_int_t)step.bytes, "step_seconds",
			    r->step_seconds, "exchange_seconds", r->exchange, "scaling",
			    predict(r, &network, &step, o->batch), "note", note(r));
	thaw_free(ready);
	return *result ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: the report");
}

thaw_status thaw_bench_reduce(struct thaw_comm *comm, const struct thaw_bench_options *options, double step_seconds,
			      json_t **result)
{
	struct reduce r = {.comm = comm};
	*result = NULL;
	if (comm->size == 1)
		return thaw_fail(THAW_CONFIG, "nothing to reduce: one rank: start at least two, for example mpirun "
					      "--host A,B -np 2 thaw bench --reduce");
	count_nodes(&r);
	thaw_status status = measure_sizes(&r);
	if (status == THAW_OK)
		status = measure_step(&r, options, step_seconds);
	if (status == THAW_OK)
		status = measure_exchange(&r, options);
	if (status == THAW_OK && comm->rank == 0)
		status = report(&r, options, result);
	json_decref(r.local);
	return status;
}
