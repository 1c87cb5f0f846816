/* Merges chains of scalings and shifts into one node, and scalings of a matrix product into the product. */
#include "src/graph/recognise/recognise.h"

static float scale_of(const struct thaw_node *matmul)
{
	return matmul->attrs.scale != 0.0f ? matmul->attrs.scale : 1.0f;
}

/* a * (b * x + c) + d */
static bool merge_lines(struct thaw_recogniser *r, int node, const struct thaw_node *outer)
{
	struct thaw_line inner = thaw_match_line(r, outer->inputs[0]);
	struct thaw_attrs attrs = outer->attrs;
	if (inner.of == outer->inputs[0])
		return false;
	attrs.alpha = (float)((double)outer->attrs.alpha * inner.a);
	attrs.beta = (float)((double)outer->attrs.alpha * inner.b + (double)outer->attrs.beta);
	return thaw_rewrite(r, node, "pointwise", &attrs, &inner.of, 1);
}

static bool recognise_line(struct thaw_recogniser *r, int node)
{
	const struct thaw_node *n = thaw_match(r, node, "pointwise");
	if (!n || n->attrs.function != THAW_FN_AFFINE)
		return false;
	if (n->attrs.alpha == 1.0f && n->attrs.beta == 0.0f) {
		thaw_rewrite_bypass(r, node, n->inputs[0]);
		return true;
	}
	const struct thaw_node *product = thaw_match(r, n->inputs[0], "matmul");
	if (!product || !thaw_match_once(r, n->inputs[0]) || n->attrs.beta != 0.0f || n->attrs.alpha == 0.0f)
		return merge_lines(r, node, n);
	struct thaw_attrs attrs = product->attrs;
	attrs.scale = scale_of(product) * n->attrs.alpha;
	return thaw_rewrite(r, node, "matmul", &attrs, product->inputs, product->input_count);
}

/* matmul(a * x, y), also with a rearrangement of a * x. */
static bool recognise_factor(struct thaw_recogniser *r, int node)
{
	struct thaw_node *matmul = &r->g->nodes[node];
	for (int k = 0; k < 2; k++) {
		const bool inner =
			thaw_match(r, matmul->inputs[k], "rearrange") && thaw_match_once(r, matmul->inputs[k]);
		const int reader = inner ? matmul->inputs[k] : node, input = inner ? 0 : k;
		const int value = r->g->nodes[reader].inputs[input];
		struct thaw_line line = thaw_match_line(r, value);
		if (line.of == value || line.a == 0 || line.b != 0)
			continue;
		thaw_rewrite_input(r, reader, input, line.of);
		matmul->attrs.scale = (float)((double)scale_of(matmul) * line.a);
		return true;
	}
	return false;
}

bool thaw_recognise_scale(struct thaw_recogniser *r, int node)
{
	return thaw_match(r, node, "matmul") ? recognise_factor(r, node) : recognise_line(r, node);
}
