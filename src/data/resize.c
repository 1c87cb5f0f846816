/* Resampling with antialiasing, bit for bit as Pillow does it on 8-bit images.
 *
 * Networks are sensitive to how their images were made small, and pretrained ones were fed by Pillow. Its method:
 * the filter is stretched by the factor of reduction, its weights are normalised in double precision and rounded
 * to 22 binary places, and two passes, columns then rows, each sum in 32-bit integers and round to 8 bits. Integer
 * sums are the same in any order.
 *
 * Both passes are one loop that blends rows of bytes above each other. For the first, STRIP rows of the source are
 * stood up: the pixels of one column, (STRIP,3) bytes, lie together, so that a column of the result is a blend of
 * such columns, in full vectors. */
#include "src/data/image.h"

#include <math.h>
#include <string.h>

#include "src/base/multiversion.h"
#include "thaw/tensor.h"

/* 32 bits, less 8 of the pixel, less a sign and one for bicubic's overshoot. */
#define PRECISION 22
#define HALF      (1 << (PRECISION - 1))

enum { LANES = 16, STRIP = 16, COLUMN = 3 * STRIP, BLOCKS = COLUMN / LANES };

typedef int32_t lane_sums __attribute__((vector_size(4 * LANES)));
typedef int16_t lane_halves __attribute__((vector_size(2 * LANES)));
typedef uint8_t lane_bytes __attribute__((vector_size(LANES)));

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

struct kernel {
	double (*value)(double);
	double support; /* zero from here on */
};

static const struct kernel kernels[] = {
	[THAW_BILINEAR] = {triangle, 1},
	[THAW_BICUBIC] = {cubic, 2},
};

static void axis_free(struct axis *a)
{
	thaw_free(a->first);
	thaw_free(a->used);
	thaw_free(a->weights);
}

/* Normalises and rounds half away from zero, as the method prescribes. */
static void round_weights(int32_t *to, const double *weights, int n, double sum)
{
	for (int i = 0; i < n; i++) {
		double w = sum != 0 ? weights[i] / sum : weights[i];
		to[i] = (int32_t)((w < 0 ? -0.5 : 0.5) + w * (1 << PRECISION));
	}
}

/* Positions start .. start + count of an axis of `size` that covers lo .. hi of `source` positions. The borders are
 * floats because Pillow's are. */
static thaw_status axis_make(struct axis *a, int source, float lo, float hi, int size, int start, int count,
			     const struct kernel *kernel)
{
	double scale = (double)(hi - lo) / size;
	double stretch = scale < 1 ? 1 : scale;
	double support = kernel->support * stretch;
	*a = (struct axis){.count = count, .taps = (int)ceil(support) * 2 + 1};
	a->first = thaw_alloc((size_t)count, sizeof(int));
	a->used = thaw_alloc((size_t)count, sizeof(int));
	a->weights = thaw_alloc((size_t)count * (size_t)a->taps, sizeof(int32_t));
	double *weights = thaw_alloc((size_t)a->taps, sizeof(double));
	if (!a->first || !a->used || !a->weights || !weights) {
		thaw_free(weights);
		axis_free(a);
		return THAW_RESOURCE;
	}
	for (int i = 0; i < count; i++) {
		double centre = lo + (start + i + 0.5) * scale;
		int first = (int)(centre - support + 0.5);
		int end = (int)(centre + support + 0.5);
		first = first < 0 ? 0 : first;
		end = end > source ? source : end;
		double sum = 0;
		for (int x = first; x < end; x++)
			sum += weights[x - first] = kernel->value((x - centre + 0.5) * (1 / stretch));
		a->first[i] = first;
		a->used[i] = end - first;
		round_weights(a->weights + (size_t)i * (size_t)a->taps, weights, end - first, sum);
	}
	thaw_free(weights);
	return THAW_OK;
}

thaw_status thaw_resampler_make(struct resampler *s, const struct resampling *r)
{
	const struct kernel *kernel = &kernels[r->filter];
	*s = (struct resampler){0};
	THAW_TRY(axis_make(&s->across, r->source_width, (float)r->box[0], (float)(r->box[0] + r->box[2]), r->width,
			   r->kept.left, r->kept.width, kernel));
	thaw_status status = axis_make(&s->down, r->source_height, (float)r->box[1], (float)(r->box[1] + r->box[3]),
				       r->height, r->kept.top, r->kept.height, kernel);
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
	return a->first[a->count - 1] + a->used[a->count - 1];
}

struct thaw_rectangle thaw_resampler_reads(const struct resampler *s)
{
	int left = s->across.first[0], top = s->down.first[0];
	return (struct thaw_rectangle){left, top, axis_end(&s->across) - left, axis_end(&s->down) - top};
}

/* A loop into an array: gcc 12 makes one instruction of it, and sixteen of a vector conversion. */
THAW_INLINE void load_wide(lane_sums *sums, const uint8_t *from)
{
	int32_t wide[LANES];
	for (int l = 0; l < LANES; l++)
		wide[l] = from[l];
	memcpy(sums, wide, sizeof(*sums));
}

/* Clips to a byte. Two conversions, each by half: gcc 12 has no vectors for one by a quarter. */
THAW_INLINE void store_narrow(uint8_t *to, const lane_sums *wide)
{
	lane_sums sum = *wide >> PRECISION;
	sum &= ~(sum >> 31);      /* a sign bit, shifted, is all ones */
	sum |= (255 - sum) >> 31; /* the low byte counts */
	lane_halves half = __builtin_convertvector(sum, lane_halves);
	lane_bytes bytes = __builtin_convertvector(half, lane_bytes);
	memcpy(to, &bytes, sizeof(bytes));
}

