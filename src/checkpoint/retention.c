/* Retention: keeps the newest K undamaged checkpoints and the best one.
 *
 * best.json records the best step and must be correct after a kill at any time. It is written before the checkpoint it
 * names and also holds the previous best: the named step is the best once its file exists, until then `before` is. The
 * rename of the checkpoint file switches atomically. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/io_error.h"
#include "src/base/try.h"
#include "src/checkpoint/folder.h"
#include "src/checkpoint/frame.h"
#include "thaw/checkpoint.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define RECORD_NAME  "best.json"
#define RECORD_LIMIT 4096 /* largest valid record, in bytes */
#define NONE         (-1)

struct record {
	int64_t step, before; /* or NONE */
};

static thaw_status record_parse(struct record *record, const char *bytes, size_t size, const char *path)
{
	json_int_t step, before;
	json_t *object = json_loadb(bytes, size, 0, NULL);
	bool failed = json_unpack(object, "{s:I, s:I}", "step", &step, "before", &before) != 0 ||
		      thaw_report_check_seal(object) == THAW_SEAL_BROKEN;
	json_decref(object);
	if (failed)
		return thaw_fail(THAW_DATA, "damaged record of the best checkpoint: %s: remove it", path);
	*record = (struct record){step, before};
	return THAW_OK;
}

static thaw_status record_read(struct record *record, const char *directory)
{
	char *path = thaw_format("%s/" RECORD_NAME, directory);
	if (!path)
		return THAW_RESOURCE;
	*record = (struct record){NONE, NONE};
	thaw_status status = THAW_OK;
	if (access(path, F_OK) == 0) {
		void *bytes;
		size_t size;
		status = thaw_file_read(&bytes, &size, path, RECORD_LIMIT);
		if (status == THAW_OK) {
			status = record_parse(record, bytes, size, path);
			thaw_free(bytes);
		}
	}
	thaw_free(path);
	return status;
}

static thaw_status record_write(struct record record, const char *directory)
{
	char *path = thaw_format("%s/" RECORD_NAME, directory);
	json_t *object = json_pack("{s:I, s:I}", "step", (json_int_t)record.step, "before", (json_int_t)record.before);
	thaw_status status = path && object ? thaw_report_seal(object) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = thaw_report_file(path, object);
	else
		thaw_fail(status, "out of memory: the record of the best checkpoint");
	json_decref(object);
	thaw_free(path);
	return status;
}

/* Sets *step to NONE if it has no file. */
static thaw_status drop_if_missing(int64_t *step, const char *directory)
{
	if (*step == NONE)
		return THAW_OK;
	char *path = thaw_folder_path(directory, *step);
	if (!path)
		return THAW_RESOURCE;
	if (access(path, F_OK) != 0)
		*step = NONE;
	thaw_free(path);
	return THAW_OK;
}

thaw_status thaw_checkpoint_best(int64_t *step, const char *directory)
{
	struct record record;
	THAW_TRY(record_read(&record, directory));
	THAW_TRY(drop_if_missing(&record.step, directory));
	if (record.step == NONE)
		THAW_TRY(drop_if_missing(&record.before, directory));
	*step = record.step != NONE ? record.step : record.before;
	return THAW_OK;
}

thaw_status thaw_retention_announce(struct thaw_retention *r, int64_t step, bool best)
{
	struct record record;
	THAW_TRY(record_read(&record, r->directory));
	if (best == (record.step == step))
		return THAW_OK;
	/* The step was announced as the best earlier but not written, and is not the best now: withdraw it. */
	if (!best)
		return record_write((struct record){record.before, NONE}, r->directory);
	record.step = step;
	THAW_TRY(thaw_checkpoint_best(&record.before, r->directory));
	return record_write(record, r->directory);
}

static bool known_intact(const struct thaw_retention *r, int64_t step)
{
	for (int i = 0; i < r->intact_count; i++)
		if (r->intact[i] == step)
			return true;
	return false;
}

