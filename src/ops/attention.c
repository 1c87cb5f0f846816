/* Scaled dot-product attention, all heads: y = softmax(scale * q k' + bias) v for every image and head.
 *
 * Inputs: one tensor with q, k and v, (N,T,3*heads*d), or q (N,T,heads*d) and k, v (N,S,heads*d); then an optional bias
 * (B,heads,T,S) of the scores. Image n uses bias n mod B; B is 1, or the number of windows per image where N counts
 * windows. y (N,T,heads*d). Reads heads, scale.
 *
 * The scores of one head are computed for a block of queries at a time. Only the largest score and the sum of each row
 * are saved; backward recomputes the scores from them, because products of matrices in cache take less time than
 * reading the scores from memory. k and v of a head are transposed first, since gemm_direct.h does not take a
 * transposed second factor; in bfloat16 they are packed. Scores, softmax and sums are fp32 in both precisions.
 */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/ops/kernels/bf16_values.h"
#include "src/ops/kernels/elementwise.h"
#include "src/ops/kernels/gemm.h"
#include "src/ops/kernels/gemm_bf16.h"
#include "src/ops/kernels/softmax.h"
#include "src/ops/kernels/transpose.h"
#include "src/ops/kernels/vector.h"
#include "src/ops/registry.h"

enum {
	BLOCK_FLOATS = 1 << 16, /* scores of a block of queries: 256 KiB, a part of the second-level cache */
	BLOCK_UNIT = 6,         /* rows of a tile in gemm_direct.c */
	Q = 0,
	K,
	V,
	FACTORS
};

/* One of q, k, v, or of their gradients: value (image, token, head, i) is
 * data[(image * tokens + token) * stride + head * size + i]. */
struct factor {
	float *data;    /* NULL: not needed, or in bfloat16 */
	uint16_t *bf16; /* instead of data */
	int64_t stride, tokens;
	bool add; /* gradients: add to data instead of overwriting it */
};

struct geometry {
	int64_t images, heads;
	int64_t size;          /* channels of a head */
	int64_t queries, keys; /* tokens */
	int64_t width;         /* of a row of scores: keys, rounded up to whole vectors */
	int64_t rows;          /* queries of a block */
	float scale;
	bool one_input; /* q, k and v are in x[0] */
	bool bf16;      /* products of factors rounded to bfloat16 */
	int bias;       /* index among the inputs, or -1 */
};

static int64_t whole_vectors(int64_t floats)
{
	return (floats + THAW_VECTOR_WIDTH - 1) / THAW_VECTOR_WIDTH * THAW_VECTOR_WIDTH;
}

static struct geometry geometry_of(const struct thaw_attrs *attrs, int inputs, const struct thaw_shape *q,
				   const struct thaw_shape *k)
{
	struct geometry g = {.images = q->dim[0], .heads = attrs->heads, .queries = q->dim[1]};
	g.one_input = inputs < FACTORS;
	g.bf16 = attrs->precision == THAW_PRECISION_BF16;
	g.bias = inputs == 2 || inputs == 4 ? inputs - 1 : -1;
	g.size = q->dim[2] / g.heads / (g.one_input ? FACTORS : 1);
	g.keys = g.one_input ? g.queries : k->dim[1];
	g.width = whole_vectors(g.keys);
	g.rows = BLOCK_FLOATS / g.width / BLOCK_UNIT * BLOCK_UNIT;
	g.rows = min_int64(max_int64(g.rows, BLOCK_UNIT), g.queries);
	g.scale = attrs->scale != 0.0f ? attrs->scale : 1.0f / sqrtf((float)g.size);
	return g;
}

static struct geometry geometry_of_args(const struct thaw_op_args *args)
{
	return geometry_of(args->attrs, args->inputs, &args->x[Q].shape, args->inputs > K ? &args->x[K].shape : NULL);
}

