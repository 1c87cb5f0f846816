/* Shared by the files of the importer: its state, the operands of nodes and their conversion to the layout that an
 * operator needs. src/onnx/README.md lists the steps of an import.
 *
 * To add an operator, write a function thaw_onnx_import_X, declare it below and list it in operators.c. Naming: `m` is
 * the importer, `n` the ONNX node, `v` a value that the function may change. */
#ifndef THAW_ONNX_IMPORT_IMPORTER_H
#define THAW_ONNX_IMPORT_IMPORTER_H

#include "src/onnx/constant/operators.h"
#include "src/onnx/import/axes.h"
#include "src/onnx/import/import.h"
#include "src/onnx/wire/file.h"
#include "src/onnx/wire/node.h"
#include "thaw/graph.h"

/* Limit of elements in a folded constant: 134 million, as many as the largest layers have weights. */
#define THAW_ONNX_MAX_ELEMENTS (INT64_C(1) << 27)

/* A named value of the model: a constant, or a view of a graph tensor. */
struct thaw_onnx_value {
	const char *name;
	bool defined;                        /* an input, an initialiser or a node has produced it */
	bool initializer;                    /* is an initialiser of the model */
	bool borrowed;                       /* the constant's elements belong to the file */
	bool read;                           /* is an input of a node, or the output that is imported */
	int producer;                        /* index in m->nodes of the node that makes it; -1: none */
	int params;                          /* parameters made from it */
	struct thaw_onnx_constant *constant; /* owned; NULL for a view */
	int node;                            /* of a view: the graph node that makes the tensor */
	struct thaw_onnx_axes axes;
};

/* What the import takes from the model. */
struct thaw_onnx_ending {
	const char *output; /* of the model */
	const char *value; /* the value imported as the graph's output: `output`, or the class scores it is made from */
	bool sigmoid;      /* the model computes a sigmoid of `value`, and no softmax */
	bool softmax;      /* a softmax after `value` is left out: it holds class scores */
	bool ranks;        /* an operator that only ranks the scores, such as ArgMax, is left out */
	bool activated;    /* the value is the activation of a layer that is not called a classifier */
	bool pooled;       /* the value is a map or tokens, which the import pools */
	char notes[THAW_ONNX_NOTES]; /* what was chosen and what is left out; empty: nothing to say */
};

struct thaw_onnx_importer {
	const struct thaw_onnx_file *file;
	struct thaw_graph *graph;
	int64_t opset;
	int64_t images;                 /* number of images that the shapes are computed for */
	struct thaw_onnx_value *values; /* [value_count], sorted by name */
	int value_count;
	struct thaw_shape image;   /* of node 0 */
	struct thaw_shape *shapes; /* [shaped] of the first graph nodes */
	int shaped;
	char module[THAW_ONNX_MODULE]; /* of the current ONNX node, if the file says it: "layer1.0.conv1" */
	char path[THAW_ONNX_MODULE];   /* the same as the start of a node's name: "/layer1/layer1.0/conv1/" */
	int added;                     /* graph nodes added for the current ONNX node; numbers their names */
	Onnx__NodeProto **nodes;       /* [node_count] of the file, inputs before their readers */
	int node_count;
	struct thaw_onnx_ending ending;
	int *names, name_slots; /* hash table of parameters' names: index + 1, or 0 */
};

typedef thaw_status (*thaw_onnx_node_import)(struct thaw_onnx_importer *m, const Onnx__NodeProto *n);

/* Stands for a symbolic batch size: a prime larger than other dimensions, so that its multiples can be recognised. */
#define THAW_ONNX_OPEN_IMAGES 7919

/* ---- scope.c, called in this order ---- */

/* THAW_DATA if a node has no operator or a value has no name. */
thaw_status thaw_onnx_check_named(const struct thaw_onnx_importer *m);
/* Creates a value for every name. */
thaw_status thaw_onnx_collect_names(struct thaw_onnx_importer *m);
/* order.c: sets m->nodes so that inputs come first, and the producers of values. THAW_DATA for a cycle. */
thaw_status thaw_onnx_sort_nodes(struct thaw_onnx_importer *m);
/* needed[node] = whether the value `output` depends on the node. */
thaw_status thaw_onnx_find_needed(const struct thaw_onnx_importer *m, const char *output, bool *needed);
/* THAW_CONFIG, listing all needed nodes whose operator is not supported. */
thaw_status thaw_onnx_check_operators(const struct thaw_onnx_importer *m, const bool *needed);

/* ---- output.c: which output is imported, and what follows the class scores ---- */

/* Fills m->ending: the output called `name`, or if it is NULL the one that a classifier computes; peel: without the
 * operators that may follow class scores. THAW_USAGE for a name that is not an output. */
