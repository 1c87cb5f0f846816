/* Matrix product: y (...,M,N) = scale * x[0] (...,M,K) * x[1] (...,K,N). The leading axes are broadcast: they are
 * equal, or 1 or missing in one input, whose matrices are then used repeatedly. Reads transpose, scale.
 *
 * In bfloat16 the second factor of each product is packed, a block of depths at a time. */
#include <limits.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/ops/kernels/elementwise.h"
#include "src/ops/kernels/gemm.h"
#include "src/ops/kernels/gemm_bf16.h"
#include "src/ops/registry.h"

enum {
	MAX_LEADING = THAW_MAX_DIMS - 2,
	BF16_DEPTH = 1024, /* most depths that are packed at a time */
};

struct geometry {
	int64_t m, n, k;
	int64_t products;             /* number of matrix products */
	int leading;                  /* number of leading axes */
	int64_t dim[MAX_LEADING];     /* of y */
	int64_t step[2][MAX_LEADING]; /* of x[i], in floats; 0 where it is broadcast */
	int64_t stride[2];            /* of x[i]: floats from row to row in memory */
	bool shared[2];               /* x[i] is broadcast along some axis */
};

/* Size of x along axis `axis` of y, which has ndim axes: the last ones are those of x. */
static int64_t dim_at(const struct thaw_shape *x, int ndim, int axis)
{
	int at = axis - (ndim - x->ndim);
	return at < 0 ? 1 : x->dim[at];
}

static int result_ndim(const struct thaw_shape x[2])
{
	return max_int(x[0].ndim, x[1].ndim);
}

static void matrix_sizes(struct geometry *g, const struct thaw_attrs *attrs, const struct thaw_shape *a,
			 const struct thaw_shape *b)
{
	const bool *transposed = attrs->transpose;
	g->m = a->dim[a->ndim - (transposed[0] ? 1 : 2)];
	g->k = a->dim[a->ndim - (transposed[0] ? 2 : 1)];
	g->n = b->dim[b->ndim - (transposed[1] ? 2 : 1)];
	g->stride[0] = a->dim[a->ndim - 1];
	g->stride[1] = b->dim[b->ndim - 1];
}

/* For shapes that `infer` has checked. If all products have the same second factor, they are merged into one product
 * with all rows of the first factor. */
static struct geometry geometry_of(const struct thaw_attrs *attrs, const struct thaw_shape x[2])
{
	int ndim = result_ndim(x);
	struct geometry g = {.products = 1, .leading = ndim - 2};
	bool merge = !attrs->transpose[0];
	matrix_sizes(&g, attrs, &x[0], &x[1]);
	for (int i = 0; i < 2; i++) {
		int64_t step = x[i].dim[x[i].ndim - 2] * x[i].dim[x[i].ndim - 1];
		for (int axis = g.leading - 1; axis >= 0; axis--) {
			int64_t here = dim_at(&x[i], ndim, axis), other = dim_at(&x[1 - i], ndim, axis);
			g.step[i][axis] = here == 1 && other != 1 ? 0 : step;
			g.shared[i] |= here == 1 && other != 1;
			g.dim[axis] = here == 1 ? other : here;
			step *= here;
			merge &= i == 0 || here == 1;
		}
	}
	for (int axis = 0; axis < g.leading; axis++)
		g.products *= g.dim[axis];
	if (merge) {
		g.m *= g.products;
		g.products = 1;
		g.shared[1] = false;
	}
	return g;
}

static thaw_status fail_shapes(const struct thaw_op_desc *desc)
{
	char a[THAW_SHAPE_TEXT], b[THAW_SHAPE_TEXT];
	return thaw_fail(THAW_CONFIG,
			 "inputs %s and %s do not multiply: matmul%s%s: give (...,M,K) and (...,K,N), sizes below "
			 "2^31",
			 thaw_shape_text(&desc->x[0], a, sizeof(a)), thaw_shape_text(&desc->x[1], b, sizeof(b)),
			 desc->attrs->transpose[0] ? ", first transposed" : "",
			 desc->attrs->transpose[1] ? ", second transposed" : "");
}

static thaw_status matmul_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	const struct thaw_shape *x = desc->x;
	int ndim = result_ndim(x);
	struct geometry g = {0};
	if (x[0].ndim < 2 || x[1].ndim < 2)
		return fail_shapes(desc);
	matrix_sizes(&g, desc->attrs, &x[0], &x[1]);
	if (g.k != x[1].dim[x[1].ndim - (desc->attrs->transpose[1] ? 1 : 2)] || g.k < 1 || g.n < 1)
		return fail_shapes(desc);
	y->ndim = ndim;
	for (int axis = 0; axis < ndim - 2; axis++) {
		int64_t a = dim_at(&x[0], ndim, axis), b = dim_at(&x[1], ndim, axis);
		if (a != b && a != 1 && b != 1)
			return fail_shapes(desc);
		y->dim[axis] = a == 1 ? b : a;
	}
	y->dim[ndim - 2] = g.m;
	y->dim[ndim - 1] = g.n;
	g = geometry_of(desc->attrs, x);
	if (g.m > INT_MAX || g.n > INT_MAX || g.k > INT_MAX) /* BLAS takes sizes as int */
		return fail_shapes(desc);
	return THAW_OK;
}

