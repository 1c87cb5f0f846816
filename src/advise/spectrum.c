#include "src/advise/spectrum.h"

#include <cblas.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "src/advise/eigen.h"
#include "src/base/minmax.h"
#include "thaw/memory.h"

#define BLOCK ((int64_t)1 << 20) /* number of features converted to double precision at a time */

/* The Gram matrix (size,size) of a table and its eigenvectors, as rows. */
struct gram {
	const struct thaw_feature_table *table;
	bool tall;      /* at least as many images as features: F' F; else F F' */
	int64_t size;   /* the smaller of count and width */
	double *mean;   /* [width], zeros unless centred */
	double *vector; /* (size,size) */
	double *value;  /* [size] */
	double *block;  /* rows of the table, or columns of all rows */
};

static void find_means(const struct thaw_feature_table *t, double *mean)
{
	for (int64_t i = 0; i < t->count; i++)
		for (int64_t j = 0; j < t->width; j++)
			mean[j] += t->features[i * t->width + j];
	for (int64_t j = 0; j < t->width; j++)
		mean[j] /= (double)t->count;
}

/* block (rows,columns): the features from (row,column) on in double precision, minus their means. */
static void load(const struct gram *g, int64_t row, int64_t rows, int64_t column, int64_t columns)
{
	const int64_t width = g->table->width;
	for (int64_t i = 0; i < rows; i++)
		for (int64_t j = 0; j < columns; j++)
			g->block[i * columns + j] =
				g->table->features[(row + i) * width + column + j] - g->mean[column + j];
}

/* Computes the lower triangle of the Gram matrix, block by block. */
static void multiply(const struct gram *g)
{
	const int64_t count = g->table->count, width = g->table->width, n = g->size;
	const int64_t step = max_int64(BLOCK / n, 1), length = g->tall ? count : width;
	for (int64_t at = 0; at < length; at += step) {
		const int64_t k = min_int64(step, length - at);
		if (g->tall)
			load(g, at, k, 0, width);
		else
			load(g, 0, count, at, k);
		cblas_dsyrk(CblasRowMajor, CblasLower, g->tall ? CblasTrans : CblasNoTrans, (blasint)n, (blasint)k, 1.0,
			    g->block, (blasint)(g->tall ? n : k), 1.0, g->vector, (blasint)n);
	}
}

static double sum_of_fourth_powers(const struct gram *g)
{
	const struct thaw_feature_table *t = g->table;
	double sum = 0.0;
	for (int64_t i = 0; i < t->count; i++) {
		double square = 0.0;
		for (int64_t j = 0; j < t->width; j++) {
			double x = t->features[i * t->width + j] - g->mean[j];
			square += x * x;
		}
		sum += square * square;
	}
	return sum;
}

/* The eigenvectors of F F' are the u_i: u_i . y_c is the sum of the elements of class c. */
static void project_left(const struct gram *g, int64_t first, struct thaw_spectrum *s)
{
	for (int64_t i = 0; i < s->rank; i++)
		for (int64_t k = 0; k < s->count; k++)
			s->projection[g->table->labels[k] * s->rank + i] += g->vector[(first + i) * g->size + k];
}

/* The eigenvectors of F' F are the v_i, and u_i = F v_i / s_i: u_i . y_c = (sum of the rows of class c) . v_i / s_i. */
static thaw_status project_right(const struct gram *g, int64_t first, struct thaw_spectrum *s)
{
	const struct thaw_feature_table *t = g->table;
	double *sum = thaw_alloc((size_t)(t->classes * t->width), sizeof(*sum)); /* (classes,width) */
	if (!sum)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < t->count; i++)
		for (int64_t j = 0; j < t->width; j++)
			sum[t->labels[i] * t->width + j] += t->features[i * t->width + j] - g->mean[j];
	cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, t->classes, (blasint)s->rank, (blasint)t->width, 1.0, sum,
		    (blasint)t->width, g->vector + first * g->size, (blasint)g->size, 0.0, s->projection,
		    (blasint)s->rank);
	for (int c = 0; c < t->classes; c++)
		for (int64_t i = 0; i < s->rank; i++)
			s->projection[c * s->rank + i] /= sqrt(s->value[i]);
	thaw_free(sum);
	return THAW_OK;
}

/* Fills the spectrum from the decomposition, without eigenvalues that are 0 within rounding. */
static thaw_status fill(const struct gram *g, struct thaw_spectrum *s)
{
	const struct thaw_feature_table *t = g->table;
	const double rounding = g->value[g->size - 1] * (double)(t->count + t->width) * DBL_EPSILON;
	int64_t first = 0;
	while (first < g->size && !(g->value[first] > rounding && g->value[first] > 0.0))
		first++;
	*s = (struct thaw_spectrum){t->count, t->width, g->size - first, t->classes, NULL, NULL, NULL, 0.0};
	s->value = thaw_alloc((size_t)s->rank, sizeof(*s->value));
	s->projection = thaw_alloc((size_t)(t->classes * s->rank), sizeof(*s->projection));
	s->images = thaw_alloc((size_t)t->classes, sizeof(*s->images));
	if (!s->value || !s->projection || !s->images)
		return THAW_RESOURCE;
	thaw_feature_table_images(t, s->images);
	s->fourth = sum_of_fourth_powers(g);
	if (s->rank == 0)
		return THAW_OK;
	memcpy(s->value, g->value + first, (size_t)s->rank * sizeof(*s->value));
	if (g->tall)
		return project_right(g, first, s);
	project_left(g, first, s);
	return THAW_OK;
}

static thaw_status decompose(struct gram *g, bool centred)
{
	const int64_t n = g->size;
	if (n > INT_MAX / 2 || g->table->width > INT_MAX)
		return thaw_fail(THAW_CONFIG, "too many images and features for a score: %lld x %lld: use fewer images",
				 (long long)g->table->count, (long long)g->table->width);
	g->mean = thaw_alloc((size_t)g->table->width, sizeof(*g->mean));
	g->value = thaw_alloc((size_t)n, sizeof(*g->value));
	g->vector = thaw_alloc((size_t)(n * n), sizeof(*g->vector));
	g->block = thaw_alloc((size_t)max_int64(BLOCK, n), sizeof(*g->block));
	if (!g->mean || !g->value || !g->vector || !g->block)
		return THAW_RESOURCE;
	if (centred)
		find_means(g->table, g->mean);
	multiply(g);
	return thaw_eigen_symmetric(n, g->vector, g->value);
}

thaw_status thaw_spectrum_create(const struct thaw_feature_table *t, bool centred, struct thaw_spectrum *s)
{
	struct gram g = {.table = t, .tall = t->width <= t->count, .size = min_int64(t->count, t->width)};
	struct thaw_spectrum made = {0};
	thaw_status status = decompose(&g, centred);
	if (status == THAW_OK)
		status = fill(&g, &made);
	thaw_free(g.mean);
	thaw_free(g.value);
	thaw_free(g.vector);
	thaw_free(g.block);
	if (status == THAW_OK)
		*s = made;
	else
		thaw_spectrum_destroy(&made);
	return status;
}

void thaw_spectrum_destroy(struct thaw_spectrum *s)
{
	thaw_free(s->value);
	thaw_free(s->projection);
	thaw_free(s->images);
	*s = (struct thaw_spectrum){0};
}
