/* Constants, and which file computes a node of them. */
#include "src/onnx/constant.h"

#include <string.h>

#include "src/onnx/constant/evaluator.h"

static const struct {
	const char *operator;
	const struct thaw_onnx_evaluator *evaluator;
} table[] = {
#define ONNX_OPERATOR(name) {#name, &thaw_onnx_evaluate_##name},
#include "src/onnx/constant/list.h"
#undef ONNX_OPERATOR
};

static const struct thaw_onnx_evaluator *find(const char *operator)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (strcmp(table[i].operator, operator) == 0)
			return table[i].evaluator;
	return NULL;
}

bool thaw_onnx_constant_knows(const char *operator)
{
	return find(operator) != NULL;
}

thaw_status thaw_onnx_constant_make(struct thaw_onnx_constant *c, enum thaw_dtype type, const struct thaw_shape *shape,
				    int64_t max_elements, const char *what)
{
	THAW_TRY(thaw_shape_check(shape, what));
	int64_t count = thaw_shape_count(shape);
	if (count > max_elements)
		return thaw_fail(THAW_DATA, "constant too large: %s: %lld elements, at most %lld are computed", what,
				 (long long)count, (long long)max_elements);
	void *data = thaw_alloc((size_t)count, thaw_dtype_size(type));
	if (!data)
		return THAW_RESOURCE;
	*c = (struct thaw_onnx_constant){.type = type, .shape = *shape, .data = data};
	return THAW_OK;
}

thaw_status thaw_onnx_constant_from(struct thaw_onnx_constant *c, const struct thaw_onnx_tensor *t)
{
	int64_t count = thaw_shape_count(&t->shape);
	THAW_TRY(thaw_onnx_constant_make(c, t->type, &t->shape, count, t->name));
	memcpy(c->data, t->data, (size_t)count * thaw_dtype_size(t->type));
	return THAW_OK;
}

void thaw_onnx_constant_free(struct thaw_onnx_constant *c)
{
	thaw_free(c->data);
	*c = (struct thaw_onnx_constant){0};
}

static const struct thaw_onnx_evaluator *evaluator_of(const Onnx__NodeProto *node)
{
	bool own = !node->domain || node->domain[0] == '\0' || strcmp(node->domain, "ai.onnx") == 0;
	return own && node->op_type ? find(node->op_type) : NULL;
}

thaw_status thaw_onnx_constant_evaluate(enum thaw_onnx_answer *answer, const struct thaw_onnx_operation *o)
{
	struct thaw_onnx_call c = {.o = o, .evaluator = evaluator_of(o->node)};
	for (int i = 0; i < o->output_count; i++)
		o->outputs[i] = (struct thaw_onnx_constant){0};
	thaw_status status = c.evaluator ? c.evaluator->evaluate(&c) : thaw_onnx_not_here(&c);
	for (int i = 0; i < o->output_count && status == THAW_OK && !c.not_here; i++)
		if (!o->outputs[i].data)
			status = thaw_onnx_fail_node(o->node, "it has no output %d", i);
	if (status != THAW_OK || c.not_here)
		for (int i = 0; i < o->output_count; i++)
			thaw_onnx_constant_free(&o->outputs[i]);
	if (status == THAW_OK)
		*answer = c.not_here ? THAW_ONNX_NOT_HERE : THAW_ONNX_COMPUTED;
	return status;
}
