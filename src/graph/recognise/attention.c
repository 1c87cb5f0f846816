/* Attention: softmax(scale * q k' + biases) v, with rearrangements before and after it that split and merge heads.
 *
 * The scores are (B,heads,T,S) for q (B,heads,T,size), k and v (B,heads,S,size); B counts images, or windows of images.
 * Each of q, k and v is a rearrangement of some x with the heads on its last axis. If all three are rearrangements of
 * one x, as [q | k | v] or as q, k, v per head, attention reads them packed; else each is a tensor (B,T,heads * size).
 * What else a rearrangement does, such as a division into windows, remains a separate rearrangement.
 */
#include "src/graph/recognise/recognise.h"
#include "src/ops/factors.h"

enum { Q, K, V, PARTS, MAX_BIASES = 2 };
enum { IMAGES, HEADS, TOKENS, SIZE, AXES }; /* of q, k, v */

/* The source of q, k or v. */
struct part {
	int node, x;
	int axis[AXES];              /* the axis of IMAGES, HEADS, ... in the result of the rearrangement */
	int64_t start, stride;       /* along x's last axis: offset of the first head; distance between heads */
	struct thaw_factors factors; /* rearrange x to (B,T,heads * size) */
	struct thaw_factors packed;  /* the same with the whole last axis of x */
};

struct attention {
	struct part part[PARTS];
	int64_t heads, size, queries, keys;
	float scale;
	int softmax;
	int biases, bias[MAX_BIASES], adder[MAX_BIASES]; /* fixed values, and the nodes that add them */
};

/* Converts factors of the rearrangement to those that produce (B,T,heads * size). */
static void merge_heads(struct part *p, const struct thaw_factors *f)
{
	static const int target[] = {[IMAGES] = 0, [TOKENS] = 1, [HEADS] = 2, [SIZE] = 2};
	static const int order[] = {IMAGES, TOKENS, HEADS, SIZE};
	int count = 0;
	p->factors = *f;
	p->factors.ndim = 3;
	for (int k = 0; k < AXES; k++)
		for (int i = 0; i < f->count; i++)
			if (f->target[i] == p->axis[order[k]]) {
				p->factors.order[count] = f->order[i];
				p->factors.target[count++] = target[order[k]];
			}
}

/* The factors `f` without splits of x's last axis, which is divided into `parts` factors of these sizes instead, output
 * in this order. */
static void keep_last(struct thaw_factors *to, const struct thaw_factors *f, int last, const int64_t *size,
		      const int *order, int parts)
{
	int moved[THAW_MAX_FACTORS], count = 0;
	*to = (struct thaw_factors){.ndim = 3};
	for (int i = 0; i < f->count; i++) {
		if (f->axis[i] == last)
			continue;
		moved[i] = to->count;
		to->axis[to->count] = f->axis[i];
		to->size[to->count] = f->size[i];
		to->start[to->count] = f->start[i];
		to->step[to->count] = f->step[i];
		to->take[to->count++] = f->take[i];
	}
	for (int i = 0; i < f->count; i++)
		if (f->axis[f->order[i]] != last) {
			to->order[count] = moved[f->order[i]];
			to->target[count++] = f->target[i] > 1 ? 1 : f->target[i];
		}
	for (int k = 0; k < parts && count < THAW_MAX_FACTORS; k++, count++) {
		to->axis[to->count] = last;
		to->size[to->count++] = size[k];
		to->order[count] = count - k + order[k];
		to->target[count] = 2;
	}
}

