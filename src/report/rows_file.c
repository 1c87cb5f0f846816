/* See thaw/rows_file.h. */
#include "thaw/rows_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/io_error.h"
#include "src/base/try.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define STATE_LIMIT ((size_t)1 << 20) /* bytes of FILE.partial.json */

thaw_status thaw_rows_file_check(const char *path)
{
	if (access(path, F_OK) == 0)
		return thaw_fail(THAW_CONFIG, "the file exists: %s: remove it, or give another name", path);
	return THAW_OK;
}

static thaw_status fail_write(const char *path)
{
	return thaw_fail_io("cannot write", path);
}

/* Rows are recorded after they are on the disk. */
static thaw_status record(struct thaw_rows_file *f)
{
	if (fdatasync(f->file) != 0)
		return fail_write(f->partial);
	json_t *state = json_pack("{s:O, s:I, s:I, s:I}", "of", f->of, "rows", (json_int_t)f->rows, "bytes",
				  (json_int_t)f->bytes, "failed", (json_int_t)f->failed);
	thaw_status status = state ? thaw_report_file(f->state, state) : THAW_RESOURCE;
	json_decref(state);
	return status;
}

/* What an earlier call has written. */
static thaw_status read_state(struct thaw_rows_file *f)
{
	json_t *state = NULL;
	if (access(f->state, F_OK) != 0 || access(f->partial, F_OK) != 0)
		return THAW_OK;
	THAW_TRY(thaw_report_read(&state, f->state, STATE_LIMIT, "remove it"));
	json_int_t rows = json_integer_value(json_object_get(state, "rows"));
	json_int_t bytes = json_integer_value(json_object_get(state, "bytes"));
	if (!json_equal(json_object_get(state, "of"), f->of) || rows < 0 || bytes < 0) {
		json_decref(state);
		return thaw_fail(
			THAW_CONFIG,
			"rows of other images, another network or other flags: %s: remove it, or give another name",
			f->partial);
	}
	f->rows = rows;
	f->bytes = bytes;
	f->failed = json_integer_value(json_object_get(state, "failed"));
	json_decref(state);
	return THAW_OK;
}

/* Removes what was not recorded. A shorter file, such as an incomplete copy, would get zeros for the rows it lacks. */
static thaw_status cut_off(const struct thaw_rows_file *f)
{
	struct stat info;
	if (fstat(f->file, &info) != 0)
		return thaw_fail_io("cannot read", f->partial);
	if (info.st_size < f->bytes)
		return thaw_fail(THAW_DATA, "%lld of %lld bytes: %s: remove it to begin again", (long long)info.st_size,
				 (long long)f->bytes, f->partial);
	return ftruncate(f->file, f->bytes) == 0 ? THAW_OK : fail_write(f->partial);
}

static thaw_status append(struct thaw_rows_file *f, const void *bytes, size_t size)
{
	const char *from = bytes;
	while (size > 0) {
		ssize_t n = pwrite(f->file, from, size, f->bytes);
		if (n <= 0)
			return fail_write(f->partial);
		from += n;
		f->bytes += n;
		size -= (size_t)n;
	}
	return THAW_OK;
}

thaw_status thaw_rows_file_open(struct thaw_rows_file *f, const char *path, json_t *of, const void *header, size_t size)
{
	*f = (struct thaw_rows_file){.file = -1, .of = json_incref(of)};
	f->path = thaw_strdup(path);
	f->partial = thaw_format("%s.partial", path);
	f->state = thaw_format("%s.partial.json", path);
	if (!f->path || !f->partial || !f->state)
		return THAW_RESOURCE;
	THAW_TRY(thaw_rows_file_check(path));
	THAW_TRY(read_state(f));
	f->file = open(f->partial, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (f->file < 0)
		return fail_write(f->partial);
	THAW_TRY(cut_off(f));
	if (f->bytes == 0)
		THAW_TRY(append(f, header, size));
	return record(f);
}

thaw_status thaw_rows_file_append(struct thaw_rows_file *f, const void *bytes, size_t size, int64_t rows,
				  int64_t failed)
{
	THAW_TRY(append(f, bytes, size));
	f->rows += rows;
	f->failed += failed;
	return record(f);
}

thaw_status thaw_rows_file_read(const struct thaw_rows_file *f, void *bytes, size_t size, int64_t at)
{
	if (pread(f->file, bytes, size, at) != (ssize_t)size)
		return thaw_fail_io("cannot read", f->partial);
	return THAW_OK;
}

thaw_status thaw_rows_file_commit(struct thaw_rows_file *f)
{
	if (rename(f->partial, f->path) != 0)
		return fail_write(f->path);
	unlink(f->state);
	return THAW_OK;
}

void thaw_rows_file_close(struct thaw_rows_file *f)
{
	if (f->path && f->file >= 0)
		close(f->file);
	thaw_free(f->path);
	thaw_free(f->partial);
	thaw_free(f->state);
	json_decref(f->of);
	*f = (struct thaw_rows_file){.file = -1};
}
