/* Pooling windows: which input pixels an output pixel looks at, for both pooling operators. */
#ifndef THAW_SRC_OPS_WINDOW_H
#define THAW_SRC_OPS_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "thaw/ops.h"

/* Windows along one axis. */
struct thaw_windows {
	int64_t in, out;              /* pixels before and after pooling */
	int64_t kernel, stride, step; /* step: from tap to tap, the dilation */
	int64_t before, after;        /* padding */
	bool adaptive;                /* kernel, stride and padding do not count: windows divide the input evenly */
};

/* One window. */
struct thaw_window {
	int64_t begin, end, step; /* input pixels begin, begin + step, ... before end, padding cut off */
	int64_t taps, full;       /* how many they are, never none; with those in the padding */
};

/* The windows of both axes, y then x, for images x (N,H,W,C). Reads kernel, stride, dilation, pad,
 * same, ceil_mode and output: kernel 0 with an output size is adaptive pooling, kernel 0 without is global.
 * THAW_CONFIG if the attributes make no sense or the image is too small; `op` names the operator. */
thaw_status thaw_windows_set(struct thaw_windows axis[2], const struct thaw_attrs *attrs, const struct thaw_shape *x,
			     const char *op);

/* Taps on so many pixels, the first of which is one. Nothing is divided in the usual case. */
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
	at.full = thaw_window_taps(w, (at.end < w->in + w->after ? at.end : w->in + w->after) - at.begin);
	at.begin += at.begin < 0 ? thaw_window_taps(w, -at.begin) * w->step : 0;
	at.end = at.end < w->in ? at.end : w->in;
	at.taps = thaw_window_taps(w, at.end - at.begin);
	return at;
}

#endif