/* Whether heads and their elements are on x's last axis, images and tokens on others. Fills p. */
static bool splits_heads(const struct attention *a, struct part *p, const struct thaw_factors *f,
			 const struct thaw_shape *x)
{
	int64_t start, others;
	struct thaw_strides s = thaw_factors_strides(f, x, &start);
	int last = x->ndim - 1;
	p->stride = a->size;
	for (int i = 0; i < f->count; i++) {
		bool on_last = f->axis[f->order[i]] == last;
		if (s.size[i] == 1)
			continue;
		if (on_last != (f->target[i] == p->axis[HEADS] || f->target[i] == p->axis[SIZE]))
			return false;
		if (f->target[i] == p->axis[HEADS])
			p->stride = s.from[i];
		if (on_last && s.size[i] != (f->target[i] == p->axis[HEADS] ? a->heads : a->size))
			return false;
		if (f->target[i] == p->axis[SIZE] && s.from[i] != 1)
			return false;
	}
	merge_heads(p, f);
	keep_last(&p->packed, &p->factors, last, (const int64_t[]){0}, (const int[]){0}, 1);
	thaw_factors_strides(&p->packed, x, &others);
	p->start = start - others;
	return true;
}

/* Finds the source of q, k or v; `turned`: its last two axes are transposed. */
static bool find_part(const struct thaw_recogniser *r, const struct attention *a, struct part *p, int value,
		      bool turned)
{
	const struct thaw_node *n = thaw_match(r, value, "rearrange");
	if (!n || !thaw_match_once(r, value) || n->attrs.factors.ndim != AXES)
		return false;
	p->node = value;
	p->x = n->inputs[0];
	p->axis[IMAGES] = 0;
	p->axis[HEADS] = 1;
	p->axis[TOKENS] = turned ? 3 : 2;
	p->axis[SIZE] = turned ? 2 : 3;
	return splits_heads(a, p, &n->attrs.factors, &r->shapes[p->x]);
}

/* Whether `bias` is a fixed value (windows or 1, heads or 1, T, S) that can be added to scores of shape y
 * (..,heads,T,S).
 */
static bool is_bias(const struct thaw_recogniser *r, const struct attention *a, int bias, const struct thaw_shape *y)
{
	const struct thaw_shape *b = &r->shapes[bias];
	return r->g->nodes[bias].fixed && b->ndim == y->ndim && (b->ndim == 4 || b->ndim == 5) && b->dim[0] == 1 &&
	       (b->dim[b->ndim - 3] == a->heads || b->dim[b->ndim - 3] == 1) && b->dim[b->ndim - 2] == a->queries &&
	       b->dim[b->ndim - 1] == a->keys;
}

/* Whether the value is a reshape that keeps the axes (heads,T,S), such as one that splits off windows. */
static bool keeps_scores(const struct thaw_recogniser *r, int value)
{
	const struct thaw_node *n = thaw_match(r, value, "reshape");
	if (!n)
		return false;
	const struct thaw_shape *x = &r->shapes[n->inputs[0]], *y = &r->shapes[value];
	for (int k = 1; k <= 3; k++)
		if (x->ndim < 4 || y->ndim < 4 || x->dim[x->ndim - k] != y->dim[y->ndim - k])
			return false;
	return true;
}

/* Finds the matrix product of the scores, backwards from the probabilities: its value, or -1. */
static int find_scores(const struct thaw_recogniser *r, struct attention *a, int value)
{
	const int *in;
	a->softmax = -1;
	while (thaw_match_once(r, value)) {
		const struct thaw_node *n = &r->g->nodes[value];
		int k = 0;
		if (thaw_match(r, value, "softmax") && a->softmax < 0) {
			a->softmax = value;
		} else if (a->softmax >= 0 && thaw_match_binary(r, value, THAW_BINARY_ADD, &in)) {
			k = r->g->nodes[in[0]].fixed;
			if (a->biases == MAX_BIASES || !is_bias(r, a, in[!k], &r->shapes[value]))
				return -1;
			a->adder[a->biases] = value;
			a->bias[a->biases++] = in[!k];
		} else if (!keeps_scores(r, value)) {
			return a->softmax >= 0 && thaw_match(r, value, "matmul") ? value : -1;
		}
		value = n->inputs[k];
	}
	return -1;
}

/* Whether at least one bias has a value for every head, or there is none. */
static bool biases_fit(const struct thaw_recogniser *r, const struct attention *a)
{
	bool heads = a->biases == 0;
	for (int k = 0; k < a->biases; k++) {
		const struct thaw_shape *b = &r->shapes[a->bias[k]];
		heads |= b->dim[b->ndim - 3] == a->heads;
	}
	return heads;
}

