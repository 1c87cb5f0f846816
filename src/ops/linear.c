/* Linear: y (...,O) = activation(x[0] (...,I) * weight' + bias (O) + x[1]), weight (O,I). Bias and the residual x[1]
 * are optional. The axes before the last, at least one, are rows. Reads attrs.activation.
 *
 * Few rows are computed by few_rows.h, large weights by one sgemm. Otherwise the weight is transposed once, as
 * gemm_direct.h requires, and rows are processed in blocks, so that bias, residual and sums of gradients are applied
 * while a block is in the cache.
 *
 * In bfloat16 the same blocks are multiplied by the packed weight. Inputs with two axes, one row per image, are always
 * computed in fp32: their time is that of reading the weight. */
#include <limits.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/ops/kernels/elementwise.h"
#include "src/ops/kernels/few_rows.h"
#include "src/ops/kernels/gemm.h"
#include "src/ops/kernels/gemm_bf16.h"
#include "src/ops/kernels/gemm_direct.h"
#include "src/ops/kernels/transpose.h"
#include "src/ops/reference.h"
#include "src/ops/registry.h"

enum {
	BLOCK_ROWS = 192,    /* rows of a block */
	BF16_ROWS = 384,     /* the same in bfloat16: x is packed once per block */
	TRANSPOSE_ROWS = 96, /* fewest rows for which transposing the weight pays */
};

static int64_t inputs_of(const struct thaw_shape *weight)
{
	return weight->dim[1];
}

static int64_t outputs_of(const struct thaw_shape *weight)
{
	return weight->dim[0];
}

static int64_t rows_of(const struct thaw_shape *x)
{
	int64_t rows = 1;
	for (int i = 0; i < x->ndim - 1; i++)
		rows *= x->dim[i];
	return rows;
}

static thaw_status linear_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	const struct thaw_shape *x = &desc->x[0], *weight = &desc->param[0];
	char have[THAW_SHAPE_TEXT], want[THAW_SHAPE_TEXT];
	if (desc->params < 1 || weight->ndim != 2)
		return thaw_fail(THAW_CONFIG, "no weight with 2 axes: linear: give a weight (outputs, inputs)");

	int64_t in = inputs_of(weight), out = outputs_of(weight);

	if (x->ndim < 2 || x->dim[x->ndim - 1] != in)
		return thaw_fail(THAW_CONFIG, "input %s does not fit weight %s: linear: give (N,...,%lld)",
				 thaw_shape_text(x, have, sizeof(have)), thaw_shape_text(weight, want, sizeof(want)),
				 (long long)in);
	if (desc->params > 1 && (desc->param[1].ndim != 1 || desc->param[1].dim[0] != out))
		return thaw_fail(THAW_CONFIG, "bias %s does not fit weight %s: linear: give one value per output",
				 thaw_shape_text(&desc->param[1], have, sizeof(have)),
				 thaw_shape_text(weight, want, sizeof(want)));
	if (in < 1 || out < 1 || in > INT_MAX || out > INT_MAX || rows_of(x) > INT_MAX) /* BLAS takes sizes as int */
		return thaw_fail(THAW_CONFIG, "weight %s is out of range: linear: give sizes from 1 to 2^31 - 1",
				 thaw_shape_text(weight, want, sizeof(want)));
	*y = *x;
	y->dim[y->ndim - 1] = out;
	if (desc->inputs > 1 && !thaw_shape_equal(&desc->x[1], y))
		return thaw_fail(THAW_CONFIG, "residual %s does not fit the result %s: linear: give the same shape",
				 thaw_shape_text(&desc->x[1], have, sizeof(have)),
				 thaw_shape_text(y, want, sizeof(want)));
	return THAW_OK;
}

/* Whether the product of n rows uses the transposed weight, in blocks of rows. */
static bool uses_blocks(int64_t n, int64_t in, int64_t out)
{
	return n >= TRANSPOSE_ROWS && thaw_gemm_direct_pays(n, out, in, (struct thaw_matrix){.stride = in},
							    (struct thaw_matrix){.stride = out});
}

static bool uses_bf16(const struct thaw_attrs *attrs, const struct thaw_shape *y)
{
	return attrs->precision == THAW_PRECISION_BF16 && y->ndim > 2;
}

/* Backward in bfloat16: the packed weight, a packed block of x, and the gradient before the activation. */
static size_t weight_bytes(int64_t in, int64_t out)
{
	return thaw_bf16_packed_bytes(out, in);
}

