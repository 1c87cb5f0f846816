/* thaw_bench: trains on noise with the same executors, all-reduce and update as a phase of a run. */
#include "thaw/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cblas.h>

#include "src/base/clock.h"
#include "src/base/compare.h"
#include "src/base/try.h"
#include "src/model/metadata.h"
#include "src/train/flat_params.h"
#include "src/train/overlap.h"
#include "src/train/recompute.h"
#include "thaw/allreduce.h"
#include "thaw/executor.h"
#include "thaw/memory.h"
#include "thaw/model.h"
#include "thaw/shards.h"

#define SEED          1
#define LEARNING_RATE 1e-6 /* the images are noise: the weights must hardly change */

struct bench {
	struct thaw_comm *comm;
	const struct thaw_bench_options *options;
	struct thaw_model *model;
	struct thaw_flat_params *params; /* NULL: nothing trains */
	struct thaw_graph *graph;
	struct thaw_executor *trunk, *executor;
	struct thaw_allreduce *allreduce;
	struct thaw_overlap overlap;
	double gemm_peak, bf16_peak; /* GFLOP/s; bf16_peak is 0 in fp32 */
	double waited; /* seconds of all steps so far from the end of the backward pass to that of the all-reduce */
	float **gradient;
	float *images; /* (batch,height,width,3) */
	float *features;
	int32_t *labels;
	uint64_t *keys;
	struct thaw_node_time *times; /* [nodes] */
	struct thaw_shape *shapes;    /* [nodes], of one image */
	double *seconds;              /* [steps] */
	float *factors;               /* [THAW_BENCH_GEMM_FLOATS] */
	struct thaw_size size;
	int64_t t; /* steps so far */
};

void thaw_bench_defaults(struct thaw_bench_options *o)
{
	*o = (struct thaw_bench_options){.model = "builtin",
					 .unfreeze = "all",
					 .tune = "all",
					 .recompute = "off",
					 .bn = THAW_BN_FROZEN,
					 .batch = 32,
					 .steps = 5};
}

static thaw_status open_network(struct bench *b)
{
	const struct thaw_bench_options *o = b->options;
	struct thaw_tune tune;
	THAW_TRY(thaw_model_load_key(&b->model, o->model, o->weights_key, o->classes, SEED));
	THAW_TRY(thaw_model_set_size(b->model, o->size));
	struct thaw_graph *model = b->model->graph;
	THAW_TRY(thaw_tune_read(&tune, o->tune));
	THAW_TRY(thaw_graph_add_adapters(model, o->unfreeze, &tune, SEED));
	THAW_TRY(thaw_graph_unfreeze(model, o->unfreeze));
	thaw_graph_tune(model, &tune);
	thaw_graph_set_precision(model, o->precision);
	thaw_graph_batch_statistics(model, o->bn == THAW_BN_LANE);
	if (thaw_graph_cut(model) < model->node_count)
		THAW_TRY(thaw_flat_params_create(&b->params, model, thaw_optimizer_find("sgd"), 1.0, b->comm));
	THAW_TRY(thaw_graph_lower(&b->graph, model));
	b->size = b->model->preprocess.size;
	struct thaw_shape image = thaw_shape_of(o->batch, b->size.height, b->size.width, 3);
	THAW_TRY(thaw_executor_create(&b->trunk, b->graph, &image, THAW_TRUNK, false));
	THAW_TRY(thaw_executor_pack(b->trunk, NULL, true));
	if (b->params)
		THAW_TRY(thaw_recompute_choose(b->graph, &image, o->recompute, b->comm));
	return thaw_executor_create(&b->executor, b->graph, &image, THAW_TAIL, b->params != NULL);
}

static void update_shard(void *context, struct thaw_shard shard, float *total, const float *slots)
{
	struct bench *b = context;
	const struct thaw_update update = {
		.scale = 1.0f / (float)(b->options->batch * b->comm->size),
		.lr = LEARNING_RATE,
		.momentum = 0.9,
		.t = b->t,
	};
	(void)slots;
	thaw_flat_params_update(b->params, shard, total, &update);
}

