/* Patterns that exporters spread over many nodes become one node: checks the resulting operators, the names of
 * parameters and that the output stays the same; near misses must not be changed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "thaw/executor.h"
#include "thaw/memory.h"
#include "thaw/random.h"

enum { IMAGES = 2, SIDE = 4, CHANNELS = 12, TOKENS = SIDE * SIDE, HEADS = 3, SIZE = 4 };

static struct thaw_graph *new_graph(void)
{
	struct thaw_graph *g = thaw_graph_create();
	assert_non_null(g);
	thaw_graph_block(g, "all");
	return g;
}

/* The last parameter gets values between low and high. */
static void fill(struct thaw_graph *g, float low, float high)
{
	struct thaw_param *p = &g->params[g->param_count - 1];
	struct thaw_random r = thaw_random_stream(11, THAW_STREAM_INIT, 2, (uint64_t)g->param_count);
	for (int64_t i = 0; i < thaw_shape_count(&p->shape); i++)
		p->data[i] = thaw_random_range(&r, low, high);
}

static int add_node(struct thaw_graph *g, const char *op, const struct thaw_attrs *attrs, const int *x, int count)
{
	return thaw_graph_add(g, op, op, attrs, x, count);
}

static int function(struct thaw_graph *g, enum thaw_function f, float a, float b, int x)
{
	return add_node(g, "pointwise", &(struct thaw_attrs){.function = f, .alpha = a, .beta = b}, &x, 1);
}

static int affine(struct thaw_graph *g, double a, double b, int x)
{
	return function(g, THAW_FN_AFFINE, (float)a, (float)b, x);
}

static int binary(struct thaw_graph *g, enum thaw_binary f, int x, int y)
{
	return add_node(g, "binary", &(struct thaw_attrs){.binary = f}, (int[]){x, y}, 2);
}

static int mean(struct thaw_graph *g, unsigned axes, int x)
{
	return add_node(g, "reduce", &(struct thaw_attrs){.reduction = THAW_REDUCE_MEAN, .axes = axes}, &x, 1);
}

static int relu6(struct thaw_graph *g, int x)
{
	return add_node(g, "activation", &(struct thaw_attrs){.activation = THAW_ACT_RELU6}, &x, 1);
}

static int constant(struct thaw_graph *g, const char *name, const struct thaw_shape *shape)
{
	int node = add_node(g, "constant", NULL, NULL, 0);
	thaw_graph_param(g, node, name, THAW_ROLE_SHIFT, THAW_LAYOUT_SAME, shape, NULL);
	fill(g, 0.5f, 1.5f);
	return node;
}

static int row(struct thaw_graph *g, const char *name, int rank, int64_t columns)
{
	struct thaw_shape shape = {.ndim = rank};
	for (int i = 0; i < rank; i++)
		shape.dim[i] = i == rank - 1 ? columns : 1;
	return constant(g, name, &shape);
}

static int linear(struct thaw_graph *g, const char *name, int64_t in, int64_t out, int x)
{
	struct thaw_shape shape = thaw_shape_of(out, in);
	int node = add_node(g, "linear", NULL, &x, 1);
	thaw_graph_param(g, node, name, THAW_ROLE_WEIGHT, THAW_LAYOUT_SAME, &shape, NULL);
	fill(g, -1, 1);
	return node;
}

static int conv(struct thaw_graph *g, const char *name, int x)
{
	struct thaw_shape shape = thaw_shape_of(3, 3, CHANNELS, 8);
	int node = add_node(g, "conv", &(struct thaw_attrs){.kernel = {3, 3}, .pad = {0, 1, 0, 1}}, &x, 1);
	thaw_graph_param(g, node, name, THAW_ROLE_WEIGHT, THAW_LAYOUT_CONV, &shape, NULL);
	fill(g, -1, 1);
	return node;
}

static int view(struct thaw_graph *g, const char *op, int x, const struct thaw_factors *factors)
{
	return add_node(g, op, &(struct thaw_attrs){.factors = *factors}, &x, 1);
}

