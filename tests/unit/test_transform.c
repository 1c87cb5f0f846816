/* Resampling and transforms: the same bits as Pillow and torchvision; random choices within their bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "src/data/transform.h"
#include "tests/unit/pattern.h"
#include "thaw/digest.h"

static json_t *golden_rows(json_t **file, const char *key)
{
	*file = json_load_file("tests/golden/resize.json", 0, NULL);
	assert_non_null(*file);
	return json_object_get(*file, key);
}

static double number(const json_t *row, size_t i)
{
	return json_number_value(json_array_get(row, i));
}

static enum thaw_filter filter_of(const json_t *row, size_t i)
{
	enum thaw_filter filter;
	assert_true(thaw_filter_find(json_string_value(json_array_get(row, i)), &filter));
	return filter;
}

static void check_digest(const void *data, size_t size, const json_t *row, size_t i)
{
	char digest[17];
	snprintf(digest, sizeof(digest), "%016llx", (unsigned long long)thaw_digest(data, size, 0));
	if (strcmp(digest, json_string_value(json_array_get(row, i))) != 0)
		fail_msg("differs: %s", json_dumps(row, 0));
}

static struct thaw_preprocess imagenet(int size, int resize, enum thaw_filter filter)
{
	return (struct thaw_preprocess){
		.size = {size, size},
		.resize = resize,
		.filter = filter,
		.mean = {0.485f, 0.456f, 0.406f},
		.std = {0.229f, 0.224f, 0.225f},
	};
}

static void resize_matches_pillow(void **state)
{
	(void)state;
	json_t *file, *row, *rows;
	size_t index;
	rows = golden_rows(&file, "resize");
	json_array_foreach(rows, index, row)
	{
		struct thaw_image from = pattern((int)number(row, 0), (int)number(row, 1)), to;
		double box[4] = {number(row, 2), number(row, 3), number(row, 4), number(row, 5)};
		int width = (int)number(row, 6), height = (int)number(row, 7);
		assert_int_equal(thaw_image_resize(&to, &from, box, width, height, filter_of(row, 8)), THAW_OK);
		check_digest(to.pixels, (size_t)width * (size_t)height * 3, row, 9);
		thaw_image_free(&to);
		thaw_image_free(&from);
	}
	assert_true(index > 600);
	json_decref(file);
}

static void resize_rejects_invalid_boxes(void **state)
{
	(void)state;
	struct thaw_image from = pattern(4, 4), to = {0};
	assert_int_equal(thaw_image_resize(&to, &from, (double[]){0, 0, 5, 4}, 2, 2, THAW_BILINEAR), THAW_SOFTWARE);
	assert_int_equal(thaw_image_resize(&to, &from, (double[]){0, 0, 4, 0}, 2, 2, THAW_BILINEAR), THAW_SOFTWARE);
	assert_int_equal(thaw_image_resize(&to, &from, (double[]){0, 0, 4, 4}, 0, 2, THAW_BILINEAR), THAW_DATA);
	thaw_image_free(&from);
}

static void eval_matches_torchvision(void **state)
{
	(void)state;
	json_t *file, *row, *rows;
	size_t index;
	rows = golden_rows(&file, "eval");
	json_array_foreach(rows, index, row)
	{
		struct thaw_encoded_image from =
			thaw_encoded_image_from_pixels(pattern((int)number(row, 0), (int)number(row, 1)));
		int size = (int)number(row, 2);
		struct thaw_preprocess p = imagenet(size, (int)number(row, 3), filter_of(row, 4));
		size_t count = (size_t)size * (size_t)size * 3;
		float *out = thaw_alloc(count, sizeof(float));
		assert_int_equal(thaw_transform_eval(&from, &p, out), THAW_OK);
		check_digest(out, count * sizeof(float), row, 5);
		thaw_free(out);
		thaw_encoded_image_free(&from);
	}
	assert_true(index > 50);
	json_decref(file);
}

static void jitter_matches_torchvision(void **state)
{
	(void)state;
	json_t *file, *row, *rows;
	size_t index;
	rows = golden_rows(&file, "jitter");
	json_array_foreach(rows, index, row)
	{
		struct thaw_image image = pattern(40, 40);
		thaw_jitter(&image, number(row, 0), number(row, 1), number(row, 2));
		check_digest(image.pixels, 40 * 40 * 3, row, 3);
		thaw_image_free(&image);
	}
	json_decref(file);
}

/* A long thin image would be huge if it were resized as a whole; only the crop is computed. */
static void thin_image(void **state)
{
	(void)state;
	struct thaw_encoded_image from = thaw_encoded_image_from_pixels(pattern(1, 60000));
	struct thaw_preprocess p = imagenet(224, 256, THAW_BILINEAR);
	float *out = thaw_alloc(224 * 224 * 3, sizeof(float));
	assert_int_equal(thaw_transform_eval(&from, &p, out), THAW_OK);
	thaw_free(out);
	thaw_encoded_image_free(&from);
}

/* The training transform with mean 0 and std 1, converted back to bytes. */
static void training_pixels(uint8_t *bytes, const struct thaw_image *from, const struct thaw_augment *a, int size,
			    uint64_t seed)
{
	struct thaw_preprocess p = {.size = {size, size}, .resize = size, .std = {1, 1, 1}};
	int count = size * size * 3;
	float *out = thaw_alloc((size_t)count, sizeof(float));
	struct thaw_random random = thaw_random_stream(seed, THAW_STREAM_AUGMENT, 0, 0);
	struct thaw_encoded_image encoded = thaw_encoded_image_from_pixels(*from);
	assert_int_equal(thaw_transform_train(&encoded, &p, a, random, out), THAW_OK);
	for (int i = 0; i < count; i++)
		bytes[i] = (uint8_t)(out[i] * 255 + 0.5f);
	thaw_free(out);
}

