/* thaw_model_load: from the name of a family, a file, a directory, or the built-in network. */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "src/base/try.h"
#include "src/model/model_directory.h"
#include "src/model/model_internal.h"
#include "src/model/shards.h"
#include "src/onnx/wire/file.h"
#include "thaw/memory.h"
#include "thaw/run_result.h"

static thaw_status load_random(struct thaw_model **model, const struct thaw_family *family, const char *variant,
			       int64_t classes, uint64_t seed)
{
	struct thaw_model *m = NULL;
	THAW_TRY(thaw_model_create(&m, family, variant, classes, NULL, NULL, "random"));
	thaw_graph_init(m->graph, seed, 0, m->graph->param_count);
	m->digest = thaw_model_weights_digest(m->graph);
	*model = m;
	return THAW_OK;
}

/* The end of the file name in a spec if that ends in .onnx or is followed by a colon and an output; else NULL. */
static const char *onnx_end(const char *spec)
{
	static const char ending[] = ".onnx";
	size_t length = sizeof(ending) - 1;
	for (const char *at = spec + strlen(spec); at >= spec + length; at--)
		if ((*at == '\0' || *at == ':') && strncasecmp(at - length, ending, length) == 0)
			return at;
	return NULL;
}

static thaw_status load_weights(struct thaw_model **model, struct thaw_weights *w,
				const struct thaw_weights_request *request)
{
	thaw_status status = thaw_model_from_weights(model, w, request);
	thaw_weights_free(w);
	return status;
}

static thaw_status load_whole_onnx(struct thaw_model **model, const char *path)
{
	THAW_TRY(thaw_run_result_check_file(path));
	return thaw_model_load_onnx(model, path, NULL);
}

/* FILE.onnx or FILE.onnx:OUTPUT, which ends at `end`. */
static thaw_status load_onnx(struct thaw_model **model, const char *spec, const char *end)
{
	if (*end == '\0' || access(spec, F_OK) == 0)
		return load_whole_onnx(model, spec);
	char *path = thaw_format("%.*s", (int)(end - spec), spec);
	thaw_status status = path ? thaw_run_result_check_file(path) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = thaw_model_load_onnx(model, path, end + 1);
	thaw_free(path);
	return status;
}

static thaw_status load_file(struct thaw_model **model, const char *path, const char *variant, const char *key)
{
	struct thaw_weights w = {0};
	const char *end = onnx_end(path);
	bool onnx = (end && !*end) || thaw_onnx_file_probe(path);
	if (onnx && key)
		return thaw_fail(THAW_USAGE, "an ONNX file has no named weights: --weights-key %.64s: %s", key, path);
	if (onnx)
		return load_whole_onnx(model, path);
	THAW_TRY(thaw_run_result_check_file(path));
	THAW_TRY(thaw_weights_is_index(path) ? thaw_weights_read_index(&w, path) : thaw_weights_read(&w, path));
	return load_weights(model, &w, &(struct thaw_weights_request){.variant = variant, .key = key, .source = path});
}

static thaw_status load_directory(struct thaw_model **model, const char *directory, const char *key)
{
	char *path = NULL;
	THAW_TRY(thaw_model_find_file(&path, directory));
	thaw_status status = load_file(model, path, NULL, key);
	thaw_free(path);
	return status;
}

static thaw_status load_builtin(struct thaw_model **model)
{
	const void *bytes = NULL;
	size_t size = 0;
	struct thaw_weights w = {0};
	THAW_TRY(thaw_builtin_bytes(&bytes, &size));
	THAW_TRY(thaw_weights_parse(&w, bytes, size, "builtin"));
	return load_weights(model, &w, &(struct thaw_weights_request){.source = "builtin"});
}

thaw_status thaw_model_split_spec(const char *spec, const char **variant, const char **file)
{
	const char *colon = strchr(spec, ':');
	*file = NULL;
	if (!colon)
		return THAW_OK;
	char *name = thaw_format("%.*s", (int)(colon - spec), spec);
	if (!name)
		return THAW_RESOURCE;
	if (thaw_family_find(name, variant))
		*file = colon + 1;
	thaw_free(name);
	return THAW_OK;
}

/* A network that has no file. */
static thaw_status load_without_file(struct thaw_model **model, const char *spec, const char *key, int64_t classes,
				     uint64_t seed, bool *found)
{
	const char *variant = NULL;
	const struct thaw_family *family = thaw_family_find(spec, &variant);
	*found = family || strcmp(spec, "builtin") == 0;
	if (*found && key)
		return thaw_fail(THAW_USAGE, "--weights-key is for files: --model %s: leave it out", spec);
	if (family)
		return load_random(model, family, variant, classes, seed);
	return *found ? load_builtin(model) : THAW_OK;
}

/* The names of networks help only where one was meant. */
static thaw_status fail_absent(const char *spec)
{
	char list[THAW_FAMILY_LIST];
	if (strpbrk(spec, "/."))
		return thaw_fail(THAW_IO,
				 "no such file: %s: give a model file, a run directory, or a network such as resnet18",
				 spec);
	return thaw_fail(THAW_IO,
			 "no such file or network: %s: give a model file, a run directory, builtin or one of %s", spec,
			 thaw_family_list(list, sizeof(list)));
}

thaw_status thaw_model_load_key(struct thaw_model **model, const char *spec, const char *key, int64_t classes,
				uint64_t seed)
{
	const char *variant = NULL, *file = NULL;
	bool found;
	thaw_status status = load_without_file(model, spec, key, classes, seed, &found);
	if (found)
		return status;
	THAW_TRY(thaw_model_split_spec(spec, &variant, &file));
	if (file)
		return load_file(model, file, variant, key);
	if (thaw_path_is_directory(spec))
		return load_directory(model, spec, key);
	const char *end = onnx_end(spec);
	if (end && (*end || access(spec, F_OK) == 0) && !key)
		return load_onnx(model, spec, end);
	if (access(spec, F_OK) != 0 && errno == ENOENT)
		return fail_absent(spec);
	return load_file(model, spec, NULL, key);
}

thaw_status thaw_model_load(struct thaw_model **model, const char *spec, int64_t classes, uint64_t seed)
{
	return thaw_model_load_key(model, spec, NULL, classes, seed);
}
