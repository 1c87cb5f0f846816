/* The EXIF orientation of an image, and turning the image upright.
 *
 * The orientation is the only EXIF tag used here, so the first TIFF directory is parsed directly: a header, then a list
 * of 12-byte entries. Every offset is checked against the size of the block. An image with damaged EXIF data is treated
 * as upright, since its pixels may be intact. docs/design.md compares this with libexif. */
#include "src/data/image.h"

#include <string.h>

#include "src/base/minmax.h"
#include "thaw/memory.h"

enum {
	TIFF_HEADER = 8, /* byte order, 42, offset of the first directory */
	TIFF_MAGIC = 42,
	TIFF_ENTRY = 12, /* tag, type, count, value */
	TIFF_SHORT = 3,
	TIFF_LONG = 4,
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

/* The value of an orientation entry. The standard says SHORT; some programs write LONG, which Pillow accepts too. */
static int entry_orientation(const uint8_t *entry, bool big)
{
	uint32_t type = read_u16(entry + 2, big), value = 1;
	if (read_u32(entry + 4, big) != 1)
		return 1;
	if (type == TIFF_SHORT)
		value = read_u16(entry + 8, big);
	else if (type == TIFF_LONG)
		value = read_u32(entry + 8, big);
	return value >= 1 && value <= 8 ? (int)value : 1;
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
	size_t complete = min_size(entries, (size - directory - 2) / TIFF_ENTRY);
	for (size_t e = 0; e < complete; e++) {
		const uint8_t *entry = tiff + directory + 2 + e * TIFF_ENTRY;
		if (read_u16(entry, big) == TAG_ORIENTATION)
			return entry_orientation(entry, big);
	}
	return 1;
}

/* The index, in pixels, of upright (x,y) in the stored image is origin + x * step_x + y * step_y. */
struct walk {
	int64_t origin, step_x, step_y;
	bool swapped; /* width and height are exchanged */
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
	case 6: /* must be turned clockwise */
		return (struct walk){w * (h - 1), -w, 1, true};
	case 7: /* transposed along the other diagonal */
		return (struct walk){w * h - 1, -w, -1, true};
	case 8: /* must be turned counter-clockwise */
		return (struct walk){w - 1, w, -1, true};
	default:
		return (struct walk){0, 1, w, false};
	}
}

struct thaw_rectangle thaw_rectangle_as_stored(const struct thaw_rectangle *upright, int orientation, int width,
					       int height)
{
	struct walk walk = walk_of(orientation, width, height);
	int64_t last_x = upright->left + upright->width - 1, last_y = upright->top + upright->height - 1;
	/* Two opposite corners. */
	int64_t a = walk.origin + upright->left * walk.step_x + upright->top * walk.step_y;
	int64_t b = walk.origin + last_x * walk.step_x + last_y * walk.step_y;
	return (struct thaw_rectangle){
		.left = (int)min_int64(a % width, b % width),
		.top = (int)min_int64(a / width, b / width),
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