static size_t block_bytes(int64_t in)
{
	return thaw_bf16_packed_bytes(BF16_ROWS, in);
}

static void linear_workspace(const struct thaw_op_desc *desc, struct thaw_op_workspace *need)
{
	const struct thaw_shape *weight = &desc->param[0];
	int64_t in = inputs_of(weight), out = outputs_of(weight);
	bool bf16 = uses_bf16(desc->attrs, &desc->y);
	if (bf16)
		need->scratch_forward = thaw_bf16_packed_bytes(in, out);
	else if (uses_blocks(rows_of(&desc->y), in, out))
		need->scratch_forward = (size_t)thaw_shape_count(weight) * sizeof(float);
	need->packed = desc->frozen ? need->scratch_forward : 0;
	if (bf16 && desc->training)
		need->scratch_backward = weight_bytes(in, out) + block_bytes(in);
	if (desc->attrs->activation != THAW_ACT_NONE) /* the gradient before the activation */
		need->scratch_backward += (size_t)thaw_shape_count(&desc->y) * sizeof(float);
}

/* packed: the weight as (inputs, outputs). */
static void linear_pack(const struct thaw_op_args *args, void *packed)
{
	const struct thaw_view *weight = &args->param[0];
	int64_t in = inputs_of(&weight->shape), out = outputs_of(&weight->shape);
	if (uses_bf16(args->attrs, &args->y.shape))
		thaw_bf16_pack(in, out, (struct thaw_matrix){weight->data, in, true}, packed);
	else
		thaw_transpose(packed, out, false, weight->data, in, out, in);
}

/* Applies bias, residual and activation to rows [first, first + rows) of y. */
static void finish_rows(const struct thaw_op_args *args, int64_t first, int64_t rows, int64_t out)
{
	const float *bias = args->params > 1 ? args->param[1].data : NULL;
	enum thaw_activation activation = args->attrs->activation;
	float *y = args->y.data + first * out;
	if (args->inputs > 1) {
		if (bias)
			thaw_kernel_bias(y, bias, rows, out, THAW_ACT_NONE);
		thaw_kernel_add(y, y, args->x[1].data + first * out, rows * out, activation);
	} else {
		thaw_kernel_bias(y, bias, rows, out, activation);
	}
}

static void forward_bf16(const struct thaw_op_args *args, int64_t n, int64_t in, int64_t out)
{
	if (!args->packed)
		linear_pack(args, args->scratch);
	for (int64_t first = 0; first < n; first += BF16_ROWS) {
		int64_t rows = min_int64(n - first, BF16_ROWS);
		thaw_gemm_bf16(rows, out, in, (struct thaw_matrix){args->x[0].data + first * in, in, false},
			       args->packed ? args->packed : args->scratch, false, args->y.data + first * out, out);
		finish_rows(args, first, rows, out);
	}
}

static void linear_forward(const struct thaw_op_args *args)
{
	const struct thaw_view *weight = &args->param[0];
	int64_t n = rows_of(&args->y.shape), in = inputs_of(&weight->shape), out = outputs_of(&weight->shape);
	struct thaw_matrix b = {weight->data, in, true};
	int64_t block = n;
	if (uses_bf16(args->attrs, &args->y.shape)) {
		forward_bf16(args, n, in, out);
		return;
	}
	if (n <= THAW_FEW_ROWS) {
		thaw_few_rows_forward(n, in, out, args->x[0].data, weight->data, args->y.data);
		finish_rows(args, 0, n, out);
		return;
	}
	if (uses_blocks(n, in, out)) {
		if (!args->packed)
			linear_pack(args, args->scratch);
		b = (struct thaw_matrix){args->packed ? args->packed : args->scratch, out, false};
		block = BLOCK_ROWS;
	}
	for (int64_t first = 0; first < n; first += block) {
		int64_t rows = min_int64(n - first, block);
		thaw_gemm(rows, out, in, (struct thaw_matrix){args->x[0].data + first * in, in, false}, b, 0.0f,
			  args->y.data + first * out, out);
		finish_rows(args, first, rows, out);
	}
}

