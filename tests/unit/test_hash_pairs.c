/* Perceptual hashes, pairs of them, and the comparison of two images. */
#include "tests/scratch.h"

#include <math.h>

#include "src/check/facts.h"
#include "src/check/hash_pairs.h"
#include "src/check/near.h"
#include "thaw/memory.h"
#include "thaw/random.h"

enum { WIDTH = 160, HEIGHT = 120, IMAGES = 1500, VIEWS = 3 };

/* A picture of a few soft spots in colour, which depends on the seed. */
static struct thaw_image make_picture(uint64_t seed)
{
	struct thaw_image image = {WIDTH, HEIGHT, thaw_alloc(WIDTH * HEIGHT, 3)};
	struct thaw_random random = thaw_random_stream(seed, THAW_STREAM_AUGMENT, 0, 0);
	double spot[24][6];
	for (int s = 0; s < 24; s++)
		for (int k = 0; k < 6; k++)
			spot[s][k] = (double)thaw_random_u32(&random) / 4294967296.0;
	for (int y = 0; y < HEIGHT; y++)
		for (int x = 0; x < WIDTH; x++)
			for (int c = 0; c < 3; c++) {
				double v = 60;
				for (int s = 0; s < 24; s++) {
					double dx = (x / (double)WIDTH - spot[s][0]) / (0.03 + 0.2 * spot[s][2]);
					double dy = (y / (double)HEIGHT - spot[s][1]) / (0.03 + 0.2 * spot[s][2]);
					v += 120 * spot[s][3 + c] * exp(-dx * dx - dy * dy);
				}
				image.pixels[3 * (y * WIDTH + x) + c] = (uint8_t)fmin(v, 255);
			}
	return image;
}

/* The window of the picture, resized to another size. */
static struct thaw_image cut(const struct thaw_image *from, double left, double top, double right, double bottom)
{
	struct thaw_image to;
	const double box[4] = {left * WIDTH, top * HEIGHT, (right - left) * WIDTH, (bottom - top) * HEIGHT};
	assert_int_equal(thaw_image_resize(&to, from, box, 110, 90, THAW_BICUBIC), THAW_OK);
	return to;
}

static void hash_image(const struct thaw_image *image, uint64_t hash[THAW_HASH_VIEWS])
{
	struct thaw_luminance l;
	assert_int_equal(thaw_luminance_make(&l, image, 128), THAW_OK);
	thaw_perceptual_hashes(&l, hash);
	thaw_luminance_free(&l);
}

static int nearest_view(const uint64_t whole[THAW_HASH_VIEWS], uint64_t part, int *distance)
{
	int best = 0;
	*distance = 64;
	for (int v = 0; v < THAW_HASH_VIEWS; v++) {
		int d = __builtin_popcountll(whole[v] ^ part);
		if (d < *distance) {
			*distance = d;
			best = v;
		}
	}
	return best;
}

static struct thaw_thumbnail make_thumbnail(const struct thaw_image *image)
{
	struct thaw_thumbnail t = {.made = 0};
	assert_int_equal(thaw_thumbnail_make(&t, image), THAW_OK);
	return t;
}

static void cells_are_means_of_rectangles(void **state)
{
	uint8_t pixels[4 * 2 * 3];
	const struct thaw_image image = {4, 2, pixels};
	const struct thaw_window all = {0, 0, 1, 1}, part = {0.125f, 0, 0.375f, 1};
	struct thaw_luminance l;
	float cells[4];
	(void)state;
	for (int i = 0; i < 8; i++)
		memset(pixels + 3 * (size_t)i, 10 * i, 3);
	assert_int_equal(thaw_luminance_make(&l, &image, 8), THAW_OK);
	thaw_luminance_cells(&l, &all, 2, cells); /* columns 0 and 1 of row 0: 0 and 10 */
	assert_float_equal(cells[0], 5, 1e-3);
	assert_float_equal(cells[1], 25, 1e-3);
	assert_float_equal(cells[2], 45, 1e-3);
	assert_float_equal(cells[3], 65, 1e-3);
	thaw_luminance_cells(&l, &part, 1, cells); /* half of columns 0 and 1 */
	assert_float_equal(cells[0], 25, 1e-3);
	thaw_luminance_free(&l);
}

static void a_crop_is_near_a_view_and_the_same_picture(void **state)
{
	static const double crop[][4] = {
		{0, 0, 1, 1}, {0.08, 0.02, 0.97, 0.93}, {0.03, 0.09, 0.91, 0.99}, {0.06, 0.06, 0.94, 0.95}};
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++)
		for (int k = 0; k < 4; k++) {
			struct thaw_image whole = make_picture(seed),
					  part = cut(&whole, crop[k][0], crop[k][1], crop[k][2], crop[k][3]);
			uint64_t a[THAW_HASH_VIEWS], b[THAW_HASH_VIEWS];
			int distance;
			hash_image(&whole, a);
			hash_image(&part, b);
			int view = nearest_view(a, b[0], &distance);
			assert_in_range(distance, 0, THAW_HASH_RADIUS);
			struct thaw_thumbnail t = make_thumbnail(&whole), u = make_thumbnail(&part);
			struct thaw_likeness l = thaw_thumbnails_compare(&t, thaw_hash_view(view), &u);
			assert_true(thaw_likeness_is_near(&l));
			thaw_image_free(&whole);
			thaw_image_free(&part);
		}
}

