/* Names of the checkpoints in a folder. */
#include "src/checkpoint/folder.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "src/base/io_error.h"
#include "thaw/memory.h"

#define NAME_FORMAT "step-%" PRId64 ".safetensors.zst"
#define NAME_SIZE   64 /* fits the name with any step */
#define FIRST_STEPS 16 /* initial capacity of a list */

char *thaw_folder_path(const char *directory, int64_t step)
{
	return thaw_format("%s/" NAME_FORMAT, directory, step);
}

/* The step in a file name; -1 if it is not exactly a name that thaw_folder_path makes. */
static int64_t step_of(const char *name)
{
	int64_t step;
	char again[NAME_SIZE];
	if (sscanf(name, "step-%18" SCNd64, &step) != 1 || step < 0)
		return -1;
	snprintf(again, sizeof(again), NAME_FORMAT, step);
	return strcmp(name, again) == 0 ? step : -1;
}

static int newest_first(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x < y) - (x > y);
}

static thaw_status append(int64_t **steps, int *count, int *capacity, int64_t step)
{
	if (*count == *capacity) {
		int64_t *larger = thaw_alloc((size_t)*capacity * 2, sizeof(**steps));
		if (!larger)
			return THAW_RESOURCE;
		memcpy(larger, *steps, (size_t)*count * sizeof(**steps));
		thaw_free(*steps);
		*steps = larger;
		*capacity *= 2;
	}
	(*steps)[(*count)++] = step;
	return THAW_OK;
}

thaw_status thaw_folder_list(int64_t **steps, int *count, const char *directory)
{
	DIR *d = opendir(directory);
	if (!d)
		return thaw_fail(THAW_IO, "cannot open the folder: %s: %s", directory, strerror(errno));
	int capacity = FIRST_STEPS, found = 0;
	int64_t *list = thaw_alloc((size_t)capacity, sizeof(*list));
	thaw_status status = list ? THAW_OK : THAW_RESOURCE;
	while (status == THAW_OK) {
		errno = 0;
		const struct dirent *entry = readdir(d);
		if (!entry && errno != 0)
			status = thaw_fail(THAW_IO, "cannot read the folder: %s: %s", directory, strerror(errno));
		if (!entry)
			break;
		int64_t step = step_of(entry->d_name);
		if (step >= 0)
			status = append(&list, &found, &capacity, step);
	}
	closedir(d);
	if (status != THAW_OK) {
		thaw_free(list);
		return status;
	}
	qsort(list, (size_t)found, sizeof(*list), newest_first);
	*steps = list;
	*count = found;
	return THAW_OK;
}

thaw_status thaw_folder_clear(const char *path)
{
	struct stat st;
	if (lstat(path, &st) != 0 || S_ISREG(st.st_mode))
		return THAW_OK;
	char *aside = thaw_format("%s.unusable", path);
	if (!aside)
		return THAW_RESOURCE;
	thaw_status status = rename(path, aside) == 0 ? THAW_OK : thaw_fail_io("cannot rename, to save there", path);
	thaw_free(aside);
	return status;
}
