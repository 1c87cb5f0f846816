/* See preprocess_transformers.h. The steps of transformers, in their order: resize, centre crop, rescale, normalise,
 * flip of the channels. */
#include "src/model/preprocess_transformers.h"

#include <math.h>
#include <string.h>

#include "src/base/try.h"
#include "src/model/image_processors.h"

#define LEVELS           255.0
#define CONVNEXT_SQUASH  384 /* from this size on, ConvNext's processor does not crop */
#define CONVNEXT_CROP    (224.0 / 256.0)
#define POOLFORMER_CROP  0.9
#define LEVIT_RESIZE     (256.0 / 224.0)
#define CANNOT_BE_SQUARE "the input would not be square"

/* A file that is being read. */
struct reading {
	struct thaw_config c;
	const struct thaw_processor *type; /* NULL: none, or unknown */
	enum thaw_processor_rule rule;
	bool crop;
};

/* Keys that start with do_ and change no pixel of an RGB image for a classifier, or are read here. */
static const char *const known_steps[] = {"do_resize",      "do_center_crop",        "do_rescale",      "do_normalize",
					  "do_convert_rgb", "do_flip_channel_order", "do_reduce_labels"};

/* Keys that are read here, or change no pixel. */
static const char *const known_keys[] = {"image_processor_type",
					 "feature_extractor_type",
					 "processor_class",
					 "size",
					 "crop_size",
					 "crop_pct",
					 "resample",
					 "rescale_factor",
					 "rescale_offset",
					 "offset",
					 "include_top",
					 "image_mean",
					 "image_std",
					 "default_to_square",
					 "return_tensors",
					 "data_format",
					 "input_data_format",
					 "reduce_labels",
					 "_valid_processor_keys",
					 "model_input_names",
					 "num_channels",
					 "disable_grouping",
					 "device"};

/* Keys by which some processors change pixels; if they are true or a number. */
static const char *const refused_keys[] = {"size_divisor", "size_divisibility",  "keep_aspect_ratio",
					   "resize_short", "ensure_multiple_of", "use_square_size",
					   "max_size"};

static bool is_listed(const char *key, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(key, list[i]) == 0)
			return true;
	return false;
}

#define IS_LISTED(key, list) is_listed(key, list, sizeof(list) / sizeof(*(list)))

/* Refuses keys that are not read here and may change pixels; of a processor that is not known, all others. */
static thaw_status check_key(const struct reading *r, const char *key, const json_t *value)
{
	if (json_is_null(value) || json_is_false(value) || IS_LISTED(key, known_steps) || IS_LISTED(key, known_keys))
		return THAW_OK;
	bool step = strncmp(key, "do_", 3) == 0, refused = IS_LISTED(key, refused_keys);
	return step || refused || !r->type ? thaw_config_refuse(&r->c, key, "") : THAW_OK;
}

static thaw_status check_keys(const struct reading *r)
{
	const char *key;
	const json_t *value;
	void *at = json_object_iter((json_t *)r->c.object);
	for (; at; at = json_object_iter_next((json_t *)r->c.object, at)) {
		key = json_object_iter_key(at);
		value = json_object_iter_value(at);
		THAW_TRY(check_key(r, key, value));
	}
	return THAW_OK;
}

/* An unknown type may have other defaults: the file must then contain these keys. */
static thaw_status check_explicit(const struct reading *r, const char *type)
{
	static const char *const needed[] = {"size", "resample", "image_mean", "image_std"};
	static const char *const steps[] = {"do_resize", "do_rescale", "do_normalize"};
	bool normalize = true;
	if (r->type)
		return THAW_OK;
	THAW_TRY(thaw_config_flag(&r->c, "do_normalize", &normalize));
	for (size_t i = 0; i < (normalize ? 4 : 2); i++)
		if (!thaw_config_get(&r->c, needed[i]))
			return thaw_config_refuse(&r->c, needed[i], "the processor is not known, nor its default");
	for (size_t i = 0; i < 3 && type; i++)
		if (!thaw_config_get(&r->c, steps[i]))
			return thaw_config_refuse(&r->c, steps[i], "the processor is not known, nor its default");
	if (thaw_config_get(&r->c, "crop_size") && !thaw_config_get(&r->c, "do_center_crop"))
		return thaw_config_refuse(&r->c, "do_center_crop", "the processor is not known, nor its default");
	return json_is_number(thaw_config_get(&r->c, "size"))
		       ? thaw_config_refuse(&r->c, "size", "it may be that of the shorter side or of both")
		       : THAW_OK;
}

