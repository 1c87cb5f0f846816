/* Speed of the input: one JSON line each for evaluation and training, images/s from the bytes of JPEG files to
 * normalised tensors (224,224,3) on one thread, median of some passes over all files. tests/bench/input.py holds it
 * against torchvision.
 *
 *     bench_input [FILE...]    these JPEG files; without any, made-up ones of 500 x 375 pixels
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jpeglib.h>

#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/transform.h"

enum { SIZE = 224, RESIZE = 256, PASSES = 5, MADE = 50, WIDTH = 500, HEIGHT = 375, QUALITY = 90 };

#define FILE_LIMIT ((size_t)512 << 20)

struct file {
	void *bytes; /* from thaw_alloc */
	size_t size;
	const char *name;
};

static const struct thaw_preprocess preprocess = {
	SIZE, RESIZE, THAW_BILINEAR, {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};

static void check(thaw_status status)
{
	if (status == THAW_OK)
		return;
	fprintf(stderr, "bench_input: %s\n", thaw_error_message());
	exit(status);
}

static void *memory(size_t count, size_t size)
{
	void *p = thaw_alloc(count, size);
	check(!p ? THAW_RESOURCE : THAW_OK);
	return p;
}

/* Colours that change slowly under a little noise, as in a photograph. */
static struct file make_file(int number)
{
	struct jpeg_error_mgr errors;
	struct jpeg_compress_struct jpeg = {.err = jpeg_std_error(&errors)};
	uint8_t row[3 * WIDTH], *made = NULL;
	unsigned long size = 0;
	jpeg_create_compress(&jpeg);
	jpeg_mem_dest(&jpeg, &made, &size);
	jpeg.image_width = WIDTH;
	jpeg.image_height = HEIGHT;
	jpeg.input_components = 3;
	jpeg.in_color_space = JCS_RGB;
	jpeg_set_defaults(&jpeg);
	jpeg_set_quality(&jpeg, QUALITY, TRUE);
	jpeg_start_compress(&jpeg, TRUE);
	while (jpeg.next_scanline < HEIGHT) {
		uint32_t y = jpeg.next_scanline;
		for (uint32_t i = 0; i < 3 * WIDTH; i++) {
			uint32_t noise = ((y * 7919 + i) * 2654435761U + (uint32_t)number) >> 28;
			row[i] = (uint8_t)(noise + (i * (i % 3 + 1) / 12 + y) % 200);
		}
		jpeg_write_scanlines(&jpeg, (JSAMPROW[]){row}, 1);
	}
	jpeg_finish_compress(&jpeg);
	jpeg_destroy_compress(&jpeg);
	struct file f = {memory(size, 1), size, "made up"};
	memcpy(f.bytes, made, size);
	free(made);
	return f;
}

/* The thread's own time: the machine may be shared. */
static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void make_tensor(const struct file *f, bool training, uint64_t pass, uint64_t sample, float *out)
{
	static const struct thaw_augment augment = {.scale = {0.08f, 1}, .ratio = {0.75f, 4.0f / 3}, .flip = 0.5f};
	struct thaw_encoded_image encoded;
	check(thaw_encoded_image_open(&encoded, f->bytes, f->size, f->name));
	if (training) {
		struct thaw_random random = thaw_random_stream(1, THAW_STREAM_AUGMENT, pass, sample);
		check(thaw_transform_train(&encoded, &preprocess, &augment, random, out));
	} else {
		check(thaw_transform_eval(&encoded, &preprocess, out));
	}
	encoded.bytes = NULL; /* wanted again in the next pass */
	thaw_encoded_image_free(&encoded);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void measure(const struct file *files, int count, bool training, float *out)
{
	double seconds[PASSES];
	for (int pass = 0; pass < PASSES; pass++) {
		double begin = now();
		for (int i = 0; i < count; i++)
			make_tensor(&files[i], training, (uint64_t)pass, (uint64_t)i, out);
		seconds[pass] = now() - begin;
	}
	qsort(seconds, PASSES, sizeof(seconds[0]), compare);
	printf("{\"name\": \"input, %s\", \"images\": %d, \"images_per_second\": %.1f}\n",
	       training ? "training" : "evaluation", count, count / seconds[PASSES / 2]);
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? argc - 1 : MADE;
	struct file *files = memory((size_t)count, sizeof(*files));
	float *out = memory((size_t)SIZE * SIZE * 3, sizeof(float));
	for (int i = 0; i < count; i++) {
		if (argc == 1) {
			files[i] = make_file(i);
			continue;
		}
		files[i].name = argv[i + 1];
		check(thaw_file_read(&files[i].bytes, &files[i].size, argv[i + 1], FILE_LIMIT));
	}
	measure(files, count, false, out);
	measure(files, count, true, out);
	for (int i = 0; i < count; i++)
		thaw_free(files[i].bytes);
	thaw_free(files);
	thaw_free(out);
	return 0;
}
