/* Output sizes and windows of pooling, as PyTorch defines them. */
#include "src/ops/window.h"

#include <string.h>

#include "src/base/try.h"

/* Pixels that a window spans, from its first tap to its last. */
static int64_t reach(const struct thaw_windows *w)
{
	return (w->kernel - 1) * w->step + 1;
}

/* Sets output size and padding as TensorFlow's SAME: an odd pixel of padding is after the image, or before it if
 * `lower`. */
static void pad_same(struct thaw_windows *w, bool lower)
{
	int64_t total;
	w->out = (w->in + w->stride - 1) / w->stride;
	total = (w->out - 1) * w->stride + reach(w) - w->in;
	total = max_int64(total, 0);
	w->before = lower ? total - total / 2 : total / 2;
	w->after = total - w->before;
}

/* Sets the output size. With ceil_mode the last window may extend beyond the padded image, but must start inside the
 * image or the padding before it: else it would cover padding only. */
static void count_windows(struct thaw_windows *w, bool ceil_mode)
{
	int64_t room = w->in + w->before + w->after - reach(w) + (ceil_mode ? w->stride - 1 : 0);
	w->out = room < 0 ? 0 : room / w->stride + 1;
	if (ceil_mode && w->out > 0 && (w->out - 1) * w->stride >= w->in + w->before)
		w->out--;
}

/* Whether all taps of some window are outside the image: possible for dilated windows on small images. */
static bool has_empty_window(const struct thaw_windows *w)
{
	for (int64_t i = 0; i < w->out && w->step > 1; i++)
		if (thaw_window_at(w, i).taps < 1)
			return true;
	return false;
}

static thaw_status set_axis(struct thaw_windows *w, int axis, const struct thaw_attrs *attrs, int64_t in,
			    const char *op)
{
	int kernel = attrs->kernel[axis], stride = attrs->stride[axis], output = attrs->output[axis];
	int before = attrs->pad[axis], after = attrs->pad[axis + 2];
	memset(w, 0, sizeof(*w));
	if (kernel < 0 || stride < 0 || output < 0 || before < 0 || after < 0 || attrs->dilation[axis] < 0)
		return thaw_fail(THAW_CONFIG,
				 "negative kernel, stride, dilation, padding or output size: %s: give 0 or more", op);
	w->in = in;
	w->step = 1;
	if (kernel == 0) {
		w->adaptive = true;
		w->out = output ? output : 1;
	} else {
		w->kernel = kernel;
		w->stride = stride ? stride : 1;
		w->step = attrs->dilation[axis] ? attrs->dilation[axis] : 1;
		w->before = before;
		w->after = after;
		if (attrs->same)
			pad_same(w, attrs->same_lower);
		if (w->before >= reach(w) || w->after >= reach(w))
			return thaw_fail(THAW_CONFIG, "padding is not smaller than the kernel of %d: %s: pad less",
					 kernel, op);
		if (!attrs->same)
			count_windows(w, attrs->ceil_mode);
	}
	if (in < 1 || w->out < 1 || has_empty_window(w))
		return thaw_fail(THAW_CONFIG, "image of %lld pixels %s is too small: %s: use larger images",
				 (long long)in, axis ? "across" : "down", op);
	return THAW_OK;
}

thaw_status thaw_windows_set(struct thaw_windows axis[2], const struct thaw_attrs *attrs, const struct thaw_shape *x,
			     const char *op)
{
	if (x->ndim != 4 || x->dim[3] < 1)
		return thaw_fail(THAW_CONFIG, "input with %d axes: %s: give images (N,H,W,C)", x->ndim, op);
	THAW_TRY(set_axis(&axis[0], 0, attrs, x->dim[1], op));
	return set_axis(&axis[1], 1, attrs, x->dim[2], op);
}

struct thaw_pool thaw_pool_of(const struct thaw_op_args *args, const char *op)
{
	const struct thaw_shape *x = &args->x[0].shape;
	struct thaw_pool pool = {.channels = x->dim[3]};
	if (thaw_windows_set(pool.axis, args->attrs, x, op) != THAW_OK)
		return pool; /* without images; `infer` has refused such nodes */
	pool.images = x->dim[0];
	pool.in = x->dim[1] * x->dim[2] * pool.channels;
	pool.out = pool.axis[0].out * pool.axis[1].out * pool.channels;
	return pool;
}

/* Image by image, so that dx is still in cache when gradients are added. */
float *thaw_pool_gradient(const struct thaw_op_args *args, const struct thaw_pool *pool, int64_t n)
{
	float *dx = args->dx[0] + n * pool->in;
	if (!args->dx_add[0])
		memset(dx, 0, (size_t)pool->in * sizeof(float));
	return dx;
}
