/* Whether batch norms can normalise by the batch of one lane: the variance of one value is zero, so all outputs of the
 * layer would be its shift, and the moving variance would shrink. A run in which a lane would have one value per
 * channel is refused. Damaged images may reduce a batch to one later: the step then goes on without this lane. */
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/train/run.h"
#include "thaw/lanes.h"
#include "thaw/memory.h"

/* The fewest images of a lane in a whole step, and in any step: the last one of an epoch has what is left. Lanes
 * without images compute nothing. */
static void find_smallest_batches(const struct run *r, int64_t *whole, int64_t *any)
{
	*whole = *any = run_trains_native(r) ? 1 : INT64_MAX; /* an image may be the only one of its size */
	for (int lane = 0; lane < r->options.lanes; lane++) {
		int64_t batch = run_lane_batch(r, lane);
		int64_t last = thaw_lane_count(r->train.count, r->options.lanes, lane) % batch;
		*whole = min_int64(*whole, batch);
		*any = min_int64(*any, last > 0 ? last : batch);
	}
}

/* The first batch norm with batch statistics and one value per channel, or -1. */
static int find_norm_of_one_value(const struct thaw_graph *g, const struct thaw_shape *shapes)
{
	for (int i = 1; i < g->node_count; i++) {
		const struct thaw_node *n = &g->nodes[i];
		if (!n->op || !n->attrs.batch_statistics || strcmp(n->op->name, "batch_norm") != 0)
			continue;
		const struct thaw_shape *in = &shapes[n->inputs[0]];
		if (thaw_shape_count(in) == in->dim[in->ndim - 1])
			return i;
	}
	return -1;
}

/* Of the training steps on this rank. */
static struct thaw_size smallest_size(const struct run *r)
{
	if (run_trains_native(r) && r->train_sizes.smallest.height > 0)
		return r->train_sizes.smallest;
	return thaw_size_shorter(r->sizes.from) < thaw_size_shorter(r->sizes.to) ? r->sizes.from : r->sizes.to;
}

thaw_status run_find_lone_norm(const struct run *r, const char **name)
{
	const struct thaw_graph *g = r->model->graph;
	struct thaw_size size = smallest_size(r);
	struct thaw_shape image = thaw_shape_of(1, size.height, size.width, 3);
	struct thaw_shape *shapes = thaw_alloc((size_t)g->node_count, sizeof(*shapes));
	thaw_status status = shapes ? thaw_graph_infer(g, &image, shapes) : THAW_RESOURCE;
	int norm = status == THAW_OK ? find_norm_of_one_value(g, shapes) : -1;
	*name = norm < 0 ? NULL : g->nodes[norm].name ? g->nodes[norm].name : "without a name";
	thaw_free(shapes);
	return status;
}

thaw_status run_check_lane_norms(struct run *r)
{
	const char *name;
	int64_t whole, any;
	find_smallest_batches(r, &whole, &any);
	if (r->options.bn != THAW_BN_LANE || any > 1)
		return THAW_OK;
	thaw_graph_batch_statistics(r->model->graph, true);
	thaw_status status = run_find_lone_norm(r, &name);
	thaw_graph_batch_statistics(r->model->graph, false);
	if (status != THAW_OK || !name)
		return status;
	if (whole > 1)
		return thaw_fail(
			THAW_CONFIG,
			"batch norm of one value per channel: %s: a lane has 1 image in the last step of an "
			"epoch, of 1 x 1 there: give another --batch or --lanes, a larger --size, or --bn frozen",
			name);
	return thaw_fail(THAW_CONFIG,
			 "batch norm of one value per channel: %s: a lane has 1 image per step, of 1 x 1 there: give a "
			 "larger --batch or --size, fewer --lanes, or --bn frozen",
			 name);
}
