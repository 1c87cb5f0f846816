/* Matching the nodes before a node. */
#include <math.h>
#include <string.h>

#include "src/graph/recognise/recognise.h"

const struct thaw_node *thaw_match(const struct thaw_recogniser *r, int value, const char *op)
{
	const struct thaw_node *n = &r->g->nodes[value];
	return n->op && strcmp(n->op->name, op) == 0 ? n : NULL;
}

int thaw_match_uses(const struct thaw_recogniser *r, int value)
{
	return r->readers.uses[value];
}

bool thaw_match_once(const struct thaw_recogniser *r, int value)
{
	return value != r->g->output && thaw_match_uses(r, value) == 1;
}

bool thaw_match_function(const struct thaw_recogniser *r, int value, enum thaw_function function, int *x)
{
	const struct thaw_node *n = thaw_match(r, value, "pointwise");
	if (!n || n->attrs.function != function)
		return false;
	*x = n->inputs[0];
	return true;
}

bool thaw_match_binary(const struct thaw_recogniser *r, int value, enum thaw_binary binary, const int **x)
{
	const struct thaw_node *n = thaw_match(r, value, "binary");
	const struct thaw_node *sum = binary == THAW_BINARY_ADD ? thaw_match(r, value, "add") : NULL;
	if (sum && sum->attrs.activation == THAW_ACT_NONE)
		n = sum;
	else if (!n || n->attrs.binary != binary)
		return false;
	*x = n->inputs;
	return true;
}

/* Shape (1,...,1,C). */
static bool is_row(const struct thaw_shape *s)
{
	return s->ndim > 0 && thaw_shape_count(s) == s->dim[s->ndim - 1];
}

/* A trainable constant with a single reader. */
static bool is_parameter(const struct thaw_recogniser *r, int value)
{
	const struct thaw_node *n = thaw_match(r, value, "constant");
	return n && thaw_match_once(r, value) && r->g->params[n->params[0]].role != THAW_ROLE_FIXED;
}

bool thaw_match_row(const struct thaw_recogniser *r, int value, enum thaw_binary binary, int *x, int *constant)
{
	const int *in;
	if (!thaw_match_binary(r, value, binary, &in))
		return false;
	for (int k = 0; k < 2; k++) {
		const struct thaw_shape *c = &r->shapes[in[k]], *y = &r->shapes[value];
		if (!is_parameter(r, in[k]) || !is_row(c) || c->dim[c->ndim - 1] != y->dim[y->ndim - 1] ||
		    !thaw_shape_equal(&r->shapes[in[!k]], y))
			continue;
		*constant = in[k];
		*x = in[!k];
		return true;
	}
	return false;
}

bool thaw_match_number(double a, double b)
{
	return fabs(a - b) <= 1e-5 * fabs(b);
}

struct thaw_line thaw_match_line(const struct thaw_recogniser *r, int value)
{
	struct thaw_line line = {value, 1, 0};
	const struct thaw_node *n;
	while ((n = thaw_match(r, line.of, "pointwise")) && n->attrs.function == THAW_FN_AFFINE &&
	       thaw_match_once(r, line.of)) {
		line.b += line.a * (double)n->attrs.beta;
		line.a *= (double)n->attrs.alpha;
		line.of = n->inputs[0];
	}
	return line;
}
