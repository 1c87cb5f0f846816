/* Direct convolution in bfloat16, for nodes of that precision and every shape with enough channels.
 *
 * A band of the image is rounded once to a buffer with zeros for the padding. A tile of results stays in registers over
 * all taps and input channels: a tap is a segment of the tile's depth, at a fixed distance in the buffer. Weights are
 * packed once per call, or once for all calls where they are frozen, as (group, panel of columns, tap, pair of
 * channels, column).
 *
 * The data pass is the same with dy as the image, phase by phase (conv_axis.h), and the weights transposed.
 */
#include "src/ops/kernels/conv_bf16.h"

#include <string.h>

#include "src/base/minmax.h"
#include "src/ops/kernels/bf16_ops.h"
#include "src/ops/kernels/conv_axis.h"
#include "src/ops/kernels/conv_patch.h"
#include "src/ops/kernels/gemm_bf16.h"

enum {
	FEWEST = 8,           /* channels of a group, in and out, for which a tile pays */
	BAND_BYTES = 1 << 18, /* of a rounded band; a panel of weights is in the cache as well */
};

/* A pass that writes images of groups * outputs channels from images of groups * channels. */
struct pass {
	struct thaw_conv_axis y, x;
	int64_t images, groups, channels, outputs;
	int64_t pixel, width; /* of the buffer: pairs of a pixel, pixels of a row */
	struct thaw_conv_band largest;
};

static int64_t pairs_of(int64_t channels)
{
	return (channels + 1) / 2;
}

static struct pass pass_of(const struct thaw_conv *c, enum thaw_conv_pass kind)
{
	struct pass p = {
		.y = thaw_conv_axis_y(c, kind),
		.x = thaw_conv_axis_x(c, kind),
		.images = c->n,
		.groups = c->groups,
		.channels = thaw_conv_group_inputs(c),
		.outputs = thaw_conv_group_outputs(c),
	};
	if (kind == THAW_CONV_DATA) {
		p.channels = thaw_conv_group_outputs(c);
		p.outputs = thaw_conv_group_inputs(c);
	}
	p.pixel = p.groups * pairs_of(p.channels);
	p.width = thaw_conv_axis_pixels(&p.x, thaw_conv_axis_results(&p.x, 0));
	p.largest = thaw_conv_largest_band(&p.y, p.images, thaw_conv_axis_results(&p.y, 0),
					   p.width * p.pixel * (int64_t)sizeof(uint32_t), 0, BAND_BYTES);
	return p;
}

static bool bf16_fits(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	(void)pass;
	return c->precision == THAW_PRECISION_BF16 && thaw_conv_group_inputs(c) >= FEWEST &&
	       thaw_conv_group_outputs(c) >= FEWEST;
}

static int64_t taps_of(const struct pass *p)
{
	return p->y.taps * p->x.taps;
}

static size_t weight_bytes(const struct pass *p)
{
	return (size_t)(p->groups * taps_of(p)) * thaw_bf16_packed_bytes(p->channels, p->outputs);
}

static size_t bf16_packed_bytes(const struct thaw_conv *c)
{
	struct pass p = pass_of(c, THAW_CONV_FORWARD);
	return weight_bytes(&p);
}

static size_t bf16_scratch(const struct thaw_conv *c, enum thaw_conv_pass kind)
{
	if (kind == THAW_CONV_WEIGHT)
		return thaw_conv_bf16_weight_scratch(c);
	struct pass p = pass_of(c, kind);
	size_t band = (size_t)(p.largest.images * thaw_conv_axis_pixels(&p.y, p.largest.rows) * p.width * p.pixel);
	return weight_bytes(&p) + (size_t)taps_of(&p) * sizeof(int64_t) + band * sizeof(uint32_t);
}

/* The weights of one tap as the right factor (channels, columns) of a panel from `column` on. */
static struct thaw_matrix tap_weights(const struct thaw_conv *c, enum thaw_conv_pass kind, const float *weight,
				      int64_t tap, int64_t group, int64_t column)
{
	int64_t inputs = thaw_conv_group_inputs(c), outputs = thaw_conv_group_outputs(c);
	const float *at = weight + tap * inputs * c->co + group * outputs;
	return kind == THAW_CONV_DATA ? (struct thaw_matrix){at + column * c->co, c->co, true}
				      : (struct thaw_matrix){at + column, c->co, false};
}

