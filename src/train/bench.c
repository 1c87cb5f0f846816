/* thaw_bench: the machinery of one training phase, fed with noise. */
#include "thaw/bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <cblas.h>

#include "src/train/overlap.h"
#include "thaw/lanes.h"
#include "thaw/model.h"
#include "thaw/plan.h"

#define SEED          1
#define PEAK_SIDE     1024 /* of the square matrices that sgemm's peak is measured with */
#define PEAK_RUNS     20
#define LEARNING_RATE 1e-6 /* the images are noise: the weights must stay where they are */

struct bench {
	struct thaw_comm *comm;
	const struct thaw_bench_options *options;
	struct thaw_model *model;
	struct thaw_tail *tail; /* NULL: nothing trains */
	struct thaw_graph *graph;
	struct thaw_plan *trunk, *plan;
	struct thaw_sum *sum;
	struct thaw_overlap overlap;
	double waited; /* seconds, for sums after the backward pass, of all steps so far */
	float **gradient;
	float *images; /* (batch,size,size,3) */
	float *features;
	int32_t *labels;
	uint64_t *keys;
	struct thaw_node_time *times;
	int size;
	int64_t t; /* steps so far */
};

void thaw_bench_defaults(struct thaw_bench_options *o)
{
	*o = (struct thaw_bench_options){
		.model = "builtin", .unfreeze = "all", .bn = "frozen", .batch = 32, .steps = 5};
}

static double seconds_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static thaw_status open_network(struct bench *b)
{
	const struct thaw_bench_options *o = b->options;
	THAW_TRY(thaw_model_load(&b->model, o->model, o->classes, SEED));
	struct thaw_graph *model = b->model->graph;
	THAW_TRY(thaw_graph_unfreeze(model, o->unfreeze));
	thaw_graph_batch_statistics(model, strcmp(o->bn, "lane") == 0);
	if (thaw_graph_cut(model) < model->node_count)
		THAW_TRY(thaw_tail_create(&b->tail, model, thaw_optimizer_find("sgd"), 1.0));
	THAW_TRY(thaw_graph_lower(&b->graph, model));
	b->size = thaw_preprocess_at(&b->model->preprocess, o->size).size;
	struct thaw_shape image = thaw_shape_of(o->batch, b->size, b->size, 3);
	THAW_TRY(thaw_plan_create(&b->trunk, b->graph, &image, THAW_TRUNK, false));
	THAW_TRY(thaw_plan_prepare(b->trunk, NULL, true));
	return thaw_plan_create(&b->plan, b->graph, &image, THAW_TAIL, b->tail != NULL);
}

static thaw_status open_sum(struct bench *b)
{
	THAW_TRY(thaw_sum_create(&b->sum, b->comm, b->comm->size, b->tail->length, THAW_SUM_BUCKET));
	return thaw_overlap_create(&b->overlap, b->tail, b->graph, b->plan, b->sum);
}

static thaw_status open_memory(struct bench *b)
{
	size_t batch = (size_t)b->options->batch, floats = batch * (size_t)b->size * (size_t)b->size * 3;
	b->images = thaw_alloc(floats, sizeof *b->images);
	b->features = thaw_alloc((size_t)thaw_plan_features(b->trunk), sizeof *b->features);
	b->labels = thaw_alloc(batch, sizeof *b->labels);
	b->keys = thaw_alloc(batch, sizeof *b->keys);
	b->gradient = thaw_alloc((size_t)b->graph->param_count, sizeof *b->gradient);
	b->times = thaw_alloc((size_t)b->graph->node_count, sizeof *b->times);
	if (!b->images || !b->features || !b->labels || !b->keys || !b->gradient || !b->times)
		return THAW_RESOURCE;
	struct thaw_random r = thaw_random_stream(SEED, THAW_STREAM_INIT, 0, (uint64_t)b->comm->rank);
	for (size_t i = 0; i < floats; i++)
		b->images[i] = thaw_random_normal(&r);
	for (size_t i = 0; i < batch; i++) {
		b->labels[i] = (int32_t)((int64_t)i % b->model->classes);
		b->keys[i] = i;
	}
	return b->tail ? open_sum(b) : THAW_OK;
}

