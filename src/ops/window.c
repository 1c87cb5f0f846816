/* The output size and windows of pooling, as PyTorch defines them. */
#include "src/ops/window.h"

#include <string.h>

/* Pixels from a window's first tap to its last. */
static int64_t reach(const struct thaw_windows *w)
{
	return (w->kernel - 1) * w->step + 1;
}

/* Padding as TensorFlow's SAME places it: the odd pixel after the image, or before it if `lower`. */
static void pad_same(struct thaw_windows *w, bool lower)
{
	int64_t total;
	w->out = (w->in + w->stride - 1) / w->stride;
	total = (w->out - 1) * w->stride + reach(w) - w->in;
	total = total < 0 ? 0 : total;
	w->before = lower ? total - total / 2 : total / 2;
	w->after = total - w->before;
}

/* With ceil_mode a last window may hang over the end, but must start inside the image or the padding
 * before it, or it would see nothing but padding. */
static void count_windows(struct thaw_windows *w, bool ceil_mode)
{
	int64_t room = w->in + w->before + w->after - reach(w) + (ceil_mode ? w->stride - 1 : 0);
	w->out = room < 0 ? 0 : room / w->stride + 1;
	if (ceil_mode && w->out > 0 && (w->out - 1) * w->stride >= w->in + w->before)
		w->out--;
}

/* The taps of a dilated window may all miss a small image. */
static bool any_empty(const struct thaw_windows *w)
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
				 "negative kernel, stride, dilation, padding or output size: %s: give none", op);
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
			return thaw_fail(THAW_CONFIG, "padding not smaller than the kernel of %d: %s: pad less", kernel,
					 op);
		if (!attrs->same)
			count_windows(w, attrs->ceil_mode);
	}
	if (in < 1 || w->out < 1 || any_empty(w))
		return thaw_fail(THAW_CONFIG, "image of %lld pixels %s is too small here: %s: use larger images",
				 (long long)in, axis ? "across" : "down", op);
	return THAW_OK;
}

thaw_status thaw_windows_set(struct thaw_windows axis[2], const struct thaw_attrs *attrs, const struct thaw_shape *x,
			     const char *op)
{
	if (x->ndim != 4 || x->dim[3] < 1)
		return thaw_fail(THAW_CONFIG, "input of rank %d: %s: needs images (N,H,W,C)", x->ndim, op);
	THAW_TRY(set_axis(&axis[0], 0, attrs, x->dim[1], op));
	return set_axis(&axis[1], 1, attrs, x->dim[2], op);
}
