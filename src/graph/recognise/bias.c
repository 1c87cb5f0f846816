/* A constant added to the outputs of a linear layer or convolution without bias becomes its bias. */
#include "src/graph/recognise/recognise.h"

bool thaw_recognise_bias(struct thaw_recogniser *r, int node)
{
	int value, constant;
	if (!thaw_match_row(r, node, THAW_BINARY_ADD, &value, &constant) || !thaw_match_once(r, value))
		return false;
	const struct thaw_node *n = thaw_match(r, value, "linear");
	n = n ? n : thaw_match(r, value, "conv");
	if (!n || n->input_count != 1 || n->param_count != 1 || n->attrs.activation != THAW_ACT_NONE)
		return false;
	if (!thaw_rewrite(r, node, n->op->name, &n->attrs, n->inputs, n->input_count))
		return false;
	thaw_rewrite_take(r, node, value, 0);
	thaw_rewrite_take_row(r, node, constant, THAW_ROLE_BIAS);
	return true;
}
