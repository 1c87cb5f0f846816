/* Reads the results of runs that followed a plan. */
#include "thaw/ledger.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/grow.h"
#include "src/base/try.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define DEPTH            2         /* levels of subfolders that are searched */
#define MAX_RESULT_BYTES (8 << 20) /* of result.json, which has a line per class */

static bool is_fraction(const json_t *number)
{
	return json_is_number(number) && json_number_value(number) >= 0.0 && json_number_value(number) <= 1.0;
}

/* Fills the entry; false if the result is incomplete or the run did not follow its plan. */
static bool read_result(struct thaw_ledger_entry *e, const json_t *result)
{
	const json_t *top1 = json_object_get(result, "top1"), *uncalibrated = json_object_get(result, "uncalibrated");
	const json_t *predicted_hours = json_object_get(result, "predicted_hours");
	if (!thaw_expected_read(&e->expected, json_object_get(result, "predicted")) || !is_fraction(top1) ||
	    !json_is_string(json_object_get(result, "network")) || !json_is_true(json_object_get(result, "as_planned")))
		return false;
	e->uncalibrated = e->expected;
	if (uncalibrated && !thaw_expected_read(&e->uncalibrated, uncalibrated))
		return false;
	e->top1 = json_number_value(top1);
	e->inside = e->top1 >= e->expected.low && e->top1 <= e->expected.high;
	e->predicted_hours = json_is_number(predicted_hours) ? json_number_value(predicted_hours) : NAN;
	e->hours = json_number_value(json_object_get(result, "hours"));
	return true;
}

static thaw_status add_entry(struct thaw_ledger *l, const char *directory, const json_t *result)
{
	struct thaw_ledger_entry e = {0};
	if (!read_result(&e, result)) {
		l->skipped++;
		return THAW_OK;
	}
	struct thaw_ledger_entry *entries = thaw_grow(l->entries, l->count, sizeof(*entries));
	if (!entries)
		return THAW_RESOURCE;
	l->entries = entries;
	e.path = thaw_strdup(directory);
	e.network = thaw_strdup(json_string_value(json_object_get(result, "network")));
	l->entries[l->count++] = e;
	return e.path && e.network ? THAW_OK : THAW_RESOURCE;
}

/* Adds the folder's result, if it has one. */
static thaw_status read_run(struct thaw_ledger *l, const char *directory)
{
	char *path = thaw_format("%s/result.json", directory);
	if (!path)
		return THAW_RESOURCE;
	void *bytes = NULL;
	size_t size;
	thaw_status status = THAW_OK;
	bool exists = access(path, F_OK) == 0;
	if (exists)
		status = thaw_file_read(&bytes, &size, path, MAX_RESULT_BYTES);
	thaw_free(path);
	if (status == THAW_RESOURCE || !exists)
		return status;
	json_t *result = status == THAW_OK ? json_loadb(bytes, size, JSON_REJECT_DUPLICATES, NULL) : NULL;
	thaw_free(bytes);
	status = THAW_OK;
	if (!json_is_object(result))
		l->skipped++;
	else if (json_object_get(result, "predicted"))
		status = add_entry(l, directory, result);
	json_decref(result);
	return status;
}

/* Not for symbolic links: a link to the latest run would count it twice. */
static bool is_folder(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static thaw_status walk(struct thaw_ledger *l, const char *directory, int depth)
{
	THAW_TRY(read_run(l, directory));
	if (depth == 0)
		return THAW_OK;
	DIR *d = opendir(directory);
	if (!d && depth == DEPTH)
		return thaw_fail(THAW_IO, "cannot read the folder: %s: %s", directory, strerror(errno));
	if (!d) {
		l->skipped++;
		return THAW_OK;
	}
	thaw_status status = THAW_OK;
	for (const struct dirent *entry; status == THAW_OK && (entry = readdir(d)) != NULL;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		char *path = thaw_format("%s/%s", directory, entry->d_name);
		status = path ? THAW_OK : THAW_RESOURCE;
		if (path && is_folder(path))
			status = walk(l, path, depth - 1);
		thaw_free(path);
	}
	closedir(d);
	return status;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct thaw_ledger_entry *)a)->path, ((const struct thaw_ledger_entry *)b)->path);
}

thaw_status thaw_ledger_read(const char *directory, struct thaw_ledger **ledger)
{
	struct thaw_ledger *l = thaw_alloc(1, sizeof(*l));
	if (!l)
		return THAW_RESOURCE;
	thaw_status status = walk(l, directory, DEPTH);
	if (status != THAW_OK) {
		thaw_ledger_destroy(l);
		return status;
	}
	if (l->count > 0)
		qsort(l->entries, (size_t)l->count, sizeof(*l->entries), by_path);
	*ledger = l;
	return THAW_OK;
}

void thaw_ledger_destroy(struct thaw_ledger *ledger)
{
	if (!ledger)
		return;
	for (int i = 0; i < ledger->count; i++) {
		thaw_free(ledger->entries[i].path);
		thaw_free(ledger->entries[i].network);
	}
	thaw_free(ledger->entries);
	thaw_free(ledger);
}

static json_t *entry_json(const struct thaw_ledger_entry *e)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:f, s:b, s:o, s:f}", "path", thaw_report_string(e->path), "network",
			 thaw_report_string(e->network), "predicted", thaw_expected_json(&e->expected), "uncalibrated",
			 thaw_expected_json(&e->uncalibrated), "top1", e->top1, "inside", e->inside, "predicted_hours",
			 isnan(e->predicted_hours) ? json_null() : json_real(e->predicted_hours), "hours", e->hours);
}

json_t *thaw_ledger_json(const struct thaw_ledger *ledger, const struct thaw_calibration *c)
{
	json_t *entries = json_array();
	bool whole = entries != NULL;
	for (int i = 0; i < ledger->count; i++)
		whole &= json_array_append_new(entries, entry_json(&ledger->entries[i])) == 0;
	if (!whole) {
		json_decref(entries);
		return NULL;
	}
	return json_pack("{s:i, s:o, s:b, s:f, s:f, s:i, s:o}", "runs", c->runs, "inside",
			 c->runs > 0 ? json_real(c->inside) : json_null(), "learned", c->learned, "bias", c->bias,
			 "factor", c->factor, "skipped", ledger->skipped, "entries", entries);
}
