/* See preprocess_config.h. */
#include "src/model/preprocess_config.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "src/base/try.h"
#include "src/model/metadata.h"
#include "thaw/memory.h"

#define PIL_BICUBIC 3   /* "resample" of transformers, the numbers of Pillow */
#define CROP_NONE   1.0 /* crop_pct of an image that is not cropped */

/* Reads an array of three finite numbers; leaves `colour` unchanged if there is no array. */
static bool read_colour(const json_t *array, float *colour)
{
	if (!array)
		return true;
	for (size_t c = 0; c < 3; c++) {
		const json_t *number = json_array_get(array, c);
		double value = json_number_value(number);
		if (!json_is_number(number) || !isfinite(value))
			return false;
		colour[c] = (float)value;
	}
	return json_array_size(array) == 3;
}

/* A side in pixels; 0 if the value is not valid. */
static int read_side(const json_t *number)
{
	json_int_t side = json_integer_value(number);
	return side >= 1 && side <= THAW_MAX_SIDE ? (int)side : 0;
}

/* {"input_size": [3,S,S], "crop_pct": 0.9, "interpolation": "bicubic", "mean": [..], "std": [..]} */
static bool read_timm(const json_t *object, struct thaw_preprocess *p)
{
	const json_t *nested = json_object_get(object, "pretrained_cfg");
	const json_t *cfg = nested ? nested : object;
	const json_t *size = json_array_get(json_object_get(cfg, "input_size"), 1);
	const json_t *crop = json_object_get(cfg, "crop_pct");
	const char *filter = json_string_value(json_object_get(cfg, "interpolation"));
	double share = crop ? json_number_value(crop) : CROP_NONE;
	if (size)
		p->size = read_side(size);
	if (p->size < 1 || !(share > 0.1 && share <= CROP_NONE))
		return false;
	p->resize = (int)floor(p->size / share); /* as timm computes it */
	if (filter)
		p->filter = strcmp(filter, "bicubic") == 0 ? THAW_BICUBIC : THAW_BILINEAR;
	return read_colour(json_object_get(cfg, "mean"), p->mean) && read_colour(json_object_get(cfg, "std"), p->std);
}

/* A side in pixels: a number, or a member of an object; 0 if not valid. */
static int read_size(const json_t *size)
{
	static const char *const names[] = {"shortest_edge", "height", NULL};
	for (int i = 0; names[i] && json_is_object(size); i++)
		if (json_object_get(size, names[i]))
			size = json_object_get(size, names[i]);
	return read_side(size);
}

/* {"image_mean": [..], "image_std": [..], "size": {"shortest_edge": 256}, "crop_size": {"height": 224}, "resample": 3}
 */
static bool read_transformers(const json_t *object, struct thaw_preprocess *p)
{
	int resize = read_size(json_object_get(object, "size")), crop = read_size(json_object_get(object, "crop_size"));
	const json_t *resample = json_object_get(object, "resample");
	if (resize == 0)
		return false;
	p->resize = resize;
	p->size = crop > 0 && crop <= resize ? crop : resize;
	if (resample)
		p->filter = json_integer_value(resample) == PIL_BICUBIC ? THAW_BICUBIC : THAW_BILINEAR;
	return read_colour(json_object_get(object, "image_mean"), p->mean) &&
	       read_colour(json_object_get(object, "image_std"), p->std);
}

static const struct config {
	const char *file, *key; /* files without this key are ignored */
	bool (*read)(const json_t *object, struct thaw_preprocess *p);
} configs[] = {
	{"config.json", "pretrained_cfg", read_timm},
	{"config.json", "input_size", read_timm},
	{"preprocessor_config.json", "image_mean", read_transformers},
};

static thaw_status read_file(const struct config *config, const char *path, struct thaw_preprocess *p,
			     const char **from)
{
	struct thaw_preprocess read = *p;
	json_error_t where;
	json_t *object = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
	if (!object)
		return thaw_fail(THAW_DATA, "invalid JSON in line %d: %s: repair or remove it", where.line, path);
	bool relevant = json_object_get(object, config->key);
	bool good = relevant && config->read(object, &read) && thaw_preprocess_valid(&read);
	json_decref(object);
	if (relevant && !good)
		return thaw_fail(THAW_DATA, "invalid preprocessing: %s: repair or remove it", path);
	if (good) {
		*p = read;
		*from = config->file;
	}
	return THAW_OK;
}

thaw_status thaw_preprocess_config_read(struct thaw_preprocess *p, const char **from, const char *model_path)
{
	const char *slash = strrchr(model_path, '/');
	int folder = slash ? (int)(slash - model_path + 1) : 0;
	*from = NULL;
	for (size_t i = 0; i < sizeof(configs) / sizeof(configs[0]) && !*from; i++) {
		char *path = thaw_format("%.*s%s", folder, model_path, configs[i].file);
		if (!path)
			return THAW_RESOURCE;
		thaw_status status = access(path, F_OK) == 0 ? read_file(&configs[i], path, p, from) : THAW_OK;
		thaw_free(path);
		THAW_TRY(status);
	}
	return THAW_OK;
}
