/* Constants of a model: initialisers, inputs that the caller supplies, and the results of folded nodes. */
#include <string.h>

#include "src/base/try.h"
#include "src/onnx/import/importer.h"
#include "thaw/memory.h"

/* Converts F16 and BF16 to F32, the only float type of the graph. */
static thaw_status widen(struct thaw_onnx_constant *c)
{
	if (c->type != THAW_F16 && c->type != THAW_BF16)
		return THAW_OK;
	int64_t count = thaw_shape_count(&c->shape);
	float *data = thaw_alloc((size_t)count, sizeof(*data));
	if (!data)
		return THAW_RESOURCE;
	thaw_to_f32(c->type, c->data, data, count);
	thaw_free(c->data);
	c->data = data;
	c->type = THAW_F32;
	return THAW_OK;
}

/* Stores a constant that is repeated along a symbolic batch axis, such as a class token, once. */
static void collapse_repeated_batch(const struct thaw_onnx_importer *m, struct thaw_onnx_constant *c)
{
	if (m->images != THAW_ONNX_OPEN_IMAGES || c->shape.ndim < 2 || c->shape.dim[0] != THAW_ONNX_OPEN_IMAGES)
		return;
	size_t one = (size_t)thaw_shape_count(&c->shape) / THAW_ONNX_OPEN_IMAGES * thaw_dtype_size(c->type);
	for (size_t i = 1; i < THAW_ONNX_OPEN_IMAGES; i++)
		if (memcmp(c->data, (const char *)c->data + i * one, one) != 0)
			return;
	c->shape.dim[0] = 1;
}

/* Sets the value to the constant and takes ownership of its data. */
static thaw_status set_constant(const struct thaw_onnx_importer *m, struct thaw_onnx_value *v,
				struct thaw_onnx_constant *c)
{
	v->constant = thaw_alloc(1, sizeof(*v->constant));
	if (!v->constant) {
		if (!v->borrowed)
			thaw_onnx_constant_free(c);
		return THAW_RESOURCE;
	}
	collapse_repeated_batch(m, c);
	*v->constant = *c;
	v->defined = true;
	return widen(v->constant);
}

/* Aligned F32 data is borrowed from the file rather than copied: a copy would double the memory for the weights. */
static thaw_status read_initializer(struct thaw_onnx_importer *m, const Onnx__TensorProto *p, struct thaw_onnx_value *v)
{
	struct thaw_onnx_tensor t;
	struct thaw_onnx_constant c;
	THAW_TRY(thaw_onnx_tensor_read(&t, p, m->file));
	v->initializer = true;
	v->borrowed = t.type == THAW_F32 && !t.owned && (uintptr_t)t.data % sizeof(float) == 0;
	if (v->borrowed) {
		c = (struct thaw_onnx_constant){t.type, t.shape, (void *)t.data}; /* borrowed, never written or freed */
		return set_constant(m, v, &c);
	}
	thaw_status status = thaw_onnx_constant_from(&c, &t);
	thaw_onnx_tensor_free(&t);
	return status == THAW_OK ? set_constant(m, v, &c) : status;
}

thaw_status thaw_onnx_read_initializers(struct thaw_onnx_importer *m)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	for (size_t i = 0; i < g->n_initializer; i++) {
		struct thaw_onnx_value *v = thaw_onnx_value_find(m, g->initializer[i]->name);
		if (!v || v->defined)
			return thaw_fail(THAW_DATA, "damaged ONNX model: %s: %s%s: export it again", m->file->path,
					 v ? "two initialisers are called " : "an initialiser has no name",
					 v ? v->name : "");
		THAW_TRY(read_initializer(m, g->initializer[i], v));
	}
	return THAW_OK;
}

