/* Writes checkpoints in the background.
 *
 * A save copies the state as a safetensors file into a ring buffer, from which a thread compresses and writes it. The
 * training may change values once they are copied. A state that fits into the ring is written while the training
 * continues; with a larger one the training waits for the thread to make room. The ring takes a part of the memory that
 * is free at the first save, so that a checkpoint needs a second copy of the state only where there is room for it. At
 * most one save is in progress. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <zstd.h>

#include "src/base/io_error.h"
#include "src/base/machine.h"
#include "src/base/minmax.h"
#include "src/base/thread.h"
#include "src/base/try.h"
#include "src/checkpoint/folder.h"
#include "src/checkpoint/frame.h"
#include "thaw/checkpoint.h"
#include "thaw/memory.h"

#define MESSAGE_SIZE 1024
#define RING_BYTES   ((size_t)64 << 20) /* a ring for any machine: weights and momentum of 8 million parameters */
#define RING_SHARE   8                  /* a larger ring takes at most 1 / RING_SHARE of the free memory */
#define PART_BYTES   ((size_t)1 << 20)  /* that the thread takes at a time */

struct thaw_checkpoint_writer {
	struct thaw_retention retention;
	char *directory;
	int level;
	struct thaw_sink sink; /* into the ring */
	thaw_status earlier;   /* status of the previous save */
	int64_t step;          /* of the current save, as are the next two */
	bool best;
	size_t size;
	size_t buffer;       /* of the options */
	unsigned char *ring; /* [capacity]; byte i of the file is at i % capacity */
	size_t capacity;

	pthread_t thread;
	pthread_mutex_t mutex; /* guards the rest */
	pthread_cond_t changed;
	size_t given, taken; /* bytes of the file so far put into the ring, and taken out of it */
	bool busy;           /* a save is in progress */
	bool ended;          /* all bytes have been put into the ring */
	bool abandoned;      /* the file must not be created */
	bool stop;
	int completed;       /* saves that succeeded */
	int removed;         /* checkpoints removed to make room, until they are reported */
	thaw_status failure; /* of the last save, until it is reported */
	char message[MESSAGE_SIZE];
};

/* How many of the next `bytes` bytes from `at` on are contiguous in the ring. */
static size_t contiguous(const struct thaw_checkpoint_writer *w, size_t at, size_t bytes)
{
	return min_size(bytes, w->capacity - at % w->capacity);
}

/* Waits for the next part of the file: *part stays in the ring until `release_part`. Returns its size, 0 at the end. */
static size_t await_part(struct thaw_checkpoint_writer *w, const void **part)
{
	pthread_mutex_lock(&w->mutex);
	while (w->given == w->taken && !w->ended)
		pthread_cond_wait(&w->changed, &w->mutex);
	size_t size = contiguous(w, w->taken, min_size(w->given - w->taken, PART_BYTES));
	pthread_mutex_unlock(&w->mutex);
	*part = w->ring + w->taken % w->capacity;
	return size;
}

static void release_part(struct thaw_checkpoint_writer *w, size_t size)
{
	pthread_mutex_lock(&w->mutex);
	w->taken += size;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->mutex);
}

/* Takes all bytes of the file out of the ring, also after an error; writes them to the frame until one occurs. */
static thaw_status drain(struct thaw_checkpoint_writer *w, struct thaw_frame_writer *frame, thaw_status status)
{
	const void *part;
	for (size_t size; (size = await_part(w, &part)) > 0; release_part(w, size))
		if (status == THAW_OK)
			status = thaw_frame_append(frame, part, size);
	return status;
}

static bool make_room(struct thaw_checkpoint_writer *w, int64_t step)
{
	if (!thaw_retention_make_room(&w->retention, step))
		return false;
	pthread_mutex_lock(&w->mutex);
	w->removed++;
	pthread_mutex_unlock(&w->mutex);
	return true;
}

