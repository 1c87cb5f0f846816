/* thaw_allreduce against MPI_Allreduce, which does not fix the order of additions. Runs them alternately and prints the
 * medians as a JSON line.
 *
 *     mpirun -np 2 bench_allreduce [MEGABYTES [REPETITIONS]]
 *
 * One lane per rank, so that both move and add the same amount of data. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/allreduce.h"
#include "thaw/memory.h"
#include "thaw/mpi.h"
#include "thaw/shards.h"

#define MEGABYTES   64
#define REPETITIONS 21

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *seconds, int count)
{
	qsort(seconds, (size_t)count, sizeof(double), ascending);
	return seconds[count / 2];
}

/* Does nothing, so that only the all-reduce is measured. */
static void update_nothing(void *context, struct thaw_shard shard, float *total, const float *slots)
{
	(void)context, (void)shard, (void)total, (void)slots;
}

static thaw_status time_lanes(struct thaw_comm *comm, struct thaw_allreduce *allreduce, int64_t n, double *seconds)
{
	float *vector = thaw_allreduce_next(allreduce);
	const float *slots;
	if (!vector)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < n; i++)
		vector[i] = (float)(i % 1000);
	THAW_TRY(comm->barrier(comm));
	double start = MPI_Wtime();
	thaw_allreduce_push(allreduce); /* starts the exchange */
	THAW_TRY(thaw_allreduce_finish(allreduce, &slots));
	*seconds = MPI_Wtime() - start;
	return THAW_OK;
}

static thaw_status time_mpi(struct thaw_comm *comm, float *from, float *to, int64_t n, double *seconds)
{
	for (int64_t i = 0; i < n; i++)
		from[i] = (float)(i % 1000);
	THAW_TRY(comm->barrier(comm));
	double start = MPI_Wtime();
	if (MPI_Allreduce(from, to, (int)n, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD) != MPI_SUCCESS)
		return thaw_fail(THAW_RESOURCE, "MPI_Allreduce failed");
	*seconds = MPI_Wtime() - start;
	return THAW_OK;
}

static thaw_status compare(struct thaw_comm *comm, int64_t megabytes, int repetitions)
{
	int64_t n = megabytes * 1000000 / (int64_t)sizeof(float);
	struct thaw_allreduce *allreduce = NULL;
	float *from = thaw_alloc((size_t)n, sizeof(float)), *to = thaw_alloc((size_t)n, sizeof(float));
	float *values = thaw_alloc((size_t)n, sizeof(float));
	double *lanes = thaw_alloc((size_t)repetitions, sizeof(double));
	double *mpi = thaw_alloc((size_t)repetitions, sizeof(double));
	thaw_status status = THAW_RESOURCE;
	if (!from || !to || !values || !lanes || !mpi)
		goto out;
	const struct thaw_sharding shards = {n, THAW_ALLREDUCE_BUCKET, comm->size};
	const struct thaw_allreduce_update update = {.update = update_nothing, .values = values};
	THAW_TRY_OUT(thaw_allreduce_create(&allreduce, comm, comm->size, &shards, 0, &update));
	for (int i = 0; i < repetitions; i++) {
		THAW_TRY_OUT(time_lanes(comm, allreduce, n, &lanes[i]));
		THAW_TRY_OUT(time_mpi(comm, from, to, n, &mpi[i]));
	}
	if (comm->rank == 0)
		printf("{\"name\": \"allreduce\", \"ranks\": %d, \"megabytes\": %lld, \"lanes_ms\": %.2f, "
		       "\"allreduce_ms\": %.2f}\n",
		       comm->size, (long long)megabytes, 1e3 * median(lanes, repetitions),
		       1e3 * median(mpi, repetitions));
out:
	thaw_allreduce_destroy(allreduce);
	thaw_free(from);
	thaw_free(to);
	thaw_free(values);
	thaw_free(lanes);
	thaw_free(mpi);
	return status;
}

int main(int argc, char **argv)
{
	struct thaw_comm comm;
	int64_t megabytes = argc > 1 ? atoll(argv[1]) : MEGABYTES;
	int repetitions = argc > 2 ? atoi(argv[2]) : REPETITIONS;
	thaw_status status = thaw_mpi_open(&comm);
	int started = 0;
	MPI_Initialized(&started);
	if (status == THAW_OK && (!started || megabytes < 1 || megabytes > 4000 || repetitions < 1))
		status = thaw_fail(THAW_USAGE, "usage: mpirun -np N bench_allreduce [MEGABYTES [REPETITIONS]]");
	if (status == THAW_OK)
		status = compare(&comm, megabytes, repetitions);
	if (status != THAW_OK)
		fprintf(stderr, "bench_allreduce: %s\n", thaw_error_message());
	comm.close(&comm);
	return status;
}
