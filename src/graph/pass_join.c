/* Joining: merges a trainable convolution and the batch norm with moving statistics after it into a conv_norm node,
 * which needs no extra pass over the data for the norm. Frozen ones have been folded before (pass_fold.c). */
#include "src/graph/graph_internal.h"
#include "thaw/memory.h"

/* The parameters become weight, scale, shift, mean, variance, and the bias if there is one. */
static void join(struct thaw_graph *g, struct thaw_node *norm)
{
	struct thaw_node *conv = &g->nodes[norm->inputs[0]];
	int bias = conv->param_count > 1 ? conv->params[1] : -1;
	conv->op = thaw_op_find("conv_norm");
	conv->attrs.epsilon = norm->attrs.epsilon;
	conv->attrs.momentum = norm->attrs.momentum;
	conv->attrs.activation = norm->attrs.activation;
	conv->param_count = 1;
	for (int k = 0; k < THAW_NORM_PARAMS; k++)
		conv->params[conv->param_count++] = norm->params[k];
	norm->param_count = 0;
	if (bias >= 0)
		conv->params[conv->param_count++] = bias;
}

thaw_status thaw_pass_join(struct thaw_graph *g)
{
	bool *dead = thaw_alloc((size_t)g->node_count, sizeof(*dead));
	int *uses = thaw_graph_count_uses(g); /* joining changes parameters only, so the counts stay right */
	thaw_status status = dead && uses ? THAW_OK : THAW_RESOURCE;
	for (int i = 1; i < g->node_count && status == THAW_OK; i++)
		if (thaw_graph_norm_of_conv(g, i, uses)) {
			join(g, &g->nodes[i]);
			dead[i] = true;
		}
	if (status == THAW_OK) {
		thaw_graph_remove(g, dead);
		status = g->failed;
	}
	thaw_free(uses);
	thaw_free(dead);
	return status;
}
