/* Pooling windows: the input pixels that each output pixel is computed from, for both pooling operators. */
#ifndef THAW_SRC_OPS_WINDOW_H
#define THAW_SRC_OPS_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/minmax.h"
#include "thaw/ops.h"

/* Windows along one axis. */
struct thaw_windows {
	int64_t in, out;              /* pixels before and after pooling */
	int64_t kernel, stride, step; /* step: distance of neighbouring taps, the dilation */
	int64_t before, after;        /* padding */
	bool adaptive;                /* windows divide the input evenly; kernel, stride and padding are ignored */
};

/* One window. */
struct thaw_window {
	int64_t begin, end, step; /* input pixels begin, begin + step, ... < end, without padding */
	int64_t taps, full;       /* number of these pixels, at least 1; and with those in the padding */
};

/* Sets the windows of both axes, y then x, for images x (N,H,W,C). Reads kernel, stride, dilation, pad, same, ceil_mode
 * and output: kernel 0 with an output size is adaptive pooling, kernel 0 without is global pooling. THAW_CONFIG if the
 * attributes are invalid or the image is too small; `op` names the operator in the message. */
thaw_status thaw_windows_set(struct thaw_windows axis[2], const struct thaw_attrs *attrs, const struct thaw_shape *x,
			     const char *op);

/* The sizes that both passes of a pooling operator work with. */
struct thaw_pool {
	struct thaw_windows axis[2];
	int64_t images, channels;
	int64_t in, out; /* floats of one image in x and in y */
};

/* For arguments whose descriptor has passed `infer`. */
struct thaw_pool thaw_pool_of(const struct thaw_op_args *args, const char *op);

/* dx[0] of image n, for windows to be added to; zeroed unless dx_add[0]. */
float *thaw_pool_gradient(const struct thaw_op_args *args, const struct thaw_pool *pool, int64_t n);

/* Number of taps among `pixels` neighbouring pixels, the first of which is a tap. Does not divide without dilation. */
static inline int64_t thaw_window_taps(const struct thaw_windows *w, int64_t pixels)
{
	return w->step == 1 || pixels <= 0 ? pixels : (pixels + w->step - 1) / w->step;
}

/* The window of output pixel i. */
static inline struct thaw_window thaw_window_at(const struct thaw_windows *w, int64_t i)
{
	struct thaw_window at = {.step = w->step};
	if (w->adaptive) {
		at.begin = i * w->in / w->out;
		at.end = ((i + 1) * w->in + w->out - 1) / w->out;
		at.taps = at.full = at.end - at.begin;
		return at;
	}
	at.begin = i * w->stride - w->before;
	at.end = at.begin + (w->kernel - 1) * w->step + 1;
	at.full = thaw_window_taps(w, min_int64(at.end, w->in + w->after) - at.begin);
	at.begin += at.begin < 0 ? thaw_window_taps(w, -at.begin) * w->step : 0;
	at.end = min_int64(at.end, w->in);
	at.taps = thaw_window_taps(w, at.end - at.begin);
	return at;
}

#endif
