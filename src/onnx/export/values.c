/* Values of the graph in the model: conversion between layouts, sizes that depend on the images. */
#include <string.h>

#include "src/onnx/export/exporter.h"

const struct thaw_shape *thaw_onnx_shape_in(const struct thaw_onnx_exporter *e, const struct thaw_node *n, int k)
{
	return &e->shapes[n->inputs[k]];
}

bool thaw_onnx_one_pixel(const struct thaw_onnx_exporter *e, int value)
{
	const struct thaw_shape *a = &e->shapes[value], *b = &e->other[value];
	for (int axis = 1; axis < a->ndim - 1; axis++)
		if (a->dim[axis] != 1 || b->dim[axis] != 1)
			return false;
	return a->ndim > 2;
}

bool thaw_onnx_has_layout(const struct thaw_onnx_exporter *e, int value, enum thaw_onnx_layout layout)
{
	return e->values[value].name[layout] != NULL;
}

/* Channels first if any input with more than two axes has that layout: convolutions need it. */
enum thaw_onnx_layout thaw_onnx_common_layout(const struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	for (int k = 0; k < n->input_count; k++)
		if (thaw_onnx_shape_in(e, n, k)->ndim > 2 && !e->graph->nodes[n->inputs[k]].fixed &&
		    thaw_onnx_has_layout(e, n->inputs[k], THAW_ONNX_CHANNELS_FIRST))
			return THAW_ONNX_CHANNELS_FIRST;
	return THAW_ONNX_CHANNELS_LAST;
}

enum thaw_onnx_layout thaw_onnx_elementwise_layout(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const struct thaw_onnx_exported *x = &e->values[n->inputs[0]];
	int flattened = x->flattened;
	if (n->input_count == 1 && x->name[THAW_ONNX_FLAT] && !x->name[THAW_ONNX_CHANNELS_FIRST])
		return THAW_ONNX_FLAT;
	if (n->input_count > 1 || flattened < 0)
		return thaw_onnx_common_layout(e, n);
	e->values[e->node].flattened = flattened;
	return thaw_onnx_has_layout(e, n->inputs[0], THAW_ONNX_CHANNELS_FIRST) ? THAW_ONNX_CHANNELS_FIRST
									       : THAW_ONNX_CHANNELS_LAST;
}

struct thaw_onnx_size thaw_onnx_size_of(const struct thaw_onnx_exporter *e, int value, int axis)
{
	return (struct thaw_onnx_size){
		.size = e->shapes[value].dim[axis],
		.images = axis == 0 && !e->graph->nodes[value].fixed,
		.open = e->shapes[value].dim[axis] != e->other[value].dim[axis],
		.from = -1,
	};
}

const char *thaw_onnx_emit_reshape(struct thaw_onnx_exporter *e, const char *x, const struct thaw_onnx_size *sizes,
				   int ndim)
{
	int64_t shape[THAW_MAX_FACTORS];
	int left_open = -1;
	for (int i = 0; i < ndim; i++)
		shape[i] = sizes[i].from == i ? 0 : sizes[i].size;
	for (int i = 0; i < ndim; i++) /* the batch size must remain symbolic */
		if (shape[i] && sizes[i].images)
			shape[left_open = i] = -1;
	for (int i = 0; i < ndim; i++) {
		if (shape[i] <= 0 || !sizes[i].open)
			continue;
		if (left_open < 0)
			shape[left_open = i] = -1;
		else
			e->one_size = true;
	}
	return thaw_onnx_emit_two(e, "Reshape", x, thaw_onnx_emit_ints(e, shape, ndim));
}

/* Converts a flattened image between the orders of channels first and last. */
static const char *reorder_flat(struct thaw_onnx_exporter *e, int value, enum thaw_onnx_layout layout)
{
	int image = e->values[value].flattened, order[THAW_MAX_DIMS], ndim = e->shapes[image].ndim;
	enum thaw_onnx_layout from =
		layout == THAW_ONNX_CHANNELS_LAST ? THAW_ONNX_CHANNELS_FIRST : THAW_ONNX_CHANNELS_LAST;
	struct thaw_onnx_size sizes[THAW_MAX_DIMS],
		flat[] = {thaw_onnx_size_of(e, value, 0), thaw_onnx_size_of(e, value, 1)};
	thaw_onnx_layout_order(from, ndim, order);
	for (int i = 0; i < ndim; i++)
		sizes[i] = thaw_onnx_size_of(e, image, order[i]);
	sizes[0].from = flat[0].from = 0;
	const char *x = thaw_onnx_emit_reshape(e, e->values[value].name[from], sizes, ndim);
	for (int i = 0; i < ndim; i++)
		order[i] = layout == THAW_ONNX_CHANNELS_FIRST
				   ? (i == 0   ? 0
				      : i == 1 ? ndim - 1
					       : i - 1)
				   : thaw_onnx_layout_axis(THAW_ONNX_CHANNELS_FIRST, ndim, i);
	return thaw_onnx_emit_reshape(e, thaw_onnx_emit_transpose(e, x, order, ndim), flat, 2);
}

