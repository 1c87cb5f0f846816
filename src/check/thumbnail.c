/* Compares two images in detail, after the crop is found by which one may have been made of the other. */
#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/check/near.h"

enum { GRID = 32, CELLS = GRID * GRID, LEVELS = 255 };

#define FIRST_STEP 0.02f  /* of the search for the crop, in fractions of a side */
#define LAST_STEP  0.004f /* the search ends with smaller steps */
#define MAX_CROP   0.16f  /* from one side */

/* Before the search, pairs with less have nothing in common. */
#define SOME_LIGHT  0.7f
#define SOME_DETAIL 0.05f

#define NEAR_LIGHT  0.95f
#define NEAR_DETAIL 0.8f
#define NEAR_COLOUR 0.06f

enum { SIDE = THAW_THUMBNAIL_SIDE };

/* A thumbnail as luminance, and red and blue without it. */
struct planes {
	float light[SIDE * SIDE], red[SIDE * SIDE], blue[SIDE * SIDE];
};

/* Where the cells of one row or column of the grid are in a plane. */
struct positions {
	int first[GRID];      /* position before the centre of the cell */
	float fraction[GRID]; /* of the way from there to the next one */
};

static float clamp(float x, float low, float high)
{
	return x < low ? low : x > high ? high : x;
}

static void split(struct planes *p, const struct thaw_thumbnail *t)
{
	for (int i = 0; i < SIDE * SIDE; i++) {
		const uint8_t *v = t->rgb + 3 * (size_t)i;
		p->light[i] = 0.299f * v[0] + 0.587f * v[1] + 0.114f * v[2];
		p->red[i] = v[0] - p->light[i];
		p->blue[i] = v[2] - p->light[i];
	}
}

static void place(struct positions *p, float from, float to)
{
	const float step = (to - from) * SIDE / GRID;
	for (int k = 0; k < GRID; k++) {
		float x = clamp(from * SIDE + ((float)k + 0.5f) * step - 0.5f, 0, SIDE - 1);
		p->first[k] = min_int((int)x, SIDE - 2);
		p->fraction[k] = x - (float)p->first[k];
	}
}

/* Samples the window of a plane bilinearly at the centres of the cells. */
static void sample(float grid[CELLS], const float *plane, const struct thaw_window *w)
{
	struct positions across, down;
	place(&across, w->left, w->right);
	place(&down, w->top, w->bottom);
	for (int r = 0; r < GRID; r++) {
		const float *above = plane + (size_t)down.first[r] * SIDE, *below = above + SIDE;
		const float fy = down.fraction[r];
		for (int c = 0; c < GRID; c++) {
			const int x = across.first[c];
			const float fx = across.fraction[c];
			const float top = above[x] + fx * (above[x + 1] - above[x]);
			const float bottom = below[x] + fx * (below[x + 1] - below[x]);
			grid[r * GRID + c] = top + fy * (bottom - top);
		}
	}
}

static float correlation(const float *a, const float *b)
{
	float ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
	for (int i = 0; i < CELLS; i++) {
		ma += a[i] / CELLS;
		mb += b[i] / CELLS;
	}
	for (int i = 0; i < CELLS; i++) {
		float x = a[i] - ma, y = b[i] - mb;
		aa += x * x;
		bb += y * y;
		ab += x * y;
	}
	return aa > 0 && bb > 0 ? ab / sqrtf(aa * bb) : 0;
}

/* Each cell minus the mean of the 3 x 3 cells around it; 0 at the border. */
static void differences(const float *g, float *out)
{
	memset(out, 0, CELLS * sizeof(*out));
	for (int y = 1; y < GRID - 1; y++)
		for (int x = 1; x < GRID - 1; x++) {
			float sum = 0;
			for (int k = -1; k <= 1; k++)
				for (int j = -1; j <= 1; j++)
					sum += g[(y + k) * GRID + x + j];
			out[y * GRID + x] = g[y * GRID + x] - sum / 9;
		}
}

static float mean_difference(const float *a, const float *b)
{
	float sum = 0;
	for (int i = 0; i < CELLS; i++)
		sum += fabsf(a[i] - b[i]);
	return sum / (CELLS * LEVELS);
}

/* Of one colour of the images. */
static float colour_difference(const float *whole, const struct thaw_window *window, const float *part)
{
	const struct thaw_window all = {0, 0, 1, 1};
	float a[CELLS], b[CELLS];
	sample(a, whole, window);
	sample(b, part, &all);
	return mean_difference(a, b);
}

static float detail_correlation(const float *a, const float *b)
{
	float da[CELLS], db[CELLS];
	differences(a, da);
	differences(b, db);
	return correlation(da, db);
}

/* Moves edge `k` of the window by a step, if that leaves it in its range. */
static bool move_edge(struct thaw_window *w, int k, float step)
{
	float *edges[] = {&w->left, &w->top, &w->right, &w->bottom}, before = *edges[k];
	*edges[k] = k < 2 ? clamp(before + step, 0, MAX_CROP) : clamp(before + step, 1 - MAX_CROP, 1);
	return *edges[k] != before;
}

/* Moves one edge at a time to where the window of the plane is more like the part, in smaller and smaller steps. */
static void search(struct thaw_window *window, const float *plane, const float *part)
{
	float grid[CELLS];
	sample(grid, plane, window);
	float most = correlation(grid, part);
	for (float step = FIRST_STEP; step >= LAST_STEP; step /= 2)
		for (int k = 0, idle = 0; idle < 8; k = (k + 1) % 8, idle++) {
			struct thaw_window next = *window;
			if (!move_edge(&next, k / 2, k % 2 ? step : -step))
				continue;
			sample(grid, plane, &next);
			float now = correlation(grid, part);
			if (now <= most)
				continue;
			most = now;
			*window = next;
			idle = -1;
		}
}

struct thaw_likeness thaw_thumbnails_compare(const struct thaw_thumbnail *whole, struct thaw_window window,
					     const struct thaw_thumbnail *part)
{
	const struct thaw_window all = {0, 0, 1, 1};
	struct planes a, b;
	float mine[CELLS], its[CELLS];
	split(&a, whole);
	split(&b, part);
	sample(mine, a.light, &window);
	sample(its, b.light, &all);
	struct thaw_likeness l = {
		.light = correlation(mine, its), .detail = detail_correlation(mine, its), .colour = 1};
	if (l.light < SOME_LIGHT || l.detail < SOME_DETAIL)
		return l;
	search(&window, a.light, its);
	sample(mine, a.light, &window);
	l.light = correlation(mine, its);
	l.detail = detail_correlation(mine, its);
	l.colour = (colour_difference(a.red, &window, b.red) + colour_difference(a.blue, &window, b.blue)) / 2;
	return l;
}

bool thaw_likeness_is_near(const struct thaw_likeness *l)
{
	return l->light >= NEAR_LIGHT && l->detail >= NEAR_DETAIL && l->colour <= NEAR_COLOUR;
}
