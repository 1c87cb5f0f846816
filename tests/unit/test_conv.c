/* Convolution: output sizes, invalid arguments, and the scratch memory of its kernels. Its arithmetic is tested by
 * test_ops.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/ops/kernels/conv.h"

static thaw_status infer(const struct thaw_attrs *attrs, struct thaw_shape x, struct thaw_shape weight,
			 struct thaw_shape *y)
{
	struct thaw_op_desc desc = {.attrs = attrs, .inputs = 1, .x = &x, .params = 1, .param = &weight};
	return thaw_op_find("conv")->infer(&desc, y);
}

static void output_sizes_test(void **state)
{
	struct thaw_shape y, rgb = thaw_shape_of(2, 224, 224, 3), small = thaw_shape_of(1, 7, 8, 3);
	struct thaw_attrs stem = {.stride = {2, 2}, .pad = {3, 3, 3, 3}}, same = {.stride = {2, 2}, .same = true};
	(void)state;
	assert_int_equal(infer(&stem, rgb, thaw_shape_of(7, 7, 3, 64), &y), THAW_OK);
	assert_true(thaw_shape_equal(&y, &thaw_shape_of(2, 112, 112, 64)));
	assert_int_equal(infer(&same, small, thaw_shape_of(3, 3, 3, 5), &y), THAW_OK);
	assert_true(thaw_shape_equal(&y, &thaw_shape_of(1, 4, 4, 5)));
}

static void invalid_attributes_test(void **state)
{
	const struct thaw_shape x = thaw_shape_of(1, 4, 4, 6), weight = thaw_shape_of(3, 3, 6, 4);
	const struct thaw_attrs invalid[] = {
		{.kernel = {5, 5}}, {.groups = 2},        {.groups = -1}, {.stride = {-1, 1}},
		{.pad = {-1}},      {.activation = 1000}, {.groups = 7},
	};
	struct thaw_attrs plain = {.groups = 1};
	struct thaw_shape y;
	(void)state;
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
		assert_int_equal(infer(&invalid[i], x, weight, &y), THAW_CONFIG);
	assert_int_equal(infer(&plain, x, thaw_shape_of(5, 5, 6, 4), &y), THAW_CONFIG);
	assert_int_equal(infer(&plain, x, thaw_shape_of(3, 3, 6), &y), THAW_CONFIG);
	assert_int_equal(infer(&plain, x, thaw_shape_of(3, 0, 6, 4), &y), THAW_CONFIG);
	assert_int_equal(infer(&plain, thaw_shape_of(4, 6), weight, &y), THAW_CONFIG);
	assert_int_equal(infer(&plain, x, weight, &y), THAW_OK);
}

static void invalid_residual_test(void **state)
{
	struct thaw_attrs attrs = {.pad = {1, 1, 1, 1}};
	struct thaw_shape x[2] = {thaw_shape_of(1, 4, 4, 2), thaw_shape_of(1, 4, 4, 2)};
	struct thaw_shape param[2] = {thaw_shape_of(3, 3, 2, 3), thaw_shape_of(3)}, y;
	struct thaw_op_desc desc = {.attrs = &attrs, .inputs = 2, .x = x, .params = 2, .param = param};
	(void)state;
	assert_int_equal(thaw_op_find("conv")->infer(&desc, &y), THAW_CONFIG);
	x[1].dim[3] = 3;
	assert_int_equal(thaw_op_find("conv")->infer(&desc, &y), THAW_OK);
	param[1].dim[0] = 4;
	assert_int_equal(thaw_op_find("conv")->infer(&desc, &y), THAW_CONFIG);
}

/* A 3x3 convolution of square images, padded by 1. */
static struct thaw_conv layer_3x3(int64_t side, int64_t ci, int64_t co, int64_t stride, int64_t groups)
{
	int64_t out = (side - 1) / stride + 1;
	return (struct thaw_conv){
		.h = side,
		.w = side,
		.ci = ci,
		.ho = out,
		.wo = out,
		.co = co,
		.kh = 3,
		.kw = 3,
		.stride_y = stride,
		.stride_x = stride,
		.top = 1,
		.left = 1,
		.groups = groups,
	};
}

static struct thaw_conv in_bf16(struct thaw_conv c)
{
	c.precision = THAW_PRECISION_BF16;
	return c;
}

/* Memory is allocated for the largest batch; the last batch of an epoch is smaller. */
static void smaller_batches_fit_test(void **state)
{
	const struct thaw_conv *c, convs[] = {
					   layer_3x3(14, 256, 256, 1, 1), /* winograd, several blocks per batch */
					   layer_3x3(28, 128, 128, 1, 1), /* winograd, one block per image */
					   layer_3x3(32, 3, 32, 1, 1),    /* stem */
					   layer_3x3(14, 64, 64, 1, 64),  /* depthwise */
					   layer_3x3(14, 256, 512, 2, 1), /* gemm */
					   layer_3x3(13, 24, 40, 1, 1),   /* gemm */
					   in_bf16(layer_3x3(14, 256, 256, 1, 1)), /* winograd, bf16 */
					   in_bf16(layer_3x3(14, 256, 512, 2, 1)), /* bf16, many images per band */
					   in_bf16(layer_3x3(112, 64, 64, 2, 1)),  /* bf16, several bands per image */
				   };
	(void)state;
	for (c = convs; c < convs + sizeof(convs) / sizeof(convs[0]); c++)
		for (int p = THAW_CONV_FORWARD; p <= THAW_CONV_WEIGHT; p++) {
			const struct thaw_conv_kernel *kernel = thaw_conv_choose(c, p);
			size_t before = 0;
			for (int64_t n = 1; n <= 100; n++) {
				struct thaw_conv batch = *c;
				batch.n = n;
				assert_ptr_equal(thaw_conv_choose(&batch, p), kernel);
				assert_true(kernel->scratch(&batch, p) >= before);
				before = kernel->scratch(&batch, p);
			}
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_sizes_test),
		cmocka_unit_test(invalid_attributes_test),
		cmocka_unit_test(invalid_residual_test),
		cmocka_unit_test(smaller_batches_fit_test),
	};
	return cmocka_run_group_tests_name("conv", tests, NULL, NULL);
}