static bool make_room_for_step(void *context)
{
	struct thaw_checkpoint_writer *w = context;
	return make_room(w, w->step);
}

static thaw_status open_step(struct thaw_checkpoint_writer *w, const char *path, struct thaw_frame_writer **frame)
{
	thaw_status status;
	do {
		status = thaw_retention_announce(&w->retention, w->step, w->best);
		if (status == THAW_OK)
			status = thaw_folder_clear(path);
		if (status == THAW_OK)
			status = thaw_frame_open(frame, path, w->size, w->level);
	} while (status == THAW_IO && thaw_is_full(thaw_failed_errno()) && make_room_for_step(w));
	if (status == THAW_OK)
		thaw_frame_on_full(*frame, make_room_for_step, w);
	return status;
}

/* A network file system may report a full disk only here. The bytes are gone then, so the save has failed; room is made
 * for the next one. */
static thaw_status commit_step(struct thaw_checkpoint_writer *w, struct thaw_frame_writer *frame)
{
	thaw_status status = thaw_frame_commit(frame);
	if (status == THAW_IO && thaw_is_full(thaw_failed_errno()))
		make_room_for_step(w);
	return status;
}

static thaw_status write_step(struct thaw_checkpoint_writer *w)
{
	char *path = thaw_folder_path(w->directory, w->step);
	struct thaw_frame_writer *frame = NULL;
	thaw_status status = path ? open_step(w, path, &frame) : THAW_RESOURCE;
	status = drain(w, frame, status);
	if (status != THAW_OK || w->abandoned)
		thaw_frame_discard(frame);
	else if ((status = commit_step(w, frame)) == THAW_OK)
		status = thaw_retention_apply(&w->retention, w->step);
	thaw_free(path);
	return status;
}

