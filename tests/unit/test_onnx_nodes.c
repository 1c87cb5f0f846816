/* ONNX's own node tests, run in two ways: in a network, imported with the first float input as the image and the others
 * constant; and by constant folding, with all inputs constant. A test passes if one way computes all outputs and no way
 * computes a wrong one.
 *
 * With --table the program prints docs/onnx-operators.md; tests/cli/test_onnx_operators.sh compares the two, so that a
 * change of the results is noticed. */
#include "tests/unit/onnx_node_test.h"

#include <math.h>

#include "src/onnx/import/import.h"
#include "src/onnx/import/importer.h"
#include "thaw/executor.h"

#define MAX_TESTS   1024
#define MAX_REASONS 4
#define REASON_TEXT 64
#define MAX_VALUES  256                /* limit of names in a model */
#define LIMIT       (INT64_C(1) << 20) /* limit of elements of a constant */

enum outcome { REFUSED, PASSED, WRONG };

/* ---- Comparison ---- */

static bool differs(const char *test, int64_t i, float got, float want)
{
	print_message("WRONG %s: element %d is %.9g, not %.9g\n", test, (int)i, (double)got, (double)want);
	return true;
}

static bool shape_differs(const char *test, const struct thaw_shape *got, const struct thaw_shape *want)
{
	char a[THAW_SHAPE_TEXT], b[THAW_SHAPE_TEXT];
	if (thaw_shape_equal(got, want))
		return false;
	print_message("WRONG %s: %s, not %s\n", test, thaw_shape_text(got, a, sizeof(a)),
		      thaw_shape_text(want, b, sizeof(b)));
	return true;
}

/* Compares the floats of an executor, relative to the largest. */
static bool network_agrees(const char *test, const float *got, const struct thaw_onnx_constant *want)
{
	int64_t count = thaw_shape_count(&want->shape);
	const float *w = want->data;
	float largest = 0;
	for (int64_t i = 0; i < count; i++)
		largest = fmaxf(largest, isfinite(w[i]) ? fabsf(w[i]) : 0);
	for (int64_t i = 0; i < count; i++) {
		bool same = got[i] == w[i] || (isnan(got[i]) && isnan(w[i]));
		if (!same && !(fabsf(got[i] - w[i]) <= 1e-5f * (1 + largest)))
			return !differs(test, i, got[i], w[i]);
	}
	return true;
}

/* Compares the result of constant folding: the type, and each element relative to itself. */
static bool constant_agrees(const struct node_test *t, const struct thaw_onnx_constant *got,
			    const struct thaw_onnx_constant *want)
{
	const char *test = t->name;
	/* The expected values are numpy's, computed in single precision; bfloat16 values were truncated, not rounded.
	 * Tests that expand an operator into several nodes use 3.1415 for pi. */
	float spread = t->file->model->graph->n_node > 1 ? 50 : 1;
	static const float precision[THAW_DTYPES] = {
		[THAW_F32] = 2e-6f, [THAW_F64] = 2e-6f, [THAW_F16] = 1e-3f, [THAW_BF16] = 8e-3f};
	size_t size = thaw_dtype_size(want->type);
	if (got->type != want->type) {
		print_message("WRONG %s: %s, not %s\n", test, thaw_dtype_name(got->type), thaw_dtype_name(want->type));
		return false;
	}
	if (shape_differs(test, &got->shape, &want->shape))
		return false;
	for (int64_t i = 0; i < thaw_shape_count(&want->shape); i++) {
		const char *x = (const char *)got->data + (size_t)i * size;
		const char *y = (const char *)want->data + (size_t)i * size;
		float f, g;
		if (memcmp(x, y, size) == 0)
			continue;
		thaw_to_f32(want->type, x, &f, 1);
		thaw_to_f32(want->type, y, &g, 1);
		float near = spread * precision[want->type] * fmaxf(1, fabsf(g));
		if (near == 0 || (!(isnan(f) && isnan(g)) && !(fabsf(f - g) <= near)))
			return !differs(test, i, f, g);
	}
	return true;
}

/* ---- Constant folding ---- */

/* The values of a model that have been computed, by name. */
struct values {
	int count;
	const char *name[MAX_VALUES];
	struct thaw_onnx_constant constant[MAX_VALUES];
};

