#include "src/data/pack_record.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define FILE_NAME "pack.json"
#define FORMAT_ID "thaw pack 1"
#define MOST      ((size_t)64 << 10) /* bytes */

static bool parse(struct pack_record *record, const char *bytes, size_t size)
{
	json_t *o = json_loadb(bytes, size, 0, NULL);
	const char *format = json_string_value(json_object_get(o, "format"));
	const char *plan = json_string_value(json_object_get(o, "plan"));
	const json_t *complete = json_object_get(o, "complete");
	bool good = format && strcmp(format, FORMAT_ID) == 0 && plan && json_is_boolean(complete);
	if (good)
		*record = (struct pack_record){true, json_is_true(complete), strtoull(plan, NULL, 16)};
	json_decref(o);
	return good;
}

thaw_status thaw_pack_record_read(struct pack_record *record, const char *folder)
{
	void *bytes = NULL;
	size_t size;
	*record = (struct pack_record){0};
	char *path = thaw_path_join(folder, FILE_NAME);
	thaw_status status = path ? THAW_OK : THAW_RESOURCE;
	if (path && thaw_path_is_file(path)) {
		status = thaw_file_read(&bytes, &size, path, MOST);
		if (status == THAW_OK && !parse(record, bytes, size))
			status = thaw_fail(THAW_DATA, "not a record of thaw pack: %s: remove it", path);
		thaw_free(bytes);
	}
	thaw_free(path);
	return status;
}

thaw_status thaw_pack_record_write(const struct pack_record *record, const char *folder)
{
	char plan[17];
	snprintf(plan, sizeof(plan), "%016" PRIx64, record->plan);
	json_t *o = json_pack("{s:s, s:s, s:b}", "format", FORMAT_ID, "plan", plan, "complete", record->complete);
	char *path = thaw_path_join(folder, FILE_NAME);
	thaw_status status =
		o && path ? thaw_report_file(path, o) : thaw_fail(THAW_RESOURCE, "out of memory: %s", folder);
	thaw_free(path);
	json_decref(o);
	return status;
}

thaw_status thaw_pack_check_complete(const char *folder)
{
	struct pack_record record;
	THAW_TRY(thaw_pack_record_read(&record, folder));
	if (!record.found || record.complete)
		return THAW_OK;
	return thaw_fail(THAW_DATA, "unfinished shards: %s: run the same thaw pack command again", folder);
}
