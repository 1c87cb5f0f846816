/* Memory and size limits of images. */
#include "src/base/try.h"
#include "src/data/image.h"
#include "thaw/memory.h"

#define THAW_MAX_IMAGE_SIDE 65535 /* the largest that a JPEG header can express */

void thaw_image_free(struct thaw_image *image)
{
	thaw_free(image->pixels);
	*image = (struct thaw_image){0};
}

thaw_status thaw_image_check_size(int64_t width, int64_t height, const char *name)
{
	if (width < 1 || height < 1)
		return thaw_fail(THAW_DATA, "image without pixels: %s: remove or replace it", name);
	if (width > THAW_MAX_IMAGE_SIDE || height > THAW_MAX_IMAGE_SIDE || width * height > THAW_MAX_IMAGE_PIXELS)
		return thaw_fail(THAW_DATA,
				 "image of %lld x %lld pixels is too large: %s: shrink it to at most %lld pixels",
				 (long long)width, (long long)height, name, THAW_MAX_IMAGE_PIXELS);
	return THAW_OK;
}

thaw_status thaw_image_allocate(struct thaw_image *image, int64_t width, int64_t height, const char *name)
{
	THAW_TRY(thaw_image_check_size(width, height, name));
	uint8_t *pixels = thaw_alloc((size_t)width * (size_t)height, 3);
	if (!pixels)
		return thaw_fail_in(THAW_RESOURCE, "%s", name);
	*image = (struct thaw_image){.width = (int)width, .height = (int)height, .pixels = pixels};
	return THAW_OK;
}

struct image_view thaw_image_view(const struct thaw_image *image)
{
	return (struct image_view){image->pixels, image->width, image->height, (size_t)image->width * 3};
}

struct image_view thaw_view_region(const struct image_view *view, struct thaw_rectangle region)
{
	const uint8_t *pixels = view->pixels + (size_t)region.top * view->stride + (size_t)region.left * 3;
	return (struct image_view){pixels, region.width, region.height, view->stride};
}

/* a * b / 255, rounded, as Pillow computes it. */
static unsigned multiply_255(unsigned a, unsigned b)
{
	unsigned t = a * b + 128;
	return ((t >> 8) + t) >> 8;
}

void thaw_rgb_of_cmyk(uint8_t rgb[3], const uint8_t cmyk[4])
{
	unsigned light = 255U - cmyk[3];
	for (int c = 0; c < 3; c++)
		rgb[c] = (uint8_t)(light - multiply_255(cmyk[c], light));
}
