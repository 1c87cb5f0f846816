/* What config.json says about the data: the manifest's digest and flags, and the folds. */
#include <stdlib.h>
#include <string.h>

#include "src/train/run.h"
#include "thaw/found.h"
#include "thaw/report.h"

/* The flags of a manifest that are recorded, and where they are in its options; its file may move. */
static const struct {
	const char *name;
	size_t offset;
} flags[] = {
	{"path-column", offsetof(struct thaw_manifest_options, path_column)},
	{"label-column", offsetof(struct thaw_manifest_options, label_column)},
	{"split-column", offsetof(struct thaw_manifest_options, split_column)},
	{"group-column", offsetof(struct thaw_manifest_options, group_column)},
	{"weight-column", offsetof(struct thaw_manifest_options, weight_column)},
	{"label-separator", offsetof(struct thaw_manifest_options, label_separator)},
	{"task", offsetof(struct thaw_manifest_options, task)},
	{"grades", offsetof(struct thaw_manifest_options, grades)},
};

#define FLAGS (sizeof(flags) / sizeof(*flags))

bool run_add_data(json_t *config, const struct run *r)
{
	const struct thaw_parts_options *p = &r->options.parts;
	uint64_t digest = r->train.found ? r->train.found->manifest : 0;
	json_t *manifest = digest ? json_sprintf("%016llx", (unsigned long long)digest) : json_string("");
	return json_object_set_new(config, "task", json_string(thaw_task_name(r->train.task))) == 0 &&
	       json_object_set_new(config, "manifest", manifest) == 0 &&
	       json_object_set_new(config, "folds", json_integer(p->folds)) == 0 &&
	       json_object_set_new(config, "fold", json_integer(p->fold)) == 0 &&
	       json_object_set_new(config, "group-by", thaw_report_string(p->group_by ? p->group_by : "")) == 0;
}

json_t *run_columns_json(const struct run *r)
{
	json_t *columns = json_object();
	for (size_t i = 0; columns && i < FLAGS; i++) {
		const char *text = *(const char *const *)((const char *)&r->options.manifest + flags[i].offset);
		if (text && json_object_set_new(columns, flags[i].name, thaw_report_string(text)) != 0) {
			json_decref(columns);
			return NULL;
		}
	}
	return columns;
}

bool run_had_manifest(const json_t *recorded)
{
	return json_string_length(recorded) > 0;
}

bool run_is_default_data(const char *key, const json_t *value)
{
	bool number = strcmp(key, "folds") == 0 || strcmp(key, "fold") == 0;
	if (strcmp(key, "task") == 0)
		return strcmp(json_string_value(value), thaw_task_name(THAW_TASK_CLASS)) == 0;
	if (strcmp(key, "manifest") == 0 || strcmp(key, "group-by") == 0)
		return json_string_length(value) == 0;
	return number && json_integer_value(value) == 0;
}

/* NULL for an empty or missing text. */
static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text && text[0] ? text : NULL;
}

void run_data_read(struct thaw_run_record *record, const json_t *config)
{
	const json_t *columns = json_object_get(config, "columns");
	const char *manifest = text_of(config, "manifest");
	struct thaw_dataset_options *o = &record->options;
	for (size_t i = 0; i < FLAGS; i++)
		*(const char **)((char *)&o->manifest + flags[i].offset) = text_of(columns, flags[i].name);
	o->parts.folds = (int)json_integer_value(json_object_get(config, "folds"));
	o->parts.fold = (int)json_integer_value(json_object_get(config, "fold"));
	o->parts.group_by = text_of(config, "group-by");
	record->manifest = manifest ? strtoull(manifest, NULL, 16) : 0;
}