/* Verifies a file that an earlier process wrote, so that a damaged file is not counted as one of the K. */
static thaw_status check_intact(const struct thaw_retention *r, int64_t step, bool *intact)
{
	char *path = thaw_folder_path(r->directory, step);
	if (!path)
		return THAW_RESOURCE;
	thaw_status status = thaw_frame_read(NULL, NULL, path, r->largest);
	thaw_free(path);
	*intact = status == THAW_OK;
	return status == THAW_RESOURCE ? status : THAW_OK;
}

static thaw_status remove_step(const struct thaw_retention *r, int64_t step)
{
	char *path = thaw_folder_path(r->directory, step);
	if (!path)
		return THAW_RESOURCE;
	thaw_status status = THAW_OK;
	if (unlink(path) != 0 && errno != ENOENT)
		status = thaw_fail(THAW_IO, "cannot remove an old checkpoint: %s: %s", path, strerror(errno));
	thaw_free(path);
	return status;
}

/* Removes checkpoints that are not kept; kept[] receives the others. Steps after `newest` are damaged files that this
 * run skipped when it resumed and will overwrite: they are left alone. */
static thaw_status sweep(struct thaw_retention *r, const int64_t *steps, int count, int64_t newest, int64_t best,
			 int64_t *kept, int *kept_count)
{
	for (int i = 0; i < count; i++) {
		if (steps[i] > newest)
			continue;
		if (*kept_count == r->keep_last) {
			if (steps[i] != best)
				THAW_TRY(remove_step(r, steps[i]));
			continue;
		}
		bool intact = steps[i] == newest || known_intact(r, steps[i]);
		if (!intact)
			THAW_TRY(check_intact(r, steps[i], &intact));
		if (intact)
			kept[(*kept_count)++] = steps[i];
	}
	return THAW_OK;
}

thaw_status thaw_retention_apply(struct thaw_retention *r, int64_t step)
{
	int64_t best, *steps;
	int count, kept_count = 0;
	THAW_TRY(thaw_checkpoint_best(&best, r->directory));
	THAW_TRY(thaw_folder_list(&steps, &count, r->directory));
	int64_t *kept = thaw_alloc((size_t)r->keep_last, sizeof(*kept));
	thaw_status status = kept ? sweep(r, steps, count, step, best, kept, &kept_count) : THAW_RESOURCE;
	thaw_free(steps);
	thaw_free(r->intact);
	r->intact = kept;
	r->intact_count = kept_count;
	return status;
}

/* The newest undamaged checkpoint before `step`: the state that a run can always return to. */
static int64_t last_good(const struct thaw_retention *r, const int64_t *steps, int count, int64_t step)
{
	for (int i = 0; i < count; i++) {
		bool intact = steps[i] < step && known_intact(r, steps[i]);
		if (!intact && steps[i] < step && check_intact(r, steps[i], &intact) != THAW_OK)
			return NONE;
		if (intact)
			return steps[i];
	}
	return NONE;
}

static bool remove_oldest(const struct thaw_retention *r, int64_t step)
{
	int64_t best = NONE, victim = NONE, *steps;
	int count;
	if (thaw_checkpoint_best(&best, r->directory) != THAW_OK ||
	    thaw_folder_list(&steps, &count, r->directory) != THAW_OK)
		return false;
	int64_t good = last_good(r, steps, count, step);
	for (int i = 0; i < count; i++) /* newest first */
		if (steps[i] < good && (steps[i] != best || victim == NONE))
			victim = steps[i];
	thaw_free(steps);
	return victim != NONE && remove_step(r, victim) == THAW_OK;
}

bool thaw_retention_make_room(struct thaw_retention *r, int64_t step)
{
	int number = thaw_failed_errno();
	char *message = thaw_strdup(thaw_error_message());
	bool removed = remove_oldest(r, step);
	thaw_fail(THAW_IO, "%s", message ? message : "the disk is full");
	thaw_set_failed_errno(number);
	thaw_free(message);
	return removed;
}
