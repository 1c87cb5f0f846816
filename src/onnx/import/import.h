/* ONNX import: builds a trainable graph, in Thaw's own layout, from a model and its weights. */
#ifndef THAW_ONNX_IMPORT_H
#define THAW_ONNX_IMPORT_H

#include "src/onnx/constant/constant.h"
#include "thaw/graph.h"

#define THAW_ONNX_NOTES 1024 /* bytes of what is said about the outputs */

/* A model input with a constant value. */
struct thaw_onnx_given {
	const char *name;
	const struct thaw_onnx_constant *constant;
};

struct thaw_onnx_import_options {
	int64_t height, width; /* of the image, where they are symbolic in the model */
	/* Import any computation rather than a classifier. The input is one sample of any shape; the graph's node 0 is
	 * this sample with a leading axis of size 1, and the graph's output is the model's output with such an axis. */
	bool computation;
	const char *output; /* name of the output to import; NULL: the one that holds class scores, else features */
	bool scores;        /* the output is known to be class scores, as in a model that Thaw has written */
	const struct thaw_onnx_given *given; /* [given_count] */
	int given_count;
};

struct thaw_onnx_network {
	struct thaw_graph *graph;
	struct thaw_shape image;     /* (1,H,W,C) of the model's input */
	bool open_size;              /* height and width are symbolic in the model */
	bool bytes;                  /* the model's input holds values 0..255 */
	bool sigmoid;                /* the class scores are those of a sigmoid, in this output or another one */
	bool features;               /* the model has no classifier; an identity classifier was added */
	char notes[THAW_ONNX_NOTES]; /* what was chosen among the outputs, and what is left out; may be empty */
	struct thaw_shape sample;    /* of a computation: shape of ONNX's output, without the leading axis */
};

/* Imports the model. Errors: THAW_DATA or THAW_CONFIG, naming the node; all unsupported operators are named in one
 * message. The caller destroys network->graph. For a computation only the graph's output is set, not its classifier. */
thaw_status thaw_onnx_import(struct thaw_onnx_network *network, const struct thaw_onnx_file *file,
			     const struct thaw_onnx_import_options *options);

#endif
