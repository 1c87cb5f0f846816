/* BMP, through stb_image: 1 to 32 bits per pixel. Alpha is dropped, as Pillow's convert("RGB") does.
 *
 * stb_image reads zeros past the end of its input and undefined colours past the end of the palette, so both are
 * checked here. It does not read run-length encoding, nor files with a gap between the header and the pixels, which is
 * closed here. */
#include "src/data/image.h"

#include <limits.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/memory.h"

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
	FILE_HEADER = 14,
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
	OS2_SHORT_HEADER_SIZE = 16, /* of OS/2 2.x, as is the next */
	OS2_HEADER_SIZE = 64,
	RLE8 = 1,
	RLE4 = 2,
	BITFIELDS = 3,   /* masks of the colours */
	MASKS_SIZE = 12, /* they follow the header of INFO_HEADER_SIZE bytes; larger headers contain them */
	INFO_HEADER_SIZE = 40,
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

/* The header: sizes in pixels and bytes. */
struct bmp {
	int64_t width, height; /* height: rows */
	int64_t bits, row;     /* of a pixel; bytes of a row, a multiple of 4 */
	int64_t header, data;  /* end of the header and its masks; start of the pixels */
	bool core;
};

/* Reads the header and checks the bounds of the image and that the file holds all of its rows. */
static thaw_status read_header(struct bmp *b, const uint8_t *bytes, size_t size, const char *name)
{
	if (size < MIN_SIZE || size > INT_MAX)
		return damaged(name);
	uint32_t header = read_u32(bytes + HEADER_AT);
	b->core = header == CORE_HEADER_SIZE;
	b->width = b->core ? (int64_t)read_u16(bytes + WIDTH_AT) : (int32_t)read_u32(bytes + WIDTH_AT);
	b->height = b->core ? (int64_t)read_u16(bytes + CORE_HEIGHT_AT) : (int32_t)read_u32(bytes + HEIGHT_AT);
	b->height = b->height < 0 ? -b->height : b->height;
	b->bits = read_u16(bytes + (b->core ? CORE_BITS_AT : BITS_AT));
	uint32_t compression = b->core ? 0 : read_u32(bytes + COMPRESSION_AT);
	if (compression == RLE8 || compression == RLE4)
		return thaw_fail(THAW_DATA, "BMP with run-length encoding: %s: convert it to JPEG or PNG", name);
	if (header == OS2_SHORT_HEADER_SIZE || header == OS2_HEADER_SIZE)
		return thaw_fail(THAW_DATA, "BMP with a header of OS/2 (%u bytes): %s: convert it to JPEG or PNG",
				 (unsigned)header, name);
	THAW_TRY(thaw_image_check_size(b->width, b->height, name));
	bool masks = header == INFO_HEADER_SIZE && compression == BITFIELDS;
	b->header = FILE_HEADER + (int64_t)header + (masks ? MASKS_SIZE : 0);
	b->data = read_u32(bytes + DATA_AT);
	b->row = (b->width * b->bits + 31) / 32 * 4;
	return b->data < b->header || b->row * b->height > (int64_t)size - b->data ? damaged(name) : THAW_OK;
}

/* Whether every pixel of an image with a palette has an entry in it. stb_image does not read the last four entries
 * after a core header. */
static bool palette_is_complete(const struct bmp *b, const uint8_t *bytes)
{
	int64_t colors = b->core ? (b->data - b->header) / 3 - 4 : (b->data - b->header) / 4;
	for (int64_t y = 0; y < b->height; y++)
		for (int64_t x = 0; x < b->width; x++) {
			int64_t bit = x * b->bits;
			int byte = bytes[b->data + y * b->row + bit / 8];
			if ((byte >> (8 - b->bits - bit % 8) & ((1 << b->bits) - 1)) >= colors)
				return false;
		}
	return true;
}

/* Without a palette, a copy of the file in which the pixels follow the header. */
static uint8_t *close_gap(const struct bmp *b, const uint8_t *bytes)
{
	size_t pixels = (size_t)(b->row * b->height);
	uint8_t *copy = thaw_alloc((size_t)b->header + pixels, 1);
	if (!copy)
		return NULL;
	memcpy(copy, bytes, (size_t)b->header);
	memcpy(copy + b->header, bytes + b->data, pixels);
	for (int i = 0; i < 4; i++)
		copy[DATA_AT + i] = (uint8_t)(b->header >> (8 * i));
	return copy;
}

static thaw_status decode_checked(struct thaw_image *image, const uint8_t *bytes, size_t size, const char *name)
{
	int width, height, channels;
	stbi_uc *pixels = stbi_load_from_memory(bytes, (int)size, &width, &height, &channels, 3);
	if (!pixels)
		return damaged(name);
	thaw_status status = thaw_image_allocate(image, width, height, name);
	if (status == THAW_OK)
		memcpy(image->pixels, pixels, (size_t)width * (size_t)height * 3);
	stbi_image_free(pixels);
	return status;
}

static thaw_status decode_palette(struct thaw_image *image, const struct bmp *b, const uint8_t *bytes, size_t size,
				  const char *name)
{
	if (b->bits != 1 && b->bits != 4 && b->bits != 8)
		return damaged(name);
	if (palette_is_complete(b, bytes))
		return decode_checked(image, bytes, size, name);
	return b->core ? thaw_fail(THAW_DATA, "BMP with a palette of OS/2: %s: convert it to JPEG or PNG", name)
		       : damaged(name);
}

static thaw_status decode_bmp(struct thaw_image *image, int *orientation, const uint8_t *bytes, size_t size,
			      const char *name)
{
	struct bmp b = {0};
	(void)orientation; /* BMP has no EXIF */
	THAW_TRY(read_header(&b, bytes, size, name));
	if (b.bits <= 8)
		return decode_palette(image, &b, bytes, size, name);
	if (b.data == b.header)
		return decode_checked(image, bytes, size, name);
	uint8_t *copy = close_gap(&b, bytes);
	if (!copy)
		return THAW_RESOURCE;
	thaw_status status = decode_checked(image, copy, (size_t)(b.header + b.row * b.height), name);
	thaw_free(copy);
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
