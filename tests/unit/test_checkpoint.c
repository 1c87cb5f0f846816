/* Checkpoints: round trips, detection of damage, and retention. */
#include "tests/scratch.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <zstd.h>

#include "src/checkpoint/frame.h"
#include "thaw/checkpoint.h"
#include "thaw/random.h"

/* log2 of the elements of a state that is larger than the window of its frame. */
#define LARGE_LOG 19

/* Bytes of a frame header with all its fields (of the small file: with the header of its block too); of the
 * checksum at the end. */
#define FRAME_HEADER   10
#define FRAME_CHECKSUM 4

#define FLIPS   60                /* sampled of a large file */
#define LARGEST ((size_t)1 << 20) /* bytes of content that a search accepts */

/* A state of two tensors whose values depend on its step. */
struct sample {
	float *weight; /* [n] */
	int64_t position[2];
	struct thaw_named_tensor tensors[2];
	struct thaw_pair metadata[1];
	struct thaw_weights weights;
};

static struct sample *sample_make(int64_t step, int64_t n)
{
	struct sample *s = calloc(1, sizeof(*s));
	s->weight = malloc((size_t)n * sizeof(float));
	struct thaw_random r = thaw_random_stream(1, THAW_STREAM_INIT, (uint64_t)step, 0);
	for (int64_t i = 0; i < n; i++)
		s->weight[i] = thaw_random_normal(&r);
	s->position[0] = step;
	s->tensors[0] = (struct thaw_named_tensor){"fc.weight", THAW_F32, thaw_shape_of(n), s->weight};
	s->tensors[1] = (struct thaw_named_tensor){"position", THAW_I64, thaw_shape_of(2), s->position};
	s->metadata[0] = (struct thaw_pair){"base", "0123"};
	s->weights =
		(struct thaw_weights){.tensors = s->tensors, .count = 2, .metadata = s->metadata, .metadata_count = 1};
	return s;
}

static void sample_free(struct sample *s)
{
	free(s->weight);
	free(s);
}

static void assert_sample(const struct thaw_weights *w, int64_t step, int64_t n)
{
	struct sample *s = sample_make(step, n);
	const struct thaw_named_tensor *weight = thaw_weights_find(w, "fc.weight");
	const struct thaw_named_tensor *position = thaw_weights_find(w, "position");
	assert_int_equal(w->count, 2);
	assert_true(weight && weight->dtype == THAW_F32 && thaw_shape_equal(&weight->shape, &s->tensors[0].shape));
	assert_memory_equal(weight->data, s->weight, (size_t)n * sizeof(float));
	assert_memory_equal(position->data, s->position, sizeof(s->position));
	assert_string_equal(thaw_weights_get(w, "base"), "0123");
	sample_free(s);
}

#define SMALL 5 /* elements of most states here */

struct reported {
	int count;
	char path[4][1024];
};

static void report_damage(void *context, const char *path, thaw_status status, const char *why)
{
	(void)status;
	struct reported *reported = context;
	assert_true(reported->count < 4);
	assert_non_null(strstr(why, path));
	snprintf(reported->path[reported->count++], sizeof(reported->path[0]), "%s", path);
}

/* reported: NULL if none may be skipped. */
static thaw_status latest(struct thaw_weights *read, int64_t *step, const char *directory, struct reported *reported)
{
	const struct thaw_checkpoint_search search = {.directory = directory,
						      .largest = LARGEST,
						      .skipped = reported ? report_damage : NULL,
						      .context = reported};
	return thaw_checkpoint_latest(read, step, &search);
}

static struct thaw_checkpoint_writer *writer(const struct scratch *s, int keep_last)
{
	struct thaw_checkpoint_writer *w = NULL;
	struct thaw_checkpoint_options o = {.directory = s->path, .keep_last = keep_last, .level = 1};
	assert_int_equal(thaw_checkpoint_writer_create(&w, &o), THAW_OK);
	return w;
}

static thaw_status save(struct thaw_checkpoint_writer *w, int64_t step, bool best)
{
	struct sample *s = sample_make(step, SMALL);
	thaw_status status = thaw_checkpoint_save(w, step, &s->weights, best);
	/* The state may change as soon as the call has returned. */
	memset(s->weight, 0xff, SMALL * sizeof(float));
	sample_free(s);
	return status;
}

