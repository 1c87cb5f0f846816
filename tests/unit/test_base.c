/* src/base and src/tensor: errors, random numbers, memory, shapes, element types, files. */
#include "tests/scratch.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/try.h"
#include "thaw/digest.h"
#include "thaw/dtype.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/random.h"
#include "thaw/tensor.h"

static thaw_status try_it(thaw_status status)
{
	THAW_TRY(status);
	return THAW_USAGE;
}

static void test_error(void **state)
{
	(void)state;
	assert_int_equal(thaw_fail(THAW_IO, "cannot read: %s", "a.jpg"), THAW_IO);
	assert_string_equal(thaw_error_message(), "cannot read: a.jpg");
	assert_int_equal(thaw_fail_in(THAW_DATA, "sample %d", 7), THAW_DATA);
	assert_string_equal(thaw_error_message(), "sample 7: cannot read: a.jpg");
	/* The recorded message may be an argument. */
	thaw_fail(THAW_IO, "<%s>", thaw_error_message());
	assert_string_equal(thaw_error_message(), "<sample 7: cannot read: a.jpg>");
	for (int i = 0; i < 1000; i++)
		thaw_fail_in(THAW_IO, "deeper");
	assert_int_equal(strlen(thaw_error_message()), 1023);
	/* Messages are one line without characters that act on a terminal; other UTF-8 stays. */
	thaw_fail(THAW_IO, "a\nb\x1b[31m \x9b \xc2\x9b \xe2\x80\xae \xe2\x81\xa6 \xc3\xa9");
	assert_string_equal(thaw_error_message(), "a?b?[31m ? ? ? ? \xc3\xa9");
	assert_int_equal(try_it(THAW_OK), THAW_USAGE);
	assert_int_equal(try_it(THAW_IO), THAW_IO);
}

