/* Encoded images: a decoded region of a JPEG has the same pixels as the whole image, for all kinds of JPEG, shrink
 * factors and orientations; transforms of an encoded image have the same bits as those of the decoded one; damage
 * outside the region. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "src/data/image.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/random.h"
#include "thaw/transform.h"

#define FOLDER "tests/golden/images/"
#define LIMIT  (1 << 20)

/* A kind of JPEG. */
struct kind {
	const char *name;
	J_COLOR_SPACE space;
	int components;
	int across, down; /* pixels per chroma sample */
	bool progressive;
	int restart; /* rows of blocks between restart markers; 0: no markers */
};

static const struct kind kinds[] = {
	{"4:4:4", JCS_RGB, 3, 1, 1, false, 0},
	{"4:2:2", JCS_RGB, 3, 2, 1, false, 0},
	{"4:4:0", JCS_RGB, 3, 1, 2, false, 0},
	{"4:2:0", JCS_RGB, 3, 2, 2, false, 0},
	{"4:1:1", JCS_RGB, 3, 4, 1, false, 0},
	{"4:2:0, restarts", JCS_RGB, 3, 2, 2, false, 1},
	{"4:2:0, progressive", JCS_RGB, 3, 2, 2, true, 0},
	{"4:2:2, progressive", JCS_RGB, 3, 2, 1, true, 0},
	{"4:4:4, progressive", JCS_RGB, 3, 1, 1, true, 0},
	{"grey", JCS_GRAYSCALE, 1, 1, 1, false, 0},
	{"grey, progressive", JCS_GRAYSCALE, 1, 1, 1, true, 0},
	{"CMYK", JCS_CMYK, 4, 1, 1, false, 0},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static const int shrinks[] = {1, 2, 4, 8};

struct file {
	uint8_t *bytes; /* from thaw_alloc */
	size_t size;
};

/* A JPEG of gradients, with noise that differs from pixel to pixel and channel to channel. */
static struct file draw_jpeg(int width, int height, const struct kind *k, bool noisy)
{
	struct jpeg_error_mgr errors;
	struct jpeg_compress_struct jpeg = {.err = jpeg_std_error(&errors)};
	uint8_t *made = NULL, *row = malloc((size_t)width * 4);
	unsigned long size = 0;
	assert_non_null(row);
	jpeg_create_compress(&jpeg);
	jpeg_mem_dest(&jpeg, &made, &size);
	jpeg.image_width = (JDIMENSION)width;
	jpeg.image_height = (JDIMENSION)height;
	jpeg.input_components = k->components;
	jpeg.in_color_space = k->space;
	jpeg_set_defaults(&jpeg);
	jpeg.comp_info[0].h_samp_factor = k->across;
	jpeg.comp_info[0].v_samp_factor = k->down;
	jpeg.restart_in_rows = k->restart;
	if (k->progressive)
		jpeg_simple_progression(&jpeg);
	jpeg_start_compress(&jpeg, TRUE);
	while (jpeg.next_scanline < jpeg.image_height) {
		for (uint32_t i = 0; i < (uint32_t)(width * k->components); i++) {
			uint32_t noise = (jpeg.next_scanline * 7919 + i) * 2654435761U >> 25;
			uint32_t slope = (i / 3 + jpeg.next_scanline) % 128;
			row[i] = (uint8_t)(noisy ? noise + slope : slope * (1 + i % 3) / 2);
		}
		jpeg_write_scanlines(&jpeg, (JSAMPROW[]){row}, 1);
	}
	jpeg_finish_compress(&jpeg);
	jpeg_destroy_compress(&jpeg);
	struct file f = {thaw_alloc(size, 1), size};
	memcpy(f.bytes, made, size);
	free(made);
	free(row);
	return f;
}

static struct file make_jpeg(int width, int height, const struct kind *k)
{
	return draw_jpeg(width, height, k, true);
}

static struct file load(const char *name)
{
	char path[512];
	void *bytes = NULL;
	size_t size = 0;
	snprintf(path, sizeof(path), FOLDER "%s", name);
	assert_int_equal(thaw_file_read(&bytes, &size, path, LIMIT), THAW_OK);
	return (struct file){bytes, size};
}

static struct thaw_encoded_image open_encoded(const struct file *f, const char *name)
{
	struct thaw_encoded_image p;
	uint8_t *copy = thaw_alloc(f->size, 1);
	memcpy(copy, f->bytes, f->size);
	if (thaw_encoded_image_open(&p, copy, f->size, name) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return p;
}

static thaw_status decode_region(const struct thaw_encoded_image *p, struct thaw_rectangle region, int shrink,
				 struct image_view *view, struct thaw_image *decoded)
{
	return thaw_encoded_image_decode_region(p, &region, shrink, view, decoded);
}

static void check_region(const struct thaw_encoded_image *p, const struct thaw_image *whole, struct thaw_rectangle part,
			 int shrink)
{
	struct image_view view;
	struct thaw_image made;
	if (decode_region(p, part, shrink, &view, &made) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	assert_int_equal(view.width, part.width);
	assert_int_equal(view.height, part.height);
	for (int y = 0; y < part.height; y++) {
		size_t at = ((size_t)(part.top + y) * (size_t)whole->width + (size_t)part.left) * 3;
		if (memcmp(view.pixels + (size_t)y * view.stride, whole->pixels + at, (size_t)part.width * 3) != 0)
			fail_msg("%s, %dx%d, shrunk by %d: %dx%d at %d,%d differs in row %d", p->name, p->width,
				 p->height, shrink, part.width, part.height, part.left, part.top, y);
	}
	thaw_image_free(&made);
}

static struct thaw_rectangle random_region(struct thaw_random *random, int width, int height)
{
	struct thaw_rectangle r;
	r.width = 1 + (int)thaw_random_below(random, (uint32_t)width);
	r.height = 1 + (int)thaw_random_below(random, (uint32_t)height);
	r.left = (int)thaw_random_below(random, (uint32_t)(width - r.width + 1));
	r.top = (int)thaw_random_below(random, (uint32_t)(height - r.height + 1));
	return r;
}

/* Compares `draws` random regions at each shrink with the whole image at that shrink. */
static void check_regions(const struct file *f, const char *name, int draws)
{
	struct thaw_encoded_image p = open_encoded(f, name);
	struct thaw_random random = thaw_random_stream(7, THAW_STREAM_AUGMENT, 0, f->size);
	for (size_t s = 0; s < sizeof(shrinks) / sizeof(shrinks[0]); s++) {
		struct image_view view;
		struct thaw_image whole, decoded;
		int width, height;
		thaw_encoded_image_shrunk_size(&p, shrinks[s], &width, &height);
		assert_int_equal(
			decode_region(&p, (struct thaw_rectangle){0, 0, width, height}, shrinks[s], &view, &whole),
			THAW_OK);
		if (shrinks[s] == 1) {
			assert_int_equal(thaw_image_decode(&decoded, f->bytes, f->size, name), THAW_OK);
			assert_int_equal(p.width, decoded.width);
			assert_int_equal(p.height, decoded.height);
			assert_memory_equal(view.pixels, decoded.pixels, (size_t)width * (size_t)height * 3);
			thaw_image_free(&decoded);
		}
		for (int i = 0; i < draws; i++)
			check_region(&p, &whole, random_region(&random, width, height), shrinks[s]);
		thaw_image_free(&whole);
	}
	thaw_encoded_image_free(&p);
}

static void regions_equal_whole(void **state)
{
	(void)state;
	static const int sizes[][2] = {{1, 1}, {3, 50}, {16, 16}, {17, 33}, {31, 19}, {50, 3}, {97, 83}, {160, 129}};
	for (int k = 0; k < KINDS; k++)
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			struct file f = make_jpeg(sizes[s][0], sizes[s][1], &kinds[k]);
			check_regions(&f, kinds[k].name, 150);
			thaw_free(f.bytes);
		}
}

/* Each single column and row, which covers the edges of blocks and of the image. */
static void lines_equal_whole(void **state)
{
	(void)state;
	enum { WIDTH = 67, HEIGHT = 53 };
	for (int k = 0; k < KINDS; k++) {
		struct file f = make_jpeg(WIDTH, HEIGHT, &kinds[k]);
		struct thaw_encoded_image p = open_encoded(&f, kinds[k].name);
		struct thaw_image whole;
		assert_int_equal(thaw_image_decode(&whole, f.bytes, f.size, "x"), THAW_OK);
		for (int x = 0; x < WIDTH; x++)
			check_region(&p, &whole, (struct thaw_rectangle){x, 0, 1, HEIGHT}, 1);
		for (int y = 0; y < HEIGHT; y++)
			check_region(&p, &whole, (struct thaw_rectangle){0, y, WIDTH, 1}, 1);
		thaw_image_free(&whole);
		thaw_encoded_image_free(&p);
		thaw_free(f.bytes);
	}
}

static void regions_of_golden_files(void **state)
{
	(void)state;
	static const char *const names[] = {"exif1.jpg",       "exif2.jpg",  "exif3.jpg", "exif4.jpg",
					    "exif5.jpg",       "exif6.jpg",  "exif7.jpg", "exif8.jpg",
					    "progressive.jpg", "rgb422.jpg", "ycck.jpg",  "gray.jpg"};
	for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		struct file f = load(names[n]);
		check_regions(&f, names[n], 100);
		thaw_free(f.bytes);
	}
}

/* A PNG is decoded when it is opened. */
static void png_is_decoded_when_opened(void **state)
{
	(void)state;
	struct file f = load("exif6.png");
	struct thaw_encoded_image p = open_encoded(&f, "exif6.png");
	struct thaw_rectangle all = {0, 0, p.width, p.height};
	assert_non_null(p.image.pixels);
	assert_int_equal(thaw_encoded_image_max_shrink(&p, &all, 2, 2), 1);
	check_region(&p, &p.image, (struct thaw_rectangle){2, 3, 5, 7}, 1);
	thaw_encoded_image_free(&p);
	thaw_free(f.bytes);
}

/* The largest shrink that keeps the requested size in both directions. */
static void max_shrink(void **state)
{
	(void)state;
	const struct thaw_encoded_image p = {.width = 4000, .height = 3000};
	static const struct {
		int width, height, shrink;
	} rows[] = {{223, 223, 1}, {447, 3000, 1}, {448, 448, 2},   {895, 896, 2},
		    {896, 896, 4}, {4000, 900, 4}, {1792, 1792, 8}, {4000, 3000, 8}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct thaw_rectangle part = {0, 0, rows[i].width, rows[i].height};
		assert_int_equal(thaw_encoded_image_max_shrink(&p, &part, 224, 224), rows[i].shrink);
	}
}

enum { SIDE = 32, VALUES = SIDE * SIDE * 3 };

static const struct thaw_preprocess preprocess = {.size = {SIDE, SIDE},
						  .resize = SIDE + 5,
						  .filter = THAW_BICUBIC,
						  .mean = {0.4f, 0.5f, 0.6f},
						  .std = {0.2f, 0.3f, 0.25f}};

static void train(const struct thaw_encoded_image *p, const struct thaw_augment *a, uint64_t seed, float *out)
{
	struct thaw_random random = thaw_random_stream(seed, THAW_STREAM_AUGMENT, 0, 0);
	assert_int_equal(thaw_transform_train(p, &preprocess, a, random, out), THAW_OK);
}

/* Transforms of the encoded image have the same bits as those of the decoded one; the crops here are too small to be
 * shrunk. */
static void check_transforms(const struct file *f, const char *name)
{
	static float want[VALUES], got[VALUES];
	struct thaw_encoded_image p = open_encoded(f, name), decoded;
	struct thaw_image image = {0};
	struct thaw_augment augments[] = {thaw_augment_default(), thaw_augment_default()};
	augments[0].jitter = 0.4f;
	augments[1].pad_crop = 4;
	assert_int_equal(thaw_image_decode(&image, f->bytes, f->size, name), THAW_OK);
	decoded = thaw_encoded_image_from_pixels(image);
	assert_int_equal(thaw_transform_eval(&decoded, &preprocess, want), THAW_OK);
	assert_int_equal(thaw_transform_eval(&p, &preprocess, got), THAW_OK);
	assert_memory_equal(got, want, sizeof(want));
	for (uint64_t i = 0; i < 40; i++) {
		train(&decoded, &augments[i % 2], i, want);
		train(&p, &augments[i % 2], i, got);
		assert_memory_equal(got, want, sizeof(want));
	}
	thaw_encoded_image_free(&decoded);
	thaw_encoded_image_free(&p);
}

static void transforms_equal_decoded(void **state)
{
	(void)state;
	static const int sizes[][2] = {{62, 45}, {45, 62}, {61, 9}, {33, 400}};
	for (int k = 0; k < KINDS; k++)
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			struct file f = make_jpeg(sizes[s][0], sizes[s][1], &kinds[k]);
			check_transforms(&f, kinds[k].name);
			thaw_free(f.bytes);
		}
	for (int o = 1; o <= 8; o++) {
		char name[32];
		snprintf(name, sizeof(name), "exif%d.jpg", o);
		struct file f = load(name);
		check_transforms(&f, name);
		thaw_free(f.bytes);
	}
}