thaw_status thaw_onnx_choose_output(struct thaw_onnx_importer *m, const char *name, bool peel);
/* Appends to the notes (printf format). */
void thaw_onnx_note(struct thaw_onnx_importer *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- head_name.c ---- */

bool thaw_onnx_is_activation(const Onnx__NodeProto *n);
/* Whether the layer, or its weight, has a name that frameworks give to classifiers. */
bool thaw_onnx_is_called_head(const struct thaw_onnx_importer *m, const Onnx__NodeProto *layer);
/* The linear layer that the activation follows, or NULL. *head: it is called like a classifier. */
const Onnx__NodeProto *thaw_onnx_activated_layer(const struct thaw_onnx_importer *m, const Onnx__NodeProto *activation,
						 bool *head);

/* ---- pooling.c ---- */

/* Turns a map (N,C,H,W) or (N,H,W,C), or tokens (N,T,C), into one vector per image and sets m->ending.pooled; leaves
 * other values as they are. */
thaw_status thaw_onnx_pool_features(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v);

/* ---- param_names.c ---- */

/* Whether the graph has a parameter of this name. */
bool thaw_onnx_param_exists(const struct thaw_onnx_importer *m, const char *name);
/* Records the name of the graph's newest parameter. */
thaw_status thaw_onnx_param_added(struct thaw_onnx_importer *m);

/* ---- constants.c: initialisers, inputs that the caller supplies, constant folding ---- */

/* THAW_DATA for a damaged tensor or a duplicate name. */
thaw_status thaw_onnx_read_initializers(struct thaw_onnx_importer *m);
/* Defines the inputs that the caller supplies; names that the model does not have are ignored. */
thaw_status thaw_onnx_set_given(struct thaw_onnx_importer *m, const struct thaw_onnx_import_options *options);
/* Folds a node whose inputs are all constant. *computed = false if it cannot be folded. */
thaw_status thaw_onnx_evaluate(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, bool *computed);

/* ---- io.c: node 0 from the model's input, the graph's output from the model's output ---- */

/* Both also fill their part of *network. THAW_CONFIG for an input or output that is not supported. */
thaw_status thaw_onnx_set_input(struct thaw_onnx_importer *m, const struct thaw_onnx_import_options *options,
				struct thaw_onnx_network *network);
thaw_status thaw_onnx_set_output(struct thaw_onnx_importer *m, const struct thaw_onnx_import_options *options,
				 struct thaw_onnx_network *network);

/* ---- operators.c: the importer of a node, NULL if the operator is not supported ---- */

thaw_onnx_node_import thaw_onnx_importer_find(const Onnx__NodeProto *n);

/* ---- operands.c: inputs and outputs of ONNX nodes, and the graph nodes and parameters made from them ---- */

/* The value of this name; NULL if the name is empty or no value has it. */
struct thaw_onnx_value *thaw_onnx_value_find(const struct thaw_onnx_importer *m, const char *name);

/* Whether the node has input k: optional inputs can be omitted. */
bool thaw_onnx_has_input(const Onnx__NodeProto *n, int k);
/* Whether output k is an input of another node or the model's output. */
bool thaw_onnx_is_read(const struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int k);
/* *v = input k; THAW_DATA if it is missing. */
thaw_status thaw_onnx_value_input(const struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int k,
				  struct thaw_onnx_value **v);
/* *c = input k, NULL if the node omits it; THAW_DATA if it is not constant. */
thaw_status thaw_onnx_constant_input(const struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int k,
				     const struct thaw_onnx_constant **c);
/* Turns *v, a copy of a value, into a view: a constant becomes a parameter. */
thaw_status thaw_onnx_as_tensor(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v);
/* *v = a copy of input k as a view; a constant becomes a parameter. */
thaw_status thaw_onnx_tensor_input(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int k,
				   struct thaw_onnx_value *v);
/* Integers that are an attribute in older opsets and a constant input in newer ones. *count = -1 if there are none. */
thaw_status thaw_onnx_read_ints(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, const char *attribute,
				int input, const int64_t **values, int *count);

/* Sets output k to *v. */
thaw_status thaw_onnx_value_output(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int k,
				   const struct thaw_onnx_value *v);
/* Sets output 0 to the tensor of graph node `node`, which has the shape of v's tensor, with v's view. */
thaw_status thaw_onnx_output_like(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int node,
				  const struct thaw_onnx_value *v);

/* Adds a graph node named after n; returns its index. */
int thaw_onnx_add(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, const char *op,
		  const struct thaw_attrs *attrs, const int *inputs, int count);
/* Adds the next parameter of a graph node, copying its elements. `name` as in the file. */
thaw_status thaw_onnx_param(struct thaw_onnx_importer *m, int node, const char *name, enum thaw_role role,
			    const struct thaw_shape *shape, const float *data);
/* *data = zeroed elements for a tensor of this shape; the caller frees them. THAW_DATA if they are too many. */
thaw_status thaw_onnx_alloc_elements(const Onnx__NodeProto *n, const struct thaw_shape *shape, float **data);
/* *v = a tensor with a copy of `data`, which never trains; named after n. */
thaw_status thaw_onnx_fixed_tensor(struct thaw_onnx_importer *m, const Onnx__NodeProto *n,
				   const struct thaw_shape *shape, const float *data, struct thaw_onnx_value *v);
/* The shape of a graph node's tensor, for m->images images. */
thaw_status thaw_onnx_node_shape(struct thaw_onnx_importer *m, int node, struct thaw_shape *shape);

/* ---- view.c: Reshape and Slice of a value; copies the tensor only if a change of the view is not enough ---- */

void thaw_onnx_dims(const struct thaw_onnx_value *v, int64_t *dim); /* [v->axes.ndim] */
/* THAW_DATA if the sizes do not match or the batch axis would be joined with another one. */
thaw_status thaw_onnx_reshape(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			      const int64_t *dim, int ndim);
/* Selects indices start, start + step, ... of an axis: `take` of them. */
thaw_status thaw_onnx_slice(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v, int axis,
			    int64_t start, int64_t step, int64_t take);

/* ---- layout.c: tensors in the layout that an operator needs. Each may add a reshape or rearrange node. ---- */

/* Materialises the tensor of *v in this arrangement. */
thaw_status thaw_onnx_rearrange(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
				const struct thaw_onnx_arrangement *arrangement);
/* Tensor axes in view order, except that the images come first. */
thaw_status thaw_onnx_in_order(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v);
/* A view (N,C,H,W) of a tensor (N,H,W,C). */
thaw_status thaw_onnx_as_image(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v);
/* The last axis of the view is the last axis of the tensor. */
thaw_status thaw_onnx_as_rows(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v);
/* The view covers the whole tensor, so that elementwise operators can be applied to the tensor. */
thaw_status thaw_onnx_as_whole(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v);
/* Each view_axis[k] is exactly one tensor axis, axis[k]. */
thaw_status thaw_onnx_as_axes(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			      const int *view_axis, int count, int *axis);
/* Each axis of the view is an axis of the tensor; the tensor has `ndim` axes, the leading ones of size 1. */
thaw_status thaw_onnx_as_ndim(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			      int ndim);
/* Lays out *v so that its tensor broadcasts to `to`'s tensor. *done = false if this is impossible; it is always
 * possible for a `to` in view order. */
thaw_status thaw_onnx_align(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			    const struct thaw_onnx_axes *to, bool *done);
/* The same for a constant: *data (*shape, axes of to's tensor or 1) is from thaw_alloc. */
thaw_status thaw_onnx_align_constant(const struct thaw_onnx_constant *c, const struct thaw_onnx_axes *to,
				     struct thaw_shape *shape, float **data, bool *done);

/* ---- Building blocks of importers: *v, *x or v[0] is replaced by the result ---- */

/* function.c: an elementwise function. */
thaw_status thaw_onnx_apply(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			    enum thaw_function function, float alpha, float beta);
/* binary.c: v[0] op v[1], of which one may be constant. */
thaw_status thaw_onnx_apply_two(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
				enum thaw_binary binary);
/* reduce.c: reduces these view axes, ascending; they stay with size 1. */
thaw_status thaw_onnx_reduce(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
			     enum thaw_reduction reduction, const int *view_axis, int count);
/* gather.c: selects indices[count], all within the axis, along view_axis. */
thaw_status thaw_onnx_gather(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
			     int view_axis, const float *indices, int64_t count);

/* ---- The importers that operators.c lists ---- */

#define IMPORTER(function) thaw_status function(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
IMPORTER(thaw_onnx_import_batch_norm);
IMPORTER(thaw_onnx_import_binary);
IMPORTER(thaw_onnx_import_cast_like);
IMPORTER(thaw_onnx_import_clip);
IMPORTER(thaw_onnx_import_concat);
IMPORTER(thaw_onnx_import_conv);
IMPORTER(thaw_onnx_import_depth_to_space);
IMPORTER(thaw_onnx_import_dropout);
IMPORTER(thaw_onnx_import_expand);
IMPORTER(thaw_onnx_import_flatten);
IMPORTER(thaw_onnx_import_function);
IMPORTER(thaw_onnx_import_gather);
IMPORTER(thaw_onnx_import_gemm);
IMPORTER(thaw_onnx_import_global_pool);
IMPORTER(thaw_onnx_import_identity);
IMPORTER(thaw_onnx_import_instance_norm);
IMPORTER(thaw_onnx_import_layer_norm);
IMPORTER(thaw_onnx_import_local_response_norm);
IMPORTER(thaw_onnx_import_matmul);
IMPORTER(thaw_onnx_import_pad);
IMPORTER(thaw_onnx_import_pool);
IMPORTER(thaw_onnx_import_reduce);
IMPORTER(thaw_onnx_import_relu);
IMPORTER(thaw_onnx_import_reshape);
IMPORTER(thaw_onnx_import_resize);
IMPORTER(thaw_onnx_import_shape);
IMPORTER(thaw_onnx_import_slice);
IMPORTER(thaw_onnx_import_softmax);
IMPORTER(thaw_onnx_import_space_to_depth);
IMPORTER(thaw_onnx_import_split);
IMPORTER(thaw_onnx_import_squeeze);
IMPORTER(thaw_onnx_import_sum);
IMPORTER(thaw_onnx_import_tile);
IMPORTER(thaw_onnx_import_transpose);
IMPORTER(thaw_onnx_import_unsqueeze);
#undef IMPORTER

#endif