/* (N,H,W,C) as (N,H * W,C) */
static int tokens(struct thaw_graph *g, int x)
{
	return view(
		g, "reshape", x,
		&(struct thaw_factors){
			.count = 4, .ndim = 3, .axis = {0, 1, 2, 3}, .order = {0, 1, 2, 3}, .target = {0, 1, 1, 2}});
}

/* The values of the output; the caller frees them. */
static float *run(const struct thaw_graph *g, int64_t *count)
{
	struct thaw_executor *executor = NULL;
	struct thaw_shape image = thaw_shape_of(IMAGES, SIDE, SIDE, CHANNELS), shapes[100];
	assert_in_range(g->node_count, 1, 100);
	assert_int_equal(thaw_graph_infer(g, &image, shapes), THAW_OK);
	assert_int_equal(thaw_executor_create(&executor, g, &image, THAW_WHOLE, false), THAW_OK);
	struct thaw_random r = thaw_random_stream(5, THAW_STREAM_INIT, 0, 0);
	for (int64_t i = 0; i < thaw_shape_count(&image); i++)
		thaw_executor_input(executor)[i] = thaw_random_normal(&r);
	*count = thaw_shape_count(&shapes[g->output]);
	float *y = thaw_alloc((size_t)*count, sizeof(*y));
	assert_non_null(y);
	memcpy(y, thaw_executor_forward(executor, IMAGES, NULL), (size_t)*count * sizeof(*y));
	thaw_executor_destroy(executor);
	return y;
}

/* Asserts that only the parameter "mask" is fixed. */
static void check_roles(const struct thaw_graph *g)
{
	for (int i = 0; i < g->param_count; i++)
		assert_int_equal(g->params[i].role == THAW_ROLE_FIXED, strcmp(g->params[i].name, "mask") == 0);
}

/* Recognises patterns in a graph whose output is its last node; asserts that these operators and parameters remain.
 * Destroys the graph. */
static void becomes(struct thaw_graph *g, const char *operators, const char *params)
{
	struct thaw_shape image = thaw_shape_of(IMAGES, SIDE, SIDE, CHANNELS);
	char have[1000] = "", named[1000] = "";
	int64_t count, again;
	assert_int_equal(g->failed, THAW_OK);
	g->output = g->node_count - 1;
	float *before = run(g, &count);
	assert_int_equal(thaw_graph_recognise(g, &image), THAW_OK);
	float *after = run(g, &again);
	assert_int_equal(count, again);
	for (int64_t i = 0; i < count; i++)
		assert_true(fabsf(after[i] - before[i]) <= 1e-5f * (1 + fabsf(before[i])));
	for (int i = 1; i < g->node_count; i++) {
		const struct thaw_node *n = &g->nodes[i];
		size_t used = strlen(have);
		snprintf(have + used, sizeof(have) - used, "%s%s", i > 1 ? " " : "", n->op->name);
		for (int k = 0; k < n->param_count; k++) {
			assert_int_equal(g->params[n->params[k]].node, i);
			used = strlen(named);
			snprintf(named + used, sizeof(named) - used, "%s%s", used ? " " : "",
				 g->params[n->params[k]].name);
		}
	}
	check_roles(g);
	assert_string_equal(have, operators);
	assert_string_equal(named, params);
	thaw_free(before);
	thaw_free(after);
	thaw_graph_destroy(g);
}

enum deviation { BY_SQRT, BY_POWER, BY_RECIPROCAL };

/* (x - mean) / deviation over `axes`. */
static int normalised(struct thaw_graph *g, int x, unsigned axes, enum deviation how)
{
	int centred = binary(g, THAW_BINARY_SUB, x, mean(g, axes, x));
	int square = how == BY_SQRT ? function(g, THAW_FN_POWER, 2, 0, centred)
				    : binary(g, THAW_BINARY_MUL, centred, centred);
	int variance = affine(g, 1, 1e-3, mean(g, axes, square));
	if (how == BY_POWER)
		return binary(g, THAW_BINARY_MUL, centred, function(g, THAW_FN_POWER, -0.5f, 0, variance));
	int root = function(g, THAW_FN_SQRT, 0, 0, variance);
	if (how == BY_SQRT)
		return binary(g, THAW_BINARY_DIV, centred, root);
	return binary(g, THAW_BINARY_MUL, function(g, THAW_FN_RECIPROCAL, 0, 0, root), centred);
}

