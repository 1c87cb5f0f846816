#include "src/advise/image_cost.h"

#include <stdlib.h>

#include "src/base/clock.h"
#include "src/base/compare.h"
#include "src/base/try.h"
#include "thaw/executor.h"
#include "thaw/memory.h"
#include "thaw/random.h"

#define RUNS        15 /* timed runs, after one warm-up run */
#define SEED        1
#define NANOSECONDS 1e9

static thaw_status count_work(struct thaw_image_cost *cost, const struct thaw_graph *g, const struct thaw_shape *image)
{
	struct thaw_shape *shapes = thaw_alloc((size_t)g->node_count, sizeof(*shapes));
	thaw_status status = shapes ? thaw_graph_infer(g, image, shapes) : THAW_RESOURCE;
	if (status == THAW_OK)
		cost->flops = thaw_graph_flops(g, shapes, 1, g->node_count);
	thaw_free(shapes);
	cost->parameters = thaw_graph_parameters(g, 0, g->node_count);
	return status;
}

/* Noise: zeros could be faster than a real image. Filled before each run, since a run overwrites its input. */
static void fill_noise(float *image, int64_t floats)
{
	struct thaw_random r = thaw_random_stream(SEED, THAW_STREAM_INIT, 0, 0);
	for (int64_t i = 0; i < floats; i++)
		image[i] = thaw_random_normal(&r);
}

static double median_seconds(struct thaw_executor *executor, int64_t floats, float *features)
{
	double seconds[RUNS];
	for (int i = -1; i < RUNS; i++) {
		fill_noise(thaw_executor_input(executor), floats);
		double start = thaw_clock();
		thaw_executor_run_trunk(executor, features);
		if (i >= 0)
			seconds[i] = thaw_clock() - start;
	}
	qsort(seconds, RUNS, sizeof(*seconds), compare_double);
	return seconds[RUNS / 2];
}

static thaw_status time_forward(const struct thaw_graph *graph, const struct thaw_shape *image, double *seconds)
{
	struct thaw_graph *lowered = NULL;
	struct thaw_executor *executor = NULL;
	float *features = NULL;
	thaw_status status;
	THAW_TRY(thaw_graph_lower(&lowered, graph));
	THAW_TRY_OUT(thaw_executor_create(&executor, lowered, image, THAW_TRUNK, false));
	THAW_TRY_OUT(thaw_executor_pack(executor, NULL, true));
	features = thaw_alloc((size_t)thaw_executor_features(executor), sizeof(*features));
	THAW_TRY_OUT(features ? THAW_OK : THAW_RESOURCE);
	*seconds = median_seconds(executor, thaw_shape_count(image), features);
out:
	thaw_free(features);
	thaw_executor_destroy(executor);
	thaw_graph_destroy(lowered);
	return status;
}

thaw_status thaw_image_cost_measure(struct thaw_image_cost *cost, struct thaw_comm *comm,
				    const struct thaw_graph *graph, struct thaw_size size)
{
	struct thaw_image_cost c = {0};
	struct thaw_shape image = thaw_shape_of(1, size.height, size.width, 3);
	thaw_status status = count_work(&c, graph, &image);
	if (status == THAW_OK)
		status = time_forward(graph, &image, &c.seconds);
	THAW_TRY(thaw_comm_agree(comm, status));
	int64_t slowest = (int64_t)(c.seconds * NANOSECONDS);
	THAW_TRY(comm->max(comm, &slowest, 1));
	c.seconds = (double)slowest / NANOSECONDS;
	*cost = c;
	return THAW_OK;
}