static thaw_status check_factors(const struct thaw_op_desc *desc)
{
	const struct thaw_shape *q = &desc->x[Q];
	int heads = desc->attrs->heads;
	bool one_input = desc->inputs < FACTORS;
	int64_t parts = (int64_t)heads * (one_input ? FACTORS : 1);
	char have[THAW_SHAPE_TEXT], other[THAW_SHAPE_TEXT];
	if (heads < 1 || q->ndim != 3 || q->dim[1] < 1 || q->dim[2] < 1 || q->dim[2] % parts != 0)
		return thaw_fail(THAW_CONFIG, "input %s does not divide into %d heads: attention: give (N,tokens,%s)",
				 thaw_shape_text(q, have, sizeof(have)), heads,
				 one_input ? "3 * heads * size" : "heads * size");
	for (int i = K; !one_input && i < FACTORS; i++)
		if (desc->x[i].ndim != 3 || desc->x[i].dim[0] != q->dim[0] || desc->x[i].dim[1] < 1 ||
		    desc->x[i].dim[1] != desc->x[K].dim[1] || desc->x[i].dim[2] != q->dim[2])
			return thaw_fail(
				THAW_CONFIG,
				"key or value %s does not fit query %s: attention: give (N,tokens,channels) with the "
				"query's N and channels, as many keys as values",
				thaw_shape_text(&desc->x[i], other, sizeof(other)),
				thaw_shape_text(q, have, sizeof(have)));
	if (q->dim[1] > INT_MAX || q->dim[2] > INT_MAX ||
	    (!one_input && desc->x[K].dim[1] > INT_MAX - THAW_VECTOR_WIDTH))
		return thaw_fail(THAW_CONFIG, "input %s is out of range: attention: give sizes below 2^31",
				 thaw_shape_text(q, have, sizeof(have))); /* BLAS takes sizes as int */
	return THAW_OK;
}

static thaw_status attention_infer(const struct thaw_op_desc *desc, struct thaw_shape *y)
{
	THAW_TRY(check_factors(desc));

	struct geometry g = geometry_of(desc->attrs, desc->inputs, &desc->x[Q], desc->inputs > K ? &desc->x[K] : NULL);
	const struct thaw_shape *bias = g.bias >= 0 ? &desc->x[g.bias] : NULL;
	char have[THAW_SHAPE_TEXT];

	if (bias && (bias->ndim != 4 || bias->dim[0] < 1 || g.images % bias->dim[0] != 0 || bias->dim[1] != g.heads ||
		     bias->dim[2] != g.queries || bias->dim[3] != g.keys))
		return thaw_fail(THAW_CONFIG,
				 "bias %s does not fit: attention: give (1 or a divisor of %lld, %lld, %lld, %lld)",
				 thaw_shape_text(bias, have, sizeof(have)), (long long)g.images, (long long)g.heads,
				 (long long)g.queries, (long long)g.keys);
	*y = thaw_shape_of(g.images, g.queries, g.heads * g.size);
	return THAW_OK;
}

/* A right factor of a product: of `stride`, or packed for bfloat16. */
struct right {
	float *data;
	int64_t stride;
};

/* Working memory for one head. Rows that several products read are copied here to be contiguous: in x they are several
 * pages apart. */
struct work {
	float *query;               /* (rows, size): q of a block, scaled */
	struct right key_columns;   /* (size, width): k transposed */
	float *scores;              /* (rows, width) */
	struct right other;         /* (keys, size): v; backward: k */
	struct right value_columns; /* backward: (size, width): v transposed */
	float *gradient;            /* backward: (rows, width): gradient of the scores */
	float *output;              /* (rows, size): y of a block if it is stored in bfloat16; backward: dy */
	float *query_gradient;      /* backward: (rows, size): gradient of the scaled q */
	float *inverse;             /* (rows): 1 / sum of a block's rows; only in bfloat16 */
	float *block;               /* backward in bfloat16: packed (rows, size), query or output */
	int64_t floats;             /* total size */
};

/* The next `count` floats of `scratch`; NULL scratch: only counts them. */
static float *claim_floats(struct work *w, float *scratch, int64_t count)
{
	float *part = scratch ? scratch + w->floats : NULL;
	w->floats += whole_vectors(count);
	return part;
}

