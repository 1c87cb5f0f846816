/* Small ONNX models built in memory, and their import. */
#ifndef THAW_TESTS_UNIT_ONNX_SKETCH_H
#define THAW_TESTS_UNIT_ONNX_SKETCH_H

#include "tests/scratch.h"

#include "src/onnx/import/import.h"

#define MAX_NODES   12
#define MAX_RESULTS 4
#define MAX_NAMES   5 /* limit of inputs or outputs of a node */
#define MAX_TEXT    32
#define FLOAT       ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
#define MAX_VALUES  4096

/* A model under construction: an image (N,3,8,8) called "x". */
struct sketch {
	Onnx__ModelProto model;
	Onnx__GraphProto graph;
	Onnx__OperatorSetIdProto opset, *opsets[1];
	Onnx__NodeProto node[MAX_NODES], *nodes[MAX_NODES];
	char names[MAX_NODES][2 * MAX_NAMES][MAX_TEXT], *inputs[MAX_NODES][MAX_NAMES], *outputs[MAX_NODES][MAX_NAMES];
	Onnx__AttributeProto attribute[MAX_NODES], *attributes[MAX_NODES][1];
	Onnx__TensorProto tensor[MAX_NODES], *tensors[MAX_NODES];
	int64_t tensor_dims[MAX_NODES][4];
	Onnx__ValueInfoProto image, logits, *images[1], *results[MAX_RESULTS];
	Onnx__ValueInfoProto more[MAX_RESULTS];
	Onnx__TypeProto type;
	Onnx__TypeProto__Tensor tensor_type;
	Onnx__TensorShapeProto shape;
	Onnx__TensorShapeProto__Dimension dim[4], *dims[4];
	float values[MAX_VALUES];
};

static inline void begin(struct sketch *s)
{
	static const int64_t sizes[] = {0, 3, 8, 8};
	memset(s, 0, sizeof(*s));
	for (int i = 0; i < MAX_VALUES; i++)
		s->values[i] = (float)(i % 13 - 6) / 16;
	onnx__model_proto__init(&s->model);
	onnx__graph_proto__init(&s->graph);
	onnx__operator_set_id_proto__init(&s->opset);
	s->model.graph = &s->graph;
	s->model.opset_import = s->opsets;
	s->opsets[s->model.n_opset_import++] = &s->opset;
	s->opset.has_version = 1;
	s->opset.version = 17;
	onnx__value_info_proto__init(&s->image);
	onnx__value_info_proto__init(&s->logits);
	onnx__type_proto__init(&s->type);
	onnx__type_proto__tensor__init(&s->tensor_type);
	onnx__tensor_shape_proto__init(&s->shape);
	s->image.name = "x";
	s->image.type = &s->type;
	s->type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
	s->type.tensor_type = &s->tensor_type;
	s->tensor_type.has_elem_type = 1;
	s->tensor_type.elem_type = FLOAT;
	s->tensor_type.shape = &s->shape;
	s->shape.dim = s->dims;
	s->shape.n_dim = 4;
	for (int i = 0; i < 4; i++) {
		s->dims[i] = &s->dim[i];
		onnx__tensor_shape_proto__dimension__init(&s->dim[i]);
		s->dim[i].value_case = sizes[i] ? ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE
						: ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
		if (sizes[i])
			s->dim[i].dim_value = sizes[i];
		else
			s->dim[i].dim_param = "N";
	}
	s->images[0] = &s->image;
	s->results[0] = &s->logits;
	s->graph.input = s->images;
	s->graph.n_input = 1;
	s->graph.output = s->results;
	s->graph.n_output = 1;
	s->graph.name = "test";
	s->graph.node = s->nodes;
	s->graph.initializer = s->tensors;
	s->logits.name = "y";
}

/* Adds a node; inputs and outputs are names separated by spaces. */
static inline Onnx__NodeProto *add_node(struct sketch *s, const char *op, const char *name, const char *inputs,
					const char *outputs)
{
	size_t at = s->graph.n_node++;
	Onnx__NodeProto *n = s->nodes[at] = &s->node[at];
	const char *lists[] = {inputs, outputs};
	int used = 0;
	onnx__node_proto__init(n);
	n->op_type = (char *)op;
	n->name = (char *)name;
	n->input = s->inputs[at];
	n->output = s->outputs[at];
	for (int k = 0; k < 2; k++)
		for (const char *text = lists[k]; *text;) {
			size_t length = strcspn(text, " ");
			char *copy = s->names[at][used++];
			snprintf(copy, MAX_TEXT, "%.*s", (int)length, text);
			if (k == 0)
				n->input[n->n_input++] = copy;
			else
				n->output[n->n_output++] = copy;
			text += length + (text[length] == ' ');
		}
	return n;
}

