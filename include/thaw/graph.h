/* Networks as graphs of nodes, wherever they came from.
 *
 * A value is the output of a node, and has the node's index; node 0 is the image. Nodes stand in
 * execution order: inputs have smaller indices. Consecutive nodes belong to named blocks ("stem",
 * "layer1.0", ..., "fc"), the places where --unfreeze can cut.
 */
#ifndef THAW_GRAPH_H
#define THAW_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "thaw/api.h"
#include "thaw/ops.h"
#include "thaw/tensor.h"

THAW_BEGIN_DECLS

/* What a parameter is to the trainer: decides weight decay and who may change it. */
enum thaw_role {
	THAW_ROLE_WEIGHT, /* decayed */
	THAW_ROLE_BIAS,   /* not decayed */
	THAW_ROLE_SCALE,  /* of a norm; not decayed */
	THAW_ROLE_SHIFT,  /* of a norm; not decayed */
	THAW_ROLE_MEAN,   /* moving statistic: no gradient */
	THAW_ROLE_VARIANCE,
	THAW_ROLE_FIXED, /* never changes: indices, weights of an interpolation */
};

/* How a parameter lies in memory here, against how it lies in files (PyTorch's order). */
enum thaw_layout {
	THAW_LAYOUT_SAME,
	THAW_LAYOUT_CONV,   /* file (O,I/g,kh,kw), here (kh,kw,I/g,O) */
	THAW_LAYOUT_FC_CHW, /* linear after a flattened image: file (O,C*H*W), here (O,H*W*C) */
};

struct thaw_param {
	char *name; /* as in the file it came from: "layer1.0.conv1.weight" */
	enum thaw_role role;
	enum thaw_layout layout;
	int image[3];            /* THAW_LAYOUT_FC_CHW: C, H, W of the flattened image */
	struct thaw_shape shape; /* here */
	struct thaw_shape file_shape;
	int node;       /* the node that uses it; -1 after a pass made it superfluous */
	bool trainable; /* the trainer changes it: by gradient, or a moving statistic by averages */
	float *data;    /* shape's count of values */
	float *own;     /* the graph's memory behind data; NULL when that is somebody else's */
};

struct thaw_node {
	const struct thaw_op *op; /* NULL for node 0 */
	char *name;
	struct thaw_attrs attrs;
	int *inputs, input_count; /* values */
	int params[THAW_MAX_PARAMS], param_count;
	int block;
	bool fixed; /* made of parameters alone: the same for all images */
};

struct thaw_graph {
	struct thaw_node *nodes;
	int node_count;
	struct thaw_param *params;
	int param_count;
	char **blocks; /* names, in order */
	int block_count;
	int output;         /* the value that holds the logits (N,C) */
	int head;           /* the linear node, or convolution, that makes the logits: the classifier */
	thaw_status failed; /* the first failure while building; later calls do nothing */
};

/* Building. Functions return a value (>= 0); after a failure they return 0 and the graph remembers
 * it, so that a builder needs one check at its end: thaw_graph_finish. */

struct thaw_graph *thaw_graph_create(void);    /* with node 0; NULL on failure */
void thaw_graph_destroy(struct thaw_graph *g); /* NULL is fine */

/* All nodes added from here on belong to a new block of this name (printf). */
void thaw_graph_block(struct thaw_graph *g, const char *name, ...) __attribute__((format(printf, 2, 3)));

/* Adds a node; name and inputs are copied. */
int thaw_graph_add(struct thaw_graph *g, const char *op, const char *name, const struct thaw_attrs *attrs,
		   const int *inputs, int input_count);
/* The same with an operator of the application (thaw/ops.h), which must outlive the graph and its copies. A
 * graph with such a node cannot be exported to ONNX. */
int thaw_graph_add_op(struct thaw_graph *g, const struct thaw_op *op, const char *name, const struct thaw_attrs *attrs,
		      const int *inputs, int input_count);

/* Gives the node its next parameter, of this shape here (its file shape follows from the layout),
 * with memory of the graph, zeroed. Image: see thaw_param, may be NULL. */
void thaw_graph_param(struct thaw_graph *g, int node, const char *name, enum thaw_role role, enum thaw_layout layout,
		      const struct thaw_shape *shape, const int *image);

/* Sets output and head to the last node, checks the graph (one connected set of blocks, inputs
 * before users, parameters as the operators want them) and returns any failure remembered. */
thaw_status thaw_graph_finish(struct thaw_graph *g);

/* The same for a graph whose builder knows neither blocks nor the classifier: finds both from output back. The blocks
 * are pieces that only one value leads into, named after the nodes' modules. THAW_CONFIG when the logits are made by
 * something else than a linear layer or a convolution. */
thaw_status thaw_graph_find_head(struct thaw_graph *g);
thaw_status thaw_graph_find_blocks(struct thaw_graph *g);

/* A copy whose parameters point at the original's values, which must outlive it; NULL on failure. */
struct thaw_graph *thaw_graph_copy(const struct thaw_graph *g);

