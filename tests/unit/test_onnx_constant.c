/* Constant folding: cases that ONNX's own node tests (test_onnx_nodes.c) do not cover. */
#include "tests/scratch.h"

#include <math.h>

#include "src/onnx/constant/operators.h"
#include "thaw/memory.h"

#define MAX_INPUTS  8
#define MAX_OUTPUTS 8
#define LIMIT       (INT64_C(1) << 20) /* max_elements of a result */

#define MAX_ATTRIBUTES 4
#define TEXT           256

/* A node under construction, its operands and its result. */
struct trial {
	Onnx__NodeProto node;
	Onnx__AttributeProto attributes[MAX_ATTRIBUTES], *attribute_list[MAX_ATTRIBUTES];
	struct thaw_onnx_constant inputs[MAX_INPUTS], outputs[MAX_OUTPUTS];
	const struct thaw_onnx_constant *input_list[MAX_INPUTS];
	int input_count, output_count;
	int64_t opset;
	enum thaw_onnx_outcome outcome;
};

static void begin(struct trial *t, const char *op_type, int64_t opset)
{
	*t = (struct trial){.node = ONNX__NODE_PROTO__INIT, .opset = opset, .output_count = 1};
	t->node.op_type = (char *)op_type;
	t->node.name = "node";
	t->node.attribute = t->attribute_list;
}

static Onnx__AttributeProto *attribute(struct trial *t, const char *name)
{
	Onnx__AttributeProto *a = &t->attributes[t->node.n_attribute];
	*a = (Onnx__AttributeProto)ONNX__ATTRIBUTE_PROTO__INIT;
	a->name = (char *)name;
	t->attribute_list[t->node.n_attribute++] = a;
	return a;
}

static void with_int(struct trial *t, const char *name, int64_t value)
{
	Onnx__AttributeProto *a = attribute(t, name);
	a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
	a->i = value;
}

static void with_ints(struct trial *t, const char *name, size_t count, const int64_t *values)
{
	Onnx__AttributeProto *a = attribute(t, name);
	a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
	a->ints = (int64_t *)values;
	a->n_ints = count;
}

/* Adds an input. */
static void add_input(struct trial *t, enum thaw_dtype type, struct thaw_shape shape, const void *values)
{
	struct thaw_onnx_constant *c = &t->inputs[t->input_count];
	assert_int_equal(thaw_onnx_constant_make(c, type, &shape, LIMIT, "an input"), THAW_OK);
	memcpy(c->data, values, (size_t)thaw_shape_count(&shape) * thaw_dtype_size(type));
	t->input_list[t->input_count++] = c;
}

static void add_ints(struct trial *t, int64_t count, const int64_t *values)
{
	add_input(t, THAW_I64, thaw_shape_of(count), values);
}

/* Adds an input with the numbers 0, 1, ... in this shape. */
static void add_counting(struct trial *t, struct thaw_shape shape)
{
	int64_t count = thaw_shape_count(&shape), *values = thaw_alloc((size_t)count, sizeof(*values));
	for (int64_t i = 0; i < count; i++)
		values[i] = i;
	add_input(t, THAW_I64, shape, values);
	thaw_free(values);
}

static thaw_status compute(struct trial *t)
{
	struct thaw_onnx_file file = {.path = "test.onnx"};
	struct thaw_onnx_operation o = {&t->node,      t->opset,       &file,      LIMIT,
					t->input_list, t->input_count, t->outputs, t->output_count};
	return thaw_onnx_constant_evaluate(&t->outcome, &o);
}

static void end(struct trial *t)
{
	for (int i = 0; i < MAX_INPUTS; i++)
		thaw_onnx_constant_free(&t->inputs[i]);
	for (int i = 0; i < MAX_OUTPUTS; i++)
		thaw_onnx_constant_free(&t->outputs[i]);
}

/* Compares output `index` with a text such as "(2, 1): 3 4". */
static void expect_output(const struct trial *t, int index, const char *want)
{
	char got[TEXT];
	const struct thaw_onnx_constant *c = &t->outputs[index];
	thaw_shape_text(&c->shape, got, sizeof(got));
	strcat(got, ":");
	for (int64_t i = 0; i < thaw_shape_count(&c->shape); i++) {
		size_t used = strlen(got);
		if (c->type == THAW_F32)
			snprintf(got + used, sizeof(got) - used, " %g", (double)((const float *)c->data)[i]);
		else if (c->type == THAW_I32)
			snprintf(got + used, sizeof(got) - used, " %d", ((const int32_t *)c->data)[i]);
		else if (c->type == THAW_I64)
			snprintf(got + used, sizeof(got) - used, " %lld", (long long)((const int64_t *)c->data)[i]);
	}
	assert_string_equal(got, want);
}

