/* From a model's messages to a graph: names become values, nodes that the output needs are imported in their order,
 * what is constant is computed on the way. */
#include "src/onnx/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/onnx/importer.h"

/* What an open first dimension is taken for. A prime larger than other sizes: a product of it is known for one. */
#define OPEN_IMAGES      7919
#define OLDEST_OPSET     9
#define UNSUPPORTED_TEXT 1024 /* bytes of the list of nodes in a message */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct thaw_onnx_value *)a)->name, ((const struct thaw_onnx_value *)b)->name);
}

static void add_name(struct thaw_onnx_importer *m, int *count, const char *name)
{
	if (name[0])
		m->values[(*count)++].name = name;
}

/* Whether names are there at all, which the messages leave open. */
static thaw_status check_named(const struct thaw_onnx_importer *m)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	bool named = true;
	for (size_t i = 0; i < g->n_node; i++)
		named &= g->node[i]->op_type != NULL;
	for (size_t i = 0; i < g->n_initializer; i++)
		named &= g->initializer[i]->name != NULL;
	for (size_t i = 0; i < g->n_input; i++)
		named &= g->input[i]->name != NULL;
	for (size_t i = 0; i < g->n_output; i++)
		named &= g->output[i]->name != NULL;
	return named ? THAW_OK
		     : thaw_fail(THAW_DATA, "%s: a node without an operator, or a value without a name", m->file->path);
}

/* Every name that a node, an initialiser or an input gives a value. */
static thaw_status collect_names(struct thaw_onnx_importer *m)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	size_t room = g->n_initializer + g->n_input;
	for (size_t i = 0; i < g->n_node; i++)
		room += g->node[i]->n_output;
	m->values = thaw_alloc(room, sizeof *m->values);
	if (!m->values)
		return THAW_RESOURCE;
	int count = 0;
	for (size_t i = 0; i < g->n_initializer; i++)
		add_name(m, &count, g->initializer[i]->name);
	for (size_t i = 0; i < g->n_input; i++)
		add_name(m, &count, g->input[i]->name);
	for (size_t i = 0; i < g->n_node; i++)
		for (size_t k = 0; k < g->node[i]->n_output; k++)
			add_name(m, &count, g->node[i]->output[k]);
	qsort(m->values, (size_t)count, sizeof *m->values, by_name);
	for (int i = 0; i < count; i++) /* an initialiser may be an input as well */
		if (i == 0 || strcmp(m->values[i].name, m->values[m->value_count - 1].name) != 0)
			m->values[m->value_count++] = m->values[i];
	return THAW_OK;
}

static thaw_status find_opset(struct thaw_onnx_importer *m, bool any)
{
	const Onnx__ModelProto *model = m->file->model;
	for (size_t i = 0; i < model->n_opset_import; i++) {
		const char *domain = model->opset_import[i]->domain;
		if (!domain || !domain[0] || strcmp(domain, "ai.onnx") == 0)
			m->opset = model->opset_import[i]->version;
	}
	if (m->opset < OLDEST_OPSET && !any)
		return thaw_fail(THAW_CONFIG,
				 "%s: opset %lld is not supported: export the network with opset %d or newer",
				 m->file->path, (long long)m->opset, OLDEST_OPSET);
	return THAW_OK;
}

/* needed[node]: whether the value of that name depends on it. Nodes stand in order, so one walk back will do. */
static thaw_status find_needed(const struct thaw_onnx_importer *m, const char *output, bool *needed)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	bool *wanted = thaw_alloc((size_t)m->value_count, sizeof *wanted);
	if (!wanted)
		return THAW_RESOURCE;
	const struct thaw_onnx_value *v = thaw_onnx_value_find(m, output);
	if (v)
		wanted[v - m->values] = true;
	for (size_t i = g->n_node; i-- > 0;) {
		const Onnx__NodeProto *n = g->node[i];
		for (size_t k = 0; k < n->n_output; k++)
			if ((v = thaw_onnx_value_find(m, n->output[k])))
				needed[i] |= wanted[v - m->values];
		for (size_t k = 0; needed[i] && k < n->n_input; k++)
			if ((v = thaw_onnx_value_find(m, n->input[k])))
				wanted[v - m->values] = true;
	}
	thaw_free(wanted);
	return THAW_OK;
}

static bool own_domain(const Onnx__NodeProto *n)
{
	return !n->domain || !n->domain[0] || strcmp(n->domain, "ai.onnx") == 0;
}

