/* Pooling. Composed where opset 17 has no operator: adaptive pooling from slices; averages over windows that are
 * dilated or exceed the padding from a convolution with ones. */
#include <string.h>

#include "src/base/minmax.h"
#include "src/onnx/export/exporter.h"
#include "src/ops/window.h"

struct pool {
	bool average;
	const char *sliding, *global, *reduce;
};

static const struct pool kinds[] = {
	{true, "AveragePool", "GlobalAveragePool", "ReduceMean"},
	{false, "MaxPool", "GlobalMaxPool", "ReduceMax"},
};

static bool is_open(const struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	return thaw_onnx_size_of(e, n->inputs[0], 1).open || thaw_onnx_size_of(e, n->inputs[0], 2).open;
}

/* Slices [begin, end) of an axis of x. */
static const char *slice(struct thaw_onnx_exporter *e, const char *x, int axis, struct thaw_window at)
{
	const char *inputs[] = {x, thaw_onnx_emit_ints(e, &at.begin, 1), thaw_onnx_emit_ints(e, &at.end, 1),
				thaw_onnx_emit_ints(e, &(int64_t){axis}, 1)};
	return thaw_onnx_output_of(thaw_onnx_emit(e, "Slice", inputs, 4));
}

/* Pools one axis of x to size w->out, window by window. */
static const char *pool_axis(struct thaw_onnx_exporter *e, const struct pool *kind, const char *x, int axis,
			     const struct thaw_windows *w)
{
	const char **parts = thaw_onnx_exporter_alloc(e, (size_t)w->out, sizeof(*parts));
	if (!parts || w->in == w->out)
		return x;
	for (int64_t i = 0; i < w->out; i++) {
		struct thaw_window at = thaw_window_at(w, i);
		const char *part = w->out == 1 ? x : slice(e, x, axis, at);
		Onnx__NodeProto *y = thaw_onnx_emit(e, kind->reduce, &part, 1);
		thaw_onnx_set_ints(e, y, "axes", &(int64_t){axis}, 1);
		thaw_onnx_set_int(e, y, "keepdims", 1);
		parts[i] = thaw_onnx_output_of(y);
	}
	if (w->out == 1)
		return parts[0];
	Onnx__NodeProto *y = thaw_onnx_emit(e, "Concat", parts, (int)w->out);
	thaw_onnx_set_int(e, y, "axis", axis);
	return thaw_onnx_output_of(y);
}

/* Adaptive pooling. */
static const char *pool_adaptive(struct thaw_onnx_exporter *e, const struct thaw_node *n, const struct pool *kind,
				 const char *x, const struct thaw_windows *w)
{
	const int *output = n->attrs.output;
	if (output[0] <= 1 && output[1] <= 1)
		return thaw_onnx_emit_one(e, kind->global, x);
	e->one_size |= is_open(e, n);
	if (w[0].in % w[0].out != 0 || w[1].in % w[1].out != 0)
		return pool_axis(e, kind, pool_axis(e, kind, x, 2, &w[0]), 3, &w[1]);
	const int64_t kernel[] = {w[0].in / w[0].out, w[1].in / w[1].out};
	if (kernel[0] == 1 && kernel[1] == 1)
		return x;
	Onnx__NodeProto *y = thaw_onnx_emit(e, kind->sliding, &x, 1);
	thaw_onnx_set_ints(e, y, "kernel_shape", kernel, 2);
	thaw_onnx_set_ints(e, y, "strides", kernel, 2);
	return thaw_onnx_output_of(y);
}

/* Replaces ceil_mode by padding: as much as the last windows need. */
static void pad_for_ceil(const struct thaw_windows *w, struct thaw_attrs *attrs)
{
	for (int axis = 0; axis < 2; axis++) {
		int64_t end = (w[axis].out - 1) * w[axis].stride + (w[axis].kernel - 1) * w[axis].step + 1;
		int64_t after = end - w[axis].before - w[axis].in;
		attrs->pad[axis] = (int)w[axis].before;
		attrs->pad[axis + 2] = (int)max_int64(after, w[axis].after);
	}
	attrs->ceil_mode = attrs->same = false;
}

/* Whether all frameworks agree on the number of windows with ceil_mode: no window starts in the trailing padding. */
static bool ceil_is_clear(const struct thaw_windows *w)
{
	for (int axis = 0; axis < 2; axis++)
		if (w[axis].stride + w[axis].after > (w[axis].kernel - 1) * w[axis].step + 1)
			return false;
	return true;
}

