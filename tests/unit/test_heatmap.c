/* Heat maps: where the values are in the picture, and its colours. */
#include "tests/scratch.h"

#include <math.h>

#include "thaw/file.h"
#include "thaw/heatmap.h"
#include "thaw/memory.h"

static void expect(thaw_status status)
{
	if (status != THAW_OK)
		fail_msg("%s", thaw_error_message());
}

/* A black image. */
static struct thaw_encoded_image black(int width, int height)
{
	return thaw_encoded_image_from_pixels(
		(struct thaw_image){width, height, thaw_alloc((size_t)width * (size_t)height, 3)});
}

static int lightness(const struct thaw_image *picture, int x, int y)
{
	const uint8_t *p = picture->pixels + ((size_t)y * (size_t)picture->width + (size_t)x) * 3;
	return p[0] + p[1] + p[2];
}

/* The lightest pixel. */
static void find_peak(const struct thaw_image *picture, int *x, int *y)
{
	int best = -1;
	for (int row = 0; row < picture->height; row++)
		for (int column = 0; column < picture->width; column++)
			if (lightness(picture, column, row) > best) {
				best = lightness(picture, column, row);
				*x = column;
				*y = row;
			}
}

/* The peak of a map with its largest value at (1, 2) of 4x4, in the picture of an image of this size. */
static void peak_of(int width, int height, const struct thaw_preprocess *p, int64_t reach, int *x, int *y)
{
	const float value[16] = {[1 * 4 + 2] = 1};
	const struct thaw_heatmap map = {4, 4, {reach, reach}, value};
	struct thaw_encoded_image image = black(width, height);
	struct thaw_image picture;
	expect(thaw_heatmap_draw(&picture, &image, p, &map));
	assert_int_equal(picture.width > picture.height ? picture.width : picture.height,
			 width > height ? width : height);
	find_peak(&picture, x, y);
	thaw_image_free(&picture);
	thaw_encoded_image_free(&image);
}

#define PREPROCESS                                                                           \
	{                                                                                    \
		.size = {100, 100}, .resize = 200, .std = {1, 1, 1}, .filter = THAW_BILINEAR \
	}

static void values_are_where_the_network_saw_them(void **state)
{
	(void)state;
	struct thaw_preprocess p = PREPROCESS;
	int x, y;
	/* The centre quarter of 400x400 from (100, 100): cells of 50 pixels. */
	peak_of(400, 400, &p, 1, &x, &y);
	assert_in_range(x, 100 + 2 * 50 + 23, 100 + 2 * 50 + 26);
	assert_in_range(y, 100 + 50 + 23, 100 + 50 + 26);
	/* Of an upright image, the centre. */
	peak_of(300, 600, &p, 1, &x, &y);
	assert_in_range(x, 75 + 2 * 37.5 + 16, 75 + 2 * 37.5 + 20);
	assert_in_range(y, 225 + 37.5 + 16, 225 + 37.5 + 20);
	/* The whole of 256x256 if both sides are resized to the input. */
	p.mode = THAW_RESIZE_SQUASH;
	p.resize = 100;
	peak_of(512, 256, &p, 1, &x, &y);
	assert_in_range(x, 2 * 128 + 60, 2 * 128 + 67);
	assert_in_range(y, 64 + 30, 64 + 33);
	/* Scores that are computed from 3 of 6 positions each: at 1.5, 2.5, 3.5, 4.5 of 6. */
	peak_of(600, 600, &p, 3, &x, &y);
	assert_in_range(x, 348, 351);
	assert_in_range(y, 248, 251);
}

static void the_rest_of_the_image_is_grey(void **state)
{
	(void)state;
	const struct thaw_preprocess p = PREPROCESS;
	const float value[2] = {0, 1};
	const struct thaw_heatmap map = {1, 2, {1, 1}, value};
	struct thaw_encoded_image image = black(300, 300);
	struct thaw_image picture;
	memset(image.image.pixels, 200, (size_t)300 * 300 * 3);
	image.image.pixels[0] = 255; /* red at the corner */
	image.image.pixels[1] = image.image.pixels[2] = 0;
	expect(thaw_heatmap_draw(&picture, &image, &p, &map));
	const uint8_t *corner = picture.pixels, *left = picture.pixels + (size_t)(150 * 300 + 76) * 3,
		      *right = picture.pixels + (size_t)(150 * 300 + 223) * 3;
	assert_true(corner[0] == corner[1] && corner[1] == corner[2] && corner[0] > 0);
	assert_int_equal(picture.pixels[74 * 3], 90);                       /* 0.45 of 200 */
	assert_true(left[0] == 90 && left[1] == 90 && left[2] == 92);       /* with black */
	assert_true(right[0] == 229 && right[1] == 230 && right[2] == 180); /* with yellow */
	thaw_image_free(&picture);
	thaw_encoded_image_free(&image);
}

/* No division by zero, and no value beyond the map. */
static void a_flat_map_has_one_colour(void **state)
{
	(void)state;
	const struct thaw_preprocess p = PREPROCESS;
	const float value[4] = {3, 3, 3, 3};
	const struct thaw_heatmap map = {2, 2, {1, 1}, value};
	struct thaw_encoded_image image = black(20, 10);
	struct thaw_image picture;
	expect(thaw_heatmap_draw(&picture, &image, &p, &map));
	assert_int_equal(picture.width, 256); /* small images are enlarged */
	assert_int_equal(picture.height, 128);
	assert_int_equal(lightness(&picture, 128, 64), 2);
	thaw_image_free(&picture);
	thaw_encoded_image_free(&image);
	image = black(3000, 1500);
	expect(thaw_heatmap_draw(&picture, &image, &p, &map));
	assert_int_equal(picture.width, 1024); /* large ones are reduced */
	assert_int_equal(picture.height, 512);
	thaw_image_free(&picture);
	thaw_encoded_image_free(&image);
}

static void a_png_file_has_the_pixels(void **state)
{
	const char *path = scratch_file(*state, "a.png");
	struct thaw_image image = {5, 3, thaw_alloc(15, 3)}, read;
	size_t size;
	for (int i = 0; i < 45; i++)
		image.pixels[i] = (uint8_t)(i * 5);
	expect(thaw_image_write_png(&image, path));
	char *bytes = scratch_get(path, &size);
	expect(thaw_image_decode(&read, bytes, size, path));
	assert_int_equal(read.width, 5);
	assert_int_equal(read.height, 3);
	assert_memory_equal(read.pixels, image.pixels, 45);
	assert_int_equal(thaw_image_write_png(&image, scratch_file(*state, "none/a.png")), THAW_IO);
	thaw_image_free(&read);
	thaw_image_free(&image);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_where_the_network_saw_them),
		cmocka_unit_test(the_rest_of_the_image_is_grey),
		cmocka_unit_test(a_flat_map_has_one_colour),
		cmocka_unit_test_setup_teardown(a_png_file_has_the_pixels, scratch_make, scratch_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
