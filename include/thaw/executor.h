/* Executors: a graph compiled for one batch size and image size, with its memory, ready to run.
 *
 * The trunk, every node before the cut, runs for inference in memory that is used again and again; the tail
 * keeps what its backward pass reads. All buffers of an executor lie in one arena whose layout is computed from
 * the values' lifetimes.
 *
 * An executor runs the whole network, or one side of the cut. The values that cross the cut, one after the other,
 * are an image's features: what a trunk executor makes and a tail executor takes. A trunk executor runs one image at a
 * time: its activations stay in cache from node to node, and an image's features are the same bits in
 * whatever company it comes. That is what lets features be kept from epoch to epoch.
 */
#ifndef THAW_EXECUTOR_H
#define THAW_EXECUTOR_H

#include "thaw/api.h"
#include "thaw/graph.h"

THAW_BEGIN_DECLS

struct thaw_executor;

enum thaw_segment {
	THAW_WHOLE,
	THAW_TRUNK, /* the nodes before thaw_graph_cut, one image at a time, inference only */
	THAW_TAIL,  /* the nodes from there on */
};

/* Compiles. `graph` must outlive the executor; its parameters' data pointers are read at each run, so
 * they may move between runs. image: (max batch,H,W,C); the batch of a trunk executor is 1. With `training`,
 * nodes from thaw_graph_cut on can run backward. */
thaw_status thaw_executor_create(struct thaw_executor **executor, const struct thaw_graph *graph,
				 const struct thaw_shape *image, enum thaw_segment segment, bool training);
void thaw_executor_destroy(struct thaw_executor *executor); /* NULL is fine */

/* Frozen parameters in the form that the kernels like best, made once: the same bits, faster. */
size_t thaw_executor_packed_bytes(const struct thaw_executor *executor); /* 0: nothing to prepare */
/* From now on runs read the packed form at `memory` (64-byte aligned, thaw_executor_packed_bytes, must outlive
 * the executor; NULL: memory of the executor). With `write` it is written now, from the frozen parameters, which must
 * not change any more; without, somebody else has written it, such as another rank of the node. */
thaw_status thaw_executor_pack(struct thaw_executor *executor, void *memory, bool write);

/* Where the images go before a run: (max batch,H,W,C), the executor's memory, overwritten by a run. Not of a tail
 * executor. */
float *thaw_executor_input(struct thaw_executor *executor);

/* Floats of one image's features. */
int64_t thaw_executor_features(const struct thaw_executor *executor);
/* Trunk executor: the features of the image at thaw_executor_input. */
void thaw_executor_run_trunk(struct thaw_executor *executor, float *features);
/* Tail executor: these are the features of image i of the next run. */
void thaw_executor_set_features(struct thaw_executor *executor, int64_t i, const float *features);

/* Forward over the first n images (0 <= n <= max batch). sample_key[n]: see struct thaw_op_args; may be
 * NULL when not training. Returns the logits (n,classes), the executor's memory, valid until the next run. */
const float *thaw_executor_forward(struct thaw_executor *executor, int64_t n, const uint64_t *sample_key);

/* Backward after a forward with the same n. dlogits (n,classes) may be the memory of
 * thaw_executor_dlogits. gradient[graph->param_count]: entries of trainable parameters and of moving
 * statistics that are learned are overwritten (a parameter belongs to one node), NULL entries are skipped. */
void thaw_executor_backward(struct thaw_executor *executor, const float *dlogits, float *const *gradient);

/* From now on `done` is called during backward after each node that has parameters, from the last node to the
 * first: the gradients of its parameters are final. NULL: no longer. */
void thaw_executor_on_gradient(struct thaw_executor *executor, void (*done)(void *context, int node), void *context);

/* From now on `made` is called after each node that a forward run computes (which parameters are not), while its value
 * is what it made; later nodes may overwrite it. value: of the shape that thaw_graph_infer says for the images of the
 * run. NULL: no longer. */
void thaw_executor_on_value(struct thaw_executor *executor, void (*made)(void *context, int node, const float *value),
			    void *context);

/* Memory for the gradient of the logits (max batch,classes); NULL unless training. */
float *thaw_executor_dlogits(struct thaw_executor *executor);

size_t thaw_executor_bytes(const struct thaw_executor *executor); /* of the arena */

/* Seconds that a node took. */
struct thaw_node_time {
	double forward, backward;
};

/* From now on runs add to times[graph->node_count]; NULL: no longer. */
void thaw_executor_profile(struct thaw_executor *executor, struct thaw_node_time *times);

THAW_END_DECLS

#endif
