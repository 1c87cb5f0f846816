/* Convolutions in bfloat16: the same bits for values in either storage, packed weights and any batch, and all passes
 * close to the kernel in fp32. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "src/base/minmax.h"
#include "src/ops/kernels/conv.h"
#include "thaw/memory.h"
#include "thaw/random.h"

enum { IMAGES = 3 };

static const struct thaw_conv convs[] = {
	{IMAGES, 7, 6, 17, 7, 6, 19, 1, 1, 1, 1, 0, 0, 1, 0, 0, THAW_PRECISION_BF16},        /* odd channels */
	{IMAGES, 7, 6, 32, 7, 6, 70, 1, 1, 1, 1, 0, 0, 1, 0, 0, THAW_PRECISION_BF16},        /* read in place */
	{IMAGES, 7, 6, 16, 4, 3, 24, 1, 1, 2, 2, 0, 0, 1, 0, 0, THAW_PRECISION_BF16},        /* 1x1 stride 2 */
	{IMAGES, 9, 8, 16, 5, 4, 24, 3, 3, 2, 2, 1, 1, 1, 0, 0, THAW_PRECISION_BF16},        /* stride 2 */
	{IMAGES, 9, 10, 9, 3, 4, 11, 3, 2, 3, 3, 0, 1, 1, 0, 0, THAW_PRECISION_BF16},        /* stride 3 */
	{IMAGES, 9, 8, 24, 9, 8, 36, 3, 3, 1, 1, 1, 1, 2, 0, 0, THAW_PRECISION_BF16},        /* groups */
	{IMAGES, 9, 8, 16, 5, 5, 16, 3, 3, 1, 1, 0, 1, 1, 1, 1, THAW_PRECISION_BF16},        /* dilated */
	{IMAGES, 12, 9, 16, 5, 4, 16, 3, 3, 2, 2, 1, 1, 1, 1, 1, THAW_PRECISION_BF16},       /* dilated, stride 2 */
	{IMAGES, 7, 9, 32, 7, 9, 48, 3, 3, 1, 1, 1, 1, 1, 0, 0, THAW_PRECISION_BF16},        /* winograd */
	{IMAGES, 40, 43, 96, 40, 43, 80, 3, 3, 1, 1, 1, 1, 1, 0, 0, THAW_PRECISION_BF16},    /* winograd, many blocks */
	{IMAGES, 60, 61, 64, 30, 31, 16, 3, 3, 2, 2, 1, 1, 1, 0, 0, THAW_PRECISION_BF16},    /* several bands */
	{IMAGES, 15, 14, 3, 8, 7, 64, 7, 7, 2, 2, 3, 3, 1, 0, 0, THAW_PRECISION_BF16},       /* rows: a stem */
	{IMAGES, 300, 301, 3, 150, 151, 80, 3, 3, 2, 2, 1, 1, 1, 0, 0, THAW_PRECISION_BF16}, /* rows, bands */
	{IMAGES, 12, 16, 3, 3, 4, 20, 4, 4, 4, 4, 0, 0, 1, 0, 0, THAW_PRECISION_BF16},       /* rows: patches */
	{IMAGES, 6, 7, 4, 6, 7, 9, 3, 3, 1, 1, 1, 1, 1, 0, 0, THAW_PRECISION_BF16},          /* rows, stride 1 */
	{IMAGES, 9, 12, 3, 4, 5, 16, 2, 3, 2, 2, -1, -1, 1, 0, 0, THAW_PRECISION_BF16},      /* rows, cropped */
	{IMAGES, 5, 4, 3, 4, 3, 16, 5, 5, 2, 2, 3, 3, 1, 0, 0, THAW_PRECISION_BF16},         /* rows, much padding */
};

static int64_t x_count(const struct thaw_conv *c)
{
	return c->n * c->h * c->w * c->ci;
}

static int64_t y_count(const struct thaw_conv *c)
{
	return c->n * c->ho * c->wo * c->co;
}

static int64_t weight_count(const struct thaw_conv *c)
{
	return c->kh * c->kw * c->ci / c->groups * c->co;
}

/* A convolution's memory. x, weight, dy and residual hold values that bfloat16 holds exactly. */
struct fixture {
	struct thaw_conv c;
	float *x, *weight, *residual, *y, *expected;
	uint16_t *x_bf16, *y_bf16;
	char *scratch, *packed;
};

static void *allocate(int64_t bytes)
{
	void *p = thaw_alloc((size_t)bytes, 1);
	assert_non_null(p);
	return p;
}

static float *values(int64_t count, uint64_t stream)
{
	struct thaw_random random = thaw_random_stream(1, THAW_STREAM_INIT, 0, stream);
	float *v = allocate(count * (int64_t)sizeof(*v));
	for (int64_t i = 0; i < count; i++)
		v[i] = ((float)(thaw_random_u32(&random) >> 25) - 64) / 64; /* seven bits and the sign */
	return v;
}

static struct fixture fixture_of(const struct thaw_conv *c)
{
	size_t scratch = 0, packed = thaw_conv_choose(c, THAW_CONV_FORWARD)->packed_bytes(c);
	for (int p = THAW_CONV_FORWARD; p <= THAW_CONV_WEIGHT; p++)
		scratch = max_size(scratch,
				   max_size(thaw_conv_choose(c, p)->scratch(c, p), thaw_conv_gemm.scratch(c, p)));
	struct fixture f = {
		.c = *c,
		.x = values(x_count(c), 1),
		.weight = values(weight_count(c), 2),
		.residual = values(y_count(c), 3),
		.y = values(y_count(c), 4),
		.expected = values(y_count(c), 5),
		.x_bf16 = allocate(x_count(c) * 2),
		.y_bf16 = allocate(y_count(c) * 2),
		.scratch = allocate((int64_t)scratch),
		.packed = allocate((int64_t)packed),
	};
	thaw_bf16_store(f.x_bf16, f.x, x_count(c));
	return f;
}

