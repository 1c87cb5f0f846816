/* Resize and Upsample, one axis at a time. Linear and cubic: a product with the matrix of interpolation weights.
 * Nearest: a Gather. */
#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/onnx/import/importer.h"
#include "thaw/memory.h"

enum { MAX_TAPS = 4 };

static const char *const modes[] = {"nearest", "linear", "cubic"};
enum { NEAREST, LINEAR, CUBIC };
static const char *const coordinate_modes[] = {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric",
					       "tf_half_pixel_for_nn"};
enum { HALF_PIXEL, PYTORCH_HALF_PIXEL, ALIGN_CORNERS, ASYMMETRIC, TF_HALF_PIXEL };
static const char *const roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
enum { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL };

struct resize {
	int mode, coordinates, rounding;
	float cubic; /* the coefficient a of the cubic kernel */
	bool exclude_outside;
};

/* One axis: sizes before and after, and the scale, which is not always their quotient. */
struct axis_scale {
	int64_t in, out;
	double scale;
};

/* *index = the index of the attribute's value in `words`. */
#define FIND_WORD(index, n, name, words, otherwise) \
	find_word((index), (n), (name), (words), (int)(sizeof(words) / sizeof(*(words))), (otherwise))

static thaw_status find_word(int *index, const Onnx__NodeProto *n, const char *name, const char *const *words,
			     int count, int otherwise)
{
	char text[THAW_ONNX_TEXT];
	THAW_TRY(thaw_onnx_attribute_string(text, n, name, words[otherwise]));
	for (*index = 0; *index < count; ++*index)
		if (strcmp(text, words[*index]) == 0)
			return THAW_OK;
	return thaw_onnx_fail_node(n, "%s %s is not supported", name, text);
}

static thaw_status read_resize(const struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct resize *r)
{
	enum { COORDINATES_OPSET = 11 };
	bool old = m->opset < COORDINATES_OPSET;
	int64_t exclude, antialias;
	THAW_TRY(FIND_WORD(&r->mode, n, "mode", modes, NEAREST));
	THAW_TRY(FIND_WORD(&r->coordinates, n, "coordinate_transformation_mode", coordinate_modes,
			   old ? ASYMMETRIC : HALF_PIXEL));
	THAW_TRY(FIND_WORD(&r->rounding, n, "nearest_mode", roundings, old ? FLOOR : PREFER_FLOOR));
	THAW_TRY(thaw_onnx_attribute_float(&r->cubic, n, "cubic_coeff_a", -0.75f));
	THAW_TRY(thaw_onnx_attribute_int(&exclude, n, "exclude_outside", 0));
	THAW_TRY(thaw_onnx_attribute_int(&antialias, n, "antialias", 0));
	r->exclude_outside = exclude != 0;
	if (antialias || thaw_onnx_attribute_present(n, "axes"))
		return thaw_onnx_fail_node(n, "antialias and axes are not supported");
	return THAW_OK;
}

/* The input coordinate of output i. */
static double source_position(const struct resize *r, const struct axis_scale *s, int64_t i)
{
	double x = (double)i, length = (double)s->in * s->scale;
	switch (r->coordinates) {
	case ALIGN_CORNERS:
		return length == 1 ? 0 : x * (double)(s->in - 1) / (length - 1);
	case ASYMMETRIC:
		return x / s->scale;
	case TF_HALF_PIXEL:
		return (x + 0.5) / s->scale;
	case PYTORCH_HALF_PIXEL:
		return length > 1 ? (x + 0.5) / s->scale - 0.5 : 0;
	default:
		return (x + 0.5) / s->scale - 0.5;
	}
}

static int64_t clamp_index(int64_t i, int64_t size)
{
	return min_int64(max_int64(i, 0), size - 1);
}

static int64_t nearest(const struct resize *r, const struct axis_scale *s, int64_t i)
{
	double x = source_position(r, s, i);
	double rounded = r->rounding == FLOOR          ? floor(x)
			 : r->rounding == CEIL         ? ceil(x)
			 : r->rounding == PREFER_FLOOR ? ceil(x - 0.5)
						       : floor(x + 0.5);
	return clamp_index((int64_t)rounded, s->in);
}

