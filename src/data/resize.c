/* Resampling with antialiasing, bit for bit as Pillow does it on 8-bit images.
 *
 * Networks are sensitive to how their images were made small, and pretrained ones were fed by Pillow. Its method:
 * the filter is stretched by the factor of reduction, its weights are normalised in double precision and rounded
 * to 22 binary places, and two passes, columns then rows, each sum in 32-bit integers and round to 8 bits. Integer
 * sums are the same in any order, so the loops are free to run four or sixteen lanes at a time. */
#include "src/data/image.h"

#include <math.h>
#include <string.h>

#include "src/base/multiversion.h"
#include "thaw/tensor.h"

/* 32 bits, less 8 of the pixel, less a sign and one for bicubic's overshoot. */
#define PRECISION 22
#define HALF      (1 << (PRECISION - 1))

typedef int32_t pixel_sum __attribute__((vector_size(16))); /* red, green, blue, unused */
typedef uint8_t pixel_bytes __attribute__((vector_size(4)));

#define LANES 16
typedef int32_t lane_sums __attribute__((vector_size(4 * LANES)));
typedef uint8_t lane_bytes __attribute__((vector_size(LANES)));

/* How the `count` wanted positions along one axis come from the positions of the source. */
struct axis {
	int count;
	int taps;         /* room for weights of each position */
	int *first;       /* [count] first source position */
	int *used;        /* [count] how many source positions, <= taps */
	int32_t *weights; /* [count][taps] fixed point */
};

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
	if (a->first == NULL || a->used == NULL || a->weights == NULL || weights == NULL) {
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

static inline uint8_t to_byte(int32_t sum)
{
	int32_t v = sum >> PRECISION;
	return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* One row (source,3) -> (count,3). A pixel is loaded as four bytes, so the row must have one to spare. */
THAW_MULTIVERSION static void resample_row(uint8_t *to, const uint8_t *from, const struct axis *a)
{
	const int32_t *weights = a->weights;
	for (int i = 0; i < a->count; i++, weights += a->taps, to += 3) {
		const uint8_t *p = from + (size_t)a->first[i] * 3;
		pixel_sum sum = {HALF, HALF, HALF, 0};
		for (int t = 0; t < a->used[i]; t++, p += 3) {
			pixel_bytes pixel;
			memcpy(&pixel, p, sizeof pixel);
			sum += __builtin_convertvector(pixel, pixel_sum) * weights[t];
		}
		for (int c = 0; c < 3; c++)
			to[c] = to_byte(sum[c]);
	}
}

/* One row of `bytes` bytes from `taps` rows above each other. */
THAW_MULTIVERSION static void blend_rows(uint8_t *to, const uint8_t *from, size_t stride, size_t bytes,
				   const int32_t *weights, int taps)
{
	size_t x = 0;
	for (; x + LANES <= bytes; x += LANES) {
		lane_sums sum = (lane_sums){0} + HALF;
		for (int t = 0; t < taps; t++) {
			lane_bytes b;
			memcpy(&b, from + (size_t)t * stride + x, sizeof b);
			sum += __builtin_convertvector(b, lane_sums) * weights[t];
		}
		sum >>= PRECISION;
		sum &= sum > 0; /* comparisons give all ones or zeros, lane by lane */
		sum = (sum & (sum < 255)) | ((sum >= 255) & 255);
		lane_bytes b = __builtin_convertvector(sum, lane_bytes);
		memcpy(to + x, &b, sizeof b);
	}
	for (; x < bytes; x++) {
		int32_t sum = HALF;
		for (int t = 0; t < taps; t++)
			sum += from[(size_t)t * stride + x] * weights[t];
		to[x] = to_byte(sum);
	}
}

/* Rows first .. first + rows of the source, each resampled along x, into to (rows, count, 3). */
static thaw_status horizontal_pass(uint8_t *to, const struct image_view *from, int first, int rows,
				   const struct axis *a)
{
	size_t width = (size_t)from->width * 3;
	uint8_t *spare = thaw_alloc(width + 1, 1);
	if (spare == NULL)
		return THAW_RESOURCE;
	for (int y = first; y < first + rows; y++, to += (size_t)a->count * 3) {
		const uint8_t *row = from->pixels + (size_t)y * from->stride;
		if (y == from->height - 1) /* behind the last row there may be nothing to load */
			row = memcpy(spare, row, width);
		resample_row(to, row, a);
	}
	thaw_free(spare);
	return THAW_OK;
}

static void vertical_pass(uint8_t *to, const uint8_t *from, size_t stride, int first, size_t bytes,
			  const struct axis *a)
{
	for (int y = 0; y < a->count; y++, to += bytes)
		blend_rows(to, from + (size_t)(a->first[y] - first) * stride, stride, bytes,
			   a->weights + (size_t)y * (size_t)a->taps, a->used[y]);
}

/* Both passes. Columns are resampled only for the rows that the second pass will read. */
static thaw_status two_passes(struct thaw_image *to, const struct image_view *from, const struct axis *across,
			      const struct axis *down)
{
	int first = down->first[0];
	int rows = down->first[down->count - 1] + down->used[down->count - 1] - first;
	size_t bytes = (size_t)across->count * 3;
	uint8_t *between = thaw_alloc((size_t)rows, bytes);
	if (between == NULL)
		return THAW_RESOURCE;
	thaw_status status = horizontal_pass(between, from, first, rows, across);
	if (status == THAW_OK)
		vertical_pass(to->pixels, between, bytes, first, bytes, down);
	thaw_free(between);
	return status;
}

thaw_status thaw_resample(struct thaw_image *to, const struct resampling *r)
{
	const struct image_view *from = &r->from;
	const struct kernel *kernel = &kernels[r->filter];
	float x0 = (float)r->box[0], x1 = (float)(r->box[0] + r->box[2]);
	float y0 = (float)r->box[1], y1 = (float)(r->box[1] + r->box[3]);
	bool across_same = r->width == from->width && x0 == 0 && x1 == (float)from->width;
	bool down_same = r->height == from->height && y0 == 0 && y1 == (float)from->height;
	size_t bytes = (size_t)to->width * 3;
	const uint8_t *left = from->pixels + (size_t)r->left * 3; /* where the rectangle starts if columns stay */
	struct axis across = {0}, down = {0};
	thaw_status status = THAW_OK;

	if (!across_same)
		THAW_TRY_OUT(axis_make(&across, from->width, x0, x1, r->width, r->left, to->width, kernel));
	if (!down_same)
		THAW_TRY_OUT(axis_make(&down, from->height, y0, y1, r->height, r->top, to->height, kernel));
	if (!across_same && !down_same)
		THAW_TRY_OUT(two_passes(to, from, &across, &down));
	else if (!across_same)
		THAW_TRY_OUT(horizontal_pass(to->pixels, from, r->top, to->height, &across));
	else if (!down_same)
		vertical_pass(to->pixels, left, from->stride, 0, bytes, &down);
	else
		for (int y = 0; y < to->height; y++)
			memcpy(to->pixels + (size_t)y * bytes, left + (size_t)(r->top + y) * from->stride, bytes);
out:
	axis_free(&across);
	axis_free(&down);
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
	THAW_TRY(thaw_image_allocate(&made, width, height, "resized image"));
	struct resampling r = {
		.from = thaw_image_view(from),
		.box = {box[0], box[1], box[2], box[3]},
		.width = width,
		.height = height,
		.filter = filter,
	};
	thaw_status status = thaw_resample(&made, &r);
	if (status == THAW_OK)
		*to = made;
	else
		thaw_image_free(&made);
	return status;
}
