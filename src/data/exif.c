/* EXIF orientation: how a camera was held, and turning the image accordingly.
 *
 * Of EXIF only this one number matters here, so the TIFF directory is read by hand: a header, then a list of
 * 12-byte entries, every offset checked against the bytes that are there. Damaged EXIF is no reason to lose an
 * image whose pixels are fine; it counts as "upright". */
#include "src/data/image.h"

#include <string.h>

#include "thaw/tensor.h"

enum {
	TIFF_HEADER = 8, /* byte order, 42, offset of the first directory */
	TIFF_MAGIC = 42,
	TIFF_ENTRY = 12, /* tag, type, count, value */
	TIFF_SHORT = 3,
	TAG_ORIENTATION = 0x0112,
};

static uint32_t read_u16(const uint8_t *p, bool big)
{
	return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t read_u32(const uint8_t *p, bool big)
{
	return big ? read_u16(p, big) << 16 | read_u16(p + 2, big) : read_u16(p + 2, big) << 16 | read_u16(p, big);
}

int thaw_exif_orientation(const uint8_t *tiff, size_t size)
{
	if (size < TIFF_HEADER || (memcmp(tiff, "II", 2) != 0 && memcmp(tiff, "MM", 2) != 0))
		return 1;
	bool big = tiff[0] == 'M';
	size_t directory = read_u32(tiff + 4, big);
	if (read_u16(tiff + 2, big) != TIFF_MAGIC || directory > size - 2)
		return 1;
	size_t entries = read_u16(tiff + directory, big);
	size_t room = (size - directory - 2) / TIFF_ENTRY;
	if (entries > room)
		entries = room;
	for (size_t e = 0; e < entries; e++) {
		const uint8_t *entry = tiff + directory + 2 + e * TIFF_ENTRY;
		if (read_u16(entry, big) != TAG_ORIENTATION)
			continue;
		uint32_t value = read_u16(entry + 8, big);
		bool valid = read_u16(entry + 2, big) == TIFF_SHORT && read_u32(entry + 4, big) == 1 && value >= 1 &&
			     value <= 8;
		return valid ? (int)value : 1;
	}
	return 1;
}

/* Where an upright image finds its pixels in the stored one: upright (x,y) is stored at
 * origin + x * step_x + y * step_y, in pixels. */
struct walk {
	int64_t origin, step_x, step_y;
	bool swapped; /* rows became columns */
};

static struct walk walk_of(int orientation, int64_t w, int64_t h)
{
	switch (orientation) {
	case 2: /* mirrored */
		return (struct walk){w - 1, -1, w, false};
	case 3: /* upside down */
		return (struct walk){w * h - 1, -1, -w, false};
	case 4: /* mirrored and upside down */
		return (struct walk){w * (h - 1), 1, -w, false};
	case 5: /* transposed */
		return (struct walk){0, w, 1, true};
	case 6: /* to be turned clockwise */
		return (struct walk){w * (h - 1), -w, 1, true};
	case 7: /* transposed along the other diagonal */
		return (struct walk){w * h - 1, -w, -1, true};
	case 8: /* to be turned counter-clockwise */
		return (struct walk){w - 1, w, -1, true};
	default:
		return (struct walk){0, 1, w, false};
	}
}

static int smaller(int64_t a, int64_t b)
{
	return (int)(a < b ? a : b);
}

struct thaw_rectangle thaw_rectangle_as_stored(const struct thaw_rectangle *upright, int orientation, int width,
					       int height)
{
	struct walk walk = walk_of(orientation, width, height);
	int64_t last_x = upright->left + upright->width - 1, last_y = upright->top + upright->height - 1;
	int64_t a = walk.origin + upright->left * walk.step_x + upright->top * walk.step_y; /* two corners, */
	int64_t b = walk.origin + last_x * walk.step_x + last_y * walk.step_y;              /* opposite ones */
	return (struct thaw_rectangle){
		.left = smaller(a % width, b % width),
		.top = smaller(a / width, b / width),
		.width = walk.swapped ? upright->height : upright->width,
		.height = walk.swapped ? upright->width : upright->height,
	};
}

thaw_status thaw_image_upright(struct thaw_image *image, int orientation)
{
	if (orientation == 1)
		return THAW_OK;
	struct walk walk = walk_of(orientation, image->width, image->height);
	struct thaw_image turned = {
		.width = walk.swapped ? image->height : image->width,
		.height = walk.swapped ? image->width : image->height,
	};
	turned.pixels = thaw_alloc((size_t)turned.width * (size_t)turned.height, 3);
	if (!turned.pixels)
		return THAW_RESOURCE;
	uint8_t *to = turned.pixels;
	for (int64_t y = 0; y < turned.height; y++)
		for (int64_t x = 0; x < turned.width; x++, to += 3)
			memcpy(to, image->pixels + 3 * (walk.origin + x * walk.step_x + y * walk.step_y), 3);
	thaw_image_free(image);
	*image = turned;
	return THAW_OK;
}
