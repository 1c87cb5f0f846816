/* The data loader: order, independence of the number of threads, damaged images, sizes, and closing early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/unit/pattern.h"
#include "thaw/digest.h"
#include "thaw/loader.h"

enum { COUNT = 50, SIDE = 24, BATCH = 7, BATCHES = 20 };

/* How sample 49 fails, and how many more times; then it can be read. */
struct failure {
	thaw_status status;
	atomic_int times;
};

/* Samples 3, 13, 23, ... are damaged; sample 49 fails as d->context says. Some samples take longer. */
static thaw_status read_fake(const struct thaw_dataset *d, int64_t i, struct thaw_encoded_image *encoded)
{
	nanosleep(&(struct timespec){.tv_nsec = i * 37 % 11 * 50000}, NULL);
	if (i % 10 == 3)
		return thaw_fail(THAW_DATA, "sample%lld: damaged", (long long)i);
	struct failure *f = d->context;
	if (i == COUNT - 1 && atomic_fetch_sub(&f->times, 1) > 0)
		return thaw_fail(f->status, "cannot read sample %lld", (long long)i);
	*encoded = thaw_encoded_image_from_pixels(pattern(20 + (int)i, 30));
	return THAW_OK;
}

static int32_t labels[COUNT];

static struct thaw_dataset fake(void)
{
	for (int i = 0; i < COUNT; i++)
		labels[i] = i % 5;
	return (struct thaw_dataset){.count = COUNT, .classes = 5, .labels = labels, .read = read_fake};
}

static const struct thaw_preprocess preprocess = {
	.size = {SIDE, SIDE}, .resize = SIDE + 4, .mean = {0.5f, 0.5f, 0.5f}, .std = {0.2f, 0.2f, 0.2f}};

static struct thaw_loader *make_loader(const struct thaw_dataset *d, int threads, int ahead)
{
	struct thaw_loader *l;
	struct thaw_augment a = thaw_augment_default();
	assert_int_equal(thaw_loader_create(&l, d, &preprocess, &a, threads, ahead), THAW_OK);
	return l;
}

static int64_t sample_at(int batch, int i)
{
	return (batch * 11 + i * 5) % (COUNT - 1);
}

static void submit(struct thaw_loader *l, int batch, bool training, int size)
{
	int64_t samples[BATCH];
	for (int i = 0; i < BATCH; i++)
		samples[i] = sample_at(batch, i);
	struct thaw_batch_request r = {
		samples, BATCH, training, 9, (uint64_t)batch / 4, thaw_square(size), (uint64_t)batch / 4, NULL};
	assert_int_equal(thaw_loader_submit(l, &r), THAW_OK);
}

/* Checks which samples are in the batch, in order, and adds its content to the digest. */
static uint64_t check_batch(const struct thaw_batch *b, int batch, int size, uint64_t digest)
{
	int64_t n = 0, damaged = 0;
	for (int i = 0; i < BATCH; i++) {
		int64_t sample = sample_at(batch, i);
		if (sample % 10 == 3) {
			char why[32];
			snprintf(why, sizeof(why), "sample%lld: damaged", (long long)sample);
			assert_int_equal(b->damaged[damaged], sample);
			assert_string_equal(b->damaged_why[damaged++], why);
			continue;
		}
		assert_int_equal(b->samples[n], sample);
		assert_int_equal(b->labels[n++], sample % 5);
	}
	assert_int_equal(b->count, n);
	assert_int_equal(b->damaged_count, damaged);
	digest = thaw_digest(b->images, (size_t)n * (size_t)(size * size) * 3 * sizeof(float), digest);
	return thaw_digest(b->keys, (size_t)n * sizeof(uint64_t), digest);
}

static uint64_t run(int threads, int ahead, bool training)
{
	struct thaw_dataset d = fake();
	struct thaw_loader *l = make_loader(&d, threads, ahead);
	uint64_t digest = 0;
	for (int batch = 0; batch < BATCHES; batch++)
		submit(l, batch, training, batch % 3 == 0 ? 32 : SIDE);
	for (int batch = 0; batch < BATCHES; batch++) {
		struct thaw_batch *b;
		assert_int_equal(thaw_loader_next(l, &b), THAW_OK);
		digest = check_batch(b, batch, batch % 3 == 0 ? 32 : SIDE, digest);
		thaw_loader_release(l, b);
	}
	thaw_loader_destroy(l);
	return digest;
}

static void batches_do_not_depend_on_threads(void **state)
{
	(void)state;
	uint64_t training = run(1, 1, true), evaluation = run(1, 1, false);
	assert_true(training != evaluation);
	for (int threads = 2; threads <= 5; threads++) {
		assert_true(run(threads, threads - 1, true) == training);
		assert_true(run(threads, 3, false) == evaluation);
	}
}

/* The images of a batch are the transforms of the samples, with the random stream of each sample. */
static void batch_content(void **state)
{
	(void)state;
	enum { EPOCH_1 = 7 }; /* a batch of epoch 1 in which two images are damaged */
	struct thaw_dataset d = fake();
	struct thaw_loader *l = make_loader(&d, 2, 2);
	struct thaw_augment a = thaw_augment_default();
	struct thaw_batch *b;
	static float want[SIDE * SIDE * 3];
	submit(l, EPOCH_1, true, SIDE);
	assert_int_equal(thaw_loader_next(l, &b), THAW_OK);
	assert_int_equal(b->damaged_count, 2);
	for (int64_t i = 0; i < b->count; i++) {
		struct thaw_encoded_image encoded =
			thaw_encoded_image_from_pixels(pattern(20 + (int)b->samples[i], 30));
		struct thaw_random random = thaw_random_stream(9, THAW_STREAM_AUGMENT, 1, (uint64_t)b->samples[i]);
		assert_int_equal(thaw_transform_train(&encoded, &preprocess, &a, random, want), THAW_OK);
		assert_memory_equal(b->images + i * SIDE * SIDE * 3, want, sizeof(want));
		thaw_encoded_image_free(&encoded);
	}
	thaw_loader_release(l, b);
	thaw_loader_destroy(l);
}

