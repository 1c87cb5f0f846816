/* Names of common files that thaw does not read as images, so that a message can say what was found. */
#include "src/data/image.h"

#include <string.h>
#include <strings.h>

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
	{"a HEIC or AVIF image", 4, 8, "ftypmif1"},
	{"a HEIC or AVIF image", 4, 8, "ftypmsf1"},
	{"a JPEG 2000 image", 0, 12, "\0\0\0\x0CjP  \r\n\x87\n"},
	{"a JPEG 2000 image", 0, 4, "\xFF\x4F\xFF\x51"},
	{"a camera raw image", 4, 8, "ftypcrx "},
	{"a camera raw image", 0, 10, "II*\0\x10\0\0\0CR"},
	{"a camera raw image", 0, 8, "FUJIFILM"},
	{"a camera raw image", 0, 4, "IIU\0"},
	{"a camera raw image", 0, 4, "IIRO"},
	{"a camera raw image", 0, 4, "IIRS"},
	{"a camera raw image", 0, 4, "MMOR"},
	{"a camera raw image", 0, 4, "FOVb"},
	{"a camera raw image", 0, 4, "\0MRM"},
	{"a video", 4, 4, "ftyp"},
	{"a DICOM file", 128, 4, "DICM"},
	{"a Photoshop document", 0, 4, "8BPS"},
	{"a PDF document", 0, 5, "%PDF-"},
	{"an OpenEXR image", 0, 4, "\x76\x2F\x31\x01"},
	{"a Radiance HDR image", 0, 10, "#?RADIANCE"},
	{"a Netpbm image", 0, 3, "P4\n"},
	{"a Netpbm image", 0, 3, "P5\n"},
	{"a Netpbm image", 0, 3, "P6\n"},
	{"a FITS image", 0, 9, "SIMPLE  ="},
	{"an HDF5 file", 0, 8, "\x89HDF\r\n\x1A\n"},
	{"a Windows icon", 0, 4, "\0\0\1\0"},
	{"a Git LFS pointer, not the file itself", 0, 34, "version https://git-lfs.github.com/"},
	{"a zip archive", 0, 4, "PK\3\4"},
	{"a gzip file", 0, 2, "\x1F\x8B"},
	{"a NumPy array", 0, 6, "\x93NUMPY"},
	{"a Parquet file", 0, 4, "PAR1"},
};

/* Text may begin with a byte order mark and spaces, and is in any case. */
static const char *text_name(const uint8_t *bytes, size_t size)
{
	static const struct {
		const char *start, *name;
	} starts[] = {
		{"<!doctype svg", "an SVG drawing"},
		{"<svg", "an SVG drawing"},
		{"<!doctype html", "a web page"},
		{"<html", "a web page"},
		{"<head", "a web page"},
		{"<?xml", "an XML file"},
	};
	const char *text = (const char *)bytes, *end = text + size;
	if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
		text += 3;
	while (text < end && strchr(" \t\r\n", *text) && *text)
		text++;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		size_t length = strlen(starts[i].start);
		if ((size_t)(end - text) >= length && strncasecmp(text, starts[i].start, length) == 0)
			return starts[i].name;
	}
	return NULL;
}

const char *thaw_image_foreign_name(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
		const struct signature *s = &signatures[i];
		if (size >= s->offset + s->size && memcmp(bytes + s->offset, s->bytes, s->size) == 0)
			return s->name;
	}
	return text_name(bytes, size);
}

bool thaw_image_raw_extension(const char *file_name)
{
	static const char *const extensions[] = {".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng",
						 ".erf", ".iiq", ".k25", ".kdc", ".mef", ".mos", ".mrw",
						 ".nef", ".nrw", ".orf", ".pef", ".ptx", ".raf", ".raw",
						 ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"};
	const char *dot = strrchr(file_name, '.');
	for (size_t i = 0; dot && i < sizeof(extensions) / sizeof(extensions[0]); i++)
		if (strcasecmp(dot, extensions[i]) == 0)
			return true;
	return false;
}
