/* GIF, through giflib: the first frame. Transparent pixels keep the colour of their palette entry. Pixels outside the
 * frame have the colour of the transparent entry or, without one, of the first entry; the background colour is ignored.
 * All this as Pillow's convert("RGB"). */
#include "src/data/image.h"

#include <string.h>

#include <gif_lib.h>

#include "src/base/try.h"
#include "thaw/memory.h"

/* A code of 9 bits or more stands for at most 4096 pixels. The screen may be larger than the frame in it: smaller
 * screens than these are accepted from any file. */
#define MAX_PIXELS_PER_BYTE 4096
#define SMALL_SCREEN        (INT64_C(16) << 20) /* pixels */

struct source {
	const uint8_t *bytes;
	size_t size, at;
};

static int read_bytes(GifFileType *gif, GifByteType *to, int count)
{
	struct source *s = gif->UserData;
	size_t left = s->size - s->at, n = (size_t)count < left ? (size_t)count : left;
	memcpy(to, s->bytes + s->at, n);
	s->at += n;
	return (int)n;
}

static thaw_status damaged(int error, const char *name)
{
	const char *why = GifErrorString(error);
	return thaw_fail(error == D_GIF_ERR_NOT_ENOUGH_MEM ? THAW_RESOURCE : THAW_DATA,
			 "damaged GIF (%s): %s: remove or replace it", why ? why : "no image in it", name);
}

/* Reads extensions up to the first frame's descriptor. Sets *outside to the transparent palette entry, if any. */
static thaw_status find_frame(GifFileType *gif, int *outside, const char *name)
{
	GraphicsControlBlock control;
	GifRecordType type;
	do {
		GifByteType *block;
		int code;
		if (DGifGetRecordType(gif, &type) == GIF_ERROR)
			return damaged(gif->Error, name);
		if (type != EXTENSION_RECORD_TYPE)
			continue;
		if (DGifGetExtension(gif, &code, &block) == GIF_ERROR)
			return damaged(gif->Error, name);
		if (block && code == GRAPHICS_EXT_FUNC_CODE &&
		    DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK)
			*outside =
				control.TransparentColor != NO_TRANSPARENT_COLOR ? control.TransparentColor : *outside;
		while (block)
			if (DGifGetExtensionNext(gif, &block) == GIF_ERROR)
				return damaged(gif->Error, name);
	} while (type == EXTENSION_RECORD_TYPE);
	if (type != IMAGE_DESC_RECORD_TYPE)
		return damaged(D_GIF_ERR_NO_IMAG_DSCR, name);
	return DGifGetImageDesc(gif) == GIF_ERROR ? damaged(gif->Error, name) : THAW_OK;
}

static void put_pixel(uint8_t *to, const ColorMapObject *colors, int index)
{
	GifColorType c = index < colors->ColorCount ? colors->Colors[index] : (GifColorType){0};
	to[0] = c.Red;
	to[1] = c.Green;
	to[2] = c.Blue;
}

/* Reads the next stored row, which is row y of the frame; `line` is working memory for it. */
static thaw_status read_row(GifFileType *gif, struct thaw_image *image, int y, GifPixelType *line, const char *name)
{
	const GifImageDesc *frame = &gif->Image;
	const ColorMapObject *colors = frame->ColorMap ? frame->ColorMap : gif->SColorMap;
	if (DGifGetLine(gif, line, frame->Width) == GIF_ERROR)
		return damaged(gif->Error, name);
	int64_t row = frame->Top + y;
	for (int x = 0; x < frame->Width; x++)
		put_pixel(image->pixels + 3 * (row * image->width + frame->Left + x), colors, line[x]);
	return THAW_OK;
}

static thaw_status read_frame(GifFileType *gif, struct thaw_image *image, const char *name)
{
	static const struct {
		int first, step;
	} passes[] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}}, whole = {0, 1};
	const GifImageDesc *frame = &gif->Image;
	thaw_status status = THAW_OK;
	GifPixelType *line = thaw_alloc((size_t)frame->Width, sizeof(*line));
	if (!line)
		return THAW_RESOURCE;
	for (int p = 0; p < (frame->Interlace ? 4 : 1); p++) {
		int first = frame->Interlace ? passes[p].first : whole.first;
		int step = frame->Interlace ? passes[p].step : whole.step;
		for (int y = first; y < frame->Height && status == THAW_OK; y += step)
			status = read_row(gif, image, y, line, name);
	}
	thaw_free(line);
	return status;
}

static thaw_status decode_with(GifFileType *gif, struct thaw_image *image, const char *name)
{
	int outside = 0;
	THAW_TRY(find_frame(gif, &outside, name));
	const GifImageDesc *frame = &gif->Image;
	const ColorMapObject *colors = frame->ColorMap ? frame->ColorMap : gif->SColorMap;
	/* As browsers and Pillow do, a frame that is larger than the screen enlarges it. */
	int64_t right = (int64_t)frame->Left + frame->Width, bottom = (int64_t)frame->Top + frame->Height;
	int64_t width = right > gif->SWidth ? right : gif->SWidth,
		height = bottom > gif->SHeight ? bottom : gif->SHeight;
	if (frame->Left < 0 || frame->Top < 0 || frame->Width < 1 || frame->Height < 1)
		return damaged(D_GIF_ERR_IMAGE_DEFECT, name);
	if (!colors)
		return damaged(D_GIF_ERR_NO_COLOR_MAP, name);
	THAW_TRY(thaw_image_check_size(width, height, name));
	const struct source *source = gif->UserData;
	if (width * height > SMALL_SCREEN && width * height / MAX_PIXELS_PER_BYTE > (int64_t)source->size)
		return thaw_fail(THAW_DATA,
				 "damaged GIF (%zu bytes cannot hold %lld x %lld pixels): %s: remove or replace it",
				 source->size, (long long)width, (long long)height, name);
	THAW_TRY(thaw_image_allocate(image, width, height, name));
	for (int64_t i = 0; i < width * height; i++)
		put_pixel(image->pixels + 3 * i, colors, outside);
	return read_frame(gif, image, name);
}

static thaw_status decode_gif(struct thaw_image *image, int *orientation, const uint8_t *bytes, size_t size,
			      const char *name)
{
	struct source source = {bytes, size, 0};
	struct thaw_image decoded = {0};
	int error = 0;
	(void)orientation; /* GIF has no EXIF */
	GifFileType *gif = DGifOpen(&source, read_bytes, &error);
	if (!gif)
		return damaged(error, name);
	thaw_status status = decode_with(gif, &decoded, name);
	DGifCloseFile(gif, &error);
	if (status == THAW_OK)
		*image = decoded;
	else
		thaw_image_free(&decoded);
	return status;
}

static bool detect_gif(const uint8_t *bytes, size_t size)
{
	return size >= 6 && (memcmp(bytes, "GIF87a", 6) == 0 || memcmp(bytes, "GIF89a", 6) == 0);
}

static const char *const extensions[] = {".gif", NULL};

const struct image_format thaw_image_gif = {
	.name = "GIF",
	.extensions = extensions,
	.detect = detect_gif,
	.decode = decode_gif,
};