static thaw_status open_allreduce(struct bench *b)
{
	const struct thaw_allreduce_update update = {.context = b, .update = update_shard, .values = b->params->values};
	THAW_TRY(thaw_allreduce_create(&b->allreduce, b->comm, b->comm->size, &b->params->shards, 0, &update));
	return thaw_overlap_create(&b->overlap, b->params, b->graph, b->executor, b->allreduce);
}

static void fill_noise(struct bench *b, size_t batch, size_t floats)
{
	struct thaw_random r = thaw_random_stream(SEED, THAW_STREAM_INIT, 0, (uint64_t)b->comm->rank);
	for (size_t i = 0; i < floats; i++)
		b->images[i] = thaw_random_normal(&r);
	for (size_t i = 0; i < batch; i++) {
		b->labels[i] = (int32_t)((int64_t)i % b->model->classes);
		b->keys[i] = i;
	}
}

/* Allocates everything before the first step: a failure within a step would leave the other ranks blocked. */
static thaw_status open_memory(struct bench *b)
{
	size_t batch = (size_t)b->options->batch, floats = batch * thaw_size_floats(b->size);
	size_t nodes = (size_t)b->graph->node_count;
	b->images = thaw_alloc(floats, sizeof(*b->images));
	b->features = thaw_alloc((size_t)thaw_executor_features(b->trunk), sizeof(*b->features));
	b->labels = thaw_alloc(batch, sizeof(*b->labels));
	b->keys = thaw_alloc(batch, sizeof(*b->keys));
	b->gradient = thaw_alloc((size_t)b->graph->param_count, sizeof(*b->gradient));
	b->times = thaw_alloc(nodes, sizeof(*b->times));
	b->shapes = thaw_alloc(nodes, sizeof(*b->shapes));
	b->seconds = thaw_alloc((size_t)b->options->steps, sizeof(*b->seconds));
	b->factors = thaw_alloc(THAW_BENCH_GEMM_FLOATS, sizeof(*b->factors));
	if (!b->images || !b->features || !b->labels || !b->keys || !b->gradient || !b->times || !b->shapes ||
	    !b->seconds || !b->factors)
		return THAW_RESOURCE;
	fill_noise(b, batch, floats);
	struct thaw_shape image = thaw_shape_of(1, b->size.height, b->size.width, 3);
	THAW_TRY(thaw_graph_infer(b->graph, &image, b->shapes));
	return b->params ? open_allreduce(b) : THAW_OK;
}

static void close_bench(struct bench *b)
{
	thaw_overlap_release(&b->overlap);
	thaw_allreduce_destroy(b->allreduce);
	thaw_executor_destroy(b->trunk);
	thaw_executor_destroy(b->executor);
	thaw_graph_destroy(b->graph);
	thaw_model_destroy(b->model);
	thaw_flat_params_destroy(b->params);
	thaw_free(b->gradient);
	thaw_free(b->images);
	thaw_free(b->features);
	thaw_free(b->labels);
	thaw_free(b->keys);
	thaw_free(b->times);
	thaw_free(b->shapes);
	thaw_free(b->seconds);
	thaw_free(b->factors);
}

static const float *forward(struct bench *b)
{
	size_t floats = thaw_size_floats(b->size);
	for (int i = 0; i < b->options->batch; i++) {
		memcpy(thaw_executor_input(b->trunk), b->images + (size_t)i * floats, floats * sizeof(float));
		thaw_executor_run_trunk(b->trunk, b->features);
		thaw_executor_set_features(b->executor, i, b->features);
	}
	return thaw_executor_forward(b->executor, b->options->batch, b->keys);
}

