/* See table_file.h. The format of npy is described in NumPy's numpy.lib.format. */
#include "src/embed/table_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/io_error.h"
#include "src/base/try.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/report.h"
#include "thaw/weights.h"

#define STATE_LIMIT ((size_t)1 << 20) /* bytes of FILE.partial.json */
#define NPY_ALIGN   64                /* bytes: rows begin at a multiple of it */
#define NPY_PREFIX  10                /* bytes before the description: magic, version, length */

static bool has_ending(const char *path, const char *ending)
{
	size_t n = strlen(path), e = strlen(ending);
	return n > e && strcmp(path + n - e, ending) == 0;
}

thaw_status thaw_table_file_check(const char *path)
{
	if (!has_ending(path, ".npy") && !has_ending(path, ".safetensors"))
		return thaw_fail(THAW_USAGE, "not a name for features: %s: give FILE.npy or FILE.safetensors", path);
	if (access(path, F_OK) == 0)
		return thaw_fail(THAW_CONFIG, "the file exists: %s: remove it, or give another name", path);
	return THAW_OK;
}

static thaw_status fail_write(const char *path)
{
	return thaw_fail_io("cannot write", path);
}

static thaw_status write_at(const struct thaw_table_file *t, const void *bytes, size_t size, int64_t at)
{
	const char *from = bytes;
	while (size > 0) {
		ssize_t n = pwrite(t->file, from, size, at);
		if (n <= 0)
			return fail_write(t->partial);
		from += n;
		at += n;
		size -= (size_t)n;
	}
	return THAW_OK;
}

struct header_sink {
	struct thaw_sink sink;
	struct thaw_table_file *t;
};

static thaw_status write_header_part(struct thaw_sink *sink, const void *bytes, size_t size)
{
	struct thaw_table_file *t = ((struct header_sink *)sink)->t;
	THAW_TRY(write_at(t, bytes, size, t->start));
	t->start += (int64_t)size;
	return THAW_OK;
}

static thaw_status write_npy_header(struct thaw_table_file *t, struct thaw_sink *sink)
{
	char text[4 * NPY_ALIGN] = "\x93NUMPY\x01";
	char *description = text + NPY_PREFIX;
	snprintf(description, sizeof(text) - NPY_PREFIX,
		 "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }", (long long)t->rows,
		 (long long)t->width);
	size_t used = NPY_PREFIX + strlen(description), size = (used / NPY_ALIGN + 1) * NPY_ALIGN;
	memset(text + used, ' ', size - used);
	text[size - 1] = '\n';
	text[NPY_PREFIX - 2] = (char)((size - NPY_PREFIX) & 0xff);
	text[NPY_PREFIX - 1] = (char)((size - NPY_PREFIX) >> 8);
	return sink->write(sink, text, size);
}

static thaw_status write_safetensors_header(struct thaw_table_file *t, struct thaw_sink *sink)
{
	char key[] = "thaw.embed", name[] = "features";
	char *of = json_dumps(t->of, JSON_COMPACT);
	struct thaw_pair metadata = {key, of};
	struct thaw_named_tensor features = {name, THAW_F32, thaw_shape_of(t->rows, t->width), NULL};
	const struct thaw_weights w = {.tensors = &features, .count = 1, .metadata = &metadata, .metadata_count = 1};
	thaw_status status = of ? thaw_safetensors_write_header(&w, sink) : THAW_RESOURCE;
	free(of);
	return status;
}

static thaw_status write_header(struct thaw_table_file *t)
{
	struct header_sink to = {{write_header_part, NULL}, t};
	return has_ending(t->path, ".npy") ? write_npy_header(t, &to.sink) : write_safetensors_header(t, &to.sink);
}

/* Rows are recorded after they are on the disk. */
static thaw_status record(struct thaw_table_file *t)
{
	if (fdatasync(t->file) != 0)
		return fail_write(t->partial);
	json_t *state = json_pack("{s:O, s:I}", "of", t->of, "rows", (json_int_t)t->done);
	thaw_status status = state ? thaw_report_file(t->state, state) : THAW_RESOURCE;
	json_decref(state);
	return status;
}

/* How many rows an earlier call has written. */
static thaw_status continue_rows(struct thaw_table_file *t)
{
	json_t *state = NULL;
	if (access(t->state, F_OK) != 0 || access(t->partial, F_OK) != 0)
		return THAW_OK;
	THAW_TRY(thaw_report_read(&state, t->state, STATE_LIMIT, "remove it"));
	json_int_t rows = json_integer_value(json_object_get(state, "rows"));
	bool same = json_equal(json_object_get(state, "of"), t->of) && rows >= 0 && rows <= t->rows;
	json_decref(state);
	if (!same)
		return thaw_fail(THAW_CONFIG,
				 "features of other images or of another network: %s: remove it, or give another name",
				 t->partial);
	t->done = rows;
	return THAW_OK;
}

thaw_status thaw_table_file_open(struct thaw_table_file *t, const char *path, int64_t rows, int64_t width, json_t *of)
{
	*t = (struct thaw_table_file){.file = -1, .rows = rows, .width = width, .of = json_incref(of)};
	t->path = thaw_strdup(path);
	t->partial = thaw_format("%s.partial", path);
	t->state = thaw_format("%s.partial.json", path);
	if (!t->path || !t->partial || !t->state)
		return THAW_RESOURCE;
	THAW_TRY(thaw_table_file_check(path));
	THAW_TRY(continue_rows(t));
	t->file = open(t->partial, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (t->file < 0)
		return fail_write(t->partial);
	THAW_TRY(write_header(t));
	int64_t size = t->start + t->done * t->width * (int64_t)sizeof(float);
	return ftruncate(t->file, size) == 0 ? record(t) : fail_write(t->partial);
}

static int64_t place_of(const struct thaw_table_file *t, int64_t row)
{
	return t->start + row * t->width * (int64_t)sizeof(float);
}

thaw_status thaw_table_file_append(struct thaw_table_file *t, const float *values, int64_t count)
{
	THAW_TRY(write_at(t, values, (size_t)(count * t->width) * sizeof(float), place_of(t, t->done)));
	t->done += count;
	return record(t);
}

thaw_status thaw_table_file_first(const struct thaw_table_file *t, int64_t row, float *value)
{
	if (pread(t->file, value, sizeof(*value), place_of(t, row)) != sizeof(*value))
		return thaw_fail_io("cannot read", t->partial);
	return THAW_OK;
}

thaw_status thaw_table_file_commit(struct thaw_table_file *t)
{
	if (rename(t->partial, t->path) != 0)
		return fail_write(t->path);
	unlink(t->state);
	return THAW_OK;
}

void thaw_table_file_close(struct thaw_table_file *t)
{
	if (t->path && t->file >= 0)
		close(t->file);
	thaw_free(t->path);
	thaw_free(t->partial);
	thaw_free(t->state);
	json_decref(t->of);
	*t = (struct thaw_table_file){.file = -1};
}