static bool is_scaled(const struct thaw_attrs *attrs)
{
	return attrs->scale != 0.0f && attrs->scale != 1.0f;
}

/* Of a packed second factor with `depth` rows. */
static size_t packed_bytes(int64_t depth, int64_t columns)
{
	return thaw_bf16_packed_bytes(min_int64(depth, BF16_DEPTH), columns);
}

/* Backward: packed factors, then the gradient before the scale. */
static size_t backward_packed_bytes(const struct thaw_attrs *attrs, const struct geometry *g)
{
	const bool *transposed = attrs->transpose;
	size_t first = transposed[0] ? packed_bytes(g->n, g->m) : packed_bytes(g->n, g->k);
	size_t second = transposed[1] ? packed_bytes(g->m, g->k) : packed_bytes(g->m, g->n);
	if (attrs->precision != THAW_PRECISION_BF16)
		return 0;
	return first > second ? first : second;
}

static void matmul_workspace(const struct thaw_op_desc *desc, struct thaw_op_workspace *need)
{
	struct geometry g = geometry_of(desc->attrs, desc->x);
	if (desc->attrs->precision == THAW_PRECISION_BF16)
		need->scratch_forward = packed_bytes(g.k, g.n);
	need->scratch_backward = backward_packed_bytes(desc->attrs, &g);
	if (is_scaled(desc->attrs))
		need->scratch_backward += (size_t)thaw_shape_count(&desc->y) * sizeof(float);
}

/* The part of a matrix from depth `first` on, where its rows are depths or not. */
static struct thaw_matrix from_depth(struct thaw_matrix m, bool rows, int64_t first)
{
	m.data += rows != m.transposed ? first * m.stride : first;
	return m;
}

/* c (m,n) = a (m,k) b (k,n), or added to c. */
static void multiply(const struct thaw_op_args *args, int64_t m, int64_t n, int64_t k, struct thaw_matrix a,
		     struct thaw_matrix b, bool add, float *c, int64_t stride)
{
	if (args->attrs->precision != THAW_PRECISION_BF16) {
		thaw_gemm(m, n, k, a, b, add ? 1.0f : 0.0f, c, stride);
		return;
	}
	for (int64_t first = 0; first < k; first += BF16_DEPTH) {
		int64_t depth = min_int64(k - first, BF16_DEPTH);
		thaw_bf16_pack(depth, n, from_depth(b, true, first), args->scratch);
		thaw_gemm_bf16(m, n, depth, from_depth(a, false, first), args->scratch, add || first > 0, c, stride);
	}
}

/* Offset of the matrix of x[i] in product p, in floats. */
static int64_t offset_of(const struct geometry *g, int i, int64_t p)
{
	int64_t offset = 0;
	for (int axis = g->leading - 1; axis >= 0 && g->products > 1; axis--) {
		offset += p % g->dim[axis] * g->step[i][axis];
		p /= g->dim[axis];
	}
	return offset;
}

/* The matrix of x[i] in product p, or its transpose. */
static struct thaw_matrix factor_of(const struct thaw_op_args *args, const struct geometry *g, int i, int64_t p,
				    bool transposed)
{
	return (struct thaw_matrix){args->x[i].data + offset_of(g, i, p), g->stride[i],
				    transposed != args->attrs->transpose[i]};
}

static struct geometry geometry_of_args(const struct thaw_op_args *args)
{
	return geometry_of(args->attrs, (struct thaw_shape[2]){args->x[0].shape, args->x[1].shape});
}

static void matmul_forward(const struct thaw_op_args *args)
{
	struct geometry g = geometry_of_args(args);
	int64_t count = thaw_shape_count(&args->y.shape);
	for (int64_t p = 0; p < g.products; p++)
		multiply(args, g.m, g.n, g.k, factor_of(args, &g, 0, p, false), factor_of(args, &g, 1, p, false), false,
			 args->y.data + p * g.m * g.n, g.n);
	if (is_scaled(args->attrs))
		thaw_kernel_scale_rows(args->y.data, count, false, args->y.data, count, 1, count, args->attrs->scale);
}

/* dx[0] = dy * x[1]', dx[1] = x[0]' * dy, or their transposes where attrs.transpose, for product p. */
static void backward_product(const struct thaw_op_args *args, const struct geometry *g, int i, int64_t p,
			     const float *dy, bool add)
{
	struct thaw_matrix d = {dy + p * g->m * g->n, g->n, false};
	struct thaw_matrix other = factor_of(args, g, 1 - i, p, true);
	int64_t rows = i == 0 ? g->m : g->k, columns = i == 0 ? g->k : g->n, depth = i == 0 ? g->n : g->m;
	float *dx = args->dx[i] + offset_of(g, i, p);
	if (!args->attrs->transpose[i]) {
		multiply(args, rows, columns, depth, i == 0 ? d : other, i == 0 ? other : d, add, dx, g->stride[i]);
		return;
	}
	d.transposed = true;
	other.transposed = !other.transposed;
	multiply(args, columns, rows, depth, i == 0 ? other : d, i == 0 ? d : other, add, dx, g->stride[i]);
}