/* Floats of a right factor (depth, columns). */
static int64_t right_floats(const struct geometry *g, int64_t depth, int64_t columns)
{
	return g->bf16 ? (int64_t)(thaw_bf16_packed_bytes(depth, columns) / sizeof(float)) : depth * columns;
}

static struct right claim_right(struct work *w, float *scratch, const struct geometry *g, int64_t depth,
				int64_t columns)
{
	return (struct right){claim_floats(w, scratch, right_floats(g, depth, columns)), columns};
}

static struct work work_at(float *scratch, const struct geometry *g, bool backward)
{
	int64_t block = g->rows * g->size, scores = g->rows * g->width;
	struct work w = {.floats = 0};
	w.query = claim_floats(&w, scratch, block);
	w.key_columns = claim_right(&w, scratch, g, g->size, g->width);
	w.scores = claim_floats(&w, scratch, scores);
	w.other = claim_right(&w, scratch, g, g->keys, g->size);
	w.output = claim_floats(&w, scratch, block);
	if (g->bf16)
		w.inverse = claim_floats(&w, scratch, g->rows);
	if (backward) {
		w.value_columns = claim_right(&w, scratch, g, g->size, g->width);
		w.gradient = claim_floats(&w, scratch, scores);
		w.query_gradient = claim_floats(&w, scratch, block);
		if (g->bf16)
			w.block = claim_floats(&w, scratch, right_floats(g, g->rows, g->size));
	}
	return w;
}

/* saved: for each query of each head of each image, its largest score and 1 / sum. */
static void attention_workspace(const struct thaw_op_desc *desc, struct thaw_op_workspace *need)
{
	struct geometry g = geometry_of(desc->attrs, desc->inputs, &desc->x[Q], desc->inputs > K ? &desc->x[K] : NULL);
	need->scratch_forward = (size_t)work_at(NULL, &g, false).floats * sizeof(float);
	need->scratch_backward = (size_t)work_at(NULL, &g, true).floats * sizeof(float);
	if (desc->training)
		need->saved = 2 * (size_t)(g.images * g.heads * g.queries) * sizeof(float);
}

/* Sets factor[FACTORS]: q, k and v, or their gradients, in view[inputs], whose memory may be NULL. */
static void factors_set(struct factor *factor, const struct geometry *g, const struct thaw_view *view, const bool *add)
{
	int64_t all = g->heads * g->size;
	for (int i = Q; i < FACTORS; i++) {
		const struct thaw_view *v = &view[g->one_input ? 0 : i];
		factor[i] = (struct factor){.data = v->data,
					    .bf16 = v->bf16,
					    .stride = g->one_input ? FACTORS * all : all,
					    .tokens = i == Q ? g->queries : g->keys,
					    .add = add && add[g->one_input ? 0 : i]};
		if (g->one_input && factor[i].data)
			factor[i].data += i * all;
		if (g->one_input && factor[i].bf16)
			factor[i].bf16 += i * all;
	}
}

static void gradient_factors_set(struct factor *factor, const struct geometry *g, const struct thaw_op_args *args)
{
	struct thaw_view view[FACTORS] = {{.data = NULL}};
	for (int i = 0; i < FACTORS && i < args->inputs; i++)
		view[i].data = args->dx[i];
	factors_set(factor, g, view, args->dx_add);
}

/* Where the channels of a head for one token are. */
static int64_t offset_of(const struct factor *f, const struct geometry *g, int64_t image, int64_t head, int64_t token)
{
	return (image * f->tokens + token) * f->stride + head * g->size;
}

static float *part_of(const struct factor *f, const struct geometry *g, int64_t image, int64_t head, int64_t token)
{
	return f->data + offset_of(f, g, image, head, token);
}

/* The head's tokens as a factor of products in bfloat16. */
static struct thaw_value_matrix matrix_of(const struct factor *f, const struct geometry *g, int64_t image, int64_t head,
					  bool transposed)
{
	int64_t at = offset_of(f, g, image, head, 0);
	return (struct thaw_value_matrix){f->data ? f->data + at : NULL, f->bf16 ? f->bf16 + at : NULL, f->stride,
					  transposed};
}

