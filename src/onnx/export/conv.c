/* Convolutions, batch norms, group norms and LRN, which need (N,C,H,W). */
#include <string.h>

#include "src/base/minmax.h"
#include "src/onnx/export/exporter.h"
#include "src/ops/std_conv.h"

static int64_t or_one(int value)
{
	return value ? value : 1;
}

void thaw_onnx_set_window(struct thaw_onnx_exporter *e, Onnx__NodeProto *y, const struct thaw_attrs *attrs,
			  const int64_t *kernel)
{
	const int64_t strides[] = {or_one(attrs->stride[0]), or_one(attrs->stride[1])};
	const int64_t dilations[] = {or_one(attrs->dilation[0]), or_one(attrs->dilation[1])};
	const int64_t pads[] = {attrs->pad[0], attrs->pad[1], attrs->pad[2], attrs->pad[3]};
	thaw_onnx_set_ints(e, y, "kernel_shape", kernel, 2);
	thaw_onnx_set_ints(e, y, "strides", strides, 2);
	if (dilations[0] != 1 || dilations[1] != 1)
		thaw_onnx_set_ints(e, y, "dilations", dilations, 2);
	if (attrs->same)
		thaw_onnx_set_string(e, y, "auto_pad", attrs->same_lower ? "SAME_LOWER" : "SAME_UPPER");
	else
		thaw_onnx_set_ints(e, y, "pads", pads, 4);
}

/* Replaces SAME padding by explicit pads for this image size: not every runtime supports it for dilated windows. */
static void set_explicit_padding(struct thaw_onnx_exporter *e, const struct thaw_node *n, const int64_t *kernel,
				 struct thaw_attrs *attrs)
{
	for (int axis = 0; axis < 2; axis++) {
		const struct thaw_onnx_size in = thaw_onnx_size_of(e, n->inputs[0], axis + 1);
		const int64_t stride = or_one(attrs->stride[axis]), out = (in.size + stride - 1) / stride;
		const int64_t reach = (kernel[axis] - 1) * or_one(attrs->dilation[axis]) + 1;
		int64_t total = (out - 1) * stride + reach - in.size;
		total = max_int64(total, 0);
		attrs->pad[axis] = (int)(attrs->same_lower ? total - total / 2 : total / 2);
		attrs->pad[axis + 2] = (int)total - attrs->pad[axis];
		e->one_size |= in.open;
	}
	attrs->same = false;
}

/* The filters of std_conv, as they are after standardisation: ONNX has no operator for it. */
static const char *standardised_filters(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	struct thaw_param p = e->graph->params[n->params[0]];
	const int64_t count = thaw_shape_count(&p.shape), channels = p.shape.dim[3];
	void *scratch = thaw_onnx_exporter_alloc(e, thaw_standardise_bytes(channels), 1);
	float *memory = thaw_onnx_exporter_alloc(e, (size_t)count, sizeof(*memory));
	float *file = thaw_onnx_exporter_alloc(e, (size_t)count, sizeof(*file));
	if (scratch && memory && file) {
		thaw_standardise(memory, p.data, count / channels, channels, n->attrs.epsilon, scratch);
		p.data = memory;
		thaw_param_export(&p, file);
	}
	return thaw_onnx_emit_floats(e, p.name, &p.file_shape, file);
}

static const char *convolve(struct thaw_onnx_exporter *e, const struct thaw_node *n, int bias)
{
	struct thaw_attrs attrs = n->attrs;
	const int64_t *weight = e->graph->params[n->params[0]].shape.dim; /* (kh,kw,I,O) */
	const bool standardise = strcmp(n->op->name, "std_conv") == 0;
	const char *inputs[] = {thaw_onnx_in(e, n, 0, THAW_ONNX_CHANNELS_FIRST),
				standardise ? standardised_filters(e, n) : thaw_onnx_param_in(e, n, 0),
				thaw_onnx_param_in(e, n, bias)};
	if (attrs.same && (attrs.dilation[0] > 1 || attrs.dilation[1] > 1))
		set_explicit_padding(e, n, weight, &attrs);
	Onnx__NodeProto *y = thaw_onnx_emit(e, "Conv", inputs, 3);
	thaw_onnx_set_int(e, y, "group", or_one(attrs.groups));
	thaw_onnx_set_window(e, y, &attrs, weight);
	return thaw_onnx_output_of(y);
}

void thaw_onnx_export_conv(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	thaw_onnx_out_activated(e, n, THAW_ONNX_CHANNELS_FIRST, convolve(e, n, 1));
}

/* Batch norm of x; scale, shift, mean and variance are the parameters from `first` on. */
static const char *normalise(struct thaw_onnx_exporter *e, const struct thaw_node *n, const char *x, int first)
{
	const char *inputs[] = {x, thaw_onnx_param_in(e, n, first), thaw_onnx_param_in(e, n, first + 1),
				thaw_onnx_param_in(e, n, first + 2), thaw_onnx_param_in(e, n, first + 3)};
	Onnx__NodeProto *y = thaw_onnx_emit(e, "BatchNormalization", inputs, 5);
	thaw_onnx_set_float(e, y, "epsilon", n->attrs.epsilon);
	thaw_onnx_set_float(e, y, "momentum", 1.0f - n->attrs.momentum); /* weight of the old value in ONNX */
	return thaw_onnx_output_of(y);
}

