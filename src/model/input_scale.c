/* Finds a network's own normalisation: the scalings and shifts of the image before its first layer. */
#include "src/model/input_scale.h"

#include <math.h>
#include <string.h>

#define CHANNELS  3
#define MAX_LEVEL 255.0 /* of 8 bits */
#define MAX_STEPS 8     /* nodes of a normalisation */

/* a * x + b per channel. */
struct line {
	double a[CHANNELS], b[CHANNELS];
};

/* The values of a constant with one value, or one per channel; false for any other value. */
static bool read_constant(const struct thaw_graph *g, int value, double *c)
{
	const struct thaw_node *n = &g->nodes[value];
	if (!n->op || !n->op->parameter)
		return false;
	const struct thaw_param *p = &g->params[n->params[0]];
	int64_t count = thaw_shape_count(&p->shape);
	if (count != 1 && (count != CHANNELS || p->shape.dim[p->shape.ndim - 1] != CHANNELS))
		return false;
	for (int i = 0; i < CHANNELS; i++)
		c[i] = (double)p->data[count == 1 ? 0 : i];
	return true;
}

/* Applies x op c, or c op x if `reversed`; false if that is not a scaling or shift. */
static bool apply_binary(struct line *l, enum thaw_binary binary, const double *c, bool reversed)
{
	for (int i = 0; i < CHANNELS; i++) {
		double sign = binary == THAW_BINARY_SUB && reversed ? -1 : 1;
		double scale = binary == THAW_BINARY_MUL ? c[i] : binary == THAW_BINARY_DIV ? 1 / c[i] : sign;
		double shift = binary == THAW_BINARY_ADD   ? c[i]
			       : binary == THAW_BINARY_SUB ? (reversed ? c[i] : -c[i])
							   : 0;
		l->a[i] *= scale;
		l->b[i] = l->b[i] * scale + shift;
	}
	bool known = binary == THAW_BINARY_ADD || binary == THAW_BINARY_SUB || binary == THAW_BINARY_MUL ||
		     (binary == THAW_BINARY_DIV && !reversed);
	return known && isfinite(l->a[0]) && isfinite(l->a[1]) && isfinite(l->a[2]);
}

/* Adds the node, which reads `value`, to the line; false if it is something else. */
static bool apply_node(const struct thaw_graph *g, const struct thaw_node *n, int value, struct line *l)
{
	double c[CHANNELS];
	if (strcmp(n->op->name, "pointwise") == 0 && n->attrs.function == THAW_FN_AFFINE) {
		for (int i = 0; i < CHANNELS; i++) {
			l->a[i] *= (double)n->attrs.alpha;
			l->b[i] = l->b[i] * (double)n->attrs.alpha + (double)n->attrs.beta;
		}
		return true;
	}
	bool add = strcmp(n->op->name, "add") == 0 && n->attrs.activation == THAW_ACT_NONE;
	if (n->input_count != 2 || (!add && strcmp(n->op->name, "binary") != 0))
		return false;
	bool reversed = n->inputs[1] == value;
	return read_constant(g, n->inputs[!reversed], c) &&
	       apply_binary(l, add ? THAW_BINARY_ADD : n->attrs.binary, c, reversed);
}

/* The only reader of the value; -1 if there is none or several. */
static int reader_of(const struct thaw_graph *g, int value)
{
	int reader = -1;
	for (int i = value + 1; i < g->node_count; i++)
		for (int k = 0; k < g->nodes[i].input_count; k++)
			if (g->nodes[i].inputs[k] == value) {
				if (reader >= 0)
					return -1;
				reader = i;
			}
	return reader;
}

bool thaw_input_scale_apply(struct thaw_preprocess *p, const struct thaw_graph *g, bool bytes)
{
	const double small = 0.05; /* 1 / 255 / std is smaller, 1 / std is larger */
	struct line l = {{1, 1, 1}, {0, 0, 0}};
	int count = 0, value = 0;
	for (int reader; count < MAX_STEPS && (reader = reader_of(g, value)) >= 0; value = reader, count++) {
		struct line next = l;
		if (!apply_node(g, &g->nodes[reader], value, &next))
			break;
		l = next;
	}
	if (count == 0 && !bytes)
		return false;
	bool levels = bytes || (fabs(l.a[0]) < small && fabs(l.a[1]) < small && fabs(l.a[2]) < small);
	for (int i = 0; i < CHANNELS; i++) {
		p->mean[i] = 0;
		p->std[i] = levels ? (float)(1 / MAX_LEVEL) : 1.0f;
	}
	return true;
}
