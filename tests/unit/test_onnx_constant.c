/* Nodes of constants: ONNX's own node tests (package libonnx-testdata), and what these do not ask. */
#include "tests/scratch.h"

#include <math.h>

#include "src/onnx/constant.h"
#include "thaw/file.h"

#define NODE_TESTS  "/usr/share/libonnx-testdata/data/node"
#define MAX_INPUTS  8
#define MAX_OUTPUTS 8
#define LIMIT       (INT64_C(1) << 20) /* elements of a result */

/* ---- ONNX's own tests ---- */

/* What became of them. */
struct tally {
	int tests, unknown_operator, more_nodes, unknown_type, agreed;
};

/* The element type that the model's input or output i has; 0 for a sequence or an optional, whose files are other
 * messages. */
static int32_t declared_type(const Onnx__GraphProto *g, bool input, size_t i)
{
	assert_true(i < (input ? g->n_input : g->n_output));
	const Onnx__TypeProto *type = (input ? g->input : g->output)[i]->type;
	return type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ? type->tensor_type->elem_type : 0;
}

/* Input or output i of a test, from FOLDER/test_data_set_0; false when its type is not known. */
static bool load(struct thaw_onnx_constant *c, const Onnx__GraphProto *g, const char *folder, bool input, int i)
{
	char path[SCRATCH_PATH];
	void *bytes;
	size_t size;
	struct thaw_onnx_file file = {.path = path};
	struct thaw_onnx_tensor t;
	enum thaw_dtype type;
	int32_t declared = declared_type(g, input, (size_t)i);
	snprintf(path, sizeof(path), "%s/test_data_set_0/%s_%d.pb", folder, input ? "input" : "output", i);
	assert_int_equal(thaw_file_read(&bytes, &size, path, LIMIT), THAW_OK);
	Onnx__TensorProto *p = onnx__tensor_proto__unpack(NULL, size, bytes);
	thaw_free(bytes);
	if (p && p->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__UINT16)
		p->data_type = declared; /* bfloat16 too: the tests' writer has none */
	bool known = declared && p && thaw_onnx_type(p->data_type, &type);
	if (known) {
		if (thaw_onnx_tensor_read(&t, p, &file) != THAW_OK)
			fail_msg("%s", thaw_error_message());
		assert_int_equal(thaw_onnx_constant_from(c, &t), THAW_OK);
		thaw_onnx_tensor_free(&t);
	}
	if (p)
		onnx__tensor_proto__free_unpacked(p, NULL);
	return known;
}

static void expect_equal(const struct thaw_onnx_constant *got, const struct thaw_onnx_constant *want, const char *test)
{
	char a[128], b[128];
	if (got->type != want->type || !thaw_shape_equal(&got->shape, &want->shape))
		fail_msg("%s: %s %s, not %s %s", test, thaw_dtype_name(got->type),
			 thaw_shape_text(&got->shape, a, sizeof(a)), thaw_dtype_name(want->type),
			 thaw_shape_text(&want->shape, b, sizeof(b)));
	int64_t count = thaw_shape_count(&want->shape);
	size_t size = thaw_dtype_size(want->type);
	/* The expected values are numpy's, whose functions and sums are of single precision; those in bfloat16 have
	 * been cut off, not rounded. */
	const float precision[THAW_DTYPES] = {
		[THAW_F32] = 2e-6f, [THAW_F64] = 2e-6f, [THAW_F16] = 1e-3f, [THAW_BF16] = 8e-3f};
	for (int64_t i = 0; i < count; i++) {
		const char *x = (const char *)got->data + (size_t)i * size;
		const char *y = (const char *)want->data + (size_t)i * size;
		float f, g;
		if (memcmp(x, y, size) == 0)
			continue;
		thaw_to_f32(want->type, x, &f, 1);
		thaw_to_f32(want->type, y, &g, 1);
		float near = precision[want->type] * fmaxf(1, fabsf(g));
		if (near == 0 || (!(isnan(f) && isnan(g)) && !(fabsf(f - g) <= near)))
			fail_msg("%s: element %d is %.9g, not %.9g", test, (int)i, (double)f, (double)g);
	}
}