/* The thread. */
static void *run(void *argument)
{
	struct thaw_checkpoint_writer *w = argument;
	pthread_mutex_lock(&w->mutex);
	for (;;) {
		while (!w->busy && !w->stop)
			pthread_cond_wait(&w->changed, &w->mutex);
		if (!w->busy)
			break;
		pthread_mutex_unlock(&w->mutex);
		thaw_status status = write_step(w);
		pthread_mutex_lock(&w->mutex);
		if (status != THAW_OK) {
			w->failure = status;
			snprintf(w->message, sizeof(w->message), "%s", thaw_error_message());
		} else if (!w->abandoned) {
			w->completed++;
		}
		w->busy = false;
		pthread_cond_broadcast(&w->changed);
	}
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

static thaw_status start_thread(struct thaw_checkpoint_writer *w)
{
	int error = thaw_thread_start(&w->thread, run, w);
	return error ? thaw_fail(THAW_RESOURCE, "cannot start the checkpoint thread: %s", strerror(error)) : THAW_OK;
}

/* Maps a ring of that size instead of the present one; 0: none. Its pages are allocated when they are first used. */
static bool map_ring(struct thaw_checkpoint_writer *w, size_t bytes)
{
	if (w->ring)
		munmap(w->ring, w->capacity);
	void *made = bytes ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
	w->ring = made == MAP_FAILED ? NULL : made;
	w->capacity = w->ring ? bytes : 0;
	return w->ring;
}

static void destroy(struct thaw_checkpoint_writer *w)
{
	pthread_mutex_destroy(&w->mutex);
	pthread_cond_destroy(&w->changed);
	thaw_free(w->retention.intact);
	thaw_free(w->directory);
	map_ring(w, 0);
	thaw_free(w);
}

static thaw_status write_ring(struct thaw_sink *sink, const void *bytes, size_t size);

thaw_status thaw_checkpoint_writer_create(struct thaw_checkpoint_writer **w, const struct thaw_checkpoint_options *o)
{
	if (o->keep_last < 2)
		return thaw_fail(THAW_CONFIG, "too few checkpoints kept: %d: keep at least 2", o->keep_last);
	if (o->level < 1 || o->level > ZSTD_maxCLevel())
		return thaw_fail(THAW_CONFIG, "bad compression level for checkpoints: %d: use 1 to %d", o->level,
				 ZSTD_maxCLevel());
	THAW_TRY(thaw_file_clean(o->directory));
	struct thaw_checkpoint_writer *made = thaw_alloc(1, sizeof(*made));
	if (!made)
		return THAW_RESOURCE;
	made->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	made->changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	made->level = o->level;
	made->buffer = o->buffer;
	made->sink = (struct thaw_sink){.write = write_ring, .context = made};
	made->directory = thaw_strdup(o->directory);
	made->retention = (struct thaw_retention){.directory = made->directory,
						  .keep_last = o->keep_last,
						  .largest = o->largest > 0 ? o->largest : SIZE_MAX};
	thaw_status status = made->directory ? start_thread(made) : THAW_RESOURCE;
	if (status != THAW_OK) {
		destroy(made);
		return status;
	}
	*w = made;
	return THAW_OK;
}

/* Returns the error of the last save, once. Holds the mutex. */
static thaw_status take_failure(struct thaw_checkpoint_writer *w)
{
	thaw_status status = w->failure;
	if (status != THAW_OK)
		thaw_fail(status, "%s", w->message);
	w->failure = THAW_OK;
	return status;
}

/* Waits until no save is in progress; returns the error of the last one, once. */
static thaw_status wait_idle(struct thaw_checkpoint_writer *w)
{
	pthread_mutex_lock(&w->mutex);
	while (w->busy)
		pthread_cond_wait(&w->changed, &w->mutex);
	thaw_status status = take_failure(w);
	pthread_mutex_unlock(&w->mutex);
	return status;
}

static thaw_status count_bytes(struct thaw_sink *sink, const void *bytes, size_t size)
{
	(void)bytes;
	*(size_t *)sink->context += size;
	return THAW_OK;
}

static thaw_status file_size(const struct thaw_weights *state, size_t *size)
{
	struct thaw_sink count = {.write = count_bytes, .context = size};
	*size = 0;
	for (int i = 0; i < state->count; i++)
		*size += (size_t)thaw_shape_count(&state->tensors[i].shape) * thaw_dtype_size(state->tensors[i].dtype);
	return thaw_safetensors_write_header(state, &count);
}

/* Puts bytes into the ring, waiting for room. */
static thaw_status write_ring(struct thaw_sink *sink, const void *bytes, size_t size)
{
	struct thaw_checkpoint_writer *w = sink->context;
	const unsigned char *from = bytes;
	if (size > w->size - w->given)
		return thaw_fail(THAW_SOFTWARE, "too many bytes for the checkpoint of step %lld", (long long)w->step);
	while (size > 0) {
		pthread_mutex_lock(&w->mutex);
		while (w->given - w->taken == w->capacity)
			pthread_cond_wait(&w->changed, &w->mutex);
		size_t part = contiguous(w, w->given, min_size(size, w->capacity - (w->given - w->taken)));
		pthread_mutex_unlock(&w->mutex);
		memcpy(w->ring + w->given % w->capacity, from, part);
		from += part;
		size -= part;
		pthread_mutex_lock(&w->mutex);
		w->given += part;
		pthread_cond_broadcast(&w->changed);
		pthread_mutex_unlock(&w->mutex);
	}
	return THAW_OK;
}

/* The bytes of a ring for this state. */
static size_t ring_bytes(const struct thaw_checkpoint_writer *w)
{
	if (w->buffer > 0)
		return min_size(w->size, w->buffer);
	double free = thaw_machine_memory_room() + (double)w->capacity; /* the present ring is returned */
	return min_size(w->size, max_size(RING_BYTES, (size_t)(free / RING_SHARE)));
}

/* The thread is idle. The error message stays that of the previous save. */
static thaw_status make_ring(struct thaw_checkpoint_writer *w)
{
	if (w->size <= w->capacity)
		return THAW_OK;
	size_t bytes = ring_bytes(w);
	if (bytes <= w->capacity || map_ring(w, bytes) || map_ring(w, min_size(w->size, RING_BYTES)))
		return THAW_OK;
	return thaw_fail(THAW_RESOURCE, "out of memory: a buffer of %zu bytes for checkpoints: %s",
			 min_size(w->size, RING_BYTES), w->directory);
}

thaw_status thaw_checkpoint_begin(struct thaw_checkpoint_writer *w, int64_t step, const struct thaw_weights *state,
				  bool best, struct thaw_sink **sink)
{
	if (step < 0)
		return thaw_fail(THAW_SOFTWARE, "bad step of a checkpoint: %lld", (long long)step);
	/* The thread is idle from here to `busy = true`. If the previous save failed, its message remains the current
	 * error message unless this save fails as well. */
	w->earlier = wait_idle(w);
	w->step = step;
	w->best = best;
	THAW_TRY(file_size(state, &w->size));
	THAW_TRY(make_ring(w));
	pthread_mutex_lock(&w->mutex);
	w->given = w->taken = 0;
	w->ended = w->abandoned = false;
	w->busy = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->mutex);
	thaw_status status = thaw_safetensors_write_header(state, &w->sink);
	if (status != THAW_OK)
		return thaw_checkpoint_end(w, status);
	*sink = &w->sink;
	return THAW_OK;
}