static void layer_norm_is_one_node(void **state)
{
	(void)state;
	for (enum deviation how = BY_SQRT; how <= BY_RECIPROCAL; how++) {
		struct thaw_graph *g = new_graph();
		int y = binary(g, THAW_BINARY_MUL, normalised(g, 0, 1u << 3, how), row(g, "scale", 4, CHANNELS));
		binary(g, THAW_BINARY_ADD, row(g, "shift", 4, CHANNELS), y);
		assert_int_equal(thaw_graph_find_param(g, "scale"), 0);
		becomes(g, "layer_norm", "scale shift");
	}
}

static void parameters_get_their_roles(void **state)
{
	(void)state;
	struct thaw_graph *g = new_graph();
	struct thaw_shape image = thaw_shape_of(IMAGES, SIDE, SIDE, CHANNELS);
	int y = binary(g, THAW_BINARY_MUL, normalised(g, 0, 1u << 3, BY_SQRT), row(g, "scale", 4, CHANNELS));
	y = binary(g, THAW_BINARY_ADD, y, row(g, "shift", 4, CHANNELS));
	g->output = binary(g, THAW_BINARY_ADD, row(g, "bias", 4, 5), linear(g, "weight", CHANNELS, 5, y));
	assert_int_equal(thaw_graph_recognise(g, &image), THAW_OK);
	const char *const names[] = {"scale", "shift", "weight", "bias"};
	const enum thaw_role roles[] = {THAW_ROLE_SCALE, THAW_ROLE_SHIFT, THAW_ROLE_WEIGHT, THAW_ROLE_BIAS};
	for (int i = 0; i < 4; i++) {
		const struct thaw_param *p = &g->params[thaw_graph_find_param(g, names[i])];
		assert_int_equal(p->role, roles[i]);
		assert_int_equal(p->shape.ndim, i == 2 ? 2 : 1);
		assert_true(thaw_shape_equal(&p->shape, &p->file_shape));
	}
	assert_true(g->nodes[1].attrs.epsilon == 1e-3f);
	thaw_graph_destroy(g);
}

static void other_norms_stay(void **state)
{
	(void)state;
	struct thaw_graph *g = new_graph();
	int y = normalised(g, 0, 1u << 2, BY_SQRT); /* another axis */
	y = binary(g, THAW_BINARY_MUL, y, row(g, "scale", 4, CHANNELS));
	binary(g, THAW_BINARY_ADD, y, row(g, "shift", 4, CHANNELS));
	becomes(g, "reduce binary pointwise reduce pointwise pointwise binary constant binary constant binary",
		"scale shift");

	g = new_graph();
	y = normalised(g, 0, 1u << 3, BY_SQRT);
	binary(g, THAW_BINARY_ADD, y, row(g, "shift", 4, CHANNELS)); /* no scale */
	becomes(g, "reduce binary pointwise reduce pointwise pointwise binary constant binary", "shift");

	g = new_graph();
	int scale = row(g, "scale", 4, CHANNELS);
	y = binary(g, THAW_BINARY_MUL, normalised(g, 0, 1u << 3, BY_SQRT), scale);
	y = binary(g, THAW_BINARY_ADD, y, row(g, "shift", 4, CHANNELS));
	binary(g, THAW_BINARY_MUL, y, scale); /* read twice */
	becomes(g, "constant reduce binary pointwise reduce pointwise pointwise binary binary constant binary binary",
		"scale shift");
}

/* 1 + erf(x / sqrt 2) */
static int erf_gate(struct thaw_graph *g, int x, double root)
{
	return affine(g, 1, 1, function(g, THAW_FN_ERF, 0, 0, affine(g, 1 / root, 0, x)));
}