static void close_bench(struct bench *b)
{
	thaw_overlap_release(&b->overlap);
	thaw_sum_destroy(b->sum);
	thaw_plan_destroy(b->trunk);
	thaw_plan_destroy(b->plan);
	thaw_graph_destroy(b->graph);
	thaw_model_destroy(b->model);
	thaw_tail_destroy(b->tail);
	thaw_free(b->gradient);
	thaw_free(b->images);
	thaw_free(b->features);
	thaw_free(b->labels);
	thaw_free(b->keys);
	thaw_free(b->times);
}

static const float *forward(struct bench *b)
{
	size_t floats = (size_t)b->size * (size_t)b->size * 3;
	for (int i = 0; i < b->options->batch; i++) {
		memcpy(thaw_plan_input(b->trunk), b->images + (size_t)i * floats, floats * sizeof(float));
		thaw_plan_run_trunk(b->trunk, b->features);
		thaw_plan_take(b->plan, i, b->features);
	}
	return thaw_plan_forward(b->plan, b->options->batch, b->keys);
}

static thaw_status step(struct bench *b)
{
	const float *logits = forward(b);
	if (!b->tail)
		return THAW_OK;
	double loss;
	int64_t correct;
	float *vector = thaw_sum_next(b->sum), *total;
	if (!vector)
		return THAW_SOFTWARE;
	thaw_cross_entropy(logits, b->options->batch, b->model->classes, b->labels, 0.0f, thaw_plan_dlogits(b->plan),
			   &loss, &correct);
	thaw_tail_bind(b->tail, vector, b->gradient);
	thaw_plan_backward(b->plan, thaw_plan_dlogits(b->plan), b->gradient);
	double start = seconds_now();
	thaw_sum_push(b->sum);
	THAW_TRY(thaw_sum_reduce(b->sum, &total));
	b->waited += seconds_now() - start;
	const struct thaw_update update = {
		.scale = 1.0f / (float)(b->options->batch * b->comm->size),
		.lr = LEARNING_RATE,
		.momentum = 0.9,
		.t = ++b->t,
	};
	thaw_tail_update(b->tail, total, &update);
	return THAW_OK;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The median over steps of the slowest rank's seconds. */
static thaw_status measure(struct bench *b, double *median)
{
	int steps = b->options->steps;
	double *seconds = thaw_alloc((size_t)steps, sizeof *seconds);
	if (!seconds)
		return THAW_RESOURCE;
	thaw_status status = step(b);
	b->waited = 0.0;
	for (int i = 0; i < steps && status == THAW_OK; i++) {
		status = b->comm->barrier(b->comm);
		double start = seconds_now();
		if (status == THAW_OK)
			status = step(b);
		int64_t ns = (int64_t)(1e9 * (seconds_now() - start));
		if (status == THAW_OK)
			status = b->comm->max(b->comm, &ns, 1);
		seconds[i] = 1e-9 * (double)ns;
	}
	qsort(seconds, (size_t)steps, sizeof *seconds, by_size);
	*median = seconds[steps / 2];
	thaw_free(seconds);
	return status;
}

/* GFLOP/s of sgemm on large square matrices, the best of some runs. */
static thaw_status gemm_peak(double *gflops)
{
	const int n = PEAK_SIDE;
	float *m = thaw_alloc(3 * (size_t)n * (size_t)n, sizeof *m);
	double best = 0.0;
	if (!m)
		return THAW_RESOURCE;
	for (int i = 0; i < PEAK_RUNS; i++) {
		double start = seconds_now();
		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0f, m, n, m + (size_t)n * (size_t)n,
			    n, 0.0f, m + 2 * (size_t)n * (size_t)n, n);
		double rate = 2e-9 * n * n * n / (seconds_now() - start);
		best = rate > best ? rate : best;
	}
	thaw_free(m);
	*gflops = best;
	return THAW_OK;
}