static const char *step_file(const struct scratch *s, int step)
{
	char name[64];
	snprintf(name, sizeof(name), "step-%d.safetensors.zst", step);
	return scratch_file(s, name);
}

/* Asserts that exactly these steps have files; ends with -1. */
static void assert_steps(const struct scratch *s, const int *steps)
{
	int count = 0;
	for (; steps[count] >= 0; count++)
		assert_int_equal(access(step_file(s, steps[count]), F_OK), 0);
	if (access(scratch_file(s, "best.json"), F_OK) == 0)
		count++;
	assert_int_equal(scratch_count(s), count);
}
#define assert_steps(s, ...) assert_steps(s, (const int[]){__VA_ARGS__, -1})

static void a_checkpoint_is_read_back(void **state)
{
	const struct scratch *s = *state;
	struct thaw_checkpoint_writer *w = writer(s, 2);
	assert_int_equal(save(w, 0, false), THAW_OK);
	assert_int_equal(save(w, 7, true), THAW_OK);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	struct thaw_weights read = {0};
	assert_int_equal(thaw_checkpoint_read(&read, step_file(s, 0), SIZE_MAX), THAW_OK);
	assert_sample(&read, 0, SMALL);
	thaw_weights_free(&read);
	int64_t step = -5;
	assert_int_equal(latest(&read, &step, s->path, NULL), THAW_OK);
	assert_int_equal(step, 7);
	assert_sample(&read, 7, SMALL);
	thaw_weights_free(&read);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	assert_int_equal(thaw_checkpoint_writer_close(NULL), THAW_OK);
}

/* A state larger than the writer's buffer; an abandoned one leaves no file and does not affect the next. */
static void a_state_may_be_larger_than_the_buffer(void **state)
{
	const struct scratch *s = *state;
	const int64_t n = INT64_C(17) << 20; /* floats: 68 MiB */
	struct thaw_checkpoint_writer *w = writer(s, 2);
	struct sample *sample = sample_make(5, n);
	struct thaw_sink *sink = NULL;
	assert_int_equal(thaw_checkpoint_save(w, 5, &sample->weights, false), THAW_OK);
	assert_int_equal(thaw_checkpoint_begin(w, 6, &sample->weights, true, &sink), THAW_OK);
	assert_int_equal(sink->write(sink, sample->weight, 100), THAW_OK);
	assert_int_equal(thaw_checkpoint_end(w, THAW_RESOURCE), THAW_RESOURCE);
	assert_int_equal(thaw_checkpoint_begin(w, 7, &sample->weights, false, &sink), THAW_OK);
	assert_int_equal(thaw_checkpoint_end(w, THAW_OK), THAW_SOFTWARE); /* nothing was written */
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	assert_int_equal(access(step_file(s, 6), F_OK), -1);
	assert_int_equal(access(step_file(s, 7), F_OK), -1);
	struct thaw_weights read = {0};
	assert_int_equal(thaw_checkpoint_read(&read, step_file(s, 5), SIZE_MAX), THAW_OK);
	assert_sample(&read, 5, n);
	thaw_weights_free(&read);
	sample_free(sample);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
}

/* The file can be read by any zstd decoder and then any safetensors reader. */
static void zstd_and_any_safetensors_reader_read_it(void **state)
{
	const struct scratch *s = *state;
	struct thaw_checkpoint_writer *w = writer(s, 2);
	save(w, 3, false);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	size_t size;
	char *file = scratch_get(step_file(s, 3), &size);
	unsigned long long content_size = ZSTD_getFrameContentSize(file, size);
	assert_true(content_size < 1 << 20);
	char *content = malloc(content_size);
	assert_int_equal(ZSTD_decompress(content, content_size, file, size), content_size);
	struct thaw_weights read = {0};
	assert_int_equal(thaw_weights_parse(&read, content, content_size, "test"), THAW_OK);
	assert_sample(&read, 3, SMALL);
	thaw_weights_free(&read);
	free(content);
	free(file);
}

