/* Sizes of inputs: texts, the size of a step, batches of images of one size, transforms to sizes that are not square.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "src/model/metadata.h"
#include "src/train/batches.h"
#include "thaw/lanes.h"
#include "thaw/memory.h"
#include "thaw/sizes.h"

static void texts(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum thaw_sizes_mode mode;
		struct thaw_size from, to;
	} rows[] = {{"224", THAW_SIZES_FIXED, {224, 224}, {224, 224}},
		    {"224x288", THAW_SIZES_FIXED, {224, 288}, {224, 288}},
		    {"160-288", THAW_SIZES_RANDOM, {160, 160}, {288, 288}},
		    {"128:224", THAW_SIZES_GROWING, {128, 128}, {224, 224}},
		    {"224:128", THAW_SIZES_GROWING, {224, 224}, {128, 128}},
		    {"native", THAW_SIZES_NATIVE, {0, 0}, {0, 0}},
		    {NULL, THAW_SIZES_FIXED, {0, 0}, {0, 0}}};
	static const char *const bad[] = {"",         "0",       "-1",  "x",      "224x",  "x224",      "224 ",
					  " 224",     "288-160", "1e2", "99999",  "16385", "224x99999", "10-20-30",
					  "10x20-30", "10:",     ":10", "Native", "+224",  "224x+288"};
	struct thaw_sizes s;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(thaw_sizes_read(&s, rows[i].text), THAW_OK);
		assert_int_equal(s.mode, rows[i].mode);
		assert_true(thaw_size_equal(s.from, rows[i].from) && thaw_size_equal(s.to, rows[i].to));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (thaw_sizes_read(&s, bad[i]) != THAW_USAGE)
			fail_msg("accepted: %s", bad[i]);
}

/* A size is a function of its place alone: the same in any order of calls, whatever the rank. */
static void draws(void **state)
{
	(void)state;
	enum { STEPS = 50, LANES = 8 };
	const struct thaw_sizes s = {.mode = THAW_SIZES_RANDOM, .from = {160, 160}, .to = {288, 288}, .stride = 32};
	int seen[STEPS][LANES], count[5] = {0}, changes = 0;
	struct thaw_step_place p = {.seed = 9, .epoch = 2, .epochs = 10, .view = -1};
	for (p.step = 0; p.step < STEPS; p.step++)
		for (p.lane = 0; p.lane < LANES; p.lane++) {
			struct thaw_size size = thaw_sizes_at(&s, &p);
			assert_true(size.height == size.width && size.height % 32 == 0);
			assert_true(size.height >= 160 && size.height <= 288);
			seen[p.step][p.lane] = size.height;
			count[(size.height - 160) / 32]++;
		}
	for (int i = 0; i < 5; i++)
		assert_true(count[i] > STEPS * LANES / 5 / 2);
	for (int lane = 1; lane < LANES; lane++, changes = 0) {
		for (int step = 0; step < STEPS; step++)
			changes += seen[step][lane] != seen[step][0];
		assert_true(changes > STEPS / 2); /* lanes of a step differ */
	}
	for (p.lane = LANES - 1; p.lane >= 0; p.lane--)
		for (p.step = STEPS - 1; p.step >= 0; p.step--)
			assert_int_equal(thaw_sizes_at(&s, &p).height, seen[p.step][p.lane]);
	for (p.seed = 9, p.epoch = 3, p.step = 0, p.lane = 0; p.step < STEPS; p.step++)
		changes += thaw_sizes_at(&s, &p).height != seen[p.step][0];
	assert_true(changes > STEPS / 2); /* another epoch is drawn anew */
}

/* The size of a fixed view depends on neither step nor epoch, so its features can be cached. */
static void a_view_has_its_own_size(void **state)
{
	(void)state;
	const struct thaw_sizes s = {.mode = THAW_SIZES_RANDOM, .from = {12, 12}, .to = {44, 44}, .stride = 4};
	int different = 0;
	for (int64_t view = 0; view < 8; view++) {
		struct thaw_step_place p = {.seed = 1, .epoch = 0, .epochs = 40, .step = 0, .lane = 3, .view = view};
		struct thaw_size first = thaw_sizes_at(&s, &p);
		for (p.epoch = 0; p.epoch < 40; p.epoch += 7)
			for (p.step = 0; p.step < 5; p.step++)
				assert_true(thaw_size_equal(thaw_sizes_at(&s, &p), first));
		p.view = view + 1;
		different += !thaw_size_equal(thaw_sizes_at(&s, &p), first);
	}
	assert_true(different > 3);
}