/* Known answers of the authors' Random123 library (kat_vectors, philox4x32 10). */
static void test_philox(void **state)
{
	(void)state;
	static const struct {
		uint32_t counter[4], key[2], block[4];
	} known[] = {
		{{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
		 {0xa4093822, 0x299f31d0},
		 {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		const uint32_t *c = known[i].counter, *k = known[i].key;
		struct thaw_random r = {.key = (uint64_t)k[1] << 32 | k[0],
					.drawn = (uint64_t)c[1] << 32 | c[0],
					.index = (uint64_t)c[3] << 32 | c[2]};
		for (int word = 0; word < 4; word++)
			assert_int_equal(thaw_random_u32(&r), known[i].block[word]);
	}
}

static void test_streams_differ(void **state)
{
	(void)state;
	struct thaw_random streams[] = {
		thaw_random_stream(1, THAW_STREAM_ORDER, 0, 0),   thaw_random_stream(2, THAW_STREAM_ORDER, 0, 0),
		thaw_random_stream(1, THAW_STREAM_AUGMENT, 0, 0), thaw_random_stream(1, THAW_STREAM_ORDER, 1, 0),
		thaw_random_stream(1, THAW_STREAM_ORDER, 0, 1),   thaw_random_stream(0, THAW_STREAM_ORDER, 1, 0),
	};
	enum { N = sizeof(streams) / sizeof(*streams) };
	uint32_t first[N];
	for (int i = 0; i < N; i++)
		first[i] = thaw_random_u32(&streams[i]);
	for (int i = 0; i < N; i++)
		for (int j = 0; j < i; j++)
			assert_int_not_equal(first[i], first[j]);
	struct thaw_random again = thaw_random_stream(1, THAW_STREAM_ORDER, 0, 0);
	assert_int_equal(thaw_random_u32(&again), first[0]);
}

static void test_distributions(void **state)
{
	(void)state;
	enum { N = 200000, SIDES = 7 };
	struct thaw_random r = thaw_random_stream(42, THAW_STREAM_INIT, 0, 0);
	int64_t count[SIDES] = {0};
	double sum = 0, squares = 0, mean = 0;
	for (int i = 0; i < N; i++) {
		float u = thaw_random_unit(&r), x = (float)thaw_random_normal(&r);
		assert_true(u >= 0 && u < 1);
		mean += u;
		sum += x;
		squares += (double)x * x;
		count[thaw_random_below(&r, SIDES)]++;
		float y = thaw_random_range(&r, 1.0f, nextafterf(1.0f, 2.0f));
		assert_true(y == 1.0f);
	}
	/* Five standard deviations each. */
	assert_true(fabs(mean / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
	assert_true(fabs(sum / N) < 5 / sqrt(N));
	assert_true(fabs(squares / N - 1) < 5 * sqrt(2.0 / N));
	for (int i = 0; i < SIDES; i++)
		assert_true(fabs((double)count[i] / N - 1.0 / SIDES) < 5 * sqrt(1.0 / SIDES / N));
	assert_int_equal(thaw_random_below(&r, 1), 0);
}

static void test_shuffle(void **state)
{
	(void)state;
	/* All 6 orders of 3 elements are equally frequent. */
	int64_t seen[27] = {0};
	for (uint64_t epoch = 0; epoch < 6000; epoch++) {
		struct thaw_random r = thaw_random_stream(1, THAW_STREAM_ORDER, epoch, 0);
		int64_t order[3] = {0, 1, 2};
		thaw_random_shuffle(&r, order, 3);
		seen[order[0] * 9 + order[1] * 3 + order[2]]++;
	}
	int orders = 0;
	for (int i = 0; i < 27; i++) {
		orders += seen[i] > 0;
		assert_true(seen[i] == 0 || (seen[i] > 850 && seen[i] < 1150));
	}
	assert_int_equal(orders, 6);
	struct thaw_random r = thaw_random_stream(1, THAW_STREAM_ORDER, 0, 0);
	thaw_random_shuffle(&r, NULL, 0);
}

static void test_memory(void **state)
{
	(void)state;
	for (size_t size = 0; size < 300; size += 37) {
		unsigned char *p = thaw_alloc(size, 1);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % THAW_ALIGNMENT, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		thaw_free(p);
	}
	thaw_fail(THAW_OK, " ");
	assert_null(thaw_alloc(SIZE_MAX / 2, 4));
	assert_non_null(strstr(thaw_error_message(), "out of memory"));
	assert_null(thaw_alloc(SIZE_MAX, 1));

	char *text = thaw_format("%d-%s", 12, "x"), *copy = thaw_strdup(text);
	assert_string_equal(text, "12-x");
	assert_string_equal(copy, text);
	thaw_free(text);
	thaw_free(copy);
	thaw_free(NULL);
}

static void test_digest(void **state)
{
	(void)state;
	/* XXH3_64bits of no bytes, from the documentation of xxHash. Must never change: files store digests. */
	assert_true(thaw_digest("", 0, 0) == UINT64_C(0x2d06800538d394c2));
	assert_true(thaw_digest("ab", 2, 0) != thaw_digest("ba", 2, 0));
	assert_true(thaw_digest("ab", 2, 1) != thaw_digest("ab", 2, 0));
}

static void test_shape(void **state)
{
	(void)state;
	struct thaw_shape s = thaw_shape_of(1, 56, 56, 64), t = thaw_shape_of(1, 56, 56, 65), scalar = {0};
	char text[64];
	assert_int_equal(s.ndim, 4);
	assert_int_equal(thaw_shape_count(&s), 56 * 56 * 64);
	assert_int_equal(thaw_shape_count(&scalar), 1);
	assert_string_equal(thaw_shape_text(&s, text, sizeof(text)), "(1, 56, 56, 64)");
	assert_string_equal(thaw_shape_text(&scalar, text, sizeof(text)), "()");
	for (size_t size = 1; size < 20; size++)
		assert_int_equal(strlen(thaw_shape_text(&s, text, size)), size - 1 < 15 ? size - 1 : 15);
	assert_true(thaw_shape_equal(&s, &s));
	assert_false(thaw_shape_equal(&s, &t));
	assert_false(thaw_shape_equal(&s, &scalar));
}

static void test_shape_check(void **state)
{
	(void)state;
	const int64_t big = INT64_C(1) << 43, huge = INT64_MAX;
	struct thaw_shape good[] = {
		{0}, thaw_shape_of(0), thaw_shape_of(3, 4), thaw_shape_of(big), thaw_shape_of(0, big)};
	struct thaw_shape bad[] = {{.ndim = -1},
				   {.ndim = THAW_MAX_DIMS + 1},
				   thaw_shape_of(-1),
				   thaw_shape_of(-1, -1),
				   thaw_shape_of(big, 2),
				   thaw_shape_of(huge, huge),
				   thaw_shape_of(0, huge, huge),
				   thaw_shape_of(huge, 0)};
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_int_equal(thaw_shape_check(&good[i], "x"), THAW_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(thaw_shape_check(&bad[i], "x"), THAW_DATA);
}

static void test_dtype_names(void **state)
{
	(void)state;
	for (int i = 0; i < THAW_DTYPES; i++) {
		enum thaw_dtype t = THAW_DTYPES;
		assert_true(thaw_dtype_parse(thaw_dtype_name((enum thaw_dtype)i), &t));
		assert_int_equal(t, i);
	}
	enum thaw_dtype t;
	assert_false(thaw_dtype_parse("f32", &t));
	assert_int_equal(thaw_dtype_size(THAW_BF16), 2);
}

static void test_integers(void **state)
{
	(void)state;
	const int8_t i8[] = {-128, 127};
	const int64_t i64[] = {INT64_MIN, 16777217};
	const double f64[] = {1e300, 0.1};
	const uint8_t flag[] = {0, 2};
	float f[2];
	thaw_to_f32(THAW_I8, i8, f, 2);
	assert_true(f[0] == -128.0f && f[1] == 127.0f);
	thaw_to_f32(THAW_I64, i64, f, 2);
	assert_true(f[0] == -0x1p63f && f[1] == 16777216.0f);
	thaw_to_f32(THAW_F64, f64, f, 2);
	assert_true(isinf(f[0]) && f[1] == 0.1f);
	thaw_to_f32(THAW_BOOL, flag, f, 2);
	assert_true(f[0] == 0.0f && f[1] == 1.0f);
	/* Any alignment. */
	unsigned char bytes[9];
	const float values[] = {1.5f, -2.0f};
	memcpy(bytes + 1, values, sizeof(values));
	thaw_to_f32(THAW_F32, bytes + 1, f, 2);
	assert_true(f[0] == 1.5f && f[1] == -2.0f);
}

static uint16_t narrow(enum thaw_dtype t, float f)
{
	uint16_t half;
	thaw_from_f32(t, &f, &half, 1);
	return half;
}

static float widen(enum thaw_dtype t, uint16_t half)
{
	float f;
	thaw_to_f32(t, &half, &f, 1);
	return f;
}

/* Every 16-bit value converts to itself; the midpoint between two neighbours rounds to the even one, and values next to
 * the midpoint round to the nearer one. `infinity`: the bits of +inf. */
static void check_rounding(enum thaw_dtype t, uint16_t infinity)
{
	for (uint32_t bits = 0; bits < 0x10000; bits++) {
		float f = widen(t, (uint16_t)bits);
		if ((bits & 0x7fff) > infinity) {
			assert_true(isnan(f) && isnan(widen(t, narrow(t, f))));
			assert_int_equal(narrow(t, f) & 0x8000, bits & 0x8000);
			continue;
		}
		assert_int_equal(narrow(t, f), bits);
		if ((bits & 0x7fff) == infinity)
			continue;
		/* After the largest number, infinity takes the place of the next one. */
		double here = f, next = widen(t, (uint16_t)(bits + 1));
		if (isinf(next))
			next = 2 * here - widen(t, (uint16_t)(bits - 1));
		float middle = (float)((here + next) / 2), far = (float)(next * 2);
		assert_int_equal(narrow(t, middle), bits + (bits & 1));
		assert_int_equal(narrow(t, nextafterf(middle, f)), bits);
		assert_int_equal(narrow(t, nextafterf(middle, far)), bits + 1);
	}
}

static void test_f16(void **state)
{
	(void)state;
	check_rounding(THAW_F16, 0x7c00);
	assert_true(widen(THAW_F16, 0x3c01) == 1 + 0x1p-10f);
	assert_true(widen(THAW_F16, 0x8001) == -0x1p-24f);
	assert_true(widen(THAW_F16, 0x7bff) == 65504.0f);
	assert_int_equal(narrow(THAW_F16, 0x1p-25f), 0);
	assert_int_equal(narrow(THAW_F16, 0x1.8p-25f), 1);
	assert_int_equal(narrow(THAW_F16, 65520.0f), 0x7c00);
	assert_int_equal(narrow(THAW_F16, -1e30f), 0xfc00);
	assert_int_equal(narrow(THAW_F16, 0x1p-149f), 0);
	assert_int_equal(narrow(THAW_F16, -0.0f), 0x8000);
}

static void test_bf16(void **state)
{
	(void)state;
	check_rounding(THAW_BF16, 0x7f80);
	assert_true(widen(THAW_BF16, 0x3f81) == 1 + 0x1p-7f);
	assert_int_equal(narrow(THAW_BF16, 3.4028235e38f), 0x7f80);
	assert_int_equal(narrow(THAW_BF16, 0x1p-149f), 0);
}

static void put(const char *path, const char *text, bool commit)
{
	struct thaw_file_writer *f;
	assert_int_equal(thaw_file_writer_open(&f, path), THAW_OK);
	struct thaw_sink *sink = thaw_file_writer_sink(f);
	assert_int_equal(sink->write(sink, text, strlen(text)), THAW_OK);
	if (commit)
		assert_int_equal(thaw_file_writer_commit(f), THAW_OK);
	else
		thaw_file_writer_discard(f);
}

static void assert_file(const char *path, const char *text)
{
	void *bytes;
	size_t size;
	assert_int_equal(thaw_file_read(&bytes, &size, path, 1 << 20), THAW_OK);
	assert_int_equal(size, strlen(text));
	assert_string_equal(bytes, text);
	thaw_free(bytes);
}

static void test_file(void **state)
{
	const struct scratch *s = *state;
	const char *path = scratch_file(s, "a");
	put(path, "one", false);
	assert_int_equal(scratch_count(s), 0);
	put(path, "one", true);
	put(path, "two", false);
	assert_file(path, "one");
	put(path, "two", true);
	assert_file(path, "two");
	assert_int_equal(scratch_count(s), 1);

	mode_t mask = umask(0);
	umask(mask);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666 & ~mask);

	void *bytes = NULL;
	size_t size = 99;
	assert_int_equal(thaw_file_read(&bytes, &size, path, 2), THAW_DATA);
	assert_int_equal(thaw_file_read(&bytes, &size, path, 3), THAW_OK);
	thaw_free(bytes);
	assert_int_equal(thaw_file_read(&bytes, &size, scratch_file(s, "none"), 10), THAW_IO);
	assert_non_null(strstr(thaw_error_message(), "none"));
	assert_int_equal(thaw_file_read(&bytes, &size, s->path, 1 << 20), THAW_IO);
	assert_int_equal(thaw_file_read(&bytes, &size, "/dev/zero", 1 << 20), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "a device, not a regular file: /dev/zero"));
	struct thaw_file_writer *f;
	assert_int_equal(thaw_file_writer_open(&f, scratch_file(s, "no/a")), THAW_IO);
	thaw_file_writer_discard(NULL);
}

/* Neither waits for a writer. A pipe of the shell has one, and is read to its end. */
static void test_pipes(void **state)
{
	const struct scratch *s = *state;
	void *bytes = NULL;
	size_t size = 99;
	int ends[2];
	char pipe_path[64], socket_path[128];
	assert_int_equal(mkfifo(scratch_file(s, "pipe"), 0600), 0);
	assert_int_equal(thaw_file_read(&bytes, &size, scratch_file(s, "pipe"), 10), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "a pipe, not a regular file: "));
	snprintf(socket_path, sizeof(socket_path), "%s", scratch_file(s, "socket"));
	assert_int_equal(mknod(socket_path, S_IFSOCK | 0600, 0), 0);
	assert_int_equal(thaw_file_read(&bytes, &size, socket_path, 10), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "not a regular file: "));

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "four", 4), 4);
	close(ends[1]);
	snprintf(pipe_path, sizeof(pipe_path), "/dev/fd/%d", ends[0]);
	assert_int_equal(thaw_file_read(&bytes, &size, pipe_path, 10), THAW_OK);
	assert_int_equal(size, 4);
	assert_string_equal(bytes, "four");
	thaw_free(bytes);
	close(ends[0]);
}

