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

thaw_status thaw_checkpoint_read(struct thaw_weights *state, const char *path, size_t largest)
{
	void *content;
	size_t size;
	THAW_TRY(thaw_frame_read(&content, &size, path, largest));
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

thaw_status thaw_checkpoint_describe(struct thaw_weights *state, const char *path)
{
	unsigned char start[THAW_SAFETENSORS_START];
	size_t size = 0, content = 0, again = 0;
	THAW_TRY(thaw_frame_peek(start, sizeof(start), &content, path));
	THAW_TRY(thaw_safetensors_header_size(&size, start, content, path));
	unsigned char *header = thaw_alloc(size, 1);
	if (!header)
		return THAW_RESOURCE;
	struct thaw_weights described = {0};
	thaw_status status = thaw_frame_peek(header, size, &again, path);
	if (status == THAW_OK && again != content)
		status = thaw_fail(THAW_DATA, "damaged checkpoint: %s: it changed while being read", path);
	if (status == THAW_OK)
		status = thaw_safetensors_read_header(&described, header, size, content, path);
	if (status == THAW_OK)
		status = thaw_frame_read(NULL, NULL, path, content);
	thaw_free(header);
	if (status == THAW_OK)
		*state = described;
	else
		thaw_weights_free(&described);
	return status;
}

thaw_status thaw_checkpoint_list(int64_t **steps, int *count, const char *directory)
{
	return thaw_folder_list(steps, count, directory);
}

/* Whether the next older checkpoint may be tried: not if memory or the program is at fault. */
static bool may_skip(thaw_status status)
{
	return status != THAW_RESOURCE && status != THAW_SOFTWARE;
}

/* Reads one checkpoint and lets the caller check it. Its failures name the file. */
static thaw_status read_candidate(struct thaw_weights *state, int64_t step, const char *path,
				  const struct thaw_checkpoint_search *s)
{
	struct thaw_weights found = {0};
	THAW_TRY(thaw_checkpoint_read(&found, path, s->largest));
	thaw_status status = s->check ? s->check(s->context, &found, step) : THAW_OK;
	if (status != THAW_OK) {
		thaw_weights_free(&found);
		return thaw_fail(status, "unusable checkpoint: %s: %s", path, thaw_error_message());
	}
	*state = found;
	return THAW_OK;
}

thaw_status thaw_checkpoint_latest(struct thaw_weights *state, int64_t *step, const struct thaw_checkpoint_search *s)
{
	int64_t *steps;
	int count;
	THAW_TRY(thaw_folder_list(&steps, &count, s->directory));
	int64_t found = -1;
	thaw_status status = THAW_OK;
	for (int i = 0; i < count && found < 0 && status == THAW_OK; i++) {
		char *path = thaw_folder_path(s->directory, steps[i]);
		status = path ? read_candidate(state, steps[i], path, s) : THAW_RESOURCE;
		if (status == THAW_OK) {
			found = steps[i];
		} else if (may_skip(status)) {
			if (s->skipped)
				s->skipped(s->context, path, status, thaw_error_message());
			status = THAW_OK;
		}
		thaw_free(path);
	}
	thaw_free(steps);
	if (status == THAW_OK)
		*step = found;
	return status;
}
