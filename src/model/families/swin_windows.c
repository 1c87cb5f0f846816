/* Windows of a Swin Transformer: the features of a stage are padded to whole windows, and shifted for every other
 * block. Gathering the tokens by an index does both. */
#include <math.h>
#include <stdio.h>

#include "src/base/minmax.h"
#include "src/model/families/swin.h"

static int64_t padded_side(const struct thaw_swin_grid *grid)
{
	return grid->count * grid->window;
}

/* The side of the features of stage i: each merging halves it, rounded up. */
static int64_t features_side(const struct thaw_swin *s, int i)
{
	int64_t side = s->side / s->patch;
	for (; i > 0; i--)
		side = (side + 1) / 2;
	return side;
}

struct thaw_swin_grid thaw_swin_grid_of(const struct thaw_swin *s, int i)
{
	const enum thaw_swin_maker maker = s->names->maker;
	struct thaw_swin_grid grid = {.side = features_side(s, i), .window = s->stage[i].window};
	/* The second version in transformers rounds down here. */
	const int64_t known = maker == THAW_SWIN_TRANSFORMERS && s->v2 ? (s->side / s->patch) >> i : grid.side;
	grid.pads_first = maker != THAW_SWIN_TIMM;
	grid.shift = grid.window / 2;
	if (maker != THAW_SWIN_TORCHVISION && known <= grid.window) {
		grid.window = max_int64(known, 1);
		grid.shift = 0;
	}
	grid.count = (grid.side + grid.window - 1) / grid.window;
	if (grid.count == 1)
		grid.shift = 0;
	return grid;
}

void thaw_swin_share(struct thaw_swin_shared *shared, const struct thaw_swin *s, int i)
{
	const struct thaw_swin_names *n = s->names;
	*shared = (struct thaw_swin_shared){
		.grid = thaw_swin_grid_of(s, i),
		.to_windows = {-1, -1},
		.from_windows = {-1, -1},
		.mask = -1,
		.pairs = -1,
		.coordinates = -1,
	};
	snprintf(shared->name, sizeof(shared->name), "%s%s%d", s->base, n->stage, n->first + n->step * i);
}

/* The row of the features that is at row `at` of the windows, or the same of columns; -1: padding. */
static int64_t source_of(const struct thaw_swin_grid *grid, bool shifted, int64_t at)
{
	const int64_t shift = shifted ? grid->shift : 0;
	if (grid->pads_first)
		at = (at + shift) % padded_side(grid);
	if (at >= grid->side)
		return -1;
	return grid->pads_first ? at : (at + shift) % grid->side;
}

/* The row or column of a place; places are counted window by window. */
static int64_t row_of(const struct thaw_swin_grid *grid, int64_t place)
{
	const int64_t tokens = grid->window * grid->window;
	return place / tokens / grid->count * grid->window + place % tokens / grid->window;
}

static int64_t column_of(const struct thaw_swin_grid *grid, int64_t place)
{
	return place / (grid->window * grid->window) % grid->count * grid->window + place % grid->window;
}

static int64_t places_of(const struct thaw_swin_grid *grid)
{
	return padded_side(grid) * padded_side(grid);
}

/* The token that is at this place; -1: padding. */
static int64_t token_at(const struct thaw_swin_grid *grid, bool shifted, int64_t place)
{
	const int64_t y = source_of(grid, shifted, row_of(grid, place));
	const int64_t x = source_of(grid, shifted, column_of(grid, place));
	return y < 0 || x < 0 ? -1 : y * grid->side + x;
}

static int add_computed(struct thaw_graph *g, const struct thaw_swin_shared *shared, const char *what, bool shifted,
			const struct thaw_shape *shape, float **data)
{
	char name[THAW_SWIN_NAME];
	snprintf(name, sizeof(name), "%s.%s%s", shared->name, shifted ? "shifted_" : "", what);
	return thaw_layer_computed(g, name, shape, data);
}

/* The index of the token at each place; padding is the token after the last. */
static int to_windows(struct thaw_graph *g, struct thaw_swin_shared *shared, bool shifted)
{
	const struct thaw_swin_grid *grid = &shared->grid;
	const int64_t places = places_of(grid);
	float *index;
	if (shared->to_windows[shifted] >= 0)
		return shared->to_windows[shifted];
	shared->to_windows[shifted] = add_computed(g, shared, "to_windows", shifted, &thaw_shape_of(places), &index);
	for (int64_t i = 0; index && i < places; i++) {
		const int64_t token = token_at(grid, shifted, i);
		index[i] = (float)(token < 0 ? grid->side * grid->side : token);
	}
	return shared->to_windows[shifted];
}

/* The place of each token. */
static int from_windows(struct thaw_graph *g, struct thaw_swin_shared *shared, bool shifted)
{
	const struct thaw_swin_grid *grid = &shared->grid;
	float *index;
	if (shared->from_windows[shifted] >= 0)
		return shared->from_windows[shifted];
	shared->from_windows[shifted] =
		add_computed(g, shared, "from_windows", shifted, &thaw_shape_of(grid->side * grid->side), &index);
	for (int64_t i = 0; index && i < places_of(grid); i++) {
		const int64_t token = token_at(grid, shifted, i);
		if (token >= 0)
			index[token] = (float)i;
	}
	return shared->from_windows[shifted];
}

/* Whether the tokens are one window as they are. */
static bool is_whole(const struct thaw_swin_grid *grid)
{
	return grid->count == 1 && grid->window == grid->side;
}

