/* A network from an ONNX model: the graph that Thaw trains, in the layout it likes, with the model's weights. */
#ifndef THAW_SRC_ONNX_IMPORT_H
#define THAW_SRC_ONNX_IMPORT_H

#include "src/onnx/constant/constant.h"
#include "thaw/graph.h"

/* An input of the model whose elements are known. */
struct thaw_onnx_given {
	const char *name;
	const struct thaw_onnx_constant *constant;
};

/* What is wanted of a model. */
struct thaw_onnx_import_options {
	int64_t size; /* height and width of images where the model leaves them open */
	/* Any computation instead of a classifier: the input is one sample whatever its axes are, the graph's node 0 is
	 * it with an axis of 1 in front, and the result is ONNX's output 0 with such an axis. */
	bool computation;
	const struct thaw_onnx_given *given; /* [given_count] */
	int given_count;
};

struct thaw_onnx_network {
	struct thaw_graph *graph;
	struct thaw_shape image;  /* (1,H,W,C): what the model says its input is */
	bool open_size;           /* the model leaves height and width open */
	bool features;            /* the model has no classifier: the graph got one, which repeats the features */
	struct thaw_shape sample; /* of a computation: the shape of ONNX's output, without the axis in front */
};

/* THAW_DATA or THAW_CONFIG with the node in question; operators that are not supported are named all at once. The graph
 * is the caller's to destroy. For a computation it is not finished: its output is set, its classifier is not. */
thaw_status thaw_onnx_import(struct thaw_onnx_network *network, const struct thaw_onnx_file *file,
			     const struct thaw_onnx_import_options *options);

#endif