thaw_status thaw_checkpoint_end(struct thaw_checkpoint_writer *w, thaw_status status)
{
	if (status == THAW_OK && w->given != w->size)
		status = thaw_fail(THAW_SOFTWARE, "too few bytes for the checkpoint of step %lld", (long long)w->step);
	pthread_mutex_lock(&w->mutex);
	w->ended = true;
	w->abandoned = status != THAW_OK;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->mutex);
	return status != THAW_OK ? status : w->earlier;
}

thaw_status thaw_checkpoint_save(struct thaw_checkpoint_writer *w, int64_t step, const struct thaw_weights *state,
				 bool best)
{
	struct thaw_sink *sink;
	THAW_TRY(thaw_checkpoint_begin(w, step, state, best, &sink));
	thaw_status status = THAW_OK;
	for (int i = 0; i < state->count && status == THAW_OK; i++) {
		const struct thaw_named_tensor *t = &state->tensors[i];
		status = sink->write(sink, t->data, (size_t)thaw_shape_count(&t->shape) * thaw_dtype_size(t->dtype));
	}
	return thaw_checkpoint_end(w, status);
}

struct thaw_checkpoint_news thaw_checkpoint_poll(struct thaw_checkpoint_writer *w)
{
	pthread_mutex_lock(&w->mutex);
	struct thaw_checkpoint_news news = {
		.completed = w->completed, .removed = w->removed, .failure = w->busy ? THAW_OK : take_failure(w)};
	w->removed = 0;
	pthread_mutex_unlock(&w->mutex);
	return news;
}

void thaw_checkpoint_wait(struct thaw_checkpoint_writer *w)
{
	pthread_mutex_lock(&w->mutex);
	while (w->busy)
		pthread_cond_wait(&w->changed, &w->mutex);
	pthread_mutex_unlock(&w->mutex);
}

bool thaw_checkpoint_make_room(struct thaw_checkpoint_writer *w)
{
	thaw_checkpoint_wait(w);
	return make_room(w, INT64_MAX);
}

thaw_status thaw_checkpoint_flush(struct thaw_checkpoint_writer *w)
{
	return wait_idle(w);
}

thaw_status thaw_checkpoint_writer_close(struct thaw_checkpoint_writer *w)
{
	if (!w)
		return THAW_OK;
	thaw_status status = wait_idle(w);
	pthread_mutex_lock(&w->mutex);
	w->stop = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->mutex);
	pthread_join(w->thread, NULL);
	destroy(w);
	return status;
}