/* Packs the weights of one phase; returns the end. */
static char *pack_phase(const struct thaw_conv *c, enum thaw_conv_pass kind, const struct pass *p, int64_t phase_y,
			int64_t phase_x, const float *weight, char *to)
{
	int64_t offset;
	for (int64_t g = 0; g < p->groups; g++)
		for (int64_t column = 0; column < p->outputs; column += THAW_BF16_COLUMNS) {
			int64_t columns = min_int64(p->outputs - column, THAW_BF16_COLUMNS);
			for (int64_t tap = 0; tap < taps_of(p); tap++) {
				if (!thaw_conv_axis_tap(&p->y, phase_y, tap / p->x.taps, &offset) ||
				    !thaw_conv_axis_tap(&p->x, phase_x, tap % p->x.taps, &offset))
					continue;
				thaw_bf16_pack(p->channels, columns, tap_weights(c, kind, weight, tap, g, column), to);
				to += thaw_bf16_packed_bytes(p->channels, columns);
			}
		}
	return to;
}

static void pack_weights(const struct thaw_conv *c, enum thaw_conv_pass kind, const float *weight, char *to)
{
	struct pass p = pass_of(c, kind);
	for (int64_t y = 0; y < p.y.step; y++)
		for (int64_t x = 0; x < p.x.step; x++)
			to = pack_phase(c, kind, &p, y, x, weight, to);
}

static void bf16_pack(const struct thaw_conv *c, const float *weight, void *packed)
{
	pack_weights(c, THAW_CONV_FORWARD, weight, packed);
}

/* Copies a pixel's channels of one group, which end with a zero if their number is odd. */
static void take_group(const struct pass *p, struct thaw_values x, int64_t at, uint32_t *to)
{
	if (!x.bf16) {
		thaw_bf16_best()->round(to, x.data + at, p->channels);
		return;
	}
	to[pairs_of(p->channels) - 1] = 0;
	memcpy(to, x.bf16 + at, (size_t)p->channels * sizeof(*x.bf16));
}

/* Copies `pixels` pixels, `skip` apart, from the values `at` on. */
static void take_pixels(const struct pass *p, struct thaw_values x, int64_t at, int64_t pixels, int64_t skip,
			uint32_t *to)
{
	int64_t all = p->groups * p->channels;
	if (skip == 1 && p->channels % 2 == 0 && x.bf16)
		memcpy(to, x.bf16 + at, (size_t)(pixels * all) * sizeof(*x.bf16));
	else if (skip == 1 && p->channels % 2 == 0)
		thaw_bf16_best()->round(to, x.data + at, pixels * all);
	else
		for (int64_t i = 0; i < pixels; i++, at += skip * all)
			for (int64_t g = 0; g < p->groups; g++, to += pairs_of(p->channels))
				take_group(p, x, at + g * p->channels, to);
}

/* Places [*begin, *end) of a row of the buffer are inside the image. */
static void places_inside(const struct pass *p, int64_t *begin, int64_t *end)
{
	const struct thaw_conv_axis *x = &p->x;
	*begin = min_int64(max_int64(0, (-x->low + x->skip - 1) / x->skip), p->width);
	*end = max_int64(min_int64((x->in - x->low + x->skip - 1) / x->skip, p->width), *begin);
}

/* Whether the buffer would be a copy of the image: values in bfloat16, in pairs, without padding or gaps. */
static bool is_image(const struct pass *p, struct thaw_values x)
{
	return x.bf16 && p->channels % 2 == 0 && p->y.span == 1 && p->x.span == 1 && p->y.stride * p->y.skip == 1 &&
	       p->x.stride * p->x.skip == 1 && p->y.low == 0 && p->x.low == 0 && p->x.in == p->width &&
	       p->y.in == thaw_conv_axis_results(&p->y, 0);
}