static void expect(struct trial *t, const char *want)
{
	if (compute(t) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	assert_int_equal(t->outcome, THAW_ONNX_EVALUATED);
	expect_output(t, 0, want);
	end(t);
}

/* Expects THAW_DATA with a message that contains `part` and the node's name, and no output. */
static void expect_error(struct trial *t, const char *part)
{
	assert_int_equal(compute(t), THAW_DATA);
	if (!strstr(thaw_error_message(), part) || !strstr(thaw_error_message(), "node"))
		fail_msg("\"%s\" has no \"%s\"", thaw_error_message(), part);
	for (int i = 0; i < t->output_count; i++)
		assert_null(t->outputs[i].data);
	end(t);
}

static void pair(struct trial *t, const char *op_type, int64_t x, int64_t y)
{
	begin(t, op_type, 13);
	add_input(t, THAW_I64, (struct thaw_shape){0}, &x);
	add_input(t, THAW_I64, (struct thaw_shape){0}, &y);
}

static void integers_wrap_around_and_truncate(void **state)
{
	(void)state;
	struct trial t;
	pair(&t, "Div", -7, 2);
	expect(&t, "(): -3");
	pair(&t, "Div", INT64_MIN, -1);
	expect(&t, "(): -9223372036854775808");
	pair(&t, "Div", 1, 0);
	expect_error(&t, "by zero");
	pair(&t, "Mod", -7, 3);
	expect(&t, "(): 2");
	pair(&t, "Mod", -7, 3);
	with_int(&t, "fmod", 1);
	expect(&t, "(): -1");
	pair(&t, "Mod", INT64_MIN, -1);
	expect(&t, "(): 0");
	pair(&t, "Mod", 7, 0);
	expect_error(&t, "by zero");
	pair(&t, "Add", INT64_MAX, 1);
	expect(&t, "(): -9223372036854775808");
	pair(&t, "Pow", -3, 3);
	expect(&t, "(): -27");
	pair(&t, "Pow", 2, -1);
	expect(&t, "(): 0");
	begin(&t, "Mul", 13);
	add_input(&t, THAW_I32, thaw_shape_of(1), (int32_t[]){INT32_MAX});
	add_input(&t, THAW_I32, thaw_shape_of(2), (int32_t[]){2, 3});
	expect(&t, "(2): -2 2147483645");
}

/* Some operands are attributes in older opsets and inputs in newer ones. */
static void attributes_become_inputs_in_newer_opsets(void **state)
{
	(void)state;
	struct trial t;
	for (int64_t opset = 11; opset <= 13; opset += 2) {
		begin(&t, "Unsqueeze", opset);
		add_counting(&t, thaw_shape_of(2));
		opset < 13 ? with_ints(&t, "axes", 2, (int64_t[]){0, -1}) : add_ints(&t, 2, (int64_t[]){0, -1});
		expect(&t, "(1, 2, 1): 0 1");
		begin(&t, "Squeeze", opset);
		add_counting(&t, thaw_shape_of(1, 2, 1));
		opset < 13 ? with_ints(&t, "axes", 1, (int64_t[]){-1}) : add_ints(&t, 1, (int64_t[]){-1});
		expect(&t, "(1, 2): 0 1");
		begin(&t, "Split", opset);
		t.output_count = 2;
		add_counting(&t, thaw_shape_of(3));
		opset < 13 ? with_ints(&t, "split", 2, (int64_t[]){1, 2}) : add_ints(&t, 2, (int64_t[]){1, 2});
		assert_int_equal(compute(&t), THAW_OK);
		expect_output(&t, 0, "(1): 0");
		expect_output(&t, 1, "(2): 1 2");
		end(&t);
	}
	for (int64_t opset = 17; opset <= 18; opset++) {
		begin(&t, "ReduceMax", opset);
		add_counting(&t, thaw_shape_of(2, 3));
		opset < 18 ? with_ints(&t, "axes", 1, (int64_t[]){1}) : add_ints(&t, 1, (int64_t[]){1});
		with_int(&t, "keepdims", 0);
		expect(&t, "(2): 2 5");
	}
	begin(&t, "Slice", 9);
	add_counting(&t, thaw_shape_of(4));
	with_ints(&t, "starts", 1, (int64_t[]){1});
	with_ints(&t, "ends", 1, (int64_t[]){INT64_MAX});
	expect(&t, "(3): 1 2 3");
	begin(&t, "Split", 18);
	t.output_count = 2;
	add_counting(&t, thaw_shape_of(5));
	expect(&t, "(3): 0 1 2");
}

static void slice(struct trial *t, int64_t size, int64_t start, int64_t end_, int64_t step)
{
	begin(t, "Slice", 13);
	add_counting(t, thaw_shape_of(size));
	add_ints(t, 1, &start);
	add_ints(t, 1, &end_);
	add_ints(t, 1, (int64_t[]){0});
	add_ints(t, 1, &step);
}

static void extreme_values(void **state)
{
	(void)state;
	struct trial t;
	slice(&t, 4, INT64_MAX, INT64_MIN, -1);
	expect(&t, "(4): 3 2 1 0");
	slice(&t, 4, INT64_MIN, INT64_MAX, INT64_MAX);
	expect(&t, "(1): 0");
	slice(&t, 4, INT64_MAX, INT64_MIN, INT64_MIN);
	expect(&t, "(1): 3");
	slice(&t, 0, INT64_MAX, INT64_MIN, -1);
	expect(&t, "(0):");
	slice(&t, 4, 0, 4, 0);
	expect_error(&t, "a step is 0");

	begin(&t, "Range", 11);
	add_ints(&t, 1, (int64_t[]){INT64_MAX - 1});
	add_ints(&t, 1, (int64_t[]){INT64_MIN});
	add_ints(&t, 1, (int64_t[]){INT64_MIN});
	expect(&t, "(2): 9223372036854775806 -2");
	begin(&t, "Range", 11);
	add_ints(&t, 1, (int64_t[]){INT64_MIN});
	add_ints(&t, 1, (int64_t[]){INT64_MAX});
	add_ints(&t, 1, (int64_t[]){1});
	expect_error(&t, "more elements than the address space holds");

	begin(&t, "ConstantOfShape", 9);
	add_ints(&t, 2, (int64_t[]){1 << 10, (1 << 10) + 1});
	expect_error(&t, "at most 1048576");
	begin(&t, "ConstantOfShape", 9);
	add_ints(&t, 2, (int64_t[]){-1, 0});
	expect_error(&t, "negative");
	begin(&t, "Tile", 13);
	add_counting(&t, thaw_shape_of(2));
	add_ints(&t, 1, (int64_t[]){INT64_MAX});
	expect_error(&t, "repeat count");
	begin(&t, "Expand", 13);
	add_counting(&t, thaw_shape_of(1));
	add_ints(&t, 2, (int64_t[]){INT64_MAX, INT64_MAX});
	expect_error(&t, "more elements than the address space holds");
	begin(&t, "Cast", 13);
	add_input(&t, THAW_F32, thaw_shape_of(4), (float[]){NAN, 1e30f, -1e30f, -1.9f});
	with_int(&t, "to", ONNX__TENSOR_PROTO__DATA_TYPE__INT64);
	expect(&t, "(4): 0 9223372036854775807 -9223372036854775808 -1");
}

static void invalid_nodes_are_refused(void **state)
{
	(void)state;
	struct trial t;
	begin(&t, "Gather", 13);
	add_counting(&t, thaw_shape_of(3));
	add_ints(&t, 1, (int64_t[]){3});
	expect_error(&t, "index 3 is out of range");
	begin(&t, "Concat", 13);
	add_counting(&t, thaw_shape_of(2, 3));
	add_counting(&t, thaw_shape_of(3, 2));
	with_int(&t, "axis", 0);
	expect_error(&t, "input 1 does not match");
	begin(&t, "Reshape", 13);
	add_counting(&t, thaw_shape_of(6));
	add_ints(&t, 2, (int64_t[]){-1, 4});
	expect_error(&t, "6 elements cannot be reshaped to 4");
	begin(&t, "Reshape", 14);
	add_counting(&t, thaw_shape_of(0, 2));
	add_ints(&t, 2, (int64_t[]){0, -1});
	with_int(&t, "allowzero", 1);
	expect_error(&t, "cannot be inferred");
	begin(&t, "Add", 13);
	add_counting(&t, thaw_shape_of(2));
	add_counting(&t, thaw_shape_of(3));
	expect_error(&t, "do not broadcast");
	begin(&t, "Transpose", 13);
	add_counting(&t, thaw_shape_of(2, 3));
	with_ints(&t, "perm", 2, (int64_t[]){0, 0});
	expect_error(&t, "twice");
	begin(&t, "Neg", 13);
	t.output_count = 2;
	add_counting(&t, thaw_shape_of(2));
	expect_error(&t, "output 1 is not supported");
}

static void unsupported_operators_and_types(void **state)
{
	(void)state;
	struct trial t;
	assert_true(thaw_onnx_constant_supports("Gather"));
	assert_false(thaw_onnx_constant_supports("Conv"));
	begin(&t, "Conv", 13);
	assert_int_equal(compute(&t), THAW_OK);
	assert_int_equal(t.outcome, THAW_ONNX_UNSUPPORTED);
	begin(&t, "Add", 13);
	t.node.domain = "com.example";
	assert_int_equal(compute(&t), THAW_OK);
	assert_int_equal(t.outcome, THAW_ONNX_UNSUPPORTED);
	begin(&t, "Sqrt", 13); /* not defined for integers */
	add_counting(&t, thaw_shape_of(2));
	assert_int_equal(compute(&t), THAW_OK);
	assert_int_equal(t.outcome, THAW_ONNX_UNSUPPORTED);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_wrap_around_and_truncate),
		cmocka_unit_test(attributes_become_inputs_in_newer_opsets),
		cmocka_unit_test(extreme_values),
		cmocka_unit_test(invalid_nodes_are_refused),
		cmocka_unit_test(unsupported_operators_and_types),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
