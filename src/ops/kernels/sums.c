#include "src/ops/kernels/sums.h"

#include "src/base/multiversion.h"
#include "src/ops/kernels/elementwise.h"

enum { LANES = 16 };

THAW_MULTIVERSION
float thaw_allreduce(const float *x, int64_t count)
{
	float lane[LANES] = {0}, sum = 0;
	int64_t i = 0;
	for (; i + LANES <= count; i += LANES)
		for (int k = 0; k < LANES; k++)
			lane[k] += x[i + k];
	for (; i < count; i++)
		sum += x[i];
	for (int width = LANES / 2; width > 0; width /= 2)
		for (int k = 0; k < width; k++)
			lane[k] += lane[k + width];
	return sum + lane[0];
}

void thaw_sums_add(float *sum, const float *values, const struct thaw_block *block, int k)
{
	if (!block->column[k])
		for (int64_t r = 0; r < block->rows; r++)
			sum[r * block->row[k]] += thaw_allreduce(values + r * block->columns, block->columns);
	else if (block->row[k] == 0)
		thaw_kernel_add_rows(sum, values, block->rows, block->columns);
	else
		for (int64_t r = 0; r < block->rows; r++)
			thaw_kernel_add_rows(sum + r * block->row[k], values + r * block->columns, 1, block->columns);
}
