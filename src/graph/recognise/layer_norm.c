/* Layer norm: (x - mean) / sqrt(variance + epsilon) * scale + shift, mean and variance over the last axis. */
#include "src/graph/recognise/recognise.h"

/* Whether the value is the mean of x over its last axis. */
static bool is_mean(const struct thaw_recogniser *r, int value, int x)
{
	const struct thaw_node *n = thaw_match(r, value, "reduce");
	return n && n->inputs[0] == x && n->attrs.reduction == THAW_REDUCE_MEAN &&
	       n->attrs.axes == 1u << (r->shapes[x].ndim - 1);
}

/* Whether the value is x^2 or x * x. */
static bool is_square(const struct thaw_recogniser *r, int value, int x)
{
	const struct thaw_node *n = thaw_match(r, value, "pointwise");
	const int *in;
	if (n)
		return n->attrs.function == THAW_FN_POWER && n->attrs.alpha == 2.0f && n->inputs[0] == x;
	return thaw_match_binary(r, value, THAW_BINARY_MUL, &in) && in[0] == x && in[1] == x;
}

/* Whether the value is mean(x^2) + epsilon. */
static bool is_variance(const struct thaw_recogniser *r, int value, int x, float *epsilon)
{
	struct thaw_line line = thaw_match_line(r, value);
	const struct thaw_node *mean = thaw_match(r, line.of, "reduce");
	*epsilon = (float)line.b;
	return line.a == 1 && line.b >= 0 && mean && is_mean(r, line.of, mean->inputs[0]) &&
	       is_square(r, mean->inputs[0], x);
}

/* Whether the value is v^power, or sqrt(v) for a positive power; *x receives v. */
static bool is_root(const struct thaw_recogniser *r, int value, float power, int *x)
{
	const struct thaw_node *n = thaw_match(r, value, "pointwise");
	if (!n || !(n->attrs.function == THAW_FN_POWER ? n->attrs.alpha == power
						       : n->attrs.function == THAW_FN_SQRT && power > 0))
		return false;
	*x = n->inputs[0];
	return true;
}

/* Whether the value is x / sqrt(mean(x^2) + epsilon), in one of three forms; *x receives x. */
static bool is_normalised(const struct thaw_recogniser *r, int value, int *x, float *epsilon)
{
	const int *in;
	int v, root;
	if (thaw_match_binary(r, value, THAW_BINARY_DIV, &in)) {
		*x = in[0];
		return is_root(r, in[1], 0.5f, &v) && is_variance(r, v, *x, epsilon);
	}
	if (!thaw_match_binary(r, value, THAW_BINARY_MUL, &in))
		return false;
	for (int k = 0; k < 2; k++) {
		bool is = is_root(r, in[k], -0.5f, &v) ||
			  (thaw_match_function(r, in[k], THAW_FN_RECIPROCAL, &root) && is_root(r, root, 0.5f, &v));
		*x = in[!k];
		if (is && is_variance(r, v, *x, epsilon))
			return true;
	}
	return false;
}

bool thaw_recognise_layer_norm(struct thaw_recogniser *r, int node)
{
	struct thaw_attrs attrs = {0};
	int scaled, normalised, centred, scale, shift;
	const int *in;
	if (!thaw_match_row(r, node, THAW_BINARY_ADD, &scaled, &shift) || !thaw_match_once(r, scaled) ||
	    !thaw_match_row(r, scaled, THAW_BINARY_MUL, &normalised, &scale) || !thaw_match_once(r, normalised) ||
	    !is_normalised(r, normalised, &centred, &attrs.epsilon) ||
	    !thaw_match_binary(r, centred, THAW_BINARY_SUB, &in) || !is_mean(r, in[1], in[0]))
		return false;
	int x = in[0];
	if (!thaw_rewrite(r, node, "layer_norm", &attrs, &x, 1))
		return false;
	thaw_rewrite_take_row(r, node, scale, THAW_ROLE_SCALE);
	thaw_rewrite_take_row(r, node, shift, THAW_ROLE_SHIFT);
	return true;
}