/* to[COLUMN] from `taps` rows above each other. */
THAW_INLINE void blend(uint8_t *to, const uint8_t *from, size_t stride, const int32_t *weights, int taps)
{
	lane_sums sum[BLOCKS];
	for (int b = 0; b < BLOCKS; b++)
		sum[b] = (lane_sums){0} + HALF;
	for (int t = 0; t < taps; t++, from += stride)
		for (int b = 0; b < BLOCKS; b++) {
			lane_sums pixels;
			load_wide(&pixels, from + b * LANES);
			sum[b] += pixels * weights[t];
		}
	for (int b = 0; b < BLOCKS; b++)
		store_narrow(to + b * LANES, &sum[b]);
}

/* One row of `bytes` bytes, a multiple of COLUMN. */
THAW_MULTIVERSION static void blend_row(uint8_t *to, const uint8_t *from, size_t stride, size_t bytes,
					const int32_t *weights, int taps)
{
	for (size_t x = 0; x < bytes; x += COLUMN)
		blend(to + x, from + x, stride, weights, taps);
}

/* Columns (source,STRIP,3) -> (count,STRIP,3). Column 0 of `from` is column `left` of the source. */
THAW_MULTIVERSION static void blend_columns(uint8_t *to, const uint8_t *from, int left, const struct axis *a)
{
	for (int i = 0; i < a->count; i++, to += COLUMN)
		blend(to, from + (size_t)(a->first[i] - left) * COLUMN, COLUMN,
		      a->weights + (size_t)i * (size_t)a->taps, a->used[i]);
}

/* Rows (STRIP,width,3) -> columns (width,STRIP,3); rows from `rows` on repeat the last. A pixel is copied as four
 * bytes where another one follows: each write mends what the one before it spilled. `to` has a byte to spare. */
static void stand_up(uint8_t *to, const uint8_t *from, size_t stride, int width, int rows)
{
	const uint8_t *row[STRIP];
	for (int r = 0; r < STRIP; r++)
		row[r] = from + (size_t)(r < rows ? r : rows - 1) * stride;
	for (size_t x = 0; x + 1 < (size_t)width; x++)
		for (int r = 0; r < STRIP; r++, to += 3)
			memcpy(to, row[r] + 3 * x, 4);
	for (int r = 0; r < STRIP; r++, to += 3)
		memcpy(to, row[r] + 3 * (size_t)(width - 1), 3);
}

/* The reverse, for the first `rows` rows, which have a byte to spare each. */
static void lay_down(uint8_t *to, size_t stride, const uint8_t *from, int width, int rows)
{
	for (size_t x = 0; x < (size_t)width; x++, from += COLUMN)
		for (int r = 0; r < rows; r++)
			memcpy(to + (size_t)r * stride + 3 * x, from + 3 * r, 4);
}

/* Bytes of a row that blend_row can work on and lay_down spill into. */
static size_t padded_row(int width)
{
	return ((size_t)width * 3 / COLUMN + 1) * COLUMN;
}

/* All rows of `from` resampled along x, into `to` with rows of padded_row() bytes. */
static thaw_status horizontal_pass(uint8_t *to, const struct image_view *from, const struct axis *a)
{
	size_t stride = padded_row(a->count);
	uint8_t *before = thaw_alloc((size_t)from->width + 1, COLUMN),
		*after = thaw_alloc((size_t)a->count + 1, COLUMN);
	thaw_status status = !before || !after ? THAW_RESOURCE : THAW_OK;
	for (int y = 0; status == THAW_OK && y < from->height; y += STRIP) {
		int rows = from->height - y < STRIP ? from->height - y : STRIP;
		stand_up(before, from->pixels + (size_t)y * from->stride, from->stride, from->width, rows);
		blend_columns(after, before, a->first[0], a);
		lay_down(to + (size_t)y * stride, stride, after, a->count, rows);
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
			  a->weights + (size_t)y * (size_t)a->taps, a->used[y]);
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
	/* Written so that NaN fails too. */
	if (!(box[0] >= 0 && box[1] >= 0 && box[2] > 0 && box[3] > 0 && box[0] + box[2] <= from->width &&
	      box[1] + box[3] <= from->height))
		return thaw_fail(THAW_SOFTWARE, "resize: the box leaves the image of %d x %d", from->width,
				 from->height);
	struct thaw_image made;
	struct resampler resampler;
	THAW_TRY(thaw_image_allocate(&made, width, height, "resized image"));
	struct resampling r = {
		.source_width = from->width,
		.source_height = from->height,
		.box = {box[0], box[1], box[2], box[3]},
		.width = width,
		.height = height,
		.kept = {0, 0, width, height},
		.filter = filter,
	};
	thaw_status status = thaw_resampler_make(&resampler, &r);
	if (status == THAW_OK) {
		struct image_view whole = thaw_image_view(from);
		struct image_view view = thaw_view_part(&whole, thaw_resampler_reads(&resampler));
		status = thaw_resampler_run(&resampler, made.pixels, (size_t)width * 3, &view);
		thaw_resampler_free(&resampler);
	}
	if (status == THAW_OK)
		*to = made;
	else
		thaw_image_free(&made);
	return status;
}
