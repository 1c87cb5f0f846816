/* TIFF, through libtiff: the first page, in strips or tiles, with any compression that libtiff knows.
 *
 * Grey, RGB, palette and CMYK images of 8 or 16 bits are converted here: of 16 bits the high byte is taken, as for PNG,
 * and extra samples such as alpha are dropped. libtiff's own converter handles what is left (1 to 4 bits, YCbCr).
 * Samples of 32 bits, signed or floating point have no defined range and are refused. */
#include "src/data/image.h"

#include <stdio.h>
#include <string.h>

#include <tiffio.h>

#include "src/base/try.h"
#include "thaw/memory.h"

#define MAX_BLOCK   ((tmsize_t)512 << 20) /* bytes that libtiff may allocate at once, and of a row of tiles */
#define REASON_SIZE 200

/* The file in memory, libtiff's position in it, and its first error message. */
struct source {
	const uint8_t *bytes;
	toff_t size, at;
	char reason[REASON_SIZE];
};

static tmsize_t read_bytes(thandle_t handle, void *to, tmsize_t count)
{
	struct source *s = handle;
	toff_t left = s->at < s->size ? s->size - s->at : 0;
	tmsize_t n = (toff_t)count < left ? count : (tmsize_t)left;
	memcpy(to, s->bytes + s->at, (size_t)n);
	s->at += (toff_t)n;
	return n;
}

static tmsize_t write_nothing(thandle_t handle, void *from, tmsize_t count)
{
	(void)handle, (void)from, (void)count;
	return -1;
}

static toff_t seek(thandle_t handle, toff_t offset, int whence)
{
	struct source *s = handle;
	s->at = offset + (whence == SEEK_CUR ? s->at : whence == SEEK_END ? s->size : 0);
	return s->at;
}

static int close_nothing(thandle_t handle)
{
	(void)handle;
	return 0;
}

static toff_t size_of(thandle_t handle)
{
	const struct source *s = handle;
	return s->size;
}

static int on_error(TIFF *tiff, void *context, const char *module, const char *format, va_list arguments)
{
	struct source *s = context;
	(void)tiff, (void)module;
	if (!s->reason[0]) /* later messages are consequences of the first */
		vsnprintf(s->reason, sizeof(s->reason), format, arguments);
	return 1; /* handled: libtiff prints nothing */
}

/* Warnings of these decoders mean that they found damaged data and continue with made-up pixels. */
static int on_warning(TIFF *tiff, void *context, const char *module, const char *format, va_list arguments)
{
	bool made_up = strncmp(module, "JPEGLib", 7) == 0 || strncmp(module, "Fax", 3) == 0;
	return made_up ? on_error(tiff, context, module, format, arguments) : 1;
}

static TIFF *open_tiff(struct source *s)
{
	TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
	if (!options)
		return NULL;
	TIFFOpenOptionsSetMaxSingleMemAlloc(options, MAX_BLOCK);
	TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, s);
	TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, s);
	TIFF *tiff = TIFFClientOpenExt("", "rm", s, read_bytes, write_nothing, seek, close_nothing, size_of, NULL, NULL,
				       options);
	TIFFOpenOptionsFree(options);
	return tiff;
}

static thaw_status damaged(const struct source *s, const char *name)
{
	return thaw_fail(THAW_DATA, "damaged TIFF (%s): %s: remove or replace it",
			 s->reason[0] ? s->reason + strspn(s->reason, ": ") : "it ends too early", name);
}

/* How the samples of a page are stored. */
struct page {
	uint32_t width, height;
	uint16_t bits, samples, photometric, planar, orientation, format;
	const uint16_t *palette[3]; /* [256] each, libtiff's */
};

/* From the orientation tag or, without it, from XMP. */
static uint16_t read_orientation(TIFF *tiff)
{
	uint16_t tag;
	uint32_t size = 0;
	const void *xmp = NULL;
	if (TIFFGetField(tiff, TIFFTAG_ORIENTATION, &tag))
		return tag >= ORIENTATION_TOPLEFT && tag <= ORIENTATION_LEFTBOT ? tag : ORIENTATION_TOPLEFT;
	if (!TIFFGetField(tiff, TIFFTAG_XMLPACKET, &size, &xmp))
		size = 0;
	return (uint16_t)thaw_orientation(0, thaw_xmp_orientation(xmp, size));
}

