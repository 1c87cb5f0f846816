/* Weight files: golden files written by PyTorch and safetensors (tests/golden/make_pth.py), and hostile files. */
#include "tests/scratch.h"

#include <jansson.h>
#include <math.h>

#include "thaw/digest.h"
#include "thaw/weights.h"

#define GOLDEN "tests/golden/"

static thaw_status read_golden(struct thaw_weights *w, const char *name)
{
	char path[SCRATCH_PATH];
	snprintf(path, sizeof(path), GOLDEN "%s", name);
	return thaw_weights_read(w, path);
}

/* Reads every byte of every tensor, so that AddressSanitizer checks each access, and checks the names. */
static uint64_t touch(const struct thaw_weights *w)
{
	uint64_t digest = 0;
	for (int i = 0; i < w->count; i++) {
		const struct thaw_named_tensor *t = &w->tensors[i];
		assert_non_null(t->data);
		assert_true(strlen(t->name) > 0);
		digest = thaw_digest(t->data, (size_t)thaw_shape_count(&t->shape) * thaw_dtype_size(t->dtype), digest);
	}
	return digest;
}

static void assert_one_line(const char *message)
{
	assert_true(strlen(message) > 0);
	assert_null(strchr(message, '\n'));
}

/* Parses a copy in a block of exactly its size, so that AddressSanitizer detects reads beyond it. */
static thaw_status parse_copy(const void *bytes, size_t size)
{
	struct thaw_weights w = {0};
	char *copy = malloc(size ? size : 1);
	memcpy(copy, bytes, size);
	thaw_status status = thaw_weights_parse(&w, copy, size, "copy");
	if (status == THAW_OK)
		touch(&w);
	else
		assert_one_line(thaw_error_message());
	thaw_weights_free(&w);
	free(copy);
	return status;
}

static void expect_values(const struct thaw_named_tensor *t, const json_t *expected)
{
	const json_t *shape = json_object_get(expected, "shape"), *values = json_object_get(expected, "values");
	float value[64];
	assert_string_equal(thaw_dtype_name(t->dtype), json_string_value(json_object_get(expected, "dtype")));
	assert_int_equal(t->shape.ndim, json_array_size(shape));
	for (int i = 0; i < t->shape.ndim; i++)
		assert_int_equal(t->shape.dim[i], json_integer_value(json_array_get(shape, (size_t)i)));
	int64_t count = thaw_shape_count(&t->shape);
	assert_int_equal(count, json_array_size(values));
	assert_true(count <= 64);
	thaw_to_f32(t->dtype, t->data, value, count);
	for (int64_t i = 0; i < count; i++) {
		double exact = json_number_value(json_array_get(values, (size_t)i));
		if (value[i] != (float)exact)
			fail_msg("%s[%d] is %.9g, not %.9g", t->name, (int)i, (double)value[i], exact);
	}
}

/* Checks that the file has exactly the tensors of weights.json, in its order if `ordered`. */
static void expect_golden(const struct thaw_weights *w, bool ordered)
{
	json_t *golden = json_load_file(GOLDEN "weights.json", 0, NULL);
	assert_non_null(golden);
	assert_int_equal(w->count, json_object_size(golden));
	const char *name;
	json_t *expected;
	int i = 0;
	json_object_foreach(golden, name, expected)
	{
		const struct thaw_named_tensor *t = thaw_weights_find(w, name);
		assert_non_null(t);
		expect_values(t, expected);
		if (ordered)
			assert_string_equal(w->tensors[i].name, name);
		i++;
	}
	json_decref(golden);
}

static void test_pth_values(void **state)
{
	(void)state;
	static const char *const files[] = {"weights_zip.pth", "weights_stream.pth", "weights_stream5.pth"};
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		struct thaw_weights w = {0};
		assert_int_equal(read_golden(&w, files[i]), THAW_OK);
		expect_golden(&w, true);
		assert_null(thaw_weights_find(&w, "conv"));
		thaw_weights_free(&w);
		assert_int_equal(w.count, 0);
	}
}

static void test_safetensors_values(void **state)
{
	(void)state;
	struct thaw_weights w = {0};
	assert_int_equal(read_golden(&w, "weights.safetensors"), THAW_OK);
	expect_golden(&w, false);
	assert_string_equal(thaw_weights_get(&w, "format"), "pt");
	assert_string_equal(thaw_weights_get(&w, "note"), "two\nlines");
	assert_null(thaw_weights_get(&w, "none"));
	thaw_weights_free(&w);
}

