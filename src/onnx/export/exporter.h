/* Shared by the files of the exporter: its state, and access to a node's inputs as ONNX values in the layout that an
 * operator needs.
 *
 * To add an operator, write a function thaw_onnx_export_X, declare it below and list it in operators.c. Naming: `e` is
 * the exporter, `n` the graph node. ONNX values are denoted by their names, which the exporter owns.
 *
 * Errors are sticky: after the first failure (e->failed) all calls are no-ops that return "" for names and NULL for
 * nodes.
 */
#ifndef THAW_ONNX_EXPORT_EXPORTER_H
#define THAW_ONNX_EXPORT_EXPORTER_H

#include "onnx.pb-c.h"
#include "src/onnx/export/export.h"

#define THAW_ONNX_MAX_BYTES ((size_t)1 << 31) /* protobuf's limit for a message */

/* The order of a value's axes in the model. Most ONNX operators need images as (N,C,H,W), others (...,C). A value stays
 * in the layout in which its operator produced it; the first use in another layout adds a Transpose. */
enum thaw_onnx_layout {
	THAW_ONNX_CHANNELS_LAST,  /* as in the graph */
	THAW_ONNX_CHANNELS_FIRST, /* last axis moved after the first: (N,C,H,W). For two axes this is the same as
				   * channels last, except for a flattened image: (N,C*H*W) */
	THAW_ONNX_FLAT,           /* (N,C), for a value (N,1,...,1,C) of the graph */
	THAW_ONNX_LAYOUTS
};

/* A value of the graph in the model. */
struct thaw_onnx_exported {
	const char *name[THAW_ONNX_LAYOUTS]; /* NULL: not in the model yet */
	int param;                           /* of a constant, written at its first use; -1 for others */
	int flattened;                       /* the value of which this is the flattened image; -1 for others */
};

struct thaw_onnx_memory {
	void **blocks;
	int count;
};

struct thaw_onnx_exporter {
	const struct thaw_graph *graph;
	const struct thaw_shape *shapes;   /* [node_count], for one image of the requested size */
	const struct thaw_shape *other;    /* [node_count], for another size; the same if the graph accepts no other */
	bool one_size;                     /* the model accepts one image size only */
	struct thaw_onnx_exported *values; /* [node_count] */
	int node;                          /* the graph node being exported */
	Onnx__GraphProto onnx;
	char *image_name, *logits_name, *grid_name; /* of the input and the outputs; grid_name: NULL for none */
	int grid;                                   /* the value of the second output */
	const char **names;                         /* [name_count], all names in use */
	int name_count;
	struct thaw_onnx_memory memory; /* holds the messages */
	size_t bytes;                   /* in initialisers */
	thaw_status failed;
};

typedef void (*thaw_onnx_node_export)(struct thaw_onnx_exporter *e, const struct thaw_node *n);

/* ---- operators.c: the exporter of an operator, NULL if there is none ---- */

thaw_onnx_node_export thaw_onnx_exporter_find(const struct thaw_op *op);

/* ---- build.c: ONNX nodes and attributes. All memory lives until the exporter is released. ---- */

void thaw_onnx_exporter_release(struct thaw_onnx_exporter *e);
void *thaw_onnx_exporter_alloc(struct thaw_onnx_exporter *e, size_t count, size_t size);
/* A copy of the text: protobuf-c's strings are not const. */
char *thaw_onnx_exporter_text(struct thaw_onnx_exporter *e, const char *text);
/* A unique name: `base`, with a number appended if it is in use. */
char *thaw_onnx_new_name(struct thaw_onnx_exporter *e, const char *base);
/* Fails with THAW_CONFIG, naming the node being exported. */
void thaw_onnx_fail_export(struct thaw_onnx_exporter *e, const char *why);
/* Adds a node with one output. An input "" is an omitted optional input. */
Onnx__NodeProto *thaw_onnx_emit(struct thaw_onnx_exporter *e, const char *op_type, const char *const *inputs,
				int count);
const char *thaw_onnx_output_of(const Onnx__NodeProto *n);
void thaw_onnx_set_int(struct thaw_onnx_exporter *e, Onnx__NodeProto *n, const char *name, int64_t value);
void thaw_onnx_set_float(struct thaw_onnx_exporter *e, Onnx__NodeProto *n, const char *name, float value);
void thaw_onnx_set_ints(struct thaw_onnx_exporter *e, Onnx__NodeProto *n, const char *name, const int64_t *values,
			int count);
void thaw_onnx_set_string(struct thaw_onnx_exporter *e, Onnx__NodeProto *n, const char *name, const char *value);
/* Add a node without attributes and return its output. */
const char *thaw_onnx_emit_one(struct thaw_onnx_exporter *e, const char *op_type, const char *x);
const char *thaw_onnx_emit_two(struct thaw_onnx_exporter *e, const char *op_type, const char *a, const char *b);
/* x with its axes permuted; x itself if the order is the identity. */
const char *thaw_onnx_emit_transpose(struct thaw_onnx_exporter *e, const char *x, const int *order, int ndim);

