/* What the files of the exporter share: the model so far, and how a node's inputs become ONNX values in the layout that
 * an operator wants. Each exporter of an operator is a function in export_*.c and a line in
 * src/onnx/export/operators.c.
 *
 * Failures are remembered, as in a graph that is being built: later calls do nothing, names are "" and nodes NULL.
 */
#ifndef THAW_SRC_ONNX_EXPORTER_H
#define THAW_SRC_ONNX_EXPORTER_H

#include "onnx.pb-c.h"
#include "src/onnx/export/export.h"

#define THAW_ONNX_MAX_BYTES ((size_t)1 << 31) /* of a message: protobuf's limit */

/* The order of a value's axes in the model. Most operators of ONNX want images as (N,C,H,W), others (...,C); a value
 * is held as it was made, and transposed when somebody first asks for the other layout. */
enum thaw_onnx_layout {
	THAW_ONNX_CHANNELS_LAST,  /* channels last, as the graph has it */
	THAW_ONNX_CHANNELS_FIRST, /* the last axis behind the first: (N,C,H,W). Of two axes it is the same, but for a
				   * flattened image: (N,C*H*W) */
	THAW_ONNX_FLAT,           /* (N,C), for what has one pixel only and more axes in the graph */
	THAW_ONNX_LAYOUTS
};

/* What stands for a value of the graph. */
struct thaw_onnx_exported {
	const char *name[THAW_ONNX_LAYOUTS]; /* NULL: not made yet */
	int param;                           /* of a constant, which is made when asked for; -1 for others */
	int flattened;                       /* the image that this is, flattened; -1 for others */
};

struct thaw_onnx_memory {
	void **blocks;
	int count;
};

struct thaw_onnx_exporter {
	const struct thaw_graph *graph;
	const struct thaw_shape *shapes; /* [node_count], of one image of the size wished for */
	const struct thaw_shape *other;  /* and of another size; the same where the graph takes no other */
	bool one_size; /* no other, or a node of the model holds a size that follows from the images' */
	struct thaw_onnx_exported *values; /* [node_count] */
	int node;                          /* being exported */
	Onnx__GraphProto onnx;
	const char **names; /* [name_count] in use */
	int name_count;
	struct thaw_onnx_memory memory; /* behind the messages */
	size_t bytes;                   /* of initialisers */
	thaw_status failed;
};

typedef void (*thaw_onnx_node_export)(struct thaw_onnx_exporter *e, const struct thaw_node *n);

/* export_operators.c: the exporter of an operator; NULL: none. */
thaw_onnx_node_export thaw_onnx_exporter_find(const struct thaw_op *op);

/* export_build.c: messages. What they hold lives until the exporter is released. */
void thaw_onnx_exporter_release(struct thaw_onnx_exporter *e);
void *thaw_onnx_exporter_alloc(struct thaw_onnx_exporter *e, size_t count, size_t size);
/* A text that stays; `base` itself or with a number behind it, such that no value is called so. */
const char *thaw_onnx_new_name(struct thaw_onnx_exporter *e, const char *base);
void thaw_onnx_fail_export(struct thaw_onnx_exporter *e, const char *why);
/* A node with one output. An input "" is left out. */
Onnx__NodeProto *thaw_onnx_emit(struct thaw_onnx_exporter *e, const char *operator, const char * const * inputs,
				int count);
const char *thaw_onnx_output_of(const Onnx__NodeProto *n);
void thaw_onnx_set_int(struct thaw_onnx_exporter *e, Onnx__NodeProto *n, const char *name, int64_t value);
void thaw_onnx_set_float(struct thaw_onnx_exporter *e, Onnx__NodeProto *n, const char *name, float value);
void thaw_onnx_set_ints(struct thaw_onnx_exporter *e, Onnx__NodeProto *n, const char *name, const int64_t *values,
			int count);
void thaw_onnx_set_string(struct thaw_onnx_exporter *e, Onnx__NodeProto *n, const char *name, const char *value);
/* Nodes without attributes. */
const char *thaw_onnx_emit_one(struct thaw_onnx_exporter *e, const char *operator, const char * x);
const char *thaw_onnx_emit_two(struct thaw_onnx_exporter *e, const char *operator, const char * a, const char *b);
/* x with its axes in this order; x itself where that is the order they are in. */
const char *thaw_onnx_emit_transpose(struct thaw_onnx_exporter *e, const char *x, const int *order, int ndim);

