/* Convolution: y = activation(conv(x[0]) + bias + x[1]).
 *
 * x[0] (N,H,W,Cin); x[1], optional, a residual of y's shape; weight (kh,kw,Cin/groups,Cout); bias (Cout), optional.
 * Reads attrs kernel (0: the weight's size), stride, pad, same, dilation, groups, activation.
 *
 * Backward finds in y where the activation was flat, and zeroes dy there in place; the masked dy is the gradient of
 * the residual. The arithmetic is in kernels/conv_*.c.
 */
#include <limits.h>

#include "src/base/try.h"
#include "src/ops/conv_node.h"
#include "src/ops/reference.h"
#include "src/ops/registry.h"

enum { WEIGHT, BIAS };

static thaw_status check_attrs(const struct thaw_attrs *attrs, const struct thaw_shape *weight)
{
	char want[THAW_SHAPE_TEXT];
	for (int i = 0; i < 2; i++) {
		if (attrs->stride[i] < 0 || attrs->kernel[i] < 0 || attrs->pad[i] < 0 || attrs->pad[i + 2] < 0)
			return thaw_fail(THAW_CONFIG, "negative kernel, stride or padding: conv: give 0 or more");
		if (attrs->dilation[i] < 0)
			return thaw_fail(THAW_CONFIG, "negative dilation: conv: give 0 or more");
		if (attrs->kernel[i] && attrs->kernel[i] != weight->dim[i])
			return thaw_fail(THAW_CONFIG,
					 "kernel of %d does not fit weight %s: conv: give the weight's size",
					 attrs->kernel[i], thaw_shape_text(weight, want, sizeof(want)));
	}
	if ((int)attrs->activation < 0 || attrs->activation >= THAW_ACTIVATIONS)
		return thaw_fail(THAW_CONFIG, "unknown activation %d: conv: use relu or relu6", (int)attrs->activation);
	return THAW_OK;
}

static thaw_status check_channels(const struct thaw_op_desc *desc)
{
	const struct thaw_shape *x = &desc->x[0], *weight = &desc->param[WEIGHT];
	int64_t groups = desc->attrs->groups ? desc->attrs->groups : 1;
	char have[THAW_SHAPE_TEXT], want[THAW_SHAPE_TEXT];
	thaw_shape_text(x, have, sizeof(have));
	thaw_shape_text(weight, want, sizeof(want));
	for (int i = 0; i < 4; i++)
		if (weight->dim[i] < 1 || (i > 0 && x->dim[i] < 1))
			return thaw_fail(THAW_CONFIG, "image %s or weight %s is empty: conv: give sizes of 1 or more",
					 have, want);
	if (groups < 1 || x->dim[3] != weight->dim[2] * groups || weight->dim[3] % groups != 0)
		return thaw_fail(THAW_CONFIG,
				 "image %s does not fit weight %s in %lld groups: conv: give a weight "
				 "(kh,kw,Cin/groups,Cout), with Cout a multiple of the groups",
				 have, want, (long long)groups);
	/* BLAS takes sizes and strides as int */
	if (x->dim[3] > INT_MAX || thaw_shape_count(weight) > INT_MAX)
		return thaw_fail(THAW_CONFIG, "weight %s is out of range: conv: give fewer than 2^31 values", want);
	if (desc->params > BIAS && (desc->param[BIAS].ndim != 1 || desc->param[BIAS].dim[0] != weight->dim[3]))
		return thaw_fail(THAW_CONFIG, "bias does not fit weight %s: conv: give one value per output channel",
				 want);
	return THAW_OK;
}

