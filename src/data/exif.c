/* The orientation of an image in its EXIF and XMP data. The same tags count as in Pillow's exif_transpose: EXIF first,
 * XMP only if EXIF has none.
 *
 * The orientation is the only EXIF tag used here, so the first TIFF directory is parsed directly: a header, then a list
 * of 12-byte entries. Every offset is checked against the size of the block. An image with damaged EXIF data is treated
 * as upright, since its pixels may be intact. docs/design.md compares this with libexif. */
#include "src/data/image.h"

#include <string.h>

#include "src/base/minmax.h"

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

/* Skips JPEG's prefix of EXIF data, which some programs write into other formats too, or twice. */
static void skip_prefix(const uint8_t **bytes, size_t *size)
{
	static const char prefix[] = "Exif\0"; /* two NULs */
	for (int i = 0; i < 2 && *size >= sizeof(prefix) && memcmp(*bytes, prefix, sizeof(prefix)) == 0; i++) {
		*bytes += sizeof(prefix);
		*size -= sizeof(prefix);
	}
}

int thaw_exif_orientation(const uint8_t *tiff, size_t size)
{
	if (size > 0)
		skip_prefix(&tiff, &size);
	if (size < TIFF_HEADER || (memcmp(tiff, "II", 2) != 0 && memcmp(tiff, "MM", 2) != 0))
		return 0;
	bool big = tiff[0] == 'M';
	size_t directory = read_u32(tiff + 4, big);
	if (read_u16(tiff + 2, big) != TIFF_MAGIC || directory > size - 2)
		return 0;
	size_t entries = read_u16(tiff + directory, big);
	size_t complete = min_size(entries, (size - directory - 2) / TIFF_ENTRY);
	for (size_t e = 0; e < complete; e++) {
		const uint8_t *entry = tiff + directory + 2 + e * TIFF_ENTRY;
		if (read_u16(entry, big) == TAG_ORIENTATION)
			return entry_orientation(entry, big);
	}
	return 0;
}

/* XMP is XML: the property is an attribute, tiff:Orientation="6", or an element, <tiff:Orientation>6</...>. */
int thaw_xmp_orientation(const void *text, size_t size)
{
	static const char *const starts[] = {"tiff:Orientation=\"", "tiff:Orientation>"};
	const char *from = text, *end = size > 0 ? from + size : from, *first = NULL;
	for (int s = 0; s < 2 && size > 0; s++) {
		size_t length = strlen(starts[s]);
		for (const char *at = from; (at = memmem(at, (size_t)(end - at), starts[s], length)); at += length)
			if ((size_t)(end - at) > length && at[length] >= '0' && at[length] <= '9') {
				first = !first || at + length < first ? at + length : first;
				break;
			}
	}
	if (!first)
		return 0;
	return *first >= '1' && *first <= '8' ? *first - '0' : 1;
}

int thaw_orientation(int exif, int xmp)
{
	return exif ? exif : xmp ? xmp : 1;
}