static void test_large_file(void **state)
{
	const struct scratch *s = *state;
	enum { SIZE = 1000003 };
	uint32_t *data = malloc((size_t)SIZE * 4);
	struct thaw_random r = thaw_random_stream(0, THAW_STREAM_INIT, 0, 0);
	for (int i = 0; i < SIZE; i++)
		data[i] = thaw_random_u32(&r);
	struct thaw_file_writer *f;
	assert_int_equal(thaw_file_writer_open(&f, scratch_file(s, "a")), THAW_OK);
	struct thaw_sink *sink = thaw_file_writer_sink(f);
	/* Pieces of many sizes, so that the buffer ends at every place in them. */
	for (int i = 0, part = 1; i < SIZE; i += part, part = part * 3 % 70001)
		assert_int_equal(sink->write(sink, data + i, 4 * (size_t)(part < SIZE - i ? part : SIZE - i)), THAW_OK);
	assert_int_equal(thaw_file_writer_commit(f), THAW_OK);
	void *bytes;
	size_t size;
	assert_int_equal(thaw_file_read(&bytes, &size, scratch_file(s, "a"), SIZE_MAX), THAW_OK);
	assert_int_equal(size, (size_t)SIZE * 4);
	assert_memory_equal(bytes, data, size);
	thaw_free(bytes);
	free(data);
}