enum { SIDE = 16 };

static void train_without_augmentation(void **state)
{
	(void)state;
	struct thaw_image from = pattern(SIDE, SIDE);
	uint8_t bytes[SIDE * SIDE * 3];
	struct thaw_augment a = {.scale = {1, 1}, .ratio = {1, 1}, .flip = 0};
	training_pixels(bytes, &from, &a, SIDE, 1);
	assert_memory_equal(bytes, from.pixels, sizeof(bytes));
	a.flip = 1;
	training_pixels(bytes, &from, &a, SIDE, 1);
	for (int y = 0; y < SIDE; y++)
		for (int x = 0; x < SIDE; x++)
			assert_memory_equal(bytes + 3 * (y * SIDE + x), from.pixels + 3 * (y * SIDE + SIDE - 1 - x), 3);
	thaw_image_free(&from);
}

/* Each padded crop is the image shifted by up to PAD pixels, and every shift occurs. */
static void train_pad_crop(void **state)
{
	(void)state;
	enum { PAD = 2, MOVES = 2 * PAD + 1, DRAWS = 400 };
	struct thaw_image from = pattern(SIDE, SIDE);
	struct thaw_augment a = {.scale = {0.08f, 1}, .ratio = {0.75f, 1.33f}, .pad_crop = PAD};
	int seen[MOVES][MOVES] = {0};
	for (uint64_t seed = 0; seed < DRAWS; seed++) {
		uint8_t bytes[SIDE * SIDE * 3];
		int found = 0;
		training_pixels(bytes, &from, &a, SIDE, seed);
		for (int dy = -PAD; dy <= PAD; dy++)
			for (int dx = -PAD; dx <= PAD; dx++) {
				bool same = true;
				for (int y = 0; y < SIDE && same; y++)
					for (int x = 0; x < SIDE && same; x++) {
						int sy = y + dy, sx = x + dx;
						bool in = sy >= 0 && sy < SIDE && sx >= 0 && sx < SIDE;
						static const uint8_t zero[3];
						same = memcmp(bytes + 3 * (y * SIDE + x),
							      in ? from.pixels + 3 * (sy * SIDE + sx) : zero, 3) == 0;
					}
				found += same;
				seen[dy + PAD][dx + PAD] += same;
			}
		assert_int_equal(found, 1);
	}
	for (int i = 0; i < MOVES * MOVES; i++)
		assert_true(seen[i / MOVES][i % MOVES] > 0);
	thaw_image_free(&from);
}

/* In an image whose red grows along x and green along y, the corners show which crop was taken. */
static void train_crop_bounds(void **state)
{
	(void)state;
	enum { WIDTH = 200, HEIGHT = 150, DRAWS = 300 };
	struct thaw_image from = {WIDTH, HEIGHT, thaw_alloc(WIDTH * HEIGHT, 3)};
	struct thaw_augment a = thaw_augment_default();
	int crops_left = 0;
	a.flip = 0;
	for (int y = 0; y < HEIGHT; y++)
		for (int x = 0; x < WIDTH; x++) {
			from.pixels[3 * (y * WIDTH + x)] = (uint8_t)x;
			from.pixels[3 * (y * WIDTH + x) + 1] = (uint8_t)y;
		}
	for (uint64_t seed = 0; seed < DRAWS; seed++) {
		uint8_t bytes[SIDE * SIDE * 3];
		training_pixels(bytes, &from, &a, SIDE, seed);
		double w = (bytes[3 * (SIDE - 1)] - bytes[0]) * (double)SIDE / (SIDE - 1);
		double h = (bytes[3 * (SIDE * (SIDE - 1)) + 1] - bytes[1]) * (double)SIDE / (SIDE - 1);
		double share = w * h / (WIDTH * HEIGHT);
		assert_true(share > 0.06 && share < 1.03);
		assert_true(w / h > 0.75 * 0.9 && w / h < 4.0 / 3 * 1.1);
		crops_left += bytes[0] < WIDTH / 4;
	}
	assert_true(crops_left > DRAWS / 3 && crops_left < DRAWS);
	thaw_image_free(&from);
}

static void train_is_reproducible(void **state)
{
	(void)state;
	struct thaw_image from = pattern(50, 70);
	struct thaw_augment a = thaw_augment_default();
	uint8_t once[SIDE * SIDE * 3], again[SIDE * SIDE * 3];
	a.jitter = 0.4f;
	training_pixels(once, &from, &a, SIDE, 5);
	training_pixels(again, &from, &a, SIDE, 5);
	assert_memory_equal(once, again, sizeof(once));
	training_pixels(again, &from, &a, SIDE, 6);
	assert_memory_not_equal(once, again, sizeof(once));
	thaw_image_free(&from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resize_matches_pillow),
		cmocka_unit_test(resize_rejects_invalid_boxes),
		cmocka_unit_test(eval_matches_torchvision),
		cmocka_unit_test(thin_image),
		cmocka_unit_test(jitter_matches_torchvision),
		cmocka_unit_test(train_without_augmentation),
		cmocka_unit_test(train_pad_crop),
		cmocka_unit_test(train_crop_bounds),
		cmocka_unit_test(train_is_reproducible),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
