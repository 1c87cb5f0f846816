/* The table of operators that can be folded, and the evaluation of a node. */
#include "src/onnx/constant/operators.h"

#include <string.h>

#include "src/onnx/constant/evaluator.h"

static const struct {
	const char *op_type;
	const struct thaw_onnx_evaluator *evaluator;
} table[] = {
#define ONNX_OPERATOR(name) {#name, &thaw_onnx_evaluate_##name},
#include "src/onnx/constant/list.h"
#undef ONNX_OPERATOR
};

static const struct thaw_onnx_evaluator *find(const char *op_type)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (strcmp(table[i].op_type, op_type) == 0)
			return table[i].evaluator;
	return NULL;
}

bool thaw_onnx_constant_supports(const char *op_type)
{
	return find(op_type) != NULL;
}

static const struct thaw_onnx_evaluator *evaluator_of(const Onnx__NodeProto *node)
{
	return thaw_onnx_standard_domain(node->domain) && node->op_type ? find(node->op_type) : NULL;
}

thaw_status thaw_onnx_constant_evaluate(enum thaw_onnx_outcome *outcome, const struct thaw_onnx_operation *o)
{
	struct thaw_onnx_call c = {.o = o, .evaluator = evaluator_of(o->node)};
	for (int i = 0; i < o->output_count; i++)
		o->outputs[i] = (struct thaw_onnx_constant){0};
	thaw_status status = c.evaluator ? c.evaluator->evaluate(&c) : thaw_onnx_unsupported(&c);
	for (int i = 0; i < o->output_count && status == THAW_OK && !c.unsupported; i++)
		if (!o->outputs[i].data)
			status = thaw_onnx_fail_node(o->node, "output %d is not supported", i);
	if (status != THAW_OK || c.unsupported)
		for (int i = 0; i < o->output_count; i++)
			thaw_onnx_constant_free(&o->outputs[i]);
	if (status == THAW_OK)
		*outcome = c.unsupported ? THAW_ONNX_UNSUPPORTED : THAW_ONNX_EVALUATED;
	return status;
}
