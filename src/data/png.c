/* PNG decoding with libspng. All colour types and depths are converted to 8-bit RGB as Pillow's convert("RGB") does:
 * transparency is ignored, and of 16-bit values the high byte is taken. */
#include "src/data/image.h"

#include <string.h>

#include <spng.h>

#include "src/base/try.h"

/* Limit of one text or colour profile chunk, in bytes; the limit of all of them is twice as much. */
#define MAX_CHUNK ((size_t)8 << 20)

static thaw_status damaged(int error, const char *name)
{
	return thaw_fail(error == SPNG_EMEM ? THAW_RESOURCE : THAW_DATA, "damaged PNG (%s): %s: remove or replace it",
			 spng_strerror(error), name);
}

static thaw_status decode_with(spng_ctx *png, struct thaw_image *image, int *orientation, const uint8_t *bytes,
			       size_t size, const char *name)
{
	struct spng_ihdr header;
	struct spng_exif exif;
	size_t needed;
	int error = spng_set_chunk_limits(png, MAX_CHUNK, 2 * MAX_CHUNK);
	if (error == SPNG_OK)
		error = spng_set_png_buffer(png, bytes, size);
	if (error == SPNG_OK)
		error = spng_get_ihdr(png, &header);
	if (error == SPNG_OK)
		error = spng_decoded_image_size(png, SPNG_FMT_RGB8, &needed);
	if (error != SPNG_OK)
		return damaged(error, name);
	THAW_TRY(thaw_image_allocate(image, header.width, header.height, name));
	error = spng_decode_image(png, image->pixels, needed, SPNG_FMT_RGB8, 0);
	if (error == SPNG_OK)
		error = spng_decode_chunks(png); /* those after the pixels, up to IEND */
	if (error != SPNG_OK)
		return damaged(error, name);
	if (spng_get_exif(png, &exif) == SPNG_OK)
		*orientation = thaw_exif_orientation((const uint8_t *)exif.data, exif.length);
	return THAW_OK;
}

static thaw_status decode_png(struct thaw_image *image, int *orientation, const uint8_t *bytes, size_t size,
			      const char *name)
{
	spng_ctx *png = spng_ctx_new(0);
	if (!png)
		return thaw_fail(THAW_RESOURCE, "out of memory: PNG decoder: %s", name);
	struct thaw_image decoded = {0};
	thaw_status status = decode_with(png, &decoded, orientation, bytes, size, name);
	spng_ctx_free(png);
	if (status == THAW_OK)
		*image = decoded;
	else
		thaw_image_free(&decoded);
	return status;
}

static const char *const extensions[] = {".png", NULL};

static bool detect_png(const uint8_t *bytes, size_t size)
{
	return size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1A\n", 8) == 0;
}

const struct image_format thaw_image_png = {
	.name = "PNG",
	.extensions = extensions,
	.detect = detect_png,
	.decode = decode_png,
};