static void read_page(TIFF *tiff, struct page *p)
{
	uint16_t compression = COMPRESSION_NONE;
	*p = (struct page){.photometric = PHOTOMETRIC_MINISBLACK};
	TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &p->width);
	TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &p->height);
	TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &p->photometric);
	TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &compression);
	TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &p->bits);
	TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &p->samples);
	TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &p->planar);
	TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &p->format);
	p->orientation = read_orientation(tiff);
	if (p->photometric == PHOTOMETRIC_YCBCR && compression == COMPRESSION_JPEG) {
		TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
		p->photometric = PHOTOMETRIC_RGB;
	}
	if (p->photometric == PHOTOMETRIC_PALETTE)
		TIFFGetField(tiff, TIFFTAG_COLORMAP, &p->palette[0], &p->palette[1], &p->palette[2]);
}

/* How many samples of a pixel determine its colour; 0 if libtiff's converter is needed. */
static int color_samples(const struct page *p)
{
	int wanted = 0;
	if (p->bits == 8 || p->bits == 16)
		switch (p->photometric) {
		case PHOTOMETRIC_MINISBLACK:
		case PHOTOMETRIC_MINISWHITE:
			wanted = 1;
			break;
		case PHOTOMETRIC_PALETTE:
			wanted = p->bits == 8 && p->palette[0] ? 1 : 0;
			break;
		case PHOTOMETRIC_RGB:
			wanted = 3;
			break;
		case PHOTOMETRIC_SEPARATED:
			wanted = 4;
			break;
		default:
			break;
		}
	return wanted <= p->samples ? wanted : 0;
}

/* Converts a row to 8 bits: the first `wanted` of the `stride` samples of each pixel go to to[pixels][to_stride]. */
static void narrow(const struct page *p, const uint8_t *row, int stride, uint32_t pixels, int wanted, uint8_t *to,
		   int to_stride)
{
	const uint16_t *wide = (const uint16_t *)(const void *)row;
	for (uint32_t x = 0; x < pixels; x++)
		for (int s = 0; s < wanted; s++)
			to[x * (uint32_t)to_stride + (uint32_t)s] =
				p->bits == 8 ? row[x * (uint32_t)stride + (uint32_t)s]
					     : (uint8_t)(wide[x * (uint32_t)stride + (uint32_t)s] >> 8);
}

/* Converts pixels of color_samples() samples, of 8 bits each, to RGB. */
static void color_row(const struct page *p, const uint8_t *samples, uint32_t pixels, uint8_t *rgb)
{
	for (uint32_t x = 0; x < pixels; x++, rgb += 3)
		switch (p->photometric) {
		case PHOTOMETRIC_MINISBLACK:
			memset(rgb, samples[x], 3);
			break;
		case PHOTOMETRIC_MINISWHITE:
			memset(rgb, 255 - samples[x], 3);
			break;
		case PHOTOMETRIC_PALETTE:
			for (int c = 0; c < 3; c++)
				rgb[c] = (uint8_t)(p->palette[c][samples[x]] >> 8);
			break;
		case PHOTOMETRIC_SEPARATED:
			thaw_rgb_of_cmyk(rgb, samples + 4 * (size_t)x);
			break;
		default:
			memcpy(rgb, samples + 3 * (size_t)x, 3);
			break;
		}
}

/* Working memory: `block` for a tile or a row as stored, `samples` for the 8-bit samples of `samples_height` rows: a
 * row of blocks, or the whole image if its planes are stored separately in strips. */
struct rows {
	uint8_t *block, *samples; /* owned */
	uint32_t block_width, block_height, samples_height;
	tmsize_t block_bytes, block_row;
	int wanted;
};

