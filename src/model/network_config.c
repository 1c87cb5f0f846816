/* See network_config.h. */
#include "src/model/network_config.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "src/base/try.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define MAX_CONFIG ((size_t)64 << 20) /* bytes: the names of classes may be in it */
#define MAX_RECORD ((size_t)64 << 10) /* bytes as text, without them */

/* Which network it is: families rely on the types of these members. */
static thaw_status check_types(const json_t *config, const char *path)
{
	static const char *const texts[] = {"architecture", "model_type"};
	static const char *const objects[] = {"model_args", "pretrained_cfg", "vision_config"};
	const json_t *value = json_object_get(config, "architectures");
	const char *wrong = value && !json_is_array(value) && !json_is_null(value) ? "architectures" : NULL;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		value = json_object_get(config, texts[i]);
		wrong = value && !json_is_string(value) && !json_is_null(value) ? texts[i] : wrong;
	}
	for (size_t i = 0; i < sizeof(objects) / sizeof(*objects); i++) {
		value = json_object_get(config, objects[i]);
		wrong = value && !json_is_object(value) && !json_is_null(value) ? objects[i] : wrong;
	}
	return wrong ? thaw_fail(THAW_DATA, "\"%s\" has another type than timm and transformers write: %s: repair it",
				 wrong, path)
		     : THAW_OK;
}

thaw_status thaw_network_config_read(json_t **config, const char *source)
{
	const char *slash = strrchr(source, '/');
	char *path = thaw_format("%.*sconfig.json", slash ? (int)(slash - source + 1) : 0, source);
	thaw_status status = path ? THAW_OK : THAW_RESOURCE;
	struct stat st;
	*config = NULL;
	if (path && lstat(path, &st) == 0) /* a link that leads nowhere is an error */
		status = thaw_report_read(config, path, MAX_CONFIG, "repair or remove it");
	if (*config && status == THAW_OK)
		status = check_types(*config, path);
	if (status != THAW_OK) {
		json_decref(*config);
		*config = NULL;
	}
	thaw_free(path);
	return status;
}

static void remove_labels(json_t *config)
{
	static const char *const keys[] = {"id2label", "label2id", "label_names", "label_descriptions", "labels"};
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		json_object_del(config, keys[i]);
}

thaw_status thaw_network_config_record(json_t **record, const json_t *config)
{
	json_t *copy = json_deep_copy(config);
	*record = NULL;
	remove_labels(copy);
	remove_labels(json_object_get(copy, "pretrained_cfg"));
	char *text = copy ? json_dumps(copy, JSON_COMPACT) : NULL;
	bool fits = text && strlen(text) <= MAX_RECORD;
	thaw_status status = text ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: config.json of a network");
	free(text);
	if (fits)
		*record = copy;
	else
		json_decref(copy);
	return status;
}

thaw_status thaw_network_config_read_record(json_t **record, const char *text, const char *file)
{
	*record = strlen(text) <= MAX_RECORD ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	if (json_is_object(*record))
		return THAW_OK;
	json_decref(*record);
	*record = NULL;
	return thaw_fail(THAW_DATA, "invalid metadata " THAW_CONFIG_KEY ": %s: it must be an object of at most %zu KB",
			 file, MAX_RECORD >> 10);
}
