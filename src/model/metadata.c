/* Metadata of saved models as JSON texts: thaw.labels is an array of names, thaw.preprocess an object
 * {"size", "resize", "filter", "mean", "std"} with "mode", "centre" and "channels" if they are not torchvision's, and
 * "native" if images have their own sizes. "size" is a number, or a text such as "224x288". Files are not trusted. */
#include "src/model/metadata.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "thaw/memory.h"
#include "thaw/report.h"

char **thaw_labels_copy(char *const *labels, int64_t count)
{
	char **copy = thaw_alloc((size_t)count, sizeof(*copy));
	for (int64_t i = 0; copy && i < count; i++) {
		copy[i] = thaw_strdup(labels[i]);
		if (!copy[i]) {
			thaw_labels_free(copy, count);
			return NULL;
		}
	}
	return copy;
}

void thaw_labels_free(char **labels, int64_t count)
{
	for (int64_t i = 0; labels && i < count; i++)
		thaw_free(labels[i]);
	thaw_free(labels);
}

/* Steals the reference to `json`, which may be NULL if its allocation failed. *text is from thaw_alloc. */
static thaw_status dump(char **text, json_t *json)
{
	char *dumped = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
	json_decref(json);
	if (!dumped)
		return thaw_fail(THAW_RESOURCE, "out of memory: metadata of a model");
	char *copy = thaw_strdup(dumped);
	free(dumped);
	if (!copy)
		return THAW_RESOURCE;
	*text = copy;
	return THAW_OK;
}

thaw_status thaw_metadata_write_object(char **text, const json_t *object)
{
	return dump(text, json_deep_copy(object));
}

thaw_status thaw_metadata_write_labels(char **text, char *const *labels, int64_t count)
{
	json_t *array = json_array();
	for (int64_t i = 0; array && i < count; i++) {
		if (json_array_append_new(array, thaw_report_string(labels[i])) != 0) {
			json_decref(array);
			array = NULL;
		}
	}
	return dump(text, array);
}

thaw_status thaw_metadata_read_labels(char ***labels, int64_t count, const char *text, const char *file)
{
	thaw_status status = THAW_OK;
	char **names = NULL;
	json_t *array = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_array(array) || (int64_t)json_array_size(array) != count) {
		status = thaw_fail(THAW_DATA, "invalid metadata thaw.labels: %s: it must be an array of %lld names",
				   file, (long long)count);
		goto out;
	}
	names = thaw_alloc((size_t)count, sizeof(*names));
	if (!names) {
		status = THAW_RESOURCE;
		goto out;
	}
	for (int64_t i = 0; i < count; i++) {
		json_t *name = json_array_get(array, (size_t)i);
		if (!json_is_string(name)) {
			status = thaw_fail(THAW_DATA, "invalid metadata thaw.labels: %s: every entry must be a string",
					   file);
			goto out;
		}
		names[i] = thaw_strdup(json_string_value(name));
		if (!names[i]) {
			status = THAW_RESOURCE;
			goto out;
		}
	}
	*labels = names;
	names = NULL;
out:
	thaw_labels_free(names, count);
	json_decref(array);
	return status;
}

json_t *thaw_metadata_size(struct thaw_size size)
{
	return size.height == size.width ? json_integer(size.height) : json_sprintf("%dx%d", size.height, size.width);
}

json_t *thaw_metadata_native(const struct thaw_native *n)
{
	if (n->stride == 0)
		return NULL;
	return json_pack("{s:i, s:i, s:i}", "stride", n->stride, "smallest", n->smallest, "largest", n->largest);
}

thaw_status thaw_metadata_write_preprocess(char **text, const struct thaw_preprocess *p)
{
	json_t *object = json_pack("{s:o, s:i, s:s, s:[f,f,f], s:[f,f,f]}", "size", thaw_metadata_size(p->size),
				   "resize", p->resize, "filter", thaw_filter_name(p->filter), "mean",
				   (double)p->mean[0], (double)p->mean[1], (double)p->mean[2], "std", (double)p->std[0],
				   (double)p->std[1], (double)p->std[2]);
	/* Only what is not torchvision's: other networks keep the text of earlier versions. */
	if (p->mode != THAW_RESIZE_SHORTER)
		json_object_set_new(object, "mode", json_string(thaw_resize_mode_name(p->mode)));
	if (p->centre == THAW_CENTRE_DOWN)
		json_object_set_new(object, "centre", json_string("down"));
	if (p->channels == THAW_BGR)
		json_object_set_new(object, "channels", json_string("BGR"));
	if (p->native.stride > 0)
		json_object_set_new(object, "native", thaw_metadata_native(&p->native));
	return dump(text, object);
}

