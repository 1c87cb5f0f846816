/* Speed of a dataset on one thread: images/s from tar shards, or any dataset, to normalised tensors (224,224,3), one
 * JSON line each for evaluation and training. tests/bench/shards.py compares it with WebDataset.
 *
 *     bench_shards DATASET [PASSES]    all training images, each once per pass in a random order; the median pass
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "thaw/dataset.h"
#include "thaw/lanes.h"
#include "thaw/memory.h"
#include "thaw/transform.h"

enum { SIZE = 224, RESIZE = 256, MOST_PASSES = 99 };

static const struct thaw_preprocess preprocess = {.size = {SIZE, SIZE},
						  .resize = RESIZE,
						  .filter = THAW_BILINEAR,
						  .mean = {0.485f, 0.456f, 0.406f},
						  .std = {0.229f, 0.224f, 0.225f}};
static const struct thaw_augment augment = {.scale = {0.08f, 1}, .ratio = {0.75f, 4.0f / 3}, .flip = 0.5f};

static void check(thaw_status status)
{
	if (status == THAW_OK)
		return;
	fprintf(stderr, "bench_shards: %s\n", thaw_error_message());
	exit(status);
}

static void *memory(size_t count, size_t size)
{
	void *p = thaw_alloc(count, size);
	check(!p ? THAW_RESOURCE : THAW_OK);
	return p;
}

/* The thread's own time: the machine may be shared. */
static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void make_tensor(const struct thaw_dataset *d, int64_t i, bool training, uint64_t pass, float *out)
{
	struct thaw_encoded_image encoded;
	check(d->read(d, i, &encoded));
	if (training)
		check(thaw_transform_train(&encoded, &preprocess, &augment,
					   thaw_random_stream(1, THAW_STREAM_AUGMENT, pass, (uint64_t)i), out));
	else
		check(thaw_transform_eval(&encoded, &preprocess, out));
	thaw_encoded_image_free(&encoded);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void measure(const struct thaw_dataset *d, bool training, int passes, int64_t *order, float *out)
{
	double seconds[MOST_PASSES];
	for (int pass = 0; pass < passes; pass++) {
		thaw_lane_order(d->count, 1, 0, 1, (uint64_t)pass, order);
		double begin = now();
		for (int64_t i = 0; i < d->count; i++)
			make_tensor(d, order[i], training, (uint64_t)pass, out);
		seconds[pass] = now() - begin;
	}
	qsort(seconds, (size_t)passes, sizeof(seconds[0]), compare);
	printf("{\"name\": \"shards, %s\", \"images\": %lld, \"images_per_second\": %.1f}\n",
	       training ? "training" : "evaluation", (long long)d->count, (double)d->count / seconds[passes / 2]);
}

int main(int argc, char **argv)
{
	const struct thaw_dataset_options options = {.test_share = 0.2, .seed = 1};
	struct thaw_dataset d = {0};
	int passes = argc > 2 ? atoi(argv[2]) : 3;
	if (argc < 2 || passes < 1 || passes > MOST_PASSES) {
		fprintf(stderr, "usage: bench_shards DATASET [PASSES]\n");
		return THAW_USAGE;
	}
	double begin = now();
	check(thaw_dataset_open(&d, argv[1], THAW_SPLIT_TRAIN, &options));
	printf("{\"name\": \"shards, opening\", \"images\": %lld, \"seconds\": %.4f}\n", (long long)d.count,
	       now() - begin);
	int64_t *order = memory((size_t)d.count, sizeof(*order));
	float *out = memory((size_t)SIZE * SIZE * 3, sizeof(float));
	measure(&d, false, passes, order, out);
	measure(&d, true, passes, order, out);
	thaw_free(order);
	thaw_free(out);
	thaw_dataset_close(&d);
	return 0;
}