static struct thaw_onnx_constant *find_value(struct values *v, const char *name)
{
	for (int i = 0; i < v->count; i++)
		if (strcmp(v->name[i], name) == 0)
			return &v->constant[i];
	return NULL;
}

/* The opset of ONNX's standard operators. */
static int64_t opset_of(const Onnx__ModelProto *m)
{
	for (size_t i = 0; i < m->n_opset_import; i++)
		if (!m->opset_import[i]->domain || m->opset_import[i]->domain[0] == '\0')
			return m->opset_import[i]->version;
	return 0;
}

/* Evaluates the node and adds its outputs to the values; false if it is not supported. */
static bool evaluate(struct values *v, const struct thaw_onnx_file *f, const Onnx__NodeProto *n)
{
	const struct thaw_onnx_constant *inputs[NODE_TENSORS];
	struct thaw_onnx_constant outputs[NODE_TENSORS];
	enum thaw_onnx_outcome outcome = THAW_ONNX_UNSUPPORTED;
	assert_true(n->n_input <= NODE_TENSORS && n->n_output <= NODE_TENSORS);
	for (size_t k = 0; k < n->n_input; k++)
		inputs[k] = n->input[k][0] ? find_value(v, n->input[k]) : NULL;
	struct thaw_onnx_operation o = {n,      opset_of(f->model), f,       LIMIT,
					inputs, (int)n->n_input,    outputs, (int)n->n_output};
	if (thaw_onnx_constant_evaluate(&outcome, &o) != THAW_OK)
		fail_msg("%s: %s", f->path, thaw_error_message());
	for (size_t k = 0; outcome == THAW_ONNX_EVALUATED && k < n->n_output; k++) {
		assert_true(v->count < MAX_VALUES);
		v->name[v->count] = n->output[k];
		v->constant[v->count++] = outputs[k];
	}
	return outcome == THAW_ONNX_EVALUATED;
}

static enum outcome by_constants(const struct node_test *t)
{
	static struct values v;
	const Onnx__GraphProto *g = t->file->model->graph;
	enum outcome outcome = PASSED;
	v.count = 0;
	for (int i = 0; i < t->in.count; i++) {
		v.name[v.count] = g->input[i]->name;
		v.constant[v.count++] = t->in.tensor[i];
		outcome = t->in.known[i] ? outcome : REFUSED;
	}
	for (size_t i = 0; i < g->n_node && outcome == PASSED; i++)
		outcome = evaluate(&v, t->file, g->node[i]) ? PASSED : REFUSED;
	for (int i = 0; i < t->out.count && outcome == PASSED; i++)
		if (!t->out.known[i] || !constant_agrees(t, find_value(&v, g->output[i]->name), &t->out.tensor[i]))
			outcome = t->out.known[i] ? WRONG : REFUSED;
	for (int i = t->in.count; i < v.count; i++)
		thaw_onnx_constant_free(&v.constant[i]);
	return outcome;
}

/* ---- In a network ---- */

/* Runs the graph on the image x and compares its output. */
static bool run(const char *test, const struct thaw_onnx_network *net, const struct thaw_onnx_constant *x,
		const struct thaw_onnx_constant *want)
{
	struct thaw_executor *executor;
	struct thaw_shape image = {.ndim = x->shape.ndim + 1, .dim = {1}};
	for (int i = 1; i < image.ndim; i++)
		image.dim[i] = x->shape.dim[i - 1];
	if (shape_differs(test, &net->sample, &want->shape))
		return false;
	if (thaw_executor_create(&executor, net->graph, &image, THAW_WHOLE, false) != THAW_OK)
		fail_msg("%s: %s", test, thaw_error_message());
	memcpy(thaw_executor_input(executor), x->data, (size_t)thaw_shape_count(&x->shape) * sizeof(float));
	bool right = network_agrees(test, thaw_executor_forward(executor, 1, NULL), want);
	thaw_executor_destroy(executor);
	return right;
}

/* The reason in the table for a refusal, found by the importer's message. */
static const char *reason_of(const char *message)
{
	static const char *const reasons[][2] = {
		{"training mode", "training mode"},
		{"tf_crop_and_resize", "cropping"},
		{"has a dimension of 0", "empty tensor"},
		{"becomes empty", "empty tensor"},
		{"is supported between constants only", "in a network"},
		{"does not depend on the input", "a constant in a network"},
	};
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strstr(message, reasons[i][0]))
			return reasons[i][1];
	return NULL;
}

