/* How fast training goes on this machine: synthetic steps through the code that trains. */
#ifndef THAW_BENCH_H
#define THAW_BENCH_H

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/comm.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

struct thaw_bench_options {
	const char *model;    /* see thaw_model_load */
	const char *unfreeze; /* see thaw_graph_unfreeze; "none" measures inference */
	const char *bn;       /* "frozen" | "lane" */
	int batch;            /* images of a step on each rank, one lane */
	int size;             /* side of the input; 0: the network's own */
	int steps;            /* measured, after one that is not */
	int classes;          /* 0: the family's own */
};

void thaw_bench_defaults(struct thaw_bench_options *options);

/* Steps of training on random images: trunk, tail forward, loss, backward, sum over ranks, update. Collective.
 * *result (rank 0; NULL elsewhere): network, size, batch, ranks, unfreeze, bn, images_per_second (all ranks, median
 * step of the slowest), sum_wait_seconds (a step's mean on rank 0: after the backward pass, until the gradients of all
 * ranks are summed), peak_rss_bytes (largest rank), gemm_peak_gflops (one rank's sgemm, just before),
 * gemm_peak_share (multiply-adds of plain convolutions over what sgemm would do in that time), blas_kernel, and
 * layers: name, op, forward_ms, backward_ms, gflops of one step. */
thaw_status thaw_bench(struct thaw_comm *comm, const struct thaw_bench_options *options, json_t **result);

/* GFLOP/s of sgemm on large square matrices on this rank, the best of half a second's runs. */
enum { THAW_BENCH_GEMM_SIDE = 1024, THAW_BENCH_GEMM_FLOATS = 3 * THAW_BENCH_GEMM_SIDE * THAW_BENCH_GEMM_SIDE };
double thaw_bench_gemm(float *memory); /* [THAW_BENCH_GEMM_FLOATS] finite numbers, of which the last third is written */

THAW_END_DECLS

#endif
