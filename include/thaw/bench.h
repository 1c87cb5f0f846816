/* Training speed on this machine: steps on synthetic images through the code that trains. */
#ifndef THAW_BENCH_H
#define THAW_BENCH_H

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/comm.h"
#include "thaw/error.h"
#include "thaw/train.h"

THAW_BEGIN_DECLS

struct thaw_bench_options {
	const char *model;       /* see thaw_model_load */
	const char *weights_key; /* see thaw_model_load_key; NULL: any */
	const char *unfreeze;    /* see thaw_graph_unfreeze; "none" measures inference */
	const char *tune;        /* see thaw_tune_read */
	const char *recompute;   /* as in struct thaw_train_options */
	enum thaw_bn_mode bn;    /* THAW_BN_AUTO is as THAW_BN_FROZEN */
	enum thaw_precision precision;
	int batch;             /* images per step and rank; each rank has one lane */
	struct thaw_size size; /* of the input in pixels; 0: the network's own */
	int steps;             /* measured steps; one more before them is not measured */
	int classes;           /* 0: the network's own */
};

void thaw_bench_defaults(struct thaw_bench_options *options);

/* Runs training steps on random images: trunk, tail forward, loss, backward, all-reduce, update. *result (a new
 * reference on rank 0; NULL on other ranks) has
 *   - network, size, batch, ranks, unfreeze, tune, bn, precision, blas_kernel
 *   - images_per_second: of all ranks, from the median over steps of the slowest rank
 *   - sum_wait_seconds: from the end of the backward pass to the end of the all-reduce, mean per step on rank 0
 *   - peak_rss_bytes: of the largest rank; tail_bytes: of the values and gradients between layers on each rank;
 *     recomputed: blocks that are computed again
 *   - gemm_peak_gflops: of sgemm on one rank, measured before the steps
 *   - gemm_peak_share: operations of plain convolutions, as a fraction of what sgemm would do in the time of the steps
 *   - bf16_peak_gflops, bf16_peak_share: the same for the peak of arithmetic in bfloat16; only in that precision
 *   - step_seconds: the median; update_seconds: of the update, only with one rank
 *   - values: trained floats; bucket_ready_seconds: for each bucket of the all-reduce, in its order of exchange, from
 * the start of the step until its gradients are final
 *   - layers, of one step: name, op, forward_ms, backward_ms, gflops, peak_share (of the peak in the precision)
 * Collective. */
thaw_status thaw_bench(struct thaw_comm *comm, const struct thaw_bench_options *options, json_t **result);

/* Measures the all-reduce over the ranks and predicts how steps of `options` scale; docs/scaling.md has the model.
 * step_seconds: of a step on one rank; 0: measured on all ranks at once, without communication. *result (a new
 * reference on rank 0; NULL on other ranks) has
 *   - ranks, nodes, ranks_per_node; as the all-reduce counts them: on a single node, each rank is a node
 *   - sizes: bytes, ms (median of the slowest rank)
 *   - latency_us, of a message; gbit_per_second, of the link of a node
 *   - network, batch, unfreeze, gradient_bytes, step_seconds
 *   - exchange_seconds: of the processor, which the exchange between these ranks adds to a step
 *   - scaling, from 1 to 1,024 ranks: ranks, nodes, step_seconds, images_per_second, efficiency
 *   - note: what the figures do not show, or NULL
 * THAW_CONFIG with one rank, or if nothing is trained. Collective. */
thaw_status thaw_bench_reduce(struct thaw_comm *comm, const struct thaw_bench_options *options, double step_seconds,
			      json_t **result);

/* Speed of sgemm on large square matrices on this rank in GFLOP/s: the best run within half a second. */
enum { THAW_BENCH_GEMM_SIDE = 1024, THAW_BENCH_GEMM_FLOATS = 3 * THAW_BENCH_GEMM_SIDE * THAW_BENCH_GEMM_SIDE };
double thaw_bench_gemm(float *memory); /* [THAW_BENCH_GEMM_FLOATS] finite numbers; the last third is overwritten */

/* The same for products in bfloat16; the last two thirds are overwritten. */
double thaw_bench_gemm_bf16(float *memory);

/* Speed of products in bfloat16 that read the same few values again and again, so that memory does not matter: no layer
 * can be faster. GFLOP/s. */
double thaw_bench_peak_bf16(void);

THAW_END_DECLS

#endif
