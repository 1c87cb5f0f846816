/* WebP, lossy and lossless, through libwebp. Alpha is dropped, as Pillow's convert("RGB") does. Of an animation the
 * first frame is decoded; where it does not cover the canvas, the image is black. */
#include "src/data/image.h"

#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "src/base/try.h"

static thaw_status damaged(const char *name)
{
	return thaw_fail(THAW_DATA, "damaged WebP: %s: remove or replace it", name);
}

/* Decodes the first frame to its place in the zeroed image; a still image is one frame. */
static thaw_status decode_frame(struct thaw_image *image, const WebPDemuxer *demuxer, const char *name)
{
	WebPIterator frame;
	WebPDecoderConfig config;
	if (!WebPInitDecoderConfig(&config))
		return thaw_fail(THAW_SOFTWARE, "libwebp has another version than its header: rebuild");
	if (!WebPDemuxGetFrame(demuxer, 1, &frame))
		return damaged(name);
	if (frame.x_offset + frame.width > image->width || frame.y_offset + frame.height > image->height) {
		WebPDemuxReleaseIterator(&frame);
		return damaged(name);
	}
	size_t stride = (size_t)image->width * 3;
	size_t offset = (size_t)frame.y_offset * stride + (size_t)frame.x_offset * 3;
	config.output.colorspace = MODE_RGB;
	config.output.is_external_memory = 1;
	config.output.u.RGBA.rgba = image->pixels + offset;
	config.output.u.RGBA.stride = (int)stride;
	config.output.u.RGBA.size = stride * (size_t)image->height - offset;
	VP8StatusCode code = WebPDecode(frame.fragment.bytes, frame.fragment.size, &config);
	bool right_size = config.output.width == frame.width && config.output.height == frame.height;
	WebPFreeDecBuffer(&config.output);
	WebPDemuxReleaseIterator(&frame);
	if (code == VP8_STATUS_OUT_OF_MEMORY)
		return thaw_fail(THAW_RESOURCE, "out of memory: WebP decoder: %s", name);
	return code == VP8_STATUS_OK && right_size ? THAW_OK : damaged(name);
}

static int chunk_orientation(const WebPDemuxer *demuxer, const char *chunk_name)
{
	WebPChunkIterator chunk;
	if (!WebPDemuxGetChunk(demuxer, chunk_name, 1, &chunk))
		return 0;
	const uint8_t *bytes = chunk.chunk.bytes;
	int orientation = strcmp(chunk_name, "EXIF") == 0 ? thaw_exif_orientation(bytes, chunk.chunk.size)
							  : thaw_xmp_orientation(bytes, chunk.chunk.size);
	WebPDemuxReleaseChunkIterator(&chunk);
	return orientation;
}

static thaw_status decode_webp(struct thaw_image *image, int *orientation, const uint8_t *bytes, size_t size,
			       const char *name)
{
	struct thaw_image decoded = {0};
	WebPData data = {bytes, size};
	WebPDemuxer *demuxer = WebPDemux(&data); /* NULL also if the file ends too early */
	if (!demuxer)
		return damaged(name);
	thaw_status status = thaw_image_allocate(&decoded, WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH),
						 WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT), name);
	if (status == THAW_OK)
		status = decode_frame(&decoded, demuxer, name);
	*orientation = thaw_orientation(chunk_orientation(demuxer, "EXIF"), chunk_orientation(demuxer, "XMP "));
	WebPDemuxDelete(demuxer);
	if (status == THAW_OK)
		*image = decoded;
	else
		thaw_image_free(&decoded);
	return status;
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
