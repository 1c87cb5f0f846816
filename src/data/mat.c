/* Matrices of whole numbers in MAT-files. */
#include "src/data/mat.h"

#include <math.h>
#include <string.h>

#include "src/base/try.h"
#include "src/data/mat_element.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define FILE_LIMIT ((size_t)64 << 20) /* bytes */

enum { CLASS_DOUBLE = 6, CLASS_UINT64 = 15 };

static double number_at(const struct mat_element *e, size_t i, size_t width)
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
	const double values[] = {
		[MAT_INT8] = v.i8,           [MAT_UINT8] = v.u8,          [MAT_INT16] = v.i16,  [MAT_UINT16] = v.u16,
		[MAT_INT32] = v.i32,         [MAT_UINT32] = v.u32,        [MAT_SINGLE] = v.f32, [MAT_DOUBLE] = v.f64,
		[MAT_INT64] = (double)v.i64, [MAT_UINT64] = (double)v.u64};
	return values[e->type];
}

/* Bytes of a number of that type; 0: not a type of numbers. */
static size_t width_of(uint32_t type)
{
	static const uint8_t widths[] = {
		[MAT_INT8] = 1,   [MAT_UINT8] = 1,  [MAT_INT16] = 2,  [MAT_UINT16] = 2, [MAT_INT32] = 4,
		[MAT_UINT32] = 4, [MAT_SINGLE] = 4, [MAT_DOUBLE] = 8, [MAT_INT64] = 8,  [MAT_UINT64] = 8};
	return type < sizeof(widths) ? widths[type] : 0;
}

static thaw_status copy_numbers(int32_t **values, int64_t *count, const struct mat_element *e, const char *path)
{
	size_t width = width_of(e->type), n = width > 0 ? e->size / width : 0;
	if (n == 0 || e->size % width != 0)
		return thaw_mat_damaged(path);
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

/* Reads a matrix if it has that name; else leaves *values NULL. */
static thaw_status read_matrix(int32_t **values, int64_t *count, const struct mat_element *e, const char *path,
			       const char *name)
{
	struct mat_matrix m;
	struct mat_element numbers;
	THAW_TRY(thaw_mat_matrix(&m, e, path));
	if (m.name.size != strlen(name) || memcmp(m.name.data, name, m.name.size) != 0)
		return THAW_OK;
	if (m.class < CLASS_DOUBLE || m.class > CLASS_UINT64 || m.complex)
		return thaw_fail(THAW_DATA, "\"%s\" is not a matrix of real numbers: %s: download it again", name,
				 path);
	THAW_TRY(thaw_mat_next(&m.rest, &numbers));
	THAW_TRY(copy_numbers(values, count, &numbers, path));
	if (*count == m.count)
		return THAW_OK;
	thaw_free(*values);
	*values = NULL;
	return thaw_mat_damaged(path);
}

/* e: an element of the file. */
static thaw_status read_element(int32_t **values, int64_t *count, const struct mat_element *e, const char *path,
				const char *name)
{
	if (e->type == MAT_MATRIX)
		return read_matrix(values, count, e, path, name);
	if (e->type != MAT_COMPRESSED)
		return THAW_OK;
	struct mat_element inner;
	uint8_t *memory = NULL;
	thaw_status status = thaw_mat_inflate(&inner, &memory, e, path);
	if (status == THAW_OK && inner.type == MAT_MATRIX)
		status = read_matrix(values, count, &inner, path, name);
	thaw_free(memory);
	return status;
}

thaw_status thaw_mat_read(int32_t **values, int64_t *count, const char *path, const char *name)
{
	void *bytes = NULL;
	size_t size;
	struct mat_cursor c = {0};
	*values = NULL;
	THAW_TRY(thaw_file_read(&bytes, &size, path, FILE_LIMIT));
	thaw_status status = thaw_mat_begin(&c, bytes, size, path);
	while (status == THAW_OK && !*values && c.left > 0) {
		struct mat_element e;
		status = thaw_mat_next(&c, &e);
		if (status == THAW_OK)
			status = read_element(values, count, &e, path, name);
	}
	thaw_free(bytes);
	if (status == THAW_OK && !*values)
		status = thaw_fail(THAW_DATA, "no matrix called \"%s\": %s: download it again", name, path);
	return status;
}
