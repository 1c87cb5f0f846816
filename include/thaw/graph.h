/* Networks as graphs of nodes, whether built by a family or imported from a file.
 *
 * A value is the output of a node and has that node's index; node 0 is the image. Nodes are in execution order: inputs
 * have smaller indices. Consecutive nodes form named blocks ("stem", "layer1.0", ..., "fc"); --unfreeze cuts between
 * blocks.
 */
#ifndef THAW_GRAPH_H
#define THAW_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "thaw/api.h"
#include "thaw/ops.h"
#include "thaw/tensor.h"

THAW_BEGIN_DECLS

/* The role of a parameter in training: decides weight decay and how it is updated. */
enum thaw_role {
	THAW_ROLE_WEIGHT, /* decayed */
	THAW_ROLE_BIAS,   /* not decayed */
	THAW_ROLE_SCALE,  /* of a norm; not decayed */
	THAW_ROLE_SHIFT,  /* of a norm; not decayed */
	THAW_ROLE_MEAN,   /* moving statistic of a batch norm: no gradient */
	THAW_ROLE_VARIANCE,
	THAW_ROLE_FIXED,   /* never updated: indices, interpolation weights */
	THAW_ROLE_ADAPTER, /* weight of a low-rank adapter; decayed */
};

/* What trains within the unfrozen part, besides the classifier, which trains as a whole. */
enum thaw_tune_kind {
	THAW_TUNE_ALL,
	THAW_TUNE_NORM, /* scale and shift of norms */
	THAW_TUNE_BIAS, /* biases, and the shift of norms (BitFit: Ben Zaken et al., ACL 2022) */
	THAW_TUNE_LORA, /* low-rank adapters of linear layers (LoRA: Hu et al., ICLR 2022) */
};
struct thaw_tune {
	enum thaw_tune_kind kind;
	int rank;     /* of adapters */
	double alpha; /* the product of an adapter's matrices is scaled by alpha / rank */
};

/* Memory layout of a parameter, relative to its layout in files (PyTorch's order). */
enum thaw_layout {
	THAW_LAYOUT_SAME,
	THAW_LAYOUT_CONV,     /* file (O,I/g,kh,kw), memory (kh,kw,I/g,O) */
	THAW_LAYOUT_CONV_ROW, /* convolution along rows: file (O,I/g,kw), memory (1,kw,I/g,O) */
	THAW_LAYOUT_FC_CHW,   /* linear after a flattened image: file (O,C*H*W), memory (O,H*W*C) */
	THAW_LAYOUT_FC_CONV,  /* linear that runs as a convolution: file (O,I*kh*kw), memory (kh,kw,I,O) */
};

struct thaw_param {
	char *name; /* as in the weight file: "layer1.0.conv1.weight" */
	enum thaw_role role;
	enum thaw_layout layout;
	int image[3];            /* THAW_LAYOUT_FC_CHW: C, H, W of the flattened image */
	struct thaw_shape shape; /* in memory */
	struct thaw_shape file_shape;
	int node;       /* the node that uses it; -1 if a pass made it unused */
	bool computed;  /* a fixed value that the builder computes: not in files of weights */
	bool trainable; /* updated in training: by its gradient; a moving statistic by averaging */
	float *data;    /* the values, of `shape` */
	float *own;     /* equal to data if the graph owns the values, else NULL */
};

struct thaw_node {
	const struct thaw_op *op; /* NULL for node 0 */
	char *name;
	struct thaw_attrs attrs;
	int *inputs, input_count; /* indices of values */
	int params[THAW_MAX_PARAMS], param_count;
	int block;
	bool fixed; /* computed from parameters only: the same for all images */
};

struct thaw_graph {
	struct thaw_node *nodes;
	int node_count;
	struct thaw_param *params;
	int param_count;
	char **blocks; /* names, in order */
	int block_count;
	int output;                    /* the value that holds the logits (N,C) */
	int head;                      /* the classifier: the linear or convolution node that computes the logits */
	enum thaw_precision precision; /* of values between nodes; that of products is in the attributes of nodes */
	int recomputed;     /* blocks of the tail whose values training executors compute again in the backward pass */
	thaw_status failed; /* the first error while building; later calls do nothing */
};

/* Building. After an error these functions do nothing (thaw_graph_add returns 0) and the graph keeps the status, so a
 * builder checks once, with thaw_graph_finish. */

