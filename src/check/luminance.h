/* The luminance of an image, and means of it over rectangles. */
#ifndef THAW_SRC_CHECK_LUMINANCE_H
#define THAW_SRC_CHECK_LUMINANCE_H

#include "thaw/image.h"

struct thaw_luminance {
	int width, height;
	float *value; /* (height,width) 0 .. 255 */
	double *sum;  /* (height + 1,width + 1) sums of the values above and to the left */
};

/* A part of an image, in fractions of its width and height. */
struct thaw_window {
	float left, top, right, bottom; /* 0 .. 1 */
};

/* Makes the luminance of an image, reduced so that no side is longer than max_side. */
thaw_status thaw_luminance_make(struct thaw_luminance *l, const struct thaw_image *image, int max_side);
void thaw_luminance_free(struct thaw_luminance *l);

#define THAW_MAX_CELLS 64

/* Divides the window into side x side cells, side up to THAW_MAX_CELLS, and writes the mean luminance of each. */
void thaw_luminance_cells(const struct thaw_luminance *l, const struct thaw_window *window, int side, float *cells);

#endif
