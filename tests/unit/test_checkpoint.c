/* Checkpoints: round trips, detection of damage, and the search for the newest one. */
#include "tests/unit/checkpoint_sample.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <zstd.h>

#include "src/checkpoint/frame.h"

/* log2 of the elements of a state that is larger than the window of its frame. */
#define LARGE_LOG 19

/* Bytes of a frame header with all its fields (of the small file: with the header of its block too); of the
 * checksum at the end. */
#define FRAME_HEADER   10
#define FRAME_CHECKSUM 4

#define FLIPS   60                /* sampled of a large file */
#define LARGEST ((size_t)1 << 20) /* bytes of content that a search accepts */

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

/* A state larger than the writer's buffer; an abandoned one leaves no file and does not affect the next. buffer: of the
 * options. */
static void write_large_state(const struct scratch *s, int64_t n, size_t buffer)
{
	const struct thaw_checkpoint_options o = {.directory = s->path, .keep_last = 2, .level = 1, .buffer = buffer};
	struct thaw_checkpoint_writer *w;
	assert_int_equal(thaw_checkpoint_writer_create(&w, &o), THAW_OK);
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

static void a_state_may_be_larger_than_the_buffer(void **state)
{
	write_large_state(*state, INT64_C(17) << 20, (size_t)64 << 20);
	write_large_state(*state, 100000, 1);
	write_large_state(*state, 100000, 4097);
}

static void a_state_may_fit_into_the_buffer(void **state)
{
	write_large_state(*state, INT64_C(17) << 20, 0);
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
	thaw_status described = thaw_checkpoint_describe(&read, path);
	thaw_weights_free(&read);
	thaw_status status = thaw_checkpoint_read(&read, path, SIZE_MAX);
	assert_int_equal(described, status);
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

/* A description has names, types, shapes and metadata, without values. */
static void a_checkpoint_is_described(void **state)
{
	const struct scratch *s = *state;
	struct thaw_checkpoint_writer *w = writer(s, 2);
	save(w, 3, false);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	struct thaw_weights whole = {0}, found = {0};
	assert_int_equal(thaw_checkpoint_read(&whole, step_file(s, 3), SIZE_MAX), THAW_OK);
	assert_int_equal(thaw_checkpoint_describe(&found, step_file(s, 3)), THAW_OK);
	assert_int_equal(found.count, whole.count);
	for (int i = 0; i < found.count; i++) {
		assert_string_equal(found.tensors[i].name, whole.tensors[i].name);
		assert_int_equal(found.tensors[i].dtype, whole.tensors[i].dtype);
		assert_true(thaw_shape_equal(&found.tensors[i].shape, &whole.tensors[i].shape));
		assert_null(found.tensors[i].data);
	}
	assert_int_equal(found.metadata_count, whole.metadata_count);
	for (int i = 0; i < found.metadata_count; i++)
		assert_string_equal(found.metadata[i].value, whole.metadata[i].value);
	thaw_weights_free(&whole);
	thaw_weights_free(&found);
}

/* The first bytes of a frame of 40 GiB that nothing follows, with a tensor of 4 bytes in its header: the size is
 * refused before the rest is read. */
static void a_description_does_not_expand_what_is_too_large(void **state)
{
	static const char json[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
	const struct scratch *s = *state;
	char content[8 + sizeof(json) - 1] = {sizeof(json) - 1}, frame[1000];
	memcpy(content + 8, json, sizeof(json) - 1);
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, THAW_FRAME_WINDOW_LOG);
	ZSTD_CCtx_setPledgedSrcSize(zstd, (unsigned long long)40 << 30);
	ZSTD_inBuffer in = {content, sizeof(content), 0};
	ZSTD_outBuffer out = {frame, sizeof(frame), 0};
	assert_int_equal(ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_flush), 0);
	ZSTD_freeCCtx(zstd);
	scratch_put(step_file(s, 1), frame, out.pos);
	struct thaw_weights found = {0};
	assert_int_equal(thaw_checkpoint_describe(&found, step_file(s, 1)), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "belong to no tensor"));
	assert_non_null(strstr(thaw_error_message(), step_file(s, 1)));
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

/* Entries that are not files or cannot be opened. Opening a FIFO does not wait. */
static void entries_that_cannot_be_read_are_skipped(void **state)
{
	const struct scratch *s = *state;
	struct thaw_checkpoint_writer *w = writer(s, 2);
	save(w, 1, false);
	assert_int_equal(thaw_checkpoint_writer_close(w), THAW_OK);
	assert_int_equal(mkfifo(step_file(s, 2), 0666), 0);
	assert_int_equal(symlink("nowhere", step_file(s, 3)), 0);
	assert_int_equal(mkdir(step_file(s, 4), 0777), 0);
	struct reported reported = {0};
	struct thaw_weights read = {0};
	int64_t step;
	assert_int_equal(latest(&read, &step, s->path, &reported), THAW_OK);
	assert_int_equal(step, 1);
	assert_int_equal(reported.count, 3);
	thaw_weights_free(&read);

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_scratch(a_checkpoint_is_read_back),
		in_scratch(a_state_may_be_larger_than_the_buffer),
		in_scratch(a_state_may_fit_into_the_buffer),
		in_scratch(zstd_and_any_safetensors_reader_read_it),
		in_scratch(truncated_files_are_refused),
		in_scratch(flipped_bits_never_change_values),
		in_scratch(trailing_bytes_are_refused),
		in_scratch(a_state_may_be_larger_than_the_window),
		in_scratch(larger_content_than_expected_is_refused),
		in_scratch(exaggerated_sizes_are_refused),
		in_scratch(a_checkpoint_is_described),
		in_scratch(a_description_does_not_expand_what_is_too_large),
		in_scratch(damaged_checkpoints_are_skipped),
		in_scratch(entries_that_cannot_be_read_are_skipped),
		in_scratch(a_caller_can_refuse_a_checkpoint),
		in_scratch(any_damage_leads_to_the_previous_checkpoint),
		in_scratch(an_empty_folder_has_no_checkpoint),
		in_scratch(the_same_state_gives_the_same_file),
	};
	return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