/* The products of backward_rows in bfloat16. The weight is packed for the first rows and kept in scratch. */
static void multiply_bf16(const struct thaw_op_args *args, const float *dy, int64_t first, int64_t rows)
{
	const struct thaw_view *weight = &args->param[0];
	int64_t in = inputs_of(&weight->shape), out = outputs_of(&weight->shape);
	char *packed = args->scratch, *block = packed + weight_bytes(in, out);
	if (args->dx[0]) {
		if (first == 0)
			thaw_bf16_pack(out, in, (struct thaw_matrix){weight->data, in, false}, packed);
		thaw_gemm_bf16(rows, in, out, (struct thaw_matrix){dy, out, false}, packed, args->dx_add[0],
			       args->dx[0] + first * in, in);
	}
	if (args->dparam[0]) {
		thaw_bf16_pack(rows, in, (struct thaw_matrix){args->x[0].data + first * in, in, false}, block);
		thaw_gemm_bf16(out, in, rows, (struct thaw_matrix){dy, out, true}, block, first > 0, args->dparam[0],
			       in);
	}
}

/* The gradients of rows [first, first + rows): of x, and their part of the gradients of the parameters. */
static void backward_rows(const struct thaw_op_args *args, const float *dy, int64_t first, int64_t rows)
{
	const struct thaw_view *weight = &args->param[0];
	int64_t in = inputs_of(&weight->shape), out = outputs_of(&weight->shape);
	dy += first * out;
	if (args->params > 1 && args->dparam[1])
		thaw_kernel_add_rows(args->dparam[1], dy, rows, out);
	if (args->inputs > 1 && args->dx[1])
		thaw_kernel_pass_gradient(args->dx[1] + first * out, args->dx_add[1], dy, NULL, rows * out,
					  THAW_ACT_NONE);
	if (uses_bf16(args->attrs, &args->y.shape)) {
		multiply_bf16(args, dy, first, rows);
		return;
	}
	if (args->dx[0])
		thaw_gemm(rows, in, out, (struct thaw_matrix){dy, out, false},
			  (struct thaw_matrix){weight->data, in, false}, args->dx_add[0] ? 1.0f : 0.0f,
			  args->dx[0] + first * in, in);
	if (args->dparam[0])
		thaw_gemm(out, in, rows, (struct thaw_matrix){dy, out, true},
			  (struct thaw_matrix){args->x[0].data + first * in, in, false}, first > 0 ? 1.0f : 0.0f,
			  args->dparam[0], in);
}

static void linear_backward(const struct thaw_op_args *args)
{
	const struct thaw_view *weight = &args->param[0];
	int64_t n = rows_of(&args->y.shape), in = inputs_of(&weight->shape), out = outputs_of(&weight->shape);
	bool bf16 = uses_bf16(args->attrs, &args->y.shape);
	int64_t block = bf16 ? BF16_ROWS : uses_blocks(n, in, out) ? BLOCK_ROWS : n;
	struct thaw_op_args rest = *args;
	float *without_weight[] = {NULL, args->params > 1 ? args->dparam[1] : NULL};
	const float *dy = args->dy;
	if (args->attrs->activation != THAW_ACT_NONE) {
		float *before = (float *)((char *)args->scratch + (bf16 ? weight_bytes(in, out) + block_bytes(in) : 0));
		thaw_kernel_pass_gradient(before, false, dy, args->y.data, n * out, args->attrs->activation);
		dy = before;
	}
	if (args->params > 1 && args->dparam[1])
		memset(args->dparam[1], 0, (size_t)out * sizeof(float));
	if (args->dparam[0] && n <= THAW_FEW_ROWS && !bf16) {
		thaw_few_rows_weight(n, in, out, args->x[0].data, dy, args->dparam[0]);
		rest.dparam = without_weight;
	}
	for (int64_t first = 0; first < n; first += block)
		backward_rows(&rest, dy, first, min_int64(n - first, block));
}

static void linear_reference(const struct thaw_op_args *args)
{
	const struct thaw_view *weight = &args->param[0];
	int64_t in = inputs_of(&weight->shape), out = outputs_of(&weight->shape);
	for (int64_t n = 0; n < rows_of(&args->y.shape); n++)
		for (int64_t o = 0; o < out; o++) {
			double sum = args->params > 1 ? args->param[1].data[o] : 0.0;
			for (int64_t i = 0; i < in; i++)
				sum += (double)args->x[0].data[n * in + i] * weight->data[o * in + i];
			args->y.data[n * out + o] = thaw_reference_result(args, n * out + o, sum);
		}
}

static int64_t linear_flops(const struct thaw_op_desc *desc)
{
	return 2 * rows_of(&desc->x[0]) * thaw_shape_count(&desc->param[0]);
}