bool thaw_preprocess_valid(const struct thaw_preprocess *p)
{
	const struct thaw_native *n = &p->native;
	if (thaw_size_shorter(p->size) < 1 || thaw_size_longer(p->size) > THAW_MAX_SIDE || p->resize < 1 ||
	    p->resize > THAW_MAX_SIDE)
		return false;
	if (n->stride < 0 || (n->stride > 0 && (n->smallest < 1 || n->largest < n->smallest ||
						n->largest > THAW_MAX_SIDE || n->stride > THAW_MAX_SIDE)))
		return false;
	for (int c = 0; c < 3; c++)
		if (!isfinite(p->mean[c]) || !isfinite(p->std[c]) || p->std[c] <= 0)
			return false;
	return true;
}

/* The members of thaw.preprocess that may be absent. */
static bool read_optional(struct thaw_preprocess *p, const char *mode, const char *centre, const char *channels)
{
	int m = THAW_RESIZE_SHORTER;
	while (m <= THAW_RESIZE_NONE && strcmp(mode, thaw_resize_mode_name((enum thaw_resize_mode)m)) != 0)
		m++;
	p->mode = (enum thaw_resize_mode)m;
	p->centre = strcmp(centre, "down") == 0 ? THAW_CENTRE_DOWN : THAW_CENTRE_EVEN;
	p->channels = strcmp(channels, "BGR") == 0 ? THAW_BGR : THAW_RGB;
	return m <= THAW_RESIZE_NONE && (p->centre == THAW_CENTRE_DOWN || strcmp(centre, "even") == 0) &&
	       (p->channels == THAW_BGR || strcmp(channels, "RGB") == 0);
}

static bool read_size(struct thaw_size *size, const json_t *value)
{
	if (!json_is_integer(value))
		return json_is_string(value) && thaw_size_read(size, json_string_value(value));
	json_int_t side = json_integer_value(value);
	*size = thaw_square(side > THAW_MAX_SIDE || side < 0 ? 0 : (int)side);
	return true;
}

/* Absent, or complete. */
static bool read_native(struct thaw_native *n, const json_t *value)
{
	return !value || json_unpack((json_t *)value, "{s:i, s:i, s:i!}", "stride", &n->stride, "smallest",
				     &n->smallest, "largest", &n->largest) == 0;
}

thaw_status thaw_metadata_read_preprocess(struct thaw_preprocess *p, const char *text, const char *file)
{
	struct thaw_preprocess read = {0};
	double mean[3], std[3];
	json_t *size = NULL, *native = NULL;
	const char *filter = "", *mode = "shorter", *centre = "even", *channels = "RGB";
	json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	bool good = object && json_unpack(object, "{s:o, s:i, s:s, s:[F,F,F], s:[F,F,F], s?s, s?s, s?s, s?o}", "size",
					  &size, "resize", &read.resize, "filter", &filter, "mean", &mean[0], &mean[1],
					  &mean[2], "std", &std[0], &std[1], &std[2], "mode", &mode, "centre", &centre,
					  "channels", &channels, "native", &native) == 0;
	for (int c = 0; c < 3 && good; c++) {
		read.mean[c] = (float)mean[c];
		read.std[c] = (float)std[c];
	}
	good = good && read_size(&read.size, size) && read_native(&read.native, native) &&
	       thaw_filter_find(filter, &read.filter) && read_optional(&read, mode, centre, channels) &&
	       thaw_preprocess_valid(&read);
	json_decref(object);
	if (!good)
		return thaw_fail(THAW_DATA, "invalid metadata thaw.preprocess: %s: %.200s", file, text);
	*p = read;
	return THAW_OK;
}
