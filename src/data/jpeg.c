/* JPEG decoding with libjpeg-turbo, configured for the same pixels as Pillow: accurate integer DCT, smooth (fancy)
 * upsampling of the chroma planes, and CMYK stored inverted as Adobe does.
 *
 * libjpeg reports errors through a callback that must not return, hence setjmp. A warning means that libjpeg found
 * damaged data and continues with made-up pixels; such an image is rejected, except for warnings that do not affect
 * pixels.
 *
 * For a region, only its rows and columns are computed. The entropy-coded data above and in the region must be parsed,
 * since its length varies; of the data below only the markers are checked. The pixels have the same bits as those of
 * the whole image. */
#include "src/data/image.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/memory.h"

/* A file of a few kilobytes can hold thousands of scans that each update every coefficient. Photographs have about 10.
 */
#define MAX_SCANS 500

/* Each scan of a progressive file visits every block, so their product is the work: 4e9 take about a second. The
 * largest image that is accepted may have 22 scans, a photograph of 24 million pixels 166. */
#define MAX_SCANS_TIMES_PIXELS INT64_C(4000000000)

/* Huffman codes take at least one bit for each block of 8 x 8 pixels. */
#define MAX_PIXELS_PER_BYTE (8 * 64)

/* Columns decoded on each side of the region: smooth upsampling reads the neighbours of a pixel. */
#define MARGIN 8

#define APP1_MARKER (JPEG_APP0 + 1) /* EXIF and XMP */
#define APP1_LIMIT  0xFFFF          /* a marker cannot be longer */

/* libjpeg's callbacks receive a pointer to `errors`, the first member. */
struct decoder {
	struct jpeg_error_mgr errors; /* must be first */
	struct jpeg_progress_mgr progress;
	struct jpeg_decompress_struct jpeg;
	jmp_buf escape;
	char message[JMSG_LENGTH_MAX];
	const uint8_t *bytes;    /* the file */
	struct thaw_image image; /* owned, until success */
	uint8_t *memory;         /* owns `row` */
	uint8_t *row;            /* one output row of libjpeg; unaligned on purpose: libjpeg-turbo writes aligned rows
				  * with non-temporal stores, and reading them back takes longer than decoding */
	int orientation;
};

static void on_error(j_common_ptr jpeg)
{
	struct decoder *d = (struct decoder *)jpeg->err;
	jpeg->err->format_message(jpeg, d->message);
	longjmp(d->escape, 1);
}

/* Whether the stray bytes before the end-of-image marker that libjpeg warns about are zeros: padding after the last
 * scan. Other bytes can be image data that damage before them has put out of step. */
static bool is_padding(const struct decoder *d)
{
	const struct jpeg_source_mgr *source = d->jpeg.src;
	const uint8_t *at = source->next_input_byte, *end = at + source->bytes_in_buffer;
	int stray = d->errors.msg_parm.i[0];
	if (d->errors.msg_parm.i[1] != JPEG_EOI)
		return false;
	at = memchr(at, 0xFF, (size_t)(end - at));
	if (!at || at - d->bytes < stray)
		return false;
	for (int i = 1; i <= stray; i++)
		if (at[-i] != 0)
			return false;
	return true;
}

/* Warnings that do not affect pixels: odd header fields, and stray bytes between markers before the first scan or
 * after the last. */
static bool is_harmless(const struct decoder *d)
{
	switch (d->errors.msg_code) {
	case JWRN_EXTRANEOUS_DATA:
		return d->jpeg.input_scan_number == 0 || is_padding(d);
	case JWRN_ADOBE_XFORM:
	case JWRN_JFIF_MAJOR:
	case JWRN_NOT_SEQUENTIAL:
	case JWRN_BOGUS_ICC:
		return true;
	default:
		return false;
	}
}

/* Level -1 is a warning, others are traces. */
static void on_message(j_common_ptr jpeg, int level)
{
	if (level < 0 && !is_harmless((struct decoder *)jpeg->err))
		on_error(jpeg);
}

