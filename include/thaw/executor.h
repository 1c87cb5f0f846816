/* Executors: a graph compiled for one batch size and image size, with the memory it runs in.
 *
 * The trunk, all nodes before the cut, runs in inference mode and reuses memory from node to node; the tail keeps the
 * activations that its backward pass reads. All buffers of an executor are in one arena, laid out by the lifetimes of
 * the values.
 *
 * In a graph of precision bf16, values between nodes are stored in bfloat16. The image, the logits, fixed values, and
 * values with one row of channels per image, such as features after global pooling, stay in fp32. Gradients are fp32.
 *
 * An executor runs the whole network or one side of the cut. The values that cross the cut, concatenated, are an
 * image's features: the output of a trunk executor and the input of a tail executor. A trunk executor runs one image at
 * a time: activations stay in cache from node to node, and an image's features have the same bits whatever batch it is
 * part of, so they can be cached across epochs.
 */
#ifndef THAW_EXECUTOR_H
#define THAW_EXECUTOR_H

#include "thaw/api.h"
#include "thaw/graph.h"

THAW_BEGIN_DECLS

struct thaw_executor;

enum thaw_segment {
	THAW_WHOLE,
	THAW_TRUNK, /* nodes before thaw_graph_cut: one image at a time, inference only */
	THAW_TAIL,  /* nodes from thaw_graph_cut on */
};

/* Compiles one segment of `graph`, which must outlive the executor. The parameters' data pointers are read at each run
 * and may change between runs. image: (max batch,H,W,C); a trunk executor uses batch 1. With `training`, the
 * nodes from thaw_graph_cut on can run backward. The caller destroys *executor. */
thaw_status thaw_executor_create(struct thaw_executor **executor, const struct thaw_graph *graph,
				 const struct thaw_shape *image, enum thaw_segment segment, bool training);
/* *bytes: what thaw_executor_bytes would be of a training executor of the tail, which is not created. */
thaw_status thaw_executor_tail_bytes(size_t *bytes, const struct thaw_graph *graph, const struct thaw_shape *image);
void thaw_executor_destroy(struct thaw_executor *executor); /* NULL is fine */

/* Compiles the executor for images of another height and width, with the same largest batch. All sizes share one arena,
 * which grows if need be: create the executor with the largest size to allocate no more later. What was compiled is
 * kept for some sizes, so going back is cheap. Callbacks and packed parameters stay. Pointers that were returned before
 * are invalid. THAW_CONFIG if the network does not take this size, THAW_RESOURCE if out of memory; the executor then
 * has the size it had before. */
thaw_status thaw_executor_resize(struct thaw_executor *executor, int64_t height, int64_t width);

/* Bytes of the frozen parameters in packed form, the order that the kernels read: faster, with the same results. 0 if
 * there is nothing to pack. */
size_t thaw_executor_packed_bytes(const struct thaw_executor *executor);
/* Makes runs read packed parameters at `memory`: 64-byte aligned, of thaw_executor_packed_bytes, must outlive the
 * executor; NULL: the executor allocates and owns it. With `write`, packs the frozen parameters into it now; they must
 * not change afterwards. Without, the memory already holds them, written by another rank of the node for example. */
thaw_status thaw_executor_pack(struct thaw_executor *executor, void *memory, bool write);

/* Buffer for the images of the next run: (max batch,H,W,C), owned by the executor, overwritten by the run. Not for a
 * tail executor. */
float *thaw_executor_input(struct thaw_executor *executor);

/* Number of floats in one image's features. */
int64_t thaw_executor_features(const struct thaw_executor *executor);
/* Trunk executors: computes the features of the image in thaw_executor_input. False: abandoned. */
bool thaw_executor_run_trunk(struct thaw_executor *executor, float *features);
/* Tail executors: copies the features of image i of the next run into the executor. */
void thaw_executor_set_features(struct thaw_executor *executor, int64_t i, const float *features);

/* Forward pass over the first n images (0 <= n <= max batch). sample_key[n]: see struct thaw_op_args; may be NULL when
 * not training; must stay as it is until the end of the backward pass. Returns the logits (n,classes), owned by the
 * executor and valid until the next run; NULL: abandoned. */
const float *thaw_executor_forward(struct thaw_executor *executor, int64_t n, const uint64_t *sample_key);

/* Backward pass after a forward pass with the same n. dlogits (n,classes) may be the buffer of thaw_executor_dlogits.
 * gradient[graph->param_count]: pointers to the gradients of trainable parameters and to the batch statistics for
 * moving statistics that are updated; each is overwritten, as a parameter belongs to one node. NULL entries are
 * skipped. False: abandoned; some gradients are not computed. */
bool thaw_executor_backward(struct thaw_executor *executor, const float *dlogits, float *const *gradient);

/* Sets a callback that runs call before each node: true abandons the run. NULL, as at first: runs are never abandoned.
 */
void thaw_executor_on_node(struct thaw_executor *executor, bool (*abandon)(void *context), void *context);

/* Sets a callback that backward passes call after each node with parameters, from the last node to the first: the
 * gradients of that node's parameters are final. NULL removes it. */
void thaw_executor_on_gradient(struct thaw_executor *executor, void (*callback)(void *context, int node),
			       void *context);

/* Sets a callback that forward passes call after each node they compute (parameter nodes are not computed). value: the
 * output of the node, of the shape that thaw_graph_infer gives for the images of the run, in the storage that the
 * executor chose; valid during the call only, since later nodes may overwrite it. NULL removes it. */
void thaw_executor_on_value(struct thaw_executor *executor,
			    void (*callback)(void *context, int node, const struct thaw_view *value), void *context);

/* Buffer for the gradient of the logits (max batch,classes), owned by the executor; NULL unless training. */
float *thaw_executor_dlogits(struct thaw_executor *executor);

/* Size of the arena in bytes. */
size_t thaw_executor_bytes(const struct thaw_executor *executor);

/* Seconds spent in a node. */
struct thaw_node_time {
	double forward, backward;
};

/* Makes runs add their times to times[graph->node_count], owned by the caller. NULL: stop profiling. */
void thaw_executor_profile(struct thaw_executor *executor, struct thaw_node_time *times);

THAW_END_DECLS

#endif