/* Index of the parameter or block of that name, -1 when there is none. */
int thaw_graph_find_param(const struct thaw_graph *g, const char *name);
int thaw_graph_find_block(const struct thaw_graph *g, const char *name);

/* Shapes of all values for images of this shape (N,H,W,C): shapes[node_count] is written.
 * THAW_CONFIG names the node that an image is too small for. */
thaw_status thaw_graph_infer(const struct thaw_graph *g, const struct thaw_shape *image, struct thaw_shape *shapes);

/* The shape of one node's value, shapes[node], from those of its inputs. */
thaw_status thaw_graph_infer_node(const struct thaw_graph *g, int node, struct thaw_shape *shapes);

/* Multiply-adds x 2 of a forward pass over the nodes [first, end). */
int64_t thaw_graph_flops(const struct thaw_graph *g, const struct thaw_shape *shapes, int first, int end);

/* Random weights: He-normal (fan out) for convolutions, uniform 1/sqrt(in) for the rest as PyTorch's
 * defaults, ones and zeros for norms. Keyed by seed and name. Parameters [first, end). */
void thaw_graph_init(struct thaw_graph *g, uint64_t seed, int first, int end);

/* Replaces the classifier by one of this many classes with fresh weights (keyed by seed). */
thaw_status thaw_graph_replace_head(struct thaw_graph *g, int64_t classes, uint64_t seed);

/* From now on the parameter's values lie at `data`, which receives them; the graph's own memory is released. */
void thaw_param_move_data(struct thaw_param *p, float *data);
/* The same where `data` holds these values already. */
void thaw_param_set_data(struct thaw_param *p, float *data);

/* Goes through a parameter in parts that lie together both here and in files, so that copies need little memory: some
 * rows of its first dimension, but a convolution's weight as a whole. The part that begins at float `at`, from 0 on;
 * the next begins where it ends. False at the end. */
bool thaw_param_chunk(const struct thaw_param *p, int64_t at, struct thaw_param *part);

/* Copies a parameter, or a part of one, between its layout here and the file's order. */
void thaw_param_import(struct thaw_param *p, const float *file);
void thaw_param_export(const struct thaw_param *p, float *file);

/* The cut. `unfreeze` is "head" | "last:N" (the N last blocks before the classifier and the
 * classifier) | "from:BLOCK" | "all" | "none". Marks parameters trainable or frozen. THAW_USAGE for
 * anything else, with the names of the blocks when one was not found. */
thaw_status thaw_graph_unfreeze(struct thaw_graph *g, const char *unfreeze);

/* Makes the graph fit for images of another side: position embeddings are resampled. THAW_CONFIG names the node that is
 * made for one size. Before anything points at the parameters' data. */
thaw_status thaw_graph_resize(struct thaw_graph *g, int from_size, int to_size);

/* Sets the rate of every dropout node. */
void thaw_graph_dropout(struct thaw_graph *g, float rate);

/* First node of the tail: the first with a trainable parameter, or the dropout nodes right before it, which
 * must draw. node_count when nothing is trainable. */
int thaw_graph_cut(const struct thaw_graph *g);

/* Whether none of a node's parameters trains. */
bool thaw_graph_frozen(const struct thaw_graph *g, int node);

/* Values made before node `at` that nodes from there on read, or that are the output, in rising order: all that
 * one side of a cut there knows of the other, but for fixed values, which each side makes for itself. value[at] is
 * memory to fill; returns how many. */
int thaw_graph_crossing(const struct thaw_graph *g, int at, int *value);

/* Lets the batch norms of the tail normalise by the statistics of each lane's batch and learn the
 * moving ones (true), or keeps the stored statistics (false). Call after thaw_graph_unfreeze. */
void thaw_graph_batch_statistics(struct thaw_graph *g, bool on);

/* A copy of the graph as it runs best: all passes applied. Parameters that a pass leaves as they are point at the
 * original's values, which must outlive the copy. Call after thaw_graph_unfreeze and thaw_graph_batch_statistics. */
thaw_status thaw_graph_lower(struct thaw_graph **lowered, const struct thaw_graph *g);

/* Passes. Each rewrites the graph in place and keeps what it computes (within rounding). */

/* Puts together again what exporters spread over many nodes: layer norm, GELU, attention, biases. Parameters keep their
 * names and values, and train as before. For a graph that was just imported for images like `image`; what nobody needs
 * is removed. */
thaw_status thaw_graph_recognise(struct thaw_graph *g, const struct thaw_shape *image);

/* Folds each frozen batch norm that uses moving statistics into the frozen convolution before it. */
thaw_status thaw_pass_fold(struct thaw_graph *g);
/* Joins each other batch norm that uses moving statistics with the convolution before it, into a conv_norm. */
thaw_status thaw_pass_join(struct thaw_graph *g);
/* Moves activations and residual adds into the operators that feed them. */
thaw_status thaw_pass_fuse(struct thaw_graph *g);

THAW_END_DECLS

#endif