/* The newest version of ONNX's own operators that the model imports. */
static int64_t opset_of(const Onnx__ModelProto *m)
{
	for (size_t i = 0; i < m->n_opset_import; i++)
		if (!m->opset_import[i]->domain || m->opset_import[i]->domain[0] == '\0')
			return m->opset_import[i]->version;
	return 0;
}

/* Computes the node with the inputs of the test's files, and compares. */
static void try_node(struct tally *tally, const struct thaw_onnx_file *f, const Onnx__NodeProto *node,
		     const char *folder)
{
	struct thaw_onnx_constant values[MAX_INPUTS] = {0}, outputs[MAX_OUTPUTS] = {0}, want;
	const struct thaw_onnx_constant *inputs[MAX_INPUTS] = {0};
	bool known = true;
	int given = 0;
	assert_true(node->n_input <= MAX_INPUTS && node->n_output <= MAX_OUTPUTS);
	for (size_t i = 0; i < node->n_input && known; i++) {
		if (node->input[i][0] == '\0')
			continue;
		known = load(&values[i], f->model->graph, folder, true, given++);
		inputs[i] = &values[i];
	}
	struct thaw_onnx_operation o = {node,   opset_of(f->model), f,       LIMIT,
					inputs, (int)node->n_input, outputs, (int)node->n_output};
	enum thaw_onnx_answer answer = THAW_ONNX_NOT_HERE;
	if (known && thaw_onnx_constant_evaluate(&answer, &o) != THAW_OK)
		fail_msg("%s: %s", folder, thaw_error_message());
	*(answer == THAW_ONNX_COMPUTED ? &tally->agreed : &tally->unknown_type) += 1;
	for (size_t i = 0; i < node->n_output && answer == THAW_ONNX_COMPUTED; i++) {
		assert_true(load(&want, f->model->graph, folder, false, (int)i));
		expect_equal(&outputs[i], &want, folder);
		thaw_onnx_constant_free(&want);
	}
	if (answer != THAW_ONNX_COMPUTED)
		print_message("types are not known: %s\n", folder);
	for (int i = 0; i < MAX_INPUTS; i++)
		thaw_onnx_constant_free(&values[i]);
	for (int i = 0; i < MAX_OUTPUTS; i++)
		thaw_onnx_constant_free(&outputs[i]);
}

static void try_folder(struct tally *tally, const char *folder)
{
	char path[SCRATCH_PATH];
	struct thaw_onnx_file *f;
	snprintf(path, sizeof(path), "%s/model.onnx", folder);
	if (thaw_onnx_file_open(&f, path) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	const Onnx__GraphProto *g = f->model->graph;
	tally->tests++;
	if (g->n_node == 1 && thaw_onnx_constant_knows(g->node[0]->op_type))
		try_node(tally, f, g->node[0], folder);
	else if (g->n_node == 1)
		tally->unknown_operator++;
	else
		tally->more_nodes++;
	thaw_onnx_file_close(f);
}

static void test_node_tests(void **state)
{
	(void)state;
	struct tally tally = {0};
	struct dirent **entries;
	int count = scandir(NODE_TESTS, &entries, NULL, alphasort);
	if (count < 0)
		skip(); /* package libonnx-testdata is not there */
	for (int i = 0; i < count; i++) {
		char folder[SCRATCH_PATH / 2];
		snprintf(folder, sizeof(folder), NODE_TESTS "/%.100s", entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			try_folder(&tally, folder);
		free(entries[i]);
	}
	free(entries);
	print_message(
		"of %d node tests %d agree; %d have an operator that is not computed from constants, %d more than "
		"one node, %d a type that is not known\n",
		tally.tests, tally.agreed, tally.unknown_operator, tally.more_nodes, tally.unknown_type);
	assert_true(tally.agreed >= 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_node_tests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
