/* Chooses the decoder of an image file, and encoded images, whose pixels are decoded on demand.
 *
 * The decoder is chosen by the first bytes of the file, since file names are often wrong. */
#include "src/data/image.h"

#include <string.h>
#include <strings.h>

#include "src/base/try.h"
#include "thaw/memory.h"

#define FORMAT(name) &thaw_image_##name,
static const struct image_format *const formats[] = {
#include "src/data/image_formats.h"
};
#undef FORMAT

enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

bool thaw_image_extension(const char *file_name)
{
	const char *dot = strrchr(file_name, '.');
	if (!dot)
		return false;
	for (int f = 0; f < FORMATS; f++)
		for (const char *const *e = formats[f]->extensions; *e; e++)
			if (strcasecmp(dot, *e) == 0)
				return true;
	return false;
}

/* Detects the format from the first bytes; NULL: not an image that thaw reads. */
static const struct image_format *detect(const uint8_t *bytes, size_t size)
{
	for (int f = 0; f < FORMATS; f++)
		if (formats[f]->detect(bytes, size))
			return formats[f];
	return NULL;
}

const char *thaw_image_format_name(const uint8_t *bytes, size_t size)
{
	const struct image_format *format = detect(bytes, size);
	return format ? format->name : NULL;
}

bool thaw_image_recognised(const void *bytes, size_t size)
{
	return detect(bytes, size) != NULL;
}

#define EMPTY   "empty image file"
#define UNKNOWN "not an image of a known format"
#define FOREIGN ", which thaw does not read"

enum thaw_image_fault thaw_image_fault(const char *message)
{
	if (strstr(message, EMPTY ": "))
		return THAW_FAULT_EMPTY;
	return strstr(message, UNKNOWN ": ") || strstr(message, FOREIGN ": ") ? THAW_FAULT_FOREIGN : THAW_FAULT_DAMAGED;
}

static thaw_status find_format(const struct image_format **format, const void *bytes, size_t size, const char *name)
{
	if (size == 0)
		return thaw_fail(THAW_DATA, EMPTY ": %s: remove or replace it", name);
	*format = detect(bytes, size);
	if (*format)
		return THAW_OK;
	const char *foreign = thaw_image_foreign_name(bytes, size);
	return thaw_fail(THAW_DATA, "%s%s: %s: convert it to JPEG or PNG, or remove it", foreign ? foreign : UNKNOWN,
			 foreign ? FOREIGN : "", name);
}

/* Turns a decoded image upright; frees it on failure. */
static thaw_status turn_upright(struct thaw_image *image, int orientation, const char *name)
{
	thaw_status status = thaw_image_upright(image, orientation);
	if (status == THAW_OK)
		return THAW_OK;
	thaw_image_free(image);
	return thaw_fail_in(status, "%s", name);
}

/* *orientation is that of the file; the image is upright. */
static thaw_status decode_upright(struct thaw_image *image, int *orientation, const struct image_format *format,
				  const void *bytes, size_t size, const char *name)
{
	struct thaw_image decoded = {0};
	*orientation = 1;
	THAW_TRY(format->decode(&decoded, orientation, bytes, size, name));
	THAW_TRY(turn_upright(&decoded, *orientation, name));
	*image = decoded;
	return THAW_OK;
}

thaw_status thaw_image_decode(struct thaw_image *image, const void *bytes, size_t size, const char *name)
{
	const struct image_format *format;
	int orientation;
	THAW_TRY(find_format(&format, bytes, size, name));
	return decode_upright(image, &orientation, format, bytes, size, name);
}

struct thaw_encoded_image thaw_encoded_image_from_pixels(struct thaw_image image)
{
	return (struct thaw_encoded_image){
		.width = image.width, .height = image.height, .image = image, .orientation = 1};
}

void thaw_encoded_image_free(struct thaw_encoded_image *encoded)
{
	thaw_image_free(&encoded->image);
	thaw_free(encoded->bytes);
	*encoded = (struct thaw_encoded_image){0};
}

