/* Resampling with antialiasing, with the same bits as Pillow on 8-bit images.
 *
 * Networks are sensitive to how images were downsampled, and most pretrained networks were trained on images resized by
 * Pillow. Its method, before version 13: the filter is stretched by the downsampling factor, its weights are normalised
 * in double precision and rounded to 22 fractional bits, and two passes, horizontal then vertical, each sum in 32-bit
 * integers and round to 8 bits. Integer sums do not depend on the order. Later versions begin with the vertical pass
 * where that is cheaper, and differ by a level here and there.
 *
 * Both passes use the same loop, a weighted sum of rows of bytes. For the horizontal pass, strips of STRIP rows are
 * transposed so that the pixels of one column, (STRIP,3) bytes, are contiguous; a column of the result is then a
 * weighted sum of source columns, in full vectors. */
#include "src/data/image.h"

#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/multiversion.h"
#include "src/base/try.h"
#include "thaw/memory.h"

/* Fractional bits of a weight: 32, less 8 of the pixel, a sign bit, and one for the overshoot of bicubic. */
#define PRECISION 22
#define HALF      (1 << (PRECISION - 1))

enum {
	VECTOR_WIDTH = 16,  /* elements */
	STRIP = 16,         /* rows */
	COLUMN = 3 * STRIP, /* bytes */
	VECTORS = COLUMN / VECTOR_WIDTH
};

typedef int32_t vector_i32 __attribute__((vector_size(4 * VECTOR_WIDTH)));
typedef int16_t vector_i16 __attribute__((vector_size(2 * VECTOR_WIDTH)));
typedef uint8_t vector_u8 __attribute__((vector_size(VECTOR_WIDTH)));

static double triangle(double x)
{
	x = fabs(x);
	return x < 1 ? 1 - x : 0;
}

/* Keys' cubic convolution with a = -1/2. */
static double cubic(double x)
{
	const double a = -0.5;
	x = fabs(x);
	if (x < 1)
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	if (x < 2)
		return (((x - 5) * x + 8) * x - 4) * a;
	return 0;
}

static double box(double x)
{
	return x > -0.5 && x <= 0.5 ? 1 : 0;
}

static double sinc(double x)
{
	return x == 0 ? 1 : sin(x * M_PI) / (x * M_PI);
}

static double hamming(double x)
{
	return fabs(x) < 1 ? sinc(x) * (0.54 + 0.46 * cos(x * M_PI)) : 0;
}

static double lanczos(double x)
{
	return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

struct kernel {
	const char *name;
	double (*value)(double); /* NULL: the nearest pixel */
	double support;          /* value(x) is 0 for |x| >= support */
};

static const struct kernel kernels[] = {
	[THAW_BILINEAR] = {"bilinear", triangle, 1}, [THAW_BICUBIC] = {"bicubic", cubic, 2},
	[THAW_NEAREST] = {"nearest", NULL, 0},       [THAW_BOX] = {"box", box, 0.5},
	[THAW_HAMMING] = {"hamming", hamming, 1},    [THAW_LANCZOS] = {"lanczos", lanczos, 3},
};

const char *thaw_filter_name(enum thaw_filter filter)
{
	return kernels[filter].name;
}

bool thaw_filter_find(const char *name, enum thaw_filter *filter)
{
	for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
		if (strcmp(kernels[i].name, name) == 0) {
			*filter = (enum thaw_filter)i;
			return true;
		}
	}
	return false;
}

static void axis_free(struct axis *a)
{
	thaw_free(a->first);
	thaw_free(a->tap_count);
	thaw_free(a->weights);
}

/* Normalises and rounds half away from zero, as Pillow does. */
static void round_weights(int32_t *to, const double *weights, int n, double sum)
{
	for (int i = 0; i < n; i++) {
		double w = sum != 0 ? weights[i] / sum : weights[i];
		to[i] = (int32_t)((w < 0 ? -0.5 : 0.5) + w * (1 << PRECISION));
	}
}

/* One tap per output position. Pillow adds up the step, so rounding errors add up as well. */
static void nearest_taps(struct axis *a, int source, double lo, double step, int start)
{
	double at = lo + step * 0.5;
	for (int i = 0; i < start; i++)
		at += step;
	for (int i = 0; i < a->count; i++, at += step) {
		a->first[i] = min_int((int)at, source - 1);
		a->tap_count[i] = 1;
		a->weights[(size_t)i * (size_t)a->max_taps] = 1 << PRECISION;
	}
}

/* The filter for output positions start .. start + count - 1 of an axis of `size` positions that covers lo .. hi of
 * `source` positions. lo and hi are floats because Pillow's are. */