static void on_progress(j_common_ptr jpeg)
{
	struct decoder *d = (struct decoder *)jpeg->err;
	int64_t pixels = (int64_t)d->jpeg.image_width * d->jpeg.image_height;
	int most = (int)min_int64(MAX_SCANS, MAX_SCANS_TIMES_PIXELS / max_int64(pixels, 1));
	if (d->jpeg.input_scan_number <= most)
		return;
	snprintf(d->message, sizeof(d->message), "more than %d scans", most);
	longjmp(d->escape, 1);
}

static bool has_prefix(const struct jpeg_marker_struct *m, const char *prefix, size_t size)
{
	return m->marker == APP1_MARKER && m->data_length > size && memcmp(m->data, prefix, size) == 0;
}

/* Of several EXIF segments the first counts, of several XMP segments the last, as in Pillow. */
static int orientation_of(const struct jpeg_decompress_struct *jpeg)
{
	static const char exif_prefix[] = "Exif\0", xmp_prefix[] = "http://ns.adobe.com/xap/1.0/";
	const struct jpeg_marker_struct *exif = NULL, *xmp = NULL;
	for (const struct jpeg_marker_struct *m = jpeg->marker_list; m; m = m->next) {
		if (!exif && has_prefix(m, exif_prefix, sizeof(exif_prefix)))
			exif = m;
		else if (has_prefix(m, xmp_prefix, sizeof(xmp_prefix)))
			xmp = m;
	}
	return thaw_orientation(exif ? thaw_exif_orientation(exif->data, exif->data_length) : 0,
				xmp ? thaw_xmp_orientation(xmp->data, xmp->data_length) : 0);
}

/* Adobe stores 255 - ink, so K is 255 for no black. */
static void rgb_from_inverted_cmyk(uint8_t *rgb, const uint8_t *cmyk, size_t pixels)
{
	for (size_t i = 0; i < pixels; i++, rgb += 3, cmyk += 4) {
		uint8_t ink[4];
		for (int c = 0; c < 4; c++)
			ink[c] = (uint8_t)(255 - cmyk[c]);
		thaw_rgb_of_cmyk(rgb, ink);
	}
}

/* libjpeg allocates and clears memory for all blocks of a file with several scans. */
static thaw_status check_claim(const struct jpeg_decompress_struct *jpeg, size_t size, const char *name)
{
	int64_t pixels = (int64_t)jpeg->image_width * jpeg->image_height;
	if (jpeg->arith_code || pixels / MAX_PIXELS_PER_BYTE <= (int64_t)size)
		return THAW_OK;
	return thaw_fail(THAW_DATA, "damaged JPEG (%zu bytes cannot hold %u x %u pixels): %s: remove or replace it",
			 size, jpeg->image_width, jpeg->image_height, name);
}

static thaw_status read_header(struct decoder *d, const uint8_t *bytes, size_t size, const char *name)
{
	struct jpeg_decompress_struct *jpeg = &d->jpeg;
	jpeg_create_decompress(jpeg);
	jpeg->progress = &d->progress;
	jpeg_save_markers(jpeg, APP1_MARKER, APP1_LIMIT);
	jpeg_mem_src(jpeg, bytes, size);
	jpeg_read_header(jpeg, TRUE);
	d->orientation = orientation_of(jpeg); /* libjpeg frees the markers when the image is read */
	jpeg->dct_method = JDCT_ISLOW;
	jpeg->do_fancy_upsampling = TRUE;
	jpeg->out_color_space = jpeg->num_components == 4 ? JCS_CMYK : JCS_RGB;
	THAW_TRY(thaw_image_check_size(jpeg->image_width, jpeg->image_height, name));
	return check_claim(jpeg, size, name);
}

/* Limits decoding to the columns of the region and those they depend on, in whole blocks. Returns the position of the
 * region in the rows that libjpeg then outputs. */