/* All nodes that are not supported, in one message. */
static thaw_status check_operators(const struct thaw_onnx_importer *m, const bool *needed)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	char text[UNSUPPORTED_TEXT] = "";
	size_t used = 0;
	int count = 0;
	for (size_t i = 0; i < g->n_node; i++) {
		const Onnx__NodeProto *n = g->node[i];
		bool known = own_domain(n) && (thaw_onnx_importer_find(n) || thaw_onnx_constant_knows(n->op_type));
		if (!needed[i] || known)
			continue;
		if (used < sizeof text)
			used += (size_t)snprintf(text + used, sizeof text - used, "%s%s%s%s (%s)", count ? ", " : "",
						 own_domain(n) ? "" : n->domain, own_domain(n) ? "" : ".", n->op_type,
						 n->name && n->name[0] ? n->name : "no name");
		count++;
	}
	if (count == 0)
		return THAW_OK;
	return thaw_fail(THAW_CONFIG, "%s: %d nodes of opset %lld are not supported: %s", m->file->path, count,
			 (long long)m->opset, text);
}

/* Floats of any width are computed with as fp32. */
static thaw_status widen(struct thaw_onnx_constant *c)
{
	if (c->type != THAW_F16 && c->type != THAW_BF16)
		return THAW_OK;
	int64_t count = thaw_shape_count(&c->shape);
	float *data = thaw_alloc((size_t)count, sizeof *data);
	if (!data)
		return THAW_RESOURCE;
	thaw_to_f32(c->type, c->data, data, count);
	thaw_free(c->data);
	c->data = data;
	c->type = THAW_F32;
	return THAW_OK;
}

/* A constant repeated for every one of an open number of images, such as a class token, is kept once. */
static void keep_once(const struct thaw_onnx_importer *m, struct thaw_onnx_constant *c)
{
	if (m->images != OPEN_IMAGES || c->shape.rank < 2 || c->shape.dim[0] != OPEN_IMAGES)
		return;
	size_t one = (size_t)thaw_shape_count(&c->shape) / OPEN_IMAGES * thaw_dtype_size(c->type);
	for (size_t i = 1; i < OPEN_IMAGES; i++)
		if (memcmp(c->data, (const char *)c->data + i * one, one) != 0)
			return;
	c->shape.dim[0] = 1;
}

/* Gives a value these elements, which become its own. */
static thaw_status set_constant(const struct thaw_onnx_importer *m, struct thaw_onnx_value *v,
				struct thaw_onnx_constant *c)
{
	v->constant = thaw_alloc(1, sizeof *v->constant);
	if (!v->constant) {
		thaw_onnx_constant_free(c);
		return THAW_RESOURCE;
	}
	keep_once(m, c);
	*v->constant = *c;
	v->known = true;
	return widen(v->constant);
}

static thaw_status read_initializers(struct thaw_onnx_importer *m)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	for (size_t i = 0; i < g->n_initializer; i++) {
		struct thaw_onnx_value *v = thaw_onnx_value_find(m, g->initializer[i]->name);
		struct thaw_onnx_tensor t;
		struct thaw_onnx_constant c;
		if (!v || v->known)
			return thaw_fail(THAW_DATA, "%s: two initialisers are called %s, or one has no name",
					 m->file->path, v ? v->name : "nothing");
		THAW_TRY(thaw_onnx_tensor_read(&t, g->initializer[i], m->file));
		thaw_status status = thaw_onnx_constant_from(&c, &t);
		thaw_onnx_tensor_free(&t);
		THAW_TRY(status);
		THAW_TRY(set_constant(m, v, &c));
		v->initial = true;
	}
	return THAW_OK;
}

/* Inputs that the caller knows. */
static thaw_status take_given(struct thaw_onnx_importer *m, const struct thaw_onnx_wish *wish)
{
	for (int i = 0; i < wish->given_count; i++) {
		const struct thaw_onnx_constant *given = wish->given[i].constant;
		struct thaw_onnx_value *v = thaw_onnx_value_find(m, wish->given[i].name);
		size_t bytes = (size_t)thaw_shape_count(&given->shape) * thaw_dtype_size(given->type);
		if (!v || v->known)
			continue;
		struct thaw_onnx_constant c = {given->type, given->shape, thaw_alloc(bytes, 1)};
		if (!c.data)
			return THAW_RESOURCE;
		memcpy(c.data, given->data, bytes);
		THAW_TRY(set_constant(m, v, &c));
	}
	return THAW_OK;
}

