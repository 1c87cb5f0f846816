/* Images of any format: which decoder takes a file, and the bounds that hold for all of them.
 *
 * A decoder is chosen by the first bytes of the file: names lie often enough. */
#include "src/data/image.h"

#include <string.h>
#include <strings.h>

#include "thaw/tensor.h"

#define THAW_MAX_IMAGE_SIDE 65535 /* what a JPEG header can say; longer PNGs are no photographs */

#define FORMAT(name) &thaw_image_##name,
static const struct image_format *const formats[] = {
#include "src/data/image_formats.h"
};
#undef FORMAT

enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

bool thaw_image_extension(const char *file_name)
{
	const char *dot = strrchr(file_name, '.');
	if (dot == NULL)
		return false;
	for (int f = 0; f < FORMATS; f++)
		for (const char *const *e = formats[f]->extensions; *e != NULL; e++)
			if (strcasecmp(dot, *e) == 0)
				return true;
	return false;
}

void thaw_image_free(struct thaw_image *image)
{
	thaw_free(image->pixels);
	*image = (struct thaw_image){0};
}

thaw_status thaw_image_allocate(struct thaw_image *image, int64_t width, int64_t height, const char *name)
{
	if (width < 1 || height < 1)
		return thaw_fail(THAW_DATA, "%s: image without pixels: remove or replace it", name);
	if (width > THAW_MAX_IMAGE_SIDE || height > THAW_MAX_IMAGE_SIDE || width * height > THAW_MAX_IMAGE_PIXELS)
		return thaw_fail(THAW_DATA, "%s: image of %lld x %lld pixels is too large: shrink it below %lld pixels",
				 name, (long long)width, (long long)height, THAW_MAX_IMAGE_PIXELS);
	uint8_t *pixels = thaw_alloc((size_t)width * (size_t)height, 3);
	if (pixels == NULL)
		return thaw_fail_in(THAW_RESOURCE, "%s", name);
	*image = (struct thaw_image){.width = (int)width, .height = (int)height, .pixels = pixels};
	return THAW_OK;
}

thaw_status thaw_image_decode(struct thaw_image *image, const void *bytes, size_t size, const char *name)
{
	if (size == 0)
		return thaw_fail(THAW_DATA, "%s: file is empty: remove or replace it", name);
	for (int f = 0; f < FORMATS; f++) {
		const struct image_format *format = formats[f];
		if (size < format->magic_size || memcmp(bytes, format->magic, format->magic_size) != 0)
			continue;
		struct thaw_image decoded = {0};
		int orientation = 1;
		THAW_TRY(format->decode(&decoded, &orientation, bytes, size, name));
		thaw_status status = thaw_image_upright(&decoded, orientation);
		if (status != THAW_OK) {
			thaw_image_free(&decoded);
			return thaw_fail_in(status, "%s", name);
		}
		*image = decoded;
		return THAW_OK;
	}
	return thaw_fail(THAW_DATA, "%s: neither JPEG nor PNG: convert or remove it", name);
}

struct image_view thaw_image_view(const struct thaw_image *image)
{
	return (struct image_view){image->pixels, image->width, image->height, (size_t)image->width * 3};
}