/* to (rows, size) = `scale` times the head's tokens from `first` on. */
static void copy_tokens(float *to, const struct geometry *g, const struct factor *from, int64_t image, int64_t head,
			int64_t first, int64_t rows, float scale)
{
	if (from->bf16)
		thaw_bf16_scale_rows(to, g->size, from->bf16 + offset_of(from, g, image, head, first), from->stride,
				     rows, g->size, scale);
	else
		thaw_kernel_scale_rows(to, g->size, false, part_of(from, g, image, head, first), from->stride, rows,
				       g->size, scale);
}

/* to (size, width) = the head's k or v transposed; zeros beyond the last key. */
static void set_columns(const struct right *to, const struct geometry *g, const struct factor *from, int64_t image,
			int64_t head)
{
	if (g->bf16) {
		thaw_bf16_pack_values(g->size, g->keys, matrix_of(from, g, image, head, true), to->data);
		return;
	}
	thaw_transpose(to->data, g->width, false, part_of(from, g, image, head, 0), from->stride, g->keys, g->size);
	for (int64_t i = 0; i < g->size; i++)
		for (int64_t s = g->keys; s < g->width; s++)
			to->data[i * g->width + s] = 0.0f;
}

/* to (keys, size) = the head's k or v. */
static void set_rows(const struct right *to, const struct geometry *g, const struct factor *from, int64_t image,
		     int64_t head)
{
	if (g->bf16)
		thaw_bf16_pack_values(g->keys, g->size, matrix_of(from, g, image, head, false), to->data);
	else
		copy_tokens(to->data, g, from, image, head, 0, g->keys, 1.0f);
}

/* c (rows, columns) = a (rows, depth) b, or added to c. */
static void multiply(const struct geometry *g, int64_t rows, int64_t columns, int64_t depth, struct thaw_matrix a,
		     struct right b, bool add, float *c, int64_t stride)
{
	if (g->bf16)
		thaw_gemm_bf16(rows, columns, depth, a, b.data, add, c, stride);
	else
		thaw_gemm(rows, columns, depth, a, (struct thaw_matrix){b.data, b.stride, false}, add ? 1.0f : 0.0f, c,
			  stride);
}

/* Where the part (T,S) of the bias for one head of an image is. */
static int64_t bias_at(const struct thaw_view *bias, int64_t image, int64_t head)
{
	const int64_t *dim = bias->shape.dim;
	return (image % dim[0] * dim[1] + head) * dim[2] * dim[3];
}

/* Computes the scores of `rows` queries from `first` on; -infinity beyond the last key. */
static void compute_scores(const struct work *w, const struct geometry *g, const struct factor *q,
			   const struct thaw_view *bias, int64_t image, int64_t head, int64_t first, int64_t rows)
{
	copy_tokens(w->query, g, q, image, head, first, rows, g->scale);
	multiply(g, rows, g->width, g->size, (struct thaw_matrix){w->query, g->size, false}, w->key_columns, false,
		 w->scores, g->width);
	for (int64_t r = 0; r < rows; r++) {
		float *row = w->scores + r * g->width;
		if (bias && bias->bf16)
			thaw_bf16_add(row, bias->bf16 + bias_at(bias, image, head) + (first + r) * g->keys, g->keys);
		else if (bias)
			thaw_kernel_add(row, row, bias->data + bias_at(bias, image, head) + (first + r) * g->keys,
					g->keys, THAW_ACT_NONE);
		for (int64_t s = g->keys; s < g->width; s++)
			row[s] = -INFINITY;
	}
}

/* Queries of the block that begins at `first`. */
static int64_t rows_from(const struct geometry *g, int64_t first)
{
	return min_int64(g->queries - first, g->rows);
}

