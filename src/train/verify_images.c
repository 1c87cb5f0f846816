/* Compares the images of a run with the digests that it recorded. Each rank reads an equal part of them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/io_error.h"
#include "src/base/minmax.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "src/train/contents_file.h"
#include "src/train/run.h"
#include "src/train/verify.h"
#include "thaw/found.h"
#include "thaw/memory.h"
#include "thaw/report.h"
#include "thaw/run_result.h"

#define LISTED    1000 /* names of each kind per rank; more are only counted */
#define NAME_SIZE 1024 /* bytes */
#define HEX       16   /* base */

/* What may be found of an image. The first three have lists of names. */
enum { CHANGED, GONE, UNREADABLE, LISTS, UNKNOWN = LISTS, UNCHANGED, KINDS };
static const char *const kind_names[KINDS] = {"changed", "gone", "unreadable", "unknown", "unchanged"};

struct findings {
	int64_t count[KINDS];
	int64_t sample[LISTS][LISTED]; /* position in all parts together */
};

struct images {
	struct thaw_run_record record;
	struct thaw_dataset part[CONTENTS_PARTS];
	struct thaw_contents *contents[CONTENTS_PARTS];
	struct thaw_image_names added[CONTENTS_PARTS];
	bool names_differ; /* rank 0 */
	json_t *header;    /* of the file of digests, on rank 0; NULL: there is none */
	struct findings *mine;
};

static void close_images(struct images *m)
{
	for (int i = 0; i < CONTENTS_PARTS; i++) {
		thaw_dataset_close(&m->part[i]);
		thaw_contents_destroy(m->contents[i]);
		thaw_image_names_free(&m->added[i]);
	}
	thaw_run_record_close(&m->record);
	thaw_free(m->mine);
	json_decref(m->header);
}

/* ---- What there is ---- */

/* A copy of the text of a key; "" if there is none. */
static thaw_status copy_text(char **text, const json_t *header, const char *key)
{
	const char *value = json_string_value(json_object_get(header, key));
	*text = thaw_strdup(value ? value : "");
	return *text ? THAW_OK : THAW_RESOURCE;
}

/* Rank 0: the folder and the manifest that the run's digests name. */
static thaw_status recorded_data(struct verification *v)
{
	json_t *header = NULL;
	char *path = thaw_path_join(v->options->run, CONTENTS_FILE);
	thaw_status status = path ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK && !thaw_path_is_file(path))
		status = thaw_fail(THAW_USAGE,
				   "the run does not record its dataset: %s: --data: give the folder that it was "
				   "trained on",
				   v->options->run);
	if (status == THAW_OK)
		status = thaw_contents_read_header(&header, path);
	if (status == THAW_OK)
		status = copy_text(&v->data, header, "data");
	if (status == THAW_OK)
		status = copy_text(&v->manifest, header, "manifest");
	json_decref(header);
	thaw_free(path);
	return status;
}

static thaw_status given_data(struct verification *v)
{
	const struct thaw_verify_options *o = v->options;
	v->data = thaw_strdup(o->data ? o->data : "");
	v->manifest = thaw_strdup(o->manifest ? o->manifest : "");
	return v->data && v->manifest ? THAW_OK : THAW_RESOURCE;
}

/* Sets v->data and v->manifest. A file of digests that cannot be read is a change. *known: false if there is no way to
 * know. */
static thaw_status find_data(struct verification *v, bool *known)
{
	*known = true;
	if (v->options->data || v->options->manifest)
		return thaw_comm_agree(v->comm, given_data(v));
	thaw_status status = v->comm->rank == 0 ? recorded_data(v) : THAW_OK;
	int64_t damaged = status == THAW_DATA;
	if (damaged) {
		verify_change(v, "%s", thaw_error_message());
		status = THAW_OK;
	}
	THAW_TRY(thaw_comm_agree(v->comm, status));
	THAW_TRY(v->comm->max(v->comm, &damaged, 1));
	*known = !damaged;
	if (damaged)
		return THAW_OK;
	THAW_TRY(verify_share(v->comm, &v->data));
	return verify_share(v->comm, &v->manifest);
}

