/* From a picture to the square that a transform has chosen of it: which of its pixels that takes, and only those
 * decoded and resampled. */
#include "src/data/transform.h"

#include "thaw/tensor.h"

static int smaller(int a, int b)
{
	return a < b ? a : b;
}

static int larger(int a, int b)
{
	return a > b ? a : b;
}

/* The part of the square that lies in the resized image, in pixels of the latter. */
static struct thaw_rectangle kept_part(const struct framing *f, int size)
{
	int left = larger(f->left, 0), top = larger(f->top, 0);
	return (struct thaw_rectangle){left, top, smaller(f->left + size, f->width) - left,
				       smaller(f->top + size, f->height) - top};
}

/* The crop in whole pixels of the shrunk picture, and where in these its borders are. A picture that EXIF turns over
 * may lie a fraction of a pixel aside when it is shrunk, which no one will miss in a random crop. */
static struct thaw_rectangle shrink_crop(const struct thaw_encoded_image *encoded, const struct framing *f,
					 double box[4])
{
	int s = f->shrink, width, height;
	const struct thaw_rectangle *c = &f->crop;
	thaw_encoded_image_shrunk(encoded, s, &width, &height);
	struct thaw_rectangle source = {.left = c->left / s, .top = c->top / s};
	source.width = smaller((c->left + c->width + s - 1) / s, width) - source.left;
	source.height = smaller((c->top + c->height + s - 1) / s, height) - source.top;
	box[0] = (double)c->left / s - source.left;
	box[1] = (double)c->top / s - source.top;
	box[2] = (double)c->width / s;
	box[3] = (double)c->height / s;
	return source;
}

/* Decodes what the resampler reads, `source` being the pixels it knows of, and runs it. */
static thaw_status decode_and_resample(uint8_t *to, size_t to_stride, const struct thaw_encoded_image *encoded,
				       int shrink, const struct thaw_rectangle *source,
				       const struct resampler *resampler)
{
	struct thaw_rectangle part = thaw_resampler_reads(resampler);
	struct thaw_image decoded;
	struct image_view view;
	part.left += source->left;
	part.top += source->top;
	THAW_TRY(thaw_encoded_image_part(encoded, &part, shrink, &view, &decoded));
	thaw_status status = thaw_resampler_run(resampler, to, to_stride, &view);
	thaw_image_free(&decoded);
	return status;
}

thaw_status thaw_frame(struct thaw_image *square, const struct thaw_encoded_image *encoded, const struct framing *f,
		       const struct thaw_preprocess *p)
{
	struct resampling r = {
		.width = f->width, .height = f->height, .kept = kept_part(f, p->size), .filter = p->filter};
	struct thaw_rectangle source = shrink_crop(encoded, f, r.box);
	struct resampler resampler;
	size_t stride = (size_t)p->size * 3;
	*square = (struct thaw_image){p->size, p->size, thaw_alloc((size_t)p->size, stride)};
	if (!square->pixels)
		return THAW_RESOURCE;
	if (r.kept.width <= 0 || r.kept.height <= 0)
		return THAW_OK;
	r.source_width = source.width;
	r.source_height = source.height;
	thaw_status status = thaw_resampler_make(&resampler, &r);
	if (status == THAW_OK) {
		uint8_t *to =
			square->pixels + (size_t)(r.kept.top - f->top) * stride + (size_t)(r.kept.left - f->left) * 3;
		status = decode_and_resample(to, stride, encoded, f->shrink, &source, &resampler);
		thaw_resampler_free(&resampler);
	}
	if (status != THAW_OK)
		thaw_image_free(square);
	return status;
}
