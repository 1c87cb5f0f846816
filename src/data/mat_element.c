/* A MAT-file of version 5 is a header of 128 bytes and elements: a tag of type and size, then data, padded to 8 bytes.
 * A matrix is an element of elements: flags, dimensions, name, numbers. Matlab compresses each matrix with zlib. */
#include "src/data/mat_element.h"

#include <string.h>
#include <zlib.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/memory.h"

#define INFLATED_LIMIT ((size_t)64 << 20) /* bytes */
#define HEADER         128
#define TAG            8
#define FLAG_COMPLEX   0x08

thaw_status thaw_mat_damaged(const char *path)
{
	thaw_fail(THAW_DATA, "damaged MAT-file: %s: download it again", path);
	return THAW_DATA; /* a constant lets the compiler see which outputs are set */
}

static uint32_t word(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

thaw_status thaw_mat_begin(struct mat_cursor *c, const void *bytes, size_t size, const char *path)
{
	const uint8_t *b = bytes;
	if (size >= 8 && memcmp(b, "\x89HDF\r\n\x1a\n", 8) == 0)
		return thaw_fail(THAW_DATA, "a MAT-file of version 7.3 (HDF5): %s: save it with -v7", path);
	if (size < HEADER || memcmp(b + HEADER - 2, "IM", 2) != 0 || b[HEADER - 3] != 1)
		return thaw_fail(THAW_DATA, "not a MAT-file of version 5: %s: download it again", path);
	*c = (struct mat_cursor){b + HEADER, size - HEADER, path};
	return THAW_OK;
}

/* Small elements have their data within the tag. Compressed ones are not padded. */
thaw_status thaw_mat_next(struct mat_cursor *c, struct mat_element *e)
{
	if (c->left < TAG)
		return thaw_mat_damaged(c->path);
	uint32_t first = word(c->at), small = first >> 16;
	*e = (struct mat_element){small ? first & 0xffff : first, c->at + (small ? 4 : TAG),
				  small ? small : word(c->at + 4)};
	size_t room = small ? 4 : c->left - TAG;
	if (e->size > room)
		return thaw_mat_damaged(c->path);
	size_t padded = e->type == MAT_COMPRESSED ? e->size : min_size((e->size + 7) & ~(size_t)7, room);
	size_t whole = small ? TAG : TAG + padded;
	c->at += whole;
	c->left -= whole;
	return THAW_OK;
}

thaw_status thaw_mat_inflate(struct mat_element *inner, uint8_t **memory, const struct mat_element *e, const char *path)
{
	z_stream z = {.next_in = (uint8_t *)e->data, .avail_in = (uInt)e->size};
	size_t room = min_size(INFLATED_LIMIT, 1040 * e->size + TAG); /* deflate expands at most 1032 times */
	*memory = thaw_alloc(room, 1);
	if (!*memory)
		return THAW_RESOURCE;
	z.next_out = *memory;
	z.avail_out = (uInt)room;
	if (inflateInit(&z) != Z_OK)
		return thaw_fail(THAW_RESOURCE, "out of memory: a decompressor for %s", path);
	int code = inflate(&z, Z_FINISH);
	struct mat_cursor c = {*memory, room - z.avail_out, path};
	inflateEnd(&z);
	return code == Z_STREAM_END ? thaw_mat_next(&c, inner) : thaw_mat_damaged(path);
}

/* The number of values that the dimensions say; -1: invalid. */
static int64_t count_values(const struct mat_element *dims)
{
	int64_t n = 1;
	if (dims->type != MAT_INT32 || dims->size % 4 != 0 || dims->size < 8)
		return -1;
	for (size_t i = 0; i < dims->size; i += 4)
		if (__builtin_mul_overflow(n, (int64_t)word(dims->data + i), &n))
			return -1;
	return n;
}

thaw_status thaw_mat_matrix(struct mat_matrix *m, const struct mat_element *e, const char *path)
{
	struct mat_element flags, dims;
	m->rest = (struct mat_cursor){e->data, e->size, path};
	if (e->type != MAT_MATRIX)
		return thaw_mat_damaged(path);
	THAW_TRY(thaw_mat_next(&m->rest, &flags));
	THAW_TRY(thaw_mat_next(&m->rest, &dims));
	THAW_TRY(thaw_mat_next(&m->rest, &m->name));
	m->count = count_values(&dims);
	if (flags.type != MAT_UINT32 || flags.size != 8 || m->name.type != MAT_INT8 || m->count < 0)
		return thaw_mat_damaged(path);
	m->class = flags.data[0];
	m->complex = flags.data[1] & FLAG_COMPLEX;
	return THAW_OK;
}
