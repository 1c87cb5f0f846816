/* ONNX files: valid ones, and hostile ones written byte by byte. */
#include "tests/scratch.h"

#include <sys/stat.h>

#include "src/onnx/wire/node.h"
#include "src/onnx/wire/tensor.h"
#include "tests/unit/onnx_wire.h"

#define FLOAT  ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
#define DEEP   10000 /* nested messages */
#define FLOATS 6     /* elements of the tensors */

static const float values[FLOATS] = {0, 1, -2, 3.5f, 4, 5};

/* The error message is one line and contains `part`. */
static void expect_message(const char *part)
{
	const char *message = thaw_error_message();
	if (!strstr(message, part) || strchr(message, '\n'))
		fail_msg("\"%s\" has no \"%s\"", message, part);
}

/* Parses a copy of exactly this size, so that sanitizers detect reads past its end. */
static thaw_status parse(struct thaw_onnx_file **f, const struct wire *w, size_t size)
{
	void *copy = malloc(size ? size : 1);
	memcpy(copy, w->bytes, size);
	thaw_status status = thaw_onnx_file_parse(f, copy, size, "test.onnx");
	free(copy);
	return status;
}

static void expect_refused(const struct wire *model, const char *part)
{
	struct thaw_onnx_file *f = NULL;
	assert_int_equal(parse(&f, model, model->size), THAW_DATA);
	assert_null(f);
	expect_message("test.onnx");
	expect_message(part);
}

/* Begins a tensor "w" of this type and these dimensions, without data. */
static void tensor_begin(struct wire *t, int type, int ndim, const int64_t *dims)
{
	t->size = 0;
	for (int i = 0; i < ndim; i++)
		wire_int(t, TENSOR_DIMS, dims[i]);
	wire_int(t, TENSOR_TYPE, type);
	wire_text(t, TENSOR_NAME, "w");
}

static void tensor_floats(struct wire *t)
{
	tensor_begin(t, FLOAT, 2, (int64_t[]){2, 3});
	wire_blob(t, TENSOR_RAW, values, sizeof(values));
}

static void external_entry(struct wire *t, const char *key, const char *value)
{
	static struct wire entry;
	entry.size = 0;
	wire_text(&entry, ENTRY_KEY, key);
	wire_text(&entry, ENTRY_VALUE, value);
	wire_message(t, TENSOR_EXTERNAL, &entry);
}

/* A tensor of FLOATS floats at `offset` of `location`; offset and length may be NULL. */
static void tensor_external(struct wire *t, const char *location, const char *offset, const char *length)
{
	tensor_begin(t, FLOAT, 1, (int64_t[]){FLOATS});
	external_entry(t, "location", location);
	if (offset)
		external_entry(t, "offset", offset);
	if (length)
		external_entry(t, "length", length);
	wire_int(t, TENSOR_LOCATION, ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL);
}

/* Reads this tensor from a model in memory. */
static thaw_status read_tensor(const struct wire *t, float got[FLOATS])
{
	static struct wire model;
	struct thaw_onnx_file *f;
	struct thaw_onnx_tensor tensor;
	wire_model(&model, NULL, t);
	assert_int_equal(parse(&f, &model, model.size), THAW_OK);
	thaw_status status = thaw_onnx_tensor_read(&tensor, f->model->graph->initializer[0], f);
	if (status == THAW_OK) {
		assert_string_equal(tensor.name, "w");
		int64_t count = thaw_shape_count(&tensor.shape);
		assert_true(count <= FLOATS);
		thaw_to_f32(tensor.type, tensor.data, got, count);
		thaw_onnx_tensor_free(&tensor);
	} else {
		expect_message("test.onnx");
	}
	thaw_onnx_file_close(f);
	return status;
}

static void expect_tensor_refused(const struct wire *t, const char *part)
{
	float ignored[FLOATS];
	assert_int_equal(read_tensor(t, ignored), THAW_DATA);
	expect_message(part);
}

