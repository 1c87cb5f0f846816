/* Crops and resizes an encoded image; decodes only the region that the resampler reads. */
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/data/transform.h"
#include "thaw/memory.h"

/* The intersection of the output with the resized image, in pixels of the latter. */
static struct thaw_rectangle visible_part(const struct crop_geometry *g, struct thaw_size size)
{
	int left = max_int(g->left, 0), top = max_int(g->top, 0);
	return (struct thaw_rectangle){left, top, min_int(g->left + size.width, g->width) - left,
				       min_int(g->top + size.height, g->height) - top};
}

/* The crop in whole pixels of the shrunk image; its exact borders relative to these pixels go to box[4]. With EXIF
 * orientations that flip an axis, shrinking may shift the image by a fraction of a pixel, which does not matter in a
 * random crop. */
static struct thaw_rectangle shrink_crop(const struct thaw_encoded_image *encoded, const struct crop_geometry *g,
					 double box[4])
{
	int s = g->shrink, width, height;
	const struct thaw_rectangle *c = &g->crop;
	thaw_encoded_image_shrunk_size(encoded, s, &width, &height);
	struct thaw_rectangle source = {.left = c->left / s, .top = c->top / s};
	source.width = min_int((c->left + c->width + s - 1) / s, width) - source.left;
	source.height = min_int((c->top + c->height + s - 1) / s, height) - source.top;
	box[0] = (double)c->left / s - source.left;
	box[1] = (double)c->top / s - source.top;
	box[2] = (double)c->width / s;
	box[3] = (double)c->height / s;
	return source;
}

/* Decodes the region that the resampler reads and runs it. `source` is the position of the resampler's source in the
 * shrunk image. */
static thaw_status decode_and_resample(uint8_t *to, size_t to_stride, const struct thaw_encoded_image *encoded,
				       int shrink, const struct thaw_rectangle *source,
				       const struct resampler *resampler)
{
	struct thaw_rectangle region = thaw_resampler_region(resampler);
	struct thaw_image decoded;
	struct image_view view;
	region.left += source->left;
	region.top += source->top;
	THAW_TRY(thaw_encoded_image_decode_region(encoded, &region, shrink, &view, &decoded));
	thaw_status status = thaw_resampler_run(resampler, to, to_stride, &view);
	thaw_image_free(&decoded);
	return status;
}

/* Fills the whole output unless it is black, as allocated. */
static void fill_output(struct thaw_image *output, const uint8_t fill[3])
{
	size_t bytes = (size_t)output->width * (size_t)output->height * 3;
	if (fill[0] || fill[1] || fill[2])
		for (size_t i = 0; i < bytes; i++)
			output->pixels[i] = fill[i % 3];
}

thaw_status thaw_crop_resize(struct thaw_image *output, const struct thaw_encoded_image *encoded,
			     const struct crop_geometry *g, const struct thaw_preprocess *p)
{
	struct resampling r = {
		.width = g->width, .height = g->height, .output = visible_part(g, p->size), .filter = p->filter};
	struct thaw_rectangle source = shrink_crop(encoded, g, r.box);
	struct resampler resampler;
	size_t stride = (size_t)p->size.width * 3;
	*output = (struct thaw_image){p->size.width, p->size.height, thaw_alloc((size_t)p->size.height, stride)};
	if (!output->pixels)
		return THAW_RESOURCE;
	if (r.output.width < p->size.width || r.output.height < p->size.height)
		fill_output(output, g->fill);
	if (r.output.width <= 0 || r.output.height <= 0)
		return THAW_OK;
	r.source_width = source.width;
	r.source_height = source.height;
	thaw_status status = thaw_resampler_init(&resampler, &r);
	if (status == THAW_OK) {
		uint8_t *to = output->pixels + (size_t)(r.output.top - g->top) * stride +
			      (size_t)(r.output.left - g->left) * 3;
		status = decode_and_resample(to, stride, encoded, g->shrink, &source, &resampler);
		thaw_resampler_free(&resampler);
	}
	if (status != THAW_OK)
		thaw_image_free(output);
	return status;
}
