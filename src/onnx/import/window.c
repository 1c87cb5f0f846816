/* Sliding-window operators on (N,C,...): Conv, MaxPool, AveragePool. The graph's windows have two axes: one axis is
 * imported as an image of height 1, and pooling over three axes as pooling over two of them, then the third. */
#include <string.h>

#include "src/base/try.h"
#include "src/onnx/import/importer.h"

enum { WINDOW_AXES = 3 };

struct window {
	int axes;
	int64_t kernel[WINDOW_AXES], stride[WINDOW_AXES], dilation[WINDOW_AXES];
	int64_t pad[2 * WINDOW_AXES]; /* before each axis, then after each */
	bool same, same_lower;        /* auto_pad; replaces pad */
};

static thaw_status read_sizes(const Onnx__NodeProto *n, const char *name, int64_t *sizes, int wanted, int64_t least)
{
	const int64_t *values = NULL;
	size_t count = 0;
	THAW_TRY(thaw_onnx_attribute_ints(&values, &count, n, name));
	if (count != 0 && count != (size_t)wanted)
		return thaw_onnx_fail_node(n, "%s has %zu values, not %d", name, count, wanted);
	for (size_t i = 0; i < count; i++) {
		if (values[i] < least || values[i] > INT16_MAX)
			return thaw_onnx_fail_node(n, "%s contains %lld", name, (long long)values[i]);
		sizes[i] = values[i];
	}
	return THAW_OK;
}

/* Reads the window attributes for an input with `ndim` axes. */
static thaw_status read_window(struct window *w, const Onnx__NodeProto *n, int ndim)
{
	char automatic[THAW_ONNX_TEXT];
	*w = (struct window){.axes = ndim - 2};
	if (ndim < 3 || ndim > WINDOW_AXES + 2)
		return thaw_onnx_fail_node(n, "its input has %d axes; 3 to 5 are supported", ndim);
	THAW_TRY(read_sizes(n, "kernel_shape", w->kernel, w->axes, 1));
	THAW_TRY(read_sizes(n, "strides", w->stride, w->axes, 1));
	THAW_TRY(read_sizes(n, "dilations", w->dilation, w->axes, 1));
	THAW_TRY(read_sizes(n, "pads", w->pad, 2 * w->axes, 0));
	THAW_TRY(thaw_onnx_attribute_string(automatic, n, "auto_pad", "NOTSET"));
	w->same_lower = strcmp(automatic, "SAME_LOWER") == 0;
	w->same = w->same_lower || strcmp(automatic, "SAME_UPPER") == 0;
	if (strcmp(automatic, "NOTSET") != 0)
		memset(w->pad, 0, sizeof(w->pad));
	return THAW_OK;
}

/* Sets the graph's window from axes first ... first + count - 1. The last axis alone becomes the width. */
static void set_attrs(struct thaw_attrs *attrs, const struct window *w, int first, int count)
{
	int to = count == 1 && first == w->axes - 1;
	attrs->kernel[!to] = attrs->stride[!to] = attrs->dilation[!to] = 1;
	for (int i = first; i < first + count; i++, to++) {
		attrs->kernel[to] = (int)w->kernel[i];
		attrs->stride[to] = (int)w->stride[i];
		attrs->dilation[to] = (int)w->dilation[i];
		attrs->pad[to] = (int)w->pad[i];
		attrs->pad[2 + to] = (int)w->pad[w->axes + i];
	}
	attrs->same = w->same;
	attrs->same_lower = w->same_lower;
}

/* (N,C,L) as (N,C,1,L). */
static thaw_status as_plane(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x)
{
	int64_t d[THAW_MAX_FACTORS];
	thaw_onnx_dims(x, d);
	return thaw_onnx_reshape(m, n, x, (int64_t[]){d[0], d[1], 1, d[2]}, 4);
}

/* (N,C,1,L) as (N,C,L). */
static thaw_status as_line(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x)
{
	int64_t d[THAW_MAX_FACTORS];
	thaw_onnx_dims(x, d);
	return thaw_onnx_reshape(m, n, x, (int64_t[]){d[0], d[1], d[3]}, 3);
}

/* *x = the image output of `node`, viewed as (N,C,H,W). */
static thaw_status image_output(struct thaw_onnx_importer *m, struct thaw_onnx_value *x, int node)
{
	static const int to_onnx[] = {0, 3, 1, 2};
	struct thaw_shape shape;
	THAW_TRY(thaw_onnx_node_shape(m, node, &shape));
	x->node = node;
	thaw_onnx_axes_set(&x->axes, &shape, m->graph->nodes[node].fixed ? 0 : m->images);
	thaw_onnx_axes_transpose(&x->axes, to_onnx);
	return THAW_OK;
}

/* Weights (O,I,...) and bias (O), or NULL, of a convolution over `axes` axes. */
static thaw_status conv_inputs(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int axes,
			       const struct thaw_onnx_constant **weight, const struct thaw_onnx_constant **bias)
{
	THAW_TRY(thaw_onnx_constant_input(m, n, 1, weight));
	THAW_TRY(thaw_onnx_constant_input(m, n, 2, bias));
	if (axes > 2)
		return thaw_onnx_fail_node(n, "a convolution over %d axes; 1 and 2 are supported", axes);
	if (!*weight || (*weight)->type != THAW_F32 || (*weight)->shape.ndim != axes + 2)
		return thaw_onnx_fail_node(n, "its weights are not a FLOAT constant with %d axes", axes + 2);
	if (*bias && ((*bias)->type != THAW_F32 || (*bias)->shape.ndim != 1))
		return thaw_onnx_fail_node(n, "its bias is not a FLOAT vector");
	return THAW_OK;
}