static inline void give_int(struct sketch *s, Onnx__NodeProto *n, const char *name, int64_t value)
{
	Onnx__AttributeProto *a = &s->attribute[n - s->node];
	onnx__attribute_proto__init(a);
	a->name = (char *)name;
	a->has_type = 1;
	a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
	a->has_i = 1;
	a->i = value;
	s->attributes[n - s->node][0] = a;
	n->attribute = s->attributes[n - s->node];
	n->n_attribute = 1;
}

/* A Constant node with a vector of one integer. */
static inline void add_int(struct sketch *s, const char *output, int64_t *value)
{
	Onnx__NodeProto *n = add_node(s, "Constant", output, "", output);
	give_int(s, n, "value_ints", 0);
	n->attribute[0]->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
	n->attribute[0]->has_i = 0;
	n->attribute[0]->ints = value;
	n->attribute[0]->n_ints = 1;
}

/* Replaces the outputs of the model by these names, separated by spaces. */
static inline void set_outputs(struct sketch *s, const char *names)
{
	static char copy[MAX_RESULTS][MAX_TEXT];
	s->graph.n_output = 0;
	for (const char *text = names; *text;) {
		size_t length = strcspn(text, " "), k = s->graph.n_output++;
		snprintf(copy[k], MAX_TEXT, "%.*s", (int)length, text);
		onnx__value_info_proto__init(&s->more[k]);
		s->more[k].name = copy[k];
		s->results[k] = &s->more[k];
		text += length + (text[length] == ' ');
	}
}

static inline void add_weights(struct sketch *s, const char *name, int ndim, const int64_t *dims)
{
	size_t at = s->graph.n_initializer++;
	Onnx__TensorProto *t = s->tensors[at] = &s->tensor[at];
	int64_t count = 1;
	onnx__tensor_proto__init(t);
	t->name = (char *)name;
	t->has_data_type = 1;
	t->data_type = FLOAT;
	t->dims = s->tensor_dims[at];
	for (int i = 0; i < ndim; i++) {
		t->dims[t->n_dims++] = dims[i];
		count *= dims[i];
	}
	t->has_raw_data = 1;
	t->raw_data.data = (uint8_t *)s->values;
	t->raw_data.len = (size_t)count * sizeof(float);
}

/* conv - relu - global average - flatten - linear. */
static inline void small_network(struct sketch *s)
{
	begin(s);
	add_weights(s, "body.0.weight", 4, (int64_t[]){4, 3, 3, 3});
	add_weights(s, "fc.weight", 2, (int64_t[]){5, 4});
	add_weights(s, "fc.bias", 1, (int64_t[]){5});
	add_node(s, "Conv", "/body/body.0/Conv", "x body.0.weight", "a");
	add_node(s, "Relu", "/body/body.1/Relu", "a", "b");
	add_node(s, "GlobalAveragePool", "/pool/GlobalAveragePool", "b", "c");
	add_node(s, "Flatten", "/Flatten", "c", "d");
	give_int(s, add_node(s, "Gemm", "/fc/Gemm", "d fc.weight fc.bias", "y"), "transB", 1);
}

/* Writes the model to a file in the folder. */
static inline void write_model(const struct scratch *folder, const char *name, const struct sketch *s)
{
	size_t size = onnx__model_proto__get_packed_size(&s->model);
	uint8_t *bytes = malloc(size);
	onnx__model_proto__pack(&s->model, bytes);
	scratch_put(scratch_file(folder, name), bytes, size);
	free(bytes);
}

static inline struct thaw_onnx_file *parse(const struct sketch *s)
{
	struct thaw_onnx_file *f = NULL;
	size_t size = onnx__model_proto__get_packed_size(&s->model);
	uint8_t *bytes = malloc(size);
	onnx__model_proto__pack(&s->model, bytes);
	if (thaw_onnx_file_parse(&f, bytes, size, "test.onnx") != THAW_OK)
		fail_msg("%s", thaw_error_message());
	free(bytes);
	return f;
}

static inline struct thaw_graph *import(const struct sketch *s)
{
	struct thaw_onnx_file *f = parse(s);
	struct thaw_onnx_network net;
	const struct thaw_onnx_import_options options = {.height = 8, .width = 8};
	if (thaw_onnx_import(&net, f, &options) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	thaw_onnx_file_close(f);
	return net.graph;
}

#endif
