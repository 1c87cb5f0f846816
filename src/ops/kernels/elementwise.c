/* Loops over all elements, limited by memory: one pass over it, vectorised by the compiler. THAW_INDEPENDENT states
 * that no iteration accesses the elements of another one, which is true in place too; without it the compiler would use
 * its scalar loop whenever y is x. */
#include "src/ops/kernels/elementwise.h"

#include <string.h>

#include "src/base/multiversion.h"
#include "src/ops/kernels/activate.h"

THAW_MULTIVERSION
void thaw_kernel_activate(float *y, const float *x, int64_t count, enum thaw_activation kind)
{
	THAW_INDEPENDENT
	for (int64_t i = 0; i < count; i++)
		y[i] = thaw_activate(x[i], kind);
}

THAW_MULTIVERSION
void thaw_kernel_add(float *y, const float *a, const float *b, int64_t count, enum thaw_activation kind)
{
	THAW_INDEPENDENT
	for (int64_t i = 0; i < count; i++)
		y[i] = thaw_activate(a[i] + b[i], kind);
}

THAW_MULTIVERSION
void thaw_kernel_bias(float *y, const float *bias, int64_t rows, int64_t columns, enum thaw_activation kind)
{
	if (!bias) {
		if (kind != THAW_ACT_NONE)
			thaw_kernel_activate(y, y, rows * columns, kind);
		return;
	}
	for (int64_t r = 0; r < rows; r++) {
		float *row = y + r * columns;
		THAW_INDEPENDENT
		for (int64_t c = 0; c < columns; c++)
			row[c] = thaw_activate(row[c] + bias[c], kind);
	}
}

THAW_MULTIVERSION
static void add_gradient(float *dx, const float *dy, int64_t count)
{
	THAW_INDEPENDENT
	for (int64_t i = 0; i < count; i++)
		dx[i] += dy[i];
}

THAW_MULTIVERSION
static void write_masked(float *dx, const float *dy, const float *y, int64_t count, enum thaw_activation kind)
{
	THAW_INDEPENDENT
	for (int64_t i = 0; i < count; i++)
		dx[i] = thaw_activate_mask(dy[i], y[i], kind);
}

THAW_MULTIVERSION
static void add_masked(float *dx, const float *dy, const float *y, int64_t count, enum thaw_activation kind)
{
	THAW_INDEPENDENT
	for (int64_t i = 0; i < count; i++)
		dx[i] += thaw_activate_mask(dy[i], y[i], kind);
}

void thaw_kernel_pass_gradient(float *dx, bool add, const float *dy, const float *y, int64_t count,
			       enum thaw_activation kind)
{
	if (kind != THAW_ACT_NONE)
		(add ? add_masked : write_masked)(dx, dy, y, count, kind);
	else if (add)
		add_gradient(dx, dy, count);
	else if (dx != dy)
		memcpy(dx, dy, (size_t)count * sizeof(float));
}

/* Columns at a time: their sums over all rows stay in registers, and are added to the result at the end. */
enum { COLUMNS = 64 };

THAW_INLINE void add_columns(float *sum, const float *x, int64_t rows, int64_t stride, int64_t columns)
{
	float part[COLUMNS] = {0};
	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = 0; c < columns; c++)
			part[c] += x[r * stride + c];
	for (int64_t c = 0; c < columns; c++)
		sum[c] += part[c];
}

THAW_MULTIVERSION
void thaw_kernel_add_rows(float *sum, const float *x, int64_t rows, int64_t columns)
{
	int64_t c = 0;
	for (; c + COLUMNS <= columns; c += COLUMNS)
		add_columns(sum + c, x + c, rows, columns, COLUMNS);
	if (c < columns)
		add_columns(sum + c, x + c, rows, columns, columns - c);
}

THAW_MULTIVERSION
void thaw_kernel_scale_rows(float *to, int64_t to_stride, bool add, const float *from, int64_t from_stride,
			    int64_t rows, int64_t columns, float factor)
{
	for (int64_t r = 0; r < rows; r++, to += to_stride, from += from_stride) {
		if (add) {
			THAW_INDEPENDENT
			for (int64_t c = 0; c < columns; c++)
				to[c] += from[c] * factor;
		} else {
			THAW_INDEPENDENT
			for (int64_t c = 0; c < columns; c++)
				to[c] = from[c] * factor;
		}
	}
}
