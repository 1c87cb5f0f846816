/* Compares two images in detail, after the crop is found by which one may have been made of the other. */
#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/multiversion.h"
#include "src/base/try.h"
#include "src/check/near.h"

enum { GRID = 32, CELLS = GRID * GRID, LEVELS = 255, LANES = 16, COLOUR_ZERO = 128 };

#define MAX_CROP 0.16f /* from one side */

/* The search for the crop: the step of each stage, in fractions of a side, and the correlations without which a pair
 * has nothing in common. */
static const struct {
	float step, light, detail;
} stages[] = {
	{0.02f, 0.5f, 0.05f},
	{0.01f, 0.88f, 0.4f},
	{0.005f, 0.92f, 0.6f},
};

#define NEAR_LIGHT  0.95f
#define NEAR_DETAIL 0.8f
#define NEAR_COLOUR 0.06f

/* In images of few pixels, such as those of MNIST, different things look alike. */
#define SMALL_LIGHT  0.993f
#define SMALL_DETAIL 0.97f

enum { SIDE = THAW_THUMBNAIL_SIDE, COLOUR_SIDE = THAW_THUMBNAIL_COLOUR_SIDE };

/* Values of an image on a square of cells. */
struct plane {
	int side;
	float value[SIDE * SIDE];
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

static uint8_t byte_of(float x)
{
	return (uint8_t)clamp(x + 0.5f, 0, LEVELS);
}

static float luminance(const uint8_t rgb[3])
{
	return 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2];
}

thaw_status thaw_thumbnail_make(struct thaw_thumbnail *t, const struct thaw_image *image)
{
	struct thaw_image light, colour;
	const double box[4] = {0, 0, image->width, image->height};
	THAW_TRY(thaw_image_resize(&light, image, box, SIDE, SIDE, THAW_BOX));
	for (size_t i = 0; i < sizeof(t->light); i++)
		t->light[i] = byte_of(luminance(light.pixels + 3 * i));
	thaw_status status =
		thaw_image_resize(&colour, &light, (double[]){0, 0, SIDE, SIDE}, COLOUR_SIDE, COLOUR_SIDE, THAW_BOX);
	thaw_image_free(&light);
	THAW_TRY(status);
	for (size_t i = 0; i < sizeof(t->red); i++) {
		const uint8_t *rgb = colour.pixels + 3 * i;
		t->red[i] = byte_of((rgb[0] - luminance(rgb)) / 2 + COLOUR_ZERO);
		t->blue[i] = byte_of((rgb[2] - luminance(rgb)) / 2 + COLOUR_ZERO);
	}
	thaw_image_free(&colour);
	t->small = image->width < SIDE || image->height < SIDE;
	t->made = 1;
	return THAW_OK;
}

static void fill(struct plane *p, const uint8_t *bytes, int side)
{
	p->side = side;
	for (int i = 0; i < side * side; i++)
		p->value[i] = bytes[i];
}

static void place(struct positions *p, int side, float from, float to)
{
	const float step = (to - from) * (float)side / GRID;
	for (int k = 0; k < GRID; k++) {
		float x = clamp(from * (float)side + ((float)k + 0.5f) * step - 0.5f, 0, (float)(side - 1));
		p->first[k] = min_int((int)x, side - 2);
		p->fraction[k] = x - (float)p->first[k];
	}
}

/* Samples the window of a plane bilinearly at the centres of the cells. */
THAW_MULTIVERSION static void sample(float grid[CELLS], const struct plane *plane, const struct thaw_window *w)
{
	struct positions across, down;
	float row[SIDE];
	place(&across, plane->side, w->left, w->right);
	place(&down, plane->side, w->top, w->bottom);
	for (int r = 0; r < GRID; r++) {
		const float *above = plane->value + (size_t)down.first[r] * (size_t)plane->side;
		const float *below = above + plane->side;
		const float fraction = down.fraction[r];
		for (int x = 0; x < plane->side; x++)
			row[x] = above[x] + fraction * (below[x] - above[x]);
		for (int c = 0; c < GRID; c++) {
			const int x = across.first[c];
			grid[r * GRID + c] = row[x] + across.fraction[c] * (row[x + 1] - row[x]);
		}
	}
}

static float total(const float lane[LANES])
{
	float sum = 0;
	for (int k = 0; k < LANES; k++)
		sum += lane[k];
	return sum;
}

