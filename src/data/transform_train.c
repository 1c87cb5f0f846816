/* The training transform: torchvision's RandomResizedCrop (or padding and a random crop, for images as small as
 * CIFAR's), horizontal flip, colour jitter, normalisation.
 *
 * All random numbers are drawn in a fixed order from the stream of this sample and view, whether they are used or not,
 * so disabling one augmentation does not change the others. */
#include "src/data/transform.h"

#include <math.h>

#include "src/base/minmax.h"
#include "src/base/try.h"

#define CROP_TRIES 10 /* as torchvision, before it falls back to a centre crop */

struct thaw_augment thaw_augment_default(void)
{
	return (struct thaw_augment){
		.scale = {0.08f, 1.0f},
		.ratio = {3.0f / 4.0f, 4.0f / 3.0f},
		.flip = 0.5f,
	};
}

/* The largest centre crop with an allowed aspect ratio; all ratios are multiplied by `input`, that of the input. */
static struct thaw_rectangle centre_crop(int width, int height, const float ratio[2], double input)
{
	double aspect = (double)width / height;
	double low = min_float(ratio[0], ratio[1]) * input;
	double high = max_float(ratio[0], ratio[1]) * input;
	struct thaw_rectangle r = {.width = width, .height = height};
	if (aspect < low)
		r.height = (int)rint(width / low);
	else if (aspect > high)
		r.width = (int)rint(height * high);
	r.left = (width - r.width) / 2;
	r.top = (height - r.height) / 2;
	return r;
}

/* A crop of random area and aspect ratio. The logarithm of the ratio is uniform around that of the input, so objects
 * are equally often too wide and too tall. */
static struct thaw_rectangle random_crop(int width, int height, const struct thaw_augment *a, struct thaw_size size,
					 struct thaw_random *random)
{
	double input = (double)size.width / size.height; /* 1 for a square */
	double area = (double)width * height;
	float low = logf(a->ratio[0]), high = logf(a->ratio[1]);
	for (int i = 0; i < CROP_TRIES; i++) {
		double target = area * (double)thaw_random_range(random, a->scale[0], a->scale[1]);
		double ratio = exp((double)thaw_random_range(random, low, high)) * input;
		double w = rint(sqrt(target * ratio)), h = rint(sqrt(target / ratio));
		if (!(w >= 1 && w <= width && h >= 1 && h <= height))
			continue;
		struct thaw_rectangle r = {.width = (int)w, .height = (int)h};
		r.top = (int)thaw_random_below(random, (uint32_t)(height - r.height + 1));
		r.left = (int)thaw_random_below(random, (uint32_t)(width - r.width + 1));
		return r;
	}
	return centre_crop(width, height, a->ratio, input);
}

/* Cropped before it is resized, as by torchvision: pixels outside the crop must not contribute. The decoder averages
 * when it shrinks, which is not what the nearest pixel is. */
static struct crop_geometry resized_crop(const struct thaw_encoded_image *encoded, const struct thaw_augment *a,
					 const struct thaw_preprocess *p, struct thaw_random *random)
{
	struct thaw_rectangle crop = random_crop(encoded->width, encoded->height, a, p->size, random);
	bool nearest = p->filter == THAW_NEAREST;
	return (struct crop_geometry){
		.crop = crop,
		.shrink = nearest ? 1 : thaw_encoded_image_max_shrink(encoded, &crop, p->size.width, p->size.height),
		.width = p->size.width,
		.height = p->size.height,
	};
}

/* A random crop of the resized image padded by `pad_crop` black pixels on each side. */
static struct crop_geometry padded_crop(const struct thaw_encoded_image *encoded, const struct thaw_augment *a,
					struct thaw_size size, struct thaw_random *random)
{
	struct crop_geometry g = {.crop = {0, 0, encoded->width, encoded->height}, .shrink = 1};
	int pad = a->pad_crop;
	thaw_cover(encoded->width, encoded->height, size, &g.width, &g.height);
	g.top = (int)thaw_random_below(random, (uint32_t)(g.height + 2 * pad - size.height + 1)) - pad;
	g.left = (int)thaw_random_below(random, (uint32_t)(g.width + 2 * pad - size.width + 1)) - pad;
	return g;
}

/* share * a + rest * b, clipped to 0 .. 255 and truncated. */
static inline uint8_t blend(uint8_t a, float b, float share, float rest)
{
	float v = share * (float)a + rest * b;
	return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* Luminance, truncated to an integer as by torchvision's rgb_to_grayscale. */
static inline uint8_t grey(const uint8_t *rgb)
{
	return (uint8_t)(0.2989f * (float)rgb[0] + 0.587f * (float)rgb[1] + 0.114f * (float)rgb[2]);
}

/* Blends all pixels with one grey level; factors above 1 move them away from it. */
static void blend_level(struct thaw_image *image, float level, double factor)
{
	float share = (float)factor, rest = (float)(1 - factor);
	size_t bytes = (size_t)image->width * (size_t)image->height * 3;
	for (size_t i = 0; i < bytes; i++)
		image->pixels[i] = blend(image->pixels[i], level, share, rest);
}

void thaw_jitter(struct thaw_image *image, double brightness, double contrast, double saturation)
{
	float share = (float)saturation, rest = (float)(1 - saturation);
	int64_t pixels = (int64_t)image->width * image->height;
	int64_t sum = 0;
	blend_level(image, 0, brightness);
	for (int64_t i = 0; i < pixels; i++)
		sum += grey(image->pixels + 3 * i);
	blend_level(image, (float)((double)sum / (double)pixels), contrast);
	for (int64_t i = 0; i < pixels; i++) {
		uint8_t *p = image->pixels + 3 * i;
		float level = grey(p);
		for (int c = 0; c < 3; c++)
			p[c] = blend(p[c], level, share, rest);
	}
}

/* A random factor in 1 - j .. 1 + j, never negative. */
static float jitter_factor(float j, struct thaw_random *random)
{
	float factor = thaw_random_range(random, 1 - j, 1 + j);
	return factor < 0 ? 0 : factor;
}

thaw_status thaw_transform_train(const struct thaw_encoded_image *encoded, const struct thaw_preprocess *p,
				 const struct thaw_augment *a, struct thaw_random random, float *out)
{
	struct thaw_image input;
	bool flip = thaw_random_unit(&random) < a->flip;
	float brightness = jitter_factor(a->jitter, &random);
	float contrast = jitter_factor(a->jitter, &random);
	float saturation = jitter_factor(a->jitter, &random);
	struct crop_geometry g =
		a->pad_crop > 0 ? padded_crop(encoded, a, p->size, &random) : resized_crop(encoded, a, p, &random);
	THAW_TRY(thaw_crop_resize(&input, encoded, &g, p));
	if (a->jitter > 0)
		thaw_jitter(&input, brightness, contrast, saturation);
	thaw_normalise(&input, flip, p, out);
	thaw_image_free(&input);
	return THAW_OK;
}
