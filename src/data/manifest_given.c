#include <string.h>
#include <strings.h>

#include "src/base/path.h"
#include "src/data/manifest.h"

/* A folder may be called .csv too. */
static bool is_manifest(const char *path)
{
	const char *dot = path ? strrchr(path, '.') : NULL;
	return dot && (strcasecmp(dot, ".csv") == 0 || strcasecmp(dot, ".tsv") == 0) && thaw_path_is_file(path);
}

bool thaw_manifest_given(const char *path, const struct thaw_manifest_options *options)
{
	return options->file || is_manifest(path);
}

const char *thaw_dataset_place(const char *data, const struct thaw_manifest_options *manifest)
{
	return manifest->file ? manifest->file : data;
}
