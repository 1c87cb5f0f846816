/* Folding: replaces a convolution and the frozen batch norm after it by a convolution with other weights.
 *
 *   scale * (conv(x) + b - mean) / sqrt(variance + epsilon) + shift = conv'(x) + b'
 *   with w' = w * s, b' = (b - mean) * s + shift, s = scale / sqrt(variance + epsilon), per output channel.
 *
 * A frozen convolution with weight standardisation becomes one with the standardised weights first.
 */
#include <math.h>
#include <string.h>

#include "src/base/grow.h"
#include "src/base/try.h"
#include "src/graph/graph_internal.h"
#include "src/ops/std_conv.h"
#include "thaw/memory.h"

bool thaw_graph_norm_of_conv(const struct thaw_graph *g, int node, const int *uses)
{
	const struct thaw_node *norm = &g->nodes[node];
	if (!norm->op || strcmp(norm->op->name, "batch_norm") != 0 || norm->attrs.batch_statistics ||
	    norm->param_count != THAW_NORM_PARAMS)
		return false;
	const struct thaw_node *conv = &g->nodes[norm->inputs[0]];
	return conv->op && strcmp(conv->op->name, "conv") == 0 && conv->input_count == 1 &&
	       conv->attrs.activation == THAW_ACT_NONE && uses[norm->inputs[0]] == 1;
}

static bool foldable(const struct thaw_graph *g, int norm, const int *uses)
{
	return thaw_graph_norm_of_conv(g, norm, uses) && thaw_graph_frozen(g, norm) &&
	       thaw_graph_frozen(g, g->nodes[norm].inputs[0]);
}

/* Adds a parameter for the folded weight or bias; the original may be shared with other graphs and is not changed. */
static int new_param(struct thaw_graph *g, const struct thaw_param *like, const char *suffix)
{
	struct thaw_param p = *like;
	p.name = thaw_format("%s%s", like->name, suffix);
	p.own = p.data = thaw_alloc((size_t)thaw_shape_count(&p.shape), sizeof(float));
	struct thaw_param *params = thaw_grow(g->params, g->param_count, sizeof(*params));
	if (params)
		g->params = params;
	if (!p.name || !p.data || !params) {
		thaw_free(p.name);
		thaw_free(p.own);
		return -1;
	}
	g->params[g->param_count] = p;
	return g->param_count++;
}

static thaw_status fold(struct thaw_graph *g, const struct thaw_node *norm)
{
	struct thaw_node *conv = &g->nodes[norm->inputs[0]];
	int old_weight = conv->params[0], old_bias = conv->param_count > 1 ? conv->params[1] : -1;
	struct thaw_param bias_like = g->params[norm->params[1]];
	bias_like.node = norm->inputs[0];
	int weight = new_param(g, &g->params[old_weight], " folded");
	int bias = weight < 0 ? -1 : new_param(g, &bias_like, " folded");
	if (bias < 0)
		return THAW_RESOURCE;

	const float *scale = g->params[norm->params[0]].data, *shift = g->params[norm->params[1]].data;
	const float *mean = g->params[norm->params[2]].data, *variance = g->params[norm->params[3]].data;
	const float *w = g->params[old_weight].data, *b = old_bias < 0 ? NULL : g->params[old_bias].data;
	float *folded_w = g->params[weight].data, *folded_b = g->params[bias].data;
	int64_t channels = g->params[bias].shape.dim[0];
	int64_t rows = thaw_shape_count(&g->params[weight].shape) / channels;
	for (int64_t o = 0; o < channels; o++) {
		double s = scale[o] / sqrt((double)variance[o] + (double)norm->attrs.epsilon);
		folded_b[o] = (float)(((b ? (double)b[o] : 0.0) - mean[o]) * s + shift[o]);
		for (int64_t r = 0; r < rows; r++)
			folded_w[r * channels + o] = (float)(w[r * channels + o] * s);
	}
	g->params[old_weight].node = -1;
	if (old_bias >= 0)
		g->params[old_bias].node = -1;
	conv->params[0] = weight;
	conv->params[1] = bias;
	conv->param_count = 2;
	return THAW_OK;
}

static thaw_status standardise(struct thaw_graph *g, struct thaw_node *conv)
{
	const int old = conv->params[0], new = new_param(g, &g->params[old], " standardised");
	if (new < 0)
		return THAW_RESOURCE;
	const int64_t channels = g->params[new].shape.dim[3];
	void *scratch = thaw_alloc(thaw_standardise_bytes(channels), 1);
	if (!scratch)
		return THAW_RESOURCE;
	thaw_standardise(g->params[new].data, g->params[old].data, thaw_shape_count(&g->params[new].shape) / channels,
			 channels, conv->attrs.epsilon, scratch);
	thaw_free(scratch);
	g->params[old].node = -1;
	conv->params[0] = new;
	conv->op = thaw_op_find("conv");
	return THAW_OK;
}

static thaw_status standardise_frozen(struct thaw_graph *g)
{
	thaw_status status = THAW_OK;
	for (int i = 1; i < g->node_count && status == THAW_OK; i++)
		if (strcmp(g->nodes[i].op->name, "std_conv") == 0 && thaw_graph_frozen(g, i))
			status = standardise(g, &g->nodes[i]);
	return status;
}

thaw_status thaw_pass_fold(struct thaw_graph *g)
{
	THAW_TRY(standardise_frozen(g));
	bool *dead = thaw_alloc((size_t)g->node_count, sizeof(*dead));
	int *uses = thaw_graph_count_uses(g); /* folding changes parameters only, so the counts stay right */
	thaw_status status = dead && uses ? THAW_OK : THAW_RESOURCE;
	for (int i = 1; i < g->node_count && status == THAW_OK; i++)
		if (foldable(g, i, uses)) {
			status = fold(g, &g->nodes[i]);
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
