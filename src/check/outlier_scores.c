#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/compare.h"
#include "src/base/minmax.h"
#include "src/check/features.h"
#include "thaw/memory.h"

enum {
	NEIGHBOURS = 5,
	ROWS = 256, /* images whose distances to all others are computed at once */
};

/* Distances so many robust standard deviations above the median have the score THAW_FLAG. */
#define LIMIT      5.0
#define MAD_FACTOR 1.4826 /* standard deviation of a normal distribution, by its median absolute deviation */

/* Rows of unit length. */
static void normalise(const struct thaw_feature_table *t, float *rows)
{
	for (int64_t i = 0; i < t->count; i++) {
		const float *from = t->features + i * t->width;
		double sum = 0.0;
		for (int64_t j = 0; j < t->width; j++)
			sum += (double)from[j] * (double)from[j];
		const float scale = sum > 0 ? (float)(1.0 / sqrt(sum)) : 0.0f;
		for (int64_t j = 0; j < t->width; j++)
			rows[i * t->width + j] = from[j] * scale;
	}
}

/* Mean of the largest NEIGHBOURS cosines, without that of the image itself, as a distance. */
static double mean_distance(const float *cosine, int64_t count, int64_t self)
{
	float best[NEIGHBOURS];
	int found = 0;
	for (int64_t k = 0; k < count; k++) {
		if (k == self || (found == NEIGHBOURS && cosine[k] <= best[NEIGHBOURS - 1]))
			continue;
		int at = found < NEIGHBOURS ? found++ : NEIGHBOURS - 1;
		for (; at > 0 && best[at - 1] < cosine[k]; at--)
			best[at] = best[at - 1];
		best[at] = cosine[k];
	}
	double sum = 0.0;
	for (int k = 0; k < found; k++)
		sum += (double)best[k];
	return found > 0 ? acos(fmin(sum / found, 1.0)) : 0.0;
}

static double median_of(double *values, int64_t count)
{
	qsort(values, (size_t)count, sizeof(*values), compare_double);
	return values[count / 2];
}

static void set_scores(const double *distance, double *scratch, int64_t count, float *score)
{
	memcpy(scratch, distance, (size_t)count * sizeof(*scratch));
	const double usual = median_of(scratch, count);
	for (int64_t i = 0; i < count; i++)
		scratch[i] = fabs(distance[i] - usual);
	const double spread = MAD_FACTOR * median_of(scratch, count);
	for (int64_t i = 0; i < count; i++) {
		double above = spread > 0 ? (distance[i] - usual) / spread : 0.0;
		score[i] = (float)fmax(0.0, fmin(1.0, 1.0 - above / (2 * LIMIT)));
	}
}

thaw_status thaw_outlier_scores(const struct thaw_feature_table *t, float *score)
{
	const int64_t n = t->count, d = t->width;
	float *rows = thaw_alloc((size_t)(n * d), sizeof(*rows)),
	      *cosine = thaw_alloc((size_t)(ROWS * n), sizeof(float));
	double *distance = thaw_alloc((size_t)n, sizeof(*distance)), *scratch = thaw_alloc((size_t)n, sizeof(*scratch));
	thaw_status status = rows && cosine && distance && scratch ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK)
		normalise(t, rows);
	for (int64_t i = 0; i < n && status == THAW_OK; i += ROWS) {
		int64_t some = min_int64(ROWS, n - i);
		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)some, (blasint)n, (blasint)d, 1.0f,
			    rows + i * d, (blasint)d, rows, (blasint)d, 0.0f, cosine, (blasint)n);
		for (int64_t k = 0; k < some; k++)
			distance[i + k] = mean_distance(cosine + k * n, n, i + k);
	}
	if (status == THAW_OK && n > 0)
		set_scores(distance, scratch, n, score);
	thaw_free(rows);
	thaw_free(cosine);
	thaw_free(distance);
	thaw_free(scratch);
	return status;
}