/* A state dict under the key "state_dict" with the prefix "module.", a file written by Python 2, pickled modules, and
 * weights beside objects of many classes.
 */
static void test_wrapped(void **state)
{
	(void)state;
	static const char *const files[] = {"weights_checkpoint.pth", "weights_python2.pth",
					    "weights_module.pth",     "weights_module_stream.pth",
					    "weights_objects2.pth",   "weights_objects5.pth"};
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		struct thaw_weights w = {0};
		float value[2];
		assert_int_equal(read_golden(&w, files[i]), THAW_OK);
		assert_int_equal(w.count, 2);
		bool wrapped = i == 0 || i >= 4;
		const struct thaw_named_tensor *weight = thaw_weights_find(&w, wrapped ? "module.weight" : "weight");
		const struct thaw_named_tensor *bias = thaw_weights_find(&w, wrapped ? "module.bias" : "bias");
		assert_true(weight && bias);
		assert_true(thaw_shape_equal(&weight->shape, &thaw_shape_of(1, 2)));
		thaw_to_f32(weight->dtype, weight->data, value, 2);
		assert_true(value[0] == 1 && value[1] == 2);
		thaw_to_f32(bias->dtype, bias->data, value, 1);
		assert_true(value[0] == 3);
		thaw_weights_free(&w);
	}
}

static void expect_refusal(const char *file, const char *words)
{
	struct thaw_weights w = {0};
	assert_int_equal(read_golden(&w, file), THAW_DATA);
	assert_one_line(thaw_error_message());
	if (!strstr(thaw_error_message(), words))
		fail_msg("\"%s\" does not say \"%s\"", thaw_error_message(), words);
	assert_int_equal(w.count, 0);
	assert_null(w.tensors);
}

static void test_refused(void **state)
{
	(void)state;
	expect_refusal("weights_evil.pth", "posix.system");
	expect_refusal("weights_evil_stream.pth", "posix.system");
	expect_refusal("weights_none.pth", "no dict of tensors");
	expect_refusal("weights.json", "not a weight file");
	struct thaw_weights w = {0};
	assert_int_equal(read_golden(&w, "no-such-file.pth"), THAW_IO);
	assert_int_equal(thaw_weights_parse(&w, "", 0, "empty"), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "empty"));
	assert_int_equal(thaw_weights_parse(&w, "<html>", 6, "page"), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "web page"));
}

static void test_other_files(void **state)
{
	(void)state;
	static const struct {
		const char *start, *says;
	} files[] = {
		{"version https://git-lfs.github.com/spec/v1\noid sha256:", "Git LFS pointer"},
		{"<!DOCTYPE html><html>", "web page"},
		{"\x89HDF\r\n\x1a\n", "HDF5 file, as Keras writes: export the network to ONNX"},
		{"\x1f\x8b\x08", "compressed with gzip: unpack it"},
		{"{\"model_type\": \"resnet\"}", "JSON file: give the weights"},
		{"roses are red", "supported are safetensors, PyTorch's .pth, and .onnx"},
		{"PK\3\4", "zip archive"},
	};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct thaw_weights w = {0};
		assert_int_equal(thaw_weights_parse(&w, files[i].start, strlen(files[i].start), "net.pth"), THAW_DATA);
		assert_one_line(thaw_error_message());
		if (!strstr(thaw_error_message(), files[i].says))
			fail_msg("\"%s\" does not say \"%s\"", thaw_error_message(), files[i].says);
	}
}

static const char *const goldens[] = {"weights.safetensors",       "weights_zip.pth",         "weights_stream.pth",
				      "weights_stream5.pth",       "weights_checkpoint.pth",  "weights_python2.pth",
				      "weights_evil.pth",          "weights_evil_stream.pth", "weights_module.pth",
				      "weights_module_stream.pth", "weights_objects2.pth",    "weights_objects5.pth"};

static void test_truncated(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(goldens) / sizeof(*goldens); i++) {
		char path[SCRATCH_PATH];
		size_t size;
		snprintf(path, sizeof(path), GOLDEN "%s", goldens[i]);
		char *bytes = scratch_get(path, &size);
		for (size_t cut = 0; cut < size; cut++)
			assert_int_equal(parse_copy(bytes, cut), THAW_DATA);
		/* One byte more: the NUL from scratch_get. zip archives are exempt, since a comment may follow. */
		if (memcmp(bytes, "PK", 2) != 0)
			assert_int_equal(parse_copy(bytes, size + 1), THAW_DATA);
		free(bytes);
	}
}