/* Whether the file is rejected as damaged; if not, its content must be unchanged. */
static bool file_refused(const char *path, int64_t step, int64_t n)
{
	struct thaw_weights read = {0};
	thaw_status status = thaw_checkpoint_read(&read, path, SIZE_MAX);
	if (status == THAW_OK) {
		assert_sample(&read, step, n);
		thaw_weights_free(&read);
		return false;
	}
	assert_int_equal(status, THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), path));
	return true;
}

/* The same for a file of these bytes. */
static bool refused(const struct scratch *s, const void *bytes, size_t size, int64_t step, int64_t n)
{
	const char *path = scratch_file(s, "changed");
	scratch_put(path, bytes, size);
	return file_refused(path, step, n);
}

/* The same for the file with one bit of it flipped. */
static bool flip_refused(const char *path, size_t bit, int64_t step, int64_t n)
{
	int fd = open(path, O_RDWR);
	unsigned char byte, flipped;
	assert_int_equal(pread(fd, &byte, 1, (off_t)(bit / 8)), 1);
	flipped = byte ^ (unsigned char)(1 << bit % 8);
	assert_int_equal(pwrite(fd, &flipped, 1, (off_t)(bit / 8)), 1);
	bool result = file_refused(path, step, n);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
	close(fd);
	return result;
}

static char *small_file(const struct scratch *s, size_t *size)
{
	struct thaw_checkpoint_writer *w = writer(s, 2);
	save(w, 1, false);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	return scratch_get(step_file(s, 1), size);
}

static void truncated_files_are_refused(void **state)
{
	const struct scratch *s = *state;
	size_t size;
	char *file = small_file(s, &size);
	for (size_t cut = 0; cut < size; cut++)
		assert_true(refused(s, file, cut, 1, SMALL));
	assert_false(refused(s, file, size, 1, SMALL));
	free(file);
}

/* All bits of a small file: the frame header, which zstd's checksum does not cover, the blocks, the checksum. A few
 * bits of a block have no meaning (codes of unused symbols, padding): flipping them does not change the content. All
 * other flips are detected. */
static void flipped_bits_never_change_values(void **state)
{
	const struct scratch *s = *state;
	size_t size, meaningless = 0;
	free(small_file(s, &size));
	for (size_t bit = 0; bit < size * 8; bit++) {
		bool found = flip_refused(step_file(s, 1), bit, 1, SMALL);
		if (!found && (bit < FRAME_HEADER * 8 || bit >= (size - FRAME_CHECKSUM) * 8))
			fail_msg("bit %zu of %zu can be flipped", bit, size * 8);
		meaningless += !found;
	}
	assert_true(meaningless < size * 8 / 50);
}

static void trailing_bytes_are_refused(void **state)
{
	const struct scratch *s = *state;
	static const char skippable[] = {0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0};
	size_t size;
	char *file = small_file(s, &size);
	char *longer = calloc(2, size + sizeof(skippable));
	memcpy(longer, file, size);
	assert_true(refused(s, longer, size + 1, 1, SMALL));
	memcpy(longer + size, skippable, sizeof(skippable));
	assert_true(refused(s, longer, size + sizeof(skippable), 1, SMALL));
	memcpy(longer + size, file, size);
	assert_true(refused(s, longer, 2 * size, 1, SMALL));
	memcpy(longer, skippable, sizeof(skippable));
	memcpy(longer + sizeof(skippable), file, size);
	assert_true(refused(s, longer, size + sizeof(skippable), 1, SMALL));
	free(longer);
	free(file);
}

/* A state larger than the window: another form of frame header, and many blocks. */
static void a_state_may_be_larger_than_the_window(void **state)
{
	const struct scratch *s = *state;
	const int64_t n = INT64_C(1) << LARGE_LOG;
	struct thaw_checkpoint_writer *w = writer(s, 2);
	struct sample *sample = sample_make(4, n);
	assert_int_equal(thaw_checkpoint_save(w, 4, &sample->weights, false), THAW_OK);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	sample_free(sample);
	size_t size;
	char *file = scratch_get(step_file(s, 4), &size);
	for (size_t bit = 0; bit < FRAME_HEADER * 8; bit++)
		assert_true(flip_refused(step_file(s, 4), bit, 4, n));
	struct thaw_random r = thaw_random_stream(3, THAW_STREAM_INIT, 0, 0);
	int found = 0;
	for (int i = 0; i < FLIPS; i++)
		found += flip_refused(step_file(s, 4), thaw_random_below(&r, (uint32_t)size * 8), 4, n);
	assert_true(found >= FLIPS - 1);
	assert_true(refused(s, file, size - 1, 4, n));
	assert_true(refused(s, file, size / 2, 4, n));
	assert_false(refused(s, file, size, 4, n));
	free(file);
}