/* As a run opens them (setup.c), but added images are listed. */
static thaw_status open_parts(const struct verification *v, struct images *m)
{
	struct thaw_dataset_options options;
	THAW_TRY(thaw_run_record_read(&m->record, v->options->run));
	options = m->record.options;
	options.manifest.file = v->manifest[0] ? v->manifest : NULL;
	static const enum thaw_split splits[CONTENTS_PARTS] = {THAW_SPLIT_TRAIN, THAW_SPLIT_VAL, THAW_SPLIT_TEST};
	for (int i = 0; i < CONTENTS_PARTS; i++) {
		if (i == 2 && m->part[1].found->split != THAW_SPLIT_VAL)
			break;
		options.added = &m->added[i];
		THAW_TRY(thaw_dataset_open(&m->part[i], v->data[0] ? v->data : NULL, splits[i], &options));
	}
	if (m->part[2].found && m->part[2].found->split != THAW_SPLIT_TEST)
		thaw_dataset_close(&m->part[2]);
	return THAW_OK;
}

static thaw_status open_contents(const struct verification *v, struct images *m)
{
	int64_t lanes = json_integer_value(json_object_get(v->config, "lanes"));
	if (lanes < 1 || lanes > INT32_MAX)
		return thaw_fail(THAW_DATA, "damaged file: %s/config.json: restore it from a copy", v->options->run);
	for (int i = 0; i < CONTENTS_PARTS; i++)
		if (m->part[i].count > 0)
			THAW_TRY(thaw_contents_create_even(&m->contents[i], m->part[i].count, (int)lanes, v->comm->size,
							   v->comm->rank));
	m->mine = thaw_alloc(1, sizeof(*m->mine));
	return m->mine ? THAW_OK : THAW_RESOURCE;
}

/* ---- Comparing ---- */

static int compare_image(const struct thaw_dataset *d, int64_t sample, uint64_t then)
{
	struct thaw_fingerprint now = {0};
	if (!d->fingerprint)
		return UNKNOWN;
	if (d->fingerprint(d, sample, true, &now) != THAW_OK)
		return thaw_failed_errno() == ENOENT || thaw_failed_errno() == ENOTDIR ? GONE : UNREADABLE;
	if (then == 0)
		return UNKNOWN;
	return now.content == then ? UNCHANGED : CHANGED;
}

/* This rank's images of one part. before: images of the parts before it. */
static thaw_status compare_part(const struct verification *v, struct images *m, int part, int64_t before)
{
	const struct thaw_contents *c = m->contents[part];
	struct findings *f = m->mine;
	for (int64_t i = c->begin; i < c->end; i++) {
		if (verify_stops(v))
			return thaw_fail(THAW_UNFINISHED,
					 "asked to stop: %s: thaw verify changes nothing: run the same command again",
					 v->options->run);
		int64_t sample = thaw_contents_sample(c, i);
		int kind = compare_image(&m->part[part], sample, c->digest[i - c->begin]);
		if (kind < LISTS && f->count[kind] < LISTED)
			f->sample[kind][f->count[kind]] = before + sample;
		f->count[kind]++;
		v->comm->step(v->comm);
	}
	return THAW_OK;
}

static thaw_status compare_images(const struct verification *v, struct images *m)
{
	int64_t before = 0;
	for (int i = 0; i < CONTENTS_PARTS; i++) {
		if (m->contents[i])
			THAW_TRY(compare_part(v, m, i, before));
		before += m->part[i].count;
	}
	return THAW_OK;
}

/* ---- The report. Rank 0. ---- */

static json_t *name_of(const struct images *m, int64_t position)
{
	char name[NAME_SIZE];
	int part = 0;
	while (position >= m->part[part].count)
		position -= m->part[part++].count;
	m->part[part].name(&m->part[part], position, name, sizeof(name));
	return thaw_report_string(name);
}