/* Whether elements of all that the node reads are known. */
static thaw_status reads_constants(const struct thaw_onnx_importer *m, const Onnx__NodeProto *n, bool *constants)
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

/* Hands the node's outputs to the values of their names. */
static thaw_status set_outputs(struct thaw_onnx_importer *m, const Onnx__NodeProto *n,
			       struct thaw_onnx_constant *outputs)
{
	thaw_status status = THAW_OK;
	for (size_t k = 0; k < n->n_output; k++) {
		struct thaw_onnx_value *v = thaw_onnx_value_find(m, n->output[k]);
		if (status == THAW_OK && v && v->known)
			status = thaw_onnx_fail_node(n, "output %s exists already", n->output[k]);
		if (status == THAW_OK && v)
			status = set_constant(m, v, &outputs[k]);
		else
			thaw_onnx_constant_free(&outputs[k]);
	}
	return status;
}

/* Whether a node looks rows up in a table of weights, such as Swin's relative positions: the table trains. */
static bool looks_up_weights(const struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	if (strcmp(n->op_type, "Gather") != 0 || n->n_input == 0)
		return false;
	const struct thaw_onnx_value *v = thaw_onnx_value_find(m, n->input[0]);
	return v && v->initial && v->constant && v->constant->type == THAW_F32 && v->constant->shape.rank == 2;
}

/* Computes a node whose inputs are all known. *computed false: it is not one of those. */
static thaw_status evaluate(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, bool *computed)
{
	bool constants = thaw_onnx_constant_knows(n->op_type) && !looks_up_weights(m, n);
	*computed = false;
	if (constants)
		THAW_TRY(reads_constants(m, n, &constants));
	if (!constants)
		return THAW_OK;
	const struct thaw_onnx_constant **inputs = thaw_alloc(n->n_input, sizeof *inputs);
	struct thaw_onnx_constant *outputs = thaw_alloc(n->n_output, sizeof *outputs);
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
	enum thaw_onnx_answer answer = THAW_ONNX_NOT_HERE;
	thaw_status status = inputs && outputs ? THAW_OK : THAW_RESOURCE;
	for (size_t k = 0; status == THAW_OK && k < n->n_input; k++)
		inputs[k] = n->input[k][0] ? thaw_onnx_value_find(m, n->input[k])->constant : NULL;
	if (status == THAW_OK)
		status = thaw_onnx_constant_evaluate(&answer, &o);
	if (status == THAW_OK && answer == THAW_ONNX_COMPUTED)
		status = set_outputs(m, n, outputs);
	*computed = answer == THAW_ONNX_COMPUTED;
	thaw_free(inputs);
	thaw_free(outputs);
	return status;
}

static thaw_status import_nodes(struct thaw_onnx_importer *m, const bool *needed)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	for (size_t i = 0; i < g->n_node; i++) {
		const Onnx__NodeProto *n = g->node[i];
		bool computed = false;
		if (!needed[i])
			continue;
		m->added = 0;
		thaw_status status = evaluate(m, n, &computed);
		thaw_onnx_node_import import = thaw_onnx_importer_find(n);
		if (status == THAW_OK && !computed)
			status = import ? import(m, n)
					: thaw_onnx_fail_node(n, "it is supported between constants only, of numbers");
		if (status == THAW_OK)
			status = m->graph->failed;
		if (status != THAW_OK)
			return thaw_fail_in(status, "%s", m->file->path);
	}
	return THAW_OK;
}

/* The input that is no initialiser. */
static const Onnx__ValueInfoProto *find_image(const struct thaw_onnx_importer *m)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	for (size_t i = 0; i < g->n_input; i++) {
		const struct thaw_onnx_value *v = thaw_onnx_value_find(m, g->input[i]->name);
		if (v && !v->known)
			return g->input[i];
	}
	return NULL;
}

