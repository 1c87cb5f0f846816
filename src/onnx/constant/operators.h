/* Constant folding: nodes that are evaluated at import because all their inputs are constant.
 *
 * Exporters compute shapes, indices and scales in the graph (Shape, Gather, Concat, Reshape); folding them leaves the
 * importer only the results. The arithmetic is ONNX's: integers wrap around and divide towards zero; floating types are
 * computed in double and rounded once to the type of the result. */
#ifndef THAW_ONNX_CONSTANT_OPERATORS_H
#define THAW_ONNX_CONSTANT_OPERATORS_H

#include "src/onnx/constant/constant.h"

/* A node to be evaluated. */
struct thaw_onnx_operation {
	const Onnx__NodeProto *node;
	int64_t opset;                     /* version of the node's domain; 9 and newer are supported */
	const struct thaw_onnx_file *file; /* for tensors in attributes */
	int64_t max_elements;              /* limit for each output */
	/* In the order of the node's; NULL for an omitted one. */
	const struct thaw_onnx_constant *const *inputs;
	int input_count;
	/* In the order of the node's, filled by thaw_onnx_constant_evaluate. */
	struct thaw_onnx_constant *outputs;
	int output_count;
};

enum thaw_onnx_outcome {
	THAW_ONNX_EVALUATED,
	THAW_ONNX_UNSUPPORTED, /* not for this operator or these types; outputs are empty */
};

/* Whether nodes of this operator (of the standard domain) can be evaluated, at least for some types. */
bool thaw_onnx_constant_supports(const char *op_type);

/* Evaluates the node; the caller frees the outputs. THAW_DATA, naming the node, if it is invalid or an output exceeds
 * max_elements; outputs are empty then. */
thaw_status thaw_onnx_constant_evaluate(enum thaw_onnx_outcome *outcome, const struct thaw_onnx_operation *o);

/* The indices *start, *start + *step, ... before `end` that a Slice selects from an axis of size `dim`; *step != 0.
 * Clamps *start and returns the number of indices. *step becomes 1 if there is at most one, so that it cannot overflow.
 */
int64_t thaw_onnx_slice_range(int64_t dim, int64_t *start, int64_t end, int64_t *step);

#endif