static thaw_status open_rows(struct rows *r, TIFF *tiff, const struct page *p, const char *name)
{
	bool tiled = TIFFIsTiled(tiff);
	*r = (struct rows){.block_width = p->width, .block_height = 1, .wanted = color_samples(p)};
	if (tiled) {
		TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &r->block_width);
		TIFFGetField(tiff, TIFFTAG_TILELENGTH, &r->block_height);
	}
	r->block_bytes = tiled ? TIFFTileSize(tiff) : TIFFScanlineSize(tiff);
	r->block_row = tiled ? TIFFTileRowSize(tiff) : r->block_bytes;
	tmsize_t pixel = p->bits / 8 * (p->planar == PLANARCONFIG_CONTIG ? p->samples : 1);
	if (r->block_bytes < 1 || r->block_bytes > MAX_BLOCK || r->block_height < 1 || r->block_width < 1 ||
	    r->block_row < (tmsize_t)r->block_width * pixel ||
	    r->block_bytes < r->block_row * (tmsize_t)r->block_height)
		return thaw_fail(THAW_DATA, "damaged TIFF (size of its strips or tiles): %s: remove or replace it",
				 name);
	r->block = thaw_alloc((size_t)r->block_bytes, 1);
	r->samples_height = r->block_height;
	if (r->block_height > p->height || (!tiled && p->planar == PLANARCONFIG_SEPARATE))
		r->samples_height = p->height;
	r->samples = thaw_alloc((size_t)p->width * r->samples_height, (size_t)r->wanted);
	return r->block && r->samples ? THAW_OK : THAW_RESOURCE;
}

/* Reads the block at (x,y) of this plane and writes its colour samples to r->samples, from row `to` on. */
static bool read_block(const struct rows *r, TIFF *tiff, const struct page *p, uint32_t x, uint32_t y, int plane,
		       uint32_t to)
{
	bool contiguous = p->planar == PLANARCONFIG_CONTIG;
	bool read = TIFFIsTiled(tiff) ? TIFFReadTile(tiff, r->block, x, y, 0, (uint16_t)plane) >= 0
				      : TIFFReadScanline(tiff, r->block, y, (uint16_t)plane) == 1;
	uint32_t pixels = p->width - x < r->block_width ? p->width - x : r->block_width;
	uint32_t height = p->height - y < r->block_height ? p->height - y : r->block_height;
	for (uint32_t row = 0; read && row < height; row++)
		narrow(p, r->block + (tmsize_t)row * r->block_row, contiguous ? p->samples : 1, pixels,
		       contiguous ? r->wanted : 1,
		       r->samples + ((size_t)(to + row) * p->width + x) * (size_t)r->wanted + (contiguous ? 0 : plane),
		       r->wanted);
	return read;
}

/* For planes that are stored separately in strips. A strip is compressed as a whole, and reading the planes in turn
 * would decode it again for every row. So each plane is read from top to bottom. */
static bool read_planes(const struct rows *r, TIFF *tiff, const struct page *p, struct thaw_image *image)
{
	for (int plane = 0; plane < r->wanted; plane++)
		for (uint32_t y = 0; y < p->height; y++)
			if (!read_block(r, tiff, p, 0, y, plane, y))
				return false;
	color_row(p, r->samples, p->width * p->height, image->pixels);
	return true;
}

static bool read_blocks(const struct rows *r, TIFF *tiff, const struct page *p, struct thaw_image *image)
{
	int planes = p->planar == PLANARCONFIG_CONTIG ? 1 : r->wanted;
	for (uint32_t y = 0; y < p->height; y += r->block_height) {
		for (uint32_t x = 0; x < p->width; x += r->block_width)
			for (int plane = 0; plane < planes; plane++)
				if (!read_block(r, tiff, p, x, y, plane, 0))
					return false;
		uint32_t height = p->height - y < r->block_height ? p->height - y : r->block_height;
		color_row(p, r->samples, p->width * height, image->pixels + 3 * (size_t)y * p->width);
	}
	return true;
}

static thaw_status read_samples(TIFF *tiff, const struct page *p, struct thaw_image *image, const struct source *s,
				const char *name)
{
	struct rows rows;
	bool by_plane = p->planar == PLANARCONFIG_SEPARATE && !TIFFIsTiled(tiff);
	thaw_status status = open_rows(&rows, tiff, p, name);
	if (status == THAW_OK && !(by_plane ? read_planes : read_blocks)(&rows, tiff, p, image))
		status = damaged(s, name);
	thaw_free(rows.block);
	thaw_free(rows.samples);
	return status;
}

/* libtiff's converter: 32-bit RGBA, here in the order of the file's rows. */
static thaw_status read_converted(TIFF *tiff, const struct page *p, struct thaw_image *image, const struct source *s,
				  const char *name)
{
	size_t pixels = (size_t)p->width * p->height;
	uint32_t *rgba = thaw_alloc(pixels, sizeof(*rgba));
	if (!rgba)
		return THAW_RESOURCE;
	bool read = TIFFReadRGBAImageOriented(tiff, p->width, p->height, rgba, p->orientation, 1);
	for (size_t i = 0; read && i < pixels; i++) {
		image->pixels[3 * i] = (uint8_t)TIFFGetR(rgba[i]);
		image->pixels[3 * i + 1] = (uint8_t)TIFFGetG(rgba[i]);
		image->pixels[3 * i + 2] = (uint8_t)TIFFGetB(rgba[i]);
	}
	thaw_free(rgba);
	return read ? THAW_OK : damaged(s, name);
}

