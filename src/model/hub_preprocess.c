/* A preprocessing in the words of timm and of transformers: what preprocess_timm.c and preprocess_transformers.c read.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/try.h"
#include "src/model/hub_config.h"

#define GIVE_SIZE "give --size with one number"

/* The shortest decimal number that is read as the same float. */
static double shortest(float value)
{
	char text[32];
	double read = value;
	for (int digits = 3; digits <= 9; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, (double)value);
		read = strtod(text, NULL);
		if ((float)read == value)
			break;
	}
	return read;
}

static json_t *colours_json(const float colours[3])
{
	return json_pack("[f,f,f]", shortest(colours[0]), shortest(colours[1]), shortest(colours[2]));
}

static thaw_status check(const struct thaw_preprocess *p)
{
	if (p->native.stride > 0)
		return thaw_fail(THAW_CONFIG,
				 "images of their own sizes: --hub: timm and transformers resize to one size: "
				 "" GIVE_SIZE);
	if (p->size.height != p->size.width)
		return thaw_fail(THAW_CONFIG, "images of %d x %d pixels: --hub: only squares are exported: " GIVE_SIZE,
				 p->size.height, p->size.width);
	if (p->channels == THAW_BGR)
		return thaw_fail(THAW_CONFIG,
				 "images as BGR: --hub: timm and transformers give RGB: write it with --onnx");
	return THAW_OK;
}

/* timm resizes to floor(size / crop_pct). */
static double crop_share(int size, int resize)
{
	double share = (double)size / resize;
	while (floor(size / share) < resize)
		share = nextafter(share, 0);
	return share;
}

thaw_status thaw_hub_set_timm_preprocess(json_t *pretrained, const struct thaw_preprocess *p)
{
	static const char *const modes[] = {
		[THAW_RESIZE_SHORTER] = "center", [THAW_RESIZE_SQUASH] = "squash", [THAW_RESIZE_BORDER] = "border"};
	THAW_TRY(check(p));
	if (p->mode == THAW_RESIZE_NONE)
		return thaw_fail(THAW_CONFIG, "images that are not resized: --hub: timm always resizes: give --crop");
	json_t *values = json_pack("{s:[i,i,i], s:s, s:f, s:s, s:o, s:o}", "input_size", 3, p->size.height,
				   p->size.width, "interpolation", thaw_filter_name(p->filter), "crop_pct",
				   crop_share(p->size.height, p->resize), "crop_mode", modes[p->mode], "mean",
				   colours_json(p->mean), "std", colours_json(p->std));
	int failed = values ? json_object_update(pretrained, values) : -1;
	json_decref(values);
	return failed ? thaw_fail(THAW_RESOURCE, "out of memory: config.json of a network") : THAW_OK;
}

/* The numbers of Pillow. */
static int number_of(enum thaw_filter filter)
{
	static const int numbers[] = {[THAW_NEAREST] = 0, [THAW_LANCZOS] = 1, [THAW_BILINEAR] = 2,
				      [THAW_BICUBIC] = 3, [THAW_BOX] = 4,     [THAW_HAMMING] = 5};
	return numbers[filter];
}

/* ViT's processor squashes, DeiT's crops after that, and Bit's crops after it has resized the shorter side. */
thaw_status thaw_hub_processor(json_t **processor, const struct thaw_preprocess *p)
{
	THAW_TRY(check(p));
	if (p->mode == THAW_RESIZE_BORDER)
		return thaw_fail(THAW_CONFIG,
				 "images with borders: --hub: transformers has no such preprocessing: give --crop");
	bool squash = p->mode == THAW_RESIZE_SQUASH, crop = !squash || p->resize != p->size.height;
	json_t *size = squash ? json_pack("{s:i, s:i}", "height", p->resize, "width", p->resize)
			      : json_pack("{s:i}", "shortest_edge", p->resize);
	json_t *crop_size = crop ? json_pack("{s:i, s:i}", "height", p->size.height, "width", p->size.width) : NULL;
	const char *type = !squash ? "BitImageProcessor" : crop ? "DeiTImageProcessor" : "ViTImageProcessor";
	*processor = json_pack("{s:s, s:b, s:o, s:i, s:b, s:o*, s:b, s:f, s:b, s:o, s:o, s:b}", "image_processor_type",
			       type, "do_resize", p->mode != THAW_RESIZE_NONE, "size", size, "resample",
			       number_of(p->filter), "do_center_crop", crop, "crop_size", crop_size, "do_rescale", true,
			       "rescale_factor", 1 / 255.0, "do_normalize", true, "image_mean", colours_json(p->mean),
			       "image_std", colours_json(p->std), "do_convert_rgb", true);
	return *processor ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: preprocessor_config.json of a network");
}