static int add_node(struct thaw_graph *g, const char *op, const char *name, const char *what,
		    const struct thaw_attrs *attrs, const int *inputs, int count)
{
	char text[THAW_SWIN_NAME];
	snprintf(text, sizeof(text), "%s.%s", name, what);
	return thaw_graph_add(g, op, text, attrs, inputs, count);
}

int thaw_swin_divide(struct thaw_graph *g, int x, struct thaw_swin_shared *shared, bool shifted, const char *name)
{
	const struct thaw_swin_grid *grid = &shared->grid;
	static const struct thaw_attrs one_more = {.after = {0, 1}}, tokens = {.axis = 1};
	const struct thaw_attrs split = {.factors = {.count = 4,
						     .ndim = 3,
						     .axis = {0, 1, 1, 2},
						     .size = {0, grid->count * grid->count, 0, 0},
						     .order = {0, 1, 2, 3},
						     .target = {0, 0, 1, 2}}};
	if (is_whole(grid))
		return x;
	if (padded_side(grid) > grid->side)
		x = add_node(g, "pad", name, "pad", &one_more, &x, 1);
	x = add_node(g, "gather", name, "divide", &tokens, (int[]){x, to_windows(g, shared, shifted)}, 2);
	return add_node(g, "reshape", name, "windows", &split, &x, 1);
}

int thaw_swin_join(struct thaw_graph *g, int x, struct thaw_swin_shared *shared, bool shifted, const char *name)
{
	const struct thaw_swin_grid *grid = &shared->grid;
	static const struct thaw_attrs tokens = {.axis = 1};
	const struct thaw_attrs merge = {.factors = {.count = 4,
						     .ndim = 3,
						     .axis = {0, 0, 1, 2},
						     .size = {0, grid->count * grid->count, 0, 0},
						     .order = {0, 1, 2, 3},
						     .target = {0, 1, 1, 2}}};
	if (is_whole(grid))
		return x;
	x = add_node(g, "reshape", name, "all_windows", &merge, &x, 1);
	return add_node(g, "gather", name, "join", &tokens, (int[]){x, from_windows(g, shared, shifted)}, 2);
}

/* Shifted windows at the end of an axis have features of both ends: 0, 1, 2 are the parts that do not see each other.
 */
static int part_of(const struct thaw_swin_grid *grid, int64_t at)
{
	return (at >= padded_side(grid) - grid->window) + (at >= padded_side(grid) - grid->shift);
}

static int part_at(const struct thaw_swin_grid *grid, int64_t place)
{
	return 3 * part_of(grid, row_of(grid, place)) + part_of(grid, column_of(grid, place));
}

static void fill_mask(const struct thaw_swin_grid *grid, float blocked, float *mask)
{
	const int64_t tokens = grid->window * grid->window, windows = grid->count * grid->count;
	for (int64_t w = 0; w < windows; w++)
		for (int64_t a = 0; a < tokens; a++)
			for (int64_t b = 0; b < tokens; b++)
				*mask++ =
					part_at(grid, w * tokens + a) == part_at(grid, w * tokens + b) ? 0.0f : blocked;
}

int thaw_swin_add_mask(struct thaw_graph *g, int bias, struct thaw_swin_shared *shared, float blocked, const char *name)
{
	const struct thaw_swin_grid *grid = &shared->grid;
	const int64_t tokens = grid->window * grid->window;
	const struct thaw_shape shape = thaw_shape_of(grid->count * grid->count, 1, tokens, tokens);
	float *mask;
	if (shared->mask < 0) {
		shared->mask = add_computed(g, shared, "mask", false, &shape, &mask);
		if (mask)
			fill_mask(grid, blocked, mask);
	}
	return add_node(g, "binary", name, "mask", &(struct thaw_attrs){.binary = THAW_BINARY_ADD},
			(int[]){bias, shared->mask}, 2);
}

int thaw_swin_pairs(struct thaw_graph *g, struct thaw_swin_shared *shared)
{
	const int64_t w = shared->grid.window, tokens = w * w, width = 2 * w - 1;
	float *index;
	if (shared->pairs >= 0)
		return shared->pairs;
	shared->pairs = add_computed(g, shared, "pairs", false, &thaw_shape_of(tokens * tokens), &index);
	for (int64_t i = 0; index && i < tokens * tokens; i++) {
		const int64_t a = i / tokens, b = i % tokens;
		index[i] = (float)((a / w - b / w + w - 1) * width + a % w - b % w + w - 1);
	}
	return shared->pairs;
}

/* log2(8 |x| + 1) / log2(8), with the sign of x: Liu et al., CVPR 2022, equation 4, where distances are relative to
 * the largest one, times 8. */
static float coordinate(int64_t distance, int64_t window)
{
	const double far = 8.0, x = far * (double)distance / (double)max_int64(window - 1, 1);
	return (float)copysign(log2(fabs(x) + 1.0) / log2(far), x);
}

int thaw_swin_coordinates(struct thaw_graph *g, struct thaw_swin_shared *shared, int64_t pretrained)
{
	const int64_t w = shared->grid.window, width = 2 * w - 1, of = pretrained > 0 ? pretrained : w;
	float *to;
	if (shared->coordinates >= 0)
		return shared->coordinates;
	shared->coordinates = add_computed(g, shared, "coordinates", false, &thaw_shape_of(1, width, width, 2), &to);
	for (int64_t i = 0; to && i < width * width; i++) {
		*to++ = coordinate(i / width - (w - 1), of);
		*to++ = coordinate(i % width - (w - 1), of);
	}
	return shared->coordinates;
}
