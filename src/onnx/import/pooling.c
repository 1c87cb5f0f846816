/* Pooling of features: a network without a classifier may end in a map or in tokens; a new classifier needs one vector
 * per image. Maps and tokens are averaged, but a class token is taken alone, as its network's own classifier does. */
#include <math.h>
#include <string.h>

#include "src/base/try.h"
#include "src/onnx/import/importer.h"

/* Tokens before the patches that are computed from parameters alone. */
struct prefix {
	int64_t count;
	bool class, distillation, registers; /* by the names of the model's weights */
};

static bool has_weight_called(const struct thaw_onnx_importer *m, const char *const *words)
{
	for (int i = 0; i < m->value_count; i++)
		for (int k = 0; m->values[i].initializer && words[k]; k++)
			if (strstr(m->values[i].name, words[k]))
				return true;
	return false;
}

/* The tokens that a concatenation to `tokens` puts before those of the image. */
static thaw_status find_prefix(struct thaw_onnx_importer *m, int64_t tokens, struct prefix *p)
{
	static const char *const class[] = {"cls_token", "class_token", "class_embedding", NULL};
	static const char *const distillation[] = {"dist_token", "distillation_token", NULL};
	static const char *const registers[] = {"reg_token", "register_token", NULL};
	*p = (struct prefix){0};
	for (int i = 1, count = m->graph->node_count; i < count && p->count == 0; i++) {
		const struct thaw_node *n = &m->graph->nodes[i];
		struct thaw_shape shape;
		if (strcmp(n->op->name, "concat") != 0 || n->fixed)
			continue;
		THAW_TRY(thaw_onnx_node_shape(m, i, &shape));
		if (shape.ndim != 3 || n->attrs.axis != 1 || shape.dim[1] != tokens)
			continue;
		for (int k = 0; k < n->input_count && m->graph->nodes[n->inputs[k]].fixed; k++) {
			THAW_TRY(thaw_onnx_node_shape(m, n->inputs[k], &shape));
			p->count += shape.dim[1];
		}
	}
	p->class = has_weight_called(m, class);
	p->distillation = has_weight_called(m, distillation);
	p->registers = has_weight_called(m, registers);
	return THAW_OK;
}

/* Averages the view's axes. */
static thaw_status average(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v,
			   const int *axis, int count)
{
	m->ending.pooled = true;
	return thaw_onnx_reduce(m, n, v, THAW_REDUCE_MEAN, axis, count);
}

/* Whether count = g * g + p with a small p: a square grid of patches with other tokens before it. */
static bool is_grid(int64_t count)
{
	enum { MAX_OTHERS = 16 };
	int64_t side = (int64_t)floor(sqrt((double)count));
	return count - side * side <= MAX_OTHERS;
}

static thaw_status pool_tokens(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v)
{
	int axis = !is_grid(thaw_onnx_axes_dim(&v->axes, 1)) && is_grid(thaw_onnx_axes_dim(&v->axes, 2)) ? 2 : 1;
	long long tokens = (long long)thaw_onnx_axes_dim(&v->axes, axis);
	struct prefix p = {0};
	if (axis == 1)
		THAW_TRY(find_prefix(m, tokens, &p));
	bool only_registers = p.registers && !p.class;
	int64_t first = only_registers ? p.count : 0, count = tokens - first;
	if (p.count > 0 && !only_registers)
		count = p.count == 2 && !p.registers ? 2 : 1;
	if (count == 1)
		thaw_onnx_note(m, "features: the class token of %lld tokens", tokens);
	else if (p.count == count)
		thaw_onnx_note(m, "features: the mean of class and distillation token of %lld tokens", tokens);
	else
		thaw_onnx_note(m, "features: the mean of %lld tokens", (long long)count);
	if (count < tokens)
		THAW_TRY(thaw_onnx_slice(m, n, v, axis, first, 1, count));
	m->ending.pooled = true;
	return count > 1 ? average(m, n, v, &axis, 1) : THAW_OK;
}

/* Images are square, so a map's sides are equal, which tells (N,C,H,W) from (N,H,W,C). */
static thaw_status pool_map(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v)
{
	const int64_t d[] = {thaw_onnx_axes_dim(&v->axes, 1), thaw_onnx_axes_dim(&v->axes, 2),
			     thaw_onnx_axes_dim(&v->axes, 3)};
	bool channels_last = d[0] == d[1] && d[1] != d[2];
	const int axes[] = {channels_last ? 1 : 2, channels_last ? 2 : 3};
	thaw_onnx_note(m, "features: the mean of a map of %lld x %lld", (long long)d[axes[0] - 1],
		       (long long)d[axes[1] - 1]);
	return average(m, n, v, axes, 2);
}

thaw_status thaw_onnx_pool_features(struct thaw_onnx_importer *m, const Onnx__NodeProto *n, struct thaw_onnx_value *v)
{
	enum { TOKENS = 3, MAP = 4 };
	int ndim = v->axes.ndim, long_axes = 0;
	if (ndim < TOKENS || thaw_onnx_axes_dim(&v->axes, 0) != m->images)
		return THAW_OK;
	for (int i = 1; i < ndim; i++)
		long_axes += thaw_onnx_axes_dim(&v->axes, i) > 1;
	if (long_axes <= 1)
		return THAW_OK; /* one vector per image */
	if (ndim > MAP)
		return thaw_onnx_fail_node(n,
					   "it has %d axes; class scores, maps (N,C,H,W) and tokens (N,T,C) are "
					   "supported",
					   ndim);
	return ndim == MAP ? pool_map(m, n, v) : pool_tokens(m, n, v);
}
