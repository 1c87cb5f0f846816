/* Preprocessing for another input size, and as a text. */
#include <stdio.h>

#include "thaw/transform.h"

struct thaw_preprocess thaw_preprocess_at(const struct thaw_preprocess *p, int size)
{
	struct thaw_preprocess at = *p;
	if (size > 0 && size != p->size) {
		at.resize = (int)(((int64_t)p->resize * size + p->size / 2) / p->size);
		at.size = size;
	}
	return at;
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

const char *thaw_preprocess_text(const struct thaw_preprocess *p, char *text, size_t size)
{
	char resize[64];
	const char *format = "%s resize to %d";
	if (p->mode == THAW_RESIZE_SQUASH)
		format = "%s resize of both sides to %d";
	else if (p->mode == THAW_RESIZE_BORDER)
		format = "%s resize of the longer side to %d";
	if (p->mode == THAW_RESIZE_NONE)
		snprintf(resize, sizeof(resize), "no resize");
	else
		snprintf(resize, sizeof(resize), format, thaw_filter_name(p->filter), p->resize);
	snprintf(text, size, "%s, crop %d, mean %.4g %.4g %.4g, std %.4g %.4g %.4g%s%s", resize, p->size,
		 (double)p->mean[0], (double)p->mean[1], (double)p->mean[2], (double)p->std[0], (double)p->std[1],
		 (double)p->std[2], p->channels == THAW_BGR ? ", BGR" : "",
		 p->mode == THAW_RESIZE_BORDER ? ", filled with the mean" : "");
	return text;
}
