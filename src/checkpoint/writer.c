/* Checkpoints written beside the training.
 *
 * A save lays the state out as a safetensors file in memory, which is the copy that the training may
 * then change the original of, and wakes the thread that compresses and writes it. One save is under way
 * at a time: the buffer is kept, so that a run's memory is that of its first save. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "src/checkpoint/folder.h"
#include "src/checkpoint/frame.h"
#include "thaw/checkpoint.h"

#define MESSAGE_SIZE 1024

struct thaw_checkpoint_writer {
	struct thaw_retention retention;
	char *directory;
	int level;
	unsigned char *image; /* [capacity]: the safetensors file; the thread's while `busy` */
	size_t size, capacity;
	int64_t step;
	bool best;

	pthread_t thread;
	pthread_mutex_t mutex; /* guards the rest */
	pthread_cond_t changed;
	bool busy; /* something is queued or being written */
	bool stop;
	thaw_status failure; /* of the last save, until it is told */
	char message[MESSAGE_SIZE];
};

static thaw_status write_step(struct thaw_checkpoint_writer *w)
{
	char *path = thaw_folder_path(w->directory, w->step);
	thaw_status status = THAW_RESOURCE;
	if (path)
		status = thaw_retention_announce(&w->retention, w->step, w->best);
	if (status == THAW_OK)
		status = thaw_frame_write(path, w->image, w->size, w->level);
	if (status == THAW_OK)
		status = thaw_retention_apply(&w->retention, w->step);
	thaw_free(path);
	return status;
}

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
		}
		w->busy = false;
		pthread_cond_broadcast(&w->changed);
	}
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

/* Starts the thread with all signals blocked: they are for the threads of the program. */
static thaw_status start(struct thaw_checkpoint_writer *w)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error ? thaw_fail(THAW_RESOURCE, "cannot start a thread for checkpoints: %s", strerror(error)) : THAW_OK;
}

static void release(struct thaw_checkpoint_writer *w)
{
	pthread_mutex_destroy(&w->mutex);
	pthread_cond_destroy(&w->changed);
	thaw_free(w->retention.whole);
	thaw_free(w->directory);
	thaw_free(w->image);
	thaw_free(w);
}

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
	made->directory = thaw_strdup(o->directory);
	made->retention = (struct thaw_retention){.directory = made->directory, .keep_last = o->keep_last};
	thaw_status status = made->directory ? start(made) : THAW_RESOURCE;
	if (status != THAW_OK) {
		release(made);
		return status;
	}
	*w = made;
	return THAW_OK;
}

/* Waits for the thread; the failure of its last save, which is told once. */
static thaw_status wait_idle(struct thaw_checkpoint_writer *w)
{
	pthread_mutex_lock(&w->mutex);
	while (w->busy)
		pthread_cond_wait(&w->changed, &w->mutex);
	thaw_status status = w->failure;
	if (status != THAW_OK)
		thaw_fail(status, "%s", w->message);
	w->failure = THAW_OK;
	pthread_mutex_unlock(&w->mutex);
	return status;
}

static thaw_status count_bytes(struct thaw_sink *sink, const void *bytes, size_t size)
{
	(void)bytes;
	*(size_t *)sink->context += size;
	return THAW_OK;
}

/* The first pass counted exactly as many bytes as come here. */
static thaw_status append_image(struct thaw_sink *sink, const void *bytes, size_t size)
{
	struct thaw_checkpoint_writer *w = sink->context;
	if (size > w->capacity - w->size)
		return thaw_fail(THAW_SOFTWARE, "a state that changes while it is saved: step %lld",
				 (long long)w->step);
	memcpy(w->image + w->size, bytes, size);
	w->size += size;
	return THAW_OK;
}

/* Lays `state` out in w->image. */
static thaw_status lay_out(struct thaw_checkpoint_writer *w, const struct thaw_weights *state)
{
	size_t size = 0;
	struct thaw_sink count = {.write = count_bytes, .context = &size};
	struct thaw_sink append = {.write = append_image, .context = w};
	THAW_TRY(thaw_safetensors_write(state, &count));
	if (size > w->capacity) {
		thaw_free(w->image);
		w->capacity = 0;
		if (!(w->image = thaw_alloc(size, 1)))
			return thaw_fail_in(THAW_RESOURCE, "a copy of the state for its checkpoint");
		w->capacity = size;
	}
	w->size = 0;
	return thaw_safetensors_write(state, &append);
}

thaw_status thaw_checkpoint_save(struct thaw_checkpoint_writer *w, int64_t step, const struct thaw_weights *state,
				 bool best)
{
	if (step < 0)
		return thaw_fail(THAW_SOFTWARE, "a checkpoint of step %lld", (long long)step);
	thaw_status earlier = wait_idle(w);
	/* From here to `busy = true` the thread sleeps and the image is ours. The message of an earlier failure
	 * stays the last one unless this save fails as well. */
	w->step = step;
	w->best = best;
	THAW_TRY(lay_out(w, state));
	pthread_mutex_lock(&w->mutex);
	w->busy = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->mutex);
	return earlier;
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
	release(w);
	return status;
}