void thaw_onnx_export_conv_norm(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	enum { SCALE = 1, BIAS = 5 };
	thaw_onnx_out_activated(e, n, THAW_ONNX_CHANNELS_FIRST, normalise(e, n, convolve(e, n, BIAS), SCALE));
}

/* Input 0 as (N,C,H,W), which ONNX's norms need, for any number of axes. */
static const char *as_image(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	enum { NDIM = 4 };
	const struct thaw_shape *s = thaw_onnx_shape_in(e, n, 0);
	struct thaw_onnx_size sizes[NDIM] = {
		{.from = 0}, {.from = 1}, {.size = 1, .from = -1}, {.size = 1, .from = -1}};
	const char *x = thaw_onnx_in(e, n, 0, s->ndim > 2 ? THAW_ONNX_CHANNELS_FIRST : THAW_ONNX_CHANNELS_LAST);
	if (s->ndim == NDIM)
		return x;
	for (int axis = 1; axis < s->ndim - 1; axis++) {
		struct thaw_onnx_size size = thaw_onnx_size_of(e, n->inputs[0], axis);
		sizes[2].size *= size.size;
		sizes[2].open |= size.open;
	}
	return thaw_onnx_emit_reshape(e, x, sizes, NDIM);
}

/* Sets the output y (N,C,H,W) in the shape of input 0; the inverse of as_image. */
static void image_out(struct thaw_onnx_exporter *e, const struct thaw_node *n, const char *y)
{
	const int ndim = thaw_onnx_shape_in(e, n, 0)->ndim;
	const enum thaw_onnx_layout layout = ndim > 2 ? THAW_ONNX_CHANNELS_FIRST : THAW_ONNX_CHANNELS_LAST;
	struct thaw_onnx_size sizes[THAW_MAX_DIMS];
	int order[THAW_MAX_DIMS];
	if (ndim != 4) {
		thaw_onnx_layout_order(layout, ndim, order);
		for (int i = 0; i < ndim; i++)
			sizes[i] = thaw_onnx_size_of(e, n->inputs[0], order[i]);
		sizes[0].from = 0;
		sizes[1].from = 1;
		y = thaw_onnx_emit_reshape(e, y, sizes, ndim);
	}
	thaw_onnx_out_activated(e, n, layout, y);
}

void thaw_onnx_export_batch_norm(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	image_out(e, n, normalise(e, n, as_image(e, n), 0));
}

/* A parameter of one value per channel as (C,1,1). */
static const char *column(struct thaw_onnx_exporter *e, const struct thaw_node *n, int k)
{
	const struct thaw_param *p = &e->graph->params[n->params[k]];
	return thaw_onnx_emit_floats(e, p->name, &thaw_shape_of(p->shape.dim[0], 1, 1), p->data);
}

/* The groups as channels of an instance norm. */
void thaw_onnx_export_group_norm(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const int64_t groups = n->attrs.groups, rows[] = {0, groups, -1};
	const struct thaw_shape shape = thaw_shape_of(groups);
	float *ones = thaw_onnx_exporter_alloc(e, (size_t)groups, sizeof(*ones));
	float *zeros = thaw_onnx_exporter_alloc(e, (size_t)groups, sizeof(*zeros));
	for (int64_t g = 0; ones && g < groups; g++)
		ones[g] = 1.0f;
	const char *x = as_image(e, n), *image = thaw_onnx_emit_one(e, "Shape", x);
	const char *inputs[] = {thaw_onnx_emit_two(e, "Reshape", x, thaw_onnx_emit_ints(e, rows, 3)),
				thaw_onnx_emit_floats(e, "ones", &shape, ones),
				thaw_onnx_emit_floats(e, "zeros", &shape, zeros)};
	Onnx__NodeProto *norm = thaw_onnx_emit(e, "InstanceNormalization", inputs, 3);
	thaw_onnx_set_float(e, norm, "epsilon", n->attrs.epsilon);
	const char *y = thaw_onnx_emit_two(e, "Reshape", thaw_onnx_output_of(norm), image);
	y = thaw_onnx_emit_two(e, "Mul", y, column(e, n, 0));
	image_out(e, n, thaw_onnx_emit_two(e, "Add", y, column(e, n, 1)));
}

void thaw_onnx_export_local_response_norm(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const char *x = as_image(e, n);
	Onnx__NodeProto *y = thaw_onnx_emit(e, "LRN", &x, 1);
	thaw_onnx_set_float(e, y, "alpha", n->attrs.alpha);
	thaw_onnx_set_float(e, y, "beta", n->attrs.beta);
	thaw_onnx_set_float(e, y, "bias", n->attrs.epsilon);
	thaw_onnx_set_int(e, y, "size", n->attrs.kernel[0]);
	image_out(e, n, thaw_onnx_output_of(y));
}