static void gelu_is_one_node(void **state)
{
	(void)state;
	struct thaw_graph *g = new_graph();
	affine(g, 0.5, 0, binary(g, THAW_BINARY_MUL, 0, erf_gate(g, 0, sqrt(2))));
	becomes(g, "pointwise", "");
	g = new_graph();
	binary(g, THAW_BINARY_MUL, affine(g, 0.5, 0, 0), erf_gate(g, 0, 1.4142135381698608));
	becomes(g, "pointwise", "");
	g = new_graph();
	binary(g, THAW_BINARY_MUL, affine(g, 0.5, 0, erf_gate(g, 0, sqrt(2))), 0);
	becomes(g, "pointwise", "");
	g = new_graph();
	binary(g, THAW_BINARY_MUL, 0, affine(g, 0.5, 0, erf_gate(g, 0, 1.5)));
	becomes(g, "pointwise pointwise pointwise binary", "");
}

static void gelu_by_tanh_is_one_node(void **state)
{
	(void)state;
	struct thaw_graph *g = new_graph();
	int cubic = affine(g, 0.044715, 0, function(g, THAW_FN_POWER, 3, 0, 0));
	cubic = affine(g, 0.7978845608, 0, add_node(g, "add", NULL, (int[]){0, cubic}, 2));
	binary(g, THAW_BINARY_MUL, affine(g, 0.5, 0, 0), affine(g, 1, 1, function(g, THAW_FN_TANH, 0, 0, cubic)));
	becomes(g, "pointwise", "");

	g = new_graph();
	cubic = binary(g, THAW_BINARY_MUL, 0, affine(g, 0.044715, 1, binary(g, THAW_BINARY_MUL, 0, 0)));
	int tanh_of = function(g, THAW_FN_TANH, 0, 0, affine(g, 0.7978845608, 0, cubic));
	binary(g, THAW_BINARY_MUL, 0, affine(g, 0.5, 0.5, tanh_of));
	becomes(g, "pointwise", "");
}

static void gated_activations_are_one_node(void **state)
{
	(void)state;
	struct thaw_graph *g = new_graph();
	binary(g, THAW_BINARY_MUL, 0, function(g, THAW_FN_SIGMOID, 0, 0, 0));
	becomes(g, "pointwise", "");
	g = new_graph();
	binary(g, THAW_BINARY_MUL, 0, function(g, THAW_FN_HARD_SIGMOID, 1 / 6.0f, 0.5f, 0));
	becomes(g, "pointwise", "");
	g = new_graph();
	binary(g, THAW_BINARY_MUL, affine(g, 1 / 6.0, 0, relu6(g, affine(g, 1, 3, 0))), 0);
	becomes(g, "pointwise", "");
	g = new_graph();
	affine(g, 1 / 6.0, 0, binary(g, THAW_BINARY_MUL, 0, relu6(g, affine(g, 1, 3, 0))));
	becomes(g, "pointwise", "");
	g = new_graph();
	function(g, THAW_FN_CLIP, 0, 1, affine(g, 0.2, 0.5, 0));
	becomes(g, "pointwise", "");
	g = new_graph();
	binary(g, THAW_BINARY_MUL, 0, function(g, THAW_FN_TANH, 0, 0, function(g, THAW_FN_SOFTPLUS, 0, 0, 0)));
	becomes(g, "pointwise", "");
}

static void other_products_stay(void **state)
{
	(void)state;
	struct thaw_graph *g = new_graph();
	int other = function(g, THAW_FN_ABS, 0, 0, 0);
	binary(g, THAW_BINARY_MUL, 0, function(g, THAW_FN_SIGMOID, 0, 0, other)); /* the gate of another value */
	becomes(g, "pointwise pointwise binary", "");
	g = new_graph();
	int gate = function(g, THAW_FN_SIGMOID, 0, 0, 0);
	binary(g, THAW_BINARY_SUB, binary(g, THAW_BINARY_MUL, 0, gate), gate); /* read twice */
	becomes(g, "pointwise binary binary", "");
	g = new_graph();
	binary(g, THAW_BINARY_MUL, 0, function(g, THAW_FN_HARD_SIGMOID, 0.2f, 0.5f, 0)); /* another slope */
	becomes(g, "pointwise binary", "");
}