/* export_tensor.c: initialisers. */
const char *thaw_onnx_emit_floats(struct thaw_onnx_exporter *e, const char *base, const struct thaw_shape *shape,
				  const float *data); /* data is not copied */
const char *thaw_onnx_emit_ints(struct thaw_onnx_exporter *e, const int64_t *values, int count);
const char *thaw_onnx_emit_scalar(struct thaw_onnx_exporter *e, float value); /* of no axis */
/* Parameter k of a node, in the file's order; "" where the node has none. */
const char *thaw_onnx_param_in(struct thaw_onnx_exporter *e, const struct thaw_node *n, int k);
/* A parameter with its axes as this layout has them. */
const char *thaw_onnx_param_as(struct thaw_onnx_exporter *e, int param, enum thaw_onnx_layout layout);

/* export_values.c: a node's inputs and outputs. */
const struct thaw_shape *thaw_onnx_shape_in(const struct thaw_onnx_exporter *e, const struct thaw_node *n, int k);
/* (N,1,...,1,C), whatever the images' size. */
bool thaw_onnx_one_pixel(const struct thaw_onnx_exporter *e, int value);
bool thaw_onnx_has_layout(const struct thaw_onnx_exporter *e, int value, enum thaw_onnx_layout layout);
/* The layout that needs the fewest transposes for what takes its inputs in any, but all alike. */
enum thaw_onnx_layout thaw_onnx_common_layout(const struct thaw_onnx_exporter *e, const struct thaw_node *n);
/* The same for what computes each element for itself. */
enum thaw_onnx_layout thaw_onnx_elementwise_layout(struct thaw_onnx_exporter *e, const struct thaw_node *n);
/* The value in this layout. */
const char *thaw_onnx_value_as(struct thaw_onnx_exporter *e, int value, enum thaw_onnx_layout layout);
const char *thaw_onnx_in(struct thaw_onnx_exporter *e, const struct thaw_node *n, int k, enum thaw_onnx_layout layout);
/* What the node being exported makes, in this layout. */
void thaw_onnx_out(struct thaw_onnx_exporter *e, enum thaw_onnx_layout layout, const char *name);
/* The same after the residual, where the operator takes one, and attrs.activation. */
void thaw_onnx_out_activated(struct thaw_onnx_exporter *e, const struct thaw_node *n, enum thaw_onnx_layout layout,
			     const char *name);
/* The node's value is its first input, in all forms. */
void thaw_onnx_out_input(struct thaw_onnx_exporter *e, const struct thaw_node *n);
/* The order of the axes of a value of this ndim in a layout, as axes of the graph's. */
void thaw_onnx_layout_order(enum thaw_onnx_layout layout, int ndim, int *order);
/* Where an axis of the graph's stands in a layout. */
int thaw_onnx_layout_axis(enum thaw_onnx_layout layout, int ndim, int axis);

/* A size of a value: a number, or one that follows from the images. */
struct thaw_onnx_size {
	int64_t size; /* for one image of the size wished for */
	bool images;  /* times their number */
	bool open;    /* another one for images of another size */
	int from;     /* the axis of the input that it is, in the input's order; -1 for none */
};

struct thaw_onnx_size thaw_onnx_size_of(const struct thaw_onnx_exporter *e, int value, int axis);
/* x as these sizes. */
const char *thaw_onnx_emit_reshape(struct thaw_onnx_exporter *e, const char *x, const struct thaw_onnx_size *sizes,
				   int ndim);

/* export_window.c: kernel_shape, strides, dilations and pads or auto_pad as the attributes say. */
void thaw_onnx_set_window(struct thaw_onnx_exporter *e, Onnx__NodeProto *y, const struct thaw_attrs *attrs,
			  const int64_t *kernel);

/* export_*.c: the exporters that export_operators.c lists. */
#define EXPORTER(operator) void thaw_onnx_export_##operator(struct thaw_onnx_exporter *e, const struct thaw_node *n)
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
