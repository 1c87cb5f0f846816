/* What the files of the importer share: the network so far, and how a node's inputs become tensors in the layout that
 * an operator wants. Each importer of an operator is a function in import_*.c and a line in
 * src/onnx/import/operators.c. */
#ifndef THAW_SRC_ONNX_IMPORTER_H
#define THAW_SRC_ONNX_IMPORTER_H

#include "src/onnx/constant/operators.h"
#include "src/onnx/import/axes.h"
#include "src/onnx/import/import.h"
#include "src/onnx/wire/file.h"
#include "src/onnx/wire/node.h"
#include "thaw/graph.h"

/* Elements that a computed constant may have: 134 million, as many as the largest layers have weights. */
#define THAW_ONNX_MAX_ELEMENTS (INT64_C(1) << 27)

/* A value that nodes name: elements that are known, or a view of a tensor of the graph. */
struct thaw_onnx_value {
	const char *name;
	bool defined;                        /* set once something made it */
	bool initializer;                    /* an initialiser of the model */
	bool borrowed;                       /* the constant's elements are the file's */
	struct thaw_onnx_constant *constant; /* owned; NULL: a view */
	int node;                            /* of the graph, whose value the view shows */
	struct thaw_onnx_axes axes;
};

struct thaw_onnx_importer {
	const struct thaw_onnx_file *file;
	struct thaw_graph *graph;
	int64_t opset;
	int64_t images;                 /* what the first dimension counts them as */
	struct thaw_onnx_value *values; /* [value_count], by name */
	int value_count;
	struct thaw_shape image;   /* of node 0 */
	struct thaw_shape *shapes; /* [shaped] of the graph's values so far */
	int shaped;
	int added;          /* nodes that this one became so far, for their names */
	const char *output; /* the name of the model's */
	bool keep_softmax;  /* also where it is the last node, which a loss of logits does without */
};

typedef thaw_status (*thaw_onnx_node_import)(struct thaw_onnx_importer *m, const Onnx__NodeProto *n);

/* What an open number of images is taken for. A prime larger than other sizes: a product of it is known for one. */
#define THAW_ONNX_OPEN_IMAGES 7919

/* names.c, in this order. THAW_DATA where a node has no operator or a value no name. */
thaw_status thaw_onnx_check_named(const struct thaw_onnx_importer *m);
/* Makes a value for every name. */
thaw_status thaw_onnx_collect_names(struct thaw_onnx_importer *m);
/* needed[node]: whether the value of that name depends on it. Nodes stand in order, so one walk back will do. */
thaw_status thaw_onnx_find_needed(const struct thaw_onnx_importer *m, const char *output, bool *needed);
/* THAW_CONFIG with all nodes that are needed and not supported. */
thaw_status thaw_onnx_check_operators(const struct thaw_onnx_importer *m, const bool *needed);

/* known.c: the model's initialisers; inputs that the caller knows; a node whose inputs are all known (*computed false:
 * it is not one of those). */
thaw_status thaw_onnx_read_initializers(struct thaw_onnx_importer *m);
thaw_status thaw_onnx_set_given(struct thaw_onnx_importer *m, const struct thaw_onnx_import_options *options);
thaw_status thaw_onnx_evaluate(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, bool *computed);

/* ends.c: node 0 from the model's input, and the graph's output from the model's. */
thaw_status thaw_onnx_set_input(struct thaw_onnx_importer *m, const struct thaw_onnx_import_options *options,
				struct thaw_onnx_network *network);
thaw_status thaw_onnx_set_output(struct thaw_onnx_importer *m, const char *name,
				 const struct thaw_onnx_import_options *options, struct thaw_onnx_network *network);

/* operators.c: the importer of a node; NULL: not supported. */
thaw_onnx_node_import thaw_onnx_importer_find(const Onnx__NodeProto *n);

/* The value of that name; NULL for an empty name. It exists: names were collected before. */
struct thaw_onnx_value *thaw_onnx_value_find(const struct thaw_onnx_importer *m, const char *name);

/* values.c: a node's inputs and outputs. */
bool thaw_onnx_has_input(const Onnx__NodeProto *n, int k);
/* Whether a node, or the model's output, is its output k. */
bool thaw_onnx_is_read(const struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int k);
/* Its input k; THAW_DATA when there is none. */
thaw_status thaw_onnx_value_input(const struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int k,
				  struct thaw_onnx_value **v);
/* Its input k, whose elements must be known; *c NULL where the node leaves it out. THAW_CONFIG otherwise. */
thaw_status thaw_onnx_constant_input(const struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int k,
				     const struct thaw_onnx_constant **c);
/* *v, a copy of a value, as a tensor: known elements become a parameter. */
thaw_status thaw_onnx_as_tensor(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v);
/* Its input k as a tensor; known elements become a parameter. *v is the caller's to change. */
thaw_status thaw_onnx_tensor_input(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int k,
				   struct thaw_onnx_value *v);