static void bias_joins_the_node_before_it(void **state)
{
	(void)state;
	struct thaw_graph *g = new_graph();
	binary(g, THAW_BINARY_ADD, row(g, "bias", 4, 5), linear(g, "weight", CHANNELS, 5, 0));
	becomes(g, "linear", "weight bias");
	g = new_graph();
	binary(g, THAW_BINARY_ADD, conv(g, "weight", 0), row(g, "bias", 4, 8));
	becomes(g, "conv", "weight bias");
}

static void other_sums_stay(void **state)
{
	(void)state;
	struct thaw_graph *g = new_graph();
	int bias = row(g, "bias", 4, CHANNELS);
	int x = binary(g, THAW_BINARY_ADD, linear(g, "a", CHANNELS, CHANNELS, 0), bias);
	binary(g, THAW_BINARY_ADD, linear(g, "b", CHANNELS, CHANNELS, x), bias); /* shared by two nodes */
	becomes(g, "constant linear binary linear binary", "bias a b");
	g = new_graph();
	x = linear(g, "a", CHANNELS, CHANNELS, 0);
	binary(g, THAW_BINARY_MUL, binary(g, THAW_BINARY_ADD, x, row(g, "bias", 4, CHANNELS)),
	       x); /* x has another reader */
	becomes(g, "linear constant binary binary", "a bias");
	g = new_graph();
	x = linear(g, "a", CHANNELS, CHANNELS, 0);
	binary(g, THAW_BINARY_ADD, x, row(g, "mask", 4, CHANNELS));
	g->params[g->param_count - 1].role = THAW_ROLE_FIXED; /* a fixed value cannot be a bias */
	becomes(g, "linear constant binary", "a mask");
	g = new_graph();
	struct thaw_shape shape = thaw_shape_of(1, SIDE, SIDE, CHANNELS);
	x = linear(g, "a", CHANNELS, CHANNELS, 0);
	binary(g, THAW_BINARY_ADD, x, constant(g, "positions", &shape));
	becomes(g, "linear constant binary", "a positions");
}

static void scalings_merge(void **state)
{
	(void)state;
	struct thaw_graph *g = new_graph();
	affine(g, 3, 1, affine(g, 1, 0, affine(g, -2, 0.5, 0)));
	becomes(g, "pointwise", "");
	g = new_graph();
	int x = affine(g, 0.5, 0, tokens(g, 0));
	int y = affine(
		g, 0.25, 0,
		view(g, "rearrange", x,
		     &(struct thaw_factors){
			     .count = 3, .ndim = 3, .axis = {0, 1, 2}, .order = {0, 2, 1}, .target = {0, 1, 2}}));
	affine(g, 3, 0, add_node(g, "matmul", NULL, (int[]){tokens(g, 0), y}, 2));
	becomes(g, "reshape rearrange matmul", "");
}

/* Order of the heads in the source of q, k and v. */
enum layout { BY_PART, BY_HEAD };

/* q, k or v (part 0, 1, 2) of the packed x (N,T,3 * HEADS * SIZE), as (N,HEADS,T,SIZE), or with the last two exchanged.
 */
static int head_split(struct thaw_graph *g, int x, int part, enum layout layout, bool turned)
{
	struct thaw_factors f = {.count = 5, .ndim = 4, .axis = {0, 1, 2, 2, 2}, .target = {0, 0, 1, 2, 3}};
	int heads = layout == BY_PART ? 3 : 2, of = layout == BY_PART ? 2 : 3;
	f.size[heads] = HEADS;
	f.size[of] = 3;
	f.size[4] = SIZE;
	f.start[of] = part;
	f.step[of] = f.take[of] = 1;
	memcpy(f.order, (int[]){0, of, heads, turned ? 4 : 1, turned ? 1 : 4}, 5 * sizeof(int));
	return view(g, "rearrange", x, &f);
}