/* The cubic convolution kernel: Keys, Cubic convolution interpolation for digital image processing, 1981. */
static double cubic_weight(double a, double distance)
{
	double d = fabs(distance);
	if (d <= 1)
		return ((a + 2) * d - (a + 3)) * d * d + 1;
	return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* Adds the weights of output i to its zeroed row of the matrix. Taps outside the input use its border elements, or none
 * with exclude_outside. */
static void fill_row(const struct resize *r, const struct axis_scale *s, int64_t i, float *row)
{
	double x = source_position(r, s, i), weight[MAX_TAPS], sum = 0;
	int taps = r->mode == LINEAR ? 2 : MAX_TAPS;
	int64_t first = (int64_t)floor(x) - (taps / 2 - 1);
	for (int k = 0; k < taps; k++) {
		double distance = x - (double)(first + k);
		bool outside = r->exclude_outside && (first + k < 0 || first + k >= s->in);
		weight[k] = r->mode == LINEAR ? 1 - fabs(distance) : cubic_weight(r->cubic, distance);
		weight[k] = outside ? 0 : weight[k];
		sum += weight[k];
	}
	for (int k = 0; k < taps; k++)
		row[clamp_index(first + k, s->in)] += (float)(weight[k] / sum);
}

/* Resizes view_axis by a product with its matrix (out,in). */
static thaw_status resize_linear_or_cubic(struct thaw_onnx_importer *m, const Onnx__NodeProto *n,
					  struct thaw_onnx_value *x, const struct resize *r, const struct axis_scale *s,
					  int view_axis)
{
	struct thaw_attrs attrs = {.transpose = {false, true}};
	struct thaw_shape shape = thaw_shape_of(s->out, s->in);
	struct thaw_onnx_value weights;
	float *matrix;
	THAW_TRY(thaw_onnx_alloc_elements(n, &shape, &matrix));
	for (int64_t i = 0; i < s->out; i++)
		fill_row(r, s, i, matrix + i * s->in);
	thaw_status status = thaw_onnx_fixed_tensor(m, n, &shape, matrix, &weights);
	thaw_free(matrix);
	THAW_TRY(status);
	thaw_onnx_axes_to_end(&x->axes, view_axis);
	THAW_TRY(thaw_onnx_as_rows(m, n, x));
	if (x->axes.tensor.ndim < 2)
		THAW_TRY(thaw_onnx_as_ndim(m, n, x, 2));
	x->node = thaw_onnx_add(m, n, "matmul", &attrs, (int[]){x->node, weights.node}, 2);
	thaw_onnx_axes_resize(&x->axes, x->axes.tensor.ndim - 1, s->out);
	thaw_onnx_axes_from_end(&x->axes, view_axis);
	return thaw_onnx_node_shape(m, x->node, &shape);
}

static thaw_status resize_nearest(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *x,
				  const struct resize *r, const struct axis_scale *s, int view_axis)
{
	struct thaw_shape shape = thaw_shape_of(s->out);
	float *indices;
	THAW_TRY(thaw_onnx_alloc_elements(n, &shape, &indices));
	for (int64_t i = 0; i < s->out; i++)
		indices[i] = (float)nearest(r, s, i);
	thaw_status status = thaw_onnx_gather(m, n, x, view_axis, indices, s->out);
	thaw_free(indices);
	return status;
}

/* s[i] = the scale of axis i, from the input `scales` or `sizes`. */
static thaw_status read_scales(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, const struct thaw_onnx_value *x,
			       struct axis_scale *s)
{
	enum { SCALES_ALONE = 2 }; /* input count of Upsample, and of Resize before opset 11 */
	const struct thaw_onnx_constant *scales, *sizes;
	THAW_TRY(thaw_onnx_constant_input(m, n, n->n_input == SCALES_ALONE ? 1 : 2, &scales));
	THAW_TRY(thaw_onnx_constant_input(m, n, 3, &sizes));
	bool by_scale = scales && thaw_shape_count(&scales->shape) > 0;
	const struct thaw_onnx_constant *c = by_scale ? scales : sizes;
	if (!c || c->type != (by_scale ? THAW_F32 : THAW_I64) || thaw_shape_count(&c->shape) != x->axes.ndim)
		return thaw_onnx_fail_node(n, "it has neither scales nor sizes for %d axes", x->axes.ndim);
	for (int i = 0; i < x->axes.ndim; i++) {
		int64_t in = thaw_onnx_axes_dim(&x->axes, i);
		double scale = by_scale ? ((const float *)c->data)[i] : (double)((const int64_t *)c->data)[i] / in;
		double out = by_scale ? floor((double)in * scale) : (double)((const int64_t *)c->data)[i];
		if (!(out >= 1 && out <= INT32_MAX))
			return thaw_onnx_fail_node(n, "axis %d of size %lld would become %g", i, (long long)in, out);
		s[i] = (struct axis_scale){in, (int64_t)out, scale};
	}
	return THAW_OK;
}

thaw_status thaw_onnx_import_resize(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	struct thaw_onnx_value x;
	struct resize r;
	struct axis_scale s[THAW_MAX_FACTORS];
	THAW_TRY(thaw_onnx_tensor_input(m, n, 0, &x));
	THAW_TRY(read_resize(m, n, &r));
	THAW_TRY(read_scales(m, n, &x, s));
	for (int view_axis = 0; view_axis < x.axes.ndim; view_axis++) {
		if (s[view_axis].in == s[view_axis].out && s[view_axis].scale == 1)
			continue;
		THAW_TRY((r.mode == NEAREST ? resize_nearest : resize_linear_or_cubic)(m, n, &x, &r, &s[view_axis],
										       view_axis));
	}
	return thaw_onnx_value_output(m, n, 0, &x);
}
