/* Moves zero padding into the convolution after it. */
#include <limits.h>

#include "src/graph/recognise/recognise.h"

/* Zeros in height and width only. */
static bool is_margin(const struct thaw_node *pad)
{
	const struct thaw_attrs *a = &pad->attrs;
	if (a->padding != THAW_PAD_CONSTANT || a->fill != 0.0f)
		return false;
	for (int axis = 0; axis < 4; axis++) {
		bool image = axis == 1 || axis == 2;
		if (a->before[axis] < 0 || a->after[axis] < 0 || (!image && (a->before[axis] || a->after[axis])))
			return false;
	}
	return true;
}

bool thaw_recognise_pad(struct thaw_recogniser *r, int node)
{
	const struct thaw_node *conv = thaw_match(r, node, "conv");
	const struct thaw_node *pad = conv ? thaw_match(r, conv->inputs[0], "pad") : NULL;
	if (!pad || !is_margin(pad) || conv->attrs.same || !thaw_match_once(r, conv->inputs[0]))
		return false;
	struct thaw_node *n = &r->g->nodes[node];
	const int64_t more[] = {pad->attrs.before[1], pad->attrs.before[2], pad->attrs.after[1], pad->attrs.after[2]};
	for (int k = 0; k < 4; k++)
		if (more[k] > INT_MAX - n->attrs.pad[k])
			return false;
	for (int k = 0; k < 4; k++)
		n->attrs.pad[k] += (int)more[k];
	thaw_rewrite_input(r, node, 0, pad->inputs[0]);
	return true;
}
