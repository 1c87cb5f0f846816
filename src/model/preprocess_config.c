/* See preprocess_config.h. */
#include "src/model/preprocess_config.h"

#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "src/base/try.h"
#include "src/model/config_values.h"
#include "src/model/metadata.h"
#include "src/model/preprocess_timm.h"
#include "src/model/preprocess_transformers.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define MAX_CONFIG (64 << 20) /* bytes: the names of classes may be in it */

static const char processor_config[] = "preprocessor_config.json", network_config[] = "config.json";

static thaw_status read_object(const json_t *object, const char *name, const char *path, struct thaw_preprocess *p,
			       const char **from)
{
	struct thaw_config c = {object, path};
	struct thaw_preprocess read;
	bool of_network = name == network_config, timm = thaw_preprocess_timm_probe(object, of_network);
	if (!timm && of_network) /* it describes the network only */
		return THAW_OK;
	THAW_TRY(timm ? thaw_preprocess_timm_read(&read, &c) : thaw_preprocess_transformers_read(&read, &c));
	if (!thaw_preprocess_valid(&read))
		return thaw_fail(THAW_CONFIG, "invalid preprocessing: %s: repair or remove it", path);
	*p = read;
	*from = name;
	return THAW_OK;
}

static thaw_status read_file(const char *name, const char *path, struct thaw_preprocess *p, const char **from)
{
	json_error_t where;
	void *text = NULL;
	size_t size = 0;
	THAW_TRY(thaw_file_read(&text, &size, path, MAX_CONFIG));
	json_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
	thaw_free(text);
	if (!object)
		return thaw_fail(THAW_DATA, "invalid JSON in line %d: %s: repair or remove it", where.line, path);
	thaw_status status = json_is_object(object)
				     ? read_object(object, name, path, p, from)
				     : thaw_fail(THAW_DATA, "no JSON object: %s: repair or remove it", path);
	json_decref(object);
	return status;
}

/* The first `length` bytes of `path` are the folder. */
static thaw_status read_folder(struct thaw_preprocess *p, const char **from, const char *path, int length)
{
	const char *const names[] = {processor_config, network_config};
	for (size_t i = 0; i < 2 && !*from; i++) {
		struct stat st; /* of the link, if it is one: one that leads nowhere is an error */
		char *file = thaw_format("%.*s%s", length, path, names[i]);
		if (!file)
			return THAW_RESOURCE;
		thaw_status status = lstat(file, &st) == 0 ? read_file(names[i], file, p, from) : THAW_OK;
		thaw_free(file);
		THAW_TRY(status);
	}
	return THAW_OK;
}

thaw_status thaw_preprocess_config_read(struct thaw_preprocess *p, const char **from, const char *model_path)
{
	static const char onnx[] = "onnx/"; /* the Hub's folder of exported networks; their configuration is above it */
	const char *slash = strrchr(model_path, '/');
	int length = slash ? (int)(slash - model_path + 1) : 0, inner = (int)sizeof(onnx) - 1;
	*from = NULL;
	THAW_TRY(read_folder(p, from, model_path, length));
	bool above = length >= inner && strncmp(model_path + length - inner, onnx, (size_t)inner) == 0 &&
		     (length == inner || model_path[length - inner - 1] == '/');
	return above && !*from ? read_folder(p, from, model_path, length - inner) : THAW_OK;
}
