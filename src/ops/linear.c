/* Linear: y (...,O) = activation(x[0] (...,I) * weight' + bias (O) + x[1]), weight (O,I). Bias and the residual x[1]
 * are optional. The axes before the last, at least one, are rows. Reads attrs.activation.
 *
 * Few rows are computed by few_rows.h, large weights by one sgemm. Otherwise the weight is transposed once, as
 * gemm_direct.h requires, and rows are processed in blocks, so that bias, residual and sums of gradients are applied
 * while a block is in the cache.
 *
 * In bfloat16 the same blocks are multiplied by the packed weight; results that are stored in bfloat16 are rounded
 * while their block is in the cache. Inputs with two axes, one row per image, are always computed in fp32: their time
 * is that of reading the weight. */
#include <limits.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/ops/kernels/bf16_values.h"
#include "src/ops/kernels/elementwise.h"
#include "src/ops/kernels/few_rows.h"
#include "src/ops/kernels/gemm.h"
#include "src/ops/kernels/gemm_bf16.h"
#include "src/ops/kernels/gemm_direct.h"
#include "src/ops/kernels/transpose.h"
#include "src/ops/kernels/vector.h"
#include "src/ops/reference.h"
#include "src/ops/registry.h"

enum {
	BLOCK_ROWS = 192,    /* rows of a block */
	BF16_ROWS = 96,      /* the same in bfloat16, forward: a block of fp32 results stays in the cache */
	BF16_PACKED = 384,   /* backward: x is packed once per block */
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

/* Backward in bfloat16: the packed weight, a packed block of x, and the gradient before the activation of a block. */
static size_t weight_bytes(int64_t in, int64_t out)
{
	return thaw_bf16_packed_bytes(out, in);
}

static size_t block_bytes(int64_t in)
{
	return thaw_bf16_packed_bytes(BF16_PACKED, in);
}

static int64_t backward_block(const struct thaw_attrs *attrs, const struct thaw_shape *y, int64_t in, int64_t out)
{
	int64_t n = rows_of(y);
	return uses_bf16(attrs, y) ? BF16_PACKED : uses_blocks(n, in, out) ? BLOCK_ROWS : n;
}

static size_t float_bytes(int64_t count)
{
	return (size_t)((count + THAW_VECTOR_WIDTH - 1) / THAW_VECTOR_WIDTH * THAW_VECTOR_WIDTH) * sizeof(float);
}

/* Of x, the residual and y in fp32, where products are in fp32 but values may be in bfloat16. */
static size_t expanded_bytes(const struct thaw_attrs *attrs, const struct thaw_shape *x, const struct thaw_shape *y)
{
	if (attrs->precision == THAW_PRECISION_FP32 || uses_bf16(attrs, y))
		return 0;
	return float_bytes(thaw_shape_count(x)) + 2 * float_bytes(thaw_shape_count(y));
}

static void linear_workspace(const struct thaw_op_desc *desc, struct thaw_op_workspace *need)
{
	const struct thaw_shape *weight = &desc->param[0];
	int64_t in = inputs_of(weight), out = outputs_of(weight);
	int64_t rows = min_int64(rows_of(&desc->y), backward_block(desc->attrs, &desc->y, in, out));
	size_t expanded = expanded_bytes(desc->attrs, &desc->x[0], &desc->y), weights = 0;
	bool bf16 = uses_bf16(desc->attrs, &desc->y);
	if (bf16)
		weights = thaw_bf16_packed_bytes(in, out);
	else if (uses_blocks(rows_of(&desc->y), in, out))
		weights = (size_t)thaw_shape_count(weight) * sizeof(float);
	need->packed = desc->frozen ? weights : 0;
	need->scratch_forward = expanded + weights + (bf16 ? float_bytes(BF16_ROWS * out) : 0);
	need->scratch_backward = expanded;
	if (bf16 && desc->training)
		need->scratch_backward += weight_bytes(in, out) + block_bytes(in);
	if (desc->attrs->activation != THAW_ACT_NONE) /* the gradient before the activation */
		need->scratch_backward += (size_t)(rows * out) * sizeof(float);
}

/* The same arguments with x and y in fp32, at the beginning of the scratch memory if they are stored in bfloat16.
 * view[2] receives the inputs. Backward gets what it reads, forward all inputs. */
static struct thaw_op_args expand_values(const struct thaw_op_args *args, struct thaw_view *view, bool backward)
{
	struct thaw_op_args e = *args;
	char *memory = args->scratch;
	for (int k = 0; k < args->inputs; k++) {
		view[k] = args->x[k];
		if (!view[k].bf16 || (backward && (k > 0 || !args->dparam[0])))
			continue;
		view[k].data = (float *)(uintptr_t)thaw_view_values(&args->x[k], (float *)memory);
		view[k].bf16 = NULL;
		memory += float_bytes(thaw_shape_count(&view[k].shape));
	}
	if (args->y.bf16) {
		e.y.data = (float *)memory;
		e.y.bf16 = NULL;
		memory += float_bytes(thaw_shape_count(&e.y.shape));
		if (backward && args->attrs->activation != THAW_ACT_NONE)
			thaw_bf16_expand(e.y.data, args->y.bf16, thaw_shape_count(&e.y.shape));
	}
	e.x = view;
	e.scratch = memory;
	return e;
}

/* Rows of `width` values from `first` on, as a factor. */
static struct thaw_value_matrix rows_from(const struct thaw_view *v, int64_t first, int64_t width)
{
	return (struct thaw_value_matrix){v->data ? v->data + first * width : NULL,
					  v->bf16 ? v->bf16 + first * width : NULL, width, false};
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

/* Applies bias, residual and activation to y, which are rows [first, first + rows) of the result. */
static void finish_rows(const struct thaw_op_args *args, float *y, int64_t first, int64_t rows, int64_t out)
{
	const float *bias = args->params > 1 ? args->param[1].data : NULL;
	enum thaw_activation activation = args->attrs->activation;
	const struct thaw_view *residual = args->inputs > 1 ? &args->x[1] : NULL;
	if (bias || !residual)
		thaw_kernel_bias(y, bias, rows, out, residual ? THAW_ACT_NONE : activation);
	if (!residual)
		return;
	if (residual->bf16) {
		thaw_bf16_add(y, residual->bf16 + first * out, rows * out);
		thaw_kernel_bias(y, NULL, rows, out, activation);
	} else {
		thaw_kernel_add(y, y, residual->data + first * out, rows * out, activation);
	}
}

static void forward_bf16(const struct thaw_op_args *args, int64_t n, int64_t in, int64_t out)
{
	float *room = (float *)((char *)args->scratch + thaw_bf16_packed_bytes(in, out));
	if (!args->packed)
		linear_pack(args, args->scratch);
	for (int64_t first = 0; first < n; first += BF16_ROWS) {
		int64_t rows = min_int64(n - first, BF16_ROWS);
		float *y = thaw_values_target(&args->y, first * out, room);
		thaw_gemm_bf16_values(rows, out, in, rows_from(&args->x[0], first, in),
				      args->packed ? args->packed : args->scratch, false, y, out);
		finish_rows(args, y, first, rows, out);
		thaw_values_write(&args->y, first * out, rows * out, y);
	}
}

static void forward_fp32(const struct thaw_op_args *args, int64_t n, int64_t in, int64_t out)
{
	const struct thaw_view *weight = &args->param[0];
	struct thaw_matrix b = {weight->data, in, true};
	int64_t block = n;
	if (n <= THAW_FEW_ROWS) {
		thaw_few_rows_forward(n, in, out, args->x[0].data, weight->data, args->y.data);
		finish_rows(args, args->y.data, 0, n, out);
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
		finish_rows(args, args->y.data + first * out, first, rows, out);
	}
}

static void linear_forward(const struct thaw_op_args *args)
{
	const struct thaw_shape *weight = &args->param[0].shape;
	int64_t n = rows_of(&args->y.shape), in = inputs_of(weight), out = outputs_of(weight);
	struct thaw_view view[2];
	if (uses_bf16(args->attrs, &args->y.shape)) {
		forward_bf16(args, n, in, out);
		return;
	}
	struct thaw_op_args expanded = expand_values(args, view, false);
	forward_fp32(&expanded, n, in, out);
	thaw_values_write(&args->y, 0, n * out, expanded.y.data);
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
		thaw_bf16_pack_values(rows, in, rows_from(&args->x[0], first, in), block);
		thaw_gemm_bf16(out, in, rows, (struct thaw_matrix){dy, out, true}, block, first > 0, args->dparam[0],
			       in);
	}
}

/* The gradients of rows [first, first + rows), whose gradient before the activation is dy: of x, and their part of the
 * gradients of the parameters. */
static void backward_rows(const struct thaw_op_args *args, const float *dy, int64_t first, int64_t rows)
{
	const struct thaw_view *weight = &args->param[0];
	int64_t in = inputs_of(&weight->shape), out = outputs_of(&weight->shape);
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
	if (!args->dparam[0])
		return;
	if (rows_of(&args->y.shape) <= THAW_FEW_ROWS)
		thaw_few_rows_weight(rows, in, out, args->x[0].data, dy, args->dparam[0]);
	else
		thaw_gemm(out, in, rows, (struct thaw_matrix){dy, out, true},
			  (struct thaw_matrix){args->x[0].data + first * in, in, false}, first > 0 ? 1.0f : 0.0f,
			  args->dparam[0], in);
}

/* The gradient before the activation of rows [first, first + rows), in `room` if there is an activation. */
static const float *gradient_before(const struct thaw_op_args *args, int64_t first, int64_t rows, int64_t out,
				    float *room)
{
	float value[THAW_VALUES_BLOCK];
	const float *dy = args->dy + first * out;
	if (args->attrs->activation == THAW_ACT_NONE)
		return dy;
	for (int64_t at = 0; at < rows * out; at += THAW_VALUES_BLOCK) {
		int64_t count = min_int64(rows * out - at, THAW_VALUES_BLOCK);
		thaw_kernel_pass_gradient(room + at, false, dy + at,
					  thaw_values_read(&args->y, first * out + at, count, value), count,
					  args->attrs->activation);
	}
	return room;
}

static void linear_backward(const struct thaw_op_args *args)
{
	const struct thaw_shape *weight = &args->param[0].shape;
	int64_t n = rows_of(&args->y.shape), in = inputs_of(weight), out = outputs_of(weight);
	int64_t block = backward_block(args->attrs, &args->y.shape, in, out);
	bool bf16 = uses_bf16(args->attrs, &args->y.shape);
	struct thaw_view view[2];
	struct thaw_op_args rest = bf16 ? *args : expand_values(args, view, true);
	float *before = (float *)((char *)rest.scratch + (bf16 ? weight_bytes(in, out) + block_bytes(in) : 0));
	if (args->params > 1 && args->dparam[1])
		memset(args->dparam[1], 0, (size_t)out * sizeof(float));
	if (args->dparam[0] && n == 0)
		memset(args->dparam[0], 0, (size_t)(in * out) * sizeof(float));
	for (int64_t first = 0; first < n; first += block) {
		int64_t rows = min_int64(n - first, block);
		backward_rows(&rest, gradient_before(&rest, first, rows, out, before), first, rows);
	}
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
	.bf16 = true,
	.adds = true,
	.overwrites_dparam = true,
	.flops = linear_flops,
	.backward_reads = THAW_READS_X | THAW_READS_Y,
	.x_for_weight = true,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
