/* Whether batch norms can normalise by the batch of one lane: the variance of one value is zero, so all outputs of the
 * layer would be its shift. */
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/train/run.h"
#include "thaw/memory.h"

static int64_t smallest_lane_batch(const struct run *r)
{
	int64_t batch = run_lane_batch(r, 0);
	for (int lane = 1; lane < r->options.lanes; lane++)
		batch = min_int64(batch, run_lane_batch(r, lane));
	return batch;
}

/* The first trained batch norm with one value per channel, or -1. */
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

thaw_status run_check_lane_norms(struct run *r)
{
	struct thaw_graph *g = r->model->graph;
	int64_t batch = smallest_lane_batch(r), side = r->preprocess.size;
	if (r->options.bn != THAW_BN_LANE || batch > 1)
		return THAW_OK;
	struct thaw_shape image = thaw_shape_of(batch, side, side, 3);
	struct thaw_shape *shapes = thaw_alloc((size_t)g->node_count, sizeof(*shapes));
	thaw_status status = shapes ? thaw_graph_infer(g, &image, shapes) : THAW_RESOURCE;
	thaw_graph_batch_statistics(g, true);
	int norm = status == THAW_OK ? find_norm_of_one_value(g, shapes) : -1;
	thaw_graph_batch_statistics(g, false);
	thaw_free(shapes);
	if (norm >= 0)
		return thaw_fail(
			THAW_CONFIG,
			"batch norm of one value per channel: %s: a lane has 1 image per step, of 1 x 1 there: "
			"give a larger --batch or --size, fewer --lanes, or --bn frozen",
			g->nodes[norm].name);
	return status;
}