/* 1 / number of averaged pixels, per window: (1,1,h,w). */
static const char *window_weights(struct thaw_onnx_exporter *e, const struct thaw_windows *w, bool pad_counts)
{
	const struct thaw_shape shape = thaw_shape_of(1, 1, w[0].out, w[1].out);
	float *weight = thaw_onnx_exporter_alloc(e, (size_t)thaw_shape_count(&shape), sizeof(*weight));
	for (int64_t i = 0; weight && i < w[0].out; i++)
		for (int64_t j = 0; j < w[1].out; j++) {
			struct thaw_window down = thaw_window_at(&w[0], i), across = thaw_window_at(&w[1], j);
			int64_t pixels = pad_counts ? down.full * across.full : down.taps * across.taps;
			weight[i * w[1].out + j] = 1.0f / (float)pixels;
		}
	return thaw_onnx_emit_floats(e, "window_shares", &shape, weight);
}

/* Average pooling as a depthwise convolution with ones, times window_weights. */
static const char *average_by_sums(struct thaw_onnx_exporter *e, const struct thaw_node *n, const char *x,
				   const struct thaw_windows *w)
{
	struct thaw_attrs attrs = n->attrs;
	const int64_t channels = thaw_onnx_shape_in(e, n, 0)->dim[3], kernel[] = {w[0].kernel, w[1].kernel};
	const struct thaw_shape shape = thaw_shape_of(channels, 1, kernel[0], kernel[1]);
	int64_t count = thaw_shape_count(&shape);
	float *ones = thaw_onnx_exporter_alloc(e, (size_t)count, sizeof(*ones));
	for (int64_t i = 0; ones && i < count; i++)
		ones[i] = 1.0f;
	e->one_size |= is_open(e, n);
	pad_for_ceil(w, &attrs);
	const char *inputs[] = {x, thaw_onnx_emit_floats(e, "window_ones", &shape, ones)};
	Onnx__NodeProto *sum = thaw_onnx_emit(e, "Conv", inputs, 2);
	thaw_onnx_set_int(e, sum, "group", channels);
	thaw_onnx_set_window(e, sum, &attrs, kernel);
	return thaw_onnx_emit_two(e, "Mul", thaw_onnx_output_of(sum), window_weights(e, w, attrs.pad_counts));
}

static const char *pool_sliding(struct thaw_onnx_exporter *e, const struct thaw_node *n, const struct pool *kind,
				const char *x, const struct thaw_windows *w)
{
	struct thaw_attrs attrs = n->attrs;
	const int64_t kernel[] = {w[0].kernel, w[1].kernel};
	bool dilated = w[0].step > 1 || w[1].step > 1;
	bool clear = ceil_is_clear(w);
	if (kind->average && (dilated || (attrs.ceil_mode && attrs.pad_counts)))
		return average_by_sums(e, n, x, w);
	if (attrs.ceil_mode && !clear) {
		e->one_size |= is_open(e, n);
		pad_for_ceil(w, &attrs);
	}
	Onnx__NodeProto *y = thaw_onnx_emit(e, kind->sliding, &x, 1);
	thaw_onnx_set_window(e, y, &attrs, kernel);
	if (attrs.ceil_mode)
		thaw_onnx_set_int(e, y, "ceil_mode", 1);
	if (kind->average && attrs.pad_counts)
		thaw_onnx_set_int(e, y, "count_include_pad", 1);
	return thaw_onnx_output_of(y);
}

void thaw_onnx_export_pool(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const struct pool *kind = &kinds[strcmp(n->op->name, "average_pool") != 0];
	const char *x = thaw_onnx_in(e, n, 0, THAW_ONNX_CHANNELS_FIRST);
	struct thaw_windows w[2];
	if (!e->failed)
		e->failed = thaw_windows_set(w, &n->attrs, thaw_onnx_shape_in(e, n, 0), n->name);
	if (e->failed)
		return;
	bool adaptive = w[0].adaptive && w[1].adaptive;
	if (w[0].adaptive != w[1].adaptive)
		thaw_onnx_fail_export(e, "pooling that is adaptive along one axis only is not supported");
	thaw_onnx_out(e, THAW_ONNX_CHANNELS_FIRST,
		      adaptive ? pool_adaptive(e, n, kind, x, w) : pool_sliding(e, n, kind, x, w));
}