/* Imports the model with output k in the first place, and runs it. */
static enum outcome try_output(const struct node_test *t, int k, int image,
			       const struct thaw_onnx_import_options *options, const char **reason)
{
	Onnx__GraphProto *g = t->file->model->graph;
	struct thaw_onnx_network net;
	Onnx__ValueInfoProto *first = g->output[0];
	g->output[0] = g->output[k];
	g->output[k] = first;
	enum outcome outcome = REFUSED;
	if (thaw_onnx_import(&net, t->file, options) == THAW_OK) {
		outcome = run(t->name, &net, &t->in.tensor[image], &t->out.tensor[k]) ? PASSED : WRONG;
		thaw_graph_destroy(net.graph);
	} else if (!(*reason = reason_of(thaw_error_message()))) {
		print_message("WRONG %s: refused: %s\n", t->name, thaw_error_message());
		outcome = WRONG;
	}
	g->output[k] = g->output[0];
	g->output[0] = first;
	return outcome;
}

/* The model's first operator that is neither imported nor folded; NULL if there is none. */
static const char *unsupported(const Onnx__GraphProto *g)
{
	for (size_t i = 0; i < g->n_node; i++)
		if (!thaw_onnx_importer_find(g->node[i]) && !thaw_onnx_constant_supports(g->node[i]->op_type))
			return g->node[i]->op_type;
	return NULL;
}

static enum outcome by_network(const struct node_test *t, const char **reason)
{
	struct thaw_onnx_given given[NODE_TENSORS];
	int count = 0, image = -1;
	bool typed = true;
	for (int i = 0; i < t->in.count; i++) {
		typed &= t->in.known[i];
		if (image < 0 && t->in.known[i] && t->in.tensor[i].type == THAW_F32)
			image = i;
		else
			given[count++] =
				(struct thaw_onnx_given){t->file->model->graph->input[i]->name, &t->in.tensor[i]};
	}
	for (int k = 0; k < t->out.count; k++)
		typed &= t->out.known[k] && t->out.tensor[k].type == THAW_F32;
	*reason = "type";
	if (image < 0 || !typed)
		return REFUSED;
	struct thaw_onnx_import_options options = {
		.height = 1, .width = 1, .computation = true, .given = given, .given_count = count};
	for (int k = 0; k < t->out.count; k++) {
		enum outcome outcome = try_output(t, k, image, &options, reason);
		if (outcome != PASSED)
			return outcome;
	}
	return PASSED;
}

/* ---- The table ---- */

/* The results of the tests of one operator. */
struct row {
	char op_type[NODE_NAME];
	int tests, network, constants, passed;
	int reasons, count[MAX_REASONS];
	char reason[MAX_REASONS][REASON_TEXT];
};

struct table {
	struct row rows[MAX_TESTS];
	int count, wrong;
	struct row all;
};

static int by_operator(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->op_type, ((const struct row *)b)->op_type);
}

static struct row *find_row(struct table *t, const char *op_type)
{
	for (int i = 0; i < t->count; i++)
		if (strcmp(t->rows[i].op_type, op_type) == 0)
			return &t->rows[i];
	assert_true(t->count < MAX_TESTS);
	snprintf(t->rows[t->count].op_type, NODE_NAME, "%s", op_type);
	return &t->rows[t->count++];
}

static void note_reason(struct row *r, const char *reason)
{
	int i = 0;
	while (i < r->reasons && strcmp(r->reason[i], reason) != 0)
		i++;
	assert_true(i < MAX_REASONS);
	if (i == r->reasons)
		snprintf(r->reason[r->reasons++], REASON_TEXT, "%s", reason);
	r->count[i]++;
}

