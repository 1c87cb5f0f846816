/* See model_directory.h. */
#include "src/model/model_directory.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "src/base/path.h"
#include "src/base/text.h"
#include "src/base/try.h"
#include "src/model/note.h"
#include "thaw/memory.h"
#include "thaw/model.h"

#define MAX_COMMIT 256 /* bytes of refs/main */

/* The names that are used, in this order: a run's, then those of transformers, timm and diffusers. */
static const char *const names[] = {THAW_RUN_ONNX,       THAW_RUN_SAFETENSORS,           "model.safetensors.index.json",
				    "pytorch_model.bin", "pytorch_model.bin.index.json", "onnx/model.onnx"};

/* *path is NULL if the directory has no such file. A file that cannot be read is found, and reported when it is read.
 */
static thaw_status find(char **path, const char *directory, const char *name)
{
	*path = thaw_path_join(directory, name);
	if (!*path)
		return THAW_RESOURCE;
	if (access(*path, F_OK) != 0 && errno == ENOENT) {
		thaw_free(*path);
		*path = NULL;
	}
	return THAW_OK;
}

/* The folder of the Hub's cache that a repository's main branch refers to: snapshots/COMMIT, with the commit in
 * refs/main. *path is NULL if the directory is not such a cache. */
static thaw_status find_snapshot(char **path, const char *directory)
{
	char *reference = NULL;
	void *commit = NULL;
	size_t size = 0;
	THAW_TRY(find(&reference, directory, "refs/main"));
	*path = NULL;
	if (!reference)
		return THAW_OK;
	thaw_status status = thaw_file_read(&commit, &size, reference, MAX_COMMIT);
	thaw_free(reference);
	THAW_TRY(status);
	const char *text = commit;
	size_t length = strspn(text, "0123456789abcdef");
	char *snapshot = length > 0 ? thaw_format("snapshots/%.*s", (int)length, text) : NULL;
	status = snapshot ? find(path, directory, snapshot) : THAW_OK;
	thaw_free(snapshot);
	thaw_free(commit);
	return status;
}

static bool is_weight_name(const char *name)
{
	static const char *const endings[] = {".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".pth.tar", ".onnx"};
	size_t length = strlen(name);
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		size_t n = strlen(endings[i]);
		if (length > n && strcasecmp(name + length - n, endings[i]) == 0)
			return true;
	}
	return false;
}

/* Lists the names of weight files, or of all files. */
static void list_files(struct thaw_note *list, DIR *files, bool weights)
{
	const struct dirent *entry;
	rewinddir(files);
	thaw_note_list(list);
	while ((entry = readdir(files))) {
		char name[128];
		if (entry->d_name[0] == '.' || (weights && !is_weight_name(entry->d_name)))
			continue;
		thaw_text_printable(name, sizeof(name), entry->d_name, strlen(entry->d_name));
		thaw_note_item(list, weights ? "give one of its files:" : "it has", name);
	}
}

static thaw_status fail_none(const char *directory)
{
	struct thaw_note list = {0};
	char *metrics = thaw_path_join(directory, "metrics.jsonl");
	bool run = metrics && access(metrics, F_OK) == 0;
	thaw_free(metrics);
	if (run)
		return thaw_fail(THAW_IO,
				 "no trained network: %s: a run directory contains one when the run is done; before, "
				 "eval, export and predict take --from best, last or step-N",
				 directory);
	DIR *files = opendir(directory);
	if (!files)
		return thaw_fail(THAW_IO, "cannot read the folder: %s: %s", directory, strerror(errno));
	list_files(&list, files, true);
	if (!list.used)
		list_files(&list, files, false);
	closedir(files);
	return thaw_fail(THAW_IO, "no trained network (model.safetensors, pytorch_model.bin, model.onnx): %s: %s",
			 directory, list.used ? list.text : "it is empty");
}

static thaw_status find_any(char **path, const char *directory)
{
	*path = NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		THAW_TRY(find(path, directory, names[i]));
		if (*path)
			return THAW_OK;
	}
	return THAW_OK;
}

thaw_status thaw_model_find_file(char **path, const char *directory)
{
	char *snapshot = NULL;
	THAW_TRY(find_any(path, directory));
	if (*path)
		return THAW_OK;
	THAW_TRY(find_snapshot(&snapshot, directory));
	thaw_status status = snapshot ? find_any(path, snapshot) : THAW_OK;
	if (status == THAW_OK && !*path)
		status = fail_none(snapshot ? snapshot : directory);
	thaw_free(snapshot);
	return status;
}
