/* Constants of a graph, and the nodes that can be computed from constants alone, before anything runs.
 *
 * Exporters compute shapes, indices and scales in the graph: Shape, Gather, Concat, Reshape. What is constant among
 * them is computed here, so that the importer sees the result only. The arithmetic is ONNX's: integers wrap around and
 * divide towards zero; floating types are computed in double and rounded once to the type of the result. */
#ifndef THAW_ONNX_CONSTANT_H
#define THAW_ONNX_CONSTANT_H

#include "src/onnx/tensor.h"

struct thaw_onnx_constant {
	enum thaw_dtype type;
	struct thaw_shape shape;
	void *data; /* from thaw_alloc, last axis fastest; never NULL */
};

/* A node to be computed. */
struct thaw_onnx_operation {
	const Onnx__NodeProto *node;
	int64_t opset;                     /* that node's domain is imported in; 9 and newer are understood */
	const struct thaw_onnx_file *file; /* for tensors in attributes */
	int64_t max_elements;              /* that an output may have */
	/* As in the node; NULL for one that is left out. */
	const struct thaw_onnx_constant *const *inputs;
	int input_count;
	/* One for each of the node's, filled by thaw_onnx_constant_evaluate. */
	struct thaw_onnx_constant *outputs;
	int output_count;
};

enum thaw_onnx_answer {
	THAW_ONNX_COMPUTED,
	THAW_ONNX_NOT_HERE, /* the operator, or these types for it, is not computed here; outputs are empty */
};

/* Zeroed values. THAW_DATA when the shape is impossible or has more than max_elements; `what` names it in the message.
 */
thaw_status thaw_onnx_constant_make(struct thaw_onnx_constant *c, enum thaw_dtype type, const struct thaw_shape *shape,
				    int64_t max_elements, const char *what);

/* A copy of the tensor. */
thaw_status thaw_onnx_constant_from(struct thaw_onnx_constant *c, const struct thaw_onnx_tensor *t);

void thaw_onnx_constant_free(struct thaw_onnx_constant *c);

/* Whether nodes of this operator (of ONNX's own domain) can be computed, if their types can. */
bool thaw_onnx_constant_knows(const char *operator);

/* Computes the node's outputs, which the caller releases. THAW_DATA, naming the node, when it contradicts itself or is
 * larger than allowed; outputs are empty then. */
thaw_status thaw_onnx_constant_evaluate(enum thaw_onnx_answer *answer, const struct thaw_onnx_operation *o);

#endif
