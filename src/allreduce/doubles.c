/* The tree over lanes in double precision, for metrics: all rows are gathered, and every rank adds them up. */
#include <string.h>

#include "src/base/try.h"
#include "thaw/allreduce.h"
#include "thaw/lanes.h"
#include "thaw/memory.h"

/* comm->allgather moves floats: a double is sent as two of them. */
#define FLOATS_PER_DOUBLE ((int64_t)(sizeof(double) / sizeof(float)))

thaw_status thaw_allreduce_doubles(struct thaw_comm *comm, int lanes, int n, const double *values, double *total)
{
	int64_t cells = (int64_t)lanes * n;
	size_t size = (size_t)comm->size;
	double *sums = thaw_alloc((size_t)cells, sizeof(*sums));
	float *bits = thaw_alloc((size_t)cells, sizeof(double));
	int64_t *count = thaw_alloc(size, sizeof(*count)), *offset = thaw_alloc(size, sizeof(*offset));
	thaw_status status = THAW_RESOURCE;
	if (!sums || !bits || !count || !offset)
		goto out;
	for (int rank = 0; rank < comm->size; rank++) {
		offset[rank] = thaw_lanes_first(lanes, comm->size, rank) * n * FLOATS_PER_DOUBLE;
		count[rank] = thaw_lanes_first(lanes, comm->size, rank + 1) * n * FLOATS_PER_DOUBLE - offset[rank];
	}
	memcpy(bits, values, (size_t)cells * sizeof(*values));
	THAW_TRY_OUT(comm->allgather(comm, bits, count, offset));
	memcpy(sums, bits, (size_t)cells * sizeof(*sums));
	for (int64_t step = 1; step < lanes; step *= 2)
		for (int64_t i = 0; i + step < lanes; i += 2 * step)
			for (int64_t k = 0; k < n; k++)
				sums[i * n + k] += sums[(i + step) * n + k];
	memcpy(total, sums, (size_t)n * sizeof(*total));
out:
	thaw_free(sums);
	thaw_free(bits);
	thaw_free(count);
	thaw_free(offset);
	return status;
}
