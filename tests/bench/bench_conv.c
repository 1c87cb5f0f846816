/* Speed of the convolution operator: one JSON line per shape with the GFLOP/s of the three passes, best of several runs
 * on one thread, and their shares of the peak. The first line is the peak: sgemm's or, in bfloat16, that of a tile
 * whose factors stay in the first-level cache.
 *
 *     bench_conv [--bf16] [NAME]    only the shapes whose names contain NAME
 */
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/ops/kernels/bf16_ops.h"
#include "thaw/bench.h"
#include "thaw/memory.h"
#include "thaw/ops.h"

#define SECONDS 0.15 /* per measurement, and at least MIN_RUNS runs */
enum { MIN_RUNS = 3, PEAK_SIZE = 1536 };

struct shape {
	const char *name;
	int n, size, ci, co, kernel, stride;
	bool depthwise;
};

static const struct shape shapes[] = {
	{"small 32x32 3-32", 32, 32, 3, 32, 3, 1, false},
	{"small 32x32 32", 32, 32, 32, 32, 3, 1, false},
	{"small 32x32 64", 32, 32, 64, 64, 3, 1, false},
	{"small 32x32 128", 32, 32, 128, 128, 3, 1, false},
	{"small 16x16 64", 32, 16, 64, 64, 3, 1, false},
	{"small 16x16 128", 32, 16, 128, 128, 3, 1, false},
	{"small 8x8 128", 32, 8, 128, 128, 3, 1, false},
	{"resnet18 stem", 8, 224, 3, 64, 7, 2, false},
	{"resnet18 56 64", 32, 56, 64, 64, 3, 1, false},
	{"resnet18 56 64-128 stride 2", 32, 56, 64, 128, 3, 2, false},
	{"resnet18 56 64-128 1x1 stride 2", 32, 56, 64, 128, 1, 2, false},
	{"resnet18 28 128", 32, 28, 128, 128, 3, 1, false},
	{"resnet18 14 256", 32, 14, 256, 256, 3, 1, false},
	{"resnet18 14 256-512 stride 2", 32, 14, 256, 512, 3, 2, false},
	{"resnet18 7 512", 32, 7, 512, 512, 3, 1, false},
	{"resnet50 56 64-256 1x1", 8, 56, 64, 256, 1, 1, false},
	{"resnet50 56 256-64 1x1", 8, 56, 256, 64, 1, 1, false},
	{"resnet50 56 128 stride 2", 8, 56, 128, 128, 3, 2, false},
	{"resnet50 56 256-512 1x1 stride 2", 8, 56, 256, 512, 1, 2, false},
	{"resnet50 28 128-512 1x1", 8, 28, 128, 512, 1, 1, false},
	{"resnet50 28 512-128 1x1", 8, 28, 512, 128, 1, 1, false},
	{"resnet50 14 256-1024 1x1", 8, 14, 256, 1024, 1, 1, false},
	{"resnet50 14 1024-256 1x1", 8, 14, 1024, 256, 1, 1, false},
	{"resnet50 14 1024-2048 1x1 stride 2", 8, 14, 1024, 2048, 1, 2, false},
	{"resnet50 14 512 stride 2", 8, 14, 512, 512, 3, 2, false},
	{"resnet50 7 512-2048 1x1", 8, 7, 512, 2048, 1, 1, false},
	{"resnet50 7 2048-512 1x1", 8, 7, 2048, 512, 1, 1, false},
	{"vgg 224 3-64", 2, 224, 3, 64, 3, 1, false},
	{"vgg 224 64", 2, 224, 64, 64, 3, 1, false},
	{"vgg 56 256", 2, 56, 256, 256, 3, 1, false},
	{"vgg 14 512", 8, 14, 512, 512, 3, 1, false},
	{"mobilenet 112 16-96 1x1", 8, 112, 16, 96, 1, 1, false},
	{"mobilenet 14 96-576 1x1", 8, 14, 96, 576, 1, 1, false},
	{"depthwise 112 32", 8, 112, 32, 32, 3, 1, true},
	{"depthwise 112 96 stride 2", 8, 112, 96, 96, 3, 2, true},
	{"depthwise 56 144", 8, 56, 144, 144, 3, 1, true},
	{"depthwise 28 192 stride 2", 8, 28, 192, 192, 3, 2, true},
	{"depthwise 14 576", 8, 14, 576, 576, 3, 1, true},
	{"depthwise 7 960", 8, 7, 960, 960, 3, 1, true},
	{"depthwise 28 240 5x5", 8, 28, 240, 240, 5, 1, true},
	{"depthwise 14 672 5x5 stride 2", 8, 14, 672, 672, 5, 2, true},
};

/* CPU time of this thread: other processes may share the machine. */
static double thread_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *allocate_or_exit(size_t bytes)
{
	void *p = thaw_alloc(bytes + 1, 1);
	if (!p) {
		fprintf(stderr, "bench_conv: %s\n", thaw_error_message());
		exit(THAW_RESOURCE);
	}
	return p;
}

