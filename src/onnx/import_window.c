/* Operators on images with a window that moves: convolution and pooling; and the norms that go with them. */
#include <string.h>

#include "src/onnx/importer.h"

/* kernel_shape, strides, dilations, pads and auto_pad, for two axes. `kernel` is known for convolutions. */
static thaw_status read_window(const Onnx__NodeProto *n, const int64_t *kernel, struct thaw_attrs *attrs)
{
	static const char *const names[] = {"kernel_shape", "strides", "dilations", "pads"};
	int *const fields[] = {attrs->kernel, attrs->stride, attrs->dilation, attrs->pad};
	char automatic[THAW_ONNX_TEXT];
	for (int k = 0; k < 4; k++) {
		const int64_t *values = NULL;
		size_t count = 0, wanted = k == 3 ? 4 : 2;
		THAW_TRY(thaw_onnx_attribute_ints(&values, &count, n, names[k]));
		if (count != 0 && count != wanted)
			return thaw_onnx_fail_node(n, "%s of %zu values; only windows of two axes are supported",
						   names[k], count);
		for (size_t i = 0; i < count; i++) {
			if (values[i] < (k == 3 ? 0 : 1) || values[i] > INT16_MAX)
				return thaw_onnx_fail_node(n, "%s has a value of %lld", names[k], (long long)values[i]);
			fields[k][i] = (int)values[i];
		}
	}
	for (int i = 0; kernel && i < 2; i++) {
		if (attrs->kernel[i] != 0 && attrs->kernel[i] != kernel[i])
			return thaw_onnx_fail_node(n, "kernel_shape is not that of its weights");
		attrs->kernel[i] = (int)kernel[i];
	}
	THAW_TRY(thaw_onnx_attribute_string(automatic, n, "auto_pad", "NOTSET"));
	if (strcmp(automatic, "SAME_LOWER") == 0)
		return thaw_onnx_fail_node(n, "auto_pad SAME_LOWER is not supported");
	attrs->same = strcmp(automatic, "SAME_UPPER") == 0;
	if (strcmp(automatic, "NOTSET") != 0)
		memset(attrs->pad, 0, sizeof attrs->pad);
	return THAW_OK;
}

/* An input that must be F32 elements of this rank. */
static thaw_status float_input(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int k, int rank,
			       const struct thaw_onnx_constant **c)
{
	THAW_TRY(thaw_onnx_constant_input(m, n, k, c));
	if (!*c || (*c)->type != THAW_F32 || (*c)->shape.rank != rank)
		return thaw_onnx_fail_node(n, "input %d is no constant of F32 and %d axes", k, rank);
	return THAW_OK;
}

/* Output 0: the image that `node` makes, seen as (N,C,H,W). */
static thaw_status image_output(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int node)
{
	static const int to_onnx[] = {0, 3, 1, 2};
	struct thaw_onnx_value y = {.node = node};
	struct thaw_shape shape;
	THAW_TRY(thaw_onnx_shape(m, node, &shape));
	thaw_onnx_axes_set(&y.axes, &shape, m->graph->nodes[node].fixed ? 0 : m->images);
	thaw_onnx_axes_transpose(&y.axes, to_onnx);
	return thaw_onnx_value_output(m, n, 0, &y);
}

thaw_status thaw_onnx_import_conv(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value x;
	const struct thaw_onnx_constant *weight, *bias = NULL;
	struct thaw_attrs attrs = {0};
	int64_t groups;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(thaw_onnx_as_image(m, n, &x));
	THAW_TRY(float_input(m, n, 1, 4, &weight));
	if (thaw_onnx_has_input(n, 2))
		THAW_TRY(float_input(m, n, 2, 1, &bias));
	const int64_t *w = weight->shape.dim, channels = x.axes.tensor.dim[3];
	THAW_TRY(thaw_onnx_attribute_int(&groups, n, "group", 1));
	THAW_TRY(read_window(n, w + 2, &attrs));
	if (groups < 1 || groups > channels || w[0] % groups != 0 || w[1] * groups != channels ||
	    (bias && bias->shape.dim[0] != w[0]))
		return thaw_onnx_fail_node(n, "weights, groups and the %lld channels of its input do not agree",
					   (long long)channels);
	attrs.groups = (int)groups;
	int node = thaw_onnx_add(m, n, "conv", &attrs, &x.node, 1);
	struct thaw_shape shape = thaw_shape_of(w[2], w[3], w[1], w[0]);
	THAW_TRY(thaw_onnx_param(m, node, n->input[1], THAW_ROLE_WEIGHT, &shape, weight->data));
	if (bias)
		THAW_TRY(thaw_onnx_param(m, node, n->input[2], THAW_ROLE_BIAS, &bias->shape, bias->data));
	return image_output(m, n, node);
}