static void growth(void **state)
{
	(void)state;
	static const int up[] = {128, 128, 160, 192, 224}, down[] = {224, 224, 192, 160, 128}, odd[] = {100, 132, 170};
	const struct thaw_sizes grow = {.mode = THAW_SIZES_GROWING, .from = {128, 128}, .to = {224, 224}, .stride = 32},
				shrink = {.mode = THAW_SIZES_GROWING,
					  .from = {224, 224},
					  .to = {128, 128},
					  .stride = 32},
				uneven = {
					.mode = THAW_SIZES_GROWING, .from = {100, 100}, .to = {170, 170}, .stride = 32};
	struct thaw_step_place p = {.epochs = 5, .step = 3, .lane = 1, .view = -1};
	for (p.epoch = 0; p.epoch < 5; p.epoch++) {
		assert_int_equal(thaw_sizes_at(&grow, &p).height, up[p.epoch]);
		assert_int_equal(thaw_sizes_at(&shrink, &p).height, down[p.epoch]);
	}
	p.epochs = 3;
	for (p.epoch = 0; p.epoch < 3; p.epoch++)
		assert_int_equal(thaw_sizes_at(&uneven, &p).height, odd[p.epoch]);
	p.epochs = 1;
	p.epoch = 0;
	assert_int_equal(thaw_sizes_at(&grow, &p).height, 224);
}

static void own_sizes(void **state)
{
	(void)state;
	static const struct {
		int width, height;
		struct thaw_size size;
	} rows[] = {
		{224, 224, {224, 224}}, {230, 250, {256, 224}}, {500, 300, {256, 448}}, {300, 500, {448, 256}},
		{3, 3, {32, 32}},       {448, 10, {32, 448}},   {4480, 100, {32, 448}}, {239, 240, {256, 224}},
	};
	const struct thaw_preprocess p = {.size = {224, 224}, .resize = 256, .native = {32, 32, 448}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct thaw_size size = thaw_preprocess_size(&p, rows[i].width, rows[i].height);
		if (!thaw_size_equal(size, rows[i].size))
			fail_msg("%d x %d: %d x %d", rows[i].height, rows[i].width, size.height, size.width);
	}
}

enum { IMAGES = 37, LANES = 3 };

static thaw_status read_blank(const struct thaw_dataset *d, int64_t i, struct thaw_encoded_image *encoded)
{
	(void)d;
	if (i == 11)
		return thaw_fail(THAW_DATA, "damaged");
	*encoded = (struct thaw_encoded_image){.width = 8 + (int)(i % 3) * 4, .height = 8 + (int)(i % 2) * 4};
	return THAW_OK;
}

/* Each image once; a batch has images of one size; as many batches as announced. */
static void batches_of_one_size(void **state)
{
	(void)state;
	const struct thaw_dataset d = {.count = IMAGES, .read = read_blank};
	const struct thaw_native limits = {4, 4, 16};
	for (int64_t batch = 1; batch <= 5; batch++)
		for (int lane = 0; lane < LANES; lane++) {
			struct thaw_own_sizes sizes;
			int64_t images = thaw_lane_count(IMAGES, LANES, lane), order[IMAGES], first[IMAGES + 1];
			bool seen[IMAGES] = {false};
			struct thaw_random random = thaw_random_stream(1, THAW_STREAM_BATCHES, 0, 0);
			assert_int_equal(thaw_own_sizes_read(&sizes, &d, &limits, LANES, lane, lane + 1), THAW_OK);
			int64_t batches = thaw_batches_count(&sizes, images, lane, batch);
			thaw_lane_order(IMAGES, LANES, lane, 5, 0, order);
			assert_int_equal(thaw_batches_arrange(&sizes, order, images, lane, batch, &random, first),
					 THAW_OK);
			assert_true(first[0] == 0 && first[batches] == images);
			for (int64_t b = 0; b < batches; b++) {
				assert_in_range(first[b + 1] - first[b], 1, batch);
				struct thaw_size size = thaw_own_size(&sizes, lane, order[first[b]]);
				for (int64_t i = first[b]; i < first[b + 1]; i++) {
					assert_true(thaw_size_equal(thaw_own_size(&sizes, lane, order[i]), size));
					assert_true(order[i] % LANES == lane && !seen[order[i]]);
					seen[order[i]] = true;
				}
			}
			thaw_own_sizes_release(&sizes);
		}
}