/* A graph with node 0 only, owned by the caller; NULL if out of memory. */
struct thaw_graph *thaw_graph_create(void);
void thaw_graph_destroy(struct thaw_graph *g); /* NULL is fine */

/* Begins a new block of this name (printf format); nodes added from now on belong to it. */
void thaw_graph_block(struct thaw_graph *g, const char *name, ...) __attribute__((format(printf, 2, 3)));

/* Adds a node and returns the index of its value. Name, attributes (NULL: all zero) and inputs are copied. */
int thaw_graph_add(struct thaw_graph *g, const char *op, const char *name, const struct thaw_attrs *attrs,
		   const int *inputs, int input_count);
/* The same with an operator of the application (thaw/ops.h), which must outlive the graph and its copies. A
 * graph with such a node cannot be exported to ONNX. */
int thaw_graph_add_op(struct thaw_graph *g, const struct thaw_op *op, const char *name, const struct thaw_attrs *attrs,
		      const int *inputs, int input_count);

/* Adds the next parameter of a node, zeroed and owned by the graph. shape: in memory; the file shape follows from the
 * layout. image[3]: see struct thaw_param, may be NULL. The name is copied. */
void thaw_graph_param(struct thaw_graph *g, int node, const char *name, enum thaw_role role, enum thaw_layout layout,
		      const struct thaw_shape *shape, const int *image);

/* Sets output and head to the last node, or the head to the convolution that it flattens, and returns the first error
 * of the building calls. THAW_CONFIG if that is not a classifier, THAW_SOFTWARE if two parameters have the same name.
 */
thaw_status thaw_graph_finish(struct thaw_graph *g);

/* For graphs whose blocks and classifier are unknown, such as imported ones, whose `output` is set. find_head sets
 * `head`, searching backwards from the output, for images of shape (N,H,W,C); softmax: the output is known to be class
 * scores. THAW_CONFIG if the output is not that of a linear layer, or of a convolution on pooled features. find_blocks,
 * after it, divides the graph into blocks that a single value leads into, named after the nodes' modules. */
thaw_status thaw_graph_find_head(struct thaw_graph *g, const struct thaw_shape *image, bool softmax);
thaw_status thaw_graph_find_blocks(struct thaw_graph *g);

/* A copy, owned by the caller, whose parameters point at the original's data, which must outlive it. NULL if out of
 * memory. */
struct thaw_graph *thaw_graph_copy(const struct thaw_graph *g);

/* Index of the parameter or block with that name, -1 if there is none. */
int thaw_graph_find_param(const struct thaw_graph *g, const char *name);
int thaw_graph_find_block(const struct thaw_graph *g, const char *name);

/* Computes the shapes of all values, shapes[node_count], for images of shape (N,H,W,C). THAW_CONFIG, naming the node,
 * if the images are too small. */
thaw_status thaw_graph_infer(const struct thaw_graph *g, const struct thaw_shape *image, struct thaw_shape *shapes);

/* Computes the shape of one node's value, shapes[node], from the shapes of its inputs. */
thaw_status thaw_graph_infer_node(const struct thaw_graph *g, int node, struct thaw_shape *shapes);

/* Floating-point operations (2 x multiply-adds) of a forward pass over the nodes [first, end). */
int64_t thaw_graph_flops(const struct thaw_graph *g, const struct thaw_shape *shapes, int first, int end);

/* Values of the parameters of the nodes [first, end), as papers count them: without moving statistics, and without what
 * the builder computes. */
int64_t thaw_graph_parameters(const struct thaw_graph *g, int first, int end);

/* Initialises the parameters [first, end) at random: convolutions He-normal (fan out), others uniform within
 * 1/sqrt(inputs) as PyTorch does, norms ones and zeros. Values depend only on the seed and the parameter's name. */
void thaw_graph_init(struct thaw_graph *g, uint64_t seed, int first, int end);

/* Replaces the classifier by one with `classes` outputs and new random weights (see thaw_graph_init). Activations and
 * scalings after it are removed: they belonged to the old one. */
thaw_status thaw_graph_replace_head(struct thaw_graph *g, int64_t classes, uint64_t seed);

/* Copies the parameter's values to `data` and makes it their storage; the graph's memory for them is released. The
 * caller owns `data`, which must outlive the graph. */
void thaw_param_move_data(struct thaw_param *p, float *data);
/* The same without copying: `data` holds the values already. */
void thaw_param_set_data(struct thaw_param *p, float *data);

