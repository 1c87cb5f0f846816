/* Image decoding: the same pixels as Pillow, EXIF orientation, and damaged files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "src/data/image.h"
#include "thaw/digest.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define FOLDER "tests/golden/images/"
#define LIMIT  (1 << 20)

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

static void golden(void **state)
{
	(void)state;
	json_t *all = json_load_file(FOLDER "images.json", 0, NULL), *want;
	const char *name;
	int count = 0;
	assert_non_null(all);
	json_object_foreach(all, name, want)
	{
		struct file f = load(name);
		struct thaw_image image = {0};
		char digest[17];
		if (thaw_image_decode(&image, f.bytes, f.size, name) != THAW_OK)
			fail_msg("%s", thaw_error_message());
		assert_int_equal(image.width, json_integer_value(json_object_get(want, "width")));
		assert_int_equal(image.height, json_integer_value(json_object_get(want, "height")));
		snprintf(digest, sizeof(digest), "%016llx",
			 (unsigned long long)thaw_digest(image.pixels, (size_t)image.width * (size_t)image.height * 3,
							 0));
		if (strcmp(digest, json_string_value(json_object_get(want, "digest"))) != 0)
			fail_msg("%s: pixels differ from Pillow's", name);
		thaw_image_free(&image);
		thaw_free(f.bytes);
		count++;
	}
	assert_true(count > 15);
	json_decref(all);
}

static void refuse(const void *bytes, size_t size, const char *what)
{
	struct thaw_image image = {.width = 7};
	/* Copied to a block of exactly this size, so that AddressSanitizer detects reads beyond it. */
	uint8_t *exact = malloc(size + (size == 0));
	assert_non_null(exact);
	if (size > 0)
		memcpy(exact, bytes, size);
	thaw_status status = thaw_image_decode(&image, exact, size, "roses/one.jpg");
	free(exact);
	if (status != THAW_DATA)
		fail_msg("%s, %zu bytes: status %d", what, size, status);
	assert_non_null(strstr(thaw_error_message(), ": roses/one.jpg: "));
	assert_int_equal(image.width, 7);
	assert_null(image.pixels);
}

/* Every truncation of every kind of file, including the empty file. */
static void truncated(void **state)
{
	(void)state;
	static const char *const names[] = {"rgb.jpg",         "gray.jpg", "cmyk.jpg",
					    "progressive.jpg", "rgb.png",  "palette.png"};
	for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		struct file f = load(names[n]);
		/* libspng accepts a PNG without the four bytes of the checksum of IEND, the last chunk. */
		size_t end = strstr(names[n], ".png") ? f.size - 4 : f.size;
		for (size_t size = 0; size < end; size++)
			refuse(f.bytes, size, names[n]);
		thaw_free(f.bytes);
	}
	refuse("GIF89a............", 18, "another format");
}

/* The start of the scan data of a JPEG. */
static size_t scan_start(const struct file *f)
{
	for (size_t i = 2; i + 4 < f->size; i++)
		if (f->bytes[i] == 0xFF && f->bytes[i + 1] == 0xDA)
			return i + 2 + ((size_t)f->bytes[i + 2] << 8 | f->bytes[i + 3]);
	fail_msg("no scan");
	return 0;
}

static void corrupted_scan(void **state)
{
	(void)state;
	struct file f = load("rgb.jpg");
	size_t start = scan_start(&f), middle = start + (f.size - start) / 2;
	memset(f.bytes + middle, 0x7F, 24);
	refuse(f.bytes, f.size, "corrupted entropy data");
	thaw_free(f.bytes);
}

/* A damaged file gives an image or an error, never a crash or undefined behaviour (run with sanitizers). */
static void flipped_bytes(void **state)
{
	(void)state;
	static const char *const names[] = {"exif6.jpg", "progressive.jpg", "exif6.png", "palette.png"};
	for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		struct file f = load(names[n]);
		for (size_t i = 0; i < f.size; i++) {
			struct thaw_image image = {0};
			f.bytes[i] ^= 0x55;
			thaw_image_decode(&image, f.bytes, f.size, names[n]);
			thaw_image_free(&image);
			f.bytes[i] ^= 0x55;
		}
		thaw_free(f.bytes);
	}
}

/* A header that claims gigabytes is rejected before the allocation. */
static void huge_size_in_header(void **state)
{
	(void)state;
	struct file f = load("rgb.jpg");
	size_t i = 2;
	while (i + 9 < f.size && !(f.bytes[i] == 0xFF && f.bytes[i + 1] == 0xC0))
		i++;
	f.bytes[i + 5] = f.bytes[i + 7] = 65500 >> 8;
	f.bytes[i + 6] = f.bytes[i + 8] = 65500 & 0xFF;
	refuse(f.bytes, f.size, "65500 x 65500");
	assert_non_null(strstr(thaw_error_message(), "too large"));
	thaw_free(f.bytes);
}

