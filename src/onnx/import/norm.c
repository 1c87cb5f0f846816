/* BatchNormalization, LayerNormalization, InstanceNormalization, LRN. */
#include "src/base/try.h"
#include "src/onnx/import/importer.h"

/* Adds input k, a constant of `count` F32 elements, as the next parameter of `node`. */
static thaw_status norm_param(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int node, int k,
			      enum thaw_role role, int64_t count)
{
	const struct thaw_onnx_constant *c;
	THAW_TRY(thaw_onnx_constant_input(m, n, k, &c));
	if (!c || c->type != THAW_F32 || thaw_shape_count(&c->shape) != count)
		return thaw_onnx_fail_node(n, "input %d is not a constant of %lld FLOAT elements", k, (long long)count);
	struct thaw_shape row = thaw_shape_of(count);
	return thaw_onnx_param(m, node, n->input[k], role, &row, c->data);
}

/* (N,C,...); the operator needs the channels last. */
thaw_status thaw_onnx_import_batch_norm(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	static const enum thaw_role roles[] = {THAW_ROLE_SCALE, THAW_ROLE_SHIFT, THAW_ROLE_MEAN, THAW_ROLE_VARIANCE};
	struct thaw_onnx_value x;
	struct thaw_attrs attrs = {0};
	int64_t training;
	float momentum;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(thaw_onnx_attribute_float(&attrs.epsilon, n, "epsilon", 1e-5f));
	THAW_TRY(thaw_onnx_attribute_float(&momentum, n, "momentum", 0.9f));
	THAW_TRY(thaw_onnx_attribute_int(&training, n, "training_mode", 0));
	if (training)
		return thaw_onnx_fail_node(n, "it is in training mode: export the network for evaluation");
	if (x.axes.ndim < 2)
		return thaw_onnx_fail_node(n, "its input has no channel axis");
	attrs.momentum = 1.0f - momentum; /* weight of the old value in ONNX, of the new one here */
	int64_t channels = thaw_onnx_axes_dim(&x.axes, 1);
	thaw_onnx_axes_to_end(&x.axes, 1);
	THAW_TRY(thaw_onnx_as_rows(m, n, &x));
	x.node = thaw_onnx_add(m, n, "batch_norm", &attrs, &x.node, 1);
	for (int k = 0; k < 4; k++)
		THAW_TRY(norm_param(m, n, x.node, k + 1, roles[k], channels));
	thaw_onnx_axes_from_end(&x.axes, 1);
	return thaw_onnx_value_output(m, n, 0, &x);
}

/* Joins the axes from `axis` on into one, preceded by an axis of size 1 if `axis` is 0: rows. */
static thaw_status join_axes(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
			     int axis)
{
	int64_t dim[THAW_MAX_FACTORS], rows[THAW_MAX_FACTORS] = {1};
	int before = axis > 0 ? axis : 1;
	thaw_onnx_dims(x, dim);
	for (int i = 0; i < axis; i++)
		rows[i] = dim[i];
	rows[before] = 1;
	for (int i = axis; i < x->axes.ndim; i++)
		rows[before] *= dim[i];
	return thaw_onnx_reshape(m, n, x, rows, before + 1);
}

/* Sets outputs 1 and 2 of a layer norm if used: mean and 1 / sqrt(variance + epsilon) of the rows of x. */
static thaw_status layer_statistics(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value x,
				    float epsilon, const int64_t *dim, int ndim)
{
	bool deviation = thaw_onnx_is_read(m, n, 2);
	if (!deviation && !thaw_onnx_is_read(m, n, 1))
		return THAW_OK;
	int last = x.axes.ndim - 1;
	struct thaw_onnx_value mean = x;
	THAW_TRY(thaw_onnx_reduce(m, n, &mean, THAW_REDUCE_MEAN, &last, 1));
	if (deviation) {
		struct thaw_onnx_value v[] = {x, mean};
		THAW_TRY(thaw_onnx_apply_two(m, n, v, THAW_BINARY_SUB));
		THAW_TRY(thaw_onnx_apply(m, n, v, THAW_FN_POWER, 2.0f, 0.0f));
		THAW_TRY(thaw_onnx_reduce(m, n, v, THAW_REDUCE_MEAN, &last, 1));
		THAW_TRY(thaw_onnx_apply(m, n, v, THAW_FN_AFFINE, 1.0f, epsilon));
		THAW_TRY(thaw_onnx_apply(m, n, v, THAW_FN_POWER, -0.5f, 0.0f));
		THAW_TRY(thaw_onnx_reshape(m, n, v, dim, ndim));
		THAW_TRY(thaw_onnx_value_output(m, n, 2, v));
	}
	THAW_TRY(thaw_onnx_reshape(m, n, &mean, dim, ndim));
	return thaw_onnx_value_output(m, n, 1, &mean);
}