/* ---- initializers.c ---- */

const char *thaw_onnx_emit_floats(struct thaw_onnx_exporter *e, const char *base, const struct thaw_shape *shape,
				  const float *data); /* data is not copied */
const char *thaw_onnx_emit_ints(struct thaw_onnx_exporter *e, const int64_t *values, int count);
const char *thaw_onnx_emit_scalar(struct thaw_onnx_exporter *e, float value); /* 0-dimensional */
/* Parameter k of a node, in the layout of weight files; "" if the node has no such parameter. */
const char *thaw_onnx_param_in(struct thaw_onnx_exporter *e, const struct thaw_node *n, int k);
/* A parameter with its axes in this layout. */
const char *thaw_onnx_param_as(struct thaw_onnx_exporter *e, int param, enum thaw_onnx_layout layout);

/* ---- values.c: inputs and outputs of graph nodes ---- */

const struct thaw_shape *thaw_onnx_shape_in(const struct thaw_onnx_exporter *e, const struct thaw_node *n, int k);
/* Whether the value is (N,1,...,1,C) for every image size. */
bool thaw_onnx_one_pixel(const struct thaw_onnx_exporter *e, int value);
bool thaw_onnx_has_layout(const struct thaw_onnx_exporter *e, int value, enum thaw_onnx_layout layout);
/* The layout that needs the fewest transposes, for operators that accept any layout common to all inputs. */
enum thaw_onnx_layout thaw_onnx_common_layout(const struct thaw_onnx_exporter *e, const struct thaw_node *n);
/* The same for elementwise operators. */
enum thaw_onnx_layout thaw_onnx_elementwise_layout(struct thaw_onnx_exporter *e, const struct thaw_node *n);
/* The value in this layout, converted if necessary; and the same for input k of a node. */
const char *thaw_onnx_value_as(struct thaw_onnx_exporter *e, int value, enum thaw_onnx_layout layout);
const char *thaw_onnx_in(struct thaw_onnx_exporter *e, const struct thaw_node *n, int k, enum thaw_onnx_layout layout);
/* Sets the output of the node being exported, in this layout. */
void thaw_onnx_out(struct thaw_onnx_exporter *e, enum thaw_onnx_layout layout, const char *name);
/* The same after adding the residual, if the operator takes one, and attrs.activation. */
void thaw_onnx_out_activated(struct thaw_onnx_exporter *e, const struct thaw_node *n, enum thaw_onnx_layout layout,
			     const char *name);
/* The node's output is its first input, in all layouts. */
void thaw_onnx_out_input(struct thaw_onnx_exporter *e, const struct thaw_node *n);

/* ---- layout.c ---- */

/* order[i] = the graph axis that is axis i of the layout. */
void thaw_onnx_layout_order(enum thaw_onnx_layout layout, int ndim, int *order);
/* The position of a graph axis in the layout. */
int thaw_onnx_layout_axis(enum thaw_onnx_layout layout, int ndim, int axis);

/* ---- Dimensions that may depend on the images ---- */

struct thaw_onnx_size {
	int64_t size; /* for one image of the requested size */
	bool images;  /* multiplied by the number of images */
	bool open;    /* depends on the image size */
	int from;     /* Reshape may copy it from this axis of its input; -1 for none */
};

struct thaw_onnx_size thaw_onnx_size_of(const struct thaw_onnx_exporter *e, int value, int axis);
/* Reshapes x. Keeps open dimensions symbolic where Reshape can express it; otherwise sets e->one_size. */
const char *thaw_onnx_emit_reshape(struct thaw_onnx_exporter *e, const char *x, const struct thaw_onnx_size *sizes,
				   int ndim);

/* conv.c: sets kernel_shape, strides, dilations, and pads or auto_pad from the attributes. */
void thaw_onnx_set_window(struct thaw_onnx_exporter *e, Onnx__NodeProto *y, const struct thaw_attrs *attrs,
			  const int64_t *kernel);

/* ---- The exporters that operators.c lists ---- */

#define EXPORTER(op_type) void thaw_onnx_export_##op_type(struct thaw_onnx_exporter *e, const struct thaw_node *n)
EXPORTER(activation);
EXPORTER(add);
EXPORTER(attention);
EXPORTER(batch_norm);
EXPORTER(binary);
EXPORTER(concat);
EXPORTER(constant);
EXPORTER(conv);
EXPORTER(conv_norm);
EXPORTER(dropout);
EXPORTER(flatten);
EXPORTER(gather);
EXPORTER(group_norm);
EXPORTER(layer_norm);
EXPORTER(linear);
EXPORTER(local_response_norm);
EXPORTER(matmul);
EXPORTER(pad);
EXPORTER(pointwise);
EXPORTER(pool);
EXPORTER(rearrange);
EXPORTER(reduce);
EXPORTER(softmax);
#undef EXPORTER

#endif