/* Subtracts the mean. Returns the square root of the sum of squares that is left. */
static float centre(float v[CELLS])
{
	float sum = 0, square = 0;
	for (int i = 0; i < CELLS; i++)
		sum += v[i];
	for (int i = 0; i < CELLS; i++) {
		v[i] -= sum / CELLS;
		square += v[i] * v[i];
	}
	return sqrtf(square);
}

/* The correlation of a grid with one that is centred and has this norm. */
THAW_MULTIVERSION static float correlation(const float a[CELLS], const float b[CELLS], float norm)
{
	float sum[LANES] = {0}, square[LANES] = {0}, product[LANES] = {0};
	for (int i = 0; i < CELLS; i += LANES)
		for (int k = 0; k < LANES; k++) {
			sum[k] += a[i + k];
			square[k] += a[i + k] * a[i + k];
			product[k] += a[i + k] * b[i + k];
		}
	const float mean = total(sum) / CELLS, rest = total(square) - mean * mean * CELLS;
	return rest > 0 && norm > 0 ? total(product) / (sqrtf(rest) * norm) : 0;
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
static float colour_difference(const uint8_t *whole, const struct thaw_window *window, const uint8_t *part)
{
	const struct thaw_window all = {0, 0, 1, 1};
	struct plane plane;
	float a[CELLS], b[CELLS];
	fill(&plane, whole, COLOUR_SIDE);
	sample(a, &plane, window);
	fill(&plane, part, COLOUR_SIDE);
	sample(b, &plane, &all);
	return 2 * mean_difference(a, b);
}

/* Part of an image that others are compared with. */
struct reference {
	float light[CELLS], detail[CELLS]; /* centred */
	float light_norm, detail_norm;
};

static void make_reference(struct reference *r, const struct plane *plane)
{
	const struct thaw_window all = {0, 0, 1, 1};
	sample(r->light, plane, &all);
	differences(r->light, r->detail);
	r->light_norm = centre(r->light);
	r->detail_norm = centre(r->detail);
}

/* Compares the window of a plane with the reference. */
static void compare(struct thaw_likeness *l, const struct plane *plane, const struct thaw_window *window,
		    const struct reference *r)
{
	float grid[CELLS], detail[CELLS];
	sample(grid, plane, window);
	differences(grid, detail);
	l->light = correlation(grid, r->light, r->light_norm);
	l->detail = correlation(detail, r->detail, r->detail_norm);
}

/* Moves edge `k` of the window by a step, if that leaves it in its range. */
static bool move_edge(struct thaw_window *w, int k, float step)
{
	float *edges[] = {&w->left, &w->top, &w->right, &w->bottom}, before = *edges[k];
	*edges[k] = k < 2 ? clamp(before + step, 0, MAX_CROP) : clamp(before + step, 1 - MAX_CROP, 1);
	return *edges[k] != before;
}

/* Moves one edge at a time to where the window of the plane is more like the reference. */
static void search(struct thaw_window *window, const struct plane *plane, const struct reference *r, float step)
{
	float grid[CELLS];
	sample(grid, plane, window);
	float most = correlation(grid, r->light, r->light_norm);
	for (int k = 0, idle = 0; idle < 8; k = (k + 1) % 8, idle++) {
		struct thaw_window next = *window;
		if (!move_edge(&next, k / 2, k % 2 ? step : -step))
			continue;
		sample(grid, plane, &next);
		float now = correlation(grid, r->light, r->light_norm);
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
	struct plane light;
	struct reference r;
	struct thaw_likeness l = {.colour = 1, .small = whole->small || part->small};
	fill(&light, part->light, SIDE);
	make_reference(&r, &light);
	fill(&light, whole->light, SIDE);
	compare(&l, &light, &window, &r);
	for (size_t s = 0; s < sizeof(stages) / sizeof(*stages); s++) {
		if (l.light < stages[s].light || l.detail < stages[s].detail)
			return l;
		search(&window, &light, &r, stages[s].step);
		compare(&l, &light, &window, &r);
	}
	l.colour = (colour_difference(whole->red, &window, part->red) +
		    colour_difference(whole->blue, &window, part->blue)) /
		   2;
	return l;
}

bool thaw_likeness_is_near(const struct thaw_likeness *l)
{
	return l->light >= (l->small ? SMALL_LIGHT : NEAR_LIGHT) &&
	       l->detail >= (l->small ? SMALL_DETAIL : NEAR_DETAIL) && l->colour <= NEAR_COLOUR;
}