static thaw_status axis_init(struct axis *a, int source, float lo, float hi, int size, int start, int count,
			     const struct kernel *kernel)
{
	double scale = (double)(hi - lo) / size;
	double stretch = max_double(scale, 1);
	double support = kernel->support * stretch;
	*a = (struct axis){.count = count, .max_taps = (int)ceil(support) * 2 + 1};
	a->first = thaw_alloc((size_t)count, sizeof(int));
	a->tap_count = thaw_alloc((size_t)count, sizeof(int));
	a->weights = thaw_alloc((size_t)count * (size_t)a->max_taps, sizeof(int32_t));
	double *weights = thaw_alloc((size_t)a->max_taps, sizeof(double));
	if (!a->first || !a->tap_count || !a->weights || !weights) {
		thaw_free(weights);
		axis_free(a);
		return THAW_RESOURCE;
	}
	if (!kernel->value)
		nearest_taps(a, source, lo, scale, start);
	for (int i = 0; kernel->value && i < count; i++) {
		double centre = lo + (start + i + 0.5) * scale;
		int first = max_int((int)(centre - support + 0.5), 0);
		int end = min_int((int)(centre + support + 0.5), source);
		double sum = 0;
		for (int x = first; x < end; x++)
			sum += weights[x - first] = kernel->value((x - centre + 0.5) * (1 / stretch));
		a->first[i] = first;
		a->tap_count[i] = end - first;
		round_weights(a->weights + (size_t)i * (size_t)a->max_taps, weights, end - first, sum);
	}
	thaw_free(weights);
	return THAW_OK;
}

thaw_status thaw_resampler_init(struct resampler *s, const struct resampling *r)
{
	const struct kernel *kernel = &kernels[r->filter];
	*s = (struct resampler){0};
	THAW_TRY(axis_init(&s->across, r->source_width, (float)r->box[0], (float)(r->box[0] + r->box[2]), r->width,
			   r->output.left, r->output.width, kernel));
	thaw_status status = axis_init(&s->down, r->source_height, (float)r->box[1], (float)(r->box[1] + r->box[3]),
				       r->height, r->output.top, r->output.height, kernel);
	if (status != THAW_OK)
		axis_free(&s->across);
	return status;
}

void thaw_resampler_free(struct resampler *s)
{
	axis_free(&s->across);
	axis_free(&s->down);
}

static int axis_end(const struct axis *a)
{
	return a->first[a->count - 1] + a->tap_count[a->count - 1];
}

struct thaw_rectangle thaw_resampler_region(const struct resampler *s)
{
	int left = s->across.first[0], top = s->down.first[0];
	return (struct thaw_rectangle){left, top, axis_end(&s->across) - left, axis_end(&s->down) - top};
}

/* Widens bytes to 32 bits. gcc 12 compiles this loop to one instruction, but __builtin_convertvector to sixteen. */
THAW_INLINE void load_wide(vector_i32 *to, const uint8_t *from)
{
	int32_t wide[VECTOR_WIDTH];
	for (int i = 0; i < VECTOR_WIDTH; i++)
		wide[i] = from[i];
	memcpy(to, wide, sizeof(*to));
}

/* Rounds sums to bytes, clipped to 0 .. 255. Narrows in two steps, since gcc 12 does not vectorise a conversion from 32
 * to 8 bits. */
THAW_INLINE void store_narrow(uint8_t *to, const vector_i32 *wide)
{
	vector_i32 sum = *wide >> PRECISION;
	sum &= ~(sum >> 31);      /* negative: 0 */
	sum |= (255 - sum) >> 31; /* above 255: all ones, of which the low byte is kept */
	vector_i16 half = __builtin_convertvector(sum, vector_i16);
	vector_u8 bytes = __builtin_convertvector(half, vector_u8);
	memcpy(to, &bytes, sizeof(bytes));
}

/* to[COLUMN] = the weighted sum of `taps` rows. */
THAW_INLINE void blend(uint8_t *to, const uint8_t *from, size_t stride, const int32_t *weights, int taps)
{
	vector_i32 sum[VECTORS];
	for (int v = 0; v < VECTORS; v++)
		sum[v] = (vector_i32){0} + HALF;
	for (int t = 0; t < taps; t++, from += stride)
		for (int v = 0; v < VECTORS; v++) {
			vector_i32 pixels;
			load_wide(&pixels, from + v * VECTOR_WIDTH);
			sum[v] += pixels * weights[t];
		}
	for (int v = 0; v < VECTORS; v++)
		store_narrow(to + v * VECTOR_WIDTH, &sum[v]);
}

/* The same for a row of `bytes` bytes, a multiple of COLUMN. */
THAW_MULTIVERSION static void blend_row(uint8_t *to, const uint8_t *from, size_t stride, size_t bytes,
					const int32_t *weights, int taps)
{
	for (size_t x = 0; x < bytes; x += COLUMN)
		blend(to + x, from + x, stride, weights, taps);
}

/* Resamples columns (source,STRIP,3) -> (count,STRIP,3). Column 0 of `from` is column `left` of the source. */
THAW_MULTIVERSION static void blend_columns(uint8_t *to, const uint8_t *from, int left, const struct axis *a)
{
	for (int i = 0; i < a->count; i++, to += COLUMN)
		blend(to, from + (size_t)(a->first[i] - left) * COLUMN, COLUMN,
		      a->weights + (size_t)i * (size_t)a->max_taps, a->tap_count[i]);
}

