/* Datasets: which format a folder has, and what is the same for all of them. */
#include "src/data/dataset.h"

#include <string.h>
#include <sys/stat.h>

#include "thaw/file.h"
#include "thaw/random.h"
#include "thaw/tensor.h"

#define NAMES_LIMIT ((size_t)16 << 20) /* bytes of a file of class names */
#define NAME_SIZE   4096               /* longest sample name that the digest sees */

#define FORMAT(name) &thaw_dataset_##name,
static const struct dataset_format *const formats[] = {
#include "src/data/dataset_formats.h"
};
#undef FORMAT

char *thaw_path_join(const char *folder, const char *file)
{
	return thaw_format("%s/%s", folder, file);
}

bool thaw_path_is_file(const char *path)
{
	struct stat s;
	return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

thaw_status thaw_dataset_open(struct thaw_dataset *d, const char *path, enum thaw_split split,
			      const struct thaw_dataset_options *options)
{
	if (!thaw_path_is_directory(path))
		return thaw_fail(THAW_IO, "no such folder: %s: give the folder that holds the images", path);
	for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
		if (!formats[f]->recognises(path))
			continue;
		struct thaw_dataset opened = {0};
		thaw_status status = formats[f]->open(&opened, path, split, options);
		if (status == THAW_OK && opened.count == 0)
			status = thaw_fail(THAW_DATA,
					   "no samples in this split: %s: check --data or the share held out", path);
		if (status != THAW_OK) {
			thaw_dataset_close(&opened);
			return status;
		}
		*d = opened;
		return THAW_OK;
	}
	return thaw_fail(THAW_DATA, "no known dataset format: %s: give one folder of images for each class", path);
}

void thaw_dataset_close(struct thaw_dataset *d)
{
	if (d->close)
		d->close(d);
	for (int c = 0; d->class_names != NULL && c < d->classes; c++)
		thaw_free(d->class_names[c]);
	thaw_free(d->class_names);
	thaw_free(d->labels);
	*d = (struct thaw_dataset){0};
}

uint64_t thaw_dataset_digest(const struct thaw_dataset *d)
{
	uint64_t digest = 0;
	for (int c = 0; c < d->classes; c++)
		digest = thaw_digest(d->class_names[c], strlen(d->class_names[c]) + 1, digest);
	digest = thaw_digest(d->labels, (size_t)d->count * sizeof(d->labels[0]), digest);
	for (int64_t i = 0; i < d->count; i++) {
		char name[NAME_SIZE];
		d->name(d, i, name, sizeof(name));
		digest = thaw_digest(name, strlen(name) + 1, digest);
	}
	return digest;
}

thaw_status thaw_pick(bool *picked, const int32_t *labels, int64_t count, int classes, char *const *class_names,
		      uint64_t seed, enum pick_purpose purpose, const int64_t *quota)
{
	/* Samples sorted by class: those of class c are order[start[c]] .. order[start[c + 1] - 1]. */
	int64_t *start = thaw_alloc((size_t)classes + 2, sizeof(int64_t));
	int64_t *order = thaw_alloc((size_t)count, sizeof(int64_t));
	if (!start || !order) {
		thaw_free(start);
		thaw_free(order);
		return THAW_RESOURCE;
	}
	for (int64_t i = 0; i < count; i++)
		start[labels[i] + 2]++;
	for (int c = 0; c < classes; c++)
		start[c + 2] += start[c + 1];
	for (int64_t i = 0; i < count; i++)
		order[start[labels[i] + 1]++] = i;

	for (int c = 0; c < classes; c++) {
		uint64_t key = thaw_digest(class_names[c], strlen(class_names[c]), 0);
		struct thaw_random random = thaw_random_stream(seed, THAW_STREAM_SPLIT, purpose, key);
		int64_t size = start[c + 1] - start[c];
		thaw_random_shuffle(&random, order + start[c], size);
		for (int64_t i = 0; i < size && i < quota[c]; i++)
			picked[order[start[c] + i]] = true;
	}
	thaw_free(start);
	thaw_free(order);
	return THAW_OK;
}

thaw_status thaw_limit_classes(int64_t **kept, int64_t *kept_count, const int32_t *labels, int64_t count, int classes,
			       char *const *class_names, enum thaw_split split,
			       const struct thaw_dataset_options *options)
{
	bool limited = split == THAW_SPLIT_TRAIN && options->limit_per_class > 0;
	bool *picked = thaw_alloc((size_t)count, sizeof(bool));
	int64_t *quota = thaw_alloc((size_t)classes, sizeof(int64_t));
	int64_t *indices = thaw_alloc((size_t)count, sizeof(int64_t));
	int64_t n = 0;
	thaw_status status = picked && quota && indices ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK && limited) {
		for (int c = 0; c < classes; c++)
			quota[c] = options->limit_per_class;
		status = thaw_pick(picked, labels, count, classes, class_names, options->seed, PICK_LIMIT, quota);
	}
	thaw_free(quota);
	if (status != THAW_OK) {
		thaw_free(picked);
		thaw_free(indices);
		return status;
	}
	for (int64_t i = 0; i < count; i++)
		if (!limited || picked[i])
			indices[n++] = i;
	thaw_free(picked);
	*kept = indices;
	*kept_count = n;
	return THAW_OK;
}

thaw_status thaw_dataset_keep(struct thaw_dataset *d, const int32_t *labels, const int64_t *kept, int64_t kept_count)
{
	d->labels = thaw_alloc((size_t)kept_count, sizeof(int32_t));
	if (!d->labels)
		return THAW_RESOURCE;
	d->count = kept_count;
	for (int64_t i = 0; i < kept_count; i++)
		d->labels[i] = labels[kept[i]];
	return THAW_OK;
}

/* Splits text into lines, in place; the names point into it. Returns how many. */
static int split_lines(char *text, size_t size, char **lines)
{
	int count = 0;
	while (size > 0 && strchr("\r\n \t", text[size - 1]) != NULL)
		text[--size] = '\0';
	for (char *line = size > 0 ? text : NULL; line != NULL; count++) {
		char *next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		line[strcspn(line, "\r")] = '\0';
		lines[count] = line;
		line = next;
	}
	return count;
}

static int count_lines(const char *text)
{
	int count = 1;
	for (; (text = strchr(text, '\n')) != NULL; text++)
		count++;
	return count;
}

thaw_status thaw_dataset_read_names(struct thaw_dataset *d, const char *path)
{
	void *text;
	size_t size;
	thaw_status status = THAW_OK;
	THAW_TRY(thaw_file_read(&text, &size, path, NAMES_LIMIT));
	int room = count_lines(text);
	char **lines = thaw_alloc((size_t)room, sizeof(char *));
	d->class_names = thaw_alloc((size_t)room, sizeof(char *));
	if (!lines || !d->class_names) {
		status = THAW_RESOURCE;
		goto out;
	}
	d->classes = split_lines(text, size, lines);
	for (int c = 0; c < d->classes && status == THAW_OK; c++)
		if ((d->class_names[c] = thaw_strdup(lines[c])) == NULL)
			status = THAW_RESOURCE;
out:
	thaw_free(lines);
	thaw_free(text);
	return status;
}