thaw_status thaw_onnx_import_batch_norm(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	static const enum thaw_role roles[] = {THAW_ROLE_SCALE, THAW_ROLE_SHIFT, THAW_ROLE_MEAN, THAW_ROLE_VARIANCE};
	struct thaw_onnx_value x;
	struct thaw_attrs attrs = {0};
	const struct thaw_onnx_constant *c;
	int64_t training;
	float momentum;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(thaw_onnx_as_image(m, n, &x));
	THAW_TRY(thaw_onnx_attribute_float(&attrs.epsilon, n, "epsilon", 1e-5f));
	THAW_TRY(thaw_onnx_attribute_float(&momentum, n, "momentum", 0.9f));
	THAW_TRY(thaw_onnx_attribute_int(&training, n, "training_mode", 0));
	if (training)
		return thaw_onnx_fail_node(n, "it is in training mode: export the network for evaluation");
	attrs.momentum = 1.0f - momentum; /* ONNX weighs the old value, PyTorch the new one */
	int node = thaw_onnx_add(m, n, "batch_norm", &attrs, &x.node, 1);
	for (int k = 0; k < 4; k++) {
		THAW_TRY(float_input(m, n, k + 1, 1, &c));
		if (c->shape.dim[0] != x.axes.tensor.dim[3])
			return thaw_onnx_fail_node(n, "input %s does not fit %lld channels", n->input[k + 1],
						   (long long)x.axes.tensor.dim[3]);
		THAW_TRY(thaw_onnx_param(m, node, n->input[k + 1], roles[k], &c->shape, c->data));
	}
	return image_output(m, n, node);
}

static thaw_status pool(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, const char *op)
{
	struct thaw_onnx_value x;
	struct thaw_attrs attrs = {0};
	int64_t ceil, counts, order;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(read_window(n, NULL, &attrs));
	THAW_TRY(thaw_onnx_as_image(m, n, &x));
	THAW_TRY(thaw_onnx_attribute_int(&ceil, n, "ceil_mode", 0));
	THAW_TRY(thaw_onnx_attribute_int(&counts, n, "count_include_pad", 0));
	THAW_TRY(thaw_onnx_attribute_int(&order, n, "storage_order", 0));
	if (attrs.dilation[0] > 1 || attrs.dilation[1] > 1)
		return thaw_onnx_fail_node(n, "dilation is not supported");
	if (attrs.kernel[0] == 0)
		return thaw_onnx_fail_node(n, "kernel_shape is missing");
	if (n->n_output > 1 && n->output[1][0])
		return thaw_onnx_fail_node(n, "the places of maxima are not supported");
	attrs.ceil_mode = ceil != 0;
	attrs.pad_counts = counts != 0;
	return image_output(m, n, thaw_onnx_add(m, n, op, &attrs, &x.node, 1));
}

thaw_status thaw_onnx_import_max_pool(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	return pool(m, n, "max_pool");
}

thaw_status thaw_onnx_import_average_pool(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	return pool(m, n, "average_pool");
}

thaw_status thaw_onnx_import_global_pool(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	enum { HEIGHT = 1, WIDTH = 2 };
	struct thaw_onnx_value x;
	struct thaw_attrs attrs = {.axes = 1u << HEIGHT | 1u << WIDTH};
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(thaw_onnx_as_image(m, n, &x));
	attrs.reduction = strcmp(n->op_type, "GlobalMaxPool") == 0 ? THAW_REDUCE_MAX : THAW_REDUCE_MEAN;
	return image_output(m, n, thaw_onnx_add(m, n, "reduce", &attrs, &x.node, 1));
}

thaw_status thaw_onnx_import_local_response_norm(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value x;
	struct thaw_attrs attrs = {0};
	int64_t size;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(thaw_onnx_as_image(m, n, &x));
	THAW_TRY(thaw_onnx_attribute_float(&attrs.alpha, n, "alpha", 1e-4f));
	THAW_TRY(thaw_onnx_attribute_float(&attrs.beta, n, "beta", 0.75f));
	THAW_TRY(thaw_onnx_attribute_float(&attrs.epsilon, n, "bias", 1.0f));
	THAW_TRY(thaw_onnx_attribute_int(&size, n, "size", 0));
	if (size < 1 || size > x.axes.tensor.dim[3])
		return thaw_onnx_fail_node(n, "a size of %lld for %lld channels", (long long)size,
					   (long long)x.axes.tensor.dim[3]);
	attrs.kernel[0] = (int)size;
	return image_output(m, n, thaw_onnx_add(m, n, "local_response_norm", &attrs, &x.node, 1));
}