/* Whole numbers that are an attribute in older opsets and an input in newer ones. *count is -1 where there are none. */
thaw_status thaw_onnx_read_ints(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, const char *attribute,
				int input, const int64_t **values, int *count);
/* An axis, counted from the end if negative, of a value of so many. */
thaw_status thaw_onnx_check_axis(const Onnx__NodeProto *n, int64_t axis, int ndim, int *normal);
/* Output k is this view. */
thaw_status thaw_onnx_value_output(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int k,
				   const struct thaw_onnx_value *v);
/* Output 0 is what `node` of the graph makes of a tensor like v's: the same view of it. */
thaw_status thaw_onnx_output_like(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int node,
				  const struct thaw_onnx_value *v);

/* Adds a node to the graph, named after n. */
int thaw_onnx_add(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, const char *op,
		  const struct thaw_attrs *attrs, const int *inputs, int count);
/* Its next parameter: float elements of this shape here. `name` as in the file. */
thaw_status thaw_onnx_param(struct thaw_onnx_importer *m, int node, const char *name, enum thaw_role role,
			    const struct thaw_shape *shape, const float *data);
/* Zeroed memory for elements of the importer's own, the caller's to free; THAW_DATA when they are too many. */
thaw_status thaw_onnx_alloc_elements(const Onnx__NodeProto *n, const struct thaw_shape *shape, float **data);
/* *v: such elements, copied, which never train; named after n. */
thaw_status thaw_onnx_fixed_tensor(struct thaw_onnx_importer *m, const Onnx__NodeProto *n,
				   const struct thaw_shape *shape, const float *data, struct thaw_onnx_value *v);
/* The shape of a graph's value, for the importer's number of images. */
thaw_status thaw_onnx_node_shape(struct thaw_onnx_importer *m, int node, struct thaw_shape *shape);
/* view.c: changes of a value's view; a tensor is made in its order where no view of the one there is can show them. */
void thaw_onnx_dims(const struct thaw_onnx_value *v, int64_t *dim); /* [v->axes.ndim] */
thaw_status thaw_onnx_reshape(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			      const int64_t *dim, int ndim);
/* Of an axis start, start + step, ..., `take` of them. */
thaw_status thaw_onnx_slice(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v, int axis,
			    int64_t start, int64_t step, int64_t take);

/* layout.c: tensors as operators want them. Each may add a reshape or a rearrange. */
thaw_status thaw_onnx_rearrange(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
				const struct thaw_onnx_arrangement *arrangement);
/* Axes in the order of the view, each an axis of the tensor (images first). */
thaw_status thaw_onnx_in_order(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v);
/* (N,C,H,W) as a tensor (N,H,W,C). */
thaw_status thaw_onnx_as_image(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v);
/* The last axis of the view is the last of the tensor. */
thaw_status thaw_onnx_as_rows(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v);
/* All elements are shown, so that what computes each for itself may take the tensor. */
thaw_status thaw_onnx_as_whole(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v);
/* Each of these axes of the view is one of the tensor; axis[k] becomes its. */
thaw_status thaw_onnx_as_axes(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			      const int *of, int count, int *axis);
/* Each axis of the view is an axis of the tensor, which has so many: the first ones are 1. */
thaw_status thaw_onnx_as_ndim(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			      int ndim);
/* *v, of which axes may have size 1, so that its tensor's axes go with those of `to` element by element. *done is false
 * where `to`'s tensor cannot be met; in the order of its view it can. */
thaw_status thaw_onnx_align(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			    const struct thaw_onnx_axes *to, bool *done);
/* The same for known elements: data in the order of to's tensor, its axes or 1, from thaw_alloc. */
thaw_status thaw_onnx_align_constant(const struct thaw_onnx_constant *c, const struct thaw_onnx_axes *to,
				     struct thaw_shape *shape, float **data, bool *done);

/* Arithmetic that importers put together: *v, or v[0], becomes the result. */
/* import_function.c: a function of each element. */
thaw_status thaw_onnx_apply(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			    enum thaw_function function, float alpha, float beta);
/* import_binary.c: v[0] with v[1], either of which may be known elements. */
thaw_status thaw_onnx_apply_two(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
				enum thaw_binary binary);
/* import_reduce.c: along these axes of the view, rising, which stay with size 1. */
thaw_status thaw_onnx_reduce(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			     enum thaw_reduction reduction, const int *of, int count);
/* import_gather.c: axis `of` of the view becomes the elements that these numbers, within it, name. */
thaw_status thaw_onnx_gather(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v, int of,
			     const float *indices, int64_t count);

/* import_*.c: the importers that operators.c lists. */
#define IMPORTER(function) thaw_status function(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
IMPORTER(thaw_onnx_import_batch_norm);
IMPORTER(thaw_onnx_import_binary);
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
