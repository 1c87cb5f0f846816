/* A folder as of the Hub, with the weights of a small network and a config.json. */
#ifndef THAW_TESTS_UNIT_HUB_FOLDER_H
#define THAW_TESTS_UNIT_HUB_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "thaw/memory.h"
#include "thaw/model.h"

static char folder[] = "/tmp/thaw_hub_XXXXXX";

static inline const char *path_of(const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static inline void expect(thaw_status status)
{
	if (status != THAW_OK)
		fail_msg("%s", thaw_error_message());
}

static inline void write_config(const char *text)
{
	FILE *f = fopen(path_of("config.json"), "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* A random network of five classes without metadata, as other programs write it. */
static inline void save_network(const char *variant)
{
	struct thaw_model *m = NULL;
	struct thaw_weights w = {0};
	struct thaw_file_writer *file = NULL;
	expect(thaw_model_load(&m, variant, 5, 1));
	expect(thaw_model_save(m, path_of("saved.safetensors"), true));
	thaw_model_destroy(m);
	expect(thaw_weights_read(&w, path_of("saved.safetensors")));
	const struct thaw_weights bare = {.tensors = w.tensors, .count = w.count};
	expect(thaw_file_writer_open(&file, path_of("model.safetensors")));
	expect(thaw_safetensors_write(&bare, thaw_file_writer_sink(file)));
	expect(thaw_file_writer_commit(file));
	thaw_weights_free(&w);
	unlink(path_of("saved.safetensors"));
}

static inline void refuses_as(thaw_status status, const char *config, const char *part)
{
	struct thaw_model *m = NULL;
	write_config(config);
	assert_int_equal(thaw_model_load(&m, folder, 0, 1), status);
	if (!strstr(thaw_error_message(), part))
		fail_msg("%s: does not name %s", thaw_error_message(), part);
	unlink(path_of("config.json"));
}

static inline void refuses(const char *config, const char *part)
{
	refuses_as(THAW_CONFIG, config, part);
}

static inline int hub_setup(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static inline int hub_teardown(void **state)
{
	(void)state;
	unlink(path_of("model.safetensors"));
	unlink(path_of("config.json"));
	return rmdir(folder);
}

#endif