/* Converts a value with one pixel: a reshape is enough. */
static const char *reshape_pixel(struct thaw_onnx_exporter *e, int value, const char *x, enum thaw_onnx_layout layout)
{
	struct thaw_onnx_size sizes[THAW_MAX_DIMS];
	int order[THAW_MAX_DIMS], ndim = e->shapes[value].ndim;
	if (layout == THAW_ONNX_FLAT)
		return thaw_onnx_emit_one(e, "Flatten", x);
	thaw_onnx_layout_order(layout, ndim, order);
	for (int i = 0; i < ndim; i++)
		sizes[i] = thaw_onnx_size_of(e, value, order[i]);
	sizes[0].from = 0;
	return thaw_onnx_emit_reshape(e, x, sizes, ndim);
}

static const char *convert(struct thaw_onnx_exporter *e, int value, enum thaw_onnx_layout layout)
{
	const struct thaw_onnx_exported *v = &e->values[value];
	enum thaw_onnx_layout from = THAW_ONNX_CHANNELS_LAST;
	int order[THAW_MAX_DIMS], ndim = e->shapes[value].ndim;
	while (from < THAW_ONNX_LAYOUTS && !v->name[from])
		from++;
	if (from == THAW_ONNX_LAYOUTS)
		return thaw_onnx_param_as(e, v->param, layout);
	if (v->flattened >= 0)
		return reorder_flat(e, value, layout);
	if (ndim < 3)
		return v->name[from];
	if (thaw_onnx_one_pixel(e, value))
		return reshape_pixel(e, value, v->name[from], layout);
	if (layout == THAW_ONNX_CHANNELS_FIRST)
		thaw_onnx_layout_order(layout, ndim, order);
	else
		for (int i = 0; i < ndim; i++)
			order[i] = thaw_onnx_layout_axis(from, ndim, i);
	return thaw_onnx_emit_transpose(e, v->name[from], order, ndim);
}

const char *thaw_onnx_value_as(struct thaw_onnx_exporter *e, int value, enum thaw_onnx_layout layout)
{
	struct thaw_onnx_exported *v = &e->values[value];
	if (e->failed)
		return "";
	if (!v->name[layout])
		v->name[layout] = convert(e, value, layout);
	return v->name[layout];
}

const char *thaw_onnx_in(struct thaw_onnx_exporter *e, const struct thaw_node *n, int k, enum thaw_onnx_layout layout)
{
	return thaw_onnx_value_as(e, n->inputs[k], layout);
}

void thaw_onnx_out(struct thaw_onnx_exporter *e, enum thaw_onnx_layout layout, const char *name)
{
	e->values[e->node].name[layout] = name;
}

void thaw_onnx_out_activated(struct thaw_onnx_exporter *e, const struct thaw_node *n, enum thaw_onnx_layout layout,
			     const char *name)
{
	const float most = 6.0f; /* relu6 */
	if (n->op->adds && n->input_count > 1)
		name = thaw_onnx_emit_two(e, "Add", name, thaw_onnx_in(e, n, n->input_count - 1, layout));
	if (n->attrs.activation == THAW_ACT_RELU)
		name = thaw_onnx_emit_one(e, "Relu", name);
	else if (n->attrs.activation == THAW_ACT_RELU6)
		name = thaw_onnx_output_of(thaw_onnx_emit(
			e, "Clip",
			(const char *[]){name, thaw_onnx_emit_scalar(e, 0.0f), thaw_onnx_emit_scalar(e, most)}, 3));
	thaw_onnx_out(e, layout, name);
}

void thaw_onnx_out_input(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	e->values[e->node] = e->values[n->inputs[0]];
}
