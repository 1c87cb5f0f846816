/* One sample as members of a tar file. */
#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <spng.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/base/try.h"
#include "src/data/image.h"
#include "src/data/names.h"
#include "src/data/pack.h"
#include "thaw/memory.h"

#define NAME_SIZE    4096
#define STEM_SIZE    64 /* bytes of a file's name that go into the key: a header of ustar has room for 100 */
#define KEY_DIGITS   8  /* at least */
#define GREY_BYTES   1
#define COLOUR_BYTES 3

void thaw_pack_free_members(struct pack_members *m)
{
	thaw_free(m->image);
	thaw_free(m->label);
	thaw_free(m->more);
	*m = (struct pack_members){0};
}

/* A key that sorts by the number of the sample, with the name of its file, so that a person can find it. A dot would
 * end the key. */
static void make_key(struct pack_members *m, const char *name, int64_t i)
{
	const char *base = thaw_base_name(name), *dot = strrchr(base, '.');
	size_t length = dot && dot > base ? (size_t)(dot - base) : strlen(base);
	size_t digits = strspn(base, "0123456789");
	if (digits >= KEY_DIGITS && base[digits] == '_' && digits + 1 < length) { /* packed before */
		base += digits + 1;
		length -= digits + 1;
	}
	length = length < STEM_SIZE ? length : STEM_SIZE;
	int used = snprintf(m->key, sizeof(m->key), "%0*lld_%.*s", KEY_DIGITS, (long long)i, (int)length, base);
	for (int at = 0; at < used; at++)
		if (!isalnum((unsigned char)m->key[at]) && m->key[at] != '-' && m->key[at] != '_')
			m->key[at] = '_';
}

/* By the content, else by the name: readers choose their decoder by it. */
static const char *find_extension(const struct pack_members *m, const char *name)
{
	static const char *const kinds[][2] = {{"JPEG", "jpg"}, {"PNG", "png"}, {"WebP", "webp"},
					       {"TIFF", "tif"}, {"BMP", "bmp"}, {"GIF", "gif"}};
	const char *format = thaw_image_format_name(m->image, m->image_size), *dot = strrchr(name, '.');
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (format ? strcmp(format, kinds[i][0]) == 0 : dot && strcasecmp(dot + 1, kinds[i][1]) == 0)
			return kinds[i][1];
	return "jpg";
}

static bool is_grey(const struct thaw_image *image)
{
	const uint8_t *p = image->pixels;
	for (size_t i = (size_t)image->width * (size_t)image->height; i > 0; i--, p += COLOUR_BYTES)
		if (p[0] != p[1] || p[0] != p[2])
			return false;
	return true;
}

/* Encodes bytes of pixels, of `channels` each. */
static thaw_status encode(struct pack_members *m, const void *pixels, int width, int height, int channels)
{
	struct spng_ihdr header = {.width = (uint32_t)width,
				   .height = (uint32_t)height,
				   .bit_depth = 8,
				   .color_type = channels == GREY_BYTES ? SPNG_COLOR_TYPE_GRAYSCALE
									: SPNG_COLOR_TYPE_TRUECOLOR};
	size_t size = (size_t)width * (size_t)height * (size_t)channels;
	int error = 0;
	spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
	void *bytes = NULL;
	if (png && !spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1) && !spng_set_ihdr(png, &header) &&
	    !spng_encode_image(png, pixels, size, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE))
		bytes = spng_get_png_buffer(png, &m->image_size, &error);
	m->image = bytes ? thaw_alloc(m->image_size, 1) : NULL;
	if (m->image)
		memcpy(m->image, bytes, m->image_size);
	free(bytes);
	spng_ctx_free(png);
	return m->image ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: a PNG of %d x %d pixels", width, height);
}

/* Grey images are stored with one channel. */
static thaw_status encode_png(struct pack_members *m, const struct thaw_image *image)
{
	size_t count = (size_t)image->width * (size_t)image->height;
	if (!is_grey(image))
		return encode(m, image->pixels, image->width, image->height, COLOUR_BYTES);
	uint8_t *grey = thaw_alloc(count, 1);
	if (!grey)
		return THAW_RESOURCE;
	for (size_t i = 0; i < count; i++)
		grey[i] = image->pixels[COLOUR_BYTES * i];
	thaw_status status = encode(m, grey, image->width, image->height, GREY_BYTES);
	thaw_free(grey);
	return status;
}

static thaw_status read_image(struct pack_members *m, const struct thaw_dataset *d, int64_t i)
{
	struct thaw_encoded_image encoded;
	if (d->read_file)
		return d->read_file(d, i, &m->image, &m->image_size);
	THAW_TRY(d->read(d, i, &encoded));
	thaw_status status = encode_png(m, &encoded.image);
	thaw_encoded_image_free(&encoded);
	return status;
}

static thaw_status give_text(char **text, json_t *object)
{
	char *dumped = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	*text = dumped ? thaw_strdup(dumped) : NULL;
	free(dumped);
	return *text ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: a label");
}

/* {"labels": [1, 4], "unknown": [2]} */
static json_t *list_json(const float *targets, int classes)
{
	json_t *on = json_array(), *unknown = json_array();
	for (int c = 0; c < classes; c++)
		if (isnan(targets[c]))
			json_array_append_new(unknown, json_integer(c));
		else if (targets[c] > 0)
			json_array_append_new(on, json_integer(c));
	json_t *object = json_pack("{s:o}", "labels", on);
	if (json_array_size(unknown) > 0)
		json_object_set(object, "unknown", unknown);
	json_decref(unknown);
	return object;
}

/* {"values": [0.5, null]} */
static json_t *values_json(const float *targets, int count)
{
	json_t *values = json_array();
	for (int i = 0; i < count; i++)
		json_array_append_new(values, isfinite(targets[i]) ? json_real((double)targets[i]) : json_null());
	return json_pack("{s:o}", "values", values);
}

thaw_status thaw_pack_make_label(struct pack_members *m, const struct thaw_dataset *d, int64_t i)
{
	const float *targets = d->targets ? d->targets + (size_t)i * (size_t)d->classes : NULL;
	json_t *object = NULL;
	m->json = d->task != THAW_TASK_CLASS;
	if (d->task == THAW_TASK_GRADE)
		object = json_pack("{s:I}", "grade", (json_int_t)d->labels[i]);
	else if (m->json)
		object =
			d->task == THAW_TASK_LABELS ? list_json(targets, d->classes) : values_json(targets, d->classes);
	else if (!(m->label = thaw_format("%d", (int)d->labels[i])))
		return THAW_RESOURCE;
	bool weighted = d->weights && d->weights[i] != 1.0F;
	if (weighted && m->json)
		json_object_set_new(object, "weight", json_real((double)d->weights[i]));
	if (weighted && !m->json)
		return give_text(&m->more, json_pack("{s:f}", "weight", (double)d->weights[i]));
	return m->json ? give_text(&m->label, object) : THAW_OK;
}

thaw_status thaw_pack_make(struct pack_members *m, const struct thaw_dataset *d, int64_t i)
{
	char name[NAME_SIZE];
	d->name(d, i, name, sizeof(name));
	make_key(m, name, i);
	thaw_status status = read_image(m, d, i);
	if (status == THAW_IO) /* a network file system may fail once */
		status = read_image(m, d, i);
	THAW_TRY(status);
	m->extension = find_extension(m, name);
	return thaw_pack_make_label(m, d, i);
}