/* Adds up what the ranks found; the names go to the lists. */
static void add_findings(struct verification *v, const struct images *m, const struct findings *all,
			 int64_t total[KINDS])
{
	for (int kind = 0; kind < KINDS; kind++) {
		json_t *list = json_array();
		for (int rank = 0; rank < v->comm->size; rank++) {
			total[kind] += all[rank].count[kind];
			for (int64_t i = 0; kind < LISTS && i < min_int64(all[rank].count[kind], LISTED); i++)
				json_array_append_new(list, name_of(m, all[rank].sample[kind][i]));
		}
		json_object_set_new(v->images, kind_names[kind], json_integer(total[kind]));
		char key[32];
		snprintf(key, sizeof(key), "%s_images", kind_names[kind]);
		if (json_array_size(list) > 0)
			json_object_set(v->images, key, list);
		if (kind < LISTS && total[kind] > 0)
			verify_change(v, "%lld of the images %s %s (first: %s)", (long long)total[kind],
				      total[kind] == 1 ? "is" : "are", kind_names[kind],
				      json_string_value(json_array_get(list, 0)));
		json_decref(list);
	}
}

/* Images that are there now and were not when the run began. The parts of a random split are listed alike. */
static int64_t add_added(struct verification *v, const struct images *m)
{
	json_t *list = json_array();
	int64_t count = 0;
	for (int i = 0; i < CONTENTS_PARTS; i++) {
		if (i == 1 && m->part[1].found && m->part[1].found->held_out)
			continue;
		const struct thaw_image_names *names = &m->added[i];
		for (size_t at = 0; at < names->bytes; at += strlen(names->text + at) + 1)
			if (count++ < LISTED)
				json_array_append_new(list, thaw_report_string(names->text + at));
	}
	json_object_set_new(v->images, "added", json_integer(count));
	if (count > 0) {
		verify_change(v, "%lld image%s added (first: %s)", (long long)count, count == 1 ? " was" : "s were",
			      json_string_value(json_array_get(list, 0)));
		json_object_set(v->images, "added_images", list);
	}
	json_decref(list);
	return count;
}

/* Names and classes; for formats without a list of names also the number of images. */
static bool names_differ(struct verification *v, const struct images *m)
{
	const char *hex = json_string_value(json_object_get(v->config, "data"));
	if (!hex || strtoull(hex, NULL, HEX) == thaw_dataset_digest(&m->part[0]))
		return false;
	verify_change(v, "names or classes of the training images have changed: %s",
		      v->manifest[0] ? v->manifest : v->data);
	return true;
}

static void note_changes_during_run(struct verification *v, const struct images *m)
{
	const json_t *changed = json_object_get(m->header, "changed"), *first = json_array_get(changed, 0);
	json_int_t count = json_integer_value(json_object_get(m->header, "changes"));
	if (count == 0)
		return;
	json_object_set(v->images, "changed_during_run", (json_t *)changed);
	verify_note(v, "%lld image%s changed while the run was going on (first: %s, in %s epoch %lld)",
		    (long long)count, count == 1 ? "" : "s", json_string_value(json_object_get(first, "image")),
		    json_string_value(json_object_get(first, "phase")),
		    (long long)json_integer_value(json_object_get(first, "epoch")));
}

/* The result names one digest of all images; the file of digests must be the one that belongs to it. */
static void compare_digest(struct verification *v, uint64_t digest)
{
	json_t *result = NULL;
	char hex[HEX + 1];
	if (thaw_run_result_read(&result, v->options->run) != THAW_OK)
		return; /* is reported already */
	snprintf(hex, sizeof(hex), "%016" PRIx64, digest);
	const char *recorded = json_string_value(json_object_get(result, "images_digest"));
	json_object_set_new(v->images, "digest", json_string(hex));
	if (recorded && strcmp(recorded, hex) != 0)
		verify_change(v, "%s/" CONTENTS_FILE " does not belong to result.json: its digest is %s, not %s",
			      v->options->run, hex, recorded);
	json_decref(result);
}