static void failures_are_returned(void **state)
{
	(void)state;
	struct failure failure = {THAW_RESOURCE, 1};
	struct thaw_dataset d = fake();
	d.context = &failure;
	struct thaw_loader *l = make_loader(&d, 3, 2);
	struct thaw_batch *b;
	struct thaw_batch_request r = {(int64_t[]){1, COUNT - 1, 2}, 3, false, 1, 1, {SIDE, SIDE}, 1, NULL};
	assert_int_equal(thaw_loader_next(l, &b), THAW_SOFTWARE);
	assert_int_equal(thaw_loader_submit(l, &r), THAW_OK);
	submit(l, 1, true, SIDE);
	assert_int_equal(thaw_loader_next(l, &b), THAW_RESOURCE);
	assert_string_equal(thaw_error_message(), "cannot read sample 49");
	assert_int_equal(thaw_loader_next(l, &b), THAW_OK); /* the next batch is not affected */
	check_batch(b, 1, SIDE, 0);
	thaw_loader_release(l, b);
	r.samples = (int64_t[]){1, COUNT, 2};
	assert_int_equal(thaw_loader_submit(l, &r), THAW_SOFTWARE);
	thaw_loader_destroy(l);
}

/* An image that cannot be read is tried once more, then skipped and named. */
static void unreadable_images(void **state)
{
	(void)state;
	struct failure failure = {THAW_IO, 1};
	struct thaw_dataset d = fake();
	d.context = &failure;
	struct thaw_loader *l = make_loader(&d, 2, 2);
	struct thaw_batch *b;
	struct thaw_batch_request r = {(int64_t[]){1, COUNT - 1, 2}, 3, false, 1, 1, {SIDE, SIDE}, 1, NULL};
	for (int times = 1; times <= 2; times++) {
		failure.times = times;
		assert_int_equal(thaw_loader_submit(l, &r), THAW_OK);
		assert_int_equal(thaw_loader_next(l, &b), THAW_OK);
		assert_int_equal(b->count, times == 1 ? 3 : 2);
		assert_int_equal(b->damaged_count, times - 1);
		if (times == 2)
			assert_string_equal(b->damaged_why[0], "cannot read sample 49");
		thaw_loader_release(l, b);
	}
	thaw_loader_destroy(l);
}

/* Each visit of a sample within an epoch is augmented in its own way; without augmentation they are equal. */
static void visits_of_a_sample_differ(void **state)
{
	(void)state;
	struct thaw_dataset d = fake();
	struct thaw_loader *l = make_loader(&d, 2, 2);
	struct thaw_batch *b;
	const size_t floats = (size_t)SIDE * SIDE * 3;
	const uint32_t visits[3] = {0, 1, 0};
	struct thaw_batch_request r = {(int64_t[]){2, 2, 2}, 3, true, 1, 1, {SIDE, SIDE}, 1, visits};
	assert_int_equal(thaw_loader_submit(l, &r), THAW_OK);
	assert_int_equal(thaw_loader_next(l, &b), THAW_OK);
	assert_int_equal(b->count, 3);
	assert_memory_equal(b->images, b->images + 2 * floats, floats * sizeof(float));
	assert_true(memcmp(b->images, b->images + floats, floats * sizeof(float)) != 0);
	assert_true(b->keys[0] == b->keys[2] && b->keys[0] != b->keys[1]);
	thaw_loader_release(l, b);
	r.training = false;
	assert_int_equal(thaw_loader_submit(l, &r), THAW_OK);
	assert_int_equal(thaw_loader_next(l, &b), THAW_OK);
	assert_memory_equal(b->images, b->images + floats, floats * sizeof(float));
	thaw_loader_release(l, b);
	thaw_loader_destroy(l);
}

static void all_damaged(void **state)
{
	(void)state;
	struct thaw_dataset d = fake();
	struct thaw_loader *l = make_loader(&d, 2, 2);
	struct thaw_batch *b;
	struct thaw_batch_request r = {(int64_t[]){3, 13, 3}, 3, true, 1, 1, {SIDE, SIDE}, 1, NULL};
	assert_int_equal(thaw_loader_submit(l, &r), THAW_OK);
	assert_int_equal(thaw_loader_next(l, &b), THAW_OK);
	assert_int_equal(b->count, 0);
	assert_int_equal(b->damaged_count, 3);
	thaw_loader_destroy(l); /* with a batch not released */
}

static void destroyed_while_loading(void **state)
{
	(void)state;
	struct thaw_dataset d = fake();
	for (int round = 0; round < 10; round++) {
		struct thaw_loader *l = make_loader(&d, 3, 1 + round % 4);
		for (int batch = 0; batch < round; batch++)
			submit(l, batch, true, SIDE);
		thaw_loader_destroy(l);
	}
	thaw_loader_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_do_not_depend_on_threads),
		cmocka_unit_test(batch_content),
		cmocka_unit_test(failures_are_returned),
		cmocka_unit_test(unreadable_images),
		cmocka_unit_test(visits_of_a_sample_differ),
		cmocka_unit_test(all_damaged),
		cmocka_unit_test(destroyed_while_loading),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