/* ---- The file ---- */

static void a_valid_model_is_read(void **state)
{
	(void)state;
	static struct wire model, tensor;
	struct thaw_onnx_file *f;
	tensor_floats(&tensor);
	wire_model(&model, NULL, &tensor);
	assert_int_equal(parse(&f, &model, model.size), THAW_OK);
	assert_int_equal(f->model->ir_version, 8);
	assert_int_equal(f->model->opset_import[0]->version, 17);
	assert_string_equal(f->model->graph->name, "test");
	assert_int_equal(f->model->graph->n_initializer, 1);
	thaw_onnx_file_close(f);
}

static void truncated_models_are_refused(void **state)
{
	(void)state;
	static struct wire model, tensor;
	tensor_floats(&tensor);
	wire_model(&model, NULL, &tensor);
	for (size_t size = 0; size < model.size; size++) {
		struct thaw_onnx_file *f = NULL;
		thaw_status status = parse(&f, &model, size);
		if (status == THAW_OK) /* truncated between two fields */
			thaw_onnx_file_close(f);
		else
			expect_message("test.onnx");
	}
}

/* Any changed byte is refused or read without a memory error. */
static void changed_bytes_are_harmless(void **state)
{
	(void)state;
	static const uint8_t changes[] = {0x00, 0x01, 0x07, 0x0a, 0x22, 0x7f, 0x80, 0xff};
	static struct wire model, tensor;
	tensor_floats(&tensor);
	wire_model(&model, NULL, &tensor);
	for (size_t i = 0; i < model.size; i++) {
		uint8_t before = model.bytes[i];
		for (size_t k = 0; k < sizeof(changes); k++) {
			struct thaw_onnx_file *f = NULL;
			model.bytes[i] = changes[k];
			if (parse(&f, &model, model.size) == THAW_OK)
				thaw_onnx_file_close(f);
			else
				expect_message("test.onnx");
		}
		model.bytes[i] = before;
	}
}