/* Copies the band's pixels of x to the buffer (image, row, column, group, pair of channels). */
static void copy_band(const struct pass *p, const struct thaw_conv_band *band, struct thaw_values x, uint32_t *to)
{
	int64_t begin, end, rows = thaw_conv_axis_pixels(&p->y, band->rows);
	places_inside(p, &begin, &end);
	for (int64_t image = band->image; image < band->image + band->images; image++)
		for (int64_t r = 0; r < rows; r++, to += p->width * p->pixel) {
			int64_t y = thaw_conv_axis_pixel(&p->y, band->first, r);
			bool inside = y >= 0 && y < p->y.in && begin < end;
			int64_t left = inside ? begin : p->width, right = inside ? end : p->width;
			memset(to, 0, (size_t)(left * p->pixel) * sizeof(*to));
			memset(to + right * p->pixel, 0, (size_t)((p->width - right) * p->pixel) * sizeof(*to));
			if (!inside)
				continue;
			int64_t pixel = (image * p->y.in + y) * p->x.in + thaw_conv_axis_pixel(&p->x, 0, left);
			take_pixels(p, x, pixel * p->groups * p->channels, right - left, p->x.skip,
				    to + left * p->pixel);
		}
}

/* The band's pixels in pairs: where they are, or copied to the buffer. */
static const uint32_t *load_band(const struct pass *p, const struct thaw_conv_band *band, struct thaw_values x,
				 uint32_t *buffer)
{
	if (is_image(p, x))
		return (const uint32_t *)(const void *)x.bf16 +
		       (band->image * p->y.in + band->first) * p->x.in * p->pixel;
	copy_band(p, band, x, buffer);
	return buffer;
}

/* The results of one phase in a band, in the order of memory. */
struct walk {
	const struct pass *p;
	const struct thaw_conv_band *band;
	int64_t phase_y, phase_x, rows, columns;
	int64_t image, row, column; /* the next result */
};

static struct walk walk_of(const struct pass *p, const struct thaw_conv_band *band, int64_t phase_y, int64_t phase_x)
{
	int64_t rows = thaw_conv_axis_results(&p->y, phase_y) - band->first;
	struct walk w = {.p = p,
			 .band = band,
			 .phase_y = phase_y,
			 .phase_x = phase_x,
			 .rows = min_int64(rows, band->rows),
			 .columns = thaw_conv_axis_results(&p->x, phase_x)};
	if (w.rows <= 0 || w.columns <= 0)
		w.image = band->images;
	return w;
}

/* Sets the rows of a tile to the next results; false if none are left. */
static bool next_tile(struct walk *w, struct thaw_bf16_tile *tile)
{
	const struct pass *p = w->p;
	int64_t height = thaw_conv_axis_pixels(&p->y, w->band->rows);
	for (tile->rows = 0; tile->rows < THAW_BF16_ROWS && w->image < w->band->images; tile->rows++) {
		int64_t y = (w->band->first + w->row) * p->y.step + w->phase_y;
		int64_t x = w->column * p->x.step + w->phase_x;
		int64_t place = (w->image * height + w->row * p->y.stride) * p->width + w->column * p->x.stride;
		int64_t result = ((w->band->image + w->image) * p->y.out + y) * p->x.out + x;
		tile->a_row[tile->rows] = place * p->pixel;
		tile->c_row[tile->rows] = result * p->groups * p->outputs;
		if (++w->column < w->columns)
			continue;
		w->column = 0;
		if (++w->row < w->rows)
			continue;
		w->row = 0;
		w->image++;
	}
	return tile->rows > 0;
}

/* The offsets of the phase's taps in the buffer; returns their number. */
static int64_t list_taps(const struct pass *p, int64_t phase_y, int64_t phase_x, int64_t *segment)
{
	int64_t count = 0, y, x;
	for (int64_t ky = 0; ky < p->y.taps; ky++)
		for (int64_t kx = 0; kx < p->x.taps; kx++)
			if (thaw_conv_axis_tap(&p->y, phase_y, ky, &y) && thaw_conv_axis_tap(&p->x, phase_x, kx, &x))
				segment[count++] = (y * p->width + x) * p->pixel;
	return count;
}

