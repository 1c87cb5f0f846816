/* Writes PNG files with libspng. */
#include <stdlib.h>

#include <spng.h>

#include "src/base/try.h"
#include "thaw/file.h"
#include "thaw/heatmap.h"

static thaw_status write_bytes(const void *bytes, size_t size, const char *path)
{
	struct thaw_file_writer *file = NULL;
	THAW_TRY(thaw_file_writer_open(&file, path));
	struct thaw_sink *sink = thaw_file_writer_sink(file);
	thaw_status status = sink->write(sink, bytes, size);
	if (status == THAW_OK)
		return thaw_file_writer_commit(file);
	thaw_file_writer_discard(file);
	return status;
}

/* *bytes is from malloc. */
static int encode(spng_ctx *png, const struct thaw_image *image, void **bytes, size_t *size)
{
	struct spng_ihdr header = {.width = (uint32_t)image->width,
				   .height = (uint32_t)image->height,
				   .bit_depth = 8,
				   .color_type = SPNG_COLOR_TYPE_TRUECOLOR};
	int error = spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
	if (error == SPNG_OK)
		error = spng_set_ihdr(png, &header);
	if (error == SPNG_OK)
		error = spng_encode_image(png, image->pixels, (size_t)image->width * (size_t)image->height * 3,
					  SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
	if (error == SPNG_OK)
		*bytes = spng_get_png_buffer(png, size, &error);
	return error;
}

thaw_status thaw_image_write_png(const struct thaw_image *image, const char *path)
{
	spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
	void *bytes = NULL;
	size_t size = 0;
	int error = png ? encode(png, image, &bytes, &size) : SPNG_EMEM;
	spng_ctx_free(png);
	thaw_status status = error == SPNG_OK ? write_bytes(bytes, size, path)
					      : thaw_fail(THAW_RESOURCE, "cannot encode a PNG (%s): %s: out of memory",
							  spng_strerror(error), path);
	free(bytes);
	return status;
}