/* Multiplies the probabilities of a block with v; in bfloat16 they are divided by their sums only then. */
static void write_output(const struct thaw_op_args *args, const struct geometry *g, const struct work *w, int64_t image,
			 int64_t head, int64_t first, int64_t rows, const float *inverse)
{
	const struct factor y = {.data = args->y.data, .stride = g->heads * g->size, .tokens = g->queries};
	int64_t at = offset_of(&y, g, image, head, first);
	bool stored = args->y.bf16;
	float *to = stored ? w->output : y.data + at;
	int64_t stride = stored ? g->size : y.stride;
	multiply(g, rows, g->size, g->keys, (struct thaw_matrix){w->scores, g->width, false}, w->other, false, to,
		 stride);
	if (g->bf16)
		thaw_softmax_scale_rows(to, rows, g->size, stride, inverse);
	for (int64_t r = 0; stored && r < rows; r++)
		thaw_bf16_store(args->y.bf16 + at + r * y.stride, to + r * stride, g->size);
}

/* Turns the scores of a block into probabilities, in bfloat16 without the division by their sums. `largest` may be
 * NULL.
 */
static void apply_softmax(const struct geometry *g, float *scores, int64_t rows, float *largest, float *inverse)
{
	if (g->bf16)
		thaw_softmax_rows_quick(scores, rows, g->width, largest, inverse);
	else
		thaw_softmax_rows(scores, scores, rows, g->width, g->width, largest, inverse);
}

static void recompute_softmax(const struct geometry *g, float *scores, int64_t rows, const float *largest,
			      const float *inverse)
{
	if (g->bf16)
		thaw_softmax_rows_recompute_quick(scores, rows, g->width, largest, inverse);
	else
		thaw_softmax_rows_recompute(scores, scores, rows, g->width, g->width, largest, inverse);
}

static void forward_head(const struct thaw_op_args *args, const struct geometry *g, const struct factor *factor,
			 int64_t image, int64_t head)
{
	struct work w = work_at(args->scratch, g, false);
	const struct thaw_view *bias = g->bias < 0 ? NULL : &args->x[g->bias];
	float *largest = args->saved, *inverse = largest + g->images * g->heads * g->queries;
	int64_t row = (image * g->heads + head) * g->queries;
	set_columns(&w.key_columns, g, &factor[K], image, head);
	set_rows(&w.other, g, &factor[V], image, head);
	for (int64_t first = 0; first < g->queries; first += g->rows) {
		int64_t rows = rows_from(g, first);
		compute_scores(&w, g, &factor[Q], bias, image, head, first, rows);
		float *sums = args->training ? inverse + row + first : w.inverse;
		apply_softmax(g, w.scores, rows, args->training ? largest + row + first : NULL, sums);
		write_output(args, g, &w, image, head, first, rows, sums);
	}
}

static void attention_forward(const struct thaw_op_args *args)
{
	struct geometry g = geometry_of_args(args);
	struct factor factor[FACTORS];
	factors_set(factor, &g, args->x, NULL);
	for (int64_t image = 0; image < g.images; image++)
		for (int64_t head = 0; head < g.heads; head++)
			forward_head(args, &g, factor, image, head);
}

/* Adds a block of queries to the gradient of k or v: scores' (keys,rows) times `from`, rows of q or dy. The first block
 * overwrites it unless to->add. */
static void add_block_gradient(const struct factor *to, const struct geometry *g, const struct work *w, int64_t image,
			       int64_t head, int64_t first, int64_t rows, const float *scores, float *from)
{
	struct right right = {g->bf16 ? w->block : from, g->size};
	if (!to->data)
		return;
	if (g->bf16)
		thaw_bf16_pack(rows, g->size, (struct thaw_matrix){from, g->size, false}, w->block);
	multiply(g, g->keys, g->size, rows, (struct thaw_matrix){scores, g->width, true}, right, to->add || first > 0,
		 part_of(to, g, image, head, 0), to->stride);
}

