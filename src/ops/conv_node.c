#include "src/ops/conv_node.h"

#include "src/base/minmax.h"
#include "src/ops/kernels/bf16_values.h"
#include "src/ops/kernels/elementwise.h"

static int64_t or_one(int v)
{
	return v ? v : 1;
}

/* Output size along one axis, 0 or less if the image is too small; *before is the padding before the image. */
static int64_t output_size(const struct thaw_attrs *attrs, int axis, int64_t in, int64_t taps, int64_t *before)
{
	int64_t stride = or_one(attrs->stride[axis]), kernel = (taps - 1) * or_one(attrs->dilation[axis]) + 1;
	*before = attrs->pad[axis];
	if (!attrs->same) {
		int64_t room = in + attrs->pad[axis] + attrs->pad[axis + 2] - kernel;
		return room < 0 ? 0 : room / stride + 1;
	}
	int64_t out = (in + stride - 1) / stride, total = (out - 1) * stride + kernel - in;

	*before = total > 0 ? (attrs->same_lower ? total - total / 2 : total / 2) : 0;
	return out;
}

struct thaw_conv thaw_conv_describe(const struct thaw_attrs *attrs, const struct thaw_shape *x,
				    const struct thaw_shape *weight)
{
	struct thaw_conv c = {
		.n = x->dim[0],
		.h = x->dim[1],
		.w = x->dim[2],
		.ci = x->dim[3],
		.co = weight->dim[3],
		.kh = weight->dim[0],
		.kw = weight->dim[1],
		.stride_y = or_one(attrs->stride[0]),
		.stride_x = or_one(attrs->stride[1]),
		.groups = or_one(attrs->groups),
		.precision = attrs->precision,
		.gap_y = weight->dim[0] > 1 ? or_one(attrs->dilation[0]) - 1 : 0,
		.gap_x = weight->dim[1] > 1 ? or_one(attrs->dilation[1]) - 1 : 0,
	};
	c.ho = output_size(attrs, 0, c.h, c.kh, &c.top);
	c.wo = output_size(attrs, 1, c.w, c.kw, &c.left);
	return c;
}

/* Rows of a block: few enough to stay in cache until the residual's gradient is written, and to be summed in single
 * precision. */
enum { BLOCK_ROWS = 256 };

/* Masks dy[count] by the activation's result y from `at` on. */
static void mask_gradient(float *dy, const struct thaw_view *y, int64_t at, int64_t count, enum thaw_activation kind)
{
	float room[THAW_VALUES_BLOCK];
	for (int64_t i = 0; i < count; i += THAW_VALUES_BLOCK) {
		int64_t some = min_int64(count - i, THAW_VALUES_BLOCK);
		thaw_kernel_pass_gradient(dy + i, false, dy + i, thaw_values_read(y, at + i, some, room), some, kind);
	}
}

const float *thaw_conv_epilogue_backward(const struct thaw_op_args *args, float *sum)
{
	int64_t columns = args->y.shape.dim[3], all = thaw_shape_count(&args->y.shape) / columns;
	enum thaw_activation kind = args->attrs->activation;
	for (int64_t first = 0; first < all; first += BLOCK_ROWS) {
		int64_t rows = min_int64(all - first, BLOCK_ROWS), at = first * columns;
		float *dy = args->dy + at;
		if (kind != THAW_ACT_NONE)
			mask_gradient(dy, &args->y, at, rows * columns, kind);
		if (sum)
			thaw_kernel_add_rows(sum, dy, rows, columns);
		if (args->inputs > 1 && args->dx[1])
			thaw_kernel_pass_gradient(args->dx[1] + at, args->dx_add[1], dy, NULL, rows * columns,
						  THAW_ACT_NONE);
	}
	return args->dy;
}
