/* Compares two images in detail, after the crop is found by which one may have been made of the other. */
#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/check/near.h"

enum { GRID = 32, CELLS = GRID * GRID, LEVELS = 255 };

#define FIRST_STEP 0.02f  /* of the search for the crop, in fractions of a side */
#define LAST_STEP  0.004f /* the search ends with smaller steps */
#define MAX_CROP   0.16f  /* from one side */
#define HOPELESS   0.6f   /* correlation before the search below which it is left out */

#define NEAR_LIGHT  0.95f
#define NEAR_DETAIL 0.6f
#define NEAR_COLOUR 0.06f

struct grid {
	float light[CELLS], red[CELLS], blue[CELLS]; /* luminance; red and blue without it */
};

static float clamp(float x, float low, float high)
{
	return x < low ? low : x > high ? high : x;
}

/* Samples the window bilinearly at the centres of the cells. */
static void sample(struct grid *g, const struct thaw_thumbnail *t, const struct thaw_window *w)
{
	const float across = (w->right - w->left) * THAW_THUMBNAIL_SIDE / GRID;
	const float down = (w->bottom - w->top) * THAW_THUMBNAIL_SIDE / GRID;
	for (int r = 0; r < GRID; r++) {
		float y = clamp(w->top * THAW_THUMBNAIL_SIDE + ((float)r + 0.5f) * down - 0.5f, 0,
				THAW_THUMBNAIL_SIDE - 1);
		int top = min_int((int)y, THAW_THUMBNAIL_SIDE - 2);
		float fy = y - (float)top;
		for (int c = 0; c < GRID; c++) {
			float x = clamp(w->left * THAW_THUMBNAIL_SIDE + ((float)c + 0.5f) * across - 0.5f, 0,
					THAW_THUMBNAIL_SIDE - 1);
			int left = min_int((int)x, THAW_THUMBNAIL_SIDE - 2);
			float fx = x - (float)left, v[3];
			const uint8_t *p = t->rgb + 3 * (top * THAW_THUMBNAIL_SIDE + left);
			const uint8_t *q = p + 3 * THAW_THUMBNAIL_SIDE;
			for (int k = 0; k < 3; k++)
				v[k] = (1 - fy) * ((1 - fx) * p[k] + fx * p[k + 3]) +
				       fy * ((1 - fx) * q[k] + fx * q[k + 3]);
			float light = 0.299f * v[0] + 0.587f * v[1] + 0.114f * v[2];
			g->light[r * GRID + c] = light;
			g->red[r * GRID + c] = v[0] - light;
			g->blue[r * GRID + c] = v[2] - light;
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

static float colour_difference(const struct grid *a, const struct grid *b)
{
	float sum = 0;
	for (int i = 0; i < CELLS; i++)
		sum += fabsf(a->red[i] - b->red[i]) + fabsf(a->blue[i] - b->blue[i]);
	return sum / (2 * CELLS * LEVELS);
}

static float *edge(struct thaw_window *w, int k)
{
	float *edges[] = {&w->left, &w->top, &w->right, &w->bottom};
	return edges[k];
}

/* Moves one edge at a time to where the window is more like the part, with smaller and smaller steps. */
static float search(struct grid *g, const struct thaw_thumbnail *whole, struct thaw_window *window,
		    const struct grid *part)
{
	struct thaw_window best = *window;
	sample(g, whole, &best);
	float most = correlation(g->light, part->light);
	for (float step = FIRST_STEP; most >= HOPELESS && step >= LAST_STEP; step /= 2) {
		for (int k = 0, idle = 0; idle < 8; k = (k + 1) % 8) {
			struct thaw_window next = best;
			float *e = edge(&next, k / 2), before = *e;
			*e = k / 2 < 2 ? clamp(before + (k % 2 ? step : -step), 0, MAX_CROP)
				       : clamp(before + (k % 2 ? step : -step), 1 - MAX_CROP, 1);
			idle++;
			if (*e == before)
				continue;
			sample(g, whole, &next);
			float now = correlation(g->light, part->light);
			if (now > most) {
				most = now;
				best = next;
				idle = 0;
			}
		}
	}
	*window = best;
	sample(g, whole, &best);
	return most;
}

struct thaw_likeness thaw_thumbnails_compare(const struct thaw_thumbnail *whole, struct thaw_window window,
					     const struct thaw_thumbnail *part)
{
	const struct thaw_window all = {0, 0, 1, 1};
	struct grid a, b;
	float da[CELLS], db[CELLS];
	sample(&b, part, &all);
	struct thaw_likeness l = {.light = search(&a, whole, &window, &b)};
	if (l.light < HOPELESS)
		return l;
	differences(a.light, da);
	differences(b.light, db);
	l.detail = correlation(da, db);
	l.colour = colour_difference(&a, &b);
	return l;
}

bool thaw_likeness_is_near(const struct thaw_likeness *l)
{
	return l->light >= NEAR_LIGHT && l->detail >= NEAR_DETAIL && l->colour <= NEAR_COLOUR;
}
