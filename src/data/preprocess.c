/* Preprocessing for another input size, and as a text. */
#include <math.h>
#include <stdio.h>

#include "src/base/minmax.h"
#include "src/data/transform.h"

/* n * to / from, rounded. */
static int scaled(int n, int to, int from)
{
	return (int)(((int64_t)n * to + from / 2) / from);
}

struct thaw_preprocess thaw_preprocess_at(const struct thaw_preprocess *p, struct thaw_size size)
{
	struct thaw_preprocess at = *p;
	if (size.height > 0 && !thaw_size_equal(size, p->size)) {
		at.resize = scaled(p->resize, thaw_size_shorter(size), thaw_size_shorter(p->size));
		at.size = size;
	}
	return at;
}

struct thaw_size thaw_preprocess_box(const struct thaw_preprocess *p)
{
	int shorter = thaw_size_shorter(p->size);
	return (struct thaw_size){scaled(p->size.height, p->resize, shorter),
				  scaled(p->size.width, p->resize, shorter)};
}

/* The multiple of the stride that is nearest to the side times `scale`, within the limits. */
static int native_side(const struct thaw_native *n, int side, double scale)
{
	int multiple = (int)floor(side * scale / n->stride + 0.5) * n->stride;
	return min_int(max_int(multiple, n->smallest), n->largest);
}

struct thaw_size thaw_preprocess_size(const struct thaw_preprocess *p, int width, int height)
{
	const struct thaw_native *n = &p->native;
	if (n->stride == 0)
		return p->size;
	double scale = min_double(1.0, (double)n->largest / max_int(width, height));
	return (struct thaw_size){native_side(n, height, scale), native_side(n, width, scale)};
}

struct thaw_preprocess thaw_preprocess_of_image(const struct thaw_preprocess *p, struct thaw_size size)
{
	struct thaw_preprocess of = thaw_preprocess_at(p, size);
	if (p->native.stride > 0) {
		of.mode = THAW_RESIZE_SQUASH; /* by less than half a stride */
		of.resize = thaw_size_shorter(size);
	}
	return of;
}

const char *thaw_resize_mode_name(enum thaw_resize_mode mode)
{
	static const char *const names[] = {
		[THAW_RESIZE_SHORTER] = "shorter",
		[THAW_RESIZE_SQUASH] = "squash",
		[THAW_RESIZE_BORDER] = "border",
		[THAW_RESIZE_NONE] = "none",
	};
	return names[mode];
}

/* Resize and crop. Returns text. */
static const char *geometry_text(const struct thaw_preprocess *p, char *text, size_t size)
{
	char box[THAW_SIZE_TEXT], input[THAW_SIZE_TEXT];
	const char *format = "%s resize to %s, crop %s";
	thaw_size_text(p->size, input, sizeof(input));
	thaw_size_text(thaw_preprocess_box(p), box, sizeof(box));
	if (p->native.stride > 0) {
		snprintf(text, size, "%s resize to each image's own size in multiples of %d, %d to %d",
			 thaw_filter_name(p->filter), p->native.stride, p->native.smallest, p->native.largest);
		return text;
	}
	if (p->mode == THAW_RESIZE_SQUASH)
		format = "%s resize of both sides to %s, crop %s";
	else if (p->mode == THAW_RESIZE_BORDER)
		format = "%s resize of the longer side to %s, crop %s";
	if (p->mode == THAW_RESIZE_NONE)
		snprintf(text, size, "no resize, crop %s", input);
	else
		snprintf(text, size, format, thaw_filter_name(p->filter), box, input);
	return text;
}

const char *thaw_preprocess_text(const struct thaw_preprocess *p, char *text, size_t size)
{
	char geometry[160];
	snprintf(text, size, "%s, mean %.4g %.4g %.4g, std %.4g %.4g %.4g%s%s",
		 geometry_text(p, geometry, sizeof(geometry)), (double)p->mean[0], (double)p->mean[1],
		 (double)p->mean[2], (double)p->std[0], (double)p->std[1], (double)p->std[2],
		 p->channels == THAW_BGR ? ", BGR" : "", p->mode == THAW_RESIZE_BORDER ? ", filled with the mean" : "");
	return text;
}
