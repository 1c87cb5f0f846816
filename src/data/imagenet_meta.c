/* meta.mat of ImageNet's development kit: an array of structures "synsets" with, among others, the fields
 * ILSVRC2012_ID, a number from 1, and WNID, a text. */
#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/data/imagenet.h"
#include "src/data/mat_element.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define FILE_LIMIT ((size_t)64 << 20) /* bytes */

enum { MAX_ID = 10000, WNID_BYTES = 9, CLASS_STRUCT = 2 };

struct meta {
	char wnid[MAX_ID + 1][WNID_BYTES + 1]; /* by number; "": none */
	int last;                              /* the highest number */
};

/* *number = 0 if it is not a number of a class. */
static thaw_status read_id(int *number, const struct mat_element *field, const char *path)
{
	struct mat_matrix m;
	struct mat_element e;
	double x = 0.0;
	THAW_TRY(thaw_mat_matrix(&m, field, path));
	THAW_TRY(thaw_mat_next(&m.rest, &e));
	if (e.type == MAT_DOUBLE && e.size == sizeof(x))
		memcpy(&x, e.data, sizeof(x));
	else if ((e.type >= MAT_INT8 && e.type <= MAT_UINT32) || e.type == MAT_INT64 || e.type == MAT_UINT64)
		for (size_t i = min_size(e.size, 8); i-- > 0;)
			x = 256 * x + e.data[i];
	*number = x >= 1 && x <= MAX_ID && x == floor(x) ? (int)x : 0;
	return *number ? THAW_OK : thaw_mat_damaged(path);
}

/* Characters have one or two bytes. */
static thaw_status read_wnid(char wnid[WNID_BYTES + 1], const struct mat_element *field, const char *path)
{
	struct mat_matrix m;
	struct mat_element e;
	THAW_TRY(thaw_mat_matrix(&m, field, path));
	THAW_TRY(thaw_mat_next(&m.rest, &e));
	size_t width = e.type == MAT_UINT16 ? 2 : 1;
	if (e.size != WNID_BYTES * width || e.data[0] != 'n')
		return thaw_mat_damaged(path);
	for (size_t i = 0; i < WNID_BYTES; i++)
		wnid[i] = (char)e.data[i * width];
	wnid[WNID_BYTES] = '\0';
	return THAW_OK;
}

/* The position of a field; -1: none. names: each of `length` bytes. */
static int64_t find_field(const struct mat_element *names, size_t length, const char *name)
{
	for (size_t i = 0; i + length <= names->size; i += length)
		if (strlen(name) < length && memcmp(names->data + i, name, strlen(name) + 1) == 0)
			return (int64_t)(i / length);
	return -1;
}

/* Reads one structure of `fields` fields. */
static thaw_status read_synset(struct meta *meta, struct mat_cursor *c, int64_t fields, int64_t id_at, int64_t wnid_at)
{
	char wnid[WNID_BYTES + 1] = "";
	int id = 0;
	for (int64_t f = 0; f < fields; f++) {
		struct mat_element e;
		THAW_TRY(thaw_mat_next(c, &e));
		if (f == id_at)
			THAW_TRY(read_id(&id, &e, c->path));
		if (f == wnid_at)
			THAW_TRY(read_wnid(wnid, &e, c->path));
	}
	if (meta->wnid[id][0])
		return thaw_mat_damaged(c->path);
	memcpy(meta->wnid[id], wnid, sizeof(wnid));
	meta->last = max_int(meta->last, id);
	return THAW_OK;
}

/* Reads the matrix if it is the one with the classes. */
static thaw_status read_matrix(struct meta *meta, const struct mat_element *e, const char *path)
{
	static const char wanted[] = "synsets";
	struct mat_matrix m;
	struct mat_element length, names;
	THAW_TRY(thaw_mat_matrix(&m, e, path));
	if (m.name.size != strlen(wanted) || memcmp(m.name.data, wanted, m.name.size) != 0)
		return THAW_OK;
	THAW_TRY(thaw_mat_next(&m.rest, &length));
	THAW_TRY(thaw_mat_next(&m.rest, &names));
	size_t bytes = length.type == MAT_INT32 && length.size == 4 ? length.data[0] : 0; /* at most 32 or 64 */
	if (m.class != CLASS_STRUCT || names.type != MAT_INT8 || bytes == 0)
		return thaw_mat_damaged(path);
	int64_t id_at = find_field(&names, bytes, "ILSVRC2012_ID"), wnid_at = find_field(&names, bytes, "WNID");
	if (id_at < 0 || wnid_at < 0)
		return thaw_mat_damaged(path);
	for (int64_t i = 0; i < m.count; i++)
		THAW_TRY(read_synset(meta, &m.rest, (int64_t)(names.size / bytes), id_at, wnid_at));
	return THAW_OK;
}

static thaw_status read_element(struct meta *meta, const struct mat_element *e, const char *path)
{
	uint8_t *memory = NULL;
	struct mat_element inner = *e;
	thaw_status status = e->type == MAT_COMPRESSED ? thaw_mat_inflate(&inner, &memory, e, path) : THAW_OK;
	if (status == THAW_OK && inner.type == MAT_MATRIX)
		status = read_matrix(meta, &inner, path);
	thaw_free(memory);
	return status;
}

static thaw_status take_names(struct names *wnids, const struct meta *meta, const char *path)
{
	for (int id = 1; id <= meta->last; id++) {
		if (!meta->wnid[id][0])
			return thaw_fail(THAW_DATA, "no class %d: %s: download it again", id, path);
		THAW_TRY(thaw_names_add(wnids, thaw_strdup(meta->wnid[id])));
	}
	return meta->last ? THAW_OK : thaw_fail(THAW_DATA, "no classes (synsets): %s: download it again", path);
}

thaw_status thaw_imagenet_read_meta(struct names *wnids, const char *path)
{
	void *bytes = NULL;
	size_t size;
	struct mat_cursor c = {0};
	struct mat_element e;
	THAW_TRY(thaw_file_read(&bytes, &size, path, FILE_LIMIT));
	struct meta *meta = thaw_alloc(1, sizeof(*meta));
	thaw_status status = meta ? thaw_mat_begin(&c, bytes, size, path) : THAW_RESOURCE;
	while (status == THAW_OK && meta->last == 0 && c.left > 0) {
		status = thaw_mat_next(&c, &e);
		if (status == THAW_OK)
			status = read_element(meta, &e, path);
	}
	if (status == THAW_OK)
		status = take_names(wnids, meta, path);
	thaw_free(meta);
	thaw_free(bytes);
	return status;
}
