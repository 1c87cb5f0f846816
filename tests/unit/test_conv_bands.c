/* Depthwise convolutions and stems on values in bfloat16: the same as on the expanded values, with rounded results. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "src/ops/kernels/conv.h"
#include "thaw/memory.h"
#include "thaw/random.h"

enum { GUARD = 64, GUARD_BYTE = 0x5A };

/* Images of h x w, one filter per channel, or few input channels and `outputs` output channels. */
struct layer {
	int64_t h, w, channels, outputs, kernel, stride, pad;
};

static const struct layer layers[] = {
	{56, 61, 48, 0, 3, 1, 1},  {57, 56, 96, 0, 3, 2, 1}, {40, 50, 72, 0, 5, 1, 2},  {61, 50, 64, 0, 5, 2, 2},
	{41, 60, 80, 0, 7, 1, 3},  {9, 11, 20, 0, 3, 1, 1},  {2, 3, 5, 0, 5, 1, 2},     {120, 33, 64, 0, 3, 3, 0},
	{130, 20, 96, 0, 2, 4, 1}, {70, 96, 3, 32, 3, 2, 1}, {101, 90, 3, 16, 3, 1, 1}, {60, 62, 3, 64, 7, 2, 3},
	{3, 400, 128, 0, 3, 1, 4}, {5, 6, 3, 16, 3, 1, 1},
};

static struct thaw_conv conv_of(const struct layer *l)
{
	bool depthwise = l->outputs == 0;
	return (struct thaw_conv){
		.n = 2,
		.h = l->h,
		.w = l->w,
		.ci = l->channels,
		.ho = (l->h + 2 * l->pad - l->kernel) / l->stride + 1,
		.wo = (l->w + 2 * l->pad - l->kernel) / l->stride + 1,
		.co = depthwise ? l->channels : l->outputs,
		.kh = l->kernel,
		.kw = l->kernel,
		.stride_y = l->stride,
		.stride_x = l->stride,
		.top = l->pad,
		.left = l->pad,
		.groups = depthwise ? l->channels : 1,
		.precision = THAW_PRECISION_BF16,
	};
}

/* The same values in both storages. */
struct tensor {
	float *data;
	uint16_t *bf16;
	int64_t count;
};

static struct tensor random_tensor(int64_t count, uint64_t stream)
{
	struct tensor t = {thaw_alloc((size_t)count, sizeof(float)), thaw_alloc((size_t)count, sizeof(uint16_t)),
			   count};
	struct thaw_random random = thaw_random_stream(1, THAW_STREAM_INIT, 0, stream);
	assert_non_null(t.data);
	assert_non_null(t.bf16);
	for (int64_t i = 0; i < count; i++)
		t.data[i] = thaw_random_range(&random, -0.5f, 0.5f);
	thaw_bf16_store(t.bf16, t.data, count);
	thaw_bf16_expand(t.data, t.bf16, count);
	return t;
}

static void tensor_free(struct tensor *t)
{
	thaw_free(t->data);
	thaw_free(t->bf16);
}

static char *guarded_scratch(size_t bytes)
{
	char *scratch = thaw_alloc(bytes + GUARD, 1);
	assert_non_null(scratch);
	memset(scratch + bytes, GUARD_BYTE, GUARD);
	return scratch;
}

static void scratch_free(char *scratch, size_t bytes)
{
	for (size_t i = 0; i < GUARD; i++)
		assert_int_equal(scratch[bytes + i], GUARD_BYTE);
	thaw_free(scratch);
}

static void forward_test(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		struct thaw_conv c = conv_of(&layers[i]);
		const struct thaw_conv_kernel *kernel = thaw_conv_choose(&c, THAW_CONV_FORWARD);
		size_t bytes = kernel->scratch(&c, THAW_CONV_FORWARD);
		char *scratch = guarded_scratch(bytes);
		struct tensor x = random_tensor(c.n * c.h * c.w * c.ci, 1), bias = random_tensor(c.co, 2);
		struct tensor weight = random_tensor(c.kh * c.kw * c.ci / c.groups * c.co, 3);
		struct tensor residual = random_tensor(c.n * c.ho * c.wo * c.co, 4),
			      y = random_tensor(residual.count, 5);
		struct tensor rounded = random_tensor(y.count, 6);
		struct thaw_view plain = {.data = y.data}, bf16 = {.bf16 = y.bf16};
		struct thaw_conv_epilogue e = {
			.bias = bias.data, .residual = residual.data, .activation = THAW_ACT_RELU};
		assert_true(kernel->bf16);
		kernel->forward(&c, (struct thaw_values){.data = x.data}, weight.data, NULL, &e, &plain, scratch);
		thaw_bf16_store(rounded.bf16, y.data, y.count);
		e.residual = NULL;
		e.residual_bf16 = residual.bf16;
		kernel->forward(&c, (struct thaw_values){.bf16 = x.bf16}, weight.data, NULL, &e, &bf16, scratch);
		assert_memory_equal(y.bf16, rounded.bf16, (size_t)y.count * sizeof(*y.bf16));
		kernel->forward(&c, (struct thaw_values){.data = x.data}, weight.data, NULL, &e, &bf16, scratch);
		assert_memory_equal(y.bf16, rounded.bf16, (size_t)y.count * sizeof(*y.bf16));
		tensor_free(&x);
		tensor_free(&bias);
		tensor_free(&weight);
		tensor_free(&residual);
		tensor_free(&y);
		tensor_free(&rounded);
		scratch_free(scratch, bytes);
	}
}

/* Sums of a band's rows are added in another order. */
static void weight_test(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		struct thaw_conv c = conv_of(&layers[i]);
		const struct thaw_conv_kernel *kernel = thaw_conv_choose(&c, THAW_CONV_WEIGHT);
		size_t bytes = kernel->scratch(&c, THAW_CONV_WEIGHT);
		char *scratch = guarded_scratch(bytes);
		struct tensor x = random_tensor(c.n * c.h * c.w * c.ci, 1),
			      dy = random_tensor(c.n * c.ho * c.wo * c.co, 2);
		struct tensor plain = random_tensor(c.kh * c.kw * c.ci / c.groups * c.co, 3);
		struct tensor bf16 = random_tensor(plain.count, 3);
		double error = 0, norm = 0;
		assert_true(kernel->bf16);
		kernel->weight(&c, (struct thaw_values){.data = x.data}, dy.data, plain.data, scratch);
		kernel->weight(&c, (struct thaw_values){.bf16 = x.bf16}, dy.data, bf16.data, scratch);
		for (int64_t k = 0; k < plain.count; k++) {
			error += pow((double)plain.data[k] - bf16.data[k], 2);
			norm += pow(plain.data[k], 2);
		}
		assert_true(sqrt(error) <= 1e-5 * sqrt(norm));
		tensor_free(&x);
		tensor_free(&dy);
		tensor_free(&plain);
		tensor_free(&bf16);
		scratch_free(scratch, bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forward_test),
		cmocka_unit_test(weight_test),
	};
	return cmocka_run_group_tests_name("conv_bands", tests, NULL, NULL);
}
