/* Plans: a graph compiled for one batch size and image size, with its memory, ready to run.
 *
 * The trunk, every node before the cut, runs for inference in memory that is used again and again;
 * the tail keeps what its backward pass reads. All buffers of a plan lie in one arena whose layout
 * is computed from the values' lifetimes.
 */
#ifndef THAW_PLAN_H
#define THAW_PLAN_H

#include "thaw/graph.h"

struct thaw_plan;

/* Compiles. `graph` must outlive the plan; its parameters' data pointers are read at each run, so
 * they may move between runs. image: (max batch, H, W, C). With `training`, nodes from
 * thaw_graph_cut on can run backward. */
thaw_status thaw_plan_create(struct thaw_plan **plan, const struct thaw_graph *graph, const struct thaw_shape *image,
                             bool training);
void thaw_plan_destroy(struct thaw_plan *plan); /* NULL is fine */

/* Where the images go before a run: (max batch,H,W,C), the plan's memory, overwritten by a run. */
float *thaw_plan_input(struct thaw_plan *plan);

/* Forward over the first n images (0 <= n <= max batch). sample_key[n]: see struct thaw_call; may be
 * NULL when not training. Returns the logits (n,classes), the plan's memory, valid until the next run. */
const float *thaw_plan_forward(struct thaw_plan *plan, int64_t n, const uint64_t *sample_key);

/* Backward after a forward with the same n. dlogits (n,classes) may be the memory of
 * thaw_plan_dlogits. gradient[graph->param_count]: entries of trainable parameters and of moving
 * statistics that are learned are added to, NULL entries are skipped. */
void thaw_plan_backward(struct thaw_plan *plan, const float *dlogits, float *const *gradient);

/* Memory for the gradient of the logits (max batch,classes); NULL unless training. */
float *thaw_plan_dlogits(struct thaw_plan *plan);

size_t thaw_plan_bytes(const struct thaw_plan *plan); /* of the arena */

#endif
