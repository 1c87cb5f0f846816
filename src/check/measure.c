#include "src/check/facts.h"

#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/check/luminance.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

#define NAME_SIZE    4096
#define LEVELS       256
#define MEASURE_SIDE 256  /* pixels: larger images are measured at this size */
#define VISIBLE      2.5f /* mean difference of the channels of an image in colour, of 255 */

/* Decodes all of it, as damage may be anywhere. */
static thaw_status read_whole(const struct thaw_dataset *d, int64_t sample, struct thaw_encoded_image *encoded)
{
	THAW_TRY(d->read(d, sample, encoded));
	thaw_status status = thaw_encoded_image_decode(encoded);
	if (status != THAW_OK)
		thaw_encoded_image_free(encoded);
	return status;
}

/* Reads that failed are tried once more, as the loader does. */
static thaw_status read_twice(const struct thaw_dataset *d, int64_t sample, struct thaw_encoded_image *encoded)
{
	thaw_status status = read_whole(d, sample, encoded);
	return status == THAW_IO ? read_whole(d, sample, encoded) : status;
}

static float mean_colour(const struct thaw_image *image)
{
	int64_t pixels = (int64_t)image->width * image->height, sum = 0;
	for (const uint8_t *p = image->pixels, *end = p + 3 * pixels; p < end; p += 3) {
		int most = max_int(max_int(p[0], p[1]), p[2]), least = min_int(min_int(p[0], p[1]), p[2]);
		sum += most - least;
	}
	return (float)((double)sum / (double)pixels);
}

/* Level below which the share of the pixels lies, 0 .. 1. */
static float percentile(const int64_t histogram[LEVELS], int64_t pixels, double share)
{
	int64_t below = 0;
	int level = 0;
	for (; level < LEVELS - 1 && (double)(below += histogram[level]) < share * (double)pixels; level++)
		;
	return (float)level / (LEVELS - 1);
}

static void measure_levels(struct thaw_image_facts *f, const struct thaw_luminance *l)
{
	int64_t histogram[LEVELS] = {0}, pixels = (int64_t)l->width * l->height;
	double sum = 0.0, square = 0.0, entropy = 0.0;
	for (int64_t i = 0; i < pixels; i++) {
		double y = (double)l->value[i];
		histogram[min_int((int)(y + 0.5), LEVELS - 1)]++;
		sum += y;
		square += y * y;
	}
	for (int k = 0; k < LEVELS; k++) {
		double p = (double)histogram[k] / (double)pixels;
		entropy -= p > 0 ? p * log2(p) : 0;
	}
	double mean = sum / (double)pixels;
	f->contrast = (float)(sqrt(fmax(square / (double)pixels - mean * mean, 0.0)) / (LEVELS - 1));
	f->information = (float)entropy;
	f->dark = percentile(histogram, pixels, 0.99);
	f->light = percentile(histogram, pixels, 0.05);
}

static void measure_sharpness(struct thaw_image_facts *f, const struct thaw_luminance *l)
{
	double sum = 0.0;
	const int w = l->width, h = l->height;
	if (w < 3 || h < 3 || !(f->contrast > 0))
		return;
	for (int y = 1; y < h - 1; y++)
		for (int x = 1; x < w - 1; x++) {
			const float *p = l->value + (size_t)y * (size_t)w + x;
			sum += (double)fabsf(4 * p[0] - p[-1] - p[1] - p[-w] - p[w]);
		}
	f->sharpness = (float)(sum / ((double)(w - 2) * (h - 2)) / (LEVELS - 1) / (double)f->contrast);
}

static thaw_status measure_pixels(struct thaw_image_facts *f, const struct thaw_image *image)
{
	struct thaw_luminance l;
	uint64_t size = (uint64_t)image->width << 32 | (uint64_t)image->height;
	f->width = image->width;
	f->height = image->height;
	f->pixels = thaw_digest(image->pixels, (size_t)image->width * (size_t)image->height * 3, size);
	f->grey = mean_colour(image) < VISIBLE;
	THAW_TRY(thaw_luminance_make(&l, image, MEASURE_SIDE));
	measure_levels(f, &l);
	measure_sharpness(f, &l);
	thaw_perceptual_hashes(&l, f->hash);
	thaw_luminance_free(&l);
	return THAW_OK;
}

static enum thaw_reading reading_of(thaw_status status)
{
	if (status == THAW_IO)
		return THAW_READ_FAILED;
	switch (thaw_image_fault(thaw_error_message())) {
	case THAW_FAULT_EMPTY:
		return THAW_READ_EMPTY;
	case THAW_FAULT_FOREIGN:
		return THAW_READ_FOREIGN;
	default:
		return THAW_READ_DAMAGED;
	}
}

thaw_status thaw_measure_image(const struct thaw_dataset *dataset, int64_t sample, void *facts)
{
	struct thaw_image_facts *f = facts;
	struct thaw_encoded_image encoded;
	char name[NAME_SIZE];
	thaw_status status = read_twice(dataset, sample, &encoded);
	if (status == THAW_DATA || status == THAW_IO) {
		f->reading = (uint8_t)reading_of(status);
		return THAW_OK;
	}
	THAW_TRY(status);
	dataset->name(dataset, sample, name, sizeof(name));
	struct thaw_image_kind kind = thaw_encoded_image_kind(&encoded, name);
	f->misnamed = kind.misnamed;
	f->cmyk = kind.cmyk;
	f->turned = kind.turned;
	f->bytes = encoded.fingerprint.content;
	status = measure_pixels(f, &encoded.image);
	thaw_encoded_image_free(&encoded);
	return status;
}

char *thaw_reading_message(const struct thaw_dataset *dataset, int64_t sample)
{
	struct thaw_encoded_image encoded;
	if (read_twice(dataset, sample, &encoded) != THAW_OK)
		return thaw_strdup(thaw_error_message());
	thaw_encoded_image_free(&encoded);
	return thaw_strdup("another rank could not read it");
}