/* Window and groups of a convolution; checks them against the weights' shape w (O,I,...). */
static thaw_status conv_attrs(const Onnx__NodeProto *n, const int64_t *w, int axes, int64_t channels,
			      struct thaw_attrs *attrs)
{
	struct window window;
	int64_t groups;
	THAW_TRY(thaw_onnx_attribute_int(&groups, n, "group", 1));
	THAW_TRY(read_window(&window, n, axes + 2));
	for (int i = 0; i < axes; i++) {
		if (window.kernel[i] != 0 && window.kernel[i] != w[2 + i])
			return thaw_onnx_fail_node(n, "kernel_shape differs from its weights");
		window.kernel[i] = w[2 + i];
	}
	if (groups < 1 || groups > channels || w[0] % groups != 0 || w[1] * groups != channels)
		return thaw_onnx_fail_node(n, "its weights and groups do not fit the %lld channels of its input",
					   (long long)channels);
	set_attrs(attrs, &window, 0, axes);
	attrs->groups = (int)groups;
	return THAW_OK;
}

thaw_status thaw_onnx_import_conv(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value x;
	const struct thaw_onnx_constant *weight, *bias;
	struct thaw_attrs attrs = {0};
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	int axes = x.axes.ndim - 2;
	THAW_TRY(conv_inputs(m, n, axes, &weight, &bias));
	if (axes == 1)
		THAW_TRY(as_plane(m, n, &x));
	THAW_TRY(thaw_onnx_as_image(m, n, &x));
	const int64_t *w = weight->shape.dim;
	THAW_TRY(conv_attrs(n, w, axes, x.axes.tensor.dim[3], &attrs));
	if (bias && bias->shape.dim[0] != w[0])
		return thaw_onnx_fail_node(n, "its bias does not fit %lld output channels", (long long)w[0]);
	int node = thaw_onnx_add(m, n, "conv", &attrs, &x.node, 1);
	struct thaw_shape shape = thaw_shape_of(axes == 1 ? 1 : w[2], w[axes + 1], w[1], w[0]);
	THAW_TRY(thaw_onnx_param(m, node, n->input[1], THAW_ROLE_WEIGHT, &shape, weight->data));
	if (bias)
		THAW_TRY(thaw_onnx_param(m, node, n->input[2], THAW_ROLE_BIAS, &bias->shape, bias->data));
	THAW_TRY(image_output(m, &x, node));
	if (axes == 1)
		THAW_TRY(as_line(m, n, &x));
	return thaw_onnx_value_output(m, n, 0, &x);
}

/* Pools (N,C,H,W) with axes first ... first + count - 1 of the window. */
static thaw_status pool_plane(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
			      const struct window *w, int first, int count)
{
	struct thaw_attrs attrs = {0};
	int64_t ceil, counts;
	THAW_TRY(thaw_onnx_attribute_int(&ceil, n, "ceil_mode", 0));
	THAW_TRY(thaw_onnx_attribute_int(&counts, n, "count_include_pad", 0));
	THAW_TRY(thaw_onnx_as_image(m, n, x));
	set_attrs(&attrs, w, first, count);
	attrs.ceil_mode = ceil != 0;
	attrs.pad_counts = counts != 0;
	const char *op = strcmp(n->op_type, "MaxPool") == 0 ? "max_pool" : "average_pool";
	return image_output(m, x, thaw_onnx_add(m, n, op, &attrs, &x->node, 1));
}

/* Pools (N,C,D,H,W): each plane (H,W), then along D. */
static thaw_status pool_volume(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
			       const struct window *w)
{
	static const int exchange[] = {0, 2, 1, 3, 4};
	int64_t d[THAW_MAX_FACTORS], p[THAW_MAX_FACTORS];
	thaw_onnx_dims(x, d);
	thaw_onnx_axes_transpose(&x->axes, exchange);
	THAW_TRY(thaw_onnx_reshape(m, n, x, (int64_t[]){d[0] * d[2], d[1], d[3], d[4]}, 4));
	THAW_TRY(pool_plane(m, n, x, w, 1, 2));
	thaw_onnx_dims(x, p);
	THAW_TRY(thaw_onnx_reshape(m, n, x, (int64_t[]){d[0], d[2], d[1], p[2], p[3]}, 5));
	thaw_onnx_axes_transpose(&x->axes, exchange);
	THAW_TRY(thaw_onnx_reshape(m, n, x, (int64_t[]){d[0], d[1], d[2], p[2] * p[3]}, 4));
	THAW_TRY(pool_plane(m, n, x, w, 0, 1));
	int64_t depth = thaw_onnx_axes_dim(&x->axes, 2);
	return thaw_onnx_reshape(m, n, x, (int64_t[]){d[0], d[1], depth, p[2], p[3]}, 5);
}

thaw_status thaw_onnx_import_pool(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value x;
	struct window w;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(read_window(&w, n, x.axes.ndim));
	if (w.kernel[0] == 0)
		return thaw_onnx_fail_node(n, "kernel_shape is missing");
	if (n->n_output > 1 && n->output[1][0])
		return thaw_onnx_fail_node(n, "output Indices is not supported");
	if (w.axes == 1)
		THAW_TRY(as_plane(m, n, &x));
	THAW_TRY(w.axes == 3 ? pool_volume(m, n, &x, &w) : pool_plane(m, n, &x, &w, 0, w.axes));
	if (w.axes == 1)
		THAW_TRY(as_line(m, n, &x));
	return thaw_onnx_value_output(m, n, 0, &x);
}