static void other_pictures_and_colours_are_not(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct thaw_image a = make_picture(seed), b = make_picture(seed + 100);
		struct thaw_thumbnail t = make_thumbnail(&a), u = make_thumbnail(&b);
		struct thaw_likeness l = thaw_thumbnails_compare(&t, thaw_hash_view(0), &u);
		assert_false(thaw_likeness_is_near(&l));
		for (int i = 0; i < WIDTH * HEIGHT; i++) { /* red and blue exchanged, brightness nearly the same */
			uint8_t red = a.pixels[3 * i];
			a.pixels[3 * i] = (uint8_t)(red / 2);
			a.pixels[3 * i + 2] = (uint8_t)(a.pixels[3 * i + 2] / 2 + 127);
		}
		u = make_thumbnail(&a);
		l = thaw_thumbnails_compare(&t, thaw_hash_view(0), &u);
		assert_false(thaw_likeness_is_near(&l));
		thaw_image_free(&a);
		thaw_image_free(&b);
	}
}

/* The least distance of a pair by its views, or 65. */
static int distance_of(uint64_t (*hash)[VIEWS], int64_t a, int64_t b)
{
	int least = 65;
	for (int v = 0; v < VIEWS; v++) {
		int d[2] = {__builtin_popcountll(hash[a][v] ^ hash[b][0]),
			    __builtin_popcountll(hash[b][v] ^ hash[a][0])};
		least = d[0] < least ? d[0] : least;
		least = d[1] < least ? d[1] : least;
	}
	return least;
}

static uint64_t random_hash(struct thaw_random *random)
{
	uint64_t high = thaw_random_u32(random);
	return high << 32 | thaw_random_u32(random);
}

/* Random hashes; each fifth image is near the one before it, through one of its views. */
static void fill_hashes(uint64_t (*hash)[VIEWS], bool *used)
{
	struct thaw_random random = thaw_random_stream(5, THAW_STREAM_AUGMENT, 0, 0);
	for (int i = 0; i < IMAGES; i++) {
		for (int v = 0; v < VIEWS; v++)
			hash[i][v] = random_hash(&random);
		used[i] = i % 7 != 0;
		if (i % 5 != 4)
			continue;
		hash[i][0] = hash[i - 1][thaw_random_u32(&random) % VIEWS];
		for (unsigned k = thaw_random_u32(&random) % (THAW_HASH_RADIUS + 2); k > 0; k--)
			hash[i][0] ^= (uint64_t)1 << thaw_random_u32(&random) % 64;
	}
}

static void pairs_are_those_of_all_comparisons(void **state)
{
	static uint64_t hash[IMAGES][VIEWS];
	static bool used[IMAGES];
	struct thaw_hash_pairs pairs;
	const struct thaw_hashes hashes = {&hash[0][0], sizeof(hash[0]), VIEWS, IMAGES, used};
	int64_t wanted = 0, found = 0;
	(void)state;
	fill_hashes(hash, used);
	assert_int_equal(thaw_hash_pairs_find(&pairs, &hashes), THAW_OK);
	for (int64_t i = 0; i < pairs.count; i++) {
		const struct thaw_hash_pair *p = &pairs.pair[i];
		assert_true(used[p->whole] && used[p->part]);
		assert_int_equal(p->distance, __builtin_popcountll(hash[p->whole][p->view] ^ hash[p->part][0]));
		assert_int_equal(p->distance, distance_of(hash, p->whole, p->part));
		found += p->distance <= 7;
	}
	for (int64_t a = 0; a < IMAGES; a++)
		for (int64_t b = a + 1; b < IMAGES; b++)
			wanted += used[a] && used[b] && distance_of(hash, a, b) <= 7;
	assert_in_range(wanted, 50, IMAGES);
	assert_int_equal(found, wanted);
	assert_int_equal(pairs.crowded, 0);
	thaw_hash_pairs_release(&pairs);
}

/* Equal hashes would be as many pairs as images squared. */
static void many_equal_hashes_give_few_pairs(void **state)
{
	static uint64_t hash[20 * IMAGES][1];
	static bool used[20 * IMAGES];
	struct thaw_hash_pairs pairs;
	const struct thaw_hashes hashes = {&hash[0][0], sizeof(hash[0]), 1, 20 * IMAGES, used};
	(void)state;
	memset(used, 1, sizeof(used));
	assert_int_equal(thaw_hash_pairs_find(&pairs, &hashes), THAW_OK);
	assert_in_range(pairs.count, 1, 8 * 20 * IMAGES);
	assert_int_equal(pairs.crowded, 20 * IMAGES);
	thaw_hash_pairs_release(&pairs);
	const struct thaw_hashes none = {&hash[0][0], sizeof(hash[0]), 1, 0, used};
	assert_int_equal(thaw_hash_pairs_find(&pairs, &none), THAW_OK);
	assert_int_equal(pairs.count, 0);
	thaw_hash_pairs_release(&pairs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells_are_means_of_rectangles),
		cmocka_unit_test(a_crop_is_near_a_view_and_the_same_picture),
		cmocka_unit_test(other_pictures_and_colours_are_not),
		cmocka_unit_test(pairs_are_those_of_all_comparisons),
		cmocka_unit_test(many_equal_hashes_give_few_pairs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