/* Large crops, which the decoder shrinks, are close to those of the decoded image but not equal. */
static void shrunk_crops(void **state)
{
	(void)state;
	static float want[VALUES], got[VALUES];
	struct file f = draw_jpeg(600, 500, &kinds[3], false);
	struct thaw_encoded_image p = open_encoded(&f, "large"), decoded;
	struct thaw_augment a = thaw_augment_default();
	struct thaw_image image = {0};
	double sum = 0;
	bool differs = false;
	assert_int_equal(thaw_image_decode(&image, f.bytes, f.size, "large"), THAW_OK);
	decoded = thaw_encoded_image_from_pixels(image);
	for (uint64_t seed = 0; seed < 50; seed++) {
		train(&decoded, &a, seed, want);
		train(&p, &a, seed, got);
		differs |= memcmp(want, got, sizeof(want)) != 0;
		for (int i = 0; i < VALUES; i++)
			sum += fabs((double)want[i] - (double)got[i]);
	}
	assert_true(differs);
	assert_true(sum / (50.0 * VALUES) < 0.1);
	thaw_encoded_image_free(&decoded);
	thaw_encoded_image_free(&p);
	thaw_free(f.bytes);
}

/* The status of opening the image and decoding its top left pixel. */
static thaw_status decode_corner(const uint8_t *bytes, size_t size)
{
	struct thaw_encoded_image p = {0};
	struct image_view view;
	struct thaw_image made = {0};
	uint8_t *copy = thaw_alloc(size, 1);
	if (size > 0)
		memcpy(copy, bytes, size);
	thaw_status status = thaw_encoded_image_open(&p, copy, size, "one.jpg");
	if (status == THAW_OK)
		status = decode_region(&p, (struct thaw_rectangle){0, 0, 1, 1}, 1, &view, &made);
	if (status != THAW_OK) {
		assert_null(made.pixels);
		assert_non_null(strstr(thaw_error_message(), ": one.jpg: "));
	}
	thaw_image_free(&made);
	thaw_encoded_image_free(&p);
	return status;
}

