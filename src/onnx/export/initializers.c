/* Initialisers: parameters with their names, and constants of nodes. */
#include <stdio.h>
#include <string.h>

#include "src/base/grow.h"
#include "src/onnx/export/exporter.h"

#define NAME_TEXT 256 /* bytes of the name of a constant; the node's name is cut to fit */

/* Adds an initialiser. The data is not copied. Returns its name. */
static const char *add_initializer(struct thaw_onnx_exporter *e, const char *base, Onnx__TensorProto__DataType type,
				   const int64_t *dim, int ndim, const void *data, size_t bytes)
{
	char *name = thaw_onnx_new_name(e, base);
	Onnx__TensorProto *t = thaw_onnx_exporter_alloc(e, 1, sizeof(*t));
	int64_t *dims = thaw_onnx_exporter_alloc(e, (size_t)ndim, sizeof(*dims));
	if (!dims || !data)
		return "";
	Onnx__TensorProto **all =
		thaw_grow(e->onnx.initializer, (int)e->onnx.n_initializer, sizeof(Onnx__TensorProto *));
	if (!all) {
		e->failed = THAW_RESOURCE;
		return "";
	}
	e->onnx.initializer = all;
	e->bytes += bytes;
	if (e->bytes >= THAW_ONNX_MAX_BYTES) {
		e->failed = thaw_fail(
			THAW_CONFIG,
			"network too large for an ONNX file: more than 2 GiB of weights: export it as safetensors");
		return "";
	}
	onnx__tensor_proto__init(t);
	t->name = name;
	t->has_data_type = true;
	t->data_type = type;
	t->dims = dims;
	t->n_dims = (size_t)ndim;
	if (ndim > 0)
		memcpy(dims, dim, (size_t)ndim * sizeof(*dim));
	t->has_raw_data = true;
	t->raw_data = (ProtobufCBinaryData){bytes, (uint8_t *)data}; /* protobuf-c only reads it */
	all[e->onnx.n_initializer++] = t;
	return name;
}

const char *thaw_onnx_emit_floats(struct thaw_onnx_exporter *e, const char *base, const struct thaw_shape *shape,
				  const float *data)
{
	return add_initializer(e, base, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, shape->dim, shape->ndim, data,
			       (size_t)thaw_shape_count(shape) * sizeof(*data));
}

const char *thaw_onnx_emit_ints(struct thaw_onnx_exporter *e, const int64_t *values, int count)
{
	char base[NAME_TEXT];
	int64_t *data = thaw_onnx_exporter_alloc(e, (size_t)count, sizeof(*data)), dim = count;
	if (!data)
		return "";
	memcpy(data, values, (size_t)count * sizeof(*data));
	snprintf(base, sizeof(base), "%.200s/numbers", e->graph->nodes[e->node].name);
	return add_initializer(e, base, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, &dim, 1, data,
			       (size_t)count * sizeof(*data));
}

const char *thaw_onnx_emit_scalar(struct thaw_onnx_exporter *e, float value)
{
	char base[NAME_TEXT];
	float *data = thaw_onnx_exporter_alloc(e, 1, sizeof(*data));
	if (!data)
		return "";
	*data = value;
	snprintf(base, sizeof(base), "%.200s/%.9g", e->graph->nodes[e->node].name, (double)value);
	return add_initializer(e, base, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, NULL, 0, data, sizeof(*data));
}

/* The shape in the model: a linear layer that runs as a convolution, and one along rows, are convolutions there. */
static struct thaw_shape shape_in_model(const struct thaw_param *p)
{
	const int64_t *d = p->shape.dim;
	const bool conv = p->layout == THAW_LAYOUT_FC_CONV || p->layout == THAW_LAYOUT_CONV_ROW;
	return conv ? thaw_shape_of(d[3], d[2], d[0], d[1]) : p->file_shape;
}

const char *thaw_onnx_param_in(struct thaw_onnx_exporter *e, const struct thaw_node *n, int k)
{
	if (k >= n->param_count)
		return "";
	const struct thaw_param *p = &e->graph->params[n->params[k]];
	if (p->layout == THAW_LAYOUT_SAME)
		return thaw_onnx_emit_floats(e, p->name, &p->file_shape, p->data);
	const struct thaw_shape shape = shape_in_model(p);
	float *data = thaw_onnx_exporter_alloc(e, (size_t)thaw_shape_count(&p->shape), sizeof(*data));
	if (data)
		thaw_param_export(p, data);
	return thaw_onnx_emit_floats(e, p->name, &shape, data);
}

/* (n,rows,C) to (n,C,rows). */
static void channels_first(float *to, const float *from, int64_t n, int64_t rows, int64_t channels)
{
	for (int64_t i = 0; i < n; i++, from += rows * channels)
		for (int64_t c = 0; c < channels; c++)
			for (int64_t r = 0; r < rows; r++)
				*to++ = from[r * channels + c];
}

const char *thaw_onnx_param_as(struct thaw_onnx_exporter *e, int param, enum thaw_onnx_layout layout)
{
	const struct thaw_param *p = &e->graph->params[param];
	const int ndim = p->shape.ndim;
	int order[THAW_MAX_DIMS];
	struct thaw_shape shape = {.ndim = ndim};
	if (layout == THAW_ONNX_CHANNELS_LAST)
		return thaw_onnx_emit_floats(e, p->name, &p->shape, p->data);
	thaw_onnx_layout_order(layout, ndim, order);
	for (int i = 0; i < ndim; i++)
		shape.dim[i] = p->shape.dim[order[i]];
	int64_t count = thaw_shape_count(&shape);
	float *data = thaw_onnx_exporter_alloc(e, (size_t)count, sizeof(*data));
	if (data && count > 0)
		channels_first(data, p->data, shape.dim[0], count / shape.dim[0] / shape.dim[1], shape.dim[1]);
	return thaw_onnx_emit_floats(e, p->name, &shape, data);
}
