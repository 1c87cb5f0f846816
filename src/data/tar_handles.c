#include "src/data/tar_handles.h"

#include <pthread.h>
#include <unistd.h>

#include "src/base/open_file.h"
#include "thaw/memory.h"

/* As many files are kept open. Only threads that use more of them at once, one each, open more. */
#define MOST_OPEN 64

struct handle {
	int fd; /* -1: closed */
	int users;
	uint64_t used; /* when, counted in uses */
};

struct tar_handles {
	pthread_mutex_t mutex;
	char *const *path;
	int64_t count, open;
	uint64_t uses;
	struct handle handle[];
};

thaw_status thaw_tar_handles_create(struct tar_handles **h, char *const *path, int64_t count)
{
	struct tar_handles *made = thaw_alloc(1, sizeof(*made) + (size_t)count * sizeof(*made->handle));
	if (!made)
		return THAW_RESOURCE;
	pthread_mutex_init(&made->mutex, NULL);
	made->path = path;
	made->count = count;
	for (int64_t i = 0; i < count; i++)
		made->handle[i].fd = -1;
	*h = made;
	return THAW_OK;
}

void thaw_tar_handles_destroy(struct tar_handles *h)
{
	if (!h)
		return;
	for (int64_t i = 0; i < h->count; i++)
		if (h->handle[i].fd >= 0)
			close(h->handle[i].fd);
	pthread_mutex_destroy(&h->mutex);
	thaw_free(h);
}

static void close_file(struct tar_handles *h, struct handle *file)
{
	close(file->fd);
	file->fd = -1;
	h->open--;
}

/* Closes the file that was not used for longest. */
static void close_oldest(struct tar_handles *h)
{
	struct handle *oldest = NULL;
	for (int64_t i = 0; i < h->count; i++) {
		struct handle *file = &h->handle[i];
		if (file->fd >= 0 && file->users == 0 && (!oldest || file->used < oldest->used))
			oldest = file;
	}
	if (oldest)
		close_file(h, oldest);
}

thaw_status thaw_tar_handles_acquire(struct tar_handles *h, int64_t i, int *fd)
{
	struct stat st;
	thaw_status status = THAW_OK;
	struct handle *file = &h->handle[i];
	pthread_mutex_lock(&h->mutex);
	if (file->fd < 0) {
		if (h->open >= MOST_OPEN)
			close_oldest(h);
		status = thaw_open_file(&file->fd, &st, h->path[i]);
		h->open += status == THAW_OK;
	}
	if (status == THAW_OK) {
		file->users++;
		file->used = ++h->uses;
		*fd = file->fd;
	} else {
		file->fd = -1;
	}
	pthread_mutex_unlock(&h->mutex);
	return status;
}

void thaw_tar_handles_release(struct tar_handles *h, int64_t i)
{
	pthread_mutex_lock(&h->mutex);
	h->handle[i].users--;
	pthread_mutex_unlock(&h->mutex);
}

void thaw_tar_handles_forget(struct tar_handles *h, int64_t i)
{
	pthread_mutex_lock(&h->mutex);
	if (h->handle[i].fd >= 0)
		close_file(h, &h->handle[i]);
	pthread_mutex_unlock(&h->mutex);
}