/* How many passes like the forward one a node takes: the gradient of its weights, and that of its input if
 * something before it trains. */
static int passes(const struct bench *b, int node)
{
	int cut = thaw_graph_cut(b->graph);
	bool first = true;
	if (!b->tail || node < cut)
		return 1;
	for (int k = 0; k < b->graph->nodes[node].input_count; k++)
		first &= b->graph->nodes[node].inputs[k] < cut;
	return first ? 2 : 3;
}

/* Adds a node's line to `layers`; returns its floating point operations in a step of one rank. */
static double describe_node(const struct bench *b, const struct thaw_shape *shapes, int i, json_t *layers)
{
	const struct thaw_node *n = &b->graph->nodes[i];
	double flops = (double)thaw_graph_flops(b->graph, shapes, i, i + 1) * b->options->batch * passes(b, i);
	double seconds = b->times[i].forward + b->times[i].backward;
	json_array_append_new(layers,
			      json_pack("{s:s, s:s, s:f, s:f, s:f}", "name", n->name, "op", n->op->name, "forward_ms",
					1e3 * b->times[i].forward, "backward_ms", 1e3 * b->times[i].backward, "gflops",
					seconds > 0.0 ? 1e-9 * flops / seconds : 0.0));
	return flops;
}

static thaw_status profile(struct bench *b, json_t *layers, double *flops)
{
	struct thaw_shape *shapes = thaw_alloc((size_t)b->graph->node_count, sizeof *shapes);
	struct thaw_shape image = thaw_shape_of(1, b->size, b->size, 3);
	thaw_status status = shapes ? thaw_graph_infer(b->graph, &image, shapes) : THAW_RESOURCE;
	thaw_plan_profile(b->trunk, b->times);
	thaw_plan_profile(b->plan, b->times);
	thaw_status ran = step(b);
	*flops = 0.0;
	for (int i = 1; i < b->graph->node_count && status == THAW_OK; i++)
		*flops += describe_node(b, shapes, i, layers);
	thaw_free(shapes);
	return status != THAW_OK ? status : ran;
}

static int64_t peak_rss(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (int64_t)usage.ru_maxrss * 1024; /* Linux counts in KiB */
}

static thaw_status run_bench(struct bench *b, json_t **result)
{
	const struct thaw_bench_options *o = b->options;
	double peak, seconds, flops, wait;
	THAW_TRY(gemm_peak(&peak));
	THAW_TRY(measure(b, &seconds));
	wait = b->waited / o->steps;
	json_t *layers = json_array();
	thaw_status status = layers ? profile(b, layers, &flops) : THAW_RESOURCE;
	int64_t rss = peak_rss();
	if (status == THAW_OK)
		status = b->comm->max(b->comm, &rss, 1);
	if (status == THAW_OK && b->comm->rank == 0) {
		*result = json_pack("{s:s, s:i, s:i, s:i, s:s, s:s, s:f, s:f, s:I, s:f, s:f, s:s, s:O}", "network",
				    b->model->variant, "size", b->size, "batch", o->batch, "ranks", b->comm->size,
				    "unfreeze", o->unfreeze, "bn", o->bn, "images_per_second",
				    o->batch * b->comm->size / seconds, "sum_wait_seconds", wait, "peak_rss_bytes",
				    (json_int_t)rss, "gemm_peak_gflops", peak, "gemm_peak_share",
				    1e-9 * flops / seconds / peak, "blas_kernel", openblas_get_corename(), "layers",
				    layers);
		if (!*result)
			status = thaw_fail(THAW_RESOURCE, "out of memory for a report");
	}
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
