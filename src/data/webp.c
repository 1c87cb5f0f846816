/* WebP, lossy and lossless, through libwebp. Alpha is dropped, as Pillow's convert("RGB") does. Of an animation the
 * first frame is decoded; pixels outside it are black. */
#include "src/data/image.h"

#include <limits.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "src/base/try.h"

#define RGBA_BYTES 4 /* of a pixel of the animation decoder */

static thaw_status damaged(const char *name)
{
	return thaw_fail(THAW_DATA, "damaged WebP: %s: remove or replace it", name);
}

static thaw_status decode_still(struct thaw_image *image, const uint8_t *bytes, size_t size, const char *name)
{
	size_t stride = (size_t)image->width * 3;
	bool decoded = stride * (size_t)image->height <= INT_MAX * (size_t)4 &&
		       WebPDecodeRGBInto(bytes, size, image->pixels, stride * (size_t)image->height, (int)stride);
	return decoded ? THAW_OK : damaged(name);
}

static thaw_status decode_first_frame(struct thaw_image *image, const uint8_t *bytes, size_t size, const char *name)
{
	WebPData data = {bytes, size};
	WebPAnimDecoderOptions options;
	uint8_t *canvas; /* (height,width,4), the decoder's */
	int timestamp;
	if (!WebPAnimDecoderOptionsInit(&options))
		return thaw_fail(THAW_SOFTWARE, "libwebpdemux has another version than its header: rebuild");
	WebPAnimDecoder *decoder = WebPAnimDecoderNew(&data, &options);
	if (!decoder)
		return damaged(name);
	bool decoded = WebPAnimDecoderGetNext(decoder, &canvas, &timestamp);
	int64_t pixels = (int64_t)image->width * image->height;
	for (int64_t i = 0; decoded && i < pixels; i++)
		memcpy(image->pixels + 3 * i, canvas + RGBA_BYTES * i, 3);
	WebPAnimDecoderDelete(decoder);
	return decoded ? THAW_OK : damaged(name);
}

/* The orientation in the file's EXIF chunk; 1 if there is none. */
static int read_orientation(const uint8_t *bytes, size_t size)
{
	static const char prefix[] = "Exif\0"; /* some programs write JPEG's prefix here too */
	WebPData data = {bytes, size};
	WebPDemuxer *demuxer = WebPDemux(&data);
	WebPChunkIterator chunk;
	int orientation = 1;
	if (demuxer && WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) {
		size_t skip =
			chunk.chunk.size >= sizeof(prefix) && memcmp(chunk.chunk.bytes, prefix, sizeof(prefix)) == 0
				? sizeof(prefix)
				: 0;
		orientation = thaw_exif_orientation(chunk.chunk.bytes + skip, chunk.chunk.size - skip);
		WebPDemuxReleaseChunkIterator(&chunk);
	}
	WebPDemuxDelete(demuxer);
	return orientation;
}

static thaw_status decode_webp(struct thaw_image *image, int *orientation, const uint8_t *bytes, size_t size,
			       const char *name)
{
	WebPBitstreamFeatures features;
	struct thaw_image decoded = {0};
	if (WebPGetFeatures(bytes, size, &features) != VP8_STATUS_OK)
		return damaged(name);
	THAW_TRY(thaw_image_allocate(&decoded, features.width, features.height, name));
	thaw_status status = features.has_animation ? decode_first_frame(&decoded, bytes, size, name)
						    : decode_still(&decoded, bytes, size, name);
	if (status != THAW_OK) {
		thaw_image_free(&decoded);
		return status;
	}
	*orientation = read_orientation(bytes, size);
	*image = decoded;
	return THAW_OK;
}

static bool detect_webp(const uint8_t *bytes, size_t size)
{
	return size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0;
}

static const char *const extensions[] = {".webp", NULL};

const struct image_format thaw_image_webp = {
	.name = "WebP",
	.extensions = extensions,
	.detect = detect_webp,
	.decode = decode_webp,
};