/* Iterates over a parameter in chunks that are contiguous both in memory and in files, so that copies need little
 * memory: some rows of the first dimension, or a convolution's weight as a whole. Fills *chunk with the part that
 * begins at float `at`; start at 0, the next chunk begins where this one ends. Returns false at the end. */
bool thaw_param_chunk(const struct thaw_param *p, int64_t at, struct thaw_param *chunk);

/* Copies a parameter, or a chunk of one, from or to file layout. */
void thaw_param_import(struct thaw_param *p, const float *file);
void thaw_param_export(const struct thaw_param *p, float *file);

/* Chooses the cut: marks every parameter trainable or frozen. `unfreeze` is "head", "head+norms"
 * (with scale and shift of the norms in the last block that has any), "last:N" (the classifier and the
 * last N blocks before it), "from:BLOCK", "all" or "none". THAW_USAGE for anything else; the message lists the blocks
 * if BLOCK was not found. */
thaw_status thaw_graph_unfreeze(struct thaw_graph *g, const char *unfreeze);

/* Reads "all", "norm", "bias", "lora:R" or "lora:R:ALPHA", with rank R from 1 to 1024 and ALPHA above 0, by default 8
 * as in PEFT. THAW_USAGE for anything else. */
thaw_status thaw_tune_read(struct thaw_tune *tune, const char *text);
#define THAW_TUNE_TEXT 48 /* bytes for thaw_tune_text */
/* Writes it as thaw_tune_read takes it, with all its parts, to text[size]; returns text. */
const char *thaw_tune_text(const struct thaw_tune *tune, char *text, size_t size);

/* Freezes what `tune` does not train of what thaw_graph_unfreeze has marked. */
void thaw_graph_tune(struct thaw_graph *g, const struct thaw_tune *tune);

/* For THAW_TUNE_LORA, else does nothing: adds an adapter to each linear layer that `unfreeze` (see thaw_graph_unfreeze)
 * unfreezes, but for the classifier. W x + b becomes W x + b + alpha / rank B A x, with A as in new linear layers, from
 * `seed`, and B zero: the graph computes the same as before. The new parameters come after all others. Those of
 * "fc1.weight" are "fc1.lora_A.weight" and "fc1.lora_B.weight". THAW_USAGE if there is no linear layer to adapt; else
 * fails as thaw_graph_unfreeze. */
thaw_status thaw_graph_add_adapters(struct thaw_graph *g, const char *unfreeze, const struct thaw_tune *tune,
				    uint64_t seed);

/* Nodes of an adapter. */
struct thaw_adapter {
	int layer;    /* linear layer W x + b */
	int down, up; /* linear layers without bias: A, and B, which adds the result of `layer` */
	float scale;  /* alpha / rank */
};
/* Whether `node` is the `up` of an adapter, which is written to *adapter. */
bool thaw_graph_adapter(const struct thaw_graph *g, int node, struct thaw_adapter *adapter);
bool thaw_graph_has_adapters(const struct thaw_graph *g);
/* Adds the adapters to the weights of their layers, which become the graph's own, and removes them: the graph computes
 * the same within rounding, and is as it was before thaw_graph_add_adapters but for these weights. */
thaw_status thaw_graph_merge_adapters(struct thaw_graph *g);

/* Adapts the graph to images of another height and width, shapes (1,H,W,C): resamples position embeddings. THAW_CONFIG,
 * naming the node, if a node supports one size only. Call before anything points at the parameters' data, which is
 * reallocated. */
thaw_status thaw_graph_resize(struct thaw_graph *g, const struct thaw_shape *from, const struct thaw_shape *to);

/* Whether the graph as it is, with its parameters, computes its outputs from images (1,H,W,C) of this size, too:
 * THAW_OK, or THAW_CONFIG, naming the node. */
thaw_status thaw_graph_check_size(const struct thaw_graph *g, const struct thaw_shape *image);

/* By how much the graph reduces images (1,H,W,C): a power of two, such as 32. Inputs of multiples of it have features
 * without a part of a pixel at their border. */
int thaw_graph_stride(const struct thaw_graph *g, const struct thaw_shape *image);

/* Rewrites a network with fully connected layers, such as VGG, as a fully convolutional one: the first of these layers
 * becomes a convolution with a kernel of the size of the grid of features that it reads, the others convolutions of
 * 1x1, and the output is the mean of the class scores at all positions. Pooling to a fixed grid becomes pooling with
 * fixed windows. The result equals the network for images of `image`, its own size (1,H,W,C), within rounding; larger
 * ones give a grid of class scores. *changed: false if the network is fully convolutional already, with a mean of
 * features at its end. Parameters keep names and values; one of these layers has THAW_LAYOUT_FC_CONV. THAW_CONFIG,
 * naming the node, if that is not possible; the graph is unchanged then. Call before thaw_graph_resize. */