static thaw_status conv_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	char have[THAW_SHAPE_TEXT], want[THAW_SHAPE_TEXT];
	if (desc->params < 1 || desc->param[WEIGHT].ndim != 4 || desc->x[0].ndim != 4)
		return thaw_fail(THAW_CONFIG,
				 "input or weight without 4 axes: conv: give images (N,H,W,C) and a weight "
				 "(kh,kw,Cin/groups,Cout)");
	THAW_TRY(check_attrs(desc->attrs, &desc->param[WEIGHT]));
	THAW_TRY(check_channels(desc));

	struct thaw_conv c = thaw_conv_describe(desc->attrs, &desc->x[0], &desc->param[WEIGHT]);
	struct thaw_shape out = thaw_shape_of(c.n, c.ho, c.wo, c.co);

	if (c.ho < 1 || c.wo < 1)
		return thaw_fail(THAW_CONFIG,
				 "image %s is too small for a kernel of %lldx%lld: conv: use larger images",
				 thaw_shape_text(&desc->x[0], have, sizeof(have)), (long long)c.kh, (long long)c.kw);
	if (desc->inputs > 1 && !thaw_shape_equal(&desc->x[1], &out))
		return thaw_fail(THAW_CONFIG, "residual %s does not fit the result %s: conv: give the same shape",
				 thaw_shape_text(&desc->x[1], have, sizeof(have)),
				 thaw_shape_text(&out, want, sizeof(want)));
	THAW_TRY(thaw_shape_check(&out, "result of conv"));
	*y = out;
	return THAW_OK;
}

static void conv_workspace(const struct thaw_op_desc *desc, struct thaw_op_workspace *need)
{
	struct thaw_conv c = thaw_conv_describe(desc->attrs, &desc->x[0], &desc->param[WEIGHT]);
	const struct thaw_conv_kernel *kernel = thaw_conv_choose(&c, THAW_CONV_FORWARD);

	need->scratch_forward = thaw_conv_forward_bytes(&c);
	need->packed = desc->frozen && kernel->packed_bytes ? kernel->packed_bytes(&c) : 0;
	if (desc->training)
		need->scratch_backward = thaw_conv_backward_bytes(&c);
}

static void conv_pack(const struct thaw_op_args *args, void *packed)
{
	struct thaw_conv c = thaw_conv_describe(args->attrs, &args->x[0].shape, &args->param[WEIGHT].shape);
	thaw_conv_choose(&c, THAW_CONV_FORWARD)->pack(&c, args->param[WEIGHT].data, packed);
}

static void conv_forward(const struct thaw_op_args *args)
{
	struct thaw_conv c = thaw_conv_describe(args->attrs, &args->x[0].shape, &args->param[WEIGHT].shape);
	const float *bias = args->params > BIAS ? args->param[BIAS].data : NULL;
	thaw_conv_forward(&c, args, args->param[WEIGHT].data, args->packed, bias, args->scratch);
}

static void conv_backward(const struct thaw_op_args *args)
{
	struct thaw_conv c = thaw_conv_describe(args->attrs, &args->x[0].shape, &args->param[WEIGHT].shape);
	const float *dy = thaw_conv_epilogue_backward(args, args->params > BIAS ? args->dparam[BIAS] : NULL);
	if (args->dparam[WEIGHT])
		thaw_conv_weight(&c, &args->x[0], dy, args->dparam[WEIGHT], args->scratch);
	if (args->dx[0])
		thaw_conv_choose(&c, THAW_CONV_DATA)
			->data(&c, dy, args->param[WEIGHT].data, args->dx[0], args->dx_add[0], args->scratch);
}

/* One output value without bias and residual. */
static double reference_at(const struct thaw_conv *c, const float *x, const float *weight, int64_t n, int64_t oy,
			   int64_t ox, int64_t o)
{
	int64_t channels = c->ci / c->groups, group = o / (c->co / c->groups);
	double sum = 0;
	for (int64_t ky = 0; ky < c->kh; ky++)
		for (int64_t kx = 0; kx < c->kw; kx++) {
			int64_t y = oy * c->stride_y - c->top + ky * (1 + c->gap_y);
			int64_t at = ox * c->stride_x - c->left + kx * (1 + c->gap_x);
			if (y < 0 || y >= c->h || at < 0 || at >= c->w)
				continue;
			for (int64_t i = 0; i < channels; i++)
				sum += (double)x[((n * c->h + y) * c->w + at) * c->ci + group * channels + i] *
				       weight[((ky * c->kw + kx) * channels + i) * c->co + o];
		}
	return sum;
}