/* Graphs nested in attributes of nodes. Written from the innermost: each length depends on the inner message. */
static void deep_nesting_is_refused(void **state)
{
	(void)state;
	static const uint8_t keys[] = {GRAPH_NODE << 3 | 2, NODE_ATTRIBUTE << 3 | 2, ATTRIBUTE_GRAPH << 3 | 2};
	static uint8_t reversed[WIRE_SIZE];
	static struct wire model;
	size_t size = 0;
	for (int depth = DEEP - 1; depth >= 0; depth--) {
		size_t length = size;
		uint8_t varint[4];
		int n = 0;
		do {
			varint[n++] = (uint8_t)((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
			length >>= 7;
		} while (length > 0);
		while (n > 0)
			reversed[size++] = varint[--n];
		reversed[size++] = depth == 0 ? MODEL_GRAPH << 3 | 2 : keys[(depth - 1) % 3];
	}
	model.size = size;
	for (size_t i = 0; i < size; i++)
		model.bytes[i] = reversed[size - 1 - i];
	expect_refused(&model, "nested more than 100 deep");
}

/* protobuf merges repeated singular fields, at a cost quadratic in the file size. */
static void repeated_singular_fields_are_refused(void **state)
{
	(void)state;
	static struct wire model;
	model.size = 0;
	wire_blob(&model, MODEL_GRAPH, "", 0);
	wire_blob(&model, MODEL_GRAPH, "", 0);
	expect_refused(&model, "occurs twice");
}

/* A million times two bytes in the file that need a hundred in memory. */
static void memory_of_unpacking_is_limited(void **state)
{
	(void)state;
	const size_t nodes = 1 << 20, graph_bytes = 2 * nodes;
	static struct wire head;
	head.size = 0;
	wire_varint(&head, MODEL_GRAPH << 3 | 2);
	wire_varint(&head, graph_bytes);
	uint8_t *bytes = calloc(head.size + graph_bytes, 1);
	memcpy(bytes, head.bytes, head.size);
	for (size_t i = 0; i < nodes; i++)
		bytes[head.size + 2 * i] = GRAPH_NODE << 3 | 2;
	struct thaw_onnx_file *f = NULL;
	assert_int_equal(thaw_onnx_file_parse(&f, bytes, head.size + graph_bytes, "test.onnx"), THAW_DATA);
	expect_message("needs too much memory");
	free(bytes);
}

static void names_must_be_printable_utf8(void **state)
{
	(void)state;
	static const char *const bad[] = {"a\nb", "\x1b[2J", "\xff", "\x7f"};
	static struct wire model, node;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		node.size = 0;
		wire_text(&node, NODE_NAME, bad[i]);
		wire_model(&model, &node, NULL);
		expect_refused(&model, "a name is not text");
	}
	node.size = 0;
	wire_blob(&node, NODE_NAME, "a\0b", 3);
	wire_model(&model, &node, NULL);
	expect_refused(&model, "a name is not text");
}

static void other_files_are_refused(void **state)
{
	(void)state;
	static struct wire model;
	struct thaw_onnx_file *f = NULL;
	model.size = 0;
	expect_refused(&model, "has no graph");
	wire_text(&model, 0, "field 0");
	expect_refused(&model, "invalid number");
	model.size = 0;
	wire_varint(&model, MODEL_GRAPH << 3 | 3); /* a group, an obsolete wire type */
	expect_refused(&model, "invalid type");
	model.size = 0;
	wire_int(&model, MODEL_GRAPH, 1); /* a number instead of a message */
	expect_refused(&model, "not an ONNX model");
	assert_int_equal(thaw_onnx_file_open(&f, "/nowhere/model.onnx"), THAW_IO);
	expect_message("/nowhere/model.onnx");
}

/* ---- Tensors ---- */

static void tensors_in_all_encodings(void **state)
{
	(void)state;
	static struct wire t;
	float got[FLOATS] = {0};
	tensor_floats(&t);
	assert_int_equal(read_tensor(&t, got), THAW_OK);
	assert_memory_equal(got, values, sizeof(values));

	tensor_begin(&t, FLOAT, 1, (int64_t[]){FLOATS});
	wire_blob(&t, TENSOR_FLOATS, values, sizeof(values));
	assert_int_equal(read_tensor(&t, got), THAW_OK);
	assert_memory_equal(got, values, sizeof(values));

	/* F16 by its bits, and a negative byte, in int32_data. */
	tensor_begin(&t, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, 1, (int64_t[]){2});
	wire_int(&t, TENSOR_INT32S, 0x3c00);
	wire_int(&t, TENSOR_INT32S, 0xc000);
	assert_int_equal(read_tensor(&t, got), THAW_OK);
	assert_true(got[0] == 1 && got[1] == -2);
	tensor_begin(&t, ONNX__TENSOR_PROTO__DATA_TYPE__INT8, 0, NULL);
	wire_int(&t, TENSOR_INT32S, -5);
	assert_int_equal(read_tensor(&t, got), THAW_OK);
	assert_true(got[0] == -5);

	tensor_begin(&t, FLOAT, 2, (int64_t[]){0, 7}); /* empty */
	assert_int_equal(read_tensor(&t, got), THAW_OK);
}

static void damaged_tensors_are_refused(void **state)
{
	(void)state;
	static struct wire t;
	const int64_t many[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
	tensor_begin(&t, FLOAT, 1, (int64_t[]){FLOATS + 1});
	wire_blob(&t, TENSOR_RAW, values, sizeof(values));
	expect_tensor_refused(&t, "needs 28 bytes, there are 24");
	tensor_begin(&t, FLOAT, 1, (int64_t[]){FLOATS - 1});
	wire_blob(&t, TENSOR_FLOATS, values, sizeof(values));
	expect_tensor_refused(&t, "needs 5 elements, there are 6");
	tensor_begin(&t, ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, 1, (int64_t[]){INT64_C(1) << 40});
	expect_tensor_refused(&t, "there are 0");
	tensor_begin(&t, FLOAT, 2, (int64_t[]){-1, 6});
	expect_tensor_refused(&t, "negative");
	tensor_begin(&t, FLOAT, 2, (int64_t[]){INT64_MAX, INT64_MAX});
	expect_tensor_refused(&t, "more elements than the address space holds");
	tensor_begin(&t, FLOAT, 3, (int64_t[]){0, INT64_MAX, INT64_MAX});
	expect_tensor_refused(&t, "more elements than the address space holds");
	tensor_begin(&t, FLOAT, 9, many);
	expect_tensor_refused(&t, "9 dimensions, at most 8");
	tensor_begin(&t, ONNX__TENSOR_PROTO__DATA_TYPE__STRING, 1, (int64_t[]){1});
	wire_text(&t, TENSOR_STRINGS, "text");
	expect_tensor_refused(&t, "type STRING (8)");
	tensor_begin(&t, 23, 1, (int64_t[]){1});
	expect_tensor_refused(&t, "type UNDEFINED (23)");
	tensor_external(&t, "weights", NULL, NULL);
	expect_tensor_refused(&t, "was not read from a file");
}

/* ---- External data ---- */

/* Writes a model with this tensor to FOLDER/model.onnx and reads both; *sum = the sum of its values. */
static thaw_status read_external(const struct scratch *s, const struct wire *t, float *sum)
{
	static struct wire model;
	struct thaw_onnx_file *f;
	struct thaw_onnx_tensor tensor;
	float got[FLOATS];
	wire_model(&model, NULL, t);
	scratch_put(scratch_file(s, "model.onnx"), model.bytes, model.size);
	assert_int_equal(thaw_onnx_file_open(&f, scratch_file(s, "model.onnx")), THAW_OK);
	thaw_status status = thaw_onnx_tensor_read(&tensor, f->model->graph->initializer[0], f);
	if (status == THAW_OK) {
		struct thaw_onnx_tensor again;
		assert_int_equal(thaw_onnx_tensor_read(&again, f->model->graph->initializer[0], f), THAW_OK);
		assert_ptr_equal(again.data, tensor.data); /* the file is mapped once */
		assert_null(tensor.owned);
		thaw_to_f32(tensor.type, tensor.data, got, FLOATS);
		*sum = 0;
		for (int i = 0; i < FLOATS; i++)
			*sum += got[i];
	} else {
		expect_message("model.onnx");
		expect_message("w: ");
	}
	thaw_onnx_file_close(f);
	return status;
}

/* Writes 3 bytes and then the values, unaligned, to a file and to one in a subfolder. */
static void put_weights(const struct scratch *s)
{
	char bytes[3 + sizeof(values)] = {0};
	memcpy(bytes + 3, values, sizeof(values));
	scratch_put(scratch_file(s, "weights"), bytes, sizeof(bytes));
	mkdir(scratch_file(s, "sub"), 0777);
	scratch_put(scratch_file(s, "sub/weights"), bytes, sizeof(bytes));
}

static void external_data_is_mapped(void **state)
{
	static struct wire t;
	const struct scratch *s = *state;
	float sum = 0;
	put_weights(s);
	tensor_external(&t, "weights", "3", "24");
	assert_int_equal(read_external(s, &t, &sum), THAW_OK);
	assert_true(sum == 11.5f);
	tensor_external(&t, "./sub/weights", "3", NULL);
	assert_int_equal(read_external(s, &t, &sum), THAW_OK);
	assert_true(sum == 11.5f);
}

/* The layout of the Hugging Face cache: links to blobs for the model and for its data. */
static void links_beside_the_model_are_followed(void **state)
{
	static struct wire t, model;
	const struct scratch *s = *state;
	struct thaw_onnx_file *f;
	struct thaw_onnx_tensor tensor;
	put_weights(s);
	mkdir(scratch_file(s, "snapshots"), 0777);
	mkdir(scratch_file(s, "blobs"), 0777);
	tensor_external(&t, "model.onnx.data", "3", "24");
	wire_model(&model, NULL, &t);
	scratch_put(scratch_file(s, "blobs/1234"), model.bytes, model.size);
	assert_int_equal(symlink("../blobs/1234", scratch_file(s, "snapshots/model.onnx")), 0);
	assert_int_equal(rename(scratch_file(s, "weights"), scratch_file(s, "blobs/5678")), 0);
	for (int away = 0; away < 2; away++) {
		const char *target = away ? "../sub/weights" : "../blobs/5678";
		assert_int_equal(symlink(target, scratch_file(s, "snapshots/model.onnx.data")), 0);
		assert_int_equal(thaw_onnx_file_open(&f, scratch_file(s, "snapshots/model.onnx")), THAW_OK);
		assert_int_equal(thaw_onnx_tensor_read(&tensor, f->model->graph->initializer[0], f),
				 away ? THAW_DATA : THAW_OK);
		if (away)
			expect_message("does not lead beside the model's own file");
		thaw_onnx_file_close(f);
		assert_int_equal(unlink(scratch_file(s, "snapshots/model.onnx.data")), 0);
	}
}

struct refused {
	const char *location, *offset, *length, *message;
};

static void unsafe_external_data_is_refused(void **state)
{
	static const struct refused cases[] = {
		{"/etc/passwd", "0", "24", "leaves the model's folder"},
		{"../weights", "0", "24", "leaves the model's folder"},
		{"sub/../../weights", "0", "24", "leaves the model's folder"},
		{"sub/../weights", "0", "24", "leaves the model's folder"},
		{"..", "0", "24", "leaves the model's folder"},
		{"", "0", "24", "leaves the model's folder"},
		{"link", "3", "24", "symbolic link"},
		{"twice", "3", "24", "symbolic link"},
		{"root", "3", "24", "symbolic link"},
		{"linked/weights", "3", "24", "symbolic link"},
		{"weights/x", "3", "24", "passes through a file"},
		{"pipe", "0", "24", "not a regular file"},
		{"sub", "0", "24", "not a regular file"},
		{"sub/", "0", "24", "not a regular file"},
		{".", "0", "24", "not a regular file"},
		{"weights", "4", "24", "ends before"},
		{"weights", "18446744073709551615", "24", "ends before"},
		{"weights", "18446744073709551600", "24", "ends before"},
		{"empty", "0", "24", "ends before"},
		{"weights", "99999999999999999999", "24", "not a number"},
		{"weights", "-1", "24", "not a number"},
		{"weights", "0x3", "24", "not a number"},
		{"weights", "3", "20", "needs 24 bytes, there are 20"},
		{"weights", "3", "18446744073709551615", "needs 24 bytes"},
	};
	static struct wire t;
	const struct scratch *s = *state;
	float ignored;
	put_weights(s);
	scratch_put(scratch_file(s, "empty"), "", 0);
	assert_int_equal(symlink("sub/weights", scratch_file(s, "link")), 0);
	assert_int_equal(symlink("link", scratch_file(s, "twice")), 0);
	assert_int_equal(symlink("/weights", scratch_file(s, "root")), 0);
	assert_int_equal(symlink("sub", scratch_file(s, "linked")), 0);
	assert_int_equal(mkfifo(scratch_file(s, "pipe"), 0666), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		tensor_external(&t, cases[i].location, cases[i].offset, cases[i].length);
		assert_int_equal(read_external(s, &t, &ignored), THAW_DATA);
		expect_message(cases[i].message);
	}
	tensor_external(&t, "nothing\x1b", "0", "24");
	assert_int_equal(read_external(s, &t, &ignored), THAW_IO);
	expect_message("\"nothing?\"");
	tensor_begin(&t, FLOAT, 1, (int64_t[]){FLOATS});
	wire_int(&t, TENSOR_LOCATION, ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL);
	static struct wire model;
	struct thaw_onnx_file *f;
	struct thaw_onnx_tensor tensor;
	wire_model(&model, NULL, &t);
	assert_int_equal(parse(&f, &model, model.size), THAW_OK);
	assert_int_equal(thaw_onnx_tensor_read(&tensor, f->model->graph->initializer[0], f), THAW_DATA);
	expect_message("has no location");
	thaw_onnx_file_close(f);
}

/* ---- Attributes ---- */

static void attributes_by_name_and_type(void **state)
{
	(void)state;
	static struct wire model, node, attribute;
	struct thaw_onnx_file *f;
	node.size = 0;
	wire_text(&node, NODE_NAME, "first");
	wire_text(&node, NODE_OP_TYPE, "Conv");
	attribute.size = 0;
	wire_text(&attribute, ATTRIBUTE_NAME, "group");
	wire_int(&attribute, ATTRIBUTE_I, 3);
	wire_int(&attribute, ATTRIBUTE_TYPE, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
	wire_message(&node, NODE_ATTRIBUTE, &attribute);
	attribute.size = 0;
	wire_text(&attribute, ATTRIBUTE_NAME, "auto_pad");
	wire_text(&attribute, ATTRIBUTE_S, "VALID");
	wire_int(&attribute, ATTRIBUTE_TYPE, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
	wire_message(&node, NODE_ATTRIBUTE, &attribute);
	wire_model(&model, &node, NULL);
	assert_int_equal(parse(&f, &model, model.size), THAW_OK);
	const Onnx__NodeProto *n = f->model->graph->node[0];

	int64_t i = 0;
	float x = 0;
	char text[THAW_ONNX_TEXT];
	const int64_t *ints;
	const Onnx__TensorProto *tensor;
	size_t count = 9;
	assert_true(thaw_onnx_attribute_present(n, "group"));
	assert_false(thaw_onnx_attribute_present(n, "pads"));
	assert_int_equal(thaw_onnx_attribute_int(&i, n, "group", 1), THAW_OK);
	assert_int_equal(i, 3);
	assert_int_equal(thaw_onnx_attribute_int(&i, n, "absent", -7), THAW_OK);
	assert_int_equal(i, -7);
	assert_int_equal(thaw_onnx_attribute_float(&x, n, "absent", 0.5f), THAW_OK);
	assert_true(x == 0.5f);
	assert_int_equal(thaw_onnx_attribute_string(text, n, "auto_pad", "NOTSET"), THAW_OK);
	assert_string_equal(text, "VALID");
	assert_int_equal(thaw_onnx_attribute_string(text, n, "absent", "NOTSET"), THAW_OK);
	assert_string_equal(text, "NOTSET");
	assert_int_equal(thaw_onnx_attribute_ints(&ints, &count, n, "absent"), THAW_OK);
	assert_true(!ints && count == 0);
	assert_int_equal(thaw_onnx_attribute_tensor(&tensor, n, "absent"), THAW_OK);
	assert_null(tensor);
	assert_int_equal(thaw_onnx_attribute_ints(&ints, &count, n, "group"), THAW_DATA);
	expect_message("Conv first: attribute group is of type INT, not INTS");
	thaw_onnx_file_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_valid_model_is_read),
		cmocka_unit_test(truncated_models_are_refused),
		cmocka_unit_test(changed_bytes_are_harmless),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(repeated_singular_fields_are_refused),
		cmocka_unit_test(memory_of_unpacking_is_limited),
		cmocka_unit_test(names_must_be_printable_utf8),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(tensors_in_all_encodings),
		cmocka_unit_test(damaged_tensors_are_refused),
		cmocka_unit_test_setup_teardown(external_data_is_mapped, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(links_beside_the_model_are_followed, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(unsafe_external_data_is_refused, scratch_make, scratch_remove),
		cmocka_unit_test(attributes_by_name_and_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
