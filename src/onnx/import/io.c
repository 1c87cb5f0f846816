/* Graph inputs and outputs: the model's input becomes node 0, its output the graph's output. */
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/onnx/import/importer.h"

/* The declared type of a tensor input; NULL for anything else. */
static const Onnx__TypeProto__Tensor *tensor_type(const Onnx__ValueInfoProto *input)
{
	bool tensor = input->type && input->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
	return tensor ? input->type->tensor_type : NULL;
}

/* The first input without a constant value, preferably one that a node reads and that has the axes of an image. */
static const Onnx__ValueInfoProto *find_image(const struct thaw_onnx_importer *m)
{
	enum { IMAGE_AXES = 4 };
	const Onnx__GraphProto *g = m->file->model->graph;
	const Onnx__ValueInfoProto *best = NULL;
	int most = -1;
	for (size_t i = 0; i < g->n_input; i++) {
		const struct thaw_onnx_value *v = thaw_onnx_value_find(m, g->input[i]->name);
		const Onnx__TypeProto__Tensor *type = tensor_type(g->input[i]);
		if (!v || v->defined)
			continue;
		int likely = 2 * v->read + (type && type->shape && type->shape->n_dim == IMAGE_AXES);
		if (likely > most)
			best = g->input[i];
		most = max_int(most, likely);
	}
	return best;
}

/* The types that an image may have; its values are computed with as FLOAT. */
static bool is_image_type(int32_t onnx, bool computation)
{
	enum thaw_dtype type;
	if (!thaw_onnx_type(onnx, &type))
		return false;
	return type == THAW_F32 || (!computation && (type == THAW_F16 || type == THAW_BF16 || type == THAW_U8));
}

/* *shape = the input's dimensions, 0 for a symbolic or unknown one. */
static thaw_status read_dims(const struct thaw_onnx_importer *m, const Onnx__ValueInfoProto *input, bool computation,
			     struct thaw_shape *shape)
{
	const Onnx__TypeProto__Tensor *type = tensor_type(input);
	if (!type || (!type->shape && computation) || (type->shape && type->shape->n_dim > THAW_MAX_DIMS - 1))
		return thaw_fail(
			THAW_CONFIG,
			"unsupported ONNX input: %s: input %s is not a tensor with a known number of axes, at most %d",
			m->file->path, input->name, THAW_MAX_DIMS - 1);
	if (!is_image_type(type->elem_type, computation))
		return thaw_fail(THAW_CONFIG,
				 "unsupported ONNX input: %s: input %s holds %s: FLOAT, FLOAT16, BFLOAT16 and UINT8 "
				 "are supported: export the network with one of these",
				 m->file->path, input->name, thaw_onnx_type_name(type->elem_type));
	shape->ndim = type->shape ? (int)type->shape->n_dim : 4;
	for (int i = 0; i < shape->ndim; i++) {
		const Onnx__TensorShapeProto__Dimension *d = type->shape ? type->shape->dim[i] : NULL;
		bool open = !d || d->value_case != ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE ||
			    d->dim_value == -1 || (d->dim_value == 0 && !computation); /* as various tools write it */
		shape->dim[i] = open ? 0 : d->dim_value;
		if (!open && d->dim_value < 1)
			return thaw_fail(THAW_DATA,
					 "damaged ONNX model: %s: input %s has a dimension of %lld: export it again",
					 m->file->path, input->name, (long long)d->dim_value);
	}
	thaw_status status = thaw_shape_check(shape, input->name);
	return status == THAW_OK ? status : thaw_fail_in(status, "unsupported ONNX input: %s", m->file->path);
}

/* Whether an image's channels are its last axis. Sides are equal, channels are three or open. */
static bool channels_last(const struct thaw_shape *s)
{
	enum { CHANNELS = 3 };
	if (s->ndim != 4 || s->dim[1] == CHANNELS)
		return false;
	return s->dim[3] == CHANNELS || (s->dim[3] == 0 && s->dim[1] > CHANNELS && s->dim[1] == s->dim[2]);
}

/* Node 0 from an image (N,C,H,W), or (N,H,W,C) as in TensorFlow. */
static thaw_status set_image(struct thaw_onnx_importer *m, struct thaw_onnx_value *v, const struct thaw_shape *s,
			     const struct thaw_onnx_import_options *options, struct thaw_onnx_network *network)
{
	enum { CHANNELS = 3 };
	static const int to_onnx[] = {0, 3, 1, 2};
	bool last = channels_last(s);
	int64_t channels = s->dim[last ? 3 : 1];
	if (s->ndim != 4 || (channels != CHANNELS && channels != 0))
		return thaw_fail(THAW_CONFIG,
				 "unsupported ONNX input: %s: input %s is not an image (N,3,H,W) or (N,H,W,3)",
				 m->file->path, v->name);
	int64_t height = s->dim[last ? 1 : 2], width = s->dim[last ? 2 : 3];
	network->open_size = height == 0 && width == 0;
	m->images = s->dim[0] ? s->dim[0] : THAW_ONNX_OPEN_IMAGES;
	m->image =
		thaw_shape_of(m->images, height ? height : options->height, width ? width : options->width, CHANNELS);
	THAW_TRY(thaw_shape_check(&m->image, v->name));
	network->image = m->image;
	network->image.dim[0] = 1;
	thaw_onnx_axes_set(&v->axes, &m->image, m->images);
	if (!last)
		thaw_onnx_axes_transpose(&v->axes, to_onnx);
	return THAW_OK;
}

