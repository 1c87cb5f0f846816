/* GELU, x * (1 + erf(x / sqrt 2)) / 2, and its tanh approximation; the factor 1/2 may be on x, on the sum or at the
 * end.
 */
#include <math.h>

#include "src/graph/recognise/recognise.h"

/* Whether the value is erf(x / sqrt 2). */
static bool is_erf(const struct thaw_recogniser *r, int value, int x)
{
	int of;
	if (!thaw_match_function(r, value, THAW_FN_ERF, &of))
		return false;
	struct thaw_line line = thaw_match_line(r, of);
	return line.of == x && line.b == 0 && thaw_match_number(line.a, sqrt(0.5));
}

/* Whether the value is x^power, as a power or a product. */
static bool is_power(const struct thaw_recogniser *r, int value, int x, int power)
{
	const struct thaw_node *n = thaw_match(r, value, "pointwise");
	const int *in;
	if (power == 1)
		return value == x;
	if (n)
		return n->attrs.function == THAW_FN_POWER && n->attrs.alpha == (float)power && n->inputs[0] == x;
	if (!thaw_match_binary(r, value, THAW_BINARY_MUL, &in))
		return false;
	return (is_power(r, in[0], x, power - 1) && in[1] == x) || (is_power(r, in[1], x, power - 1) && in[0] == x);
}

/* Whether the value is x + 0.044715 x^3, or x * (1 + 0.044715 x^2). */
static bool is_cubic(const struct thaw_recogniser *r, int value, int x)
{
	const double factor = 0.044715;
	const int *in;
	bool sum = thaw_match_binary(r, value, THAW_BINARY_ADD, &in);
	if (!sum && !thaw_match_binary(r, value, THAW_BINARY_MUL, &in))
		return false;
	for (int k = 0; k < 2; k++) {
		struct thaw_line line = thaw_match_line(r, in[k]);
		if (in[!k] == x && thaw_match_number(line.a, factor) && line.b == (sum ? 0 : 1) &&
		    is_power(r, line.of, x, sum ? 3 : 2))
			return true;
	}
	return false;
}

/* Whether the value is tanh(sqrt(2 / pi) * (x + 0.044715 x^3)). */
static bool is_tanh(const struct thaw_recogniser *r, int value, int x)
{
	int of;
	if (!thaw_match_function(r, value, THAW_FN_TANH, &of))
		return false;
	struct thaw_line line = thaw_match_line(r, of);
	return line.b == 0 && thaw_match_number(line.a, sqrt(2 / acos(-1))) && is_cubic(r, line.of, x);
}

bool thaw_recognise_gelu(struct thaw_recogniser *r, int node)
{
	struct thaw_line all = {node, 1, 0};
	const struct thaw_node *half = thaw_match(r, node, "pointwise");
	const int *in;
	if (half && half->attrs.function == THAW_FN_AFFINE && thaw_match_once(r, half->inputs[0]))
		all = (struct thaw_line){half->inputs[0], (double)half->attrs.alpha, (double)half->attrs.beta};
	if (all.b != 0 || !thaw_match_binary(r, all.of, THAW_BINARY_MUL, &in))
		return false;
	for (int k = 0; k < 2; k++) {
		struct thaw_line x = thaw_match_line(r, in[k]), gate = thaw_match_line(r, in[!k]);
		struct thaw_attrs attrs = {.function = THAW_FN_GELU};
		if (x.b != 0 || gate.a != gate.b || !thaw_match_number(all.a * x.a * gate.a, 0.5) ||
		    !thaw_match_once(r, gate.of))
			continue;
		if (is_tanh(r, gate.of, x.of))
			attrs.function = THAW_FN_GELU_TANH;
		else if (!is_erf(r, gate.of, x.of))
			continue;
		return thaw_rewrite(r, node, "pointwise", &attrs, &x.of, 1);
	}
	return false;
}