/* The limits of a network may be wide: memory depends on the images, not on them. */
static void wide_limits(void **state)
{
	(void)state;
	const struct thaw_dataset d = {.count = IMAGES, .read = read_blank};
	const struct thaw_native limits = {1, 1, THAW_MAX_SIDE};
	struct thaw_own_sizes sizes;
	int64_t order[IMAGES], first[IMAGES + 1];
	assert_int_equal(thaw_own_sizes_read(&sizes, &d, &limits, 1, 0, 1), THAW_OK);
	assert_int_equal(sizes.distinct_count[0], 7); /* six, and that of the damaged image */
	assert_true(sizes.largest.height == 12 && sizes.largest.width == 16);
	assert_true(sizes.smallest.height == 1 && sizes.smallest.width == 1);
	thaw_lane_order(IMAGES, 1, 0, 5, 0, order);
	assert_int_equal(thaw_batches_arrange(&sizes, order, IMAGES, 0, 100, NULL, first), THAW_OK);
	assert_int_equal(thaw_batches_count(&sizes, IMAGES, 0, 100), 7);
	assert_int_equal(first[7], IMAGES);
	assert_int_equal(order[0], 11); /* incomplete batches are in the order of their sizes */
	thaw_own_sizes_release(&sizes);
}

static void batches_without_own_sizes(void **state)
{
	(void)state;
	static const struct thaw_own_sizes none = {0};
	int64_t order[] = {4, 1, 7}, first[3];
	assert_int_equal(thaw_batches_count(&none, 3, 1, 2), 2);
	assert_int_equal(thaw_batches_arrange(&none, order, 3, 1, 2, NULL, first), THAW_OK);
	assert_true(order[0] == 4 && order[1] == 1 && order[2] == 7);
	assert_true(first[0] == 0 && first[1] == 2 && first[2] == 3);
}

/* A grey image: pixel (x,y) has the value 10 y + x. */
static struct thaw_encoded_image ramp(int width, int height)
{
	struct thaw_image image = {width, height, thaw_alloc((size_t)(width * height), 3)};
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++)
			memset(image.pixels + (size_t)(y * width + x) * 3, 10 * y + x, 3);
	return thaw_encoded_image_from_pixels(image);
}

/* The transform's values of one channel, as bytes. */
static void expect(const float *out, int count, const int *values, const char *what)
{
	for (int i = 0; i < count; i++)
		if (out[3 * i] != (float)values[i] / 255.0f || out[3 * i + 2] != out[3 * i])
			fail_msg("%s: value %d is %g, not %d", what, i, (double)out[3 * i] * 255.0, values[i]);
}

static void transforms_to_other_shapes(void **state)
{
	(void)state;
	float out[2 * 4 * 3];
	struct thaw_preprocess p = {.size = {2, 4}, .resize = 2, .filter = THAW_BOX, .std = {1, 1, 1}};
	struct thaw_encoded_image wide = ramp(8, 4), tall = ramp(4, 6), same = ramp(4, 2);
	/* 8 x 4 is halved: means of four pixels, (0 + 1 + 10 + 11) / 4 = 5.5, which is rounded up. */
	assert_int_equal(thaw_transform_eval(&wide, &p, out), THAW_OK);
	expect(out, 8, (const int[]){6, 8, 10, 12, 26, 28, 30, 32}, "halved");
	/* 4 wide and 6 high covers the box already: the middle rows remain. */
	assert_int_equal(thaw_transform_eval(&tall, &p, out), THAW_OK);
	expect(out, 8, (const int[]){20, 21, 22, 23, 30, 31, 32, 33}, "cropped");
	p.mode = THAW_RESIZE_SQUASH; /* each pixel is the mean of three rows */
	assert_int_equal(thaw_transform_eval(&tall, &p, out), THAW_OK);
	expect(out, 8, (const int[]){10, 11, 12, 13, 40, 41, 42, 43}, "squashed");
	p.mode = THAW_RESIZE_BORDER; /* 6 rows become 2, 4 columns 1; black beside it, an odd pixel on the right */
	assert_int_equal(thaw_transform_eval(&tall, &p, out), THAW_OK);
	assert_true(out[0] == 0.0f && out[3] > 0.0f && out[6] == 0.0f && out[9] == 0.0f);
	/* In training the whole image is cropped if its area and aspect ratio are the input's. */
	const struct thaw_augment whole = {.scale = {1, 1}, .ratio = {1, 1}},
				  pad = {.pad_crop = 0, .scale = {1, 1}, .ratio = {1, 1}, .flip = 1};
	struct thaw_random random = thaw_random_stream(1, THAW_STREAM_AUGMENT, 0, 0);
	assert_int_equal(thaw_transform_train(&same, &p, &whole, random, out), THAW_OK);
	expect(out, 8, (const int[]){0, 1, 2, 3, 10, 11, 12, 13}, "whole");
	assert_int_equal(thaw_transform_train(&same, &p, &pad, random, out), THAW_OK);
	expect(out, 8, (const int[]){3, 2, 1, 0, 13, 12, 11, 10}, "mirrored");
	/* Half of the area of 40 x 20 at the input's ratio: 28 x 14, so a pixel is the mean of 7 x 7. */
	const struct thaw_augment half = {.scale = {0.5f, 0.5f}, .ratio = {1, 1}};
	struct thaw_encoded_image large = ramp(40, 20);
	assert_int_equal(thaw_transform_train(&large, &p, &half, random, out), THAW_OK);
	assert_true(fabsf(255.0f * (out[3] - out[0]) - 7.0f) < 1.5f);
	assert_true(fabsf(255.0f * (out[12] - out[0]) - 70.0f) < 1.5f);
	thaw_encoded_image_free(&large);
	thaw_encoded_image_free(&wide);
	thaw_encoded_image_free(&tall);
	thaw_encoded_image_free(&same);
}