static void conv_reference(const struct thaw_op_args *args)
{
	struct thaw_conv c = thaw_conv_describe(args->attrs, &args->x[0].shape, &args->param[WEIGHT].shape);
	int64_t at = 0;
	for (int64_t n = 0; n < c.n; n++)
		for (int64_t oy = 0; oy < c.ho; oy++)
			for (int64_t ox = 0; ox < c.wo; ox++)
				for (int64_t o = 0; o < c.co; o++, at++) {
					double v = reference_at(&c, args->x[0].data, args->param[WEIGHT].data, n, oy,
								ox, o);
					v += args->params > BIAS ? args->param[BIAS].data[o] : 0.0;
					args->y.data[at] = thaw_reference_result(args, at, v);
				}
}

static int64_t conv_flops(const struct thaw_op_desc *desc)
{
	struct thaw_conv c = thaw_conv_describe(desc->attrs, &desc->x[0], &desc->param[WEIGHT]);
	return 2 * c.n * c.ho * c.wo * thaw_shape_count(&desc->param[WEIGHT]);
}

/* A case: name, N,H,W,Cin, kh,kw, Cin/groups, Cout, number of parameters, attributes. */
#define CASE(name_, n, h, w, ci, kh, kw, cg, co, params_, ...)                                                        \
	{                                                                                                             \
		.name = (name_), .attrs = {__VA_ARGS__}, .inputs = 1, .x = {{4, {n, h, w, ci}}}, .params = (params_), \
		.param = {                                                                                            \
			{4, {kh, kw, cg, co}},                                                                        \
			{1, {co}}                                                                                     \
		}                                                                                                     \
	}
/* The same with bias and a residual of ho x wo. */
#define CASE_ADD(name_, n, h, w, ci, kh, kw, cg, co, ho, wo, ...)                                                      \
	{                                                                                                              \
		.name = (name_), .attrs = {__VA_ARGS__}, .inputs = 2, .x = {{4, {n, h, w, ci}}, {4, {n, ho, wo, co}}}, \
		.params = 2, .param = {                                                                                \
			{4, {kh, kw, cg, co}},                                                                         \
			{1, {co}}                                                                                      \
		}                                                                                                      \
	}