/* A gigabyte of zeros in some kilobytes: refused by the header's content size, within any time, where the caller
 * expects less. The older checkpoint is used. */
static void larger_content_than_expected_is_refused(void **state)
{
	const struct scratch *s = *state;
	const size_t block = 1 << 20;
	struct thaw_checkpoint_writer *w = writer(s, 2);
	assert_int_equal(save(w, 1, false), THAW_OK);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	struct thaw_frame_writer *f;
	char *zeros = calloc(block, 1);
	assert_int_equal(thaw_frame_open(&f, step_file(s, 2), 1024 * block, 1), THAW_OK);
	for (int i = 0; i < 1024; i++)
		assert_int_equal(thaw_frame_append(f, zeros, block), THAW_OK);
	assert_int_equal(thaw_frame_commit(f), THAW_OK);
	free(zeros);

	struct thaw_weights read = {0};
	int64_t step;
	struct rusage before, after;
	assert_int_equal(thaw_checkpoint_read(&read, step_file(s, 2), block), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "1073741824 bytes, at most 1048576 are expected"));
	getrusage(RUSAGE_SELF, &before);
	assert_int_equal(
		thaw_checkpoint_latest(&read, &step,
				       &(struct thaw_checkpoint_search){.directory = s->path, .largest = block}),
		THAW_OK);
	getrusage(RUSAGE_SELF, &after);
	assert_int_equal(step, 1);
	assert_true(after.ru_maxrss - before.ru_maxrss < 100 << 10); /* kilobytes */
	thaw_weights_free(&read);
}

/* Headers with a content size far above the actual content. */
static void exaggerated_sizes_are_refused(void **state)
{
	const struct scratch *s = *state;
	static const unsigned char huge[] = {0x28, 0xb5, 0x2f, 0xfd, 0xc4, 0x58, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0};
	static const unsigned char window[] = {0x28, 0xb5, 0x2f, 0xfd, 0xa4, 0, 0, 0, 0x7f, 1, 0, 0};
	assert_true(refused(s, huge, sizeof(huge), 0, 0));
	assert_true(refused(s, window, sizeof(window), 0, 0));
	/* An undamaged frame whose content is not a safetensors file. */
	char content[100] = "hello", frame[200];
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
	size_t size = ZSTD_compress2(zstd, frame, sizeof(frame), content, sizeof(content));
	assert_false(ZSTD_isError(size));
	assert_true(refused(s, frame, size, 0, 0));
	/* The same without a checksum. */
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 0);
	size = ZSTD_compress2(zstd, frame, sizeof(frame), content, sizeof(content));
	assert_true(refused(s, frame, size, 0, 0));
	assert_non_null(strstr(thaw_error_message(), "header"));
	ZSTD_freeCCtx(zstd);
	struct thaw_weights read = {0};
	assert_int_equal(thaw_checkpoint_read(&read, s->path, SIZE_MAX), THAW_DATA);
	assert_int_equal(thaw_checkpoint_read(&read, scratch_file(s, "none"), SIZE_MAX), THAW_IO);
}

static void damage(const char *path)
{
	size_t size;
	char *file = scratch_get(path, &size);
	file[size / 2] ^= 1;
	scratch_put(path, file, size);
	free(file);
}

static void damaged_checkpoints_are_skipped(void **state)
{
	const struct scratch *s = *state;
	struct thaw_checkpoint_writer *w = writer(s, 4);
	for (int step = 8; step <= 11; step++)
		save(w, step, false);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	damage(step_file(s, 11));
	assert_int_equal(truncate(step_file(s, 10), 20), 0);
	/* None of these is a checkpoint. */
	static const char *const others[] = {"step-99.safetensors.zst.0123abcd.tmp", "step-099.safetensors.zst",
					     "step-98.safetensors", "step--1.safetensors.zst"};
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		scratch_put(scratch_file(s, others[i]), "x", 1);

	struct reported reported = {0};
	struct thaw_weights read = {0};
	int64_t step;
	assert_int_equal(latest(&read, &step, s->path, &reported), THAW_OK);
	assert_int_equal(step, 9);
	assert_sample(&read, 9, SMALL);
	thaw_weights_free(&read);
	assert_int_equal(reported.count, 2);
	assert_string_equal(reported.path[0], step_file(s, 11));
	assert_string_equal(reported.path[1], step_file(s, 10));
}

