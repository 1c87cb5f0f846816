/* Pooling windows: which input pixels an output pixel looks at, for both pooling operators. */
#ifndef THAW_SRC_OPS_WINDOW_H
#define THAW_SRC_OPS_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "thaw/ops.h"

/* Windows along one axis. */
struct thaw_windows {
	int64_t in, out; /* pixels before and after pooling */
	int64_t kernel, stride;
	int64_t before, after; /* padding */
	bool adaptive;         /* kernel, stride and padding do not count: windows divide the input evenly */
};

/* One window. */
struct thaw_window {
	int64_t begin, end; /* input pixels, padding cut off; never empty */
	int64_t full;       /* length with padding */
};

/* The windows of both axes, y then x, for images x (N,H,W,C). Reads kernel, stride, pad, same,
 * ceil_mode and output: kernel 0 with an output size is adaptive pooling, kernel 0 without is global.
 * THAW_CONFIG if the attributes make no sense or the image is too small; `op` names the operator. */
thaw_status thaw_windows_set(struct thaw_windows axis[2], const struct thaw_attrs *attrs, const struct thaw_shape *x,
			     const char *op);

/* The window of output pixel i. */
static inline struct thaw_window thaw_window_at(const struct thaw_windows *w, int64_t i)
{
	struct thaw_window at;

	if (w->adaptive) {
		at.begin = i * w->in / w->out;
		at.end = ((i + 1) * w->in + w->out - 1) / w->out;
		at.full = at.end - at.begin;
		return at;
	}
	at.begin = i * w->stride - w->before;
	at.end = at.begin + w->kernel;
	at.full = (at.end < w->in + w->after ? at.end : w->in + w->after) - at.begin;
	at.begin = at.begin < 0 ? 0 : at.begin;
	at.end = at.end < w->in ? at.end : w->in;
	return at;
}

#endif