/* Whether the orientation exchanges width and height. */
static bool is_transposed(int orientation)
{
	return orientation >= 5;
}

/* Detects the format; reads the header or, where the format has no header function, decodes the image. */
static thaw_status read_size(struct thaw_encoded_image *p)
{
	struct image_header header;
	THAW_TRY(find_format(&p->format, p->bytes, p->size, p->name));
	if (!p->format->header) {
		THAW_TRY(decode_upright(&p->image, &p->orientation, p->format, p->bytes, p->size, p->name));
		p->width = p->image.width;
		p->height = p->image.height;
		return THAW_OK;
	}
	THAW_TRY(p->format->header(&header, p->bytes, p->size, p->name));
	p->orientation = header.orientation;
	p->width = is_transposed(header.orientation) ? header.height : header.width;
	p->height = is_transposed(header.orientation) ? header.width : header.height;
	return THAW_OK;
}

thaw_status thaw_encoded_image_open(struct thaw_encoded_image *encoded, void *bytes, size_t size, const char *name)
{
	struct thaw_encoded_image p = {.bytes = bytes, .size = size, .name = name, .orientation = 1};
	thaw_status status = read_size(&p);
	if (status == THAW_OK)
		*encoded = p;
	else
		thaw_encoded_image_free(&p);
	return status;
}

thaw_status thaw_encoded_image_decode(struct thaw_encoded_image *encoded)
{
	if (encoded->image.pixels)
		return THAW_OK;
	return decode_upright(&encoded->image, &encoded->orientation, encoded->format, encoded->bytes, encoded->size,
			      encoded->name);
}

/* Whether the extension is one of another format. */
static bool is_misnamed(const struct image_format *format, const char *name)
{
	const char *dot = strrchr(name, '.');
	for (const char *const *e = format->extensions; dot && *e; e++)
		if (strcasecmp(dot, *e) == 0)
			return false;
	return thaw_image_extension(name);
}

struct thaw_image_kind thaw_encoded_image_kind(const struct thaw_encoded_image *e, const char *name)
{
	if (!e->format)
		return (struct thaw_image_kind){.format = NULL};
	return (struct thaw_image_kind){.format = e->format->name,
					.misnamed = is_misnamed(e->format, name),
					.cmyk = e->format->is_cmyk && e->format->is_cmyk(e->bytes, e->size),
					.turned = e->orientation != 1};
}

int thaw_encoded_image_max_shrink(const struct thaw_encoded_image *encoded, const struct thaw_rectangle *region,
				  int width, int height)
{
	int shrink = 1;
	while (!encoded->image.pixels && shrink < 8 && region->width / (2 * shrink) >= width &&
	       region->height / (2 * shrink) >= height)
		shrink *= 2;
	return shrink;
}

/* Decoders round up: the last pixel may be made from fewer. */
void thaw_encoded_image_shrunk_size(const struct thaw_encoded_image *encoded, int shrink, int *width, int *height)
{
	*width = (encoded->width + shrink - 1) / shrink;
	*height = (encoded->height + shrink - 1) / shrink;
}

thaw_status thaw_encoded_image_decode_region(const struct thaw_encoded_image *encoded,
					     const struct thaw_rectangle *region, int shrink, struct image_view *view,
					     struct thaw_image *decoded)
{
	*decoded = (struct thaw_image){0};
	if (encoded->image.pixels) {
		struct image_view whole = thaw_image_view(&encoded->image);
		*view = thaw_view_region(&whole, *region);
		return THAW_OK;
	}
	int width, height;
	bool transposed = is_transposed(encoded->orientation);
	thaw_encoded_image_shrunk_size(encoded, shrink, transposed ? &height : &width, transposed ? &width : &height);
	struct thaw_rectangle stored = thaw_rectangle_as_stored(region, encoded->orientation, width, height);
	THAW_TRY(
		encoded->format->decode_region(decoded, &stored, shrink, encoded->bytes, encoded->size, encoded->name));
	THAW_TRY(turn_upright(decoded, encoded->orientation, encoded->name));
	*view = thaw_image_view(decoded);
	return THAW_OK;
}