/* Writing beyond the file size limit fails with the file's name; the old file stays, the temporary one is removed. */
static void test_file_limit(void **state)
{
	const struct scratch *s = *state;
	const char *path = scratch_file(s, "a");
	put(path, "old", true);
	struct rlimit before, small = {4096, RLIM_INFINITY};
	getrlimit(RLIMIT_FSIZE, &before);
	small.rlim_max = before.rlim_max;
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	struct thaw_file_writer *f;
	char block[10000] = {0};
	assert_int_equal(thaw_file_writer_open(&f, path), THAW_OK);
	assert_int_equal(thaw_file_writer_sink(f)->write(thaw_file_writer_sink(f), block, sizeof(block)), THAW_OK);
	thaw_status status = thaw_file_writer_commit(f);
	setrlimit(RLIMIT_FSIZE, &before);
	signal(SIGXFSZ, handler);
	assert_int_equal(status, THAW_IO);
	assert_non_null(strstr(thaw_error_message(), path));
	assert_file(path, "old");
	assert_int_equal(scratch_count(s), 1);
}

static void test_clean(void **state)
{
	const struct scratch *s = *state;
	static const char *const names[] = {"a.0123abcd.tmp", "a.tmp", ".0123abcd.tmp", "a.0123abcg.tmp",
					    "0123abcd.tmp"};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		scratch_put(scratch_file(s, names[i]), "x", 1);
	assert_int_equal(thaw_file_clean(s->path), THAW_OK);
	assert_int_equal(access(scratch_file(s, names[0]), F_OK), -1);
	assert_int_equal(scratch_count(s), 4);
	struct thaw_file_writer *f;
	assert_int_equal(thaw_file_writer_open(&f, scratch_file(s, "b")), THAW_OK);
	assert_int_equal(thaw_file_clean(s->path), THAW_OK);
	assert_int_equal(scratch_count(s), 4);
	thaw_file_writer_discard(f);
	assert_int_equal(thaw_file_clean(scratch_file(s, "none")), THAW_IO);
}

