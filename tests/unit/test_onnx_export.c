/* ONNX export of all test cases of all operators and of one network per family: ONNX's checker accepts the models, and
 * after import they compute the same. */
#include "tests/scratch.h"

#include <float.h>
#include <libgen.h>
#include <math.h>
#include <sys/wait.h>

#include "src/base/try.h"
#include "src/onnx/export/export.h"
#include "src/onnx/import/import.h"
#include "thaw/executor.h"
#include "thaw/memory.h"
#include "thaw/model.h"
#include "thaw/random.h"

#define TOLERANCE 1e-5 /* relative to the largest logit */
#define CLASSES   8
#define CHECKER   "../onnx/check_model" /* relative to the folder of this program */

static char checker[SCRATCH_PATH];

/* ---- Comparing --------------------------------------------------------------------------------------------------- */

static float *logits_of(const struct thaw_graph *g, const struct thaw_shape *image, const float *x, int64_t *count)
{
	struct thaw_executor *executor = NULL;
	struct thaw_shape *shapes = thaw_alloc((size_t)g->node_count, sizeof(*shapes));
	if (thaw_graph_infer(g, image, shapes) != THAW_OK ||
	    thaw_executor_create(&executor, g, image, THAW_WHOLE, false) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	*count = thaw_shape_count(&shapes[g->output]);
	memcpy(thaw_executor_input(executor), x, (size_t)thaw_shape_count(image) * sizeof(*x));
	float *y = thaw_alloc((size_t)*count, sizeof(*y));
	memcpy(y, thaw_executor_forward(executor, image->dim[0], NULL), (size_t)*count * sizeof(*y));
	thaw_executor_destroy(executor);
	thaw_free(shapes);
	return y;
}

/* The largest difference between the logits of both graphs, relative to the largest logit. */
static double difference(const struct thaw_graph *a, const struct thaw_graph *b, const struct thaw_shape *image,
			 float low, float high)
{
	int64_t count, other, pixels = thaw_shape_count(image);
	double largest = 0, most = 0;
	float *x = thaw_alloc((size_t)pixels, sizeof(*x));
	struct thaw_random random = thaw_random_stream(1, THAW_STREAM_AUGMENT, 0, 0);
	for (int64_t i = 0; i < pixels; i++)
		x[i] = thaw_random_range(&random, low, high);
	float *ya = logits_of(a, image, x, &count), *yb = logits_of(b, image, x, &other);
	assert_int_equal(count, other);
	for (int64_t i = 0; i < count; i++) {
		largest = fmax(largest, fabs(ya[i]));
		most = isnan(ya[i]) || isnan(yb[i]) ? INFINITY : fmax(most, fabs(ya[i] - yb[i]));
	}
	thaw_free(x);
	thaw_free(ya);
	thaw_free(yb);
	return most / fmax(largest, FLT_MIN);
}

/* Exports, imports and compares. Prints a message and returns false on failure. */
static bool survives(const struct thaw_graph *g, const char *name, const char *path, const struct thaw_shape *image,
		     bool fold, float low, float high)
{
	struct thaw_onnx_file *file = NULL;
	struct thaw_onnx_network net = {0};
	const struct thaw_onnx_export_options options = {.height = image->dim[1], .width = image->dim[2], .fold = fold};
	const struct thaw_onnx_import_options open = {.height = image->dim[1], .width = image->dim[2]};
	thaw_status status = thaw_onnx_export(g, &options, path);
	if (status == THAW_OK)
		status = thaw_onnx_file_open(&file, path);
	if (status == THAW_OK)
		status = thaw_onnx_import(&net, file, &open);
	if (file)
		thaw_onnx_file_close(file);
	if (status != THAW_OK) {
		print_message("%s: %s\n", name, thaw_error_message());
		return false;
	}
	double error = difference(g, net.graph, image, low, high);
	thaw_graph_destroy(net.graph);
	if (error > TOLERANCE)
		print_message("%s: differs by %.3g\n", name, error);
	return error <= TOLERANCE;
}

static void checker_accepts(const struct scratch *s)
{
	char command[4 * SCRATCH_PATH];
	snprintf(command, sizeof(command), "'%s' '%s'/*.onnx", checker, s->path);
	int code = system(command); /* NOLINT: the paths are this test's own */
	assert_true(WIFEXITED(code) && WEXITSTATUS(code) == 0);
}

/* ---- Operators --------------------------------------------------------------------------------------------------- */

/* A graph around one node: slices of the image (N,1,W,3) are its inputs; a linear head turns its output into logits. */
struct fixture {
	struct thaw_graph *g;
	const struct thaw_op_case *c;
	struct thaw_random random;
	struct thaw_shape image;
	int64_t used; /* columns of the image in use */
};

static bool is_fixed(const struct fixture *b, int k)
{
	return b->c->fixed >> k & 1 || b->c->x[k].dim[0] % b->image.dim[0] != 0;
}

/* The batch size: c->images, or the first size of the first input that depends on the images. */
static int64_t images_of(const struct thaw_op_case *c)
{
	for (int k = 0; k < c->inputs && !c->images; k++)
		if (!(c->fixed >> k & 1))
			return c->x[k].dim[0];
	return c->images ? c->images : 2;
}

/* The next `count` columns of the image's first channel, (N,count). */
static int columns(struct fixture *b, int64_t count)
{
	const struct thaw_attrs attrs = {.factors = {.count = 3,
						     .ndim = 2,
						     .axis = {0, 2, 3},
						     .start = {0, b->used, 0},
						     .take = {0, count, 1},
						     .order = {0, 1, 2},
						     .target = {0, 1, 1}}};
	b->used += count;
	return thaw_graph_add(b->g, "rearrange", "columns", &attrs, &(int){0}, 1);
}

/* Reshapes (N,count) to s, whose first size is a multiple of N. */
static int shaped(struct fixture *b, int value, const struct thaw_shape *s)
{
	struct thaw_attrs attrs = {.factors = {.count = s->ndim + 1, .ndim = s->ndim, .axis = {0}}};
	for (int i = 0; i <= s->ndim; i++) {
		attrs.factors.axis[i] = i > 0;
		attrs.factors.size[i] = i == 0 ? 0 : i == 1 ? s->dim[0] / b->image.dim[0] : s->dim[i - 1];
		attrs.factors.order[i] = i;
		attrs.factors.target[i] = i < 1 ? 0 : i - 1;
	}
	return thaw_graph_add(b->g, "reshape", "shaped", &attrs, &value, 1);
}

static void add_param(struct fixture *b, int node, enum thaw_role role, const struct thaw_shape *shape, float low,
		      float high)
{
	char name[32];
	snprintf(name, sizeof(name), "parameter.%d", b->g->param_count);
	thaw_graph_param(b->g, node, name, role, THAW_LAYOUT_SAME, shape, NULL);
	if (b->g->failed)
		return;
	struct thaw_param *p = &b->g->params[b->g->param_count - 1];
	if (strstr(b->g->nodes[node].op->name, "conv") && shape->ndim == 4) {
		p->layout = THAW_LAYOUT_CONV;
		p->file_shape = thaw_shape_of(shape->dim[3], shape->dim[2], shape->dim[0], shape->dim[1]);
	}
	for (int64_t i = 0; i < thaw_shape_count(shape); i++)
		p->data[i] = thaw_random_range(&b->random, low, high);
}

static float low_of(const struct thaw_op_case *c)
{
	return c->low == 0 && c->high == 0 ? -1 : c->low;
}

static float high_of(const struct thaw_op_case *c)
{
	return c->low == 0 && c->high == 0 ? 1 : c->high;
}

static int input_of(struct fixture *b, int k)
{
	const struct thaw_shape *s = &b->c->x[k];
	if (!is_fixed(b, k))
		return shaped(b, columns(b, thaw_shape_count(s) / b->image.dim[0]), s);
	int node = thaw_graph_add(b->g, "constant", "constant", NULL, NULL, 0);
	add_param(b, node, THAW_ROLE_SHIFT, s, low_of(b->c), high_of(b->c));
	struct thaw_param *p = &b->g->params[b->g->param_count - 1];
	for (int64_t i = 0; b->c->indices >> k & 1 && i < thaw_shape_count(s); i++)
		p->data[i] = rintf(p->data[i]);
	return node;
}

/* Reshapes y to (N,count). A value that does not depend on the images is added to a column of the image. */
static int flat(struct fixture *b, int y, const struct thaw_shape *s)
{
	bool fixed = b->g->nodes[y].fixed;
	struct thaw_attrs attrs = {.factors = {.count = s->ndim + 1, .ndim = 2}};
	for (int i = 0; i <= s->ndim; i++) {
		attrs.factors.axis[i] = i < 1 ? 0 : i - 1;
		attrs.factors.size[i] = i == 0 ? (fixed ? 1 : 0) : i == 1 && !fixed ? s->dim[0] / b->image.dim[0] : 0;
		attrs.factors.order[i] = i;
		attrs.factors.target[i] = i > 0;
	}
	y = thaw_graph_add(b->g, "reshape", "flat", &attrs, &y, 1);
	const struct thaw_attrs add = {.binary = THAW_BINARY_ADD};
	return fixed ? thaw_graph_add(b->g, "binary", "with images", &add, (int[]){y, columns(b, 1)}, 2) : y;
}

static thaw_status build(struct fixture *b, const struct thaw_op *op)
{
	int inputs[4];
	struct thaw_shape shapes[64], rows;
	thaw_graph_block(b->g, "network");
	for (int k = 0; k < b->c->inputs; k++)
		inputs[k] = input_of(b, k);
	int y = thaw_graph_add(b->g, op->name, op->name, &b->c->attrs, inputs, b->c->inputs);
	for (int k = 0; k < b->c->params; k++) {
		bool matrix = b->c->param[k].ndim > 1;
		add_param(b, y, matrix ? THAW_ROLE_WEIGHT : THAW_ROLE_SHIFT, &b->c->param[k], matrix ? -0.5f : 0.5f,
			  matrix ? 0.5f : 1.5f);
	}
	b->image.dim[2] = b->used + 1;
	THAW_TRY(b->g->failed);
	THAW_TRY(thaw_graph_infer(b->g, &b->image, shapes));
	int last = flat(b, y, &shapes[y]);
	THAW_TRY(b->g->failed);
	THAW_TRY(thaw_graph_infer(b->g, &b->image, shapes));
	int head = thaw_graph_add(b->g, "linear", "head", NULL, &last, 1);
	rows = thaw_shape_of(CLASSES, shapes[last].dim[1]);
	add_param(b, head, THAW_ROLE_WEIGHT, &rows, -1, 1);
	return thaw_graph_finish(b->g);
}

static bool try_case(const struct scratch *s, const struct thaw_op *op, const struct thaw_op_case *c)
{
	char name[256], file[64];
	struct fixture b = {.g = thaw_graph_create(), .c = c, .random = thaw_random_stream(2, THAW_STREAM_INIT, 0, 0)};
	snprintf(name, sizeof(name), "%s: %s", op->name, c->name);
	snprintf(file, sizeof(file), "%.40s-%d.onnx", op->name, (int)(c - op->cases));
	b.image = thaw_shape_of(images_of(c), 1, 1, 3);
	bool good = build(&b, op) == THAW_OK;
	if (!good)
		print_message("%s: %s\n", name, thaw_error_message());
	good = good && survives(b.g, name, scratch_file(s, file), &b.image, false, low_of(c), high_of(c));
	thaw_graph_destroy(b.g);
	return good;
}

static void operators_survive(void **state)
{
	const struct scratch *s = *state;
	int failed = 0, count = 0;
	for (int i = 0; thaw_ops[i]; i++)
		for (int k = 0; k < thaw_ops[i]->case_count; k++, count++)
			failed += !try_case(s, thaw_ops[i], &thaw_ops[i]->cases[k]);
	print_message("%d of %d cases are unchanged by export and import\n", count - failed, count);
	assert_int_equal(failed, 0);
	checker_accepts(s);
}

/* ---- Networks ---------------------------------------------------------------------------------------------------- */

/* Gives norms non-trivial statistics and scales, unlike those of a new network. */
static void randomise_norms(struct thaw_graph *g)
{
	struct thaw_random random = thaw_random_stream(3, THAW_STREAM_INIT, 0, 0);
	for (int i = 0; i < g->param_count; i++) {
		struct thaw_param *p = &g->params[i];
		bool scale = p->role == THAW_ROLE_SCALE || p->role == THAW_ROLE_VARIANCE;
		for (int64_t k = 0; k < thaw_shape_count(&p->shape) && p->role != THAW_ROLE_WEIGHT; k++)
			p->data[k] = thaw_random_range(&random, scale ? 0.5f : -0.2f, scale ? 1.5f : 0.2f);
	}
}

static void family_survives(void **state, const char *variant, bool fold)
{
	enum { SIDE = 96, IMAGES = 2 };
	struct thaw_model *m;
	const struct thaw_shape image = thaw_shape_of(IMAGES, SIDE, SIDE, 3);
	if (thaw_model_load(&m, variant, CLASSES, 1) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	randomise_norms(m->graph);
	assert_true(survives(m->graph, variant, scratch_file(*state, "network.onnx"), &image, fold, -2, 2));
	checker_accepts(*state);
	thaw_model_destroy(m);
}

static void resnet18_survives(void **state)
{
	family_survives(state, "resnet18", false);
}

static void folded_resnet18_survives(void **state)
{
	family_survives(state, "resnet18", true);
}

static void mobilenet_v2_survives(void **state)
{
	family_survives(state, "mobilenet_v2", false);
}

static void vgg11_bn_survives(void **state)
{
	family_survives(state, "vgg11_bn", false);
}

static void alexnet_survives(void **state)
{
	family_survives(state, "alexnet", false);
}

static void efficientnet_lite0_survives(void **state)
{
	family_survives(state, "efficientnet_lite0", false);
}

static void cifar_resnet_survives(void **state)
{
	family_survives(state, "cifar_resnet8", false);
}

/* ---- The file ---------------------------------------------------------------------------------------------------- */

static int count_of(const struct thaw_onnx_file *f, const char *operator)
{
	int count = 0;
	for (size_t i = 0; i < f->model->graph->n_node; i++)
		count += strcmp(f->model->graph->node[i]->op_type, operator) == 0;
	return count;
}

static void resnet_has_no_transposes(void **state)
{
	struct thaw_model *m;
	struct thaw_onnx_file *f;
	struct thaw_pair pair = {"thaw.variant", "resnet18"};
	const struct thaw_onnx_export_options options = {
		.height = 64, .width = 64, .metadata = &pair, .metadata_count = 1};
	const char *path = scratch_file(*state, "network.onnx");
	assert_int_equal(thaw_model_load(&m, "resnet18", CLASSES, 1), THAW_OK);
	assert_int_equal(thaw_onnx_export(m->graph, &options, path), THAW_OK);
	assert_int_equal(thaw_onnx_file_open(&f, path), THAW_OK);
	const Onnx__ModelProto *model = f->model;
	assert_int_equal(count_of(f, "Transpose") + count_of(f, "Reshape"), 0);
	assert_int_equal(count_of(f, "Conv"), 20);
	assert_int_equal(count_of(f, "BatchNormalization"), 20);
	assert_string_equal(model->producer_name, "thaw");
	assert_string_equal(model->metadata_props[0]->value, "resnet18");
	assert_string_equal(model->graph->input[0]->name, "image");
	assert_string_equal(model->graph->output[0]->name, "logits");
	const Onnx__TensorShapeProto *in = model->graph->input[0]->type->tensor_type->shape;
	assert_string_equal(in->dim[0]->dim_param, "N");
	assert_int_equal(in->dim[1]->dim_value, 3);
	assert_string_equal(in->dim[2]->dim_param, "H"); /* global pooling accepts any size */
	assert_string_equal(model->graph->initializer[0]->name, "conv1.weight");
	assert_int_equal(model->graph->initializer[0]->dims[0], 64);
	assert_int_equal(model->graph->initializer[0]->dims[1], 3);
	thaw_onnx_file_close(f);
	thaw_model_destroy(m);
}

static void a_missing_folder_is_reported(void **state)
{
	struct thaw_model *m;
	const struct thaw_onnx_export_options options = {.height = 32, .width = 32};
	assert_int_equal(thaw_model_load(&m, "cifar_resnet8", CLASSES, 1), THAW_OK);
	assert_int_equal(thaw_onnx_export(m->graph, &options, scratch_file(*state, "nowhere/network.onnx")), THAW_IO);
	thaw_model_destroy(m);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, scratch_make, scratch_remove)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(operators_survive),           TEST(resnet18_survives),
		TEST(folded_resnet18_survives),    TEST(mobilenet_v2_survives),
		TEST(vgg11_bn_survives),           TEST(alexnet_survives),
		TEST(efficientnet_lite0_survives), TEST(cifar_resnet_survives),
		TEST(resnet_has_no_transposes),    TEST(a_missing_folder_is_reported),
	};
	(void)argc;
	snprintf(checker, sizeof(checker), "%s/" CHECKER, dirname(argv[0]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
