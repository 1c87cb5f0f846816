/* A run whose loss or weights became infinite cannot continue: with the same settings it would diverge again. Its
 * message says to lower the learning rate, and that must work as typed, with the same --out. So a run that diverged
 * leaves a record, and a start with other settings of the optimizer discards its checkpoints and starts anew. It does
 * not continue from a checkpoint: the result would then depend on when checkpoints were written. Rank 0 only.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/io_error.h"
#include "src/base/try.h"
#include "src/train/run.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define RECORD "diverged.json"

/* Settings that a diverged run may change. */
static const char *const changeable[] = {"lr",        "head-lr",  "warmup",       "layer-decay",
					 "optimizer", "momentum", "weight-decay", "batch"};

void run_record_divergence(const struct run *r)
{
	char *path = thaw_format("%s/" RECORD, r->options.out), *reason = thaw_strdup(thaw_error_message());
	json_t *record = json_pack("{s:I, s:s}", "step", (json_int_t)r->at.total_steps, "reason", reason ? reason : "");
	if (!path || !record || thaw_report_file(path, record) != THAW_OK)
		run_log(r, "cannot record that the run diverged: another start needs another --out: %s",
			thaw_error_message());
	thaw_fail(THAW_CONFIG, "%s", reason ? reason : "out of memory");
	json_decref(record);
	thaw_free(reason);
	thaw_free(path);
}

static bool may_change(const char *key)
{
	for (size_t i = 0; i < sizeof(changeable) / sizeof(*changeable); i++)
		if (strcmp(key, changeable[i]) == 0)
			return true;
	return false;
}

bool run_may_start_over(const struct run *r, const json_t *recorded, json_t *current)
{
	const char *key;
	json_t *value;
	struct stat st;
	char *path = thaw_format("%s/" RECORD, r->options.out);
	bool diverged = path && lstat(path, &st) == 0;
	thaw_free(path);
	json_object_foreach(current, key, value)
	{
		if (!run_same_setting(json_object_get(recorded, key), value))
			diverged = diverged && may_change(key);
	}
	return diverged;
}

static thaw_status remove_file(const char *directory, const char *name)
{
	char *path = thaw_format("%s/%s", directory, name);
	if (!path)
		return THAW_RESOURCE;
	thaw_status status = THAW_OK;
	if (unlink(path) != 0 && errno != ENOENT)
		status = thaw_fail_io("cannot remove", path);
	thaw_free(path);
	return status;
}

/* The record goes last: a start that is killed before can be repeated. */
thaw_status run_start_over(const struct run *r)
{
	int64_t *steps;
	int count;
	char name[64];
	THAW_TRY(thaw_checkpoint_list(&steps, &count, r->options.out));
	thaw_status status = THAW_OK;
	for (int i = 0; i < count && status == THAW_OK; i++) {
		snprintf(name, sizeof(name), "step-%lld.safetensors.zst", (long long)steps[i]);
		status = remove_file(r->options.out, name);
	}
	thaw_free(steps);
	if (status == THAW_OK)
		status = remove_file(r->options.out, "best.json");
	return status == THAW_OK ? remove_file(r->options.out, RECORD) : status;
}