/* Its dimensions; 0 for one that is left open. */
static thaw_status read_dims(const struct thaw_onnx_importer *m, const Onnx__ValueInfoProto *input,
			     struct thaw_shape *shape)
{
	bool tensor = input->type && input->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
	const Onnx__TypeProto__Tensor *type = tensor ? input->type->tensor_type : NULL;
	enum thaw_dtype element;
	if (!type || !type->shape || type->shape->n_dim > THAW_MAX_RANK - 1)
		return thaw_fail(THAW_CONFIG, "%s: input %s is no tensor of known rank up to %d", m->file->path,
				 input->name, THAW_MAX_RANK - 1);
	if (!thaw_onnx_type(type->elem_type, &element) || element != THAW_F32)
		return thaw_fail(THAW_CONFIG, "%s: input %s holds %s: only FLOAT is supported", m->file->path,
				 input->name, thaw_onnx_type_name(type->elem_type));
	shape->rank = (int)type->shape->n_dim;
	for (int i = 0; i < shape->rank; i++) {
		const Onnx__TensorShapeProto__Dimension *d = type->shape->dim[i];
		bool open = d->value_case != ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE || d->dim_value == -1;
		shape->dim[i] = open ? 0 : d->dim_value;
		if (!open && d->dim_value < 1)
			return thaw_fail(THAW_DATA, "%s: input %s has a dimension of %lld", m->file->path, input->name,
					 (long long)d->dim_value);
	}
	thaw_status status = thaw_shape_check(shape, input->name);
	return status == THAW_OK ? status : thaw_fail_in(status, "%s", m->file->path);
}

/* Node 0 from an image (N,C,H,W), or (N,H,W,C) as TensorFlow has it. */
static thaw_status set_image(struct thaw_onnx_importer *m, struct thaw_onnx_value *v, const struct thaw_shape *s,
			     const struct thaw_onnx_wish *wish, struct thaw_onnx_network *network)
{
	enum { CHANNELS = 3 };
	static const int to_onnx[] = {0, 3, 1, 2};
	bool last = s->rank == 4 && s->dim[3] == CHANNELS && s->dim[1] != CHANNELS;
	if (s->rank != 4 || (!last && s->dim[1] != CHANNELS))
		return thaw_fail(THAW_CONFIG, "%s: input %s is no image of three channels, (N,3,H,W) or (N,H,W,3)",
				 m->file->path, v->name);
	int64_t height = s->dim[last ? 1 : 2], width = s->dim[last ? 2 : 3];
	network->open_size = height == 0 && width == 0;
	m->images = s->dim[0] ? s->dim[0] : OPEN_IMAGES;
	m->image = thaw_shape_of(m->images, height ? height : wish->size, width ? width : wish->size, CHANNELS);
	network->image = m->image;
	network->image.dim[0] = 1;
	thaw_onnx_axes_set(&v->axes, &m->image, m->images);
	if (!last)
		thaw_onnx_axes_transpose(&v->axes, to_onnx);
	return THAW_OK;
}

/* Node 0 from any tensor: one sample, with an axis of 1 in front. */
static thaw_status set_sample(struct thaw_onnx_importer *m, struct thaw_onnx_value *v, const struct thaw_shape *s)
{
	m->images = 0; /* no axis counts them, so that every axis may be moved */
	m->image = (struct thaw_shape){.rank = s->rank + 1, .dim = {1}};
	for (int i = 0; i < s->rank; i++) {
		if (s->dim[i] == 0)
			return thaw_fail(THAW_CONFIG, "%s: input %s has an open dimension", m->file->path, v->name);
		m->image.dim[i + 1] = s->dim[i];
	}
	thaw_onnx_axes_set(&v->axes, &m->image, m->images);
	thaw_onnx_axes_reshape(&v->axes, s->dim, s->rank);
	return THAW_OK;
}

static thaw_status set_input(struct thaw_onnx_importer *m, const struct thaw_onnx_wish *wish,
			     struct thaw_onnx_network *network)
{
	const Onnx__ValueInfoProto *input = find_image(m);
	struct thaw_shape shape;
	if (!input)
		return thaw_fail(THAW_DATA, "%s: the model has no input", m->file->path);
	THAW_TRY(read_dims(m, input, &shape));
	struct thaw_onnx_value *v = thaw_onnx_value_find(m, input->name);
	v->known = true;
	if (wish->computation)
		return set_sample(m, v, &shape);
	return set_image(m, v, &shape, wish, network);
}

