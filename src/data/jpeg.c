/* JPEG, through libjpeg-turbo, set up to give the same pixels as Pillow: the accurate integer DCT, smooth
 * upsampling of the colour planes, and Adobe's habit of storing CMYK inverted.
 *
 * libjpeg reports errors by a callback that must not return, hence setjmp. A warning means that libjpeg found
 * the data broken and goes on with invented pixels; such an image is refused, for nobody would want to train on
 * half a grey image. Only warnings that leave the pixels alone pass.
 *
 * Of a part, no more is computed than its rows and columns: their coefficients have to be read, for their lengths vary,
 * and those of the rows above; what is below is only seen to end as it should. The pixels are the same as those of
 * the whole image. */
#include "src/data/image.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "thaw/tensor.h"

/* A file of a few kilobytes can hold thousands of scans that each touch every coefficient; photographs have 10. */
#define MAX_SCANS 500

/* Smooth upsampling looks at the neighbours of a pixel, and libjpeg takes none beyond the columns it is asked for. */
#define MARGIN 8

#define EXIF_MARKER (JPEG_APP0 + 1)
#define EXIF_LIMIT  0xFFFF /* a marker cannot be longer */
static const char exif_prefix[6] = "Exif\0";

/* libjpeg's callbacks get a pointer to its struct and find ours around it. */
struct decoder {
	struct jpeg_error_mgr errors; /* first: libjpeg hands out a pointer to it */
	struct jpeg_progress_mgr progress;
	struct jpeg_decompress_struct jpeg;
	jmp_buf escape;
	char message[JMSG_LENGTH_MAX];
	struct thaw_image image; /* owned, until success */
	uint8_t *memory;         /* of `row`, owned */
	uint8_t *row;            /* one row as libjpeg gives it; unaligned, for libjpeg-turbo writes aligned rows past
				  * the caches, and reading them back takes longer than decoding */
	int orientation;
};

static void on_error(j_common_ptr jpeg)
{
	struct decoder *d = (struct decoder *)jpeg->err;
	jpeg->err->format_message(jpeg, d->message);
	longjmp(d->escape, 1);
}

