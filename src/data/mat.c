/* A MAT-file of version 5 is a header of 128 bytes and elements: a tag of type and size, then data, padded to 8 bytes.
 * A matrix is an element of elements: flags, dimensions, name, numbers. Matlab compresses each matrix with zlib. */
#include "src/data/mat.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define FILE_LIMIT   ((size_t)64 << 20) /* bytes */
#define MATRIX_LIMIT ((size_t)64 << 20) /* bytes of a matrix, when it is decompressed */
#define HEADER       128
#define TAG          8

enum { TYPE_INT8 = 1, TYPE_INT32 = 5, TYPE_UINT32 = 6, TYPE_MATRIX = 14, TYPE_COMPRESSED = 15 };
enum { CLASS_DOUBLE = 6, CLASS_UINT64 = 15, FLAG_COMPLEX = 0x08 };

/* A part of the file that is not read yet. */
struct cursor {
	const uint8_t *at;
	size_t left;
	const char *path;
};

struct element {
	uint32_t type;
	const uint8_t *data;
	size_t size;
};

static thaw_status damaged(const char *path)
{
	thaw_fail(THAW_DATA, "damaged MAT-file: %s: download it again", path);
	return THAW_DATA; /* a constant lets the compiler see which outputs are set */
}

static uint32_t word(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Small elements have their data within the tag. Compressed ones are not padded. */
static thaw_status next_element(struct cursor *c, struct element *e)
{
	if (c->left < TAG)
		return damaged(c->path);
	uint32_t first = word(c->at), small = first >> 16;
	*e = (struct element){small ? first & 0xffff : first, c->at + (small ? 4 : TAG),
			      small ? small : word(c->at + 4)};
	size_t room = small ? 4 : c->left - TAG;
	if (e->size > room)
		return damaged(c->path);
	size_t padded = e->type == TYPE_COMPRESSED ? e->size : min_size((e->size + 7) & ~(size_t)7, room);
	size_t whole = small ? TAG : TAG + padded;
	c->at += whole;
	c->left -= whole;
	return THAW_OK;
}

/* Of an element in the file: 8 bytes of tag and data, in new memory. *size: bytes of content. */
static thaw_status decompress(uint8_t **content, size_t *size, const struct element *e, const char *path)
{
	z_stream z = {.next_in = (uint8_t *)e->data, .avail_in = (uInt)e->size};
	size_t room = min_size(MATRIX_LIMIT, 1040 * e->size + TAG); /* deflate expands at most 1032 times */
	*content = thaw_alloc(room, 1);
	if (!*content)
		return THAW_RESOURCE;
	z.next_out = *content;
	z.avail_out = (uInt)room;
	if (inflateInit(&z) != Z_OK)
		return thaw_fail(THAW_RESOURCE, "out of memory: a decompressor for %s", path);
	int code = inflate(&z, Z_FINISH);
	*size = room - z.avail_out;
	inflateEnd(&z);
	return code == Z_STREAM_END ? THAW_OK : damaged(path);
}

static double number_at(const struct element *e, size_t i, size_t width)
{
	const uint8_t *p = e->data + i * width;
	union {
		uint8_t bytes[8];
		int8_t i8;
		uint8_t u8;
		int16_t i16;
		uint16_t u16;
		int32_t i32;
		uint32_t u32;
		float f32;
		double f64;
		int64_t i64;
		uint64_t u64;
	} v = {.u64 = 0};
	memcpy(v.bytes, p, width);
	const double values[] = {[1] = v.i8,  [2] = v.u8,  [3] = v.i16, [4] = v.u16,          [5] = v.i32,
				 [6] = v.u32, [7] = v.f32, [9] = v.f64, [12] = (double)v.i64, [13] = (double)v.u64};
	return values[e->type];
}

/* Bytes of a number of that type; 0: not a type of numbers. */
static size_t width_of(uint32_t type)
{
	static const uint8_t widths[] = {
		[1] = 1, [2] = 1, [3] = 2, [4] = 2, [5] = 4, [6] = 4, [7] = 4, [9] = 8, [12] = 8, [13] = 8};
	return type < sizeof(widths) ? widths[type] : 0;
}

static thaw_status copy_numbers(int32_t **values, int64_t *count, const struct element *e, const char *path)
{
	size_t width = width_of(e->type), n = width > 0 ? e->size / width : 0;
	if (n == 0 || e->size % width != 0)
		return damaged(path);
	int32_t *copy = thaw_alloc(n, sizeof(*copy));
	if (!copy)
		return THAW_RESOURCE;
	for (size_t i = 0; i < n; i++) {
		double x = number_at(e, i, width);
		if (!(fabs(x) <= INT32_MAX) || x != floor(x)) {
			thaw_free(copy);
			return thaw_fail(THAW_DATA, "a number that is not whole: %s: download it again", path);
		}
		copy[i] = (int32_t)x;
	}
	*values = copy;
	*count = (int64_t)n;
	return THAW_OK;
}

/* The number of values that the dimensions say; -1: invalid. */
static int64_t count_values(const struct element *dims)
{
	int64_t n = 1;
	if (dims->type != TYPE_INT32 || dims->size % 4 != 0 || dims->size < 8)
		return -1;
	for (size_t i = 0; i < dims->size; i += 4)
		if (__builtin_mul_overflow(n, (int64_t)word(dims->data + i), &n))
			return -1;
	return n;
}

/* Reads the content of a matrix if it has that name; else leaves *values NULL. */
static thaw_status read_matrix(int32_t **values, int64_t *count, struct cursor c, const char *name)
{
	struct element flags, dims, label, numbers;
	THAW_TRY(next_element(&c, &flags));
	THAW_TRY(next_element(&c, &dims));
	THAW_TRY(next_element(&c, &label));
	if (flags.type != TYPE_UINT32 || flags.size != 8 || label.type != TYPE_INT8)
		return damaged(c.path);
	if (label.size != strlen(name) || memcmp(label.data, name, label.size) != 0)
		return THAW_OK;
	if (flags.data[0] < CLASS_DOUBLE || flags.data[0] > CLASS_UINT64 || flags.data[1] & FLAG_COMPLEX)
		return thaw_fail(THAW_DATA, "\"%s\" is not a matrix of real numbers: %s: download it again", name,
				 c.path);
	THAW_TRY(next_element(&c, &numbers));
	THAW_TRY(copy_numbers(values, count, &numbers, c.path));
	if (*count == count_values(&dims))
		return THAW_OK;
	thaw_free(*values);
	*values = NULL;
	return damaged(c.path);
}

/* e: an element of the file. */
static thaw_status read_element(int32_t **values, int64_t *count, const struct element *e, const char *path,
				const char *name)
{
	if (e->type == TYPE_MATRIX)
		return read_matrix(values, count, (struct cursor){e->data, e->size, path}, name);
	if (e->type != TYPE_COMPRESSED)
		return THAW_OK;
	uint8_t *content = NULL;
	size_t size = 0;
	thaw_status status = decompress(&content, &size, e, path);
	struct cursor inner = {content, size, path};
	struct element matrix;
	if (status == THAW_OK)
		status = next_element(&inner, &matrix);
	if (status == THAW_OK && matrix.type == TYPE_MATRIX)
		status = read_matrix(values, count, (struct cursor){matrix.data, matrix.size, path}, name);
	thaw_free(content);
	return status;
}

static thaw_status check_header(const uint8_t *bytes, size_t size, const char *path)
{
	if (size >= 8 && memcmp(bytes, "\x89HDF\r\n\x1a\n", 8) == 0)
		return thaw_fail(THAW_DATA, "a MAT-file of version 7.3 (HDF5): %s: save it with -v7", path);
	if (size < HEADER || memcmp(bytes + HEADER - 2, "IM", 2) != 0 || bytes[HEADER - 3] != 1)
		return thaw_fail(THAW_DATA, "not a MAT-file of version 5: %s: download it again", path);
	return THAW_OK;
}

thaw_status thaw_mat_read(int32_t **values, int64_t *count, const char *path, const char *name)
{
	void *bytes = NULL;
	size_t size;
	*values = NULL;
	THAW_TRY(thaw_file_read(&bytes, &size, path, FILE_LIMIT));
	thaw_status status = check_header(bytes, size, path);
	struct cursor c = {(uint8_t *)bytes + HEADER, status == THAW_OK ? size - HEADER : 0, path};
	while (status == THAW_OK && !*values && c.left > 0) {
		struct element e;
		status = next_element(&c, &e);
		if (status == THAW_OK)
			status = read_element(values, count, &e, path, name);
	}
	thaw_free(bytes);
	if (status == THAW_OK && !*values)
		status = thaw_fail(THAW_DATA, "no matrix called \"%s\": %s: download it again", name, path);
	return status;
}