/* Wherever the newest file is truncated, and whichever bit of its header is flipped, the previous one is used. */
static void any_damage_leads_to_the_previous_checkpoint(void **state)
{
	const struct scratch *s = *state;
	struct thaw_checkpoint_writer *w = writer(s, 2);
	save(w, 1, false);
	save(w, 2, false);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	size_t size;
	char *file = scratch_get(step_file(s, 2), &size);
	for (size_t i = 0; i < size + FRAME_HEADER * 8; i++) {
		size_t bit = i < size ? 0 : i - size;
		file[bit / 8] ^= (char)(i < size ? 0 : 1 << bit % 8);
		scratch_put(step_file(s, 2), file, i < size ? i : size);
		file[bit / 8] ^= (char)(i < size ? 0 : 1 << bit % 8);
		struct reported reported = {0};
		struct thaw_weights read = {0};
		int64_t step;
		assert_int_equal(latest(&read, &step, s->path, &reported), THAW_OK);
		assert_int_equal(step, 1);
		assert_int_equal(reported.count, 1);
		thaw_weights_free(&read);
	}
	free(file);
}

/* A few kilobytes of zstd that expand to 16 GiB of zeros. */
static void put_bomb(const char *path)
{
	static char zeros[1 << 20], block[1 << 20];
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, 21);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
	ZSTD_CCtx_setPledgedSrcSize(zstd, UINT64_C(16) << 30);
	ZSTD_inBuffer in = {.src = zeros, .size = sizeof(zeros)};
	ZSTD_outBuffer out = {.dst = block, .size = sizeof(block)};
	assert_false(ZSTD_isError(ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_flush)));
	fwrite(block, 1, out.pos, file);
	fclose(file);
	ZSTD_freeCCtx(zstd);
}

/* Entries that are not files, cannot be opened, or expand to more than a state can have. Opening a FIFO does not wait.
 */
static void entries_that_cannot_be_read_are_skipped(void **state)
{
	const struct scratch *s = *state;
	struct thaw_checkpoint_writer *w = writer(s, 2);
	save(w, 1, false);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	assert_int_equal(mkfifo(step_file(s, 2), 0666), 0);
	assert_int_equal(symlink("nowhere", step_file(s, 3)), 0);
	assert_int_equal(mkdir(step_file(s, 4), 0777), 0);
	put_bomb(step_file(s, 5));
	struct reported reported = {0};
	struct thaw_weights read = {0};
	int64_t step;
	assert_int_equal(latest(&read, &step, s->path, &reported), THAW_OK);
	assert_int_equal(step, 1);
	assert_int_equal(reported.count, 4);
	thaw_weights_free(&read);
	assert_int_equal(thaw_checkpoint_read(&read, step_file(s, 5), LARGEST), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "checkpoint too large"));

	/* They do not keep these steps from being saved. */
	w = writer(s, 4);
	for (int i = 2; i <= 4; i++)
		assert_int_equal(save(w, i, false), THAW_OK);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	for (int i = 2; i <= 4; i++) {
		assert_int_equal(thaw_checkpoint_read(&read, step_file(s, i), LARGEST), THAW_OK);
		thaw_weights_free(&read);
	}
}

static thaw_status refuse_above_8(void *context, const struct thaw_weights *w, int64_t step)
{
	(void)context;
	assert_sample(w, step, SMALL);
	return step > 8 ? thaw_fail(THAW_CONFIG, "too late") : THAW_OK;
}

