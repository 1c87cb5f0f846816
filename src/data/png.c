/* PNG decoding with libspng. All colour types and depths are converted to 8-bit RGB as Pillow's convert("RGB") does:
 * transparency is ignored, and of 16-bit values the high byte is taken. */
#include "src/data/image.h"

#include <string.h>

#include <spng.h>

#include "src/base/try.h"
#include "thaw/memory.h"

/* Limit of one text or colour profile chunk, in bytes; the limit of all of them is twice as much. */
#define MAX_CHUNK ((size_t)8 << 20)

static thaw_status damaged(int error, const char *name)
{
	return thaw_fail(error == SPNG_EMEM ? THAW_RESOURCE : THAW_DATA, "damaged PNG (%s): %s: remove or replace it",
			 spng_strerror(error), name);
}

/* -1 if the character is none. */
static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* The orientation in EXIF data written as text, as ImageMagick does: an empty line, a name, a size, then hex digits. */
static int raw_profile_orientation(const struct spng_text *t)
{
	const char *at = t->text, *end = at + t->length;
	for (int line = 0; at && line < 3; line++) {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : NULL;
	}
	uint8_t *bytes = at ? thaw_alloc((size_t)(end - at) / 2 + 1, 1) : NULL;
	size_t digits = 0;
	for (; bytes && at < end; at++) {
		int digit = hex_digit(*at);
		if (digit < 0)
			continue;
		bytes[digits / 2] = (uint8_t)(bytes[digits / 2] << 4 | digit);
		digits++;
	}
	int orientation = bytes ? thaw_exif_orientation(bytes, digits / 2) : 0;
	thaw_free(bytes);
	return orientation;
}

/* From the eXIf chunk or the texts that hold EXIF or XMP; 1 without any. */
static int read_orientation(spng_ctx *png)
{
	struct spng_exif exif;
	uint32_t count = 0;
	int by_exif = 0, by_xmp = 0;
	if (spng_get_exif(png, &exif) == SPNG_OK)
		by_exif = thaw_exif_orientation((const uint8_t *)exif.data, exif.length);
	struct spng_text *texts =
		spng_get_text(png, NULL, &count) == SPNG_OK && count > 0 ? thaw_alloc(count, sizeof(*texts)) : NULL;
	if (texts && spng_get_text(png, texts, &count) == SPNG_OK)
		for (uint32_t i = 0; i < count; i++) {
			if (strcmp(texts[i].keyword, "XML:com.adobe.xmp") == 0)
				by_xmp = thaw_xmp_orientation(texts[i].text, texts[i].length);
			else if (!by_exif && strcmp(texts[i].keyword, "Raw profile type exif") == 0)
				by_exif = raw_profile_orientation(&texts[i]);
		}
	thaw_free(texts);
	return thaw_orientation(by_exif, by_xmp);
}

static thaw_status decode_with(spng_ctx *png, struct thaw_image *image, int *orientation, const uint8_t *bytes,
			       size_t size, const char *name)
{
	struct spng_ihdr header;
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
	*orientation = read_orientation(png);
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