/* A link stays, and its target is replaced; what is not a regular file stays and is named. */
static void test_file_target(void **state)
{
	const struct scratch *s = *state;
	char link[256], chain[256], pipe[256], dangling[256];
	snprintf(link, sizeof(link), "%s", scratch_file(s, "link"));
	snprintf(chain, sizeof(chain), "%s", scratch_file(s, "chain"));
	snprintf(pipe, sizeof(pipe), "%s", scratch_file(s, "pipe"));
	snprintf(dangling, sizeof(dangling), "%s", scratch_file(s, "dangling"));
	assert_int_equal(thaw_make_directory(scratch_file(s, "d")), THAW_OK);
	put(scratch_file(s, "d/file"), "old", true);
	assert_int_equal(symlink("d/file", link), 0);
	assert_int_equal(symlink(link, chain), 0);
	put(chain, "new", true);
	assert_file(scratch_file(s, "d/file"), "new");
	struct stat st;
	assert_int_equal(lstat(chain, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));

	assert_int_equal(symlink("d/later", dangling), 0);
	put(dangling, "made", true);
	assert_file(scratch_file(s, "d/later"), "made");

	struct thaw_file_writer *f;
	assert_int_equal(mkfifo(pipe, 0600), 0);
	assert_int_equal(thaw_file_writer_open(&f, pipe), THAW_IO);
	assert_non_null(strstr(thaw_error_message(), "a pipe"));
	assert_int_equal(thaw_file_writer_open(&f, "/dev/null"), THAW_IO);
	assert_non_null(strstr(thaw_error_message(), "a device: /dev/null"));
	assert_int_equal(thaw_file_writer_open(&f, scratch_file(s, "d")), THAW_IO);
	assert_non_null(strstr(thaw_error_message(), "a folder"));
	assert_int_equal(symlink("loop", scratch_file(s, "loop")), 0);
	assert_int_equal(thaw_file_writer_open(&f, scratch_file(s, "loop")), THAW_IO);
	assert_non_null(strstr(thaw_error_message(), "too many links"));
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_true(S_ISCHR(st.st_mode));
}

