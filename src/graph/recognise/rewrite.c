/* Rewriting nodes in place. */
#include <string.h>

#include "src/graph/recognise/recognise.h"
#include "src/ops/factors.h"
#include "thaw/memory.h"

bool thaw_rewrite(struct thaw_recogniser *r, int node, const char *op, const struct thaw_attrs *attrs,
		  const int *inputs, int count)
{
	struct thaw_node *n = &r->g->nodes[node];
	int *copy = thaw_alloc((size_t)count, sizeof(*copy));
	if (!copy) {
		r->g->failed = THAW_RESOURCE;
		return false;
	}
	n->fixed = true;
	for (int k = 0; k < count; k++) {
		copy[k] = inputs[k]; /* `inputs` may be the node's own array */
		n->fixed &= r->g->nodes[inputs[k]].fixed;
	}
	int stream = n->attrs.stream;
	for (int k = 0; k < count; k++)
		thaw_readers_add(r, copy[k], node);
	for (int k = 0; k < n->input_count; k++)
		thaw_readers_drop(r, n->inputs[k]);
	n->op = thaw_op_find(op);
	n->attrs = *attrs;
	n->attrs.stream = stream;
	n->param_count = 0;
	thaw_free(n->inputs);
	n->inputs = copy;
	n->input_count = count;
	return r->g->failed == THAW_OK;
}

void thaw_rewrite_input(struct thaw_recogniser *r, int node, int k, int value)
{
	int *input = &r->g->nodes[node].inputs[k];
	thaw_readers_add(r, value, node);
	thaw_readers_drop(r, *input);
	*input = value;
}

void thaw_rewrite_take(struct thaw_recogniser *r, int to, int from, int k)
{
	struct thaw_node *n = &r->g->nodes[to], *old = &r->g->nodes[from];
	int param = old->params[k];
	old->params[k] = old->params[--old->param_count];
	n->params[n->param_count++] = param;
	r->g->params[param].node = to;
}

void thaw_rewrite_take_row(struct thaw_recogniser *r, int to, int constant, enum thaw_role role)
{
	struct thaw_param *p = &r->g->params[r->g->nodes[constant].params[0]];
	p->role = role;
	p->shape = p->file_shape = thaw_shape_of(thaw_shape_count(&p->shape));
	thaw_rewrite_take(r, to, constant, 0);
}

void thaw_rewrite_bypass(struct thaw_recogniser *r, int node, int value)
{
	struct thaw_graph *g = r->g;
	for (int entry = -1, reader; (reader = thaw_readers_next(r, node, &entry)) >= 0;)
		for (int k = 0; k < g->nodes[reader].input_count; k++)
			if (g->nodes[reader].inputs[k] == node)
				thaw_rewrite_input(r, reader, k, value);
	if (g->output == node)
		g->output = value;
	thaw_readers_check(r, node);
}

/* The order of factors of size 1 does not affect the order of the elements: sorts them by their position in x. */
static void sort_ones(struct thaw_factors *f, const struct thaw_shape *x)
{
	int64_t start;
	struct thaw_strides s = thaw_factors_strides(f, x, &start);
	int moved[THAW_MAX_FACTORS], last = -1;
	for (int i = 0; i < f->count; i++) {
		moved[f->order[i]] = f->target[i];
		if (s.size[i] == 1)
			continue;
		if (f->order[i] < last)
			return;
		last = f->order[i];
	}
	for (int i = 0, target = 0; i < f->count; i++) { /* a factor of size 1 may be on any axis */
		if (moved[i] < target)
			moved[i] = target;
		target = moved[i];
	}
	struct thaw_factors sorted = *f;
	struct thaw_shape before, after;
	for (int i = 0; i < f->count; i++) {
		sorted.order[i] = i;
		sorted.target[i] = moved[i];
	}
	if (thaw_factors_infer(f, x, "rearrange", &before) == THAW_OK &&
	    thaw_factors_infer(&sorted, x, "reshape", &after) == THAW_OK && thaw_shape_equal(&before, &after))
		*f = sorted;
}

int thaw_rewrite_view(struct thaw_recogniser *r, int node, int x, const struct thaw_factors *factors)
{
	struct thaw_attrs attrs = {.factors = *factors};
	const struct thaw_shape *from = &r->shapes[x];
	struct thaw_shape shape;
	thaw_status fits = thaw_factors_infer(factors, from, "rearrange", &shape);
	if (fits != THAW_OK) {
		r->g->failed = fits;
		return -1;
	}
	sort_ones(&attrs.factors, from);
	bool in_order = thaw_factors_in_order(&attrs.factors, from);
	if (in_order && thaw_shape_equal(&shape, from))
		return x;
	if (!thaw_rewrite(r, node, in_order ? "reshape" : "rearrange", &attrs, &x, 1))
		return -1;
	r->shapes[node] = shape;
	return node;
}
