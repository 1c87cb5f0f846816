/* Writes a network as a directory of the Hub. */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/model/hub_config.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/report.h"

/* A file of an earlier network would be read with this one. */
static thaw_status check_empty(const char *directory)
{
	DIR *files = opendir(directory);
	const struct dirent *entry;
	bool empty = true;
	if (!files)
		return thaw_fail(THAW_IO, "cannot read the folder: %s: %s", directory, strerror(errno));
	while ((entry = readdir(files)))
		empty &= strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	closedir(files);
	return empty ? THAW_OK : thaw_fail(THAW_CONFIG, "the folder is not empty: --hub %s: give a new one", directory);
}

static thaw_status write_text(const char *path, const char *text)
{
	struct thaw_file_writer *file = NULL;
	THAW_TRY(thaw_file_writer_open(&file, path));
	struct thaw_sink *sink = thaw_file_writer_sink(file);
	thaw_status status = sink->write(sink, text, strlen(text));
	if (status == THAW_OK)
		return thaw_file_writer_commit(file);
	thaw_file_writer_discard(file);
	return status;
}

static thaw_status write_json(const char *directory, const char *name, const json_t *object)
{
	char *path = thaw_path_join(directory, name);
	thaw_status status = path ? thaw_report_file(path, object) : THAW_RESOURCE;
	thaw_free(path);
	return status;
}

static thaw_status write_files(const struct thaw_model *m, const struct thaw_hub_config *c, const char *directory,
			       const char *card, bool half)
{
	char *weights = thaw_path_join(directory, THAW_RUN_SAFETENSORS),
	     *readme = thaw_path_join(directory, "README.md");
	thaw_status status = weights && readme ? thaw_model_save(m, weights, half) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = write_text(readme, card);
	if (status == THAW_OK && c->processor)
		status = write_json(directory, "preprocessor_config.json", c->processor);
	if (status == THAW_OK)
		status = write_json(directory, "config.json", c->network);
	thaw_free(weights);
	thaw_free(readme);
	return status;
}

thaw_status thaw_model_save_hub(const struct thaw_model *m, const char *directory, const char *card, bool half)
{
	struct thaw_hub_config config;
	thaw_status status = thaw_hub_config_make(&config, m, half);
	if (status == THAW_OK)
		status = thaw_make_directory(directory);
	if (status == THAW_OK)
		status = check_empty(directory);
	if (status == THAW_OK)
		status = write_files(m, &config, directory, card, half);
	thaw_hub_config_free(&config);
	return status;
}