/* Whole checkpoints that the caller cannot use are passed over and named, with the reason. */
static void a_caller_can_refuse_a_checkpoint(void **state)
{
	const struct scratch *s = *state;
	struct thaw_checkpoint_writer *w = writer(s, 4);
	for (int i = 8; i <= 10; i++)
		save(w, i, false);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	struct reported reported = {0};
	const struct thaw_checkpoint_search search = {.directory = s->path,
						      .largest = LARGEST,
						      .check = refuse_above_8,
						      .skipped = report_damage,
						      .context = &reported};
	struct thaw_weights read = {0};
	int64_t step;
	assert_int_equal(thaw_checkpoint_latest(&read, &step, &search), THAW_OK);
	assert_int_equal(step, 8);
	assert_int_equal(reported.count, 2);
	assert_non_null(strstr(thaw_error_message(), "too late"));
	thaw_weights_free(&read);
}

static void an_empty_folder_has_no_checkpoint(void **state)
{
	const struct scratch *s = *state;
	struct thaw_weights read = {0};
	int64_t step = 5;
	assert_int_equal(latest(&read, &step, s->path, NULL), THAW_OK);
	assert_int_equal(step, -1);
	assert_int_equal(read.count, 0);
	assert_int_equal(latest(&read, &step, scratch_file(s, "none"), NULL), THAW_IO);
}

static int64_t best_of(const struct scratch *s)
{
	int64_t best = -9;
	assert_int_equal(thaw_checkpoint_best(&best, s->path), THAW_OK);
	return best;
}

static void the_newest_and_the_best_are_kept(void **state)
{
	const struct scratch *s = *state;
	assert_int_equal(best_of(s), -1);
	struct thaw_checkpoint_writer *w = writer(s, 2);
	save(w, 9, false);
	save(w, 10, true);
	for (int step = 11; step <= 14; step++)
		save(w, step, false);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	assert_steps(s, 10, 13, 14);
	save(w, 15, true);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	assert_steps(s, 14, 15);
	assert_int_equal(best_of(s), 15);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);

	/* Another process finds the best one and removes temporary files of this one. */
	scratch_put(scratch_file(s, "step-16.safetensors.zst.0123abcd.tmp"), "x", 1);
	w = writer(s, 2);
	for (int step = 16; step <= 20; step++)
		save(w, step, false);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	assert_steps(s, 15, 19, 20);
}

/* A record of a checkpoint that was never written. */
static void a_best_that_was_never_written_is_ignored(void **state)
{
	const struct scratch *s = *state;
	static const char record[] = "{\"step\": 3, \"before\": 1}";
	struct thaw_checkpoint_writer *w = writer(s, 2);
	save(w, 1, true);
	save(w, 2, false);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	scratch_put(scratch_file(s, "best.json"), record, strlen(record));
	assert_int_equal(best_of(s), 1);
	save(w, 3, false);
	save(w, 4, false);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	assert_int_equal(best_of(s), 1);
	assert_steps(s, 1, 3, 4);
	scratch_put(scratch_file(s, "best.json"), "{", 1);
	assert_int_equal(save(w, 5, false), THAW_OK);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "best.json"));
	assert_int_equal(access(step_file(s, 1), F_OK), 0);
}

/* A damaged checkpoint does not count as one of the K. */
static void damaged_checkpoints_do_not_count_as_kept(void **state)
{
	const struct scratch *s = *state;
	struct thaw_checkpoint_writer *w = writer(s, 2);
	save(w, 1, false);
	save(w, 2, false);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	damage(step_file(s, 2));
	w = writer(s, 2);
	save(w, 3, false);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	assert_steps(s, 1, 2, 3);
	save(w, 4, false);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	assert_steps(s, 3, 4);
	/* Nor do files after the step from which a run resumed: they were damaged. */
	damage(step_file(s, 4));
	damage(step_file(s, 3));
	w = writer(s, 2);
	save(w, 1, false);
	save(w, 2, false);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	assert_steps(s, 1, 2, 3, 4);
	save(w, 3, false);
	save(w, 4, false);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	assert_steps(s, 3, 4);
}