/* A truncated file is rejected, even if only its first pixel is decoded. */
static void truncated(void **state)
{
	(void)state;
	for (int k = 0; k < KINDS; k++) {
		struct file f = make_jpeg(40, 70, &kinds[k]);
		assert_int_equal(decode_corner(f.bytes, f.size), THAW_OK);
		for (size_t size = 0; size < f.size; size++)
			if (decode_corner(f.bytes, size) != THAW_DATA)
				fail_msg("%s: %zu of %zu bytes", kinds[k].name, size, f.size);
		thaw_free(f.bytes);
	}
}

/* The same if the missing part is zeros, as after an interrupted copy. */
static void zeros_at_the_end(void **state)
{
	(void)state;
	struct file f = make_jpeg(40, 70, &kinds[0]);
	memset(f.bytes + f.size / 2, 0, f.size - f.size / 2);
	assert_int_equal(decode_corner(f.bytes, f.size), THAW_DATA);
	thaw_free(f.bytes);
}

/* A marker within the entropy-coded data, after the region, is detected. */
static void stray_marker(void **state)
{
	(void)state;
	struct file f = make_jpeg(40, 70, &kinds[0]);
	f.bytes[f.size - 60] = 0xFF;
	f.bytes[f.size - 59] = 0xFE;
	assert_int_equal(decode_corner(f.bytes, f.size), THAW_DATA);
	thaw_free(f.bytes);
}