static void test_directory(void **state)
{
	const struct scratch *s = *state;
	assert_int_equal(thaw_make_directory(scratch_file(s, "a//b/c/")), THAW_OK);
	assert_true(thaw_path_is_directory(scratch_file(s, "a/b/c")));
	assert_int_equal(thaw_make_directory(scratch_file(s, "a/b/c")), THAW_OK);
	assert_int_equal(thaw_make_directory("/"), THAW_OK);
	assert_int_equal(thaw_make_directory("."), THAW_OK);
	put(scratch_file(s, "f"), "", true);
	assert_false(thaw_path_is_directory(scratch_file(s, "f")));
	assert_int_equal(thaw_make_directory(scratch_file(s, "f/d")), THAW_IO);
	assert_int_equal(thaw_make_directory(scratch_file(s, "f")), THAW_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_philox),
		cmocka_unit_test(test_streams_differ),
		cmocka_unit_test(test_distributions),
		cmocka_unit_test(test_shuffle),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_shape_check),
		cmocka_unit_test(test_dtype_names),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_f16),
		cmocka_unit_test(test_bf16),
		cmocka_unit_test_setup_teardown(test_file, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_pipes, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_large_file, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_file_limit, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_clean, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_file_target, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(test_directory, scratch_make, scratch_remove),
	};
	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