static thaw_status find_type(struct reading *r)
{
	const char *key =
		thaw_config_get(&r->c, "image_processor_type") ? "image_processor_type" : "feature_extractor_type";
	const char *type = NULL;
	THAW_TRY(thaw_config_text(&r->c, key, &type));
	r->type = type ? thaw_processor_find(type) : NULL;
	if (r->type)
		r->rule = r->type->rule;
	if (r->rule == THAW_PROCESSOR_REFUSED)
		return thaw_config_refuse(&r->c, key, "");
	THAW_TRY(check_keys(r));
	return check_explicit(r, type);
}

/* {"height": S, "width": S} or [S, S] */
static int square_side(const json_t *height, const json_t *width)
{
	int side = thaw_config_side(height);
	return side == thaw_config_side(width) ? side : 0;
}

/* Only these members of a size may have values. */
static bool has_only(const json_t *size, const char *first, const char *second)
{
	for (void *at = json_object_iter((json_t *)size); at; at = json_object_iter_next((json_t *)size, at)) {
		const char *key = json_object_iter_key(at);
		if (!json_is_null(json_object_iter_value(at)) && strcmp(key, first) != 0 && strcmp(key, second) != 0)
			return false;
	}
	return true;
}

/* Reads "size" or "crop_size"; *shorter is then whether it is that of the shorter side only. */
static thaw_status read_size(const struct reading *r, const char *key, int *side, bool *shorter)
{
	const json_t *value = thaw_config_get(&r->c, key);
	if (!value)
		return *side ? THAW_OK : thaw_config_refuse(&r->c, key, "the processor has no default");
	if (json_is_number(value)) {
		*side = thaw_config_side(value);
	} else if (json_is_array(value) && json_array_size(value) == 2) {
		*side = square_side(json_array_get(value, 0), json_array_get(value, 1));
		*shorter = false;
	} else if (json_is_object(value) && has_only(value, "shortest_edge", "shortest_edge")) {
		*side = thaw_config_side(json_object_get(value, "shortest_edge"));
		*shorter = true;
	} else if (json_is_object(value) && has_only(value, "height", "width")) {
		*side = square_side(json_object_get(value, "height"), json_object_get(value, "width"));
		*shorter = false;
	} else {
		return thaw_config_refuse(&r->c, key, "known are a number, height and width, and shortest_edge");
	}
	return *side ? THAW_OK : thaw_config_refuse(&r->c, key, "it must be square, and up to 16384");
}

/* The numbers of Pillow. */
static thaw_status read_filter(const struct reading *r, enum thaw_filter *filter)
{
	static const enum thaw_filter filters[] = {THAW_NEAREST, THAW_LANCZOS, THAW_BILINEAR,
						   THAW_BICUBIC, THAW_BOX,     THAW_HAMMING};
	const json_t *value = thaw_config_get(&r->c, "resample");
	json_int_t number = json_integer_value(value);
	if (value && (!json_is_integer(value) || number < 0 || number > 5))
		return thaw_config_refuse(&r->c, "resample", "it must be a number from 0 to 5");
	if (value)
		*filter = filters[number];
	return THAW_OK;
}

/* The side divided by crop_pct, rounded down. */
static thaw_status divide_by_share(const struct reading *r, double share, int *side)
{
	THAW_TRY(thaw_config_number(&r->c, "crop_pct", &share));
	double divided = floor(*side / share);
	if (!(divided >= 1 && divided <= THAW_MAX_SIDE))
		return thaw_config_refuse(&r->c, "crop_pct", "it must be above 0, and is at most 1 as a rule");
	*side = (int)divided;
	return THAW_OK;
}