/* A damaged file gives pixels or an error, never undefined behaviour (run with sanitizers). */
static void flipped_bytes(void **state)
{
	(void)state;
	for (int k = 0; k < KINDS; k++) {
		struct file f = make_jpeg(19, 35, &kinds[k]);
		for (size_t i = 0; i < f.size; i++) {
			f.bytes[i] ^= 0x55;
			struct thaw_encoded_image p;
			struct image_view view;
			struct thaw_image made = {0};
			uint8_t *copy = thaw_alloc(f.size, 1);
			memcpy(copy, f.bytes, f.size);
			if (thaw_encoded_image_open(&p, copy, f.size, "x") == THAW_OK) {
				struct thaw_rectangle part = {p.width / 4, p.height / 4, (p.width + 3) / 4,
							      (p.height + 3) / 4};
				decode_region(&p, part, 1, &view, &made);
				thaw_image_free(&made);
				thaw_encoded_image_free(&p);
			}
			f.bytes[i] ^= 0x55;
		}
		thaw_free(f.bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(regions_equal_whole),
		cmocka_unit_test(lines_equal_whole),
		cmocka_unit_test(regions_of_golden_files),
		cmocka_unit_test(png_is_decoded_when_opened),
		cmocka_unit_test(max_shrink),
		cmocka_unit_test(truncated),
		cmocka_unit_test(transforms_equal_decoded),
		cmocka_unit_test(shrunk_crops),
		cmocka_unit_test(zeros_at_the_end),
		cmocka_unit_test(stray_marker),
		cmocka_unit_test(flipped_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