/* q, k or v from a separate value (N,T,HEADS * SIZE). */
static int heads_of(struct thaw_graph *g, int x, bool turned)
{
	struct thaw_factors f = {.count = 4, .ndim = 4, .axis = {0, 1, 2, 2}, .target = {0, 1, 2, 3}};
	f.size[2] = HEADS;
	memcpy(f.order, turned ? (int[]){0, 2, 3, 1} : (int[]){0, 2, 1, 3}, 4 * sizeof(int));
	return view(g, "rearrange", x, &f);
}

/* (N,HEADS,T,SIZE) as (N,T,HEADS * SIZE) */
static int merge_heads(struct thaw_graph *g, int x)
{
	return view(
		g, "rearrange", x,
		&(struct thaw_factors){
			.count = 4, .ndim = 3, .axis = {0, 1, 2, 3}, .order = {0, 2, 1, 3}, .target = {0, 1, 2, 2}});
}

static int product(struct thaw_graph *g, int x, int y)
{
	return add_node(g, "matmul", NULL, (int[]){x, y}, 2);
}

static int softmax(struct thaw_graph *g, int x)
{
	return add_node(g, "softmax", NULL, &x, 1);
}

static void attention_of_packed_qkv(void **state)
{
	(void)state;
	for (enum layout layout = BY_PART; layout <= BY_HEAD; layout++) {
		struct thaw_graph *g = new_graph();
		int x = linear(g, "qkv", CHANNELS, 3 * HEADS * SIZE, tokens(g, 0));
		int q = affine(g, 0.6, 0, head_split(g, x, 0, layout, false));
		int k = affine(g, 0.6, 0, head_split(g, x, 1, layout, true));
		int p = softmax(g, product(g, q, k));
		merge_heads(g, product(g, p, head_split(g, x, 2, layout, false)));
		becomes(g, layout == BY_PART ? "reshape linear attention" : "reshape linear rearrange attention",
			"qkv");
	}
}

static void attention_of_separate_qkv(void **state)
{
	(void)state;
	struct thaw_graph *g = new_graph();
	int x = tokens(g, 0);
	int q = heads_of(g, linear(g, "q", CHANNELS, HEADS * SIZE, x), false);
	int k = heads_of(g, linear(g, "k", CHANNELS, HEADS * SIZE, x), true);
	int v = heads_of(g, linear(g, "v", CHANNELS, HEADS * SIZE, x), false);
	struct thaw_shape bias = thaw_shape_of(1, HEADS, TOKENS, TOKENS);
	int scores = affine(g, 0.5, 0, product(g, q, k));
	scores = binary(g, THAW_BINARY_ADD, scores, constant(g, "bias", &bias));
	linear(g, "out", HEADS * SIZE, 5, merge_heads(g, product(g, softmax(g, scores), v)));
	becomes(g, "reshape linear linear linear constant attention linear", "q k v bias out");
}