static int crop_columns(struct jpeg_decompress_struct *jpeg, const struct thaw_rectangle *region)
{
	JDIMENSION left = (JDIMENSION)max_int(region->left - MARGIN, 0);
	JDIMENSION end = (JDIMENSION)min_int(region->left + region->width + MARGIN, (int)jpeg->output_width);
	JDIMENSION width = end - left;
	if (width < jpeg->output_width)
		jpeg_crop_scanline(jpeg, &left, &width);
	return region->left - (int)left;
}

/* Whether the rest of a single-scan file, judged by its markers, is entropy-coded data and the end-of-image marker. */
static bool ends_normally(const struct jpeg_decompress_struct *jpeg)
{
	const uint8_t *p = jpeg->src->next_input_byte, *end = p + jpeg->src->bytes_in_buffer;
	int marker = jpeg->unread_marker;
	while (marker == 0 || (marker >= JPEG_RST0 && marker < JPEG_RST0 + 8)) {
		p = memchr(p, 0xFF, (size_t)(end - p));
		if (!p || end - p < 2)
			return false;
		p++;
		marker = *p == 0xFF ? 0 : *p++; /* a marker may be preceded by any number of 0xFF */
	}
	return marker == JPEG_EOI;
}

/* Checks the data below the region. Files with several scans were read to their end before the first row. */
static void check_rest(struct decoder *d)
{
	struct jpeg_decompress_struct *jpeg = &d->jpeg;
	JDIMENSION rest = jpeg->output_height - jpeg->output_scanline;
	if (rest > 0 && (jpeg_has_multiple_scans(jpeg) || ends_normally(jpeg)))
		return;
	if (rest > 1)
		jpeg_skip_scanlines(jpeg, rest - 1);
	if (rest > 0) /* libjpeg would not decode, and thus not check, rows that are skipped up to the last one */
		jpeg_read_scanlines(jpeg, (JSAMPROW[]){d->row}, 1);
	jpeg_finish_decompress(jpeg);
}

static thaw_status read_region(struct decoder *d, const struct thaw_rectangle *region, const char *name)
{
	struct jpeg_decompress_struct *jpeg = &d->jpeg;
	size_t width = (size_t)region->width;
	bool cmyk = jpeg->out_color_space == JCS_CMYK;
	THAW_TRY(thaw_image_allocate(&d->image, region->width, region->height, name));
	jpeg_start_decompress(jpeg);
	if (region->left < 0 || region->top < 0 || (JDIMENSION)(region->left + region->width) > jpeg->output_width ||
	    (JDIMENSION)(region->top + region->height) > jpeg->output_height)
		return thaw_fail(THAW_SOFTWARE, "region outside the image: %s", name);
	size_t left = (size_t)crop_columns(jpeg, region);
	d->memory = thaw_alloc(jpeg->output_width + 1, (size_t)jpeg->output_components);
	if (!d->memory)
		return THAW_RESOURCE;
	d->row = d->memory + 1;
	if (region->top > 0)
		jpeg_skip_scanlines(jpeg, (JDIMENSION)region->top);
	for (int y = 0; y < region->height; y++) {
		uint8_t *to = d->image.pixels + (size_t)y * width * 3;
		jpeg_read_scanlines(jpeg, (JSAMPROW[]){d->row}, 1);
		if (cmyk)
			rgb_from_inverted_cmyk(to, d->row + left * 4, width);
		else
			memcpy(to, d->row + left * 3, width * 3);
	}
	check_rest(d);
	return THAW_OK;
}

/* What to decode. */
struct request {
	bool header_only;
	const struct thaw_rectangle *region; /* NULL: the whole image */
	int shrink;
};