static bool find(const struct thaw_recogniser *r, struct attention *a, int node)
{
	const struct thaw_node *last = thaw_match(r, node, "matmul");
	const struct thaw_shape *y = &r->shapes[node];
	if (!last || last->attrs.transpose[0] || last->attrs.transpose[1] || y->ndim != AXES ||
	    (last->attrs.scale != 0.0f && last->attrs.scale != 1.0f) || !thaw_match_once(r, node))
		return false;
	const struct thaw_shape *p = &r->shapes[last->inputs[0]];
	*a = (struct attention){
		.heads = y->dim[1], .queries = y->dim[2], .size = y->dim[3], .keys = p->dim[p->ndim - 1]};
	int scores = find_scores(r, a, last->inputs[0]);
	if (scores < 0 || !biases_fit(r, a))
		return false;
	const struct thaw_node *first = &r->g->nodes[scores];
	a->scale = first->attrs.scale != 0.0f ? first->attrs.scale : 1.0f;
	return !first->attrs.transpose[0] && find_part(r, a, &a->part[Q], first->inputs[0], false) &&
	       find_part(r, a, &a->part[K], first->inputs[1], !first->attrs.transpose[1]) &&
	       find_part(r, a, &a->part[V], last->inputs[1], false);
}

static bool same_packing(const struct thaw_factors *a, const struct thaw_factors *b)
{
	bool same = a->count == b->count;
	for (int i = 0; same && i < a->count; i++)
		same = a->axis[i] == b->axis[i] && a->size[i] == b->size[i] && a->start[i] == b->start[i] &&
		       a->step[i] == b->step[i] && a->take[i] == b->take[i] && a->order[i] == b->order[i] &&
		       a->target[i] == b->target[i];
	return same;
}

/* Whether q, k and v form the last axis of one x, in one of two orders; *packing rearranges it to [q | k | v]. */
static bool is_packed(const struct thaw_recogniser *r, const struct attention *a, struct thaw_factors *packing)
{
	const struct part *p = a->part;
	const struct thaw_shape *x = &r->shapes[p[Q].x];
	int last = x->ndim - 1;
	int64_t all = a->heads * a->size;
	bool by_part = true, by_head = true;
	for (int k = Q; k < PARTS; k++) {
		if (p[k].x != p[Q].x || !same_packing(&p[k].packed, &p[Q].packed))
			return false;
		by_part &= p[k].start == k * all && p[k].stride == a->size;
		by_head &= p[k].start == k * a->size && p[k].stride == PARTS * a->size;
	}
	*packing = p[Q].packed;
	if (by_head && !by_part)
		keep_last(packing, &p[Q].factors, last, (const int64_t[]){a->heads, PARTS, a->size},
			  (const int[]){1, 0, 2}, 3);
	return x->dim[last] == PARTS * all && (by_part || by_head);
}

/* A constant of zeros and very negative numbers is a mask, which must not be trained: makes it fixed. */
static void keep_mask(struct thaw_recogniser *r, int bias)
{
	const float masked = -50.0f; /* exp of it is negligible */
	const struct thaw_node *n = thaw_match(r, bias, "constant");
	bool any = false;
	if (!n)
		return;
	struct thaw_param *p = &r->g->params[n->params[0]];
	for (int64_t i = 0; i < thaw_shape_count(&p->shape); i++) {
		if (p->data[i] != 0.0f && !(p->data[i] <= masked))
			return;
		any |= p->data[i] != 0.0f;
	}
	if (any)
		p->role = THAW_ROLE_FIXED;
}