thaw_status thaw_onnx_set_given(struct thaw_onnx_importer *m, const struct thaw_onnx_import_options *options)
{
	for (int i = 0; i < options->given_count; i++) {
		const struct thaw_onnx_constant *given = options->given[i].constant;
		struct thaw_onnx_value *v = thaw_onnx_value_find(m, options->given[i].name);
		size_t bytes = (size_t)thaw_shape_count(&given->shape) * thaw_dtype_size(given->type);
		if (!v || v->defined)
			continue;
		struct thaw_onnx_constant c = {given->type, given->shape, thaw_alloc(bytes, 1)};
		if (!c.data)
			return THAW_RESOURCE;
		memcpy(c.data, given->data, bytes);
		THAW_TRY(set_constant(m, v, &c));
	}
	return THAW_OK;
}

/* *constants = whether all inputs of the node are constant. */
static thaw_status inputs_are_constant(const struct thaw_onnx_importer *m, const Onnx__NodeProto *n, bool *constants)
{
	*constants = true;
	for (size_t k = 0; k < n->n_input; k++) {
		struct thaw_onnx_value *v;
		if (!n->input[k][0])
			continue;
		THAW_TRY(thaw_onnx_value_input(m, n, (int)k, &v));
		*constants &= v->constant != NULL;
	}
	return THAW_OK;
}

/* Moves the evaluated outputs to the node's output values. */
static thaw_status set_outputs(struct thaw_onnx_importer *m, const Onnx__NodeProto *n,
			       struct thaw_onnx_constant *outputs)
{
	thaw_status status = THAW_OK;
	for (size_t k = 0; k < n->n_output; k++) {
		struct thaw_onnx_value *v = thaw_onnx_value_find(m, n->output[k]);
		if (status == THAW_OK && v && v->defined)
			status = thaw_onnx_fail_node(n, "output %s is already defined", n->output[k]);
		if (status == THAW_OK && v)
			status = set_constant(m, v, &outputs[k]);
		else
			thaw_onnx_constant_free(&outputs[k]);
	}
	return status;
}

/* Whether the node looks up rows of a weight table, such as Swin's relative position biases. It is not folded, so that
 * the table trains. */
static bool looks_up_weights(const struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	if (strcmp(n->op_type, "Gather") != 0 || n->n_input == 0)
		return false;
	const struct thaw_onnx_value *v = thaw_onnx_value_find(m, n->input[0]);
	return v && v->initializer && v->constant && v->constant->type == THAW_F32 && v->constant->shape.ndim == 2;
}

thaw_status thaw_onnx_evaluate(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, bool *computed)
{
	bool constants = thaw_onnx_constant_supports(n->op_type) && !looks_up_weights(m, n);
	*computed = false;
	if (constants)
		THAW_TRY(inputs_are_constant(m, n, &constants));
	if (!constants)
		return THAW_OK;
	const struct thaw_onnx_constant **inputs = thaw_alloc(n->n_input, sizeof(*inputs));
	struct thaw_onnx_constant *outputs = thaw_alloc(n->n_output, sizeof(*outputs));
	struct thaw_onnx_operation o = {
		.node = n,
		.opset = m->opset,
		.file = m->file,
		.max_elements = THAW_ONNX_MAX_ELEMENTS,
		.inputs = inputs,
		.input_count = (int)n->n_input,
		.outputs = outputs,
		.output_count = (int)n->n_output,
	};
	enum thaw_onnx_outcome outcome = THAW_ONNX_UNSUPPORTED;
	thaw_status status = inputs && outputs ? THAW_OK : THAW_RESOURCE;
	for (size_t k = 0; status == THAW_OK && k < n->n_input; k++)
		inputs[k] = n->input[k][0] ? thaw_onnx_value_find(m, n->input[k])->constant : NULL;
	if (status == THAW_OK)
		status = thaw_onnx_constant_evaluate(&outcome, &o);
	if (status == THAW_OK && outcome == THAW_ONNX_EVALUATED)
		status = set_outputs(m, n, outputs);
	*computed = outcome == THAW_ONNX_EVALUATED;
	thaw_free(inputs);
	thaw_free(outputs);
	return status;
}