static thaw_status check_samples(const struct page *p, const char *name)
{
	bool is_float = p->format == SAMPLEFORMAT_IEEEFP || p->format == SAMPLEFORMAT_COMPLEXIEEEFP;
	bool is_unsigned = p->format == SAMPLEFORMAT_UINT || p->format == SAMPLEFORMAT_VOID;
	if (p->bits > 16 || !is_unsigned)
		return thaw_fail(THAW_DATA, "TIFF with %d-bit %s samples: %s: convert it to 8 or 16 bits without sign",
				 p->bits,
				 is_float      ? "floating point"
				 : is_unsigned ? "integer"
					       : "signed",
				 name);
	if (p->photometric > PHOTOMETRIC_YCBCR)
		return thaw_fail(THAW_DATA,
				 "TIFF in a colour space other than grey, RGB, palette, CMYK and YCbCr: %s: "
				 "convert it to RGB",
				 name);
	return THAW_OK;
}

/* DNG and other raw formats of cameras are TIFF files that begin with a thumbnail. */
static thaw_status check_first_page(TIFF *tiff, const char *name)
{
	uint32_t kind = 0;
	TIFFGetField(tiff, TIFFTAG_SUBFILETYPE, &kind);
	return kind & FILETYPE_REDUCEDIMAGE
		       ? thaw_fail(THAW_DATA,
				   "TIFF whose first page is a thumbnail, as in a camera raw image: %s: convert it to "
				   "JPEG or PNG",
				   name)
		       : THAW_OK;
}

static thaw_status decode_page(TIFF *tiff, struct thaw_image *image, int *orientation, struct source *s,
			       const char *name)
{
	struct page p;
	read_page(tiff, &p);
	THAW_TRY(check_first_page(tiff, name));
	THAW_TRY(check_samples(&p, name));
	THAW_TRY(thaw_image_allocate(image, p.width, p.height, name));
	*orientation = p.orientation;
	s->reason[0] = 0; /* what libtiff said of the header did not matter, since it has opened the file */
	THAW_TRY(color_samples(&p) > 0 ? read_samples(tiff, &p, image, s, name)
				       : read_converted(tiff, &p, image, s, name));
	return s->reason[0] ? damaged(s, name) : THAW_OK; /* some decoders report damage and continue */
}

static thaw_status decode_tiff(struct thaw_image *image, int *orientation, const uint8_t *bytes, size_t size,
			       const char *name)
{
	struct source source = {.bytes = bytes, .size = size};
	struct thaw_image decoded = {0};
	TIFF *tiff = open_tiff(&source);
	if (!tiff)
		return damaged(&source, name);
	thaw_status status = decode_page(tiff, &decoded, orientation, &source, name);
	TIFFClose(tiff);
	if (status == THAW_OK)
		*image = decoded;
	else
		thaw_image_free(&decoded);
	return status;
}

/* Both byte orders, classic and BigTIFF. */
static bool detect_tiff(const uint8_t *bytes, size_t size)
{
	static const char *const magics[] = {"II*\0", "MM\0*", "II+\0", "MM\0+"};
	for (int i = 0; i < 4; i++)
		if (size >= 8 && memcmp(bytes, magics[i], 4) == 0)
			return size < 10 || memcmp(bytes + 8, "CR", 2) != 0; /* Canon's raw format */
	return false;
}

static bool is_tiff_cmyk(const uint8_t *bytes, size_t size)
{
	struct source source = {.bytes = bytes, .size = size};
	struct page p = {.photometric = PHOTOMETRIC_RGB};
	TIFF *tiff = open_tiff(&source);
	if (!tiff)
		return false;
	read_page(tiff, &p);
	TIFFClose(tiff);
	return p.photometric == PHOTOMETRIC_SEPARATED;
}

static const char *const extensions[] = {".tif", ".tiff", NULL};

const struct image_format thaw_image_tiff = {
	.name = "TIFF",
	.extensions = extensions,
	.detect = detect_tiff,
	.decode = decode_tiff,
	.is_cmyk = is_tiff_cmyk,
};