static thaw_status step(struct bench *b)
{
	const float *logits = forward(b);
	if (!b->params)
		return THAW_OK;
	double loss;
	int64_t correct;
	float *vector = thaw_allreduce_next(b->allreduce);
	const float *slots;
	if (!vector)
		return THAW_SOFTWARE;
	b->t++;
	thaw_cross_entropy(logits, b->options->batch, b->model->classes, b->labels, 0.0f,
			   thaw_executor_dlogits(b->executor), &loss, &correct);
	thaw_flat_params_bind(b->params, vector, b->gradient);
	thaw_executor_backward(b->executor, thaw_executor_dlogits(b->executor), b->gradient);
	double start = thaw_clock();
	thaw_allreduce_push(b->allreduce);
	THAW_TRY(thaw_allreduce_finish(b->allreduce, &slots));
	b->waited += thaw_clock() - start;
	return THAW_OK;
}

/* *median: over steps, of the slowest rank's seconds. *wait: this rank's mean wait for the all-reduce in seconds. */
static thaw_status measure(struct bench *b, double *median, double *wait)
{
	int steps = b->options->steps;
	THAW_TRY(step(b));
	b->waited = 0.0;
	for (int i = 0; i < steps; i++) {
		THAW_TRY(b->comm->barrier(b->comm));
		double start = thaw_clock();
		THAW_TRY(step(b));
		int64_t ns = (int64_t)(1e9 * (thaw_clock() - start));
		THAW_TRY(b->comm->max(b->comm, &ns, 1));
		b->seconds[i] = 1e-9 * (double)ns;
	}
	qsort(b->seconds, (size_t)steps, sizeof(*b->seconds), compare_double);
	*median = b->seconds[steps / 2];
	*wait = b->waited / steps;
	return THAW_OK;
}

/* The number of passes of a node that cost as much as its forward pass: forward, the gradient of its weights if they
 * train, and the gradient of its inputs if something before it trains. */
static int passes(const struct bench *b, int node)
{
	int cut = thaw_graph_cut(b->graph);
	bool first = true;
	if (!b->params || node < cut)
		return 1;
	for (int k = 0; k < b->graph->nodes[node].input_count; k++)
		first &= b->graph->nodes[node].inputs[k] < cut;
	return 1 + !thaw_graph_frozen(b->graph, node) + !first;
}

/* GFLOP/s that the layers of the run could reach. */
static double peak_of_precision(const struct bench *b)
{
	return b->options->precision == THAW_PRECISION_BF16 ? b->bf16_peak : b->gemm_peak;
}

/* Appends the node's entry to `layers`; adds its floating point operations per step and rank to *flops. */
static thaw_status describe_node(const struct bench *b, int i, json_t *layers, double *flops)
{
	const struct thaw_node *n = &b->graph->nodes[i];
	double mine = (double)thaw_graph_flops(b->graph, b->shapes, i, i + 1) * b->options->batch * passes(b, i);
	double seconds = b->times[i].forward + b->times[i].backward;
	double gflops = seconds > 0.0 ? 1e-9 * mine / seconds : 0.0;
	json_t *layer = json_pack("{s:s, s:s, s:f, s:f, s:f, s:f}", "name", n->name, "op", n->op->name, "forward_ms",
				  1e3 * b->times[i].forward, "backward_ms", 1e3 * b->times[i].backward, "gflops",
				  gflops, "peak_share", gflops / peak_of_precision(b));
	*flops += mine;
	return json_array_append_new(layers, layer) == 0 ? THAW_OK : THAW_RESOURCE;
}

/* One more step, in which each node is timed. */
static thaw_status profile(struct bench *b)
{
	thaw_executor_profile(b->trunk, b->times);
	thaw_executor_profile(b->executor, b->times);
	return step(b);
}

static thaw_status describe(const struct bench *b, json_t *layers, double *flops)
{
	if (!layers)
		return THAW_RESOURCE;
	for (int i = 1; i < b->graph->node_count; i++)
		THAW_TRY(describe_node(b, i, layers, flops));
	return THAW_OK;
}