/* Harmless are odd header fields, and stray bytes between markers while no image data has been read. */
static bool is_harmless(const struct decoder *d)
{
	switch (d->errors.msg_code) {
	case JWRN_EXTRANEOUS_DATA:
		return d->jpeg.input_scan_number == 0;
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
	if (d->jpeg.input_scan_number <= MAX_SCANS)
		return;
	snprintf(d->message, sizeof(d->message), "more than %d scans", MAX_SCANS);
	longjmp(d->escape, 1);
}

static int orientation_of(const struct jpeg_decompress_struct *jpeg)
{
	for (const struct jpeg_marker_struct *m = jpeg->marker_list; m != NULL; m = m->next)
		if (m->marker == EXIF_MARKER && m->data_length > sizeof(exif_prefix) &&
		    memcmp(m->data, exif_prefix, sizeof(exif_prefix)) == 0)
			return thaw_exif_orientation(m->data + sizeof(exif_prefix),
						     m->data_length - sizeof(exif_prefix));
	return 1;
}

/* Adobe stores 255 - ink: what is stored as K is the light that black lets through. */
static void rgb_from_inverted_cmyk(uint8_t *rgb, const uint8_t *cmyk, size_t pixels)
{
	for (size_t i = 0; i < pixels; i++, rgb += 3, cmyk += 4) {
		uint8_t ink[4];
		for (int c = 0; c < 4; c++)
			ink[c] = (uint8_t)(255 - cmyk[c]);
		thaw_rgb_of_cmyk(rgb, ink);
	}
}

static thaw_status read_header(struct decoder *d, const uint8_t *bytes, size_t size, const char *name)
{
	struct jpeg_decompress_struct *jpeg = &d->jpeg;
	jpeg_create_decompress(jpeg);
	jpeg->progress = &d->progress;
	jpeg_save_markers(jpeg, EXIF_MARKER, EXIF_LIMIT);
	jpeg_mem_src(jpeg, bytes, size);
	jpeg_read_header(jpeg, TRUE);
	d->orientation = orientation_of(jpeg); /* the markers are gone once the image is read */
	jpeg->dct_method = JDCT_ISLOW;
	jpeg->do_fancy_upsampling = TRUE;
	jpeg->out_color_space = jpeg->num_components == 4 ? JCS_CMYK : JCS_RGB;
	return thaw_image_check_size(jpeg->image_width, jpeg->image_height, name);
}

/* Limits decoding to the columns of the part and what they depend on, in whole blocks. Where in the rows that come the
 * part starts. */
static int crop_columns(struct jpeg_decompress_struct *jpeg, const struct thaw_rectangle *part)
{
	JDIMENSION left = part->left > MARGIN ? (JDIMENSION)(part->left - MARGIN) : 0;
	JDIMENSION end = (JDIMENSION)(part->left + part->width + MARGIN);
	JDIMENSION width = (end < jpeg->output_width ? end : jpeg->output_width) - left;
	if (width < jpeg->output_width)
		jpeg_crop_scanline(jpeg, &left, &width);
	return part->left - (int)left;
}

/* Whether what is left of a file with one scan is its entropy-coded data and the end mark, as far as a look at the
 * markers tells. */
static bool ends_plainly(const struct jpeg_decompress_struct *jpeg)
{
	const uint8_t *p = jpeg->src->next_input_byte, *end = p + jpeg->src->bytes_in_buffer;
	int marker = jpeg->unread_marker;
	while (marker == 0 || (marker >= JPEG_RST0 && marker < JPEG_RST0 + 8)) {
		p = memchr(p, 0xFF, (size_t)(end - p));
		if (!p || end - p < 2)
			return false;
		p++;
		marker = *p == 0xFF ? 0 : *p++; /* any number of 0xFF may stand before a marker */
	}
	return marker == JPEG_EOI;
}

/* Rows below the part. Files with several scans have been read to their end before the first row. */
static void pass_rest(struct decoder *d)
{
	struct jpeg_decompress_struct *jpeg = &d->jpeg;
	JDIMENSION rest = jpeg->output_height - jpeg->output_scanline;
	if (rest > 0 && (jpeg_has_multiple_scans(jpeg) || ends_plainly(jpeg)))
		return;
	if (rest > 1)
		jpeg_skip_scanlines(jpeg, rest - 1);
	if (rest > 0) /* libjpeg ends at once where nothing more is wanted */
		jpeg_read_scanlines(jpeg, (JSAMPROW[]){d->row}, 1);
	jpeg_finish_decompress(jpeg);
}

static thaw_status read_part(struct decoder *d, const struct thaw_rectangle *part, const char *name)
{
	struct jpeg_decompress_struct *jpeg = &d->jpeg;
	size_t width = (size_t)part->width;
	bool cmyk = jpeg->out_color_space == JCS_CMYK;
	THAW_TRY(thaw_image_allocate(&d->image, part->width, part->height, name));
	jpeg_start_decompress(jpeg);
	if (part->left < 0 || part->top < 0 || (JDIMENSION)(part->left + part->width) > jpeg->output_width ||
	    (JDIMENSION)(part->top + part->height) > jpeg->output_height)
		return thaw_fail(THAW_SOFTWARE, "%s: a part outside the image is wanted", name);
	size_t left = (size_t)crop_columns(jpeg, part);
	d->memory = thaw_alloc(jpeg->output_width + 1, (size_t)jpeg->output_components);
	if (!d->memory)
		return THAW_RESOURCE;
	d->row = d->memory + 1;
	if (part->top > 0)
		jpeg_skip_scanlines(jpeg, (JDIMENSION)part->top);
	for (int y = 0; y < part->height; y++) {
		uint8_t *to = d->image.pixels + (size_t)y * width * 3;
		jpeg_read_scanlines(jpeg, (JSAMPROW[]){d->row}, 1);
		if (cmyk)
			rgb_from_inverted_cmyk(to, d->row + left * 4, width);
		else
			memcpy(to, d->row + left * 3, width * 3);
	}
	pass_rest(d);
	return THAW_OK;
}

/* What is wanted of a file; without a part, all of it. */
struct wish {
	bool header_only;
	const struct thaw_rectangle *part;
	int shrink;
};

/* The part that libjpeg may jump out of. What it has got is in *d, so nothing lives in this frame. */
static thaw_status decode_guarded(struct decoder *d, const struct wish *wish, const uint8_t *bytes, size_t size,
				  const char *name)
{
	if (setjmp(d->escape) != 0) {
		bool memory = d->errors.msg_code == JERR_OUT_OF_MEMORY;
		return thaw_fail(memory ? THAW_RESOURCE : THAW_DATA, "%s: damaged JPEG (%s): remove or replace it",
				 name, d->message);
	}
	THAW_TRY(read_header(d, bytes, size, name));
	if (wish->header_only)
		return THAW_OK;
	d->jpeg.scale_num = 1;
	d->jpeg.scale_denom = (unsigned)wish->shrink;
	struct thaw_rectangle whole = {0, 0, (int)d->jpeg.image_width, (int)d->jpeg.image_height};
	return read_part(d, wish->part != NULL ? wish->part : &whole, name);
}

static thaw_status decode(struct thaw_image *image, struct image_header *header, const struct wish *wish,
			  const uint8_t *bytes, size_t size, const char *name)
{
	struct decoder d = {0};
	d.jpeg.err = jpeg_std_error(&d.errors);
	d.errors.error_exit = on_error;
	d.errors.emit_message = on_message;
	d.progress.progress_monitor = on_progress;
	thaw_status status = decode_guarded(&d, wish, bytes, size, name);
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
	THAW_TRY(decode(image, &header, &(struct wish){.shrink = 1}, bytes, size, name));
	*orientation = header.orientation;
	return THAW_OK;
}

static thaw_status read_jpeg_header(struct image_header *header, const uint8_t *bytes, size_t size, const char *name)
{
	struct thaw_image none;
	return decode(&none, header, &(struct wish){.header_only = true}, bytes, size, name);
}

static thaw_status decode_jpeg_part(struct thaw_image *image, const struct thaw_rectangle *part, int shrink,
				    const uint8_t *bytes, size_t size, const char *name)
{
	struct image_header header;
	return decode(image, &header, &(struct wish){.part = part, .shrink = shrink}, bytes, size, name);
}

static const char *const extensions[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".jif", NULL};

static bool recognises_jpeg(const uint8_t *bytes, size_t size)
{
	return size >= 3 && memcmp(bytes, "\xFF\xD8\xFF", 3) == 0;
}

const struct image_format thaw_image_jpeg = {
	.name = "JPEG",
	.extensions = extensions,
	.recognises = recognises_jpeg,
	.decode = decode_jpeg,
	.header = read_jpeg_header,
	.decode_part = decode_jpeg_part,
};
