/* BMP, through libgd: 1 to 32 bits per pixel, also run-length encoded. Alpha is dropped, as Pillow's convert("RGB")
 * does.
 */
#include "src/data/image.h"

#include <limits.h>
#include <string.h>

#include <gd.h>

#include "src/base/try.h"

enum {
	BMP_MIN_SIZE = 30,    /* file header, and the image header up to the bits per pixel */
	BMP_HEADER_AT = 14,   /* size of the image header */
	BMP_CORE_HEADER = 12, /* OS/2's, with 16-bit sizes */
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

/* The bounds are checked before libgd allocates; a negative height means rows from top to bottom. */
static thaw_status check_header(const uint8_t *bytes, size_t size, const char *name)
{
	if (size < BMP_MIN_SIZE || size > INT_MAX)
		return damaged(name);
	bool core = read_u32(bytes + BMP_HEADER_AT) == BMP_CORE_HEADER;
	int64_t width = core ? (int64_t)read_u16(bytes + 18) : (int32_t)read_u32(bytes + 18);
	int64_t height = core ? (int64_t)read_u16(bytes + 20) : (int32_t)read_u32(bytes + 22);
	uint32_t bits = core ? read_u16(bytes + 24) : read_u16(bytes + 28);
	if (bits == 16) /* libgd reads some of them, with the low bits of each colour cleared */
		return thaw_fail(THAW_DATA, "BMP with 16 bits per pixel: %s: convert it to JPEG or PNG", name);
	return thaw_image_check_size(width, height < 0 ? -height : height, name);
}

static thaw_status decode_bmp(struct thaw_image *image, int *orientation, const uint8_t *bytes, size_t size,
			      const char *name)
{
	struct thaw_image decoded;
	(void)orientation; /* BMP has no EXIF */
	THAW_TRY(check_header(bytes, size, name));
	gdImagePtr gd = gdImageCreateFromBmpPtr((int)size, (void *)(uintptr_t)bytes);
	if (!gd)
		return damaged(name);
	thaw_status status = thaw_image_allocate(&decoded, gdImageSX(gd), gdImageSY(gd), name);
	uint8_t *to = status == THAW_OK ? decoded.pixels : NULL;
	for (int y = 0; to && y < decoded.height; y++)
		for (int x = 0; x < decoded.width; x++, to += 3) {
			int color = gdImageGetPixel(gd, x, y);
			to[0] = (uint8_t)gdImageRed(gd, color);
			to[1] = (uint8_t)gdImageGreen(gd, color);
			to[2] = (uint8_t)gdImageBlue(gd, color);
		}
	gdImageDestroy(gd);
	if (status == THAW_OK)
		*image = decoded;
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
