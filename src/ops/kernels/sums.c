#include "src/ops/kernels/sums.h"

#include "src/base/multiversion.h"
#include "src/ops/kernels/elementwise.h"
#include "src/ops/kernels/vector.h"

THAW_MULTIVERSION
float thaw_sum_values(const float *x, int64_t count)
{
	float part[THAW_VECTOR_WIDTH] = {0}, sum = 0;
	int64_t i = 0;
	for (; i + THAW_VECTOR_WIDTH <= count; i += THAW_VECTOR_WIDTH)
		for (int k = 0; k < THAW_VECTOR_WIDTH; k++)
			part[k] += x[i + k];
	for (; i < count; i++)
		sum += x[i];
	for (int width = THAW_VECTOR_WIDTH / 2; width > 0; width /= 2)
		for (int k = 0; k < width; k++)
			part[k] += part[k + width];
	return sum + part[0];
}

void thaw_sums_add(float *sum, const float *values, const struct thaw_block *block, int k)
{
	if (!block->column[k])
		for (int64_t r = 0; r < block->rows; r++)
			sum[r * block->row[k]] += thaw_sum_values(values + r * block->columns, block->columns);
	else if (block->row[k] == 0)
		thaw_kernel_add_rows(sum, values, block->rows, block->columns);
	else
		for (int64_t r = 0; r < block->rows; r++)
			thaw_kernel_add_rows(sum + r * block->row[k], values + r * block->columns, 1, block->columns);
}
