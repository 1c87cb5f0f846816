/* Gated activations, x * g(x): SiLU, hard swish, mish; and hard sigmoid, built from a clip. */
#include "src/graph/recognise/recognise.h"

/* clip(a * x + b, 0, 1), also written as relu6(..) / 6. *line receives a, b and x. */
static bool is_hard_sigmoid(const struct thaw_recogniser *r, int value, struct thaw_line *line)
{
	const double six = 6;
	struct thaw_line outer = {value, 1, 0};
	const struct thaw_node *n = thaw_match(r, value, "pointwise");
	if (n && n->attrs.function == THAW_FN_CLIP && n->attrs.alpha == 0.0f && n->attrs.beta == 1.0f) {
		*line = thaw_match_line(r, n->inputs[0]);
		return line->of != n->inputs[0];
	}
	if (n && n->attrs.function == THAW_FN_AFFINE && thaw_match_once(r, n->inputs[0]))
		outer = (struct thaw_line){n->inputs[0], (double)n->attrs.alpha, (double)n->attrs.beta};
	n = thaw_match(r, outer.of, "activation");
	if (!n || n->attrs.activation != THAW_ACT_RELU6 || outer.b != 0 || !thaw_match_number(outer.a, 1 / six))
		return false;
	*line = thaw_match_line(r, n->inputs[0]);
	line->a /= six;
	line->b /= six;
	return line->of != n->inputs[0];
}

/* Whether the value is relu6(x + 3). */
static bool is_relu6_of_3(const struct thaw_recogniser *r, int value, int x)
{
	const struct thaw_node *n = thaw_match(r, value, "activation");
	if (!n || n->attrs.activation != THAW_ACT_RELU6 || !thaw_match_once(r, value))
		return false;
	struct thaw_line line = thaw_match_line(r, n->inputs[0]);
	return line.of == x && line.a == 1 && line.b == 3;
}

/* The activation function that x * gate computes, if it is a known one. */
static bool gated(const struct thaw_recogniser *r, int x, int gate, enum thaw_function *function)
{
	const struct thaw_node *n = thaw_match(r, gate, "pointwise");
	int of, inner;
	if (!n || !thaw_match_once(r, gate))
		return false;
	if (n->attrs.function == THAW_FN_HARD_SIGMOID && n->inputs[0] == x &&
	    thaw_match_number((double)n->attrs.alpha, 1.0 / 6) && n->attrs.beta == 0.5f)
		*function = THAW_FN_HARD_SWISH;
	else if (n->attrs.function == THAW_FN_SIGMOID && n->inputs[0] == x)
		*function = THAW_FN_SILU;
	else if (thaw_match_function(r, gate, THAW_FN_TANH, &of) &&
		 thaw_match_function(r, of, THAW_FN_SOFTPLUS, &inner) && inner == x)
		*function = THAW_FN_MISH;
	else
		return false;
	return true;
}

/* x * relu6(x + 3) / 6, with the division after the product. */
static bool is_hard_swish(const struct thaw_recogniser *r, int value, int *x)
{
	const struct thaw_node *n = thaw_match(r, value, "pointwise");
	const int *in;
	if (!n || n->attrs.function != THAW_FN_AFFINE || n->attrs.beta != 0.0f ||
	    !thaw_match_number((double)n->attrs.alpha, 1.0 / 6) || !thaw_match_once(r, n->inputs[0]) ||
	    !thaw_match_binary(r, n->inputs[0], THAW_BINARY_MUL, &in))
		return false;
	for (int k = 0; k < 2; k++)
		if (is_relu6_of_3(r, in[k], in[!k])) {
			*x = in[!k];
			return true;
		}
	return false;
}

bool thaw_recognise_gated_activation(struct thaw_recogniser *r, int node)
{
	struct thaw_attrs attrs = {0};
	struct thaw_line line;
	const int *in;
	int x;
	if (is_hard_swish(r, node, &x)) {
		attrs.function = THAW_FN_HARD_SWISH;
		return thaw_rewrite(r, node, "pointwise", &attrs, &x, 1);
	}
	if (is_hard_sigmoid(r, node, &line)) {
		attrs.function = THAW_FN_HARD_SIGMOID;
		attrs.alpha = (float)line.a;
		attrs.beta = (float)line.b;
		return thaw_rewrite(r, node, "pointwise", &attrs, &line.of, 1);
	}
	if (!thaw_match_binary(r, node, THAW_BINARY_MUL, &in))
		return false;
	for (int k = 0; k < 2; k++)
		if (gated(r, in[k], in[!k], &attrs.function)) {
			x = in[k];
			return thaw_rewrite(r, node, "pointwise", &attrs, &x, 1);
		}
	return false;
}
