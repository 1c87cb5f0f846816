/* Resampling of position embeddings for another image size.
 *
 * A vision transformer adds a constant to its tokens: p rows for tokens that are not patches (class, registers), then a
 * row for each of the patches, row by row. For another grid of patches the rows are resampled like an image, with a
 * cubic kernel (a = -1/2) that is widened for downsampling, as in timm (resample_abs_pos_embed). A constant with
 * attrs.alpha is resampled with a = alpha, without widening, and with the rows at the borders repeated: -3/4 is
 * PyTorch's bicubic interpolation, as in transformers. */
#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/graph/graph_internal.h"
#include "thaw/memory.h"

#define CUBIC_REACH   2.0 /* pixels on each side */
#define CUBIC_WIDENED (-0.5)

static double cubic(double x, double a)
{
	x = fabs(x);
	if (x < 1.0)
		return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
	return x < CUBIC_REACH ? (((x - 5.0) * x + 8.0) * x - 4.0) * a : 0.0;
}

static void add_row(float *to, const float *from, double weight, int64_t length)
{
	for (int64_t c = 0; c < length; c++)
		to[c] += (float)weight * from[c];
}

/* Resamples rows: to (count,length) from `from` (from_count,length). */
static void resample_widened(const float *from, int64_t from_count, float *to, int64_t count, int64_t length)
{
	double scale = (double)from_count / (double)count, widen = max_double(scale, 1.0);
	memset(to, 0, (size_t)(count * length) * sizeof(*to));
	for (int64_t i = 0; i < count; i++) {
		double centre = ((double)i + 0.5) * scale, sum = 0.0;
		int64_t first = (int64_t)floor(centre - CUBIC_REACH * widen + 0.5);
		int64_t end = (int64_t)floor(centre + CUBIC_REACH * widen + 0.5);
		first = max_int64(first, 0);
		end = min_int64(end, from_count);
		for (int64_t k = first; k < end; k++)
			sum += cubic(((double)k + 0.5 - centre) / widen, CUBIC_WIDENED);
		for (int64_t k = first; k < end; k++)
			add_row(to + i * length, from + k * length,
				cubic(((double)k + 0.5 - centre) / widen, CUBIC_WIDENED) / sum, length);
	}
}

static void resample_plain(const float *from, int64_t from_count, float *to, int64_t count, int64_t length, double a)
{
	double scale = (double)from_count / (double)count;
	memset(to, 0, (size_t)(count * length) * sizeof(*to));
	for (int64_t i = 0; i < count; i++) {
		double centre = ((double)i + 0.5) * scale - 0.5;
		for (int64_t k = (int64_t)floor(centre) - 1; k <= (int64_t)floor(centre) + 2; k++)
			add_row(to + i * length, from + min_int64(max_int64(k, 0), from_count - 1) * length,
				cubic((double)k - centre, a), length);
	}
}

static void resample(const float *from, int64_t from_count, float *to, int64_t count, int64_t length, double a)
{
	if (a < 0.0)
		resample_plain(from, from_count, to, count, length, a);
	else
		resample_widened(from, from_count, to, count, length);
}

/* A grid of patches. */
struct grid {
	int64_t rows, columns;
};

static struct grid grid_of(const struct thaw_shape *image, int64_t patch)
{
	return (struct grid){image->dim[1] / patch, image->dim[2] / patch};
}

/* The largest patch that divides the image into `count` patches; 0: none. */
static int64_t patch_of(const struct thaw_shape *image, int64_t count)
{
	int64_t patch = min_int64(image->dim[1], image->dim[2]);
	while (patch > 0 && grid_of(image, patch).rows * grid_of(image, patch).columns != count)
		patch--;
	return patch;
}

/* The number of tokens that are not patches, from the token counts at two image sizes; -1 if none fits. Patches are
 * square. Returns the smallest that fits. */
static int64_t other_tokens(int64_t from_tokens, int64_t to_tokens, const struct thaw_shape *from,
			    const struct thaw_shape *to, struct grid *grid, struct grid *new_grid)
{
	enum { MAX_TOKENS = 16 };
	for (int64_t p = 0; p <= MAX_TOKENS && p < from_tokens && p < to_tokens; p++) {
		int64_t patch = patch_of(from, from_tokens - p);
		if (patch == 0)
			continue;
		*grid = grid_of(from, patch);
		*new_grid = grid_of(to, patch);
		if (new_grid->rows * new_grid->columns == to_tokens - p)
			return p;
	}
	return -1;
}