/* The graph's output from the model's: (N,classes), or the sample in the order of its axes. */
static thaw_status set_output(struct thaw_onnx_importer *m, const char *name, const struct thaw_onnx_wish *wish,
			      struct thaw_onnx_network *network)
{
	const Onnx__NodeProto last = {.op_type = (char *)"output", .name = (char *)name};
	struct thaw_onnx_value *made = thaw_onnx_value_find(m, name);
	if (!made || !made->known || made->constant)
		return thaw_fail(THAW_DATA, "%s: output %s does not depend on the input", m->file->path, name);
	struct thaw_onnx_value v = *made;
	m->added = 0;
	if (wish->computation) {
		int64_t dim[THAW_MAX_RANK] = {1};
		for (int i = 0; i < v.axes.rank && i < THAW_MAX_RANK - 1; i++)
			dim[i + 1] = network->sample.dim[i] = thaw_onnx_axes_dim(&v.axes, i);
		network->sample.rank = v.axes.rank;
		THAW_TRY(thaw_onnx_in_order(m, &last, &v));
		if (v.axes.rank < THAW_MAX_RANK)
			thaw_onnx_axes_reshape(&v.axes, dim, v.axes.rank + 1);
	} else if (v.axes.rank != 2) {
		int64_t dim[] = {m->images, thaw_onnx_axes_count(&v.axes) / m->images};
		if (!thaw_onnx_axes_reshape(&v.axes, dim, 2))
			return thaw_fail(THAW_CONFIG, "%s: output %s is no vector of classes", m->file->path, name);
	}
	THAW_TRY(thaw_onnx_in_order(m, &last, &v));
	m->graph->output = v.node;
	return THAW_OK;
}

/* A network that ends in features gets a classifier that says them again, for others to take its place. */
static thaw_status add_classifier(struct thaw_onnx_importer *m)
{
	struct thaw_shape shape;
	m->shaped = 0; /* nodes were recognised since: they have other numbers */
	THAW_TRY(thaw_onnx_shape(m, m->graph->output, &shape));
	int64_t n = shape.dim[1];
	struct thaw_shape square = thaw_shape_of(n, n), row = thaw_shape_of(n);
	int node = thaw_graph_add(m->graph, "linear", "classifier", NULL, &m->graph->output, 1);
	thaw_graph_param(m->graph, node, "classifier.weight", THAW_ROLE_WEIGHT, THAW_LAYOUT_SAME, &square, NULL);
	thaw_graph_param(m->graph, node, "classifier.bias", THAW_ROLE_BIAS, THAW_LAYOUT_SAME, &row, NULL);
	THAW_TRY(m->graph->failed);
	float *weight = m->graph->params[m->graph->nodes[node].params[0]].data;
	for (int64_t i = 0; i < n; i++)
		weight[i * n + i] = 1.0f;
	m->graph->output = m->graph->head = node;
	return THAW_OK;
}

static thaw_status import_all(struct thaw_onnx_importer *m, bool *needed, const struct thaw_onnx_wish *wish,
			      struct thaw_onnx_network *network)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	if (g->n_output == 0)
		return thaw_fail(THAW_DATA, "%s: the model has no output", m->file->path);
	THAW_TRY(find_opset(m, wish->computation));
	THAW_TRY(check_named(m));
	THAW_TRY(collect_names(m));
	const char *output = g->output[0]->name;
	THAW_TRY(find_needed(m, output, needed));
	THAW_TRY(check_operators(m, needed));
	THAW_TRY(read_initializers(m));
	THAW_TRY(take_given(m, wish));
	THAW_TRY(set_input(m, wish, network));
	m->keep_softmax = wish->computation;
	m->output = output;
	thaw_graph_block(m->graph, "network");
	THAW_TRY(import_nodes(m, needed));
	THAW_TRY(set_output(m, output, wish, network));
	network->softmax = m->softmax_dropped;
	THAW_TRY(thaw_graph_recognise(m->graph, &m->image));
	if (wish->computation)
		return m->graph->failed;
	if (thaw_graph_find_head(m->graph) != THAW_OK) {
		network->features = true;
		THAW_TRY(add_classifier(m));
	}
	return thaw_graph_find_blocks(m->graph);
}

static void release(struct thaw_onnx_importer *m)
{
	for (int i = 0; i < m->value_count; i++)
		if (m->values[i].constant) {
			thaw_onnx_constant_free(m->values[i].constant);
			thaw_free(m->values[i].constant);
		}
	thaw_free(m->values);
	thaw_free(m->shapes);
}

thaw_status thaw_onnx_import(struct thaw_onnx_network *network, const struct thaw_onnx_file *file,
			     const struct thaw_onnx_wish *wish)
{
	struct thaw_onnx_importer m = {.file = file, .graph = thaw_graph_create()};
	bool *needed = thaw_alloc(file->model->graph->n_node, sizeof *needed);
	*network = (struct thaw_onnx_network){0};
	thaw_status status = m.graph && needed ? import_all(&m, needed, wish, network) : THAW_RESOURCE;
	release(&m);
	thaw_free(needed);
	if (status != THAW_OK) {
		thaw_graph_destroy(m.graph);
		return status;
	}
	network->graph = m.graph;
	return THAW_OK;
}
