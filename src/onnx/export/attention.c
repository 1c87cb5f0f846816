/* Attention, decomposed as by other exporters: split heads, scores, softmax, weighted values, merge heads. */
#include <math.h>

#include "src/onnx/export/exporter.h"

enum { Q, K, V, FACTORS };

struct attention {
	int64_t heads, size; /* number of heads, size of a head */
	struct thaw_onnx_size images, queries, keys;
	int bias; /* index of the bias input; -1 for none */
};

static struct attention describe(const struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const int64_t width = e->shapes[e->node].dim[2];
	const int key_input = n->input_count < FACTORS ? Q : K;
	return (struct attention){
		.heads = n->attrs.heads,
		.size = width / n->attrs.heads,
		.images = thaw_onnx_size_of(e, n->inputs[Q], 0),
		.queries = thaw_onnx_size_of(e, n->inputs[Q], 1),
		.keys = thaw_onnx_size_of(e, n->inputs[key_input], 1),
		.bias = n->input_count == 2 || n->input_count == 4 ? n->input_count - 1 : -1,
	};
}

/* factor[] = q, k and v (B,tokens,heads*size): three inputs, or slices of one packed input. */
static void split_inputs(struct thaw_onnx_exporter *e, const struct thaw_node *n, const struct attention *a,
			 const char **factor)
{
	const char *packed = thaw_onnx_in(e, n, 0, THAW_ONNX_CHANNELS_LAST);
	for (int i = 0; i < FACTORS; i++) {
		const int64_t width = a->heads * a->size, start = i * width, end = start + width, axis = 2;
		const char *inputs[] = {packed, "", "", ""};
		if (n->input_count >= FACTORS) {
			factor[i] = thaw_onnx_in(e, n, i, THAW_ONNX_CHANNELS_LAST);
			continue;
		}
		inputs[1] = thaw_onnx_emit_ints(e, &start, 1);
		inputs[2] = thaw_onnx_emit_ints(e, &end, 1);
		inputs[3] = thaw_onnx_emit_ints(e, &axis, 1);
		factor[i] = thaw_onnx_output_of(thaw_onnx_emit(e, "Slice", inputs, 4));
	}
}

/* (B,tokens,heads*size) to (B,heads,tokens,size), or (B,heads,size,tokens) if `transposed`. */
static const char *split_heads(struct thaw_onnx_exporter *e, const struct attention *a, const char *x, bool transposed)
{
	static const int apart[] = {0, 2, 1, 3}, apart_transposed[] = {0, 2, 3, 1};
	const struct thaw_onnx_size sizes[] = {
		{.from = 0}, {.from = 1}, {.size = a->heads, .from = -1}, {.size = a->size, .from = -1}};
	x = thaw_onnx_emit_reshape(e, x, sizes, 4);
	return thaw_onnx_emit_transpose(e, x, transposed ? apart_transposed : apart, 4);
}

/* scores (B,heads,T,S) + bias (b,heads,T,S); image n uses the bias n mod b. */
static const char *add_bias(struct thaw_onnx_exporter *e, const struct thaw_node *n, const struct attention *a,
			    const char *scores)
{
	const struct thaw_onnx_size groups = thaw_onnx_size_of(e, n->inputs[a->bias], 0);
	const char *bias = thaw_onnx_in(e, n, a->bias, THAW_ONNX_CHANNELS_LAST);
	const bool images = a->images.images && !groups.images; /* groups of windows of one image */
	if ((groups.size == 1 && !groups.images) || (groups.size == a->images.size && !images))
		return thaw_onnx_emit_two(e, "Add", scores, bias);
	struct thaw_onnx_size apart[] = {{.size = a->images.size / groups.size, .images = images, .from = -1},
					 groups,
					 {.size = a->heads, .from = -1},
					 a->queries,
					 a->keys};
	struct thaw_onnx_size together[] = {a->images, apart[2], a->queries, a->keys};
	scores = thaw_onnx_emit_reshape(e, scores, apart, 5);
	return thaw_onnx_emit_reshape(e, thaw_onnx_emit_two(e, "Add", scores, bias), together, 4);
}

void thaw_onnx_export_attention(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	static const int together[] = {0, 2, 1, 3};
	const struct attention a = describe(e, n);
	const float scale = n->attrs.scale != 0.0f ? n->attrs.scale : 1.0f / sqrtf((float)a.size);
	const struct thaw_onnx_size sizes[] = {{.from = 0}, {.from = 1}, {.size = a.heads * a.size, .from = -1}};
	const char *factor[FACTORS];
	split_inputs(e, n, &a, factor);
	for (int i = 0; i < FACTORS; i++)
		factor[i] = split_heads(e, &a, factor[i], i == K);
	const char *queries = thaw_onnx_emit_two(e, "Mul", factor[Q], thaw_onnx_emit_scalar(e, scale));
	const char *scores = thaw_onnx_emit_two(e, "MatMul", queries, factor[K]);
	if (a.bias >= 0)
		scores = add_bias(e, n, &a, scores);
	Onnx__NodeProto *weights = thaw_onnx_emit(e, "Softmax", &scores, 1);
	thaw_onnx_set_int(e, weights, "axis", -1);
	const char *y = thaw_onnx_emit_two(e, "MatMul", thaw_onnx_output_of(weights), factor[V]);
	y = thaw_onnx_emit_transpose(e, y, together, 4);
	thaw_onnx_out(e, THAW_ONNX_CHANNELS_LAST, thaw_onnx_emit_reshape(e, y, sizes, 3));
}
