/* Images that a run leaves out (--exclude). exclude.list in the run directory is a copy of the names, so that a later
 * evaluation holds out the same images. A later start must leave out the same ones. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/base/try.h"
#include "src/train/run.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define FILE_NAME "exclude.list"

json_t *run_exclude_json(const struct run *r)
{
	if (r->exclude.count == 0)
		return json_null();
	return json_sprintf("%016" PRIx64, r->exclude.digest);
}

thaw_status run_exclude_load(struct thaw_exclude *exclude, const char *directory)
{
	char *path = thaw_format("%s/" FILE_NAME, directory);
	if (!path)
		return THAW_RESOURCE;
	thaw_status status = access(path, F_OK) == 0 ? thaw_exclude_read(exclude, path) : THAW_OK;
	thaw_free(path);
	return status;
}

/* Rank 0. Compares the list with that of the run, if the run has something to go on from. Without this, the images
 * would seem to have been added or removed. */
static thaw_status check_here(const struct run *r)
{
	struct thaw_exclude recorded = {0};
	bool state = false;
	if (!r->options.out || !thaw_path_is_directory(r->options.out))
		return THAW_OK;
	THAW_TRY(run_has_state(r, &state));
	if (state)
		THAW_TRY(run_exclude_load(&recorded, r->options.out));
	bool same = !state || recorded.digest == r->exclude.digest;
	int64_t count = recorded.count;
	thaw_exclude_free(&recorded);
	if (same)
		return THAW_OK;
	return thaw_fail(THAW_CONFIG,
			 "this run was started with a list of %" PRId64 " excluded images, not of %" PRId64
			 ": --exclude: give the same list (%s/" FILE_NAME " is a copy), or --out another folder",
			 count, r->exclude.count, r->options.out);
}

thaw_status run_exclude_open(struct run *r)
{
	thaw_status status = THAW_OK;
	if (r->options.exclude && !r->borrowed_data)
		status = thaw_exclude_read(&r->exclude, r->options.exclude);
	THAW_TRY(thaw_comm_agree(r->comm, status));
	return thaw_comm_agree(r->comm, r->comm->rank == 0 && !r->borrowed_data ? check_here(r) : THAW_OK);
}

void run_exclude_log(const struct run *r)
{
	const char *first;
	int64_t unknown = thaw_exclude_unknown(&r->exclude, &first);
	if (unknown > 0)
		run_log(r, "note: %" PRId64 " of the %" PRId64 " names in %s are not in the data (first: %.400s)",
			unknown, r->exclude.count, r->options.exclude, first);
}

static thaw_status write_names(struct thaw_sink *sink, const struct thaw_exclude *exclude)
{
	for (int64_t i = 0; i < exclude->count; i++) {
		char *name = thaw_exclude_escape(exclude->name[i]);
		thaw_status status = name ? sink->write(sink, name, strlen(name)) : THAW_RESOURCE;
		thaw_free(name);
		THAW_TRY(status);
		THAW_TRY(sink->write(sink, "\n", 1));
	}
	return THAW_OK;
}

thaw_status run_exclude_write(const struct run *r)
{
	struct thaw_file_writer *file;
	char *path = thaw_format("%s/" FILE_NAME, r->options.out);
	if (!path)
		return THAW_RESOURCE;
	if (r->exclude.count == 0) { /* that of an earlier start with nothing to go on from */
		unlink(path);
		thaw_free(path);
		return THAW_OK;
	}
	thaw_status status = thaw_file_writer_open(&file, path);
	thaw_free(path);
	THAW_TRY(status);
	status = write_names(thaw_file_writer_sink(file), &r->exclude);
	if (status == THAW_OK)
		return thaw_file_writer_commit(file);
	thaw_file_writer_discard(file);
	return status;
}