/* ConvNext's resize crops, too. */
static thaw_status convnext_resize(struct thaw_preprocess *p, const struct reading *r, bool shorter)
{
	if (!shorter)
		return thaw_config_refuse(&r->c, "size", "this processor needs shortest_edge");
	p->size = thaw_square(p->resize);
	p->mode = p->resize < CONVNEXT_SQUASH ? THAW_RESIZE_SHORTER : THAW_RESIZE_SQUASH;
	return p->mode == THAW_RESIZE_SHORTER ? divide_by_share(r, CONVNEXT_CROP, &p->resize) : THAW_OK;
}

/* Sets mode, resize, filter, and size if nothing is cropped. */
static thaw_status read_resize(struct thaw_preprocess *p, const struct reading *r)
{
	bool shorter = r->type && r->type->shorter;
	p->resize = r->type ? r->type->size : 0;
	p->filter = r->type ? r->type->filter : THAW_BILINEAR;
	THAW_TRY(read_filter(r, &p->filter));
	THAW_TRY(read_size(r, "size", &p->resize, &shorter));
	if (r->rule == THAW_PROCESSOR_CONVNEXT)
		return convnext_resize(p, r, shorter);
	if (r->rule == THAW_PROCESSOR_POOLFORMER) {
		THAW_TRY(divide_by_share(r, POOLFORMER_CROP, &p->resize));
		shorter = true;
	} else if (r->rule == THAW_PROCESSOR_LEVIT && shorter) {
		p->resize = (int)(LEVIT_RESIZE * p->resize);
	} else if (!r->type && thaw_config_get(&r->c, "crop_pct")) {
		return thaw_config_refuse(&r->c, "crop_pct", "the processor is not known, nor its use of it");
	}
	p->mode = shorter ? THAW_RESIZE_SHORTER : THAW_RESIZE_SQUASH;
	p->size = thaw_square(p->resize);
	return shorter && !r->crop ? thaw_config_refuse(&r->c, "do_center_crop", CANNOT_BE_SQUARE) : THAW_OK;
}

static thaw_status read_geometry(struct thaw_preprocess *p, struct reading *r)
{
	bool resize = true, shorter = false;
	int crop = r->type ? r->type->crop : 0;
	r->crop = r->type && r->type->center_crop;
	THAW_TRY(thaw_config_flag(&r->c, "do_resize", &resize));
	THAW_TRY(thaw_config_flag(&r->c, "do_center_crop", &r->crop));
	if (!resize && !r->crop)
		return thaw_config_refuse(&r->c, "do_resize", CANNOT_BE_SQUARE);
	p->centre = THAW_CENTRE_DOWN;
	p->mode = THAW_RESIZE_NONE;
	if (resize)
		THAW_TRY(read_resize(p, r));
	if (!r->crop)
		return THAW_OK;
	THAW_TRY(read_size(r, "crop_size", &crop, &shorter));
	if (shorter)
		return thaw_config_refuse(&r->c, "crop_size", "it must have height and width");
	if (resize && r->rule == THAW_PROCESSOR_CONVNEXT && crop != p->size.height)
		return thaw_config_refuse(&r->c, "crop_size", "it must be as large as size");
	p->size = thaw_square(crop);
	p->resize = resize ? p->resize : crop;
	return THAW_OK;
}

/* A level becomes level * factor - offset. */
static thaw_status read_rescale(const struct reading *r, double *factor, double *offset)
{
	const char *key = r->rule == THAW_PROCESSOR_VIVIT ? "offset" : "rescale_offset";
	const char *other = r->rule == THAW_PROCESSOR_VIVIT ? "rescale_offset" : "offset";
	bool rescale = true, shift = r->rule == THAW_PROCESSOR_VIVIT, others = false;
	*factor = r->rule == THAW_PROCESSOR_VIVIT ? 2 / LEVELS : 1 / LEVELS;
	THAW_TRY(thaw_config_flag(&r->c, "do_rescale", &rescale));
	THAW_TRY(thaw_config_number(&r->c, "rescale_factor", factor));
	THAW_TRY(thaw_config_flag(&r->c, key, &shift));
	THAW_TRY(thaw_config_flag(&r->c, other, &others));
	bool knows_offset = !r->type || r->rule == THAW_PROCESSOR_EFFICIENTNET || r->rule == THAW_PROCESSOR_VIVIT;
	if (others || (shift && !knows_offset))
		return thaw_config_refuse(&r->c, others ? other : key, "the processor does not know it");
	if (!rescale && shift && r->rule == THAW_PROCESSOR_VIVIT)
		return thaw_config_refuse(&r->c, key, "do_rescale is false");
	if (rescale && !(*factor > 0))
		return thaw_config_refuse(&r->c, "rescale_factor", "it must be above 0");
	*factor = rescale ? *factor : 1;
	*offset = rescale && shift ? 1 : 0;
	return THAW_OK;
}

