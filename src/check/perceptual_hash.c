#include "src/check/perceptual_hash.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/compare.h"

enum {
	SIDE = 16,       /* cells that the transform is of */
	FREQUENCIES = 8, /* in each direction, the constant one included */
	BITS = FREQUENCIES * FREQUENCIES,
};

static const float inset[] = {0.025f, 0.075f}; /* what a view leaves out at a side */

struct thaw_window thaw_hash_view(int view)
{
	if (view == 0)
		return (struct thaw_window){0, 0, 1, 1};
	int k = view - 1;
	return (struct thaw_window){inset[k & 1], inset[k >> 1 & 1], 1 - inset[k >> 2 & 1], 1 - inset[k >> 3 & 1]};
}

static double cosine[FREQUENCIES][SIDE];
static pthread_once_t cosine_once = PTHREAD_ONCE_INIT;

static void fill_cosine(void)
{
	for (int k = 0; k < FREQUENCIES; k++)
		for (int x = 0; x < SIDE; x++)
			cosine[k][x] = cos(M_PI * k * (2 * x + 1) / (2 * SIDE));
}

/* Writes the transform, without factors, to out[BITS], rows by vertical frequency. */
static void transform(const float cells[SIDE * SIDE], double out[BITS])
{
	double rows[SIDE][FREQUENCIES];
	for (int y = 0; y < SIDE; y++)
		for (int k = 0; k < FREQUENCIES; k++) {
			rows[y][k] = 0.0;
			for (int x = 0; x < SIDE; x++)
				rows[y][k] += cosine[k][x] * (double)cells[y * SIDE + x];
		}
	for (int j = 0; j < FREQUENCIES; j++)
		for (int k = 0; k < FREQUENCIES; k++) {
			double sum = 0.0;
			for (int y = 0; y < SIDE; y++)
				sum += cosine[j][y] * rows[y][k];
			out[j * FREQUENCIES + k] = sum;
		}
}

uint64_t thaw_perceptual_hash(const struct thaw_luminance *l, const struct thaw_window *window)
{
	float cells[SIDE * SIDE];
	double value[BITS], sorted[BITS - 1];
	uint64_t hash = 0;
	pthread_once(&cosine_once, fill_cosine);
	thaw_luminance_cells(l, window, SIDE, cells);
	transform(cells, value);
	memcpy(sorted, value + 1, sizeof(sorted)); /* the first is the mean, which says nothing of the shape */
	qsort(sorted, BITS - 1, sizeof(*sorted), compare_double);
	for (int k = 1; k < BITS; k++)
		hash |= (uint64_t)(value[k] > sorted[(BITS - 1) / 2]) << k;
	return hash;
}

void thaw_perceptual_hashes(const struct thaw_luminance *l, uint64_t hash[THAW_HASH_VIEWS])
{
	for (int v = 0; v < THAW_HASH_VIEWS; v++) {
		struct thaw_window window = thaw_hash_view(v);
		hash[v] = thaw_perceptual_hash(l, &window);
	}
}