/* Computes one phase of a band; returns the end of its weights. */
static const uint32_t *convolve_phase(const struct walk *start, const uint32_t *buffer, const uint32_t *weight,
				      int64_t *segment, const struct thaw_conv_epilogue *epilogue,
				      const struct thaw_view *result)
{
	const struct pass *p = start->p;
	struct thaw_bf16_tile tile = {
		.segment = segment,
		.segments = list_taps(p, start->phase_y, start->phase_x, segment),
		.pairs = pairs_of(p->channels),
		.a_depth = 1,
		.activation = epilogue->activation,
	};
	for (int64_t g = 0; g < p->groups; g++)
		for (int64_t column = 0; column < p->outputs; column += THAW_BF16_COLUMNS) {
			int64_t columns = min_int64(p->outputs - column, THAW_BF16_COLUMNS);
			int64_t at = g * p->outputs + column;
			size_t panel = thaw_bf16_packed_bytes(p->channels, columns) / sizeof(*weight);
			struct walk walk = *start;
			tile.columns = (int)columns;
			tile.a = buffer + g * tile.pairs;
			tile.b = weight;
			tile.b_depth = (int64_t)panel / tile.pairs;
			tile.bias = epilogue->bias ? epilogue->bias + at : NULL;
			tile.residual = epilogue->residual ? epilogue->residual + at : NULL;
			tile.residual_bf16 = epilogue->residual_bf16 ? epilogue->residual_bf16 + at : NULL;
			tile.c = result->data ? result->data + at : NULL;
			tile.c_bf16 = result->bf16 ? result->bf16 + at : NULL;
			while (next_tile(&walk, &tile))
				thaw_bf16_best()->multiply(&tile);
			weight += tile.segments * (int64_t)panel;
		}
	return weight;
}

/* Writes the result of a pass over the image x; scratch is behind the packed weights. */
static void convolve(const struct pass *p, struct thaw_values x, const void *packed,
		     const struct thaw_conv_epilogue *epilogue, const struct thaw_view *result, void *scratch)
{
	struct thaw_conv_band band = {0};
	int64_t *segment = scratch;
	uint32_t *buffer = (uint32_t *)(segment + taps_of(p));
	while (thaw_conv_next_band(p->largest, p->images, thaw_conv_axis_results(&p->y, 0), &band)) {
		const uint32_t *weight = packed;
		const uint32_t *pixels = load_band(p, &band, x, buffer);
		for (int64_t phase_y = 0; phase_y < p->y.step; phase_y++)
			for (int64_t phase_x = 0; phase_x < p->x.step; phase_x++) {
				struct walk walk = walk_of(p, &band, phase_y, phase_x);
				weight = convolve_phase(&walk, pixels, weight, segment, epilogue, result);
			}
	}
}

static void bf16_forward(const struct thaw_conv *c, struct thaw_values x, const float *weight, const void *packed,
			 const struct thaw_conv_epilogue *epilogue, const struct thaw_view *y, void *scratch)
{
	struct pass p = pass_of(c, THAW_CONV_FORWARD);
	if (!packed)
		pack_weights(c, THAW_CONV_FORWARD, weight, scratch);
	convolve(&p, x, packed ? packed : scratch, epilogue, y, (char *)scratch + weight_bytes(&p));
}

static void bf16_backward_data(const struct thaw_conv *c, const float *dy, const float *weight, float *dx, bool add,
			       void *scratch)
{
	struct pass p = pass_of(c, THAW_CONV_DATA);
	struct thaw_conv_epilogue epilogue = {.residual = add ? dx : NULL};
	pack_weights(c, THAW_CONV_DATA, weight, scratch);
	convolve(&p, (struct thaw_values){.data = dy}, scratch, &epilogue, &(struct thaw_view){.data = dx},
		 (char *)scratch + weight_bytes(&p));
}

const struct thaw_conv_kernel thaw_conv_bf16 = {
	.name = "bf16",
	.dilates = true,
	.bf16 = true,
	.fits = bf16_fits,
	.scratch = bf16_scratch,
	.packed_bytes = bf16_packed_bytes,
	.pack = bf16_pack,
	.forward = bf16_forward,
	.data = bf16_backward_data,
	.weight = thaw_conv_bf16_weight,
};