static void try_test(struct table *table, const char *name)
{
	struct node_test t;
	char needs[REASON_TEXT];
	node_test_open(&t, name);
	struct row *r = find_row(table, t.op_type);
	const char *reason = NULL, *missing = unsupported(t.file->model->graph);
	enum outcome constants = REFUSED, network = REFUSED;
	if (missing) {
		snprintf(needs, sizeof(needs), strcmp(missing, t.op_type) == 0 ? "not supported" : "needs %s", missing);
		reason = needs;
	} else {
		constants = by_constants(&t);
		network = by_network(&t, &reason);
	}
	bool passed = constants == PASSED || network == PASSED;
	r->tests++;
	r->network += network == PASSED;
	r->constants += constants == PASSED;
	r->passed += passed;
	if (!passed)
		note_reason(r, reason ? reason : "wrong");
	table->wrong += constants == WRONG || network == WRONG;
	node_test_close(&t);
}

static int is_test(const struct dirent *entry)
{
	return strncmp(entry->d_name, "test_", 5) == 0;
}

/* NULL if the package is not installed. */
static struct table *try_all(void)
{
	struct dirent **entries;
	int count = scandir(NODE_TESTS, &entries, is_test, alphasort);
	if (count < 0)
		return NULL;
	struct table *table = calloc(1, sizeof(*table));
	assert_non_null(table);
	for (int i = 0; i < count; i++) {
		try_test(table, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	qsort(table->rows, (size_t)table->count, sizeof(*table->rows), by_operator);
	for (int i = 0; i < table->count; i++) {
		table->all.tests += table->rows[i].tests;
		table->all.network += table->rows[i].network;
		table->all.constants += table->rows[i].constants;
		table->all.passed += table->rows[i].passed;
	}
	return table;
}

static void print_row(const struct row *r)
{
	printf("| %s | %d | %d | %d | %d | ", r->op_type, r->tests, r->passed, r->network, r->constants);
	for (int i = 0; i < r->reasons; i++)
		printf("%s%s: %d", i ? ", " : "", r->reason[i], r->count[i]);
	printf(" |\n");
}

static bool is_supported(const struct row *r)
{
	return thaw_onnx_constant_supports(r->op_type) ||
	       thaw_onnx_importer_find(&(Onnx__NodeProto){.op_type = (char *)r->op_type});
}

static void print_table(const struct table *t)
{
	printf("# ONNX operators\n\n"
	       "Results of ONNX's own node tests (Debian package libonnx-testdata) in Thaw, printed by\n"
	       "`build/tests/unit/test_onnx_nodes --table`. Of %d tests %d pass: %d in a network, where one input is "
	       "the "
	       "image and\n"
	       "the operator becomes nodes of Thaw's graph; %d by constant folding at import, as for shapes and "
	       "indices; "
	       "some both\n"
	       "ways. No test computes a wrong result: the others are refused with a message, for the reason in the "
	       "last "
	       "column.\n\n"
	       "- type: an input or output has a type that Thaw does not support for the operator, such as strings,\n"
	       "  sequences or unsigned 16-bit integers; in a network all values are floats\n"
	       "- training mode: the model was exported in training mode\n"
	       "- needs X: the test expands the operator into others, of which X is not supported\n\n"
	       "| Operator | Tests | Pass | In a network | Folded | Refused |\n"
	       "|---|---:|---:|---:|---:|---|\n",
	       t->all.tests, t->all.passed, t->all.network, t->all.constants);
	for (int i = 0; i < t->count; i++)
		if (is_supported(&t->rows[i]))
			print_row(&t->rows[i]);
	printf("\n## Not supported\n\n"
	       "A test of such an operator passes if it expands the operator into supported ones.\n\n"
	       "| Operator | Tests | Pass | In a network | Folded | Refused |\n"
	       "|---|---:|---:|---:|---:|---|\n");
	for (int i = 0; i < t->count; i++)
		if (!is_supported(&t->rows[i]))
			print_row(&t->rows[i]);
}

static void node_tests_agree(void **state)
{
	(void)state;
	struct table *t = try_all();
	if (!t)
		skip();
	print_message("of %d node tests %d pass, %d in a network, %d folded; %d are wrong\n", t->all.tests,
		      t->all.passed, t->all.network, t->all.constants, t->wrong);
	int wrong = t->wrong;
	free(t);
	assert_int_equal(wrong, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(node_tests_agree),
	};
	if (argc == 2 && strcmp(argv[1], "--table") == 0) {
		struct table *t = try_all();
		if (t)
			print_table(t);
		free(t);
		return t ? 0 : 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