static void write_query_gradient(const struct factor *to, const struct geometry *g, const struct work *w, int64_t image,
				 int64_t head, int64_t first, int64_t rows)
{
	if (!to->data)
		return;
	multiply(g, rows, g->size, g->keys, (struct thaw_matrix){w->gradient, g->width, false}, w->other, false,
		 w->query_gradient, g->size);
	thaw_kernel_scale_rows(part_of(to, g, image, head, first), to->stride, to->add, w->query_gradient, g->size,
			       rows, g->size, g->scale);
}

static void backward_head(const struct thaw_op_args *args, const struct geometry *g, const struct factor *factor,
			  const struct factor *gradient, int64_t image, int64_t head)
{
	struct work w = work_at(args->scratch, g, true);
	const struct factor dy = {.data = args->dy, .stride = g->heads * g->size, .tokens = g->queries};
	const struct thaw_view *bias = g->bias < 0 ? NULL : &args->x[g->bias];
	float *dbias = bias && args->dx[g->bias] ? args->dx[g->bias] + bias_at(bias, image, head) : NULL;
	const float *largest = args->saved, *inverse = largest + g->images * g->heads * g->queries;
	int64_t row = (image * g->heads + head) * g->queries;
	set_columns(&w.key_columns, g, &factor[K], image, head);
	set_columns(&w.value_columns, g, &factor[V], image, head);
	set_rows(&w.other, g, &factor[K], image, head);
	for (int64_t first = 0; first < g->queries; first += g->rows) {
		int64_t rows = rows_from(g, first);
		compute_scores(&w, g, &factor[Q], bias, image, head, first, rows);
		recompute_softmax(g, w.scores, rows, largest + row + first, inverse + row + first);
		copy_tokens(w.output, g, &dy, image, head, first, rows, 1.0f);
		add_block_gradient(&gradient[V], g, &w, image, head, first, rows, w.scores, w.output);
		multiply(g, rows, g->width, g->size, (struct thaw_matrix){w.output, g->size, false}, w.value_columns,
			 false, w.gradient, g->width);
		thaw_softmax_rows_backward(w.gradient, false, w.scores, w.gradient, rows, g->width, g->width);
		add_block_gradient(&gradient[K], g, &w, image, head, first, rows, w.gradient, w.query);
		write_query_gradient(&gradient[Q], g, &w, image, head, first, rows);
		for (int64_t r = 0; dbias && r < rows; r++)
			thaw_kernel_pass_gradient(dbias + (first + r) * g->keys, true, w.gradient + r * g->width, NULL,
						  g->keys, THAW_ACT_NONE);
	}
}

static void attention_backward(const struct thaw_op_args *args)
{
	struct geometry g = geometry_of_args(args);
	struct factor factor[FACTORS], gradient[FACTORS];
	factors_set(factor, &g, args->x, NULL);
	gradient_factors_set(gradient, &g, args);
	if (g.bias >= 0 && args->dx[g.bias] && !args->dx_add[g.bias])
		memset(args->dx[g.bias], 0, (size_t)thaw_shape_count(&args->x[g.bias].shape) * sizeof(float));
	for (int64_t image = 0; image < g.images; image++)
		for (int64_t head = 0; head < g.heads; head++)
			backward_head(args, &g, factor, gradient, image, head);
}

/* y for one query of one head. */
static void reference_row(const struct thaw_op_args *args, const struct geometry *g, const struct factor *factor,
			  int64_t image, int64_t head, int64_t query)
{
	const float *q = part_of(&factor[Q], g, image, head, query);
	const struct thaw_view *v = g->bias < 0 ? NULL : &args->x[g->bias];
	const float *bias = v ? v->data + bias_at(v, image, head) : NULL;
	float *y = args->y.data + ((image * g->queries + query) * g->heads + head) * g->size;
	for (int64_t i = 0; i < g->size; i++) {
		double sum = 0, total = 0;
		for (int64_t s = 0; s < g->keys; s++) {
			const float *k = part_of(&factor[K], g, image, head, s);
			double score = bias ? bias[query * g->keys + s] : 0.0;
			for (int64_t j = 0; j < g->size; j++)
				score += (double)g->scale * q[j] * k[j];
			score = exp(score);
			sum += score;
			total += score * part_of(&factor[V], g, image, head, s)[i];
		}
		y[i] = (float)(total / sum);
	}
}

