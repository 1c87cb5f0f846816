/* Which bytes a run was trained on: its ranks gather the digests of the images that they read, in images.digests.zst.
 *
 * The file is written before a checkpoint if there is anything new: until the end of the first epoch, and after an
 * image has changed. A resumed run continues with it, so it notices when an image has other bytes than in an earlier
 * epoch. */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "src/base/minmax.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "src/train/contents_file.h"
#include "src/train/run.h"
#include "thaw/found.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define SHOWN_CHANGES 10   /* lines of the log per save */
#define KEPT_CHANGES  1000 /* in the file */
#define NAME_SIZE     1024 /* bytes of a name in a line of the log */

static const struct thaw_dataset *dataset_of(const struct run *r, int part)
{
	const struct thaw_dataset *datasets[CONTENTS_PARTS] = {&r->train, &r->test, &r->final_test};
	return datasets[part];
}

thaw_status run_contents_open(struct run *r)
{
	for (int i = 0; i < CONTENTS_PARTS && !r->borrowed_data && r->options.out; i++)
		if (dataset_of(r, i)->count > 0)
			THAW_TRY(thaw_contents_create(&r->contents[i], dataset_of(r, i)->count, r->options.lanes,
						      r->comm->size, r->comm->rank));
	return THAW_OK;
}

void run_contents_close(struct run *r)
{
	for (int i = 0; i < CONTENTS_PARTS; i++)
		thaw_contents_destroy(r->contents[i]);
	json_decref(r->content_changes);
}

void run_contents_begin_epoch(struct run *r)
{
	for (int i = 0; i < CONTENTS_PARTS; i++)
		if (r->contents[i]) {
			r->contents[i]->phase = r->at.phase;
			r->contents[i]->epoch = r->at.epoch;
		}
}

static char *file_path(const struct run *r)
{
	return thaw_format("%s/" CONTENTS_FILE, r->options.out);
}

thaw_status run_contents_resume(struct run *r)
{
	json_t *header = NULL;
	if (!r->contents[0])
		return THAW_OK;
	char *path = file_path(r);
	THAW_TRY(thaw_comm_agree(r->comm, path ? THAW_OK : THAW_RESOURCE));
	thaw_status status = thaw_contents_load(r->comm, r->contents, &header, path);
	thaw_free(path);
	if (status == THAW_DATA || status == THAW_IO) {
		run_log(r, "which bytes the run was trained on so far is not known: %s", thaw_error_message());
		status = THAW_OK;
	}
	if (header) {
		r->content_changes = json_incref(json_object_get(header, "changed"));
		r->content_change_count = json_integer_value(json_object_get(header, "changes"));
	}
	json_decref(header);
	return status;
}

/* Rank 0: one changed image. */
static void record_change(struct run *r, int part, const struct content_change *c, bool shown)
{
	char name[NAME_SIZE];
	const struct thaw_dataset *d = dataset_of(r, part);
	const char *phase = r->phases[c->phase].name;
	d->name(d, c->sample, name, sizeof(name));
	if (shown)
		run_log(r,
			"an image changed during the run: %s: it has other bytes since %s epoch %lld, and those are "
			"used from then on",
			name, phase, (long long)c->epoch + 1);
	if (!r->content_changes)
		r->content_changes = json_array();
	if (json_array_size(r->content_changes) < KEPT_CHANGES)
		json_array_append_new(r->content_changes,
				      json_pack("{s:s, s:o, s:o, s:o, s:s, s:I}", "images", thaw_dataset_kind(d),
						"image", thaw_report_string(name), "was",
						json_sprintf("%016" PRIx64, c->was), "is",
						json_sprintf("%016" PRIx64, c->is), "phase", phase, "epoch",
						(json_int_t)c->epoch + 1));
}

/* Logs the images of a part that have changed since the last call, on whichever rank. Collective. */
static thaw_status report_changes(struct run *r, int part)
{
	struct thaw_contents *c = r->contents[part];
	int64_t most = min_int64(c->change_count, CONTENTS_CHANGES), shown = 0, count = 0;
	size_t ranks = r->comm->rank == 0 ? (size_t)r->comm->size : 0;
	THAW_TRY(r->comm->max(r->comm, &most, 1));
	if (most == 0)
		return THAW_OK;
	int64_t *each = thaw_alloc(ranks, sizeof(*each));
	struct content_change *all = thaw_alloc(ranks * (size_t)most, sizeof(*all));
	thaw_status status = thaw_comm_agree(r->comm, each && all ? THAW_OK : THAW_RESOURCE);
	if (status == THAW_OK)
		status = r->comm->gather(r->comm, &c->change_count, sizeof(*each), each);
	if (status == THAW_OK)
		status = r->comm->gather(r->comm, c->change, (size_t)most * sizeof(*all), all);
	for (size_t rank = 0; rank < ranks && status == THAW_OK; rank++) {
		count += each[rank];
		for (int64_t i = 0; i < min_int64(each[rank], most); i++)
			record_change(r, part, &all[(int64_t)rank * most + i], shown++ < SHOWN_CHANGES);
	}
	if (count > SHOWN_CHANGES)
		run_log(r, "%lld more images changed during the run", (long long)count - SHOWN_CHANGES);
	r->content_change_count += count;
	c->change_count = 0;
	thaw_free(each);
	thaw_free(all);
	return status;
}

