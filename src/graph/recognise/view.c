/* Simplifies rearrangements that change nothing or only the shape, or that repeat an earlier one. */
#include <string.h>

#include "src/graph/recognise/recognise.h"

/* Of a value, that are compared with each other. */
#define MAX_READERS 1000

static const struct thaw_node *view_at(const struct thaw_recogniser *r, int node)
{
	const struct thaw_node *n = thaw_match(r, node, "rearrange");
	return n ? n : thaw_match(r, node, "reshape");
}

static bool same_factors(const struct thaw_factors *a, const struct thaw_factors *b)
{
	bool same = a->count == b->count && a->ndim == b->ndim;
	for (int i = 0; same && i < a->count; i++)
		same = a->axis[i] == b->axis[i] && a->size[i] == b->size[i] && a->start[i] == b->start[i] &&
		       a->step[i] == b->step[i] && a->take[i] == b->take[i] && a->order[i] == b->order[i] &&
		       a->target[i] == b->target[i];
	return same;
}

/* An earlier node that computes the same rearrangement of the same value, or -1. */
static int twin(const struct thaw_recogniser *r, int node)
{
	const struct thaw_node *n = view_at(r, node), *other;
	int first = node;
	for (int entry = -1, i, tries = 0; tries < MAX_READERS && (i = thaw_readers_next(r, n->inputs[0], &entry)) >= 0;
	     tries++)
		if (i < first && (other = view_at(r, i)) && other->op == n->op && other->inputs[0] == n->inputs[0] &&
		    same_factors(&other->attrs.factors, &n->attrs.factors))
			first = i;
	return first < node ? first : -1;
}

bool thaw_recognise_view(struct thaw_recogniser *r, int node)
{
	const struct thaw_node *n = view_at(r, node);
	if (!n)
		return false;
	const struct thaw_op *before = n->op;
	int same = twin(r, node);
	if (same < 0)
		same = thaw_rewrite_view(r, node, n->inputs[0], &n->attrs.factors);
	if (same < 0)
		return false;
	if (same == node)
		return n->op != before;
	thaw_rewrite_bypass(r, node, same);
	return true;
}
