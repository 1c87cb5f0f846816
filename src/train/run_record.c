/* What a run directory says about the images that its network was trained on. */
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/path.h"
#include "src/train/run.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/report.h"
#include "thaw/train.h"

/* The folder of the run that `model` names or is in; NULL without memory. */
static char *run_folder(const char *model)
{
	char *copy = thaw_strdup(model);
	if (!copy || thaw_path_is_directory(model))
		return copy;
	char *folder = thaw_strdup(dirname(copy));
	thaw_free(copy);
	return folder;
}

/* NULL if there is no such JSON file: the model need not be of a run. */
static json_t *load(const char *folder, const char *name)
{
	json_t *object = NULL;
	char *path = thaw_path_join(folder, name);
	if (path && thaw_report_read(&object, path, THAW_REPORT_LIMIT, "repair it") != THAW_OK)
		object = NULL;
	thaw_free(path);
	return object;
}

/* The config.json of other programs has none of these members. */
static void read_config(struct thaw_run_record *record, const json_t *config)
{
	const json_t *seed = json_object_get(config, "seed"), *share = json_object_get(config, "test-share");
	const json_t *per_class = json_object_get(config, "per-class");
	const char *data = json_string_value(json_object_get(config, "data"));
	const char *precision = json_string_value(json_object_get(config, "precision"));
	if (!json_is_integer(seed) || !json_is_number(share) || !json_is_integer(per_class) || !data)
		return;
	*record = (struct thaw_run_record){
		.found = true,
		.precision = precision && strcmp(precision, thaw_precision_name(THAW_PRECISION_BF16)) == 0
				     ? THAW_PRECISION_BF16
				     : THAW_PRECISION_FP32,
		.options = {.test_share = json_number_value(share),
			    .seed = (uint64_t)json_integer_value(seed),
			    .limit_per_class = json_integer_value(per_class)},
		.data = strtoull(data, NULL, 16),
	};
	run_data_read(record, config);
}

thaw_status thaw_run_record_read(struct thaw_run_record *record, const char *model)
{
	char *folder = run_folder(model);
	*record = (struct thaw_run_record){.found = false};
	if (!folder)
		return THAW_RESOURCE;
	json_t *config = load(folder, "config.json");
	read_config(record, config);
	record->config = config; /* it has the texts */
	thaw_status status = record->found ? run_images_load(&record->images, folder) : THAW_OK;
	if (status == THAW_OK && record->found)
		status = run_exclude_load(&record->exclude, folder);
	if (record->exclude.count > 0)
		record->options.exclude = &record->exclude;
	if (record->images.bytes > 0)
		record->options.known = &record->images;
	thaw_free(folder);
	if (status != THAW_OK)
		thaw_run_record_close(record);
	return status;
}

void thaw_run_record_close(struct thaw_run_record *record)
{
	thaw_image_names_free(&record->images);
	json_decref(record->config);
	record->config = NULL;
	thaw_exclude_free(&record->exclude);
}
