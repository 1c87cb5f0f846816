/* ONNX export: converts the nodes of a graph in order, then adds inputs, outputs and metadata, and writes the file. */
#include "src/onnx/export/export.h"

#include <string.h>

#include "src/base/try.h"
#include "src/onnx/export/exporter.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/version.h"

#define OPSET      17
#define IR_VERSION 8 /* the version of opset 17 */
/* A second image size, 2 and 3 steps larger, shows which dimensions depend on the image size: its sides differ from the
 * first ones, and from each other, after any network's strides. */
#define OTHER_STEP 32

/* Infers shapes for one image of the requested size and, if the graph accepts it, of another size. */
static thaw_status infer_shapes(const struct thaw_graph *g, const struct thaw_onnx_export_options *options,
				struct thaw_shape *shapes, struct thaw_shape *other, bool *one_size)
{
	enum { CHANNELS = 3 };
	const struct thaw_shape image = thaw_shape_of(1, options->height, options->width, CHANNELS);
	const struct thaw_shape larger =
		thaw_shape_of(1, options->height + 2 * OTHER_STEP, options->width + 3 * OTHER_STEP, CHANNELS);
	THAW_TRY(thaw_graph_infer(g, &image, shapes));
	*one_size = thaw_graph_infer(g, &larger, other) != THAW_OK ||
		    !thaw_shape_equal(&shapes[g->output], &other[g->output]);
	if (*one_size)
		memcpy(other, shapes, (size_t)g->node_count * sizeof(*shapes));
	return THAW_OK;
}

static void export_nodes(struct thaw_onnx_exporter *e)
{
	const struct thaw_graph *g = e->graph;
	for (int i = 0; i < g->node_count; i++)
		e->values[i] = (struct thaw_onnx_exported){.param = -1, .flattened = -1};
	e->values[0].name[THAW_ONNX_CHANNELS_FIRST] = e->image_name;
	for (e->node = 1; e->node <= g->output && !e->failed; e->node++) {
		const struct thaw_node *n = &g->nodes[e->node];
		thaw_onnx_node_export export = thaw_onnx_exporter_find(n->op);
		if (export)
			export(e, n);
		else
			thaw_onnx_fail_export(e, "this operator is not supported");
	}
}

/* Renames a value of the graph in the node that produces it and those that use it. */
static void name_value(struct thaw_onnx_exporter *e, int value, enum thaw_onnx_layout layout, char *name)
{
	const char *produced = thaw_onnx_value_as(e, value, layout);
	bool found = false;
	for (size_t i = 0; !e->failed && i < e->onnx.n_node; i++) {
		Onnx__NodeProto *n = e->onnx.node[i];
		for (size_t k = 0; k < n->n_input; k++)
			if (strcmp(n->input[k], produced) == 0 && found)
				n->input[k] = name;
		if (strcmp(n->output[0], produced) == 0) {
			n->output[0] = name;
			found = true;
		}
	}
	if (found || e->failed)
		return;
	e->node = value;
	Onnx__NodeProto *same = thaw_onnx_emit(e, "Identity", &produced, 1);
	if (same)
		same->output[0] = name;
}

/* Chooses the value of the second output. */
static thaw_status find_grid(struct thaw_onnx_exporter *e)
{
	struct thaw_grid grid;
	if (!thaw_graph_find_grid(e->graph, &grid))
		return thaw_fail(THAW_CONFIG, "the network has no grid of class scores: node %s: export it without one",
				 e->graph->nodes[e->graph->output].name);
	e->grid = grid.value;
	e->grid_name = thaw_onnx_new_name(e, "grid");
	return THAW_OK;
}

/* A fixed or a symbolic dimension. */
struct dimension {
	int64_t size;
	const char *name;
};

