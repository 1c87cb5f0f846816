/* Fully connected layers as convolutions (Sermanet et al., OverFeat, ICLR 2014; Long et al., CVPR 2015).
 *
 * A linear layer on a flattened grid of h x w x C features is a convolution with a kernel of h x w. On a larger grid it
 * gives class scores at several positions, whose mean is the output, as in the dense evaluation of VGG. Scores are
 * averaged before the softmax: the mean is then a part of the network, which trains and is exported with it, and with a
 * mean of features, as in a ResNet, the result is the same. */
#include "src/base/try.h"
#include "src/graph/ending.h"
#include "src/ops/window.h"
#include "thaw/memory.h"

/* Pooling to a fixed grid, which is to become pooling with fixed windows; node 0: there is none. */
struct pooling {
	int node;
	int kernel[2], stride[2];
};

/* Sets kernel and stride if all windows of the axis have the same size and distance. */
static bool set_windows(struct pooling *p, int axis, const struct thaw_windows *w)
{
	int64_t stride = w->out > 1 ? thaw_window_at(w, 1).begin : w->in, size = thaw_window_at(w, 0).end;
	for (int64_t i = 0; i < w->out; i++) {
		struct thaw_window at = thaw_window_at(w, i);
		if (at.begin != i * stride || at.end - at.begin != size)
			return false;
	}
	p->kernel[axis] = (int)size;
	p->stride[axis] = (int)stride;
	return stride > 0;
}

/* The pooling to a fixed grid that the value is computed from, position by position or by convolutions. */
static thaw_status find_pooling(struct pooling *p, const struct thaw_graph *g, const struct thaw_shape *shapes,
				int value)
{
	struct thaw_windows w[2];
	*p = (struct pooling){0};
	for (int in; (in = thaw_node_grid_input(g, &g->nodes[value])) >= 0;)
		value = in;
	const struct thaw_node *n = &g->nodes[value];
	bool pools = thaw_node_is(n, "average_pool") || thaw_node_is(n, "max_pool");
	if (!pools || n->attrs.kernel[0] || n->attrs.kernel[1] || n->attrs.output[0] * n->attrs.output[1] <= 1)
		return THAW_OK;
	THAW_TRY(thaw_windows_set(w, &n->attrs, &shapes[n->inputs[0]], n->name));
	if (!set_windows(p, 0, &w[0]) || !set_windows(p, 1, &w[1]))
		return thaw_fail(
			THAW_CONFIG,
			"cannot be fully convolutional: node %s (%s): at the network's own size it pools %lld x "
			"%lld features to %lld x %lld, in windows of different sizes",
			n->name, n->op->name, (long long)w[0].in, (long long)w[1].in, (long long)w[0].out,
			(long long)w[1].out);
	p->node = value;
	return THAW_OK;
}

/* A window of one pixel is the pixel. */
static void apply_pooling(const struct pooling *p, struct thaw_graph *g, bool *dead)
{
	struct thaw_attrs *a = &g->nodes[p->node].attrs;
	dead[p->node] = p->kernel[0] == 1 && p->kernel[1] == 1 && p->stride[0] == 1 && p->stride[1] == 1;
	for (int axis = 0; axis < 2; axis++) {
		a->output[axis] = 0;
		a->kernel[axis] = p->kernel[axis];
		a->stride[axis] = p->stride[axis];
	}
}

/* Finds how the view orders the grid x (N,H,W,C): stride[3], the distances of neighbours down, across and of channels.
 * False if it splits an axis. */
static bool find_order(const struct thaw_node *view, const struct thaw_shape *x, int64_t stride[3])
{
	const struct thaw_factors *f = &view->attrs.factors;
	const int64_t *d = x->dim;
	int64_t step = 1;
	stride[0] = d[2] * d[3];
	stride[1] = d[3];
	stride[2] = 1;
	if (!thaw_node_is(view, "rearrange"))
		return true; /* as in memory */
	for (int k = f->count - 1; k >= 0; k--) {
		int axis = f->axis[f->order[k]];
		for (int other = 0; other < f->count; other++)
			if (other != f->order[k] && f->axis[other] == axis)
				return false;
		if (axis > 0) {
			stride[axis - 1] = step;
			step *= d[axis];
		}
	}
	return f->count > 0 && f->axis[f->order[0]] == 0;
}

/* Which node reads the flattened grid as a linear layer; -1 and a message if another one does that depends on the order
 * of its elements. */
static thaw_status find_first_linear(const struct thaw_ending *e, const struct thaw_graph *g, int64_t stride[3],
				     int *first)
{
	int i = 1;
	bool ordered = find_order(&g->nodes[e->node[0]], &e->shapes[e->features], stride);
	while (i < e->count &&
	       (thaw_node_is(&g->nodes[e->node[i]], "dropout") || thaw_node_is(&g->nodes[e->node[i]], "activation") ||
		thaw_node_is(&g->nodes[e->node[i]], "pointwise")))
		i++;
	*first = ordered && i < e->count ? e->node[i] : e->node[0];
	const struct thaw_node *n = &g->nodes[*first];
	if (thaw_node_is(n, "linear"))
		return THAW_OK;
	return thaw_fail(THAW_CONFIG,
			 "cannot be fully convolutional: node %s (%s): it changes the flattened features before the "
			 "first linear layer",
			 n->name, n->op->name);
}

static thaw_status convert(const struct thaw_ending *e, const struct pooling *pooling, struct thaw_graph *g, bool *dead)
{
	const int64_t *kernel = &e->shapes[e->features].dim[1];
	int64_t stride[3];
	int first;
	if (e->kind == THAW_ENDING_FLAT) {
		THAW_TRY(find_first_linear(e, g, stride, &first));
		THAW_TRY(thaw_linear_to_conv(g, first, kernel, stride));
	}
	if (pooling->node > 0)
		apply_pooling(pooling, g, dead);
	if (e->kind != THAW_ENDING_POOLED)
		return thaw_ending_as_grid(e, g, dead);
	thaw_graph_remove(g, dead);
	return g->failed;
}

static thaw_status fail_other(const struct thaw_ending *e, const struct thaw_graph *g)
{
	const struct thaw_node *n = &g->nodes[e->stopped];
	return thaw_fail(THAW_CONFIG,
			 "cannot be fully convolutional: node %s (%s): its value is not a grid of features that a "
			 "classifier reads",
			 n->name, n->op ? n->op->name : "image");
}

thaw_status thaw_graph_fully_conv(struct thaw_graph *g, const struct thaw_shape *image, bool *changed)
{
	struct thaw_ending e;
	struct pooling pooling = {0};
	bool *dead = thaw_alloc((size_t)g->node_count, sizeof(*dead));
	thaw_status status;
	THAW_TRY_OUT(thaw_ending_find(&e, g, image));
	THAW_TRY_OUT(dead ? THAW_OK : THAW_RESOURCE);
	THAW_TRY_OUT(e.kind == THAW_ENDING_OTHER ? fail_other(&e, g) : THAW_OK);
	THAW_TRY_OUT(find_pooling(&pooling, g, e.shapes, e.features));
	*changed = pooling.node > 0 || e.kind != THAW_ENDING_POOLED;
	status = convert(&e, &pooling, g, dead);
out:
	thaw_ending_release(&e);
	thaw_free(dead);
	return status;
}