thaw_status thaw_onnx_import_layer_norm(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	static const enum thaw_role roles[] = {THAW_ROLE_SCALE, THAW_ROLE_SHIFT};
	struct thaw_onnx_value x;
	struct thaw_attrs attrs = {0};
	int64_t axis_attribute, dim[THAW_MAX_FACTORS], kept[THAW_MAX_FACTORS];
	int axis;
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(thaw_onnx_attribute_int(&axis_attribute, n, "axis", -1));
	THAW_TRY(thaw_onnx_attribute_float(&attrs.epsilon, n, "epsilon", 1e-5f));
	THAW_TRY(thaw_onnx_check_axis(n, axis_attribute, x.axes.ndim, &axis));
	int ndim = x.axes.ndim;
	thaw_onnx_dims(&x, dim);
	for (int i = 0; i < ndim; i++)
		kept[i] = i < axis ? dim[i] : 1;
	THAW_TRY(join_axes(m, n, &x, axis));
	int64_t count = thaw_onnx_axes_dim(&x.axes, x.axes.ndim - 1);
	THAW_TRY(thaw_onnx_as_rows(m, n, &x));
	if (x.axes.tensor.ndim < 2)
		THAW_TRY(thaw_onnx_as_ndim(m, n, &x, 2));
	THAW_TRY(layer_statistics(m, n, x, attrs.epsilon, kept, ndim));
	x.node = thaw_onnx_add(m, n, "layer_norm", &attrs, &x.node, 1);
	for (int k = 1; k < 3 && thaw_onnx_has_input(n, k); k++)
		THAW_TRY(norm_param(m, n, x.node, k, roles[k - 1], count));
	THAW_TRY(thaw_onnx_reshape(m, n, &x, dim, ndim));
	return thaw_onnx_value_output(m, n, 0, &x);
}

/* *v = input k, one value per channel, as (C,1,...,1) with `axes` axes of size 1. It refers to *wider. */
static thaw_status per_channel(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, int k, int axes,
			       struct thaw_onnx_value *v, struct thaw_onnx_constant *wider)
{
	struct thaw_onnx_value *from;
	THAW_TRY(thaw_onnx_value_input(m, n, k, &from));
	if (!from->constant || from->constant->shape.ndim != 1)
		return thaw_onnx_fail_node(n, "input %s is not a constant vector", n->input[k]);
	*v = *from;
	*wider = *from->constant;
	v->constant = wider;
	for (int i = 0; i < axes; i++)
		wider->shape.dim[wider->shape.ndim++] = 1;
	return THAW_OK;
}

/* (N,C,...): a layer norm over each channel of an image, then scale and shift per channel. */
thaw_status thaw_onnx_import_instance_norm(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	static const enum thaw_binary steps[] = {THAW_BINARY_MUL, THAW_BINARY_ADD};
	struct thaw_onnx_value v[2];
	struct thaw_attrs attrs = {0};
	struct thaw_onnx_constant wider;
	int64_t dim[THAW_MAX_FACTORS];
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &v[0]));
	THAW_TRY(thaw_onnx_attribute_float(&attrs.epsilon, n, "epsilon", 1e-5f));
	int ndim = v[0].axes.ndim;
	if (ndim < 3 || ndim > THAW_MAX_DIMS)
		return thaw_onnx_fail_node(n, "its input has %d axes; 3 to %d are supported", ndim, THAW_MAX_DIMS);
	thaw_onnx_dims(&v[0], dim);
	THAW_TRY(join_axes(m, n, &v[0], 2));
	THAW_TRY(thaw_onnx_as_rows(m, n, &v[0]));
	v[0].node = thaw_onnx_add(m, n, "layer_norm", &attrs, &v[0].node, 1);
	for (int k = 0; k < 2; k++) {
		THAW_TRY(per_channel(m, n, k + 1, 1, &v[1], &wider));
		THAW_TRY(thaw_onnx_apply_two(m, n, v, steps[k]));
	}
	THAW_TRY(thaw_onnx_reshape(m, n, &v[0], dim, ndim));
	return thaw_onnx_value_output(m, n, 0, &v[0]);
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
	if (size < 1 || size > INT16_MAX)
		return thaw_onnx_fail_node(n, "size is %lld; 1 to %d are supported", (long long)size, INT16_MAX);
	attrs.kernel[0] = (int)size;
	return thaw_onnx_output_like(m, n, thaw_onnx_add(m, n, "local_response_norm", &attrs, &x.node, 1), &x);
}
