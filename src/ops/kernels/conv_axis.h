/* Direct convolution, one axis at a time: which pixels the taps read for each result, and the bands of results whose
 * pixels are copied to a buffer that stays in the second-level cache.
 *
 * Results form `step` phases: result `phase + step * j` reads pixel `stride * j + offset` for each tap of the phase. A
 * forward pass has one phase. The data pass of a convolution with stride s has s phases, one for each remainder of the
 * image's pixels by s, each with its own taps of dy and without stride.
 */
#ifndef THAW_SRC_OPS_KERNELS_CONV_AXIS_H
#define THAW_SRC_OPS_KERNELS_CONV_AXIS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/ops/kernels/conv.h"

struct thaw_conv_axis {
	int64_t in, out; /* pixels read, results */
	int64_t taps, spacing, origin, step;
	int64_t stride; /* pixels of the buffer between the results of a phase */
	int64_t skip;   /* pixels read between those of the buffer: the stride where there is one tap */
	int64_t low;    /* smallest offset of all taps */
	int64_t span;   /* pixels of the buffer for one result */
};

/* The axes of a forward or data pass. */
struct thaw_conv_axis thaw_conv_axis_y(const struct thaw_conv *c, enum thaw_conv_pass pass);
struct thaw_conv_axis thaw_conv_axis_x(const struct thaw_conv *c, enum thaw_conv_pass pass);

/* Whether the phase has this tap; *offset: its place in the buffer, relative to the first result's first pixel. */
bool thaw_conv_axis_tap(const struct thaw_conv_axis *axis, int64_t phase, int64_t tap, int64_t *offset);
/* Results of a phase; phase 0 has the most. */
int64_t thaw_conv_axis_results(const struct thaw_conv_axis *axis, int64_t phase);
/* Pixels of the buffer for this number of results. */
int64_t thaw_conv_axis_pixels(const struct thaw_conv_axis *axis, int64_t results);
/* The pixel at place `at` of a buffer for results from `first` on; outside [0, in): padding. */
int64_t thaw_conv_axis_pixel(const struct thaw_conv_axis *axis, int64_t first, int64_t at);

/* Results [first, first + rows) of each of `images` images. Either all results of the images or one image. */
struct thaw_conv_band {
	int64_t image, images, first, rows;
};

/* The largest band that takes at most `bytes`; at least one row. A row of pixels and one of results take row_in and
 * row_out bytes. */
struct thaw_conv_band thaw_conv_largest_band(const struct thaw_conv_axis *y, int64_t images, int64_t results,
					     int64_t row_in, int64_t row_out, int64_t bytes);
/* Moves a band of the largest size to the next place, or to the first if images is 0; false at the end. */
bool thaw_conv_next_band(struct thaw_conv_band largest, int64_t images, int64_t results, struct thaw_conv_band *band);

#endif