/* Node 0 from any tensor: one sample, with a leading axis of size 1. */
static thaw_status set_sample(struct thaw_onnx_importer *m, struct thaw_onnx_value *v, const struct thaw_shape *s)
{
	m->images = 0; /* no batch axis, so that every axis can be moved */
	m->image = (struct thaw_shape){.ndim = s->ndim + 1, .dim = {1}};
	for (int i = 0; i < s->ndim; i++) {
		if (s->dim[i] == 0)
			return thaw_fail(THAW_CONFIG,
					 "unsupported ONNX input: %s: input %s has a symbolic dimension: export it "
					 "with fixed sizes",
					 m->file->path, v->name);
		m->image.dim[i + 1] = s->dim[i];
	}
	thaw_onnx_axes_set(&v->axes, &m->image, m->images);
	thaw_onnx_axes_reshape(&v->axes, s->dim, s->ndim);
	return THAW_OK;
}

thaw_status thaw_onnx_set_input(struct thaw_onnx_importer *m, const struct thaw_onnx_import_options *options,
				struct thaw_onnx_network *network)
{
	const Onnx__ValueInfoProto *input = find_image(m);
	struct thaw_shape shape;
	if (!input)
		return thaw_fail(THAW_DATA, "damaged ONNX model: %s: it has no input: export it again", m->file->path);
	THAW_TRY(read_dims(m, input, options->computation, &shape));
	struct thaw_onnx_value *v = thaw_onnx_value_find(m, input->name);
	v->defined = true;
	network->bytes = tensor_type(input)->elem_type == ONNX__TENSOR_PROTO__DATA_TYPE__UINT8;
	if (options->computation)
		return set_sample(m, v, &shape);
	return set_image(m, v, &shape, options, network);
}

/* The output of a computation: a leading axis of size 1, then the axes of ONNX's output. */
static thaw_status sample_output(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
				 struct thaw_shape *sample)
{
	int64_t dim[THAW_MAX_DIMS] = {1};
	sample->ndim = min_int(v->axes.ndim, THAW_MAX_DIMS - 1);
	for (int i = 0; i < sample->ndim; i++)
		dim[i + 1] = sample->dim[i] = thaw_onnx_axes_dim(&v->axes, i);
	THAW_TRY(thaw_onnx_in_order(m, n, v));
	if (v->axes.ndim < THAW_MAX_DIMS)
		thaw_onnx_axes_reshape(&v->axes, dim, v->axes.ndim + 1);
	return thaw_onnx_in_order(m, n, v);
}

/* The output of a classifier, or features: one vector per image. */
static thaw_status vector_output(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v)
{
	THAW_TRY(thaw_onnx_pool_features(m, n, v));
	if (v->axes.ndim != 2 || thaw_onnx_axes_dim(&v->axes, 0) != m->images) {
		int64_t dim[] = {m->images, thaw_onnx_axes_count(&v->axes) / m->images};
		if (!thaw_onnx_axes_reshape(&v->axes, dim, 2))
			return thaw_fail(THAW_CONFIG, "%s is not a vector of class scores or features", n->name);
	}
	THAW_TRY(thaw_onnx_in_order(m, n, v));
	return thaw_onnx_as_ndim(m, n, v, 2); /* also for one class, whose axis has no factor */
}

thaw_status thaw_onnx_set_output(struct thaw_onnx_importer *m, const struct thaw_onnx_import_options *options,
				 struct thaw_onnx_network *network)
{
	const Onnx__NodeProto output = {.op_type = "output", .name = (char *)m->ending.value};
	const struct thaw_onnx_value *found = thaw_onnx_value_find(m, output.name);
	if (!found || !found->defined || found->constant)
		return thaw_fail(THAW_DATA, "unsupported ONNX output: %s: output %s does not depend on the input",
				 m->file->path, m->ending.output);
	struct thaw_onnx_value v = *found;
	m->added = 0;
	thaw_status status =
		options->computation ? sample_output(m, &output, &v, &network->sample) : vector_output(m, &output, &v);
	if (status != THAW_OK)
		return thaw_fail_in(status, "unsupported ONNX output: %s", m->file->path);
	m->graph->output = v.node;
	return THAW_OK;
}
