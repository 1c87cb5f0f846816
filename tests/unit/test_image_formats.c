/* WebP, TIFF, BMP and GIF: damaged files, and kinds of files that are refused by name. test_image.c compares the pixels
 * of every format with Pillow's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/data/image.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define FOLDER       "tests/golden/images/"
#define LIMIT        (1 << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct file {
	uint8_t *bytes;
	size_t size;
};

static struct file load(const char *name)
{
	struct file f;
	char path[512];
	void *bytes;
	snprintf(path, sizeof(path), FOLDER "%s", name);
	if (thaw_file_read(&bytes, &f.size, path, LIMIT) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	f.bytes = bytes;
	return f;
}

/* The bytes must be refused with a message that begins with `says`. */
static void refuse(const void *bytes, size_t size, const char *says, const char *what)
{
	struct thaw_image image = {.width = 7};
	/* Copied to a block of exactly this size, so that AddressSanitizer detects reads beyond it. */
	uint8_t *exact = malloc(size + (size == 0));
	assert_non_null(exact);
	if (size > 0)
		memcpy(exact, bytes, size);
	thaw_status status = thaw_image_decode(&image, exact, size, "roses/one");
	free(exact);
	if (status != THAW_DATA || strncmp(thaw_error_message(), says, strlen(says)) != 0)
		fail_msg("%s, %zu bytes: status %d: %s", what, size, status, thaw_error_message());
	assert_non_null(strstr(thaw_error_message(), ": roses/one: "));
	assert_int_equal(image.width, 7);
	assert_null(image.pixels);
}