/* Flips single bits: the result is an error message of one line, or tensors that can be read. Every bit, except for zip
 * archives, which are slower to parse: one bit in nine. */
static void test_flipped(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(goldens) / sizeof(*goldens); i++) {
		char path[SCRATCH_PATH];
		size_t size;
		snprintf(path, sizeof(path), GOLDEN "%s", goldens[i]);
		char *bytes = scratch_get(path, &size);
		size_t step = memcmp(bytes, "PK", 2) == 0 ? 9 : 1;
		for (size_t bit = 0; bit < size * 8; bit += step) {
			bytes[bit / 8] ^= (char)(1 << bit % 8);
			thaw_status status = parse_copy(bytes, size);
			assert_true(status == THAW_OK || status == THAW_DATA);
			bytes[bit / 8] ^= (char)(1 << bit % 8);
		}
		free(bytes);
	}
}

/* Parses a safetensors file of this header and `data` zero bytes. */
static thaw_status parse_header(const char *header, size_t data)
{
	size_t length = strlen(header), size = 8 + length + data;
	char *bytes = calloc(1, size);
	uint64_t prefix = length;
	memcpy(bytes, &prefix, 8);
	memcpy(bytes + 8, header, length);
	thaw_status status = parse_copy(bytes, size);
	free(bytes);
	return status;
}