static const struct {
	double mean[3], std[3];
} colours[] = {
	[THAW_COLOURS_HALF] = {{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}},
	[THAW_COLOURS_IMAGENET] = {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}},
	[THAW_COLOURS_CLIP] = {{0.48145466, 0.4578275, 0.40821073}, {0.26862954, 0.26130258, 0.27577711}},
};

/* Mean and std of the steps after rescaling; 0 and 1 if there are none. EfficientNet's include_top divides again. */
static thaw_status read_normalize(const struct reading *r, double mean[3], double std[3])
{
	enum thaw_processor_colours usual = r->type ? r->type->colours : THAW_COLOURS_HALF;
	bool normalize = r->rule != THAW_PROCESSOR_MOBILEVIT, again = r->rule == THAW_PROCESSOR_EFFICIENTNET;
	double m[3], s[3];
	memcpy(m, colours[usual].mean, sizeof(m));
	memcpy(s, colours[usual].std, sizeof(s));
	THAW_TRY(thaw_config_flag(&r->c, "do_normalize", &normalize));
	if (normalize && r->rule == THAW_PROCESSOR_MOBILEVIT)
		return thaw_config_refuse(&r->c, "do_normalize", "this processor never does");
	if (r->rule == THAW_PROCESSOR_EFFICIENTNET)
		THAW_TRY(thaw_config_flag(&r->c, "include_top", &again));
	else if (!r->type && json_is_true(thaw_config_get(&r->c, "include_top")))
		return thaw_config_refuse(&r->c, "include_top", "the processor is not known, nor its use of it");
	THAW_TRY(thaw_config_colour(&r->c, "image_mean", m));
	THAW_TRY(thaw_config_colour(&r->c, "image_std", s));
	for (int i = 0; i < 3; i++) {
		if (!(s[i] > 0))
			return thaw_config_refuse(&r->c, "image_std", "it must be above 0");
		mean[i] = normalize ? m[i] : 0;
		std[i] = (normalize ? s[i] : 1) * (again ? s[i] : 1);
	}
	return THAW_OK;
}

/* value = (level * factor - offset - mean) / std, as one mean and std of levels / 255. */
static thaw_status read_colours(struct thaw_preprocess *p, const struct reading *r)
{
	double factor = 1, offset = 0, mean[3], std[3];
	bool flip = r->rule == THAW_PROCESSOR_MOBILEVIT;
	THAW_TRY(read_rescale(r, &factor, &offset));
	THAW_TRY(read_normalize(r, mean, std));
	for (int i = 0; i < 3; i++) {
		p->mean[i] = (float)((mean[i] + offset) / (factor * LEVELS));
		p->std[i] = (float)(std[i] / (factor * LEVELS));
	}
	THAW_TRY(thaw_config_flag(&r->c, "do_flip_channel_order", &flip));
	if (flip && r->type && r->rule != THAW_PROCESSOR_MOBILEVIT)
		return thaw_config_refuse(&r->c, "do_flip_channel_order", "the processor does not know it");
	p->channels = flip ? THAW_BGR : THAW_RGB;
	return THAW_OK;
}

thaw_status thaw_preprocess_transformers_read(struct thaw_preprocess *p, const struct thaw_config *c)
{
	struct reading r = {.c = *c};
	struct thaw_preprocess read = {0};
	THAW_TRY(find_type(&r));
	THAW_TRY(read_geometry(&read, &r));
	THAW_TRY(read_colours(&read, &r));
	*p = read;
	return THAW_OK;
}