/* The path in a form that is valid in other folders; NULL without memory. One that names a set of files in a folder is
 * not itself a file. */
static char *absolute_path(const char *path)
{
	char real[PATH_MAX];
	if (realpath(path, real))
		return thaw_strdup(real);
	return path[0] != '/' && getcwd(real, sizeof(real)) ? thaw_path_join(real, path) : thaw_strdup(path);
}

/* "" for NULL. */
static json_t *place_json(const char *path)
{
	char *absolute = path ? absolute_path(path) : NULL;
	json_t *place = thaw_report_string(absolute ? absolute : path ? path : "");
	thaw_free(absolute);
	return place;
}

/* Rank 0. */
static json_t *make_header(const struct run *r)
{
	return json_pack("{s:o, s:o, s:O*, s:I}", "data", place_json(r->options.data), "manifest",
			 place_json(r->options.manifest.file), "changed", r->content_changes, "changes",
			 (json_int_t)r->content_change_count);
}

/* Writes the file, after the previous checkpoint, for which the next one would wait in any case. Collective. */
static thaw_status write_file(struct run *r, thaw_status *written)
{
	const char *kind[CONTENTS_PARTS];
	char *path = file_path(r);
	json_t *header = r->comm->rank == 0 ? make_header(r) : NULL;
	for (int i = 0; i < CONTENTS_PARTS; i++)
		kind[i] = r->contents[i] ? thaw_dataset_kind(dataset_of(r, i)) : NULL;
	if (r->comm->rank == 0)
		thaw_checkpoint_wait(r->writer);
	bool ready = path && (r->comm->rank != 0 || header);
	thaw_status status = ready ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: " CONTENTS_FILE);
	status = thaw_comm_agree(r->comm, status);
	if (status == THAW_OK)
		status = thaw_contents_save(r->comm, r->contents, kind, header, path, written);
	json_decref(header);
	thaw_free(path);
	return status;
}

thaw_status run_contents_save(struct run *r)
{
	int64_t state[2] = {0}; /* dirty; another job has the directory, which the next checkpoint reports */
	thaw_status written;
	if (!r->contents[0])
		return THAW_OK;
	for (int i = 0; i < CONTENTS_PARTS; i++) {
		if (!r->contents[i])
			continue;
		THAW_TRY(report_changes(r, i));
		state[0] |= r->contents[i]->dirty;
	}
	state[1] = r->comm->rank == 0 && thaw_lock_check(r->lock) != THAW_OK;
	THAW_TRY(r->comm->max(r->comm, state, 2));
	if (!state[0] || state[1])
		return THAW_OK;
	THAW_TRY(write_file(r, &written));
	if (written != THAW_OK && !r->contents_unsaved)
		run_log(r, "which bytes the run was trained on is not recorded: %s: the run continues, and tries again",
			thaw_error_message());
	r->contents_unsaved = written != THAW_OK;
	for (int i = 0; i < CONTENTS_PARTS; i++)
		if (r->contents[i])
			r->contents[i]->dirty = written != THAW_OK;
	return THAW_OK;
}

thaw_status run_contents_finish(struct run *r)
{
	const struct thaw_dataset *datasets[] = {&r->train, &r->test, &r->final_test};
	if (!r->contents[0])
		return THAW_OK;
	THAW_TRY(run_contents_save(r));
	return thaw_contents_digest(r->comm, r->contents, datasets, &r->contents_digest, &r->contents_unread);
}

bool run_contents_add_result(const struct run *r, json_t *summary)
{
	if (!r->contents[0])
		return true;
	bool good =
		json_object_set_new(summary, "images_digest", json_sprintf("%016" PRIx64, r->contents_digest)) == 0 &&
		json_object_set_new(summary, "images_unread", json_integer(r->contents_unread)) == 0;
	return good && (r->content_change_count == 0 ||
			json_object_set_new(summary, "images_changed", json_integer(r->content_change_count)) == 0);
}