static const struct thaw_op_case cases[] = {
	CASE("1x1", 2, 3, 5, 7, 1, 1, 7, 9, 1, .kernel = {1, 1}),
	CASE("1x1, bias, relu", 2, 4, 3, 5, 1, 1, 5, 6, 2, .activation = THAW_ACT_RELU),
	CASE("1x1 stride 2", 2, 5, 6, 4, 1, 1, 4, 5, 1, .stride = {2, 2}),
	CASE("1x1 padded", 1, 3, 3, 2, 1, 1, 2, 3, 2, .pad = {1, 1, 1, 1}),
	CASE("1x1 in groups", 2, 3, 3, 6, 1, 1, 3, 4, 2, .groups = 2),
	CASE("3x3", 2, 5, 7, 3, 3, 3, 3, 4, 1, .pad = {1, 1, 1, 1}),
	CASE("3x3 without padding, relu6", 2, 5, 5, 3, 3, 3, 3, 4, 2, .activation = THAW_ACT_RELU6),
	CASE("3x3 stride 2", 2, 7, 6, 4, 3, 3, 4, 5, 2, .stride = {2, 2}, .pad = {1, 1, 1, 1}),
	CASE("3x3 of one channel, one image", 1, 5, 4, 1, 3, 3, 1, 1, 2, .pad = {1, 1, 1, 1}),
	CASE("3x3 with much padding", 2, 3, 3, 2, 3, 3, 2, 2, 1, .pad = {3, 3, 3, 3}),
	CASE("3x3 with different strides", 2, 7, 7, 2, 3, 3, 2, 3, 1, .stride = {2, 3}, .pad = {1, 0, 1, 1}),
	CASE("3x3 over many blocks", 3, 32, 33, 1, 3, 3, 1, 2, 2, .pad = {1, 1, 1, 1}),
	CASE("3x3 stride 2 over many blocks", 3, 64, 65, 1, 3, 3, 1, 2, 1, .stride = {2, 2}, .pad = {1, 1, 1, 1}),
	CASE("asymmetric padding", 2, 4, 5, 3, 3, 3, 3, 2, 1, .stride = {2, 2}, .pad = {0, 1, 2, 0}),
	CASE("2x4 kernel", 2, 4, 5, 3, 2, 4, 3, 2, 2, .pad = {0, 1, 1, 2}),
	CASE("image smaller than the kernel", 2, 2, 3, 2, 5, 5, 2, 3, 2, .pad = {2, 2, 2, 2}),
	CASE("stride beyond the kernel", 2, 7, 7, 3, 2, 2, 3, 2, 1, .stride = {3, 3}),
	CASE("same, even", 2, 6, 6, 2, 3, 3, 2, 3, 1, .same = true, .stride = {2, 2}),
	CASE("same, odd", 2, 5, 7, 2, 3, 3, 2, 3, 1, .same = true, .stride = {2, 2}),
	CASE("same, stride 1", 2, 5, 6, 2, 4, 4, 2, 3, 1, .same = true),
	CASE("7x7 stride 2 stem", 2, 15, 14, 3, 7, 7, 3, 4, 1, .stride = {2, 2}, .pad = {3, 3, 3, 3}),
	CASE("11x11 stride 4 stem", 1, 19, 23, 3, 11, 11, 3, 2, 2, .stride = {4, 4}, .pad = {2, 2, 2, 2},
	     .activation = THAW_ACT_RELU),
	CASE("3x3, 32 channels", 2, 8, 8, 32, 3, 3, 32, 32, 1, .pad = {1, 1, 1, 1}),
	CASE("3x3, 48 channels, odd image, relu6", 3, 7, 9, 32, 3, 3, 32, 48, 2, .pad = {1, 1, 1, 1},
	     .activation = THAW_ACT_RELU6),
	CASE("3x3, 32 channels, without padding", 2, 6, 10, 48, 3, 3, 48, 32, 2),
	CASE("3x3, 32 channels, padded by 2", 1, 6, 5, 32, 3, 3, 32, 32, 1, .pad = {2, 2, 2, 2}),
	CASE("3x3, 32 channels, uneven padding", 1, 6, 7, 32, 3, 3, 32, 32, 1, .pad = {0, 2, 1, 1}),
	CASE("stem 7x7 stride 2, 64 channels", 2, 15, 14, 3, 7, 7, 3, 64, 1, .stride = {2, 2}, .pad = {3, 3, 3, 3}),
	CASE("stem 3x3, 32 channels, bias, relu", 2, 7, 9, 3, 3, 3, 3, 32, 2, .pad = {1, 1, 1, 1},
	     .activation = THAW_ACT_RELU),
	CASE("stem 3x3 stride 2, 16 channels, same", 2, 8, 8, 3, 3, 3, 3, 16, 1, .same = true, .stride = {2, 2}),
	CASE("stem 11x11 stride 4, 32 channels", 1, 19, 23, 3, 11, 11, 3, 32, 1, .stride = {4, 4}, .pad = {2, 2, 2, 2}),
	CASE("stem 3x5, uneven padding", 2, 6, 5, 3, 3, 5, 3, 16, 2, .pad = {0, 1, 2, 3}),
	CASE("3x3 dilated by 2", 2, 7, 8, 5, 3, 3, 5, 7, 2, .pad = {2, 2, 2, 2}, .dilation = {2, 2}),
	CASE("3x3 dilated, 32 channels", 2, 8, 9, 32, 3, 3, 32, 32, 1, .pad = {2, 3, 2, 3}, .dilation = {2, 3},
	     .activation = THAW_ACT_RELU),
	CASE("3x3 dilated, stride 2", 2, 9, 10, 3, 3, 3, 3, 16, 1, .stride = {2, 2}, .pad = {1, 2, 2, 1},
	     .dilation = {2, 3}),
	CASE("3x3 dilated beyond the image", 1, 3, 3, 2, 3, 3, 2, 3, 1, .pad = {5, 5, 5, 5}, .dilation = {5, 5}),
	CASE("2x3 dilated, same", 2, 7, 6, 3, 2, 3, 3, 4, 1, .same = true, .dilation = {3, 2}),
	CASE("depthwise 3x3 dilated", 2, 7, 6, 17, 3, 3, 1, 17, 1, .groups = 17, .pad = {2, 2, 2, 2},
	     .dilation = {2, 2}),
	CASE("same, odd pixel first", 2, 8, 6, 3, 3, 3, 3, 5, 1, .same = true, .same_lower = true, .stride = {2, 2}),
	CASE("groups", 2, 5, 5, 6, 3, 3, 2, 9, 2, .groups = 3, .pad = {1, 1, 1, 1}),
	CASE("groups, stride 2", 2, 6, 5, 4, 3, 3, 2, 6, 1, .groups = 2, .stride = {2, 2}, .pad = {1, 1, 1, 1}),
	CASE("1x1, 72 to 100 channels", 2, 7, 5, 72, 1, 1, 72, 100, 2, .activation = THAW_ACT_RELU),
	CASE("1x1 stride 2, 24 channels", 2, 5, 6, 24, 1, 1, 24, 40, 1, .stride = {2, 2}),
	CASE("3x3 stride 2, 19 channels", 2, 7, 6, 19, 3, 3, 19, 33, 2, .stride = {2, 2}, .pad = {1, 1, 1, 1}),
	CASE("3x3, 24 channels", 2, 5, 6, 24, 3, 3, 24, 40, 1, .pad = {1, 1, 1, 1}),
	CASE("groups of 12 channels", 2, 5, 4, 24, 3, 3, 12, 40, 1, .groups = 2, .pad = {1, 1, 1, 1}),
	CASE("1x1, groups of 16 channels", 2, 5, 4, 32, 1, 1, 16, 48, 1, .groups = 2),
	CASE_ADD("1x1, 64 channels, residual", 2, 5, 3, 64, 1, 1, 64, 70, 5, 3, .activation = THAW_ACT_RELU),
	CASE_ADD("3x3, residual, relu", 2, 4, 5, 3, 3, 3, 3, 4, 4, 5, .pad = {1, 1, 1, 1}, .activation = THAW_ACT_RELU),
	CASE_ADD("3x3, 32 channels, residual, relu", 2, 7, 6, 32, 3, 3, 32, 32, 7, 6, .pad = {1, 1, 1, 1},
		 .activation = THAW_ACT_RELU),
	CASE_ADD("stem, residual, relu", 2, 4, 5, 3, 3, 3, 3, 16, 4, 5, .pad = {1, 1, 1, 1},
		 .activation = THAW_ACT_RELU),
	CASE_ADD("1x1, residual", 2, 4, 3, 3, 1, 1, 3, 4, 4, 3, .groups = 0),
	CASE("depthwise 3x3", 2, 7, 9, 20, 3, 3, 1, 20, 1, .groups = 20, .pad = {1, 1, 1, 1}),
	CASE("depthwise 3x3, bias, relu6", 2, 6, 13, 16, 3, 3, 1, 16, 2, .groups = 16, .pad = {1, 1, 1, 1},
	     .activation = THAW_ACT_RELU6),
	CASE("depthwise 3x3 stride 2", 2, 9, 24, 17, 3, 3, 1, 17, 2, .groups = 17, .stride = {2, 2},
	     .pad = {1, 1, 1, 1}, .activation = THAW_ACT_RELU),
	CASE("depthwise 3x3 stride 2, same", 2, 8, 8, 5, 3, 3, 1, 5, 1, .groups = 5, .stride = {2, 2}, .same = true),
	CASE("depthwise 5x5", 2, 7, 14, 18, 5, 5, 1, 18, 1, .groups = 18, .pad = {2, 2, 2, 2}),
	CASE("depthwise 5x5 stride 2", 2, 8, 23, 16, 5, 5, 1, 16, 1, .groups = 16, .stride = {2, 2},
	     .pad = {2, 2, 2, 2}),
	CASE("depthwise 5x5, smaller image", 2, 2, 3, 3, 5, 5, 1, 3, 1, .groups = 3, .pad = {2, 2, 2, 2}),
	CASE("depthwise 7x7", 1, 8, 9, 3, 7, 7, 1, 3, 2, .groups = 3, .pad = {3, 3, 3, 3}),
	CASE("depthwise 7x7, several bands, 20 channels", 2, 14, 43, 20, 7, 7, 1, 20, 2, .groups = 20,
	     .pad = {3, 3, 3, 3}),
	CASE("depthwise 7x7, smaller image, uneven padding", 2, 5, 6, 16, 7, 7, 1, 16, 1, .groups = 16,
	     .pad = {4, 1, 2, 3}),
	CASE("depthwise 7x7 without padding", 1, 9, 10, 17, 7, 7, 1, 17, 1, .groups = 17),
	CASE("depthwise 2x4, asymmetric padding", 2, 5, 9, 3, 2, 4, 1, 3, 1, .groups = 3, .stride = {3, 1},
	     .pad = {0, 2, 1, 1}),
	CASE("depthwise without taps at the border", 1, 4, 4, 2, 1, 1, 1, 2, 1, .groups = 2, .stride = {2, 2},
	     .pad = {2, 2, 2, 2}),
	CASE("depthwise 3x3, several bands, 36 channels", 2, 14, 43, 36, 3, 3, 1, 36, 2, .groups = 36,
	     .pad = {1, 1, 1, 1}, .activation = THAW_ACT_RELU6),
	CASE("depthwise 3x3 stride 2, several bands, 24 channels", 2, 17, 62, 24, 3, 3, 1, 24, 1, .groups = 24,
	     .stride = {2, 2}, .pad = {1, 1, 1, 1}),
	CASE("depthwise 5x5 stride 2, several bands, 32 channels", 2, 18, 47, 32, 5, 5, 1, 32, 2, .groups = 32,
	     .stride = {2, 2}, .pad = {2, 2, 2, 2}, .activation = THAW_ACT_RELU),
	CASE("depthwise 5x5, several bands, 19 channels, uneven padding", 1, 16, 45, 19, 5, 5, 1, 19, 1, .groups = 19,
	     .pad = {1, 2, 3, 0}),
	CASE("depthwise 3x3, stride beyond the kernel across", 1, 7, 11, 20, 3, 1, 1, 20, 1, .groups = 20,
	     .stride = {1, 2}, .pad = {1, 0, 1, 0}),
	CASE("depthwise, two outputs per channel", 2, 4, 5, 3, 3, 3, 1, 6, 2, .groups = 3, .pad = {1, 1, 1, 1}),
	CASE_ADD("depthwise, residual", 2, 5, 6, 4, 3, 3, 1, 4, 5, 6, .groups = 4, .pad = {1, 1, 1, 1},
		 .activation = THAW_ACT_RELU),
};

const struct thaw_op thaw_op_conv = {
	.name = "conv",
	.min_inputs = 1,
	.max_inputs = 2,
	.param_names = (const char *const[]){"weight", "bias", NULL},
	.infer = conv_infer,
	.workspace = conv_workspace,
	.forward = conv_forward,
	.pack = conv_pack,
	.backward = conv_backward,
	.reference = conv_reference,
	.flops = conv_flops,
	.backward_reads = THAW_READS_X | THAW_READS_Y,
	.x_for_weight = true,
	.activates = true,
	.rounds = true,
	.bf16 = true,
	.adds = true,
	.overwrites_dy = true,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