/* Windows of half the image's height, (N,2 * 2,4,C), and two biases, one with a mask for each window. */
static void attention_in_windows(void **state)
{
	(void)state;
	enum { WINDOWS = 2, IN_WINDOW = TOKENS / WINDOWS };
	struct thaw_graph *g = new_graph();
	int x = linear(g, "qkv", CHANNELS, 3 * HEADS * SIZE, 0), part[3];
	for (int i = 0; i < 3; i++) {
		struct thaw_factors f = {.count = 7,
					 .ndim = 4,
					 .axis = {0, 1, 2, 2, 3, 3, 3},
					 .size = {0, 0, WINDOWS, 0, 3, HEADS, SIZE},
					 .target = {0, 0, 0, 1, 2, 2, 3}};
		f.start[4] = i;
		f.step[4] = f.take[4] = 1;
		memcpy(f.order, (int[]){0, 2, 4, 5, 1, 3, 6}, 7 * sizeof(int));
		if (i == 1) { /* k is transposed */
			memcpy(f.order, (int[]){0, 2, 4, 5, 6, 1, 3}, 7 * sizeof(int));
			memcpy(f.target, (int[]){0, 0, 0, 1, 2, 3, 3}, 7 * sizeof(int));
		}
		part[i] = view(g, "rearrange", x, &f);
	}
	struct thaw_shape bias = thaw_shape_of(1, HEADS, IN_WINDOW, IN_WINDOW);
	struct thaw_shape mask = {5, {1, WINDOWS, 1, IN_WINDOW, IN_WINDOW}};
	int y = binary(g, THAW_BINARY_ADD, product(g, affine(g, 0.5, 0, part[0]), part[1]), constant(g, "bias", &bias));
	y = view(g, "reshape", y,
		 &(struct thaw_factors){.count = 5,
					.ndim = 5,
					.axis = {0, 0, 1, 2, 3},
					.size = {0, WINDOWS},
					.order = {0, 1, 2, 3, 4},
					.target = {0, 1, 2, 3, 4}});
	int masked = constant(g, "mask", &mask);
	for (int64_t i = 0; i < thaw_shape_count(&mask); i++)
		g->params[g->param_count - 1].data[i] = i % 3 == 0 ? -100.0f : 0.0f;
	y = softmax(g, binary(g, THAW_BINARY_ADD, y, masked));
	y = view(g, "reshape", y,
		 &(struct thaw_factors){.count = 5,
					.ndim = 4,
					.axis = {0, 1, 2, 3, 4},
					.order = {0, 1, 2, 3, 4},
					.target = {0, 0, 1, 2, 3}});
	merge_heads(g, product(g, y, part[2]));
	becomes(g, "linear rearrange constant constant reshape binary attention", "qkv bias mask");
}

static void near_misses_of_attention_stay(void **state)
{
	(void)state;
	struct thaw_graph *g = new_graph();
	int x = linear(g, "qkv", CHANNELS, 3 * HEADS * SIZE, tokens(g, 0));
	int q = head_split(g, x, 0, BY_PART, false), k = head_split(g, x, 1, BY_PART, true);
	int p = softmax(g, product(g, q, k));
	int y = merge_heads(g, product(g, p, head_split(g, x, 2, BY_PART, false)));
	binary(g, THAW_BINARY_MUL, y, mean(g, 1u << 1, mean(g, 1u << 2, merge_heads(g, p)))); /* p is read twice */
	becomes(g,
		"reshape linear rearrange rearrange matmul softmax rearrange matmul rearrange rearrange reduce reduce "
		"binary",
		"qkv");

	g = new_graph();
	struct thaw_shape one = thaw_shape_of(1, 1, TOKENS, TOKENS);
	x = linear(g, "qkv", CHANNELS, 3 * HEADS * SIZE, tokens(g, 0));
	p = product(g, head_split(g, x, 0, BY_PART, false), head_split(g, x, 1, BY_PART, true));
	p = softmax(g, binary(g, THAW_BINARY_ADD, p, constant(g, "bias", &one))); /* one bias for all heads */
	merge_heads(g, product(g, p, head_split(g, x, 2, BY_PART, false)));
	becomes(g, "reshape linear rearrange rearrange matmul constant binary softmax rearrange matmul rearrange",
		"qkv bias");
}

static int padded(struct thaw_graph *g, const int64_t *before, const int64_t *after, float fill_with)
{
	struct thaw_attrs attrs = {.fill = fill_with};
	int x = 0;
	memcpy(attrs.before, before, 4 * sizeof(*before));
	memcpy(attrs.after, after, 4 * sizeof(*after));
	return add_node(g, "pad", &attrs, &x, 1);
}