/* The whole image at its own size. */
static void native_transform(void **state)
{
	(void)state;
	float out[2 * 4 * 3];
	const struct thaw_preprocess p = {
		.size = {8, 8}, .resize = 10, .filter = THAW_BOX, .std = {1, 1, 1}, .native = {2, 2, 4}};
	struct thaw_encoded_image wide = ramp(8, 4);
	struct thaw_size size = thaw_preprocess_size(&p, wide.width, wide.height);
	assert_true(size.height == 2 && size.width == 4);
	const struct thaw_preprocess of = thaw_preprocess_of_image(&p, size);
	assert_int_equal(thaw_transform_eval(&wide, &of, out), THAW_OK);
	expect(out, 8, (const int[]){6, 8, 10, 12, 26, 28, 30, 32}, "native");
	thaw_encoded_image_free(&wide);
}

static void records(void **state)
{
	(void)state;
	static const char *const bad[] = {"\"16x\"", "[16,24]",      "0",   "-4", "16.5", "\"0x16\"",
					  "99999",   "\"16x99999\"", "null"};
	struct thaw_preprocess p = {.size = {16, 24}, .resize = 18, .std = {1, 1, 1}, .native = {4, 8, 64}}, read;
	char *text = NULL, line[THAW_PREPROCESS_TEXT];
	assert_int_equal(thaw_metadata_write_preprocess(&text, &p), THAW_OK);
	assert_non_null(strstr(text, "\"size\":\"16x24\""));
	assert_int_equal(thaw_metadata_read_preprocess(&read, text, "test"), THAW_OK);
	assert_memory_equal(&read, &p, sizeof(p));
	thaw_free(text);
	p.native.stride = 0;
	assert_non_null(strstr(thaw_preprocess_text(&p, line, sizeof(line)), "resize to 18x27, crop 16x24"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		text = thaw_format("{\"size\":%s,\"resize\":8,\"filter\":\"box\",\"mean\":[0,0,0],\"std\":[1,1,1]}",
				   bad[i]);
		if (thaw_metadata_read_preprocess(&read, text, "test") != THAW_DATA)
			fail_msg("accepted: %s", bad[i]);
		thaw_free(text);
	}
	static const char *const limits[] = {"{}",
					     "{\"stride\":4}",
					     "{\"stride\":4,\"smallest\":8,\"largest\":4}",
					     "{\"stride\":-4,\"smallest\":8,\"largest\":16}",
					     "{\"stride\":4,\"smallest\":0,\"largest\":16}",
					     "{\"stride\":1,\"smallest\":1,\"largest\":99999}",
					     "3"};
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		text = thaw_format(
			"{\"size\":8,\"resize\":8,\"filter\":\"box\",\"mean\":[0,0,0],\"std\":[1,1,1],\"native\":%s}",
			limits[i]);
		if (thaw_metadata_read_preprocess(&read, text, "test") != THAW_DATA)
			fail_msg("accepted: %s", limits[i]);
		thaw_free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(draws),
		cmocka_unit_test(a_view_has_its_own_size),
		cmocka_unit_test(growth),
		cmocka_unit_test(own_sizes),
		cmocka_unit_test(batches_of_one_size),
		cmocka_unit_test(wide_limits),
		cmocka_unit_test(batches_without_own_sizes),
		cmocka_unit_test(transforms_to_other_shapes),
		cmocka_unit_test(native_transform),
		cmocka_unit_test(records),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
