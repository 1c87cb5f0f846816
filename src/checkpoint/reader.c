/* Reads checkpoints and finds the one to resume from. */
#include "src/base/try.h"
#include "src/checkpoint/folder.h"
#include "src/checkpoint/frame.h"
#include "thaw/checkpoint.h"
#include "thaw/memory.h"

static void release_content(struct thaw_weights *state)
{
	thaw_free(state->storage);
}

thaw_status thaw_checkpoint_read(struct thaw_weights *state, const char *path, size_t limit)
{
	void *content;
	size_t size;
	THAW_TRY(thaw_frame_read(&content, &size, path, limit));
	struct thaw_weights parsed = {0};
	thaw_status status = thaw_weights_parse(&parsed, content, size, path);
	/* The tensors of a safetensors file point into `content`; other formats allocate. */
	if (status == THAW_OK && (parsed.storage || parsed.release)) {
		thaw_weights_free(&parsed);
		status = thaw_fail(THAW_DATA, "not a checkpoint: %s: its content is not a safetensors file", path);
	}
	if (status != THAW_OK) {
		thaw_free(content);
		return status;
	}
	parsed.storage = content;
	parsed.storage_bytes = size;
	parsed.release = release_content;
	*state = parsed;
	return THAW_OK;
}

thaw_status thaw_checkpoint_list(int64_t **steps, int *count, const char *directory)
{
	return thaw_folder_list(steps, count, directory);
}

thaw_status thaw_checkpoint_latest(struct thaw_weights *state, int64_t *step, const char *directory, size_t limit,
				   void (*damaged)(void *context, const char *path, const char *why), void *context)
{
	int64_t *steps;
	int count;
	THAW_TRY(thaw_folder_list(&steps, &count, directory));
	int64_t found = -1;
	thaw_status status = THAW_OK;
	for (int i = 0; i < count && found < 0 && status == THAW_OK; i++) {
		char *path = thaw_folder_path(directory, steps[i]);
		status = path ? thaw_checkpoint_read(state, path, limit) : THAW_RESOURCE;
		if (status == THAW_OK) {
			found = steps[i];
		} else if (status == THAW_DATA) { /* I/O errors and lack of memory are not damage: not skipped */
			if (damaged)
				damaged(context, path, thaw_error_message());
			status = THAW_OK;
		}
		thaw_free(path);
	}
	thaw_free(steps);
	if (status == THAW_OK)
		*step = found;
	return status;
}