static Onnx__ValueInfoProto *describe_value(struct thaw_onnx_exporter *e, char *name, const struct dimension *dims,
					    int ndim)
{
	Onnx__ValueInfoProto *info = thaw_onnx_exporter_alloc(e, 1, sizeof(*info));
	Onnx__TypeProto *type = thaw_onnx_exporter_alloc(e, 1, sizeof(*type));
	Onnx__TypeProto__Tensor *tensor = thaw_onnx_exporter_alloc(e, 1, sizeof(*tensor));
	Onnx__TensorShapeProto *shape = thaw_onnx_exporter_alloc(e, 1, sizeof(*shape));
	Onnx__TensorShapeProto__Dimension **list = thaw_onnx_exporter_alloc(e, (size_t)ndim, sizeof(*list));
	Onnx__TensorShapeProto__Dimension *dim = thaw_onnx_exporter_alloc(e, (size_t)ndim, sizeof(*dim));
	if (!dim)
		return NULL;
	onnx__value_info_proto__init(info);
	onnx__type_proto__init(type);
	onnx__type_proto__tensor__init(tensor);
	onnx__tensor_shape_proto__init(shape);
	for (int i = 0; i < ndim; i++) {
		onnx__tensor_shape_proto__dimension__init(&dim[i]);
		list[i] = &dim[i];
		dim[i].value_case = dims[i].name ? ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM
						 : ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
		if (dims[i].name)
			dim[i].dim_param = thaw_onnx_exporter_text(e, dims[i].name);
		else
			dim[i].dim_value = dims[i].size;
	}
	shape->dim = list;
	shape->n_dim = (size_t)ndim;
	tensor->has_elem_type = true;
	tensor->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
	tensor->shape = shape;
	type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
	type->tensor_type = tensor;
	info->name = name;
	info->type = type;
	return info;
}

/* NULL without a grid. */
static Onnx__ValueInfoProto *describe_grid(struct thaw_onnx_exporter *e)
{
	const int64_t *dim = e->shapes[e->grid].dim; /* (N,h,w,classes) */
	const struct dimension grid[] = {{.name = "N"},
					 {.size = dim[3]},
					 {dim[1], e->one_size ? NULL : "grid_H"},
					 {dim[2], e->one_size ? NULL : "grid_W"}};
	return e->grid_name ? describe_value(e, e->grid_name, grid, 4) : NULL;
}

static void add_metadata(struct thaw_onnx_exporter *e, Onnx__ModelProto *model,
			 const struct thaw_onnx_export_options *options)
{
	const size_t count = (size_t)options->metadata_count;
	Onnx__StringStringEntryProto *entry = thaw_onnx_exporter_alloc(e, count, sizeof(*entry));
	model->metadata_props = thaw_onnx_exporter_alloc(e, count, sizeof(*model->metadata_props));
	if (!model->metadata_props)
		return;
	for (size_t i = 0; i < count; i++) {
		onnx__string_string_entry_proto__init(&entry[i]);
		entry[i].key = options->metadata[i].key;
		entry[i].value = options->metadata[i].value;
		model->metadata_props[i] = &entry[i];
	}
	model->n_metadata_props = count;
}

/* Writes protobuf-c's output to a file; keeps the first error, since `append` cannot fail. */
struct stream {
	ProtobufCBuffer buffer;
	struct thaw_sink *sink;
	thaw_status status;
};

static void append(ProtobufCBuffer *buffer, size_t size, const uint8_t *bytes)
{
	struct stream *s = (struct stream *)buffer;
	if (s->status == THAW_OK)
		s->status = s->sink->write(s->sink, bytes, size);
}

static thaw_status write_model(const Onnx__ModelProto *model, const char *path)
{
	struct thaw_file_writer *file = NULL;
	if (onnx__model_proto__get_packed_size(model) >= THAW_ONNX_MAX_BYTES)
		return thaw_fail(THAW_CONFIG,
				 "network too large for an ONNX file: %s: more than 2 GiB: export it as safetensors",
				 path);
	THAW_TRY(thaw_file_writer_open(&file, path));
	struct stream s = {.buffer.append = append, .sink = thaw_file_writer_sink(file)};
	onnx__model_proto__pack_to_buffer(model, &s.buffer);
	if (s.status != THAW_OK) {
		thaw_file_writer_discard(file);
		return s.status;
	}
	return thaw_file_writer_commit(file);
}

