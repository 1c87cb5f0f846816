/* See table_header.h. The format of npy is described in NumPy's numpy.lib.format. */
#include "src/embed/table_header.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/weights.h"

#define NPY_ALIGN  64  /* bytes: values begin at a multiple of it */
#define NPY_PREFIX 10  /* bytes before the description: magic, version, length */
#define NPY_SIZE   256 /* bytes; enough for any header of this kind */

static bool has_ending(const char *path, const char *ending)
{
	size_t n = strlen(path), e = strlen(ending);
	return n > e && strcmp(path + n - e, ending) == 0;
}

thaw_status thaw_table_check(const char *path)
{
	if (has_ending(path, ".npy") || has_ending(path, ".safetensors"))
		return THAW_OK;
	return thaw_fail(THAW_USAGE, "not a name for features: %s: give FILE.npy or FILE.safetensors", path);
}

/* "\x93NUMPY", and version 1.0 */
static const char magic[] = {(char)0x93, 'N', 'U', 'M', 'P', 'Y', 1};

static thaw_status npy_header(void **header, size_t *size, int64_t rows, int64_t width)
{
	char *text = *header = thaw_alloc(NPY_SIZE, 1);
	if (!text)
		return THAW_RESOURCE;
	memcpy(text, magic, sizeof(magic));
	snprintf(text + NPY_PREFIX, NPY_SIZE - NPY_PREFIX,
		 "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }", (long long)rows,
		 (long long)width);
	size_t used = NPY_PREFIX + strlen(text + NPY_PREFIX);
	*size = (used / NPY_ALIGN + 1) * NPY_ALIGN;
	memset(text + used, ' ', *size - used);
	text[*size - 1] = '\n';
	text[NPY_PREFIX - 2] = (char)(*size - NPY_PREFIX);
	return THAW_OK;
}

/* Collects what is written to a sink. */
struct collected {
	struct thaw_sink sink;
	char *bytes;
	size_t size;
};

static thaw_status collect(struct thaw_sink *sink, const void *bytes, size_t size)
{
	struct collected *c = (struct collected *)sink;
	char *more = thaw_alloc(c->size + size + 1, 1);
	if (!more)
		return THAW_RESOURCE;
	if (c->size > 0)
		memcpy(more, c->bytes, c->size);
	memcpy(more + c->size, bytes, size);
	thaw_free(c->bytes);
	c->bytes = more;
	c->size += size;
	return THAW_OK;
}

static thaw_status safetensors_header(void **header, size_t *size, int64_t rows, int64_t width, const json_t *of)
{
	char key[] = "thaw.embed", name[] = "features";
	char *text = json_dumps(of, JSON_COMPACT);
	struct thaw_pair metadata = {key, text};
	struct thaw_named_tensor features = {name, THAW_F32, thaw_shape_of(rows, width), NULL};
	const struct thaw_weights w = {.tensors = &features, .count = 1, .metadata = &metadata, .metadata_count = 1};
	struct collected c = {.sink = {collect, NULL}};
	thaw_status status = text ? thaw_safetensors_write_header(&w, &c.sink) : THAW_RESOURCE;
	free(text);
	*header = c.bytes;
	*size = c.size;
	return status;
}

thaw_status thaw_table_header(void **header, size_t *size, const char *path, int64_t rows, int64_t width,
			      const json_t *of)
{
	*header = NULL;
	return has_ending(path, ".npy") ? npy_header(header, size, rows, width)
					: safetensors_header(header, size, rows, width, of);
}