static void convolution_takes_its_padding(void **state)
{
	(void)state;
	const int64_t before[] = {0, 1, 0, 0}, after[] = {0, 2, 1, 0}, less[] = {0, -1, 0, 0};
	struct thaw_graph *g = new_graph();
	conv(g, "weight", padded(g, before, after, 0));
	becomes(g, "conv", "weight");
	g = new_graph();
	conv(g, "weight", padded(g, before, after, 1)); /* no zeros */
	becomes(g, "pad conv", "weight");
	g = new_graph();
	conv(g, "weight", padded(g, less, after, 0));
	becomes(g, "pad conv", "weight");
}

static void identity_views_are_removed(void **state)
{
	(void)state;
	const struct thaw_factors same = {
		.count = 3, .ndim = 3, .axis = {0, 1, 2}, .order = {0, 1, 2}, .target = {0, 1, 2}};
	const struct thaw_factors turned = {
		.count = 3, .ndim = 3, .axis = {0, 1, 2}, .order = {0, 2, 1}, .target = {0, 1, 2}};
	struct thaw_graph *g = new_graph();
	int x = view(g, "rearrange", view(g, "reshape", tokens(g, 0), &same), &same);
	product(g, view(g, "rearrange", x, &turned), affine(g, 2, 0, x));
	becomes(g, "reshape rearrange matmul", "");

	g = new_graph(); /* the same rearrangement twice */
	x = view(g, "rearrange", tokens(g, 0), &turned);
	binary(g, THAW_BINARY_MAX, function(g, THAW_FN_ABS, 0, 0, x), view(g, "rearrange", tokens(g, 0), &turned));
	becomes(g, "reshape rearrange pointwise binary", "");

	g = new_graph(); /* moves only axes of size 1 */
	x = mean(g, 1u << 1 | 1u << 2, 0);
	view(g, "rearrange", x,
	     &(struct thaw_factors){
		     .count = 4, .ndim = 2, .axis = {0, 1, 2, 3}, .order = {0, 3, 1, 2}, .target = {0, 1, 1, 1}});
	becomes(g, "reduce reshape", "");
}

/* Each of these matches changes two nodes of many. The limit of processor time is some 30 times what it takes; a
 * recogniser whose time is quadratic takes longer by far. */
static void many_matches_take_linear_time(void **state)
{
	(void)state;
	enum { GATES = 50000, SECONDS = 30 };
	struct thaw_graph *g = new_graph();
	struct thaw_shape image = thaw_shape_of(IMAGES, SIDE, SIDE, CHANNELS);
	int x = 0;
	for (int i = 0; i < GATES; i++) {
		int gate = function(g, THAW_FN_SIGMOID, 0, 0, x);
		x = affine(g, 1, 0, binary(g, THAW_BINARY_MUL, x, gate));
	}
	assert_int_equal(g->failed, THAW_OK);
	g->output = x;
	struct rusage before, after;
	getrusage(RUSAGE_SELF, &before);
	assert_int_equal(thaw_graph_recognise(g, &image), THAW_OK);
	getrusage(RUSAGE_SELF, &after);
	assert_int_equal(g->node_count, 1 + GATES);
	assert_in_range(after.ru_utime.tv_sec - before.ru_utime.tv_sec, 0, SECONDS);
	thaw_graph_destroy(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layer_norm_is_one_node),
		cmocka_unit_test(parameters_get_their_roles),
		cmocka_unit_test(other_norms_stay),
		cmocka_unit_test(gelu_is_one_node),
		cmocka_unit_test(gelu_by_tanh_is_one_node),
		cmocka_unit_test(gated_activations_are_one_node),
		cmocka_unit_test(other_products_stay),
		cmocka_unit_test(bias_joins_the_node_before_it),
		cmocka_unit_test(other_sums_stay),
		cmocka_unit_test(scalings_merge),
		cmocka_unit_test(attention_of_packed_qkv),
		cmocka_unit_test(attention_of_separate_qkv),
		cmocka_unit_test(attention_in_windows),
		cmocka_unit_test(near_misses_of_attention_stay),
		cmocka_unit_test(convolution_takes_its_padding),
		cmocka_unit_test(identity_views_are_removed),
		cmocka_unit_test(many_matches_take_linear_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
