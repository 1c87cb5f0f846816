/* See image_source.h. */
#include "src/cli/image_source.h"

#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/digest.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define LARGEST_LIST ((size_t)1 << 30) /* bytes of a list of paths */

static thaw_status open_dataset(struct image_source *s, const struct predict_file *file, const char *model)
{
	const struct eval_choice choice = {.model = model,
					   .data = file->data,
					   .split = file->split,
					   .test_share = -1,
					   .seed = -1,
					   .manifest = file->manifest};
	thaw_status status = eval_data_open(&s->data, &choice);
	s->count = s->data.dataset.count;
	return status;
}

/* The lines of a file; empty ones are passed over. */
static thaw_status read_list(struct image_source *s, const char *path)
{
	void *bytes = NULL;
	size_t size = 0, lines = 1;
	THAW_TRY(thaw_file_read(&bytes, &size, path, LARGEST_LIST));
	char *text = bytes, *state = NULL;
	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	s->list.paths = thaw_alloc(lines, sizeof(*s->list.paths));
	thaw_status status = s->list.paths ? THAW_OK : THAW_RESOURCE;
	for (char *line = strtok_r(text, "\r\n", &state); line && status == THAW_OK;
	     line = strtok_r(NULL, "\r\n", &state))
		status = (s->list.paths[s->list.count++] = thaw_strdup(line)) ? THAW_OK : THAW_RESOURCE;
	thaw_free(bytes);
	if (status == THAW_OK && s->list.count == 0)
		return thaw_fail(THAW_DATA, "no paths: %s: write the path of an image on each line", path);
	return status;
}

thaw_status image_source_open(struct image_source *s, const struct predict_file *file, const char *model,
			      char *const *arguments, int count)
{
	*s = (struct image_source){0};
	if (count == 0 && !file->list)
		return open_dataset(s, file, model);
	THAW_TRY(file->list ? read_list(s, file->list) : image_list_fill(&s->list, arguments, count));
	s->count = (int64_t)s->list.count;
	return THAW_OK;
}

void image_source_close(struct image_source *s)
{
	image_list_release(&s->list);
	thaw_dataset_close(&s->data.dataset);
}

void image_source_log(const struct image_source *s, struct thaw_comm *comm, const struct predict_file *file)
{
	if (s->data.dataset.count > 0)
		eval_data_log(&s->data, comm, thaw_dataset_place(file->data, &file->manifest));
	else
		image_list_log(&s->list, comm);
}

void image_source_name(const struct image_source *s, int64_t i, char *text, size_t size)
{
	if (s->data.dataset.count > 0)
		s->data.dataset.name(&s->data.dataset, i, text, size);
	else
		snprintf(text, size, "%s", s->list.paths[i]);
}

thaw_status image_source_read(const struct image_source *s, int64_t i, struct thaw_encoded_image *encoded)
{
	void *bytes;
	size_t size;
	if (s->data.dataset.count > 0)
		return s->data.dataset.read(&s->data.dataset, i, encoded);
	THAW_TRY(thaw_file_read(&bytes, &size, s->list.paths[i], IMAGE_FILE_LIMIT));
	return thaw_encoded_image_open(encoded, bytes, size, s->list.paths[i]);
}

const char *image_source_label(const struct image_source *s, int64_t i)
{
	const struct thaw_dataset *d = &s->data.dataset;
	return d->count > 0 && d->task == THAW_TASK_CLASS ? d->class_names[d->labels[i]] : NULL;
}

uint64_t image_source_digest(const struct image_source *s)
{
	uint64_t digest = 0;
	if (s->data.dataset.count > 0)
		return thaw_dataset_digest(&s->data.dataset);
	for (size_t i = 0; i < s->list.count; i++)
		digest = thaw_digest(s->list.paths[i], strlen(s->list.paths[i]) + 1, digest);
	return digest;
}