/* Transposes rows (STRIP,width,3) to columns (width,STRIP,3); rows from `rows` on repeat the last one. Copies four
 * bytes per pixel where another pixel follows, which overwrites the extra byte; `to` has room for one byte more. */
static void rows_to_columns(uint8_t *to, const uint8_t *from, size_t stride, int width, int rows)
{
	const uint8_t *row[STRIP];
	for (int r = 0; r < STRIP; r++)
		row[r] = from + (size_t)min_int(r, rows - 1) * stride;
	for (size_t x = 0; x + 1 < (size_t)width; x++)
		for (int r = 0; r < STRIP; r++, to += 3)
			memcpy(to, row[r] + 3 * x, 4);
	for (int r = 0; r < STRIP; r++, to += 3)
		memcpy(to, row[r] + 3 * (size_t)(width - 1), 3);
}

/* The reverse, for the first `rows` rows, each of which has room for one byte more. */
static void columns_to_rows(uint8_t *to, size_t stride, const uint8_t *from, int width, int rows)
{
	for (size_t x = 0; x < (size_t)width; x++, from += COLUMN)
		for (int r = 0; r < rows; r++)
			memcpy(to + (size_t)r * stride + 3 * x, from + 3 * r, 4);
}

/* Bytes of a row of `width` pixels, rounded up to whole COLUMNs for blend_row, with room for the extra byte. */
static size_t padded_row(int width)
{
	return ((size_t)width * 3 / COLUMN + 1) * COLUMN;
}

/* Resamples all rows of `from` horizontally, into `to` with rows of padded_row(a->count) bytes. */
static thaw_status horizontal_pass(uint8_t *to, const struct image_view *from, const struct axis *a)
{
	size_t stride = padded_row(a->count);
	uint8_t *before = thaw_alloc((size_t)from->width + 1, COLUMN),
		*after = thaw_alloc((size_t)a->count + 1, COLUMN);
	thaw_status status = before && after ? THAW_OK : THAW_RESOURCE;
	for (int y = 0; status == THAW_OK && y < from->height; y += STRIP) {
		int rows = min_int(from->height - y, STRIP);
		rows_to_columns(before, from->pixels + (size_t)y * from->stride, from->stride, from->width, rows);
		blend_columns(after, before, a->first[0], a);
		columns_to_rows(to + (size_t)y * stride, stride, after, a->count, rows);
	}
	thaw_free(before);
	thaw_free(after);
	return status;
}

static thaw_status vertical_pass(uint8_t *to, size_t to_stride, const uint8_t *from, int width, const struct axis *a)
{
	size_t bytes = padded_row(width);
	uint8_t *row = thaw_alloc(bytes, 1);
	if (!row)
		return THAW_RESOURCE;
	for (int y = 0; y < a->count; y++, to += to_stride) {
		blend_row(row, from + (size_t)(a->first[y] - a->first[0]) * bytes, bytes, bytes,
			  a->weights + (size_t)y * (size_t)a->max_taps, a->tap_count[y]);
		memcpy(to, row, (size_t)width * 3);
	}
	thaw_free(row);
	return THAW_OK;
}

thaw_status thaw_resampler_run(const struct resampler *s, uint8_t *to, size_t to_stride, const struct image_view *from)
{
	int width = s->across.count;
	uint8_t *between = thaw_alloc((size_t)from->height, padded_row(width));
	if (!between)
		return THAW_RESOURCE;
	thaw_status status = horizontal_pass(between, from, &s->across);
	if (status == THAW_OK)
		status = vertical_pass(to, to_stride, between, width, &s->down);
	thaw_free(between);
	return status;
}

thaw_status thaw_image_resize(struct thaw_image *to, const struct thaw_image *from, const double box[4], int width,
			      int height, enum thaw_filter filter)
{
	/* Negated, so that NaN fails. */
	if (!(box[0] >= 0 && box[1] >= 0 && box[2] > 0 && box[3] > 0 && box[0] + box[2] <= from->width &&
	      box[1] + box[3] <= from->height))
		return thaw_fail(THAW_SOFTWARE, "resize box outside the image of %d x %d", from->width, from->height);
	struct thaw_image made;
	struct resampler resampler;
	THAW_TRY(thaw_image_allocate(&made, width, height, "resized image"));
	struct resampling r = {
		.source_width = from->width,
		.source_height = from->height,
		.box = {box[0], box[1], box[2], box[3]},
		.width = width,
		.height = height,
		.output = {0, 0, width, height},
		.filter = filter,
	};
	thaw_status status = thaw_resampler_init(&resampler, &r);
	if (status == THAW_OK) {
		struct image_view whole = thaw_image_view(from);
		struct image_view view = thaw_view_region(&whole, thaw_resampler_region(&resampler));
		status = thaw_resampler_run(&resampler, made.pixels, (size_t)width * 3, &view);
		thaw_resampler_free(&resampler);
	}
	if (status == THAW_OK)
		*to = made;
	else
		thaw_image_free(&made);
	return status;
}