/* When the gradients of each bucket are final, in seconds from the start of a step of `seconds` without the update. */
static json_t *ready_times(const struct bench *b, double seconds)
{
	json_t *times = json_array();
	if (!b->params)
		return times;
	int64_t next = thaw_sharding_buckets(&b->params->shards) - 1;
	double total = 0.0, now = 0.0;
	for (int i = 0; i < b->graph->node_count; i++) {
		now += b->times[i].forward;
		total += b->times[i].forward + b->times[i].backward;
	}
	for (int i = b->graph->node_count - 1; i >= 0; i--) {
		now += b->times[i].backward;
		for (; next >= 0 && (i == 0 || next * b->params->shards.bucket >= b->overlap.final_from[i]); next--)
			json_array_append_new(times, json_real(total > 0.0 ? seconds * now / total : seconds));
	}
	return times;
}

static int64_t peak_rss(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (int64_t)usage.ru_maxrss * 1024; /* ru_maxrss is in KiB on Linux */
}

static json_t *report(const struct bench *b, double seconds, double wait, double flops, int64_t rss, json_t *layers)
{
	const struct thaw_bench_options *o = b->options;
	double update = b->comm->size == 1 ? wait : 0.0, gflops = 1e-9 * flops / seconds;
	json_t *result = json_pack(
		"{s:s, s:o, s:i, s:i, s:s, s:s, s:s, s:f, s:f, s:I, s:I, s:f, s:f, s:s, s:s?, s:s, s:f, s:f, s:I, s:o}",
		"network", b->model->variant, "size", thaw_metadata_size(b->size), "batch", o->batch, "ranks",
		b->comm->size, "unfreeze", o->unfreeze, "tune", o->tune, "bn", thaw_bn_name(o->bn), "images_per_second",
		o->batch * b->comm->size / seconds, "sum_wait_seconds", wait, "peak_rss_bytes", (json_int_t)rss,
		"tail_bytes", (json_int_t)thaw_executor_bytes(b->executor), "gemm_peak_gflops", b->gemm_peak,
		"gemm_peak_share", gflops / b->gemm_peak, "blas_kernel", openblas_get_corename(), "notes",
		b->model->notes, "precision", thaw_precision_name(o->precision), "step_seconds", seconds,
		"update_seconds", update, "values", (json_int_t)(b->params ? b->params->length : 0),
		"bucket_ready_seconds", ready_times(b, seconds - wait));
	if (result)
		json_object_set_new(result, "recomputed", json_integer(b->graph->recomputed));
	if (result && b->bf16_peak > 0.0) {
		json_object_set_new(result, "bf16_peak_gflops", json_real(b->bf16_peak));
		json_object_set_new(result, "bf16_peak_share", json_real(gflops / b->bf16_peak));
	}
	if (result)
		json_object_set(result, "layers", layers);
	return result;
}

static thaw_status run_bench(struct bench *b, json_t **result)
{
	double seconds = 0.0, wait = 0.0, flops = 0.0;
	b->gemm_peak = thaw_bench_gemm(b->factors);
	if (b->options->precision == THAW_PRECISION_BF16)
		b->bf16_peak = thaw_bench_peak_bf16();
	/* No thaw_comm_agree here: if one rank fails, the others are blocked in the all-reduce. */
	THAW_TRY(measure(b, &seconds, &wait));
	THAW_TRY(profile(b));
	json_t *layers = json_array();
	thaw_status status = thaw_comm_agree(b->comm, describe(b, layers, &flops));
	int64_t rss = peak_rss();
	if (status == THAW_OK)
		status = b->comm->max(b->comm, &rss, 1);
	if (status == THAW_OK && b->comm->rank == 0 && !(*result = report(b, seconds, wait, flops, rss, layers)))
		status = thaw_fail(THAW_RESOURCE, "out of memory: the report");
	json_decref(layers);
	return status;
}

thaw_status thaw_bench(struct thaw_comm *comm, const struct thaw_bench_options *options, json_t **result)
{
	struct bench b = {.comm = comm, .options = options};
	*result = NULL;
	thaw_status status = open_network(&b);
	if (status == THAW_OK)
		status = open_memory(&b);
	status = thaw_comm_agree(comm, status);
	if (status == THAW_OK)
		status = run_bench(&b, result);
	close_bench(&b);
	return status;
}