static thaw_status write_messages(struct thaw_onnx_exporter *e, const struct thaw_onnx_export_options *options,
				  const char *path)
{
	const struct dimension image[] = {{.name = "N"},
					  {.size = 3},
					  {options->height, e->one_size ? NULL : "H"},
					  {options->width, e->one_size ? NULL : "W"}};
	struct dimension logits[THAW_MAX_DIMS] = {{.name = "N"}};
	const struct thaw_shape *y = &e->shapes[e->graph->output];
	for (int i = 1; i < y->ndim; i++)
		logits[i].size = y->dim[i];
	Onnx__ValueInfoProto *input = describe_value(e, e->image_name, image, 4);
	Onnx__ValueInfoProto *outputs[] = {describe_value(e, e->logits_name, logits, y->ndim), describe_grid(e)};
	Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets = &opset;
	Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
	opset.domain = "";
	opset.has_version = true;
	opset.version = OPSET;
	e->onnx.name = "network";
	e->onnx.input = &input;
	e->onnx.output = outputs;
	e->onnx.n_input = 1;
	e->onnx.n_output = e->grid_name ? 2 : 1;
	model.has_ir_version = true;
	model.ir_version = IR_VERSION;
	model.opset_import = &opsets;
	model.n_opset_import = 1;
	model.producer_name = "thaw";
	model.producer_version = THAW_VERSION;
	model.graph = &e->onnx;
	add_metadata(e, &model, options);
	return e->failed ? e->failed : write_model(&model, path);
}

static thaw_status export_graph(const struct thaw_graph *g, const struct thaw_onnx_export_options *options,
				const char *path)
{
	struct thaw_shape *shapes = thaw_alloc((size_t)g->node_count, sizeof(*shapes));
	struct thaw_shape *other = thaw_alloc((size_t)g->node_count, sizeof(*other));
	struct thaw_onnx_exporter e = {
		.graph = g,
		.shapes = shapes,
		.other = other,
		.onnx = ONNX__GRAPH_PROTO__INIT,
		.values = thaw_alloc((size_t)g->node_count, sizeof(*e.values)),
	};
	e.failed = shapes && other && e.values ? infer_shapes(g, options, shapes, other, &e.one_size) : THAW_RESOURCE;
	if (!e.failed) {
		e.image_name = thaw_onnx_new_name(&e, "image");
		e.logits_name = thaw_onnx_new_name(&e, "logits");
		if (options->grid)
			e.failed = find_grid(&e);
		export_nodes(&e);
		name_value(&e, g->output, THAW_ONNX_CHANNELS_LAST, e.logits_name);
		if (e.grid_name)
			name_value(&e, e.grid, THAW_ONNX_CHANNELS_FIRST, e.grid_name);
		e.failed = write_messages(&e, options, path);
	}
	thaw_onnx_exporter_release(&e);
	thaw_free(e.values);
	thaw_free(shapes);
	thaw_free(other);
	return e.failed;
}

thaw_status thaw_onnx_export(const struct thaw_graph *g, const struct thaw_onnx_export_options *options,
			     const char *path)
{
	struct thaw_graph *folded = NULL;
	if (!options->fold)
		return export_graph(g, options, path);
	folded = thaw_graph_copy(g);
	thaw_status status = folded ? thaw_graph_unfreeze(folded, "none") : THAW_RESOURCE;
	if (status == THAW_OK) {
		thaw_graph_batch_statistics(folded, false);
		status = thaw_pass_fold(folded);
	}
	if (status == THAW_OK)
		status = export_graph(folded, options, path);
	thaw_graph_destroy(folded);
	return status;
}