static void test_hostile_headers(void **state)
{
	(void)state;
#define T(name, shape, from, to) \
	"\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}"
	static const struct {
		const char *header;
		size_t data;
		const char *words;
	} cases[] = {
		{"{" T("a", "[2]", "0", "8") "," T("b", "[2]", "4", "12") "}", 12, "tensor b overlap"},
		{"{" T("a", "[2]", "0", "8") "," T("b", "[2]", "0", "8") "}", 8, "overlap"},
		{"{" T("a", "[2]", "4", "12") "}", 12, "before tensor a"},
		{"{" T("a", "[1]", "0", "4") "," T("b", "[1]", "8", "12") "}", 12, "before tensor b"},
		{"{" T("a", "[1]", "0", "4") "}", 5, "at its end"},
		{"{" T("a", "[2]", "0", "8") "}", 7, "are outside"},
		{"{" T("a", "[2]", "0", "4") "}", 4, "needs 8 bytes"},
		{"{" T("a", "[2]", "8", "0") "}", 8, "are outside"},
		{"{" T("a", "[2]", "-8", "0") "}", 8, "are outside"},
		{"{" T("a", "[4611686018427387905]", "0", "4") "}", 4, "more elements"},
		{"{" T("a", "[4294967296,4294967296]", "0", "0") "}", 0, "more elements"},
		{"{" T("a", "[0,4294967296,4294967296]", "0", "0") "}", 0, "more elements"},
		{"{" T("a", "[99999999999999999999]", "0", "4") "}", 4, "too big"},
		{"{" T("a", "[-1]", "0", "0") "}", 0, "negative"},
		{"{" T("a", "[1.0]", "0", "4") "}", 4, "whole numbers"},
		{"{" T("a", "1", "0", "4") "}", 4, "list"},
		{"{" T("a", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, "at most"},
		{"{" T("a", "[1]", "0", "4") "," T("a", "[1]", "4", "8") "}", 8, "duplicate"},
		{"{" T("", "[1]", "0", "4") "}", 4, "name"},
		{"{" T("a\\nb", "[1]", "0", "4") "}", 4, "name"},
		{"{" T("a\\u0000b", "[1]", "0", "4") "}", 4, "NUL"},
		{"{\"a\":{\"dtype\":\"F3\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "element type"},
		{"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "exactly dtype"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "two whole"},
		{"{\"a\":[]}", 0, "exactly dtype"},
		{"{\"__metadata__\":{\"k\":1}}", 0, "strings"},
		{"{\"__metadata__\":[]}", 0, "not an object"},
		{"{} {}", 0, "end of file"},
		{"{\"a\"", 0, "damaged"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(parse_header(cases[i].header, cases[i].data), THAW_DATA);
		if (!strstr(thaw_error_message(), cases[i].words))
			fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].header, thaw_error_message(),
				 cases[i].words);
	}
	/* The same kind of file is accepted if its content is valid. */
	assert_int_equal(parse_header("{" T("b", "[1]", "4", "8") "," T("a", "[1]", "0", "4") "}   ", 8), THAW_OK);
	assert_int_equal(parse_header("{}", 0), THAW_OK);
#undef T
}

static void test_hostile_lengths(void **state)
{
	(void)state;
	static const uint64_t lengths[] = {3, 100, 1 << 25, (uint64_t)1 << 40, ((uint64_t)1 << 56) - 1};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		char bytes[10] = {0};
		memcpy(bytes, &lengths[i], 8);
		memcpy(bytes + 8, "{}", 2);
		assert_int_equal(parse_copy(bytes, sizeof(bytes)), THAW_DATA);
	}
}

static thaw_status append_bytes(struct thaw_sink *sink, const void *bytes, size_t size)
{
	struct thaw_weights *buffer = sink->context; /* storage: bytes so far */
	buffer->storage = realloc(buffer->storage, buffer->storage_bytes + size + 1);
	memcpy((char *)buffer->storage + buffer->storage_bytes, bytes, size);
	buffer->storage_bytes += size;
	return THAW_OK;
}

static void test_write(void **state)
{
	(void)state;
	struct thaw_weights w = {0}, buffer = {0}, again = {0};
	struct thaw_pair metadata[] = {{"labels", "[\"a \\\" \xc3\xa4\"]"}, {"empty", ""}};
	struct thaw_sink sink = {append_bytes, &buffer};
	assert_int_equal(read_golden(&w, "weights_zip.pth"), THAW_OK);
	w.metadata = metadata;
	w.metadata_count = 2;
	assert_int_equal(thaw_safetensors_write(&w, &sink), THAW_OK);
	uint64_t length;
	memcpy(&length, buffer.storage, 8);
	assert_int_equal(length % 8, 0);
	assert_int_equal(thaw_weights_parse(&again, buffer.storage, buffer.storage_bytes, "again"), THAW_OK);
	expect_golden(&again, true);
	assert_int_equal(touch(&w), touch(&again));
	assert_int_equal(again.metadata_count, 2);
	assert_string_equal(thaw_weights_get(&again, "labels"), metadata[0].value);
	assert_string_equal(thaw_weights_get(&again, "empty"), "");
	thaw_weights_free(&again);

	metadata[0].value = "\xff"; /* not valid UTF-8 */
	assert_int_equal(thaw_safetensors_write(&w, &sink), THAW_DATA);
	w.metadata = NULL;
	w.metadata_count = 0;
	char *name = w.tensors[1].name;
	w.tensors[1].name = w.tensors[0].name;
	assert_int_equal(thaw_safetensors_write(&w, &sink), THAW_SOFTWARE);
	w.tensors[1].name = name;
	free(buffer.storage);
	thaw_weights_free(&w);
}

static thaw_status fail_after(struct thaw_sink *sink, const void *bytes, size_t size)
{
	(void)bytes, (void)size;
	int *left = sink->context;
	return (*left)-- > 0 ? THAW_OK : thaw_fail(THAW_IO, "full");
}

/* The failure of any write of the sink is returned. */
static void test_write_fails(void **state)
{
	(void)state;
	struct thaw_weights w = {0};
	assert_int_equal(read_golden(&w, "weights.safetensors"), THAW_OK);
	int writes = 0;
	for (thaw_status status = THAW_IO; status != THAW_OK; writes++) {
		int left = writes;
		struct thaw_sink sink = {fail_after, &left};
		status = thaw_safetensors_write(&w, &sink);
		assert_true(status == THAW_OK || status == THAW_IO);
	}
	assert_true(writes > w.count);
	thaw_weights_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pth_values),      cmocka_unit_test(test_safetensors_values),
		cmocka_unit_test(test_wrapped),         cmocka_unit_test(test_refused),
		cmocka_unit_test(test_other_files),     cmocka_unit_test(test_hostile_headers),
		cmocka_unit_test(test_hostile_lengths), cmocka_unit_test(test_write),
		cmocka_unit_test(test_write_fails),     cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped),
	};
	return cmocka_run_group_tests_name("weights", tests, NULL, NULL);
}