/* Adds the biases to one value (windows or 1, heads, T, S), reusing nodes that will be removed; -1 on error. */
static int join_biases(struct thaw_recogniser *r, const struct attention *a)
{
	static const struct thaw_factors drop_first = {
		.count = 5, .ndim = 4, .axis = {0, 1, 2, 3, 4}, .order = {0, 1, 2, 3, 4}, .target = {0, 0, 1, 2, 3}};
	struct thaw_attrs add = {.binary = THAW_BINARY_ADD};
	int bias[MAX_BIASES];
	for (int k = 0; k < a->biases; k++) {
		bias[k] = a->bias[k];
		keep_mask(r, bias[k]);
		if (r->shapes[bias[k]].ndim == 5)
			bias[k] = thaw_rewrite_view(r, a->adder[k], bias[k], &drop_first);
		if (bias[k] < 0)
			return -1;
	}
	if (a->biases < MAX_BIASES)
		return bias[0];
	if (!thaw_rewrite(r, a->softmax, "binary", &add, bias, MAX_BIASES))
		return -1;
	struct thaw_shape *y = &r->shapes[a->softmax], *other = &r->shapes[bias[1]];
	*y = r->shapes[bias[0]];
	for (int i = 0; i < y->ndim; i++)
		y->dim[i] = y->dim[i] > other->dim[i] ? y->dim[i] : other->dim[i];
	return a->softmax;
}

/* Converts factors of a value (B,heads,T,size) to factors of (B,T,heads * size). */
static void convert_reader(struct thaw_factors *f, const struct attention *a)
{
	static const int axes[] = {IMAGES, TOKENS, HEADS, SIZE}, merged[] = {0, 1, 2, 2};
	const struct thaw_factors old = *f;
	int moved[THAW_MAX_FACTORS], count = 0;
	for (int k = 0; k < AXES; k++) {
		int64_t others = 1;
		for (int i = 0; i < old.count; i++)
			others *= old.axis[i] == axes[k] && old.size[i] ? old.size[i] : 1;
		for (int i = 0; i < old.count; i++) {
			if (old.axis[i] != axes[k])
				continue;
			f->axis[count] = merged[k];
			f->size[count] = old.size[i] || axes[k] != HEADS ? old.size[i] : a->heads / others;
			f->start[count] = old.start[i];
			f->step[count] = old.step[i];
			f->take[count] = old.take[i];
			moved[i] = count++;
		}
	}
	for (int i = 0; i < old.count; i++)
		f->order[i] = moved[old.order[i]];
}

/* Makes the inputs of the attention, reusing nodes that will be removed; returns their number, or -1. */
static int make_inputs(struct thaw_recogniser *r, const struct attention *a, int *inputs)
{
	struct thaw_factors packing;
	int count = 0;
	if (is_packed(r, a, &packing)) {
		inputs[count++] = thaw_rewrite_view(r, a->part[Q].node, a->part[Q].x, &packing);
	} else {
		for (int k = Q; k < PARTS; k++)
			inputs[count++] = thaw_rewrite_view(r, a->part[k].node, a->part[k].x, &a->part[k].factors);
	}
	if (a->biases)
		inputs[count++] = join_biases(r, a);
	for (int k = 0; k < count; k++)
		if (inputs[k] < 0)
			return -1;
	return count;
}

bool thaw_recognise_attention(struct thaw_recogniser *r, int node)
{
	struct attention a;
	int inputs[PARTS + 1], reader, same, entry = -1;
	if (!find(r, &a, node) || !thaw_match_once(r, node) || (reader = thaw_readers_next(r, node, &entry)) < 0 ||
	    (!thaw_match(r, reader, "rearrange") && !thaw_match(r, reader, "reshape")))
		return false;
	int count = make_inputs(r, &a, inputs);
	struct thaw_attrs attrs = {.heads = (int)a.heads, .scale = a.scale};
	struct thaw_factors after = r->g->nodes[reader].attrs.factors;
	if (count < 0 || !thaw_rewrite(r, node, "attention", &attrs, inputs, count))
		return false;
	r->shapes[node] = thaw_shape_of(r->shapes[node].dim[0], a.queries, a.heads * a.size);
	convert_reader(&after, &a);
	same = thaw_rewrite_view(r, reader, node, &after);
	if (same == node)
		thaw_rewrite_bypass(r, reader, node);
	return same >= 0;
}
