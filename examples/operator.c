/* An operator of the application in a network that is built node by node, and trained on XOR.
 *
 * Build:  make -C examples operator         (set PKG_CONFIG_PATH when Thaw is not in a standard place)
 * Run:    ./operator
 *
 * The operator computes y = x * |x|, element by element; dy/dx = 2 |x|. */
#include <math.h>
#include <stdio.h>

#include <thaw/thaw.h>

static thaw_status square_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	*y = desc->x[0];
	return THAW_OK;
}

static void square_forward(const struct thaw_op_args *args)
{
	const float *x = args->x[0].data;
	for (int64_t i = 0; i < thaw_shape_count(&args->y.shape); i++)
		args->y.data[i] = x[i] * fabsf(x[i]);
}

static void square_backward(const struct thaw_op_args *args)
{
	const float *x = args->x[0].data;
	if (!args->dx[0]) /* nothing before this node trains */
		return;
	for (int64_t i = 0; i < thaw_shape_count(&args->y.shape); i++) {
		float gradient = args->dy[i] * 2 * fabsf(x[i]);
		args->dx[0][i] = args->dx_add[0] ? args->dx[0][i] + gradient : gradient;
	}
}

static const struct thaw_op square = {
	.name = "signed_square",
	.min_inputs = 1,
	.max_inputs = 1,
	.infer = square_infer,
	.forward = square_forward,
	.backward = square_backward,
	.backward_reads = THAW_READS_X,
};

static int add_linear(struct thaw_graph *g, int x, const char *name, int64_t in, int64_t out)
{
	int y = thaw_graph_add(g, "linear", name, NULL, &x, 1);
	char weight[64], bias[64];
	snprintf(weight, sizeof(weight), "%s.weight", name);
	snprintf(bias, sizeof(bias), "%s.bias", name);
	thaw_graph_param(g, y, weight, THAW_ROLE_WEIGHT, THAW_LAYOUT_SAME, &thaw_shape_of(out, in), NULL);
	thaw_graph_param(g, y, bias, THAW_ROLE_BIAS, THAW_LAYOUT_SAME, &thaw_shape_of(out), NULL);
	return y;
}

/* Images of one pixel with two channels -> 8 features -> the operator -> 2 classes. */
static thaw_status build(struct thaw_graph *g)
{
	const int image = 0; /* node 0 */
	thaw_graph_block(g, "hidden");
	int x = thaw_graph_add(g, "flatten", "flatten", NULL, &image, 1);
	x = add_linear(g, x, "hidden", 2, 8);
	x = thaw_graph_add_op(g, &square, "square", NULL, &x, 1);
	thaw_graph_block(g, "classifier");
	add_linear(g, x, "classifier", 8, 2);
	thaw_status status = thaw_graph_finish(g); /* reports any failure from above */
	if (status == THAW_OK)
		thaw_graph_init(g, 1, 0, g->param_count);
	return status == THAW_OK ? thaw_graph_unfreeze(g, "all") : status;
}

#define PARAMS 4   /* two linear layers */
#define VALUES 32  /* of the largest parameter, at least */
#define STEPS  200 /* of gradient descent */
#define RATE   0.1f

static void train(struct thaw_graph *g, struct thaw_executor *executor)
{
	static const float images[4][2] = {{-1, -1}, {-1, 1}, {1, -1}, {1, 1}};
	static const int32_t labels[4] = {0, 1, 1, 0};
	float memory[PARAMS][VALUES], *gradient[PARAMS] = {memory[0], memory[1], memory[2], memory[3]};
	for (int step = 0; step <= STEPS; step++) {
		for (int i = 0; i < 8; i++)
			thaw_executor_input(executor)[i] = images[i / 2][i % 2];
		const float *logits = thaw_executor_forward(executor, 4, NULL);
		float *dlogits = thaw_executor_dlogits(executor);
		double loss;
		int64_t correct;
		thaw_cross_entropy(logits, 4, 2, labels, 0, dlogits, &loss, &correct);
		if (step % 50 == 0)
			printf("step %d: loss %.4f, %lld of 4 correct\n", step, loss / 4, (long long)correct);
		thaw_executor_backward(executor, dlogits, gradient);
		for (int p = 0; p < g->param_count; p++)
			for (int64_t i = 0; i < thaw_shape_count(&g->params[p].shape); i++)
				g->params[p].data[i] -= RATE * gradient[p][i] / 4;
	}
}

int main(void)
{
	struct thaw_graph *g = thaw_graph_create();
	struct thaw_executor *executor = NULL;
	thaw_status status = g ? build(g) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = thaw_executor_create(&executor, g, &thaw_shape_of(4, 1, 1, 2), THAW_WHOLE, true);
	if (status == THAW_OK)
		train(g, executor);
	else
		fprintf(stderr, "operator: %s\n", thaw_error_message());
	thaw_executor_destroy(executor);
	thaw_graph_destroy(g);
	return status;
}
