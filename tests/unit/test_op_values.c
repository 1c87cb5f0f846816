/* Operators on values stored in bfloat16. One that takes them computes as in fp32 on the rounded values, so its results
 * are those in fp32, rounded, and its gradients have the same bits. Convolutions choose other blocks, and are compared
 * within the format's error. Every case of every such operator runs with x, y or both in bfloat16. */
#include "tests/unit/op_cases.h"

#include <math.h>
#include <string.h>

#include "thaw/dtype.h"
#include "thaw/memory.h"
#include "thaw/random.h"

enum { MAX_INPUTS = 4, MAX_BUFFERS = 64, POISON = 0xFF };

/* A factor is off by up to 2^-9 of itself, a product by 2^-8, and a sum by as much of the sum of the magnitudes. */
#define BF16_ERROR (1.0 / 64)

struct fixture {
	const struct thaw_op *op;
	const struct thaw_op_case *c;
	struct thaw_shape y;
	struct thaw_op_workspace workspace;
	struct thaw_op_args args;
	struct thaw_view x[MAX_INPUTS], param[THAW_MAX_PARAMS];
	float *dx[MAX_INPUTS], *dparam[THAW_MAX_PARAMS];
	bool dx_add[MAX_INPUTS];
	void *buffer[MAX_BUFFERS];
	int buffers;
};

static void *poisoned(struct fixture *f, size_t bytes)
{
	assert_true(f->buffers < MAX_BUFFERS);
	void *p = thaw_alloc(bytes, 1);
	assert_non_null(p);
	f->buffer[f->buffers++] = memset(p, POISON, bytes);
	return p;
}

static float *floats(struct fixture *f, const struct thaw_shape *s)
{
	return poisoned(f, (size_t)thaw_shape_count(s) * sizeof(float));
}

static uint16_t *halves(struct fixture *f, const struct thaw_shape *s)
{
	return poisoned(f, (size_t)thaw_shape_count(s) * sizeof(uint16_t));
}

static void fill(float *to, const struct thaw_shape *s, struct thaw_random *random, float low, float high)
{
	for (int64_t i = 0; i < thaw_shape_count(s); i++)
		to[i] = thaw_random_range(random, low, high);
}

static void round_all(float *values, const struct thaw_shape *s)
{
	for (int64_t i = 0; i < thaw_shape_count(s); i++) {
		uint16_t rounded;
		thaw_from_f32(THAW_BF16, &values[i], &rounded, 1);
		thaw_to_f32(THAW_BF16, &rounded, &values[i], 1);
	}
}

static bool is_variance(const struct thaw_op *op, int param)
{
	return strcmp(op->param_names[param], "running_var") == 0;
}

/* Fills x, rounded where `rounds`, and parameters; the same values in each fixture of a case. */
static void fill_all(struct fixture *f, bool rounds)
{
	struct thaw_random random = thaw_random_stream(1, THAW_STREAM_INIT, 0, strlen(f->c->name));
	float reach = f->c->attrs.activation == THAW_ACT_RELU6 ? 8 : 1;
	bool ranged = f->c->low != f->c->high;
	for (int i = 0; i < f->c->inputs; i++) {
		fill(f->x[i].data, &f->x[i].shape, &random, ranged ? f->c->low : -reach, ranged ? f->c->high : reach);
		if (rounds)
			round_all(f->x[i].data, &f->x[i].shape);
	}
	for (int i = 0; i < f->c->params; i++)
		fill(f->param[i].data, &f->param[i].shape, &random, is_variance(f->op, i) ? 0.5f : -1, 1);
}

static void fixture_create(struct fixture *f, const struct thaw_op *op, const struct thaw_op_case *c, bool rounds)
{
	*f = (struct fixture){.op = op, .c = c};
	struct thaw_op_desc desc = {.attrs = &c->attrs,
				    .inputs = c->inputs,
				    .x = c->x,
				    .params = c->params,
				    .param = c->param,
				    .training = true};
	assert_int_equal(op->infer(&desc, &desc.y), THAW_OK);
	if (op->workspace)
		op->workspace(&desc, &f->workspace);
	f->y = desc.y;
	for (int i = 0; i < c->inputs; i++) {
		f->x[i] = (struct thaw_view){.data = floats(f, &c->x[i]), .shape = c->x[i]};
		f->dx[i] = floats(f, &c->x[i]);
	}
	for (int i = 0; i < c->params; i++) {
		f->param[i] = (struct thaw_view){.data = floats(f, &c->param[i]), .shape = c->param[i]};
		f->dparam[i] =
			memset(floats(f, &c->param[i]), 0, (size_t)thaw_shape_count(&c->param[i]) * sizeof(float));
	}
	fill_all(f, rounds);
	f->args = (struct thaw_op_args){.attrs = &c->attrs,
					.inputs = c->inputs,
					.x = f->x,
					.y = {.data = floats(f, &f->y), .shape = f->y},
					.params = c->params,
					.param = f->param,
					.saved = poisoned(f, f->workspace.saved),
					.training = true,
					.dx = f->dx,
					.dx_add = f->dx_add,
					.dparam = f->dparam};
}