static void attention_reference(const struct thaw_op_args *args)
{
	struct geometry g = geometry_of_args(args);
	struct factor factor[FACTORS];
	factors_set(factor, &g, args->x, NULL);
	for (int64_t image = 0; image < g.images; image++)
		for (int64_t head = 0; head < g.heads; head++)
			for (int64_t query = 0; query < g.queries; query++)
				reference_row(args, &g, factor, image, head, query);
}

/* Two products per head. */
static int64_t attention_flops(const struct thaw_op_desc *desc)
{
	struct geometry g = geometry_of(desc->attrs, desc->inputs, &desc->x[Q], desc->inputs > K ? &desc->x[K] : NULL);
	return 4 * g.images * g.heads * g.queries * g.keys * g.size;
}

static const struct thaw_op_case cases[] = {
	{.name = "q, k, v in one", .attrs = {.heads = 3}, .inputs = 1, .x = {{3, {2, 7, 72}}}},
	{.name = "q, k, v in one, odd size", .attrs = {.heads = 2, .scale = 0.5f}, .inputs = 1, .x = {{3, {3, 5, 30}}}},
	{.name = "q, k, v in one, the same bias for all",
	 .attrs = {.heads = 2},
	 .inputs = 2,
	 .x = {{3, {2, 9, 48}}, {4, {1, 2, 9, 9}}}},
	{.name = "windows, each with its mask",
	 .attrs = {.heads = 2},
	 .inputs = 2,
	 .x = {{3, {6, 4, 24}}, {4, {3, 2, 4, 4}}},
	 .images = 2},
	{.name = "queries from another input",
	 .attrs = {.heads = 2},
	 .inputs = 3,
	 .x = {{3, {2, 3, 16}}, {3, {2, 19, 16}}, {3, {2, 19, 16}}}},
	{.name = "queries from another input, bias",
	 .attrs = {.heads = 1, .scale = 1.0f},
	 .inputs = 4,
	 .x = {{3, {2, 8, 8}}, {3, {2, 5, 8}}, {3, {2, 5, 8}}, {4, {1, 1, 8, 5}}}},
	{.name = "heads of 32", .attrs = {.heads = 2}, .inputs = 1, .x = {{3, {1, 9, 192}}}},
	{.name = "heads of 48", .attrs = {.heads = 1}, .inputs = 1, .x = {{3, {1, 17, 144}}}},
	{.name = "heads of 64, more keys than queries",
	 .attrs = {.heads = 1},
	 .inputs = 3,
	 .x = {{3, {1, 3, 64}}, {3, {1, 37, 64}}, {3, {1, 37, 64}}}},
	{.name = "heads of 80", .attrs = {.heads = 1}, .inputs = 1, .x = {{3, {1, 7, 240}}}},
	{.name = "one token", .attrs = {.heads = 2}, .inputs = 1, .x = {{3, {2, 1, 12}}}},
	{.name = "blocks of queries",
	 .attrs = {.heads = 1},
	 .inputs = 3,
	 .x = {{3, {1, 2 * BLOCK_UNIT + 1, 1}},
	       {3, {1, BLOCK_FLOATS / BLOCK_UNIT, 1}},
	       {3, {1, BLOCK_FLOATS / BLOCK_UNIT, 1}}}},
};

const struct thaw_op thaw_op_attention = {
	.name = "attention",
	.min_inputs = 1,
	.max_inputs = 4,
	.param_names = (const char *const[]){NULL},
	.infer = attention_infer,
	.workspace = attention_workspace,
	.forward = attention_forward,
	.backward = attention_backward,
	.reference = attention_reference,
	.rounds = true,
	.bf16 = true,
	.flops = attention_flops,
	.backward_reads = THAW_READS_X,
	.cases = cases,
	.case_count = sizeof(cases) / sizeof(cases[0]),
};
