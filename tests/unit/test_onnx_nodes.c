/* ONNX's own node tests (package libonnx-testdata) through the importer and a plan: the first input of floats is the
 * graph's, the others are known. */
#include "tests/scratch.h"

#include <dirent.h>
#include <math.h>

#include "src/onnx/import.h"
#include "thaw/file.h"
#include "thaw/plan.h"

#define NODE_TESTS "/usr/share/libonnx-testdata/data/node"
#define MAX_INPUTS 8
#define LIMIT      (INT64_C(1) << 22) /* bytes of a file with a tensor */

struct tally {
	int tests, passed, refused, other, wrong;
};

static bool load(struct thaw_onnx_constant *c, const char *folder, const char *kind, int i)
{
	char path[SCRATCH_PATH];
	void *bytes;
	size_t size;
	struct thaw_onnx_file file = {.path = path};
	struct thaw_onnx_tensor t;
	enum thaw_dtype type;
	snprintf(path, sizeof(path), "%s/test_data_set_0/%s_%d.pb", folder, kind, i);
	if (thaw_file_read(&bytes, &size, path, LIMIT) != THAW_OK)
		return false;
	Onnx__TensorProto *p = onnx__tensor_proto__unpack(NULL, size, bytes);
	thaw_free(bytes);
	bool known = p && thaw_onnx_type(p->data_type, &type) && thaw_onnx_tensor_read(&t, p, &file) == THAW_OK;
	if (known) {
		known = thaw_onnx_constant_from(c, &t) == THAW_OK;
		thaw_onnx_tensor_free(&t);
	}
	if (p)
		onnx__tensor_proto__free_unpacked(p, NULL);
	return known;
}

static bool agrees(const char *folder, const float *got, const struct thaw_onnx_constant *want)
{
	int64_t count = thaw_shape_count(&want->shape);
	const float *w = want->data;
	float largest = 0;
	for (int64_t i = 0; i < count; i++)
		largest = fmaxf(largest, isfinite(w[i]) ? fabsf(w[i]) : 0);
	for (int64_t i = 0; i < count; i++)
		if (!(got[i] == w[i] || (isnan(got[i]) && isnan(w[i])) ||
		      fabsf(got[i] - w[i]) <= 1e-5f * (1 + largest))) {
			print_message("WRONG %s: element %d is %.9g, not %.9g\n", folder, (int)i, (double)got[i],
				      (double)w[i]);
			return false;
		}
	return true;
}

/* Runs the graph and compares its output. */
static bool run(const char *folder, const struct thaw_onnx_network *net, const struct thaw_onnx_constant *x,
		const struct thaw_shape *image)
{
	struct thaw_plan *plan;
	struct thaw_onnx_constant want;
	if (thaw_plan_create(&plan, net->graph, image, THAW_WHOLE, false) != THAW_OK) {
		print_message("WRONG %s: %s\n", folder, thaw_error_message());
		return false;
	}
	memcpy(thaw_plan_input(plan), x->data, (size_t)thaw_shape_count(&x->shape) * sizeof(float));
	const float *y = thaw_plan_forward(plan, 1, NULL);
	assert_true(load(&want, folder, "output", 0));
	bool right = want.type != THAW_F32 || agrees(folder, y, &want);
	thaw_onnx_constant_free(&want);
	thaw_plan_destroy(plan);
	return right;
}

static void try_folder(struct tally *tally, const char *folder)
{
	char path[SCRATCH_PATH];
	struct thaw_onnx_file *f;
	struct thaw_onnx_constant in[MAX_INPUTS] = {0}, want = {0};
	struct thaw_onnx_given given[MAX_INPUTS];
	int given_count = 0, first = -1;
	snprintf(path, sizeof(path), "%s/model.onnx", folder);
	tally->tests++;
	if (thaw_onnx_file_open(&f, path) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	const Onnx__GraphProto *g = f->model->graph;
	bool known = g->n_input > 0 && g->n_input <= MAX_INPUTS;
	for (size_t i = 0; known && i < g->n_input; i++) {
		known = load(&in[i], folder, "input", (int)i);
		if (known && first < 0 && in[i].type == THAW_F32)
			first = (int)i;
		else if (known)
			given[given_count++] = (struct thaw_onnx_given){g->input[i]->name, &in[i]};
	}
	if (known)
		known = load(&want, folder, "output", 0) && want.type == THAW_F32;
	struct thaw_onnx_network net;
	struct thaw_onnx_wish wish = {.size = 1, .computation = true, .given = given, .given_count = given_count};
	if (!known || first < 0) {
		tally->other++;
	} else if (thaw_onnx_import(&net, f, &wish) != THAW_OK) {
		tally->refused++;
		print_message("%s\n", thaw_error_message());
	} else {
		struct thaw_shape image = {.rank = in[first].shape.rank + 1, .dim = {1}};
		for (int i = 1; i < image.rank; i++)
			image.dim[i] = in[first].shape.dim[i - 1];
		*(run(folder, &net, &in[first], &image) ? &tally->passed : &tally->wrong) += 1;
		thaw_graph_destroy(net.graph);
	}
	thaw_onnx_constant_free(&want);
	for (int i = 0; i < MAX_INPUTS; i++)
		thaw_onnx_constant_free(&in[i]);
	thaw_onnx_file_close(f);
}

static void node_tests_agree(void **state)
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
	print_message("of %d node tests %d agree, %d are refused, %d are not of floats, %d are wrong\n", tally.tests,
		      tally.passed, tally.refused, tally.other, tally.wrong);
	assert_int_equal(tally.wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(node_tests_agree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
