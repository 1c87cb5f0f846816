/* Winograd's convolution against the GEMM kernel at the shapes of real layers, with many blocks and tiles: the error of
 * each pass, and the same bits with packed filters. Small shapes are compared with naive loops in test_ops.c. */
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

struct layer {
	const char *name;
	int64_t n, side, ci, co, pad;
	double error; /* allowed |difference| / |plain| of forward and data; twice as much for the weights */
};

static const struct layer layers[] = {
	{"cifar_resnet8", 40, 32, 32, 32, 1, 1e-5},
	{"resnet18 layer1", 2, 56, 64, 64, 1, 1e-5},
	{"resnet18 layer3", 3, 14, 256, 256, 1, 1.5e-5},
	{"resnet18 layer4", 2, 7, 512, 512, 1, 2e-5},
	{"vgg", 1, 28, 128, 512, 1, 1.5e-5},
	{"odd", 3, 45, 48, 80, 0, 1e-5},
	{"padded by two", 2, 21, 32, 64, 2, 1e-5},
};

/* Images have a mean, as after an activation, which gives larger errors than noise around zero. */
static float *noise(int64_t count, float mean, uint64_t seed)
{
	struct thaw_random r = thaw_random_stream(seed, THAW_STREAM_INIT, 0, 0);
	float *v = thaw_alloc((size_t)count, sizeof(*v));
	assert_non_null(v);
	for (int64_t i = 0; i < count; i++)
		v[i] = thaw_random_normal(&r) + mean;
	return v;
}

static double difference(const float *a, const float *b, int64_t count)
{
	double distance = 0, norm = 0;
	for (int64_t i = 0; i < count; i++) {
		distance += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
		norm += (double)b[i] * b[i];
	}
	return sqrt(distance / norm);
}

static void expect_error(const struct layer *l, const char *pass, double error, double most)
{
	if (!(error <= most))
		fail_msg("%s, %s: error %.2g, at most %.2g", l->name, pass, error, most);
}

/* A 3x3 convolution with stride 1 of n square images. */
static struct thaw_conv conv_of(int64_t n, int64_t side, int64_t ci, int64_t co, int64_t pad)
{
	int64_t out = side + 2 * pad - 2;
	return (struct thaw_conv){
		.n = n,
		.h = side,
		.w = side,
		.ci = ci,
		.ho = out,
		.wo = out,
		.co = co,
		.kh = 3,
		.kw = 3,
		.stride_y = 1,
		.stride_x = 1,
		.top = pad,
		.left = pad,
		.groups = 1,
	};
}

static void check_layer(const struct layer *l)
{
	const struct thaw_conv_kernel *winograd = &thaw_conv_winograd, *plain = &thaw_conv_gemm;
	struct thaw_conv c = conv_of(l->n, l->side, l->ci, l->co, l->pad);
	int64_t nx = l->n * l->side * l->side * l->ci, ny = l->n * c.ho * c.wo * l->co, nw = 9 * l->ci * l->co;
	size_t scratch = 0;
	for (int p = THAW_CONV_FORWARD; p <= THAW_CONV_WEIGHT; p++) {
		const struct thaw_conv_kernel *kernels[] = {winograd, plain};
		assert_ptr_equal(thaw_conv_choose(&c, p), winograd);
		for (int k = 0; k < 2; k++)
			scratch = max_size(scratch, kernels[k]->scratch(&c, p));
	}
	float *x = noise(nx, 0.5f, 1), *w = noise(nw, 0.0f, 2), *dy = noise(ny, 0.1f, 3), *bias = noise(l->co, 0.0f, 4);
	float *y[2] = {thaw_alloc((size_t)ny, 4), thaw_alloc((size_t)ny, 4)};
	float *dx[2] = {noise(nx, 0.0f, 5), noise(nx, 0.0f, 5)}, *dw[2] = {noise(nw, 0.0f, 6), noise(nw, 0.0f, 6)};
	void *buffer = thaw_alloc(scratch, 1), *packed = thaw_alloc(winograd->packed_bytes(&c), 1);
	struct thaw_values in = {.data = x};
	struct thaw_view out[2] = {{.data = y[0]}, {.data = y[1]}};
	struct thaw_conv_epilogue e = {.bias = bias, .residual = dy, .activation = THAW_ACT_RELU6};

	winograd->forward(&c, in, w, NULL, &e, &out[0], buffer);
	plain->forward(&c, in, w, NULL, &e, &out[1], buffer);
	expect_error(l, "forward", difference(y[0], y[1], ny), l->error);
	winograd->pack(&c, w, packed);
	winograd->forward(&c, in, w, packed, &e, &out[1], buffer);
	assert_memory_equal(y[0], y[1], (size_t)ny * sizeof(float));
	winograd->data(&c, dy, w, dx[0], true, buffer);
	plain->data(&c, dy, w, dx[1], true, buffer);
	expect_error(l, "data", difference(dx[0], dx[1], nx), l->error);
	winograd->weight(&c, in, dy, dw[0], buffer);
	plain->weight(&c, in, dy, dw[1], buffer);
	expect_error(l, "weight", difference(dw[0], dw[1], nw), 2 * l->error);

	float *all[] = {x, w, dy, bias, y[0], y[1], dx[0], dx[1], dw[0], dw[1], buffer, packed};
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		thaw_free(all[i]);
}

static void layers_test(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(layers) / sizeof(*layers); i++)
		check_layer(&layers[i]);
}

static void unsupported_shapes_do_not_fit(void **state)
{
	(void)state;
	const struct thaw_conv good = conv_of(2, 14, 64, 64, 1);
	assert_true(thaw_conv_winograd.fits(&good, THAW_CONV_FORWARD));
	struct thaw_conv c[8];
	for (int i = 0; i < 8; i++)
		c[i] = good;
	c[0].stride_x = 2, c[1].groups = 2, c[2].kh = 5, c[3].ci = 40, c[4].co = 16, c[5].top = 3;
	c[6].ho = c[6].wo = 2, c[7].left = -1;
	for (int i = 0; i < 8; i++)
		assert_false(thaw_conv_winograd.fits(&c[i], THAW_CONV_FORWARD));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layers_test),
		cmocka_unit_test(unsupported_shapes_do_not_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