/* Up to THAW_FEW_ROWS rows take another path than more rows. */
static const struct thaw_op_case cases[] = {
	{.name = "bias", .inputs = 1, .x = {{2, {5, 19}}}, .params = 2, .param = {{2, {7, 19}}, {1, {7}}}},
	{.name = "no bias", .inputs = 1, .x = {{2, {3, 8}}}, .params = 1, .param = {{2, {16, 8}}}},
	{.name = "one image, one output",
	 .inputs = 1,
	 .x = {{2, {1, 33}}},
	 .params = 2,
	 .param = {{2, {1, 33}}, {1, {1}}}},
	{.name = "one input", .inputs = 1, .x = {{2, {4, 1}}}, .params = 2, .param = {{2, {3, 1}}, {1, {3}}}},
	{.name = "tokens", .inputs = 1, .x = {{3, {3, 7, 10}}}, .params = 2, .param = {{2, {6, 10}}, {1, {6}}}},
	{.name = "pixels",
	 .attrs = {.activation = THAW_ACT_RELU},
	 .inputs = 1,
	 .x = {{4, {2, 3, 2, 24}}},
	 .params = 2,
	 .param = {{2, {16, 24}}, {1, {16}}}},
	{.name = "relu",
	 .attrs = {.activation = THAW_ACT_RELU},
	 .inputs = 1,
	 .x = {{2, {4, 21}}},
	 .params = 2,
	 .param = {{2, {13, 21}}, {1, {13}}}},
	{.name = "relu6, no bias",
	 .attrs = {.activation = THAW_ACT_RELU6},
	 .inputs = 1,
	 .x = {{2, {4, 21}}},
	 .params = 1,
	 .param = {{2, {13, 21}}}},
	{.name = "few images, whole tiles", .inputs = 1, .x = {{2, {8, 64}}}, .params = 1, .param = {{2, {16, 64}}}},
	{.name = "few images, odd sizes",
	 .inputs = 1,
	 .x = {{2, {13, 83}}},
	 .params = 2,
	 .param = {{2, {19, 83}}, {1, {19}}}},
	{.name = "as many images as few_rows takes",
	 .attrs = {.activation = THAW_ACT_RELU},
	 .inputs = 1,
	 .x = {{2, {THAW_FEW_ROWS, 31}}},
	 .params = 2,
	 .param = {{2, {9, 31}}, {1, {9}}}},
	{.name = "one image more",
	 .attrs = {.activation = THAW_ACT_RELU},
	 .inputs = 1,
	 .x = {{2, {THAW_FEW_ROWS + 1, 31}}},
	 .params = 2,
	 .param = {{2, {9, 31}}, {1, {9}}}},
	{.name = "many images, no bias", .inputs = 1, .x = {{2, {37, 19}}}, .params = 1, .param = {{2, {7, 19}}}},
	{.name = "residual",
	 .attrs = {.activation = THAW_ACT_RELU},
	 .inputs = 2,
	 .x = {{3, {3, 7, 10}}, {3, {3, 7, 6}}},
	 .params = 2,
	 .param = {{2, {6, 10}}, {1, {6}}}},
	{.name = "few images, residual",
	 .inputs = 2,
	 .x = {{2, {4, 9}}, {2, {4, 5}}},
	 .params = 1,
	 .param = {{2, {5, 9}}}},
	{.name = "blocks of rows",
	 .inputs = 1,
	 .x = {{3, {3, BLOCK_ROWS / 2 + 3, 16}}},
	 .params = 2,
	 .param = {{2, {24, 16}}, {1, {24}}}},
	{.name = "blocks of rows, residual, relu6",
	 .attrs = {.activation = THAW_ACT_RELU6},
	 .inputs = 2,
	 .x = {{3, {3, BLOCK_ROWS, 8}}, {3, {3, BLOCK_ROWS, 16}}},
	 .params = 1,
	 .param = {{2, {16, 8}}}},
};

const struct thaw_op thaw_op_linear = {
	.name = "linear",
	.min_inputs = 1,
	.max_inputs = 2,
	.param_names = (const char *const[]){"weight", "bias", NULL},
	.infer = linear_infer,
	.workspace = linear_workspace,
	.forward = linear_forward,
	.pack = linear_pack,
	.backward = linear_backward,
	.reference = linear_reference,
	.activates = true,
	.rounds = true,
	.adds = true,
	.overwrites_dparam = true,
	.flops = linear_flops,
	.backward_reads = THAW_READS_X | THAW_READS_Y,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