/* The error for what libjpeg complained about. */
static thaw_status refuse(const struct decoder *d, const char *name)
{
	switch (d->errors.msg_code) {
	case JERR_OUT_OF_MEMORY:
		return thaw_fail(THAW_RESOURCE, "out of memory: JPEG decoder: %s", name);
	case JERR_BAD_PRECISION:
	case JERR_SOF_UNSUPPORTED:
	case JERR_ARITH_NOTIMPL:
	case JERR_CONVERSION_NOTIMPL:
		return thaw_fail(THAW_DATA, "a kind of JPEG that thaw does not read (%s): %s: convert it", d->message,
				 name);
	default:
		return thaw_fail(THAW_DATA, "damaged JPEG (%s): %s: remove or replace it", d->message, name);
	}
}

/* libjpeg may jump out of this function on errors, so all owned memory is in *d and not in local variables. */
static thaw_status decode_guarded(struct decoder *d, const struct request *request, const uint8_t *bytes, size_t size,
				  const char *name)
{
	if (setjmp(d->escape) != 0)
		return refuse(d, name);
	THAW_TRY(read_header(d, bytes, size, name));
	if (request->header_only)
		return THAW_OK;
	d->jpeg.scale_num = 1;
	d->jpeg.scale_denom = (unsigned)request->shrink;
	struct thaw_rectangle whole = {0, 0, (int)d->jpeg.image_width, (int)d->jpeg.image_height};
	return read_region(d, request->region ? request->region : &whole, name);
}

static thaw_status decode(struct thaw_image *image, struct image_header *header, const struct request *request,
			  const uint8_t *bytes, size_t size, const char *name)
{
	struct decoder d = {0};
	d.jpeg.err = jpeg_std_error(&d.errors);
	d.errors.error_exit = on_error;
	d.errors.emit_message = on_message;
	d.progress.progress_monitor = on_progress;
	d.bytes = bytes;
	thaw_status status = decode_guarded(&d, request, bytes, size, name);
	if (status == THAW_OK) {
		*header = (struct image_header){(int)d.jpeg.image_width, (int)d.jpeg.image_height, d.orientation};
		*image = d.image;
	} else {
		thaw_image_free(&d.image);
	}
	thaw_free(d.memory);
	jpeg_destroy_decompress(&d.jpeg);
	return status;
}

static thaw_status decode_jpeg(struct thaw_image *image, int *orientation, const uint8_t *bytes, size_t size,
			       const char *name)
{
	struct image_header header;
	THAW_TRY(decode(image, &header, &(struct request){.shrink = 1}, bytes, size, name));
	*orientation = header.orientation;
	return THAW_OK;
}

static thaw_status read_jpeg_header(struct image_header *header, const uint8_t *bytes, size_t size, const char *name)
{
	struct thaw_image none;
	return decode(&none, header, &(struct request){.header_only = true}, bytes, size, name);
}

static thaw_status decode_jpeg_region(struct thaw_image *image, const struct thaw_rectangle *region, int shrink,
				      const uint8_t *bytes, size_t size, const char *name)
{
	struct image_header header;
	return decode(image, &header, &(struct request){.region = region, .shrink = shrink}, bytes, size, name);
}

static const char *const extensions[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".jif", NULL};

static bool detect_jpeg(const uint8_t *bytes, size_t size)
{
	return size >= 3 && memcmp(bytes, "\xFF\xD8\xFF", 3) == 0;
}

/* The frame header, which follows other segments, has the number of components. */
static bool is_jpeg_cmyk(const uint8_t *bytes, size_t size)
{
	for (size_t at = 2; at + 10 <= size && bytes[at] == 0xFF;) {
		uint8_t marker = bytes[at + 1];
		bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
		if (frame)
			return bytes[at + 9] == 4;
		at += marker == 0xFF ? 1 : 2 + ((size_t)bytes[at + 2] << 8 | bytes[at + 3]);
	}
	return false;
}

const struct image_format thaw_image_jpeg = {
	.name = "JPEG",
	.extensions = extensions,
	.detect = detect_jpeg,
	.decode = decode_jpeg,
	.header = read_jpeg_header,
	.decode_region = decode_jpeg_region,
	.is_cmyk = is_jpeg_cmyk,
};
