/* Resampling of position embeddings for another image size.
 *
 * A vision transformer adds a constant to its tokens: p rows for tokens that are not patches (class, registers), then a
 * row for each of the g x g patches. For another grid of patches the rows are resampled like an image, with a cubic
 * kernel (a = -1/2) that is widened for downsampling, as in timm (resample_abs_pos_embed). */
#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/graph/graph_internal.h"
#include "thaw/memory.h"

#define CUBIC_REACH 2.0 /* pixels on each side */

static double cubic(double x)
{
	const double a = -0.5;
	x = fabs(x);
	if (x < 1.0)
		return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
	return x < CUBIC_REACH ? (((x - 5.0) * x + 8.0) * x - 4.0) * a : 0.0;
}

/* Resamples rows: to (count,length) from `from` (from_count,length). */
static void resample(const float *from, int64_t from_count, float *to, int64_t count, int64_t length)
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
			sum += cubic(((double)k + 0.5 - centre) / widen);
		for (int64_t k = first; k < end; k++) {
			float w = (float)(cubic(((double)k + 0.5 - centre) / widen) / sum);
			for (int64_t c = 0; c < length; c++)
				to[i * length + c] += w * from[k * length + c];
		}
	}
}

/* The number of tokens that are not patches, from the token counts at two image sizes; -1 if none fits. The grids must
 * be square and proportional to the sizes. Returns the smallest that fits. */
static int64_t other_tokens(int64_t from, int64_t to, int64_t from_size, int64_t to_size, int64_t *grid,
			    int64_t *new_grid)
{
	enum { MAX_TOKENS = 16 };
	for (int64_t p = 0; p <= MAX_TOKENS && p < from && p < to; p++) {
		*grid = (int64_t)floor(sqrt((double)(from - p)) + 0.5);
		*new_grid = (int64_t)floor(sqrt((double)(to - p)) + 0.5);
		bool squares = *grid * *grid == from - p && *new_grid * *new_grid == to - p;
		int64_t patch = squares ? from_size / *grid : 0;
		if (patch > 0 && to_size / patch == *new_grid)
			return p;
	}
	return -1;
}

/* Resizes the constant (1,T,C) to this many tokens. */
static thaw_status resize(struct thaw_param *p, int64_t tokens, int64_t from_size, int64_t to_size)
{
	int64_t grid, new_grid, length = p->shape.dim[2];
	int64_t others = other_tokens(p->shape.dim[1], tokens, from_size, to_size, &grid, &new_grid);
	if (others < 0)
		return thaw_fail(THAW_CONFIG,
				 "position embeddings cannot be resampled: %s: from %lld to %lld tokens, which are not "
				 "square grids of patches: use the network's own size",
				 p->name, (long long)p->shape.dim[1], (long long)tokens);
	float *data = thaw_alloc((size_t)(tokens * length), sizeof(*data));
	float *narrow = thaw_alloc((size_t)(grid * new_grid * length), sizeof(*narrow));
	if (!data || !narrow) {
		thaw_free(data);
		thaw_free(narrow);
		return THAW_RESOURCE;
	}
	memcpy(data, p->data, (size_t)(others * length) * sizeof(*data));
	for (int64_t y = 0; y < grid; y++)
		resample(p->data + (others + y * grid) * length, grid, narrow + y * new_grid * length, new_grid,
			 length);
	resample(narrow, grid, data + others * length, new_grid, new_grid * length);
	thaw_free(narrow);
	thaw_free(p->own);
	p->own = p->data = data;
	p->shape.dim[1] = p->file_shape.dim[1] = tokens;
	return THAW_OK;
}

/* The constant, if the node adds one to a different number of tokens; else NULL. */
static struct thaw_param *positions_of(struct thaw_graph *g, int node, const struct thaw_shape *shapes)
{
	const struct thaw_node *n = &g->nodes[node];
	if (!n->op || strcmp(n->op->name, "binary") != 0 || n->attrs.binary != THAW_BINARY_ADD)
		return NULL;
	for (int k = 0; k < 2; k++) {
		const struct thaw_node *from = &g->nodes[n->inputs[k]];
		const struct thaw_shape *c = &shapes[n->inputs[k]], *x = &shapes[n->inputs[!k]];
		if (from->op && from->op->parameter && c->ndim == 3 && x->ndim == 3 && c->dim[0] == 1 &&
		    c->dim[2] == x->dim[2] && c->dim[1] != x->dim[1] && c->dim[1] > 1 && x->dim[1] > 1 &&
		    !g->nodes[n->inputs[!k]].fixed)
			return &g->params[from->params[0]];
	}
	return NULL;
}

thaw_status thaw_graph_resize(struct thaw_graph *g, int from_size, int to_size)
{
	struct thaw_shape *shapes = thaw_alloc((size_t)g->node_count, sizeof(*shapes));
	thaw_status status = shapes ? THAW_OK : THAW_RESOURCE;
	if (shapes)
		shapes[0] = thaw_shape_of(1, to_size, to_size, 3);
	for (int i = 1; i < g->node_count && status == THAW_OK; i++) {
		struct thaw_param *p = positions_of(g, i, shapes);
		if (p) {
			const int *inputs = g->nodes[i].inputs;
			int constant = g->nodes[inputs[0]].op && g->nodes[inputs[0]].op->parameter ? 0 : 1;
			status = resize(p, shapes[inputs[!constant]].dim[1], from_size, to_size);
			if (status == THAW_OK)
				shapes[inputs[constant]] = p->shape;
		}
		if (status == THAW_OK)
			status = thaw_graph_infer_node(g, i, shapes);
		if (status != THAW_OK)
			status = thaw_fail_in(status, "image of %d x %d at %s", to_size, to_size, g->nodes[i].name);
	}
	thaw_free(shapes);
	return status;
}