static thaw_status report(struct verification *v, struct images *m, const struct findings *all)
{
	int64_t total[KINDS] = {0}, count = 0;
	v->images = json_object();
	for (int i = 0; i < CONTENTS_PARTS; i++)
		count += m->part[i].count;
	json_object_set_new(v->images, "count", json_integer(count));
	bool differ = m->names_differ = names_differ(v, m);
	add_findings(v, m, all, total);
	differ |= add_added(v, m) > 0;
	for (int kind = 0; kind < LISTS; kind++)
		differ |= total[kind] > 0;
	if (!m->header)
		verify_note(v, "the run has no " CONTENTS_FILE ": an earlier version of thaw did not record which "
			       "bytes it was trained on");
	else if (total[UNKNOWN] > 0)
		verify_note(v, "%lld images were not read by the run: they cannot be compared",
			    (long long)total[UNKNOWN]);
	note_changes_during_run(v, m);
	v->images_differ = differ;
	return v->images ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: the report");
}

/* Gathers what the ranks found. Collective. */
static thaw_status gather_findings(struct verification *v, struct images *m)
{
	const struct thaw_dataset *parts[CONTENTS_PARTS] = {&m->part[0], &m->part[1], &m->part[2]};
	size_t ranks = v->comm->rank == 0 ? (size_t)v->comm->size : 0;
	struct findings *all = thaw_alloc(ranks, sizeof(*all));
	uint64_t digest;
	int64_t unread;
	thaw_status status = thaw_comm_agree(v->comm, all ? THAW_OK : THAW_RESOURCE);
	if (status == THAW_OK)
		status = v->comm->gather(v->comm, m->mine, sizeof(*all), all);
	if (status == THAW_OK)
		status = thaw_contents_digest(v->comm, m->contents, parts, &digest, &unread);
	if (status == THAW_OK && v->comm->rank == 0)
		status = report(v, m, all);
	if (status == THAW_OK && m->header && !m->names_differ)
		compare_digest(v, digest);
	thaw_free(all);
	int64_t differ = v->images_differ;
	status = thaw_comm_agree(v->comm, status);
	if (status == THAW_OK)
		status = v->comm->max(v->comm, &differ, 1);
	v->images_differ = differ != 0;
	return status;
}

/* A dataset that cannot be opened, or is not that of the digests, has changed. */
static thaw_status fail_softly(struct verification *v, thaw_status status)
{
	if (status == THAW_RESOURCE || status == THAW_SOFTWARE || status == THAW_UNFINISHED)
		return status;
	verify_change(v, "%s", thaw_error_message());
	v->images_differ = true;
	return THAW_OK;
}

static thaw_status verify_opened(struct verification *v, struct images *m)
{
	char *path = thaw_path_join(v->options->run, CONTENTS_FILE);
	thaw_status status = path ? open_contents(v, m) : THAW_RESOURCE;
	status = thaw_comm_agree(v->comm, status);
	if (status == THAW_OK)
		status = thaw_contents_load(v->comm, m->contents, &m->header, path);
	thaw_free(path);
	if (status != THAW_OK)
		return fail_softly(v, status);
	THAW_TRY(thaw_comm_agree(v->comm, compare_images(v, m)));
	return gather_findings(v, m);
}

thaw_status verify_images(struct verification *v)
{
	struct images m = {0};
	bool known;
	THAW_TRY(find_data(v, &known));
	v->images_differ = !known;
	if (!known)
		return THAW_OK;
	thaw_status status = thaw_comm_agree(v->comm, open_parts(v, &m));
	status = status == THAW_OK ? verify_opened(v, &m) : fail_softly(v, status);
	close_images(&m);
	return status;
}
