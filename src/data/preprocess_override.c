/* Preprocessing from the texts of flags. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/transform.h"

#define LARGEST_LEVEL 255.0 /* of 8 bits */
#define LARGEST_VALUE 1.0

static thaw_status fail_colour(const char *problem, const char *flag, const char *text)
{
	return thaw_fail(THAW_USAGE,
			 "%s: --%s %.64s: give three numbers R,G,B, or one for all channels, for pixels from 0 to 1",
			 problem, flag, text);
}

/* Three numbers, or one. */
static thaw_status parse(double value[3], const char *flag, const char *text)
{
	int count = 0;
	for (const char *at = text; count < 3;) {
		char *end;
		value[count] = strtod(at, &end);
		if (end == at || (*end && *end != ','))
			return fail_colour("not a number", flag, text);
		if (!isfinite(value[count]))
			return fail_colour("not a finite number", flag, text);
		count++;
		if (!*end)
			break;
		if (count == 3)
			return fail_colour("more than three numbers", flag, text);
		at = end + 1;
	}
	if (count == 2)
		return fail_colour("two numbers", flag, text);
	if (count == 1)
		value[1] = value[2] = value[0];
	return THAW_OK;
}

/* Values for pixels of 0 to 255, as other programs have them; the other flag must change, too. */
static thaw_status fail_levels(const char *flag, const char *text, const double value[3])
{
	const bool mean = strcmp(flag, "mean") == 0;
	return thaw_fail(THAW_USAGE,
			 "for pixels from 0 to 255, not from 0 to 1: --%s %.64s: divide by 255: give --%s "
			 "%.7g,%.7g,%.7g, and --%s for pixels from 0 to 1, too",
			 flag, text, flag, value[0] / LARGEST_LEVEL, value[1] / LARGEST_LEVEL, value[2] / LARGEST_LEVEL,
			 mean ? "std" : "mean");
}

/* An absent text changes nothing. positive: 0 is refused. */
static thaw_status read_colour(float colour[3], const char *flag, const char *text, bool positive)
{
	double value[3], largest = 0;
	float read[3];
	if (!text)
		return THAW_OK;
	THAW_TRY(parse(value, flag, text));
	for (int c = 0; c < 3; c++) {
		read[c] = (float)value[c];
		largest = fmax(largest, value[c]);
		if (value[c] < 0)
			return fail_colour("below 0", flag, text);
		if (positive && read[c] <= 0)
			return fail_colour("not above 0", flag, text);
	}
	if (largest > LARGEST_LEVEL)
		return fail_colour("too large", flag, text);
	if (largest > LARGEST_VALUE)
		return fail_levels(flag, text, value);
	memcpy(colour, read, sizeof(read));
	return THAW_OK;
}

static thaw_status read_share(double *share, const char *text)
{
	char *end;
	*share = strtod(text, &end);
	if (end != text && !*end && *share > 0 && *share <= 1)
		return THAW_OK;
	if (end != text && !*end && *share > 1 && *share <= 100)
		return thaw_fail(THAW_USAGE, "above 1: --crop %.64s: give a fraction, such as 0.875, none or squash",
				 text);
	return thaw_fail(THAW_USAGE,
			 "not a crop: --crop %.64s: give a fraction above 0 and up to 1, such as 0.875, none or squash",
			 text);
}

static thaw_status read_crop(struct thaw_preprocess *p, const char *text)
{
	double share = 1;
	if (!text)
		return THAW_OK;
	const bool squash = strcmp(text, "squash") == 0;
	if (!squash && strcmp(text, "none") != 0)
		THAW_TRY(read_share(&share, text));
	if (thaw_size_longer(p->size) / share > THAW_MAX_SIDE)
		return thaw_fail(THAW_USAGE,
				 "images would be resized to more than %d pixels: --crop %.64s: give a larger fraction",
				 THAW_MAX_SIDE, text);
	p->mode = squash ? THAW_RESIZE_SQUASH : THAW_RESIZE_SHORTER;
	p->resize = (int)(thaw_size_shorter(p->size) / share); /* rounded down, as by timm */
	return THAW_OK;
}

static thaw_status read_interpolation(struct thaw_preprocess *p, const char *text)
{
	if (!text)
		return THAW_OK;
	if (!thaw_filter_find(text, &p->filter))
		return thaw_fail(THAW_USAGE,
				 "unknown interpolation: --interpolation %.64s: give nearest, bilinear, bicubic, "
				 "lanczos, box or hamming",
				 text);
	if (p->mode == THAW_RESIZE_NONE)
		return thaw_fail(THAW_USAGE,
				 "the network's images are not resized: --interpolation %.64s: give --crop too, or "
				 "omit it",
				 text);
	return THAW_OK;
}

bool thaw_preprocess_override_given(const struct thaw_preprocess_override *o)
{
	return o->mean || o->std || o->crop || o->interpolation;
}

thaw_status thaw_preprocess_override_apply(struct thaw_preprocess *p, const struct thaw_preprocess_override *o)
{
	struct thaw_preprocess changed = *p;
	THAW_TRY(read_colour(changed.mean, "mean", o->mean, false));
	THAW_TRY(read_colour(changed.std, "std", o->std, true));
	THAW_TRY(read_crop(&changed, o->crop));
	THAW_TRY(read_interpolation(&changed, o->interpolation));
	*p = changed;
	return THAW_OK;
}