/* A failure is reported once, by the next call; later checkpoints are written. */
static void a_failure_is_reported_once(void **state)
{
	const struct scratch *s = *state;
	struct scratch inner;
	snprintf(inner.path, sizeof(inner.path), "%.400s/run", s->path);
	assert_int_equal(thaw_make_directory(inner.path), THAW_OK);
	struct thaw_checkpoint_writer *w = writer(&inner, 2);
	assert_int_equal(rmdir(inner.path), 0);
	assert_int_equal(save(w, 1, false), THAW_OK);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_IO);
	assert_non_null(strstr(thaw_error_message(), inner.path));
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	assert_int_equal(save(w, 2, false), THAW_OK);
	assert_int_equal(save(w, 3, false), THAW_IO);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_IO);
	assert_int_equal(thaw_make_directory(inner.path), THAW_OK);
	assert_int_equal(save(w, 4, false), THAW_OK);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	assert_steps(&inner, 4);
}

/* The oldest go first, the best one last, and the newest undamaged one stays. */
static void room_is_made_from_the_oldest_on(void **state)
{
	const struct scratch *s = *state;
	struct thaw_checkpoint_writer *w = writer(s, 5);
	for (int step = 1; step <= 5; step++)
		save(w, step, step == 1);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	damage(step_file(s, 5));
	w = writer(s, 5);
	assert_true(thaw_checkpoint_make_room(w));
	assert_steps(s, 1, 3, 4, 5);
	assert_true(thaw_checkpoint_make_room(w));
	assert_steps(s, 1, 4, 5);
	assert_true(thaw_checkpoint_make_room(w));
	assert_steps(s, 4, 5);
	assert_false(thaw_checkpoint_make_room(w));
	assert_steps(s, 4, 5);
	struct thaw_checkpoint_news news = thaw_checkpoint_poll(w);
	assert_true(news.completed == 0 && news.removed == 3 && news.failure == THAW_OK);
	assert_int_equal(thaw_checkpoint_poll(w).removed, 0);
	save(w, 6, false);
	assert_int_equal(thaw_checkpoint_flush(w), THAW_OK);
	assert_int_equal(thaw_checkpoint_poll(w).completed, 1);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
}

static void invalid_options_are_refused(void **state)
{
	const struct scratch *s = *state;
	struct thaw_checkpoint_writer *w = NULL;
	struct thaw_checkpoint_options o = {.directory = s->path, .keep_last = 1, .level = 3};
	assert_int_equal(thaw_checkpoint_writer_create(&w, &o), THAW_CONFIG);
	o = (struct thaw_checkpoint_options){.directory = s->path, .keep_last = 2, .level = 0};
	assert_int_equal(thaw_checkpoint_writer_create(&w, &o), THAW_CONFIG);
	o = (struct thaw_checkpoint_options){.directory = scratch_file(s, "none"), .keep_last = 2, .level = 3};
	assert_int_equal(thaw_checkpoint_writer_create(&w, &o), THAW_IO);
	assert_null(w);
}

/* The same state gives the same file. */
static void the_same_state_gives_the_same_file(void **state)
{
	const struct scratch *s = *state;
	size_t size, again_size;
	char *file = small_file(s, &size), *again = small_file(s, &again_size);
	assert_int_equal(size, again_size);
	assert_memory_equal(file, again, size);
	free(file);
	free(again);
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_scratch(a_checkpoint_is_read_back),
		in_scratch(a_state_may_be_larger_than_the_buffer),
		in_scratch(zstd_and_any_safetensors_reader_read_it),
		in_scratch(truncated_files_are_refused),
		in_scratch(flipped_bits_never_change_values),
		in_scratch(trailing_bytes_are_refused),
		in_scratch(a_state_may_be_larger_than_the_window),
		in_scratch(larger_content_than_expected_is_refused),
		in_scratch(exaggerated_sizes_are_refused),
		in_scratch(damaged_checkpoints_are_skipped),
		in_scratch(entries_that_cannot_be_read_are_skipped),
		in_scratch(a_caller_can_refuse_a_checkpoint),
		in_scratch(any_damage_leads_to_the_previous_checkpoint),
		in_scratch(an_empty_folder_has_no_checkpoint),
		in_scratch(the_newest_and_the_best_are_kept),
		in_scratch(a_best_that_was_never_written_is_ignored),
		in_scratch(damaged_checkpoints_do_not_count_as_kept),
		in_scratch(a_failure_is_reported_once),
		in_scratch(room_is_made_from_the_oldest_on),
		in_scratch(invalid_options_are_refused),
		in_scratch(the_same_state_gives_the_same_file),
	};
	return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
