/* BMP, through stb_image: 1 to 32 bits per pixel. Alpha is dropped, as Pillow's convert("RGB") does.
 *
 * stb_image reads zeros past the end of its input, so the size of the file is checked here, from the header. It does
 * not read run-length encoding. */
#include "src/data/image.h"

#include <limits.h>
#include <string.h>

#include "src/base/try.h"

/* It declares functions of other formats too, which are not compiled; gcc warns of them at the end of this file. */
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_FAILURE_STRINGS
#define STBI_ASSERT(condition) ((void)(condition)) /* no input may end the process */
#include <stb/stb_image.h>

/* Offsets of the fields of a BMP file, and the values that matter. */
enum {
	DATA_AT = 10,        /* offset of the pixels */
	HEADER_AT = 14,      /* size of the image header */
	WIDTH_AT = 18,       /* 16 bits in the core header, else 32 */
	CORE_HEIGHT_AT = 20, /* in the core header of OS/2 */
	CORE_BITS_AT = 24,   /* bits per pixel, in the core header */
	HEIGHT_AT = 22,      /* negative: rows are stored from top to bottom */
	BITS_AT = 28,        /* bits per pixel */
	COMPRESSION_AT = 30, /* kind of compression; not in the core header */
	MIN_SIZE = 34,       /* bytes that are read here */
	CORE_HEADER_SIZE = 12,
	RLE8 = 1,
	RLE4 = 2,
};

static uint32_t read_u16(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t read_u32(const uint8_t *p)
{
	return read_u16(p) | read_u16(p + 2) << 16;
}

static thaw_status damaged(const char *name)
{
	return thaw_fail(THAW_DATA, "damaged BMP: %s: remove or replace it", name);
}

/* Checks the bounds of the image and that the file holds all of its rows, each a multiple of 4 bytes. */
static thaw_status check_header(const uint8_t *bytes, size_t size, const char *name)
{
	if (size < MIN_SIZE || size > INT_MAX)
		return damaged(name);
	bool core = read_u32(bytes + HEADER_AT) == CORE_HEADER_SIZE;
	int64_t width = core ? (int64_t)read_u16(bytes + WIDTH_AT) : (int32_t)read_u32(bytes + WIDTH_AT);
	int64_t height = core ? (int64_t)read_u16(bytes + CORE_HEIGHT_AT) : (int32_t)read_u32(bytes + HEIGHT_AT);
	int64_t bits = read_u16(bytes + (core ? CORE_BITS_AT : BITS_AT));
	uint32_t compression = core ? 0 : read_u32(bytes + COMPRESSION_AT);
	if (compression == RLE8 || compression == RLE4)
		return thaw_fail(THAW_DATA, "BMP with run-length encoding: %s: convert it to JPEG or PNG", name);
	height = height < 0 ? -height : height;
	THAW_TRY(thaw_image_check_size(width, height, name));
	int64_t row = (width * bits + 31) / 32 * 4;
	return row * height > (int64_t)size - (int64_t)read_u32(bytes + DATA_AT) ? damaged(name) : THAW_OK;
}

static thaw_status decode_bmp(struct thaw_image *image, int *orientation, const uint8_t *bytes, size_t size,
			      const char *name)
{
	int width, height, channels;
	(void)orientation; /* BMP has no EXIF */
	THAW_TRY(check_header(bytes, size, name));
	stbi_uc *pixels = stbi_load_from_memory(bytes, (int)size, &width, &height, &channels, 3);
	if (!pixels)
		return damaged(name);
	thaw_status status = thaw_image_allocate(image, width, height, name);
	if (status == THAW_OK)
		memcpy(image->pixels, pixels, (size_t)width * (size_t)height * 3);
	stbi_image_free(pixels);
	return status;
}

static bool detect_bmp(const uint8_t *bytes, size_t size)
{
	return size >= 2 && memcmp(bytes, "BM", 2) == 0;
}

static const char *const extensions[] = {".bmp", ".dib", NULL};

const struct image_format thaw_image_bmp = {
	.name = "BMP",
	.extensions = extensions,
	.detect = detect_bmp,
	.decode = decode_bmp,
};