static void fixture_destroy(struct fixture *f)
{
	for (int i = 0; i < f->buffers; i++)
		thaw_free(f->buffer[i]);
}

/* Stores x, already rounded, or y in bfloat16. */
static void store(struct fixture *f, struct thaw_view *v)
{
	v->bf16 = halves(f, &v->shape);
	thaw_from_f32(THAW_BF16, v->data, v->bf16, thaw_shape_count(&v->shape));
	v->data = NULL;
}

static void run_forward(struct fixture *f)
{
	f->args.scratch = poisoned(f, f->workspace.scratch_forward);
	f->op->forward(&f->args);
}

static void run_backward(struct fixture *f)
{
	struct thaw_random random = thaw_random_stream(2, THAW_STREAM_INIT, 0, 0);
	f->args.dy = floats(f, &f->y);
	fill(f->args.dy, &f->y, &random, -1, 1);
	f->args.scratch = poisoned(f, f->workspace.scratch_backward);
	f->op->backward(&f->args);
}

/* Of operators that round factors within the format's error, of others exactly. */
static void compare(const struct fixture *f, const char *what, const float *a, const float *b,
		    const struct thaw_shape *s)
{
	double error = 0, norm = 0, count = (double)thaw_shape_count(s);
	for (int64_t i = 0; i < thaw_shape_count(s); i++) {
		if (!f->op->rounds && memcmp(&a[i], &b[i], sizeof(*a)) != 0)
			fail_msg("%s: value %lld is %.8g, not %.8g", what, (long long)i, (double)a[i], (double)b[i]);
		error += pow((double)a[i] - (double)b[i], 2);
		norm += pow((double)b[i], 2);
	}
	if (!(sqrt(error) <= BF16_ERROR * (sqrt(norm) + 0.1 * sqrt(count))))
		fail_msg("%s: relative error %g", what, sqrt(error / norm));
}

static void check_storage(const struct thaw_op *op, const struct thaw_op_case *c, bool x, bool y)
{
	struct fixture exact, stored;
	fixture_create(&exact, op, c, x);
	fixture_create(&stored, op, c, x);
	for (int i = 0; x && i < c->inputs; i++)
		store(&stored, &stored.x[i]);
	if (y) {
		stored.args.y.data = NULL;
		stored.args.y.bf16 = halves(&stored, &stored.y);
	}
	run_forward(&exact);
	if (y)
		round_all(exact.args.y.data, &exact.y);
	run_forward(&stored);
	float *result = floats(&stored, &stored.y);
	const float *values = thaw_view_values(&stored.args.y, result);
	compare(&exact, "y", values, exact.args.y.data, &exact.y);
	/* Flat at the same places. */
	memcpy(exact.args.y.data, values, (size_t)thaw_shape_count(&exact.y) * sizeof(float));
	run_backward(&exact);
	run_backward(&stored);
	for (int i = 0; i < c->inputs; i++)
		compare(&exact, "gradient of an input", stored.dx[i], exact.dx[i], &c->x[i]);
	for (int i = 0; i < c->params; i++)
		compare(&exact, op->param_names[i], stored.dparam[i], exact.dparam[i], &c->param[i]);
	fixture_destroy(&exact);
	fixture_destroy(&stored);
}

static void storage_test(void **state)
{
	const struct op_case *t = *state;
	check_storage(t->op, &t->c, true, true);
	check_storage(t->op, &t->c, true, false);
	check_storage(t->op, &t->c, false, true);
}

int main(int argc, char **argv)
{
	static struct op_cases cases;
	for (int i = 0; thaw_ops[i]; i++)
		if (thaw_ops[i]->bf16)
			op_cases_add(&cases, thaw_ops[i],
				     thaw_ops[i]->rounds ? THAW_PRECISION_BF16 : THAW_PRECISION_FP32, storage_test);
	return op_cases_run(&cases, "values in bfloat16", argc, argv);
}