/* A grey JPEG with one scan per colour plane. The caller frees the bytes with free(). */
static struct file separate_scans(void)
{
	static const jpeg_scan_info script[3] = {{1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
	struct jpeg_error_mgr errors;
	struct jpeg_compress_struct jpeg = {.err = jpeg_std_error(&errors)};
	struct file f = {0};
	uint8_t row[3 * 16] = {0};
	unsigned long size = 0;
	jpeg_create_compress(&jpeg);
	jpeg_mem_dest(&jpeg, &f.bytes, &size);
	jpeg.image_width = jpeg.image_height = 16;
	jpeg.input_components = 3;
	jpeg.in_color_space = JCS_RGB;
	jpeg_set_defaults(&jpeg);
	jpeg.scan_info = script;
	jpeg.num_scans = 3;
	jpeg_start_compress(&jpeg, TRUE);
	while (jpeg.next_scanline < jpeg.image_height)
		jpeg_write_scanlines(&jpeg, (JSAMPROW[]){row}, 1);
	jpeg_finish_compress(&jpeg);
	jpeg_destroy_compress(&jpeg);
	f.size = size;
	return f;
}

/* A valid file whose last scan is repeated many times. */
static void too_many_scans(void **state)
{
	(void)state;
	struct file f = separate_scans();
	size_t last = 0;
	for (size_t i = 2; i + 1 < f.size; i++)
		if (f.bytes[i] == 0xFF && f.bytes[i + 1] == 0xDA)
			last = i;
	for (size_t repeats = 10; repeats <= 600; repeats += 590) {
		struct thaw_image image = {0};
		size_t scan = f.size - 2 - last, size = f.size + repeats * scan;
		uint8_t *bomb = malloc(size);
		assert_non_null(bomb);
		memcpy(bomb, f.bytes, f.size - 2);
		for (size_t r = 0; r < repeats; r++)
			memcpy(bomb + f.size - 2 + r * scan, f.bytes + last, scan);
		memcpy(bomb + size - 2, f.bytes + f.size - 2, 2);
		if (repeats == 10) {
			assert_int_equal(thaw_image_decode(&image, bomb, size, "x"), THAW_OK);
			thaw_image_free(&image);
		} else {
			refuse(bomb, size, "600 scans");
			assert_non_null(strstr(thaw_error_message(), "scans"));
		}
		free(bomb);
	}
	free(f.bytes);
}

/* Stray bytes between markers before the image data are ignored. */
static void stray_bytes(void **state)
{
	(void)state;
	struct file f = load("rgb.jpg");
	struct thaw_image image = {0};
	uint8_t *more = malloc(f.size + 3);
	assert_non_null(more);
	size_t first = 4 + ((size_t)f.bytes[4] << 8 | f.bytes[5]); /* start, then the first segment */
	memcpy(more, f.bytes, first);
	memset(more + first, 0, 3); /* between two segments */
	memcpy(more + first + 3, f.bytes + first, f.size - first);
	assert_int_equal(thaw_image_decode(&image, more, f.size + 3, "x"), THAW_OK);
	thaw_image_free(&image);
	free(more);
	thaw_free(f.bytes);
}

/* Both byte orders, SHORT and LONG, and every truncation. */
static void exif_orientation(void **state)
{
	(void)state;
	uint8_t little[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0};
	uint8_t big[] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 8, 0, 0};
	static const uint8_t little_long[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 4, 0, 1, 0, 0, 0, 6, 0, 0, 0};
	static const uint8_t big_long[] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 4, 0, 0, 0, 1, 0, 0, 0, 8};
	assert_int_equal(thaw_exif_orientation(little, sizeof(little)), 6);
	assert_int_equal(thaw_exif_orientation(big, sizeof(big)), 8);
	assert_int_equal(thaw_exif_orientation(little_long, sizeof(little_long)), 6);
	assert_int_equal(thaw_exif_orientation(big_long, sizeof(big_long)), 8);
	for (size_t size = 0; size < sizeof(little); size++) {
		uint8_t *exact = malloc(size + 1);
		assert_non_null(exact);
		memcpy(exact + 1, little, size);
		assert_int_equal(thaw_exif_orientation(exact + 1, size), 0);
		free(exact);
	}
	little[18] = 9;
	assert_int_equal(thaw_exif_orientation(little, sizeof(little)), 1);
	memset(little + 4, 0xFF, 4);
	assert_int_equal(thaw_exif_orientation(little, sizeof(little)), 0);
}

static int xmp(const char *text)
{
	return thaw_xmp_orientation(text, strlen(text));
}

/* As an attribute or an element; EXIF goes before XMP. */
static void xmp_orientation(void **state)
{
	(void)state;
	assert_int_equal(xmp("<rdf:Description tiff:Orientation=\"6\" x=\"1\"/>"), 6);
	assert_int_equal(xmp("<tiff:Orientation>8</tiff:Orientation>"), 8);
	assert_int_equal(xmp("<a tiff:Orientation=\"9\"/>"), 1);
	assert_int_equal(xmp("<a tiff:XResolution=\"6\"/>"), 0);
	assert_int_equal(xmp("tiff:Orientation=\""), 0);
	assert_int_equal(xmp(""), 0);
	assert_int_equal(thaw_xmp_orientation(NULL, 0), 0);
	assert_int_equal(thaw_orientation(3, 6), 3);
	assert_int_equal(thaw_orientation(1, 6), 1);
	assert_int_equal(thaw_orientation(0, 6), 6);
	assert_int_equal(thaw_orientation(0, 0), 1);
}

static void extensions(void **state)
{
	(void)state;
	assert_true(thaw_image_extension("a.jpg") && thaw_image_extension("a.b.JPEG") && thaw_image_extension("x.Png"));
	assert_false(thaw_image_extension("jpg") || thaw_image_extension("a.txt") ||
		     thaw_image_extension("a.jpg.part"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(truncated),
		cmocka_unit_test(corrupted_scan),
		cmocka_unit_test(flipped_bytes),
		cmocka_unit_test(huge_size_in_header),
		cmocka_unit_test(too_many_scans),
		cmocka_unit_test(stray_bytes),
		cmocka_unit_test(exif_orientation),
		cmocka_unit_test(xmp_orientation),
		cmocka_unit_test(extensions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
