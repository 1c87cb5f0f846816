/* Constant folding: nodes that are evaluated at import because all their inputs are constant.
 *
 * Exporters compute shapes, indices and scales in the graph (Shape, Gather, Concat, Reshape); folding them leaves the
 * importer only the results. The arithmetic is ONNX's: integers wrap around and divide towards zero; floating types are
 * computed in double and rounded once to the type of the result. */
#ifndef THAW_ONNX_OPERATORS_H
#define THAW_ONNX_OPERATORS_H

#include "src/onnx/constant/constant.h"

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

enum thaw_onnx_outcome {
	THAW_ONNX_EVALUATED,
	THAW_ONNX_UNSUPPORTED, /* the operator, or these types for it, is not computed here; outputs are empty */
};

/* Whether nodes of this operator (of ONNX's own domain) can be computed, if their types can. */
bool thaw_onnx_constant_supports(const char *operator);

/* Computes the node's outputs, which the caller releases. THAW_DATA, naming the node, when it contradicts itself or is
 * larger than allowed; outputs are empty then. */
thaw_status thaw_onnx_constant_evaluate(enum thaw_onnx_outcome *answer, const struct thaw_onnx_operation *o);

#endif
