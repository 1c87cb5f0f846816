#include "src/ops/kernels/conv_axis.h"

#include "src/base/minmax.h"

static int64_t raw_offset(const struct thaw_conv_axis *a, int64_t phase, int64_t tap)
{
	return a->origin + phase + tap * a->spacing;
}

static struct thaw_conv_axis with_extent(struct thaw_conv_axis a)
{
	int64_t high = INT64_MIN;
	a.low = INT64_MAX;
	for (int64_t phase = 0; phase < a.step; phase++)
		for (int64_t tap = 0; tap < a.taps; tap++) {
			int64_t at = raw_offset(&a, phase, tap);
			if (at % a.step != 0)
				continue;
			a.low = min_int64(a.low, at / a.step);
			high = max_int64(high, at / a.step);
		}
	a.span = high - a.low + 1;
	return a;
}

static struct thaw_conv_axis axis_of(int64_t in, int64_t out, int64_t taps, int64_t spacing, int64_t padding,
				     int64_t stride, enum thaw_conv_pass pass)
{
	if (pass == THAW_CONV_DATA)
		return with_extent((struct thaw_conv_axis){.in = out,
							   .out = in,
							   .taps = taps,
							   .spacing = -spacing,
							   .origin = padding,
							   .step = stride,
							   .stride = 1,
							   .skip = 1});
	return with_extent((struct thaw_conv_axis){.in = in,
						   .out = out,
						   .taps = taps,
						   .spacing = spacing,
						   .origin = -padding,
						   .step = 1,
						   .stride = taps == 1 ? 1 : stride,
						   .skip = taps == 1 ? stride : 1});
}

struct thaw_conv_axis thaw_conv_axis_y(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	return axis_of(c->h, c->ho, c->kh, 1 + c->gap_y, c->top, c->stride_y, pass);
}

struct thaw_conv_axis thaw_conv_axis_x(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	return axis_of(c->w, c->wo, c->kw, 1 + c->gap_x, c->left, c->stride_x, pass);
}

bool thaw_conv_axis_tap(const struct thaw_conv_axis *axis, int64_t phase, int64_t tap, int64_t *offset)
{
	int64_t at = raw_offset(axis, phase, tap);
	*offset = at / axis->step - axis->low;
	return at % axis->step == 0;
}

int64_t thaw_conv_axis_results(const struct thaw_conv_axis *axis, int64_t phase)
{
	return (axis->out - phase + axis->step - 1) / axis->step;
}

int64_t thaw_conv_axis_pixels(const struct thaw_conv_axis *axis, int64_t results)
{
	return (results - 1) * axis->stride + axis->span;
}

int64_t thaw_conv_axis_pixel(const struct thaw_conv_axis *axis, int64_t first, int64_t at)
{
	return axis->low + (first * axis->stride + at) * axis->skip;
}

struct thaw_conv_band thaw_conv_largest_band(const struct thaw_conv_axis *y, int64_t images, int64_t results,
					     int64_t row_in, int64_t row_out, int64_t bytes)
{
	int64_t image = thaw_conv_axis_pixels(y, results) * row_in + results * row_out;
	if (image <= bytes)
		return (struct thaw_conv_band){.images = max_int64(min_int64(bytes / image, images), 1),
					       .rows = results};
	int64_t rows = (bytes - y->span * row_in - row_out) / (y->stride * row_in + row_out) + 1;
	return (struct thaw_conv_band){.images = 1, .rows = max_int64(min_int64(rows, results), 1)};
}

bool thaw_conv_next_band(struct thaw_conv_band largest, int64_t images, int64_t results, struct thaw_conv_band *band)
{
	if (band->images == 0) {
		*band = (struct thaw_conv_band){0};
	} else {
		band->first += band->rows;
		if (band->first >= results) {
			band->first = 0;
			band->image += band->images;
		}
	}
	band->images = min_int64(largest.images, images - band->image);
	band->rows = min_int64(largest.rows, results - band->first);
	return band->images > 0;
}