static void matmul_backward(const struct thaw_op_args *args)
{
	struct geometry g = geometry_of_args(args);
	int64_t count = thaw_shape_count(&args->y.shape);
	const float *dy = args->dy;
	if (is_scaled(args->attrs)) {
		float *before = (float *)((char *)args->scratch + backward_packed_bytes(args->attrs, &g));
		thaw_kernel_scale_rows(before, count, false, dy, count, 1, count, args->attrs->scale);
		dy = before;
	}
	for (int i = 0; i < 2; i++) {
		bool add = args->dx_add[i];
		if (!args->dx[i])
			continue;
		if (!add && (g.shared[i] || count == 0)) {
			memset(args->dx[i], 0, (size_t)thaw_shape_count(&args->x[i].shape) * sizeof(float));
			add = true;
		}
		for (int64_t p = 0; p < g.products && count > 0; p++)
			backward_product(args, &g, i, p, dy, add);
	}
}

static void matmul_reference(const struct thaw_op_args *args)
{
	struct geometry g = geometry_of_args(args);
	const bool *transposed = args->attrs->transpose;
	double scale = is_scaled(args->attrs) ? args->attrs->scale : 1.0;
	for (int64_t p = 0; p < g.products; p++)
		for (int64_t i = 0; i < g.m; i++)
			for (int64_t j = 0; j < g.n; j++) {
				const float *a = args->x[0].data + offset_of(&g, 0, p);
				const float *b = args->x[1].data + offset_of(&g, 1, p);
				double sum = 0;
				for (int64_t k = 0; k < g.k; k++)
					sum += (double)a[transposed[0] ? k * g.stride[0] + i : i * g.stride[0] + k] *
					       b[transposed[1] ? j * g.stride[1] + k : k * g.stride[1] + j];
				args->y.data[(p * g.m + i) * g.n + j] = (float)(scale * sum);
			}
}

static int64_t matmul_flops(const struct thaw_op_desc *desc)
{
	struct geometry g = geometry_of(desc->attrs, desc->x);
	return 2 * g.products * g.m * g.n * g.k;
}

static const struct thaw_op_case cases[] = {
	{.name = "scores",
	 .attrs = {.transpose = {false, true}, .scale = 0.25f},
	 .inputs = 2,
	 .x = {{4, {2, 3, 5, 16}}, {4, {2, 3, 7, 16}}}},
	{.name = "values", .inputs = 2, .x = {{4, {3, 2, 5, 9}}, {4, {3, 2, 9, 8}}}},
	{.name = "first transposed",
	 .attrs = {.transpose = {true, false}},
	 .inputs = 2,
	 .x = {{3, {2, 9, 6}}, {3, {2, 9, 8}}}},
	{.name = "both transposed",
	 .attrs = {.transpose = {true, true}, .scale = 2.0f},
	 .inputs = 2,
	 .x = {{3, {2, 9, 6}}, {3, {2, 5, 9}}}},
	{.name = "second is shared", .inputs = 2, .x = {{4, {2, 3, 5, 9}}, {4, {1, 1, 9, 8}}}, .fixed = 2},
	{.name = "second is shared and absent", .inputs = 2, .x = {{3, {2, 3, 5}}, {2, {5, 7}}}, .fixed = 2},
	{.name = "second is shared, first transposed",
	 .attrs = {.transpose = {true, false}},
	 .inputs = 2,
	 .x = {{3, {2, 5, 3}}, {3, {1, 5, 8}}},
	 .fixed = 2},
	{.name = "first is shared", .inputs = 2, .x = {{3, {1, 6, 5}}, {3, {3, 5, 8}}}, .fixed = 1},
	{.name = "each is shared along one axis", .inputs = 2, .x = {{4, {2, 1, 6, 5}}, {4, {1, 3, 5, 8}}}, .fixed = 2},
	{.name = "deep", .inputs = 2, .x = {{2, {1, BF16_DEPTH + 1}}, {2, {BF16_DEPTH + 1, 1}}}, .fixed = 2},
	{.name = "features", .inputs = 2, .x = {{2, {4, 5}}, {2, {5, 3}}}, .fixed = 2},
};

const struct thaw_op thaw_op_matmul = {
	.name = "matmul",
	.min_inputs = 2,
	.max_inputs = 2,
	.param_names = (const char *const[]){NULL},
	.infer = matmul_infer,
	.workspace = matmul_workspace,
	.forward = matmul_forward,
	.backward = matmul_backward,
	.reference = matmul_reference,
	.rounds = true,
	.flops = matmul_flops,
	.backward_reads = THAW_READS_X,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