static void fixture_free(struct fixture *f)
{
	void *all[] = {f->x, f->weight, f->residual, f->y, f->expected, f->x_bf16, f->y_bf16, f->scratch, f->packed};
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		thaw_free(all[i]);
}

static void forward(struct fixture *f, const struct thaw_conv_kernel *kernel, struct thaw_values x, const void *packed,
		    struct thaw_view y)
{
	struct thaw_conv_epilogue epilogue = {.residual = f->residual, .activation = THAW_ACT_RELU};
	kernel->forward(&f->c, x, f->weight, packed, &epilogue, &y, f->scratch);
}

/* Factors are exact, except Winograd's transformed ones, whose sums round by 2^-9 each. */
static void check_near(const float *actual, const float *expected, int64_t count, double bound)
{
	for (int64_t i = 0; i < count; i++)
		if (!(fabs((double)actual[i] - (double)expected[i]) <= bound))
			fail_msg("value %lld is %g, not %g", (long long)i, (double)actual[i], (double)expected[i]);
}

/* Of sums of `depth` products of values up to 1. */
static double bound_of(const struct thaw_conv *c, enum thaw_conv_pass pass, double depth)
{
	bool exact = thaw_conv_choose(c, pass) != &thaw_conv_winograd_bf16;
	return exact ? 1e-6 * depth : 8 * sqrt(depth) / 256;
}

static void forward_test(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(convs) / sizeof(*convs); i++) {
		struct fixture f = fixture_of(&convs[i]);
		const struct thaw_conv_kernel *kernel = thaw_conv_choose(&f.c, THAW_CONV_FORWARD);
		int64_t count = y_count(&f.c), each = count / IMAGES;
		forward(&f, &thaw_conv_gemm, (struct thaw_values){.data = f.x}, NULL, (struct thaw_view){.data = f.y});
		forward(&f, kernel, (struct thaw_values){.data = f.x}, NULL, (struct thaw_view){.data = f.expected});
		check_near(f.expected, f.y, count,
			   bound_of(&f.c, THAW_CONV_FORWARD, (double)(weight_count(&f.c) / f.c.co)));

		kernel->pack(&f.c, f.weight, f.packed);
		forward(&f, kernel, (struct thaw_values){.bf16 = f.x_bf16}, f.packed, (struct thaw_view){.data = f.y});
		assert_memory_equal(f.y, f.expected, (size_t)count * sizeof(float));
		forward(&f, kernel, (struct thaw_values){.bf16 = f.x_bf16}, NULL, (struct thaw_view){.bf16 = f.y_bf16});
		thaw_bf16_store((uint16_t *)(void *)f.y, f.expected, count);
		assert_memory_equal(f.y, f.y_bf16, (size_t)count * sizeof(uint16_t));

		f.c.n = 1; /* an image alone */
		forward(&f, kernel, (struct thaw_values){.data = f.x}, NULL, (struct thaw_view){.data = f.y});
		assert_memory_equal(f.y, f.expected, (size_t)each * sizeof(float));
		f.c.n = IMAGES;
		fixture_free(&f);
	}
}

static void data_test(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(convs) / sizeof(*convs); i++)
		for (int add = 0; add < 2; add++) {
			struct fixture f = fixture_of(&convs[i]);
			const struct thaw_conv_kernel *kernel = thaw_conv_choose(&f.c, THAW_CONV_DATA);
			float *dx = values(x_count(&f.c), 6), *expected = values(x_count(&f.c), 6);
			kernel->data(&f.c, f.residual, f.weight, dx, add, f.scratch);
			thaw_conv_gemm.data(&f.c, f.residual, f.weight, expected, add, f.scratch);
			check_near(dx, expected, x_count(&f.c),
				   bound_of(&f.c, THAW_CONV_DATA, (double)(weight_count(&f.c) / f.c.ci * f.c.groups)));
			thaw_free(dx);
			thaw_free(expected);
			fixture_free(&f);
		}
}

/* Batches of 1, 2 and 3 images: pairs of images, and the last one in two halves. */
static void weight_test(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(convs) / sizeof(*convs); i++)
		for (int64_t n = 1; n <= IMAGES; n++) {
			struct fixture f = fixture_of(&convs[i]);
			const struct thaw_conv_kernel *kernel = thaw_conv_choose(&f.c, THAW_CONV_WEIGHT);
			int64_t count = weight_count(&f.c);
			float *dw[3] = {values(count, 6), values(count, 6), values(count, 6)};
			f.c.n = n;
			thaw_conv_gemm.weight(&f.c, (struct thaw_values){.data = f.x}, f.residual, dw[0], f.scratch);
			kernel->weight(&f.c, (struct thaw_values){.data = f.x}, f.residual, dw[1], f.scratch);
			if (kernel->bf16)
				kernel->weight(&f.c, (struct thaw_values){.bf16 = f.x_bf16}, f.residual, dw[2],
					       f.scratch);
			check_near(dw[1], dw[0], count,
				   bound_of(&f.c, THAW_CONV_WEIGHT, (double)(n * f.c.ho * f.c.wo + 1)));
			if (kernel->bf16)
				assert_memory_equal(dw[1], dw[2], (size_t)count * sizeof(float));
			for (int k = 0; k < 3; k++)
				thaw_free(dw[k]);
			fixture_free(&f);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forward_test),
		cmocka_unit_test(data_test),
		cmocka_unit_test(weight_test),
	};
	return cmocka_run_group_tests_name("conv_bf16", tests, NULL, NULL);
}