static float *noise(const struct thaw_shape *s)
{
	int64_t count = thaw_shape_count(s);
	float *p = allocate_or_exit((size_t)count * sizeof(*p));
	for (int64_t i = 0; i < count; i++)
		p[i] = (float)(i * 7919 % 1000) * 0.002f - 1;
	return p;
}

/* GFLOP/s of the best run. */
static double measure(void (*run)(const struct thaw_op_args *), const struct thaw_op_args *args, double flops)
{
	double best = INFINITY, start = thread_seconds();
	for (int i = 0; i < MIN_RUNS || thread_seconds() - start < SECONDS; i++) {
		double begin = thread_seconds();
		run(args);
		best = min_double(best, thread_seconds() - begin);
	}
	return flops / best * 1e-9;
}

static void run_sgemm(const struct thaw_op_args *args)
{
	int m = PEAK_SIZE;
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, m, m, 1.0f, args->x[0].data, m, args->x[1].data, m,
		    0.0f, args->y.data, m);
}

static double measure_sgemm(void)
{
	struct thaw_shape s = thaw_shape_of(PEAK_SIZE, PEAK_SIZE);
	struct thaw_view x[2] = {{.data = noise(&s), .shape = s}, {.data = noise(&s), .shape = s}};
	struct thaw_op_args args = {.x = x, .y = {.data = noise(&s), .shape = s}};
	double peak = measure(run_sgemm, &args, 2.0 * PEAK_SIZE * PEAK_SIZE * PEAK_SIZE);
	thaw_free(x[0].data);
	thaw_free(x[1].data);
	thaw_free(args.y.data);
	return peak;
}

/* Measures and prints the peak in GFLOP/s. */
static double print_peak(enum thaw_precision precision)
{
	bool bf16 = precision == THAW_PRECISION_BF16;
	double peak = bf16 ? thaw_bench_peak_bf16() : measure_sgemm();
	printf("{\"name\": \"%s\", \"core\": \"%s\", \"gflops\": %.1f}\n", bf16 ? "bf16 tile" : "sgemm",
	       bf16 ? thaw_bf16_best()->name : openblas_get_corename(), peak);
	return peak;
}

static void print_pass(const char *pass, double gflops, double peak)
{
	printf(", \"%s\": %.1f, \"%s_share\": %.2f", pass, gflops, pass, gflops / peak);
	fflush(stdout);
}

static thaw_status bench_shape(const struct shape *s, enum thaw_precision precision, double peak)
{
	const struct thaw_op *op = thaw_op_find("conv");
	int pad = s->kernel / 2;
	struct thaw_attrs attrs = {.stride = {s->stride, s->stride},
				   .pad = {pad, pad, pad, pad},
				   .groups = s->depthwise ? s->ci : 1,
				   .precision = precision};
	struct thaw_shape shape = thaw_shape_of(s->n, s->size, s->size, s->ci);
	struct thaw_shape weight = thaw_shape_of(s->kernel, s->kernel, s->depthwise ? 1 : s->ci, s->co);
	struct thaw_op_desc desc = {
		.attrs = &attrs, .inputs = 1, .x = &shape, .params = 1, .param = &weight, .training = true};
	struct thaw_op_workspace workspace = {0};
	THAW_TRY(op->infer(&desc, &desc.y));
	op->workspace(&desc, &workspace);
	struct thaw_view x = {.data = noise(&shape), .shape = shape}, param = {.data = noise(&weight), .shape = weight};
	float *dx = noise(&shape), *dweight = noise(&weight), *dy = noise(&desc.y), *none = NULL;
	struct thaw_op_args args = {
		.attrs = &attrs,
		.inputs = 1,
		.x = &x,
		.y = {.data = noise(&desc.y), .shape = desc.y},
		.params = 1,
		.param = &param,
		.scratch = allocate_or_exit(max_size(workspace.scratch_forward, workspace.scratch_backward)),
		.training = true,
		.dy = dy,
		.dx_add = &(bool){false}};
	double flops = (double)op->flops(&desc);

	printf("{\"name\": \"%s\"", s->name);
	print_pass("forward", measure(op->forward, &args, flops), peak);
	args.dx = &dx;
	args.dparam = &none;
	print_pass("data", measure(op->backward, &args, flops), peak);
	args.dx = &none;
	args.dparam = &dweight;
	print_pass("weights", measure(op->backward, &args, flops), peak);
	printf("}\n");
	float *used[] = {x.data, param.data, dx, dweight, dy, args.y.data};
	for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++)
		thaw_free(used[i]);
	thaw_free(args.scratch);
	return THAW_OK;
}

int main(int argc, char **argv)
{
	enum thaw_precision precision = THAW_PRECISION_FP32;
	if (argc > 1 && strcmp(argv[1], "--bf16") == 0) {
		precision = THAW_PRECISION_BF16;
		argc--;
		argv++;
	}
	openblas_set_num_threads(1);
	double peak = print_peak(precision);
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if ((argc < 2 || strstr(shapes[i].name, argv[1])) &&
		    bench_shape(&shapes[i], precision, peak) != THAW_OK) {
			fprintf(stderr, "bench_conv: %s\n", thaw_error_message());
			return 1;
		}
	return 0;
}
