/* Images of any format: which decoder takes a file, and the bounds that hold for all of them.
 *
 * A decoder is chosen by the first bytes of the file: names lie often enough. */
#include "src/data/image.h"

#include <string.h>
#include <strings.h>

#include "thaw/tensor.h"

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
