/* Two classifiers whose scores are averaged, as in a distilled DeiT, become one classifier on both vectors of features
 * side by side: a (x A + y B) = [x y] [a A; a B]. The function is the same, and one layer can be replaced. */
#include <string.h>

#include "src/base/minmax.h"
#include "src/graph/recognise/recognise.h"
#include "thaw/memory.h"

/* (N,C), or (N,1,1,C). */
static bool is_vector(const struct thaw_shape *s)
{
	return s->ndim > 1 && thaw_shape_count(s) == s->dim[0] * s->dim[s->ndim - 1];
}

/* Whether the value is the output, perhaps before a reshape. */
static bool is_last(const struct thaw_recogniser *r, int value)
{
	const struct thaw_node *end = thaw_match(r, r->g->output, "reshape");
	return value == r->g->output || (end && end->inputs[0] == value && thaw_match_once(r, value));
}

/* The linear layer on one vector per image that makes the value and has no other reader, or NULL. */
static const struct thaw_node *match_head(const struct thaw_recogniser *r, int value)
{
	const struct thaw_node *n = thaw_match(r, value, "linear");
	bool plain = n && n->input_count == 1 && n->attrs.activation == THAW_ACT_NONE && thaw_match_once(r, value);
	bool vectors = plain && is_vector(&r->shapes[value]) && is_vector(&r->shapes[n->inputs[0]]);
	return vectors && !r->g->nodes[n->inputs[0]].fixed ? n : NULL;
}

/* Element i of the layer's bias, 0 without one. */
static float bias_of(const struct thaw_graph *g, const struct thaw_node *n, int64_t i)
{
	return n->param_count > 1 ? g->params[n->params[1]].data[i] : 0.0f;
}

/* The weight (O,I0+I1) and the bias (O) of both layers, scaled. */
static void join_values(const struct thaw_graph *g, const struct thaw_node *const *head, const struct thaw_line *line,
			float *weight, float *bias)
{
	int64_t out = g->params[head[0]->params[0]].shape.dim[0];
	for (int64_t o = 0; o < out; o++) {
		for (int k = 0; k < 2; k++) {
			const struct thaw_param *p = &g->params[head[k]->params[0]];
			for (int64_t i = 0, in = p->shape.dim[1]; i < in; i++)
				*weight++ = (float)line->a * p->data[o * in + i];
		}
		bias[o] = (float)line->a * (bias_of(g, head[0], o) + bias_of(g, head[1], o)) + (float)line->b;
	}
}

static bool add_joined(struct thaw_recogniser *r, int node, const struct thaw_node *const *head,
		       const struct thaw_line *line)
{
	struct thaw_graph *g = r->g;
	const struct thaw_param *a = &g->params[head[0]->params[0]], *b = &g->params[head[1]->params[0]];
	struct thaw_shape shape = thaw_shape_of(a->shape.dim[0], a->shape.dim[1] + b->shape.dim[1]);
	struct thaw_shape row = thaw_shape_of(a->shape.dim[0]);
	float *weight = thaw_alloc((size_t)thaw_shape_count(&shape), sizeof(*weight));
	float *bias = thaw_alloc((size_t)row.dim[0], sizeof(*bias));
	char *names[] = {thaw_format("%s+%s", a->name, b->name), thaw_format("%s+%s:bias", a->name, b->name)};
	bool room = weight && bias && names[0] && names[1];
	if (room) {
		join_values(g, head, line, weight, bias);
		thaw_graph_param(g, node, names[0], THAW_ROLE_WEIGHT, THAW_LAYOUT_SAME, &shape, NULL);
		thaw_graph_param(g, node, names[1], THAW_ROLE_BIAS, THAW_LAYOUT_SAME, &row, NULL);
	} else {
		g->failed = THAW_RESOURCE;
	}
	if (g->failed == THAW_OK) {
		memcpy(g->params[g->param_count - 2].data, weight, (size_t)thaw_shape_count(&shape) * sizeof(*weight));
		memcpy(g->params[g->param_count - 1].data, bias, (size_t)row.dim[0] * sizeof(*bias));
	}
	thaw_free(weight);
	thaw_free(bias);
	thaw_free(names[0]);
	thaw_free(names[1]);
	return g->failed == THAW_OK;
}

/* The scaled sum that ends at `node`: *line of the sum, whose inputs are in. */
static bool match_average(const struct thaw_recogniser *r, int node, struct thaw_line *line, const int **in)
{
	const struct thaw_node *n = &r->g->nodes[node];
	*line = (struct thaw_line){node, 1, 0};
	if (thaw_match_function(r, node, THAW_FN_AFFINE, &line->of)) {
		*line = thaw_match_line(r, line->of);
		line->a *= (double)n->attrs.alpha;
		line->b = (double)n->attrs.alpha * line->b + (double)n->attrs.beta;
	}
	return (line->of == node || thaw_match_once(r, line->of)) &&
	       thaw_match_binary(r, line->of, THAW_BINARY_ADD, in);
}

bool thaw_recognise_heads(struct thaw_recogniser *r, int node)
{
	struct thaw_line line;
	const int *in;
	if (!is_last(r, node) || !match_average(r, node, &line, &in) || in[0] == in[1])
		return false;
	const struct thaw_node *head[] = {match_head(r, in[0]), match_head(r, in[1])};
	if (!head[0] || !head[1] || !thaw_shape_equal(&r->shapes[in[0]], &r->shapes[in[1]]))
		return false;
	int from[] = {head[0]->inputs[0], head[1]->inputs[0]}, last = r->shapes[from[0]].ndim - 1;
	if (r->shapes[from[1]].ndim != last + 1)
		return false;
	/* The later layer's node becomes the pair of features, this one the classifier. */
	int later = max_int(in[0], in[1]), first = min_int(in[0], in[1]);
	char *name = r->g->nodes[first].name;
	r->g->nodes[first].name = r->g->nodes[node].name;
	r->g->nodes[node].name = name;
	struct thaw_attrs none = {0}, side_by_side = {.axis = last};
	if (!thaw_rewrite(r, node, "linear", &none, &later, 1) || !add_joined(r, node, head, &line))
		return false;
	for (int k = 0; k < r->g->nodes[later].param_count; k++)
		r->g->params[r->g->nodes[later].params[k]].node = -1;
	if (!thaw_rewrite(r, later, "concat", &side_by_side, from, 2))
		return false;
	r->shapes[later] = r->shapes[from[0]];
	r->shapes[later].dim[last] += r->shapes[from[1]].dim[last];
	return true;
}