thaw_status thaw_graph_fully_conv(struct thaw_graph *g, const struct thaw_shape *image, bool *changed);

/* Moves the mean of the features behind the classifier, which is linear: inference computes the same within rounding,
 * and the grid of class scores is a value of the graph (class activation mapping: Zhou et al., CVPR 2016). Does nothing
 * if it is one already. `image`, errors: as above. */
thaw_status thaw_graph_pool_last(struct thaw_graph *g, const struct thaw_shape *image);

/* A grid of class scores whose mean is the graph's output. */
struct thaw_grid {
	int value; /* of the scores, (N,h,w,classes) */
	/* Positions of features that a score is computed from, down and across: of n scores along an axis, score i is
	 * at (i + reach / 2) / (n + reach - 1) of the image. */
	int64_t reach[2];
};

/* False if the graph has no such grid. */
bool thaw_graph_find_grid(const struct thaw_graph *g, struct thaw_grid *grid);

/* Sets the rate of every dropout node. */
void thaw_graph_dropout(struct thaw_graph *g, float rate);

/* First node of the tail: the first node with a trainable parameter, or the first of the dropout nodes directly before
 * it, which run in training only, and of the layer norm before an adapter. node_count if nothing is trainable. */
int thaw_graph_cut(const struct thaw_graph *g);

/* Whether none of the node's parameters is trainable. */
bool thaw_graph_frozen(const struct thaw_graph *g, int node);

/* The values that cross a cut before node `at`: computed by earlier nodes and read by later ones, or the output. Fills
 * value[], which has room for `at` entries, in ascending order and returns their count. Fixed values are not included:
 * each side computes them itself. */
int thaw_graph_crossing(const struct thaw_graph *g, int at, int *value);

/* Whether the batch norms of the tail normalise by the statistics of each lane's batch and update the moving statistics
 * (true), or use the stored moving statistics (false). Call after thaw_graph_unfreeze. */
void thaw_graph_batch_statistics(struct thaw_graph *g, bool on);

const char *thaw_precision_name(enum thaw_precision precision); /* "fp32" or "bf16" */
enum thaw_precision thaw_precision_find(const char *name);      /* THAW_PRECISIONS if there is no such precision */

/* The processor's arithmetic for such products, such as "AVX512_BF16"; NULL: none, they are emulated, slowly. */
const char *thaw_precision_arithmetic(enum thaw_precision precision);
/* The processor's arithmetic if it is not used because a sample product by it is wrong; else NULL. */
const char *thaw_precision_rejected(enum thaw_precision precision);
#define THAW_PRECISION_LINE 160 /* bytes for thaw_precision_line */
/* Writes a line for the log to text[size], and returns it; NULL for fp32. */
const char *thaw_precision_line(enum thaw_precision precision, char *text, size_t size);

/* Sets the graph's precision, and attrs.precision of all nodes that read it. Call after the last node is added. */
void thaw_graph_set_precision(struct thaw_graph *g, enum thaw_precision precision);

/* Makes an optimised copy of the graph with all passes applied, owned by the caller. Parameters that no pass changes
 * point at the original's data, which must outlive the copy. Call after thaw_graph_unfreeze and
 * thaw_graph_batch_statistics. */
thaw_status thaw_graph_lower(struct thaw_graph **lowered, const struct thaw_graph *g);

/* Passes. Each rewrites the graph in place; its function stays the same within rounding. */

/* Merges patterns that exporters spread over many nodes (layer norm, GELU, attention, biases) into single operators and
 * removes unused nodes. Parameters keep their names and values and train as before. For a newly imported graph; image:
 * the shape (N,H,W,C) it was imported for. */
thaw_status thaw_graph_recognise(struct thaw_graph *g, const struct thaw_shape *image);

/* Folds frozen batch norms that use moving statistics into the frozen convolutions before them. */
thaw_status thaw_pass_fold(struct thaw_graph *g);
/* Joins the other batch norms that use moving statistics with the convolutions before them, as conv_norm nodes. */
thaw_status thaw_pass_join(struct thaw_graph *g);
/* Moves activations and residual adds into the operators before them. */
thaw_status thaw_pass_fuse(struct thaw_graph *g);

THAW_END_DECLS

#endif
