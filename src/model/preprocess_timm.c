/* See preprocess_timm.h. The rules are those of timm.data.resolve_data_config and transforms_imagenet_eval. */
#include "src/model/preprocess_timm.h"

#include <math.h>
#include <string.h>

#include "src/base/try.h"

#define CROP_PCT   0.875
#define INPUT_SIZE 224

static const double imagenet_mean[3] = {0.485, 0.456, 0.406}, imagenet_std[3] = {0.229, 0.224, 0.225};

bool thaw_preprocess_timm_probe(const json_t *object, bool loose)
{
	if (json_is_object(json_object_get(object, "pretrained_cfg")) ||
	    json_is_array(json_object_get(object, "input_size")))
		return true;
	/* The config.json of transformers describes the network only, and has this key. */
	return loose && !json_object_get(object, "model_type") &&
	       (json_object_get(object, "crop_pct") || json_object_get(object, "interpolation") ||
		(json_object_get(object, "mean") && json_object_get(object, "std")));
}

/* "input_size": [3, S, S] */
static thaw_status read_input_size(int *size, const struct thaw_config *c)
{
	const json_t *value = thaw_config_get(c, "input_size");
	*size = INPUT_SIZE;
	if (!value)
		return THAW_OK;
	if (json_array_size(value) != 3)
		return thaw_config_refuse(c, "input_size", "it must be [3, height, width]");
	int height = thaw_config_side(json_array_get(value, 1)), width = thaw_config_side(json_array_get(value, 2));
	if (json_integer_value(json_array_get(value, 0)) != 3)
		return thaw_config_refuse(c, "input_size", "images have 3 channels");
	if (height < 1 || height != width)
		return thaw_config_refuse(c, "input_size", "the input must be square");
	*size = height;
	return THAW_OK;
}

static thaw_status read_mode(enum thaw_resize_mode *mode, const struct thaw_config *c)
{
	const char *text = "center";
	THAW_TRY(thaw_config_text(c, "crop_mode", &text));
	if (strcmp(text, "center") == 0)
		*mode = THAW_RESIZE_SHORTER;
	else if (strcmp(text, "squash") == 0)
		*mode = THAW_RESIZE_SQUASH;
	else if (strcmp(text, "border") == 0)
		*mode = THAW_RESIZE_BORDER;
	else
		return thaw_config_refuse(c, "crop_mode", "known are center, squash and border");
	return THAW_OK;
}

static thaw_status read_filter(enum thaw_filter *filter, const struct thaw_config *c)
{
	const char *text = "bicubic";
	THAW_TRY(thaw_config_text(c, "interpolation", &text));
	if (strcmp(text, "random") == 0) /* in training only */
		text = "bilinear";
	if (!thaw_filter_find(text, filter))
		return thaw_config_refuse(c, "interpolation", "it is not known");
	return THAW_OK;
}

static thaw_status read_colours(struct thaw_preprocess *p, const struct thaw_config *c)
{
	double mean[3], std[3];
	memcpy(mean, imagenet_mean, sizeof(mean));
	memcpy(std, imagenet_std, sizeof(std));
	THAW_TRY(thaw_config_colour(c, "mean", mean));
	THAW_TRY(thaw_config_colour(c, "std", std));
	for (int i = 0; i < 3; i++) {
		p->mean[i] = (float)mean[i];
		p->std[i] = (float)std[i];
		if (!(p->std[i] > 0))
			return thaw_config_refuse(c, "std", "it must be above 0");
	}
	return THAW_OK;
}

thaw_status thaw_preprocess_timm_read(struct thaw_preprocess *p, const struct thaw_config *file)
{
	const json_t *nested = thaw_config_get(file, "pretrained_cfg");
	struct thaw_config c = {nested ? nested : file->object, file->path};
	struct thaw_preprocess read = {0};
	double share = CROP_PCT;
	int input;
	THAW_TRY(read_input_size(&input, &c));
	read.size = thaw_square(input);
	THAW_TRY(thaw_config_number(&c, "crop_pct", &share));
	share = share == 0 ? CROP_PCT : share; /* 0 stands for the default */
	double side = floor(input / share);
	if (!(side >= 1 && side <= THAW_MAX_SIDE))
		return thaw_config_refuse(&c, "crop_pct", "it must be above 0, and is at most 1 as a rule");
	read.resize = (int)side;
	THAW_TRY(read_mode(&read.mode, &c));
	THAW_TRY(read_filter(&read.filter, &c));
	THAW_TRY(read_colours(&read, &c));
	*p = read;
	return THAW_OK;
}
