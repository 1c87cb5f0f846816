/* Names of common files that thaw does not read as images, so that a message can say what was found. */
#include "src/data/image.h"

#include <string.h>

/* A kind of file and the bytes at an offset by which it is recognised. */
static const struct signature {
	const char *name;
	size_t offset, size;
	const char *bytes;
} signatures[] = {
	{"a JPEG XL image", 0, 2, "\xFF\x0A"},
	{"a JPEG XL image", 0, 12, "\0\0\0\x0CJXL \r\n\x87\n"},
	{"an AVIF image", 4, 8, "ftypavif"},
	{"an AVIF image", 4, 8, "ftypavis"},
	{"a HEIC image", 4, 8, "ftypheic"},
	{"a HEIC image", 4, 8, "ftypheix"},
	{"a HEIC image", 4, 8, "ftyphevc"},
	{"a HEIC image", 4, 8, "ftypmif1"},
	{"a HEIC image", 4, 8, "ftypmsf1"},
	{"a JPEG 2000 image", 0, 12, "\0\0\0\x0CjP  \r\n\x87\n"},
	{"a JPEG 2000 image", 0, 4, "\xFF\x4F\xFF\x51"},
	{"a video", 4, 4, "ftyp"},
	{"a DICOM file", 128, 4, "DICM"},
	{"a Photoshop document", 0, 4, "8BPS"},
	{"a PDF document", 0, 5, "%PDF-"},
	{"an OpenEXR image", 0, 4, "\x76\x2F\x31\x01"},
	{"a Radiance HDR image", 0, 10, "#?RADIANCE"},
	{"a Netpbm image", 0, 3, "P4\n"},
	{"a Netpbm image", 0, 3, "P5\n"},
	{"a Netpbm image", 0, 3, "P6\n"},
	{"a Windows icon", 0, 4, "\0\0\1\0"},
	{"an SVG drawing", 0, 4, "<svg"},
	{"a web page", 0, 9, "<!DOCTYPE"},
	{"a web page", 0, 5, "<html"},
	{"an XML file", 0, 5, "<?xml"},
	{"a Git LFS pointer, not the file itself", 0, 34, "version https://git-lfs.github.com/"},
	{"a zip archive", 0, 4, "PK\3\4"},
	{"a gzip file", 0, 2, "\x1F\x8B"},
	{"a NumPy array", 0, 6, "\x93NUMPY"},
	{"a Parquet file", 0, 4, "PAR1"},
};

const char *thaw_image_foreign_name(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
		const struct signature *s = &signatures[i];
		if (size >= s->offset + s->size && memcmp(bytes + s->offset, s->bytes, s->size) == 0)
			return s->name;
	}
	return NULL;
}