/* Resizes the constant (1,T,C) or (T,C) to this many tokens. a: see resample. */
static thaw_status resize(struct thaw_param *p, int64_t tokens, double a, const struct thaw_shape *from,
			  const struct thaw_shape *to)
{
	struct grid old, new;
	const int axis = p->shape.ndim - 2;
	int64_t length = p->shape.dim[axis + 1];
	int64_t others = other_tokens(p->shape.dim[axis], tokens, from, to, &old, &new);
	if (others < 0)
		return thaw_fail(THAW_CONFIG,
				 "position embeddings cannot be resampled: %s: from %lld to %lld tokens, which are not "
				 "grids of the same patches: use the network's own size",
				 p->name, (long long)p->shape.dim[axis], (long long)tokens);
	float *data = thaw_alloc((size_t)(tokens * length), sizeof(*data));
	float *narrow = thaw_alloc((size_t)(old.rows * new.columns *length), sizeof(*narrow));
	if (!data || !narrow) {
		thaw_free(data);
		thaw_free(narrow);
		return THAW_RESOURCE;
	}
	memcpy(data, p->data, (size_t)(others * length) * sizeof(*data));
	for (int64_t y = 0; y < old.rows; y++)
		resample(p->data + (others + y * old.columns) * length, old.columns, narrow + y * new.columns *length,
			 new.columns, length, a);
	resample(narrow, old.rows, data + others * length, new.rows, new.columns *length, a);
	thaw_free(narrow);
	thaw_free(p->own);
	p->own = p->data = data;
	p->shape.dim[axis] = p->file_shape.dim[axis] = tokens;
	return THAW_OK;
}

/* The node of the constant (1,T,C), or (T,C) before a reshape to that, which value `from` is; -1: it is another. */
static int constant_of(const struct thaw_graph *g, int from)
{
	const struct thaw_node *n = &g->nodes[from];
	if (n->op && strcmp(n->op->name, "reshape") == 0 && g->nodes[n->inputs[0]].op &&
	    g->nodes[n->inputs[0]].op->parameter && g->params[g->nodes[n->inputs[0]].params[0]].shape.ndim == 2)
		return n->inputs[0];
	return n->op && n->op->parameter ? from : -1;
}

/* Which input of the node is a constant that is added to a different number of tokens; -1 if none. */
static int find_positions(const struct thaw_graph *g, int node, const struct thaw_shape *shapes)
{
	const struct thaw_node *n = &g->nodes[node];
	if (!n->op || strcmp(n->op->name, "binary") != 0 || n->attrs.binary != THAW_BINARY_ADD)
		return -1;
	for (int k = 0; k < 2; k++) {
		const struct thaw_shape *c = &shapes[n->inputs[k]], *x = &shapes[n->inputs[!k]];
		if (constant_of(g, n->inputs[k]) >= 0 && c->ndim == 3 && x->ndim == 3 && c->dim[0] == 1 &&
		    c->dim[2] == x->dim[2] && c->dim[1] != x->dim[1] && c->dim[1] > 1 && x->dim[1] > 1 &&
		    !g->nodes[n->inputs[!k]].fixed)
			return k;
	}
	return -1;
}

/* A table (1,T,C) that was computed for the network's own size, as that of a rotary embedding, multiplies tokens. */
static thaw_status check_computed(const struct thaw_graph *g, int node, const struct thaw_shape *shapes)
{
	const struct thaw_node *n = &g->nodes[node];
	if (!n->op || strcmp(n->op->name, "binary") != 0 || n->attrs.binary != THAW_BINARY_MUL)
		return THAW_OK;
	for (int k = 0; k < 2; k++) {
		const struct thaw_shape *c = &shapes[n->inputs[k]], *x = &shapes[n->inputs[!k]];
		const int constant = constant_of(g, n->inputs[k]);
		if (constant >= 0 && g->params[g->nodes[constant].params[0]].computed && c->ndim == 3 && x->ndim == 3 &&
		    c->dim[1] > 1 && c->dim[1] != x->dim[1])
			return thaw_fail(
				THAW_CONFIG,
				"position embeddings for %lld tokens, not for %lld: %s: use the network's own "
				"size, or change input_size (timm) or image_size (transformers) in config.json",
				(long long)c->dim[1], (long long)x->dim[1], g->nodes[constant].name);
	}
	return THAW_OK;
}

static thaw_status resize_positions(struct thaw_graph *g, int node, struct thaw_shape *shapes,
				    const struct thaw_shape *from, const struct thaw_shape *to)
{
	const int k = find_positions(g, node, shapes);
	if (k < 0)
		return THAW_OK;
	const int *inputs = g->nodes[node].inputs, constant = constant_of(g, inputs[k]);
	struct thaw_param *p = &g->params[g->nodes[constant].params[0]];
	THAW_TRY(resize(p, shapes[inputs[!k]].dim[1], (double)g->nodes[constant].attrs.alpha, from, to));
	shapes[constant] = p->shape;
	return constant == inputs[k] ? THAW_OK : thaw_graph_infer_node(g, inputs[k], shapes);
}

thaw_status thaw_graph_resize(struct thaw_graph *g, const struct thaw_shape *from, const struct thaw_shape *to)
{
	struct thaw_shape *shapes = thaw_alloc((size_t)g->node_count, sizeof(*shapes));
	thaw_status status = shapes ? THAW_OK : THAW_RESOURCE;
	if (shapes)
		shapes[0] = *to;
	for (int i = 1; i < g->node_count && status == THAW_OK; i++) {
		status = resize_positions(g, i, shapes, from, to);
		if (status == THAW_OK)
			status = check_computed(g, i, shapes);
		if (status == THAW_OK)
			status = thaw_graph_infer_node(g, i, shapes);
		if (status != THAW_OK)
			status = thaw_fail_in(status, "image of %d x %d at %s", (int)to->dim[1], (int)to->dim[2],
					      g->nodes[i].name);
	}
	if (status == THAW_OK)
		status = thaw_graph_check_output(g, shapes);
	thaw_free(shapes);
	return status;
}