static void accept(const struct file *f, int width, int height, const char *what)
{
	struct thaw_image image = {0};
	if (thaw_image_decode(&image, f->bytes, f->size, what) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	assert_int_equal(image.width, width);
	assert_int_equal(image.height, height);
	thaw_image_free(&image);
}

/* Bytes after the pixels, which may be missing: the end of a GIF, and the end of data of Group 4. */
static size_t spare_bytes(const char *name)
{
	return strstr(name, ".gif") ? 1 : strcmp(name, "bit_g4.tif") == 0 ? 4 : 0;
}

/* Every truncation of every kind of file. */
static void truncated(void **state)
{
	(void)state;
	static const char *const names[] = {"lossy.webp",
					    "lossless.webp",
					    "alpha.webp",
					    "animated.webp",
					    "exif6.webp",
					    "strips.tif",
					    "lzw.tif",
					    "deflate.tif",
					    "jpeg.tif",
					    "tiles_lzw.tif",
					    "planar.tif",
					    "planar_tiles.tif",
					    "bit_g4.tif",
					    "palette.tif",
					    "bigtiff.tif",
					    "big_endian.tif",
					    "rgb16_big_endian.tif",
					    "rgb.bmp",
					    "palette4.bmp",
					    "565.bmp",
					    "top_down.bmp",
					    "plain.gif",
					    "interlaced.gif",
					    "transparent.gif"};
	for (size_t n = 0; n < COUNT(names); n++) {
		struct file f = load(names[n]);
		for (size_t size = 1; size < f.size - spare_bytes(names[n]); size++)
			refuse(f.bytes, size, "", names[n]);
		thaw_free(f.bytes);
	}
}

/* A damaged file gives an image or an error, never a crash or undefined behaviour (run with sanitizers). */
static void flipped_bytes(void **state)
{
	(void)state;
	static const char *const names[] = {
		"lossy.webp",       "lossless.webp",    "animated.webp", "exif6.webp",   "strips.tif",  "tiles_lzw.tif",
		"planar.tif",       "planar_tiles.tif", "jpeg.tif",      "bit_g4.tif",   "palette.tif", "cmyk.tif",
		"orientation6.tif", "rgb16.tif",        "rgb.bmp",       "palette4.bmp", "565.bmp",     "top_down.bmp",
		"plain.gif",        "interlaced.gif",   "offset.gif"};
	for (size_t n = 0; n < COUNT(names); n++) {
		struct file f = load(names[n]);
		for (size_t i = 0; i < f.size; i++)
			for (unsigned flip = 0x01; flip <= 0xFF; flip += 0x54) { /* 01, 55, A9, FD */
				struct thaw_image image = {0};
				f.bytes[i] ^= (uint8_t)flip;
				thaw_image_decode(&image, f.bytes, f.size, names[n]);
				thaw_image_free(&image);
				f.bytes[i] ^= (uint8_t)flip;
			}
		thaw_free(f.bytes);
	}
}

/* libtiff only warns of damage in the data of a JPEG. */
static void corrupted_jpeg_in_tiff(void **state)
{
	(void)state;
	struct file f = load("jpeg.tif");
	size_t scan = 0;
	for (size_t i = 0; i + 1 < f.size; i++)
		if (f.bytes[i] == 0xFF && f.bytes[i + 1] == 0xDA)
			scan = i;
	assert_true(scan > 0 && scan + 54 < f.size);
	memset(f.bytes + scan + 24, 0x7F, 30);
	refuse(f.bytes, f.size, "damaged TIFF (", "corrupted entropy data");
	thaw_free(f.bytes);
}

static void refused_kinds(void **state)
{
	(void)state;
	static const struct {
		const char *name, *says;
	} files[] = {
		{"bad_bytes_before_end.jpg", "damaged JPEG (Corrupt JPEG data: "},
		{"bad_color.bmp", "damaged BMP: "},
		{"bad_rle8.bmp", "BMP with run-length encoding: roses/one: convert"},
		{"bad_float.tif", "TIFF with 32-bit floating point samples: roses/one: convert"},
		{"bad_int32.tif", "TIFF with 32-bit signed samples: roses/one: convert"},
		{"bad_signed.tif", "TIFF with 16-bit signed samples: roses/one: convert"},
		{"bad_lab.tif", "TIFF in a colour space other than grey, RGB, palette, CMYK and YCbCr: roses/one: "},
	};
	for (size_t n = 0; n < COUNT(files); n++) {
		struct file f = load(files[n].name);
		refuse(f.bytes, f.size, files[n].says, files[n].name);
		thaw_free(f.bytes);
	}
}

/* A literal without its last, added zero. */
#define BYTES(literal) literal, sizeof(literal) - 1

static void foreign_kinds(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t size;
		const char *kind;
	} starts[] = {
		{BYTES("\0\0\0\x20"
		       "ftypavif\0\0\0\0"),
		 "an AVIF image"},
		{BYTES("\0\0\0\x18"
		       "ftypheic\0\0\0\0"),
		 "a HEIC image"},
		{BYTES("\0\0\0\x18"
		       "ftypmif1\0\0\0\0mif1heic"),
		 "a HEIC or AVIF image"},
		{BYTES("\xFF\x0A\xFA\x1F"), "a JPEG XL image"},
		{BYTES("\0\0\0\x0CJXL \r\n\x87\n\0\0\0\x14"
		       "ftypjxl "),
		 "a JPEG XL image"},
		{BYTES("\0\0\0\x18"
		       "ftypisom\0\0\0\0"),
		 "a video"},
		{BYTES("\0\0\0\x18"
		       "ftypcrx \0\0\0\0"),
		 "a camera raw image"},
		{BYTES("II*\0\x10\0\0\0CR\2\0"), "a camera raw image"},
		{BYTES("FUJIFILMCCD-RAW 0201"), "a camera raw image"},
		{BYTES("<!DOCTYPE html>\n<html>"), "a web page"},
		{BYTES("\xEF\xBB\xBF\r\n <!doctype HTML><html>"), "a web page"},
		{BYTES("<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), "an SVG drawing"},
		{BYTES("<html>\n<head>"), "a web page"},
		{BYTES("version https://git-lfs.github.com/spec/v1\noid sha256:"),
		 "a Git LFS pointer, not the file itself"},
		{BYTES("%PDF-1.7\n"), "a PDF document"},
		{BYTES("PK\3\4\x14\0\0\0"), "a zip archive"},
	};
	for (size_t n = 0; n < COUNT(starts); n++) {
		char says[128];
		snprintf(says, sizeof(says), "%s, which thaw does not read: roses/one: ", starts[n].kind);
		refuse(starts[n].bytes, starts[n].size, says, starts[n].kind);
	}
	refuse(BYTES("roses are red"), "not an image of a known format: ", "text");
	refuse(BYTES(""), "empty image file: ", "nothing");
}

/* A grey TIFF of one pixel whose first page says that it is a smaller copy of another page. */
static void thumbnails_of_raw_files_are_refused(void **state)
{
	(void)state;
	static uint8_t file[] = {
		'I', 'I', '*', 0, 8, 0, 0, 0, 9, 0,                   /* nine entries: tag, type, count, value */
		254, 0,   4,   0, 1, 0, 0, 0, 1, 0, 0, 0,             /* a reduced-resolution image */
		0,   1,   4,   0, 1, 0, 0, 0, 1, 0, 0, 0,             /* width */
		1,   1,   4,   0, 1, 0, 0, 0, 1, 0, 0, 0,             /* height */
		2,   1,   3,   0, 1, 0, 0, 0, 8, 0, 0, 0,             /* bits */
		3,   1,   3,   0, 1, 0, 0, 0, 1, 0, 0, 0,             /* no compression */
		6,   1,   3,   0, 1, 0, 0, 0, 1, 0, 0, 0,             /* grey */
		17,  1,   4,   0, 1, 0, 0, 0, 8, 0, 0, 0,             /* the strip is somewhere */
		22,  1,   3,   0, 1, 0, 0, 0, 1, 0, 0, 0,             /* of one row */
		23,  1,   4,   0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, /* and one byte */
	};
	enum { SUBFILE_TYPE = 18 };
	struct thaw_image image = {0};
	refuse(file, sizeof(file), "TIFF whose first page is a thumbnail", "a thumbnail");
	file[SUBFILE_TYPE] = 0;
	assert_int_equal(thaw_image_decode(&image, file, sizeof(file), "grey"), THAW_OK);
	assert_int_equal(image.pixels[0], 9);
	thaw_image_free(&image);
}

/* The screen may be larger than the frame, and a frame that extends beyond the screen enlarges it, as for Pillow. */
static void gif_screens(void **state)
{
	(void)state;
	struct file offset = load("offset.gif"), beyond = load("beyond.gif");
	accept(&offset, 23, 17, "offset.gif");
	accept(&beyond, 19, 14, "beyond.gif");
	thaw_free(offset.bytes);
	thaw_free(beyond.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truncated),
		cmocka_unit_test(flipped_bytes),
		cmocka_unit_test(corrupted_jpeg_in_tiff),
		cmocka_unit_test(refused_kinds),
		cmocka_unit_test(foreign_kinds),
		cmocka_unit_test(thumbnails_of_raw_files_are_refused),
		cmocka_unit_test(gif_screens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
