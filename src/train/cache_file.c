#include "src/train/cache_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/clock.h"
#include "src/base/file_lock.h"
#include "src/base/try.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

#define MAGIC  "thawfeat"
#define LAYOUT 3 /* increases with every change of the file format */
#define PAGE   4096

#define GRACE_SECONDS 4.0 /* mpirun ends all ranks within 2 s after the first */
#define POLL_SECONDS  0.1

struct header {
	char magic[8];
	uint64_t layout;
	struct cache_shape shape;
	uint64_t self; /* checksum of the members before */
};

static bool transfer(int fd, void *bytes, size_t size, size_t at, bool write)
{
	char *part = bytes;
	while (size > 0) {
		ssize_t n = write ? pwrite(fd, part, size, (off_t)at) : pread(fd, part, size, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		part += n;
		size -= (size_t)n;
		at += (size_t)n;
	}
	return true;
}

static size_t index_bytes(const struct cache_shape *shape)
{
	return (size_t)shape->entries * sizeof(struct cache_place);
}

/* Where the record begins; that of the number after the last one is the end of the file. */
static size_t record_at(const struct cache_shape *shape, uint64_t record)
{
	size_t index = (index_bytes(shape) + PAGE - 1) / PAGE * PAGE;
	return PAGE + index + (size_t)(record - 1) * (size_t)shape->record_bytes;
}

bool thaw_cache_file_read(int fd, const struct cache_shape *shape, uint64_t record, void *bytes)
{
	return transfer(fd, bytes, (size_t)shape->record_bytes, record_at(shape, record), false);
}

bool thaw_cache_file_write(int fd, const struct cache_shape *shape, uint64_t record, const void *bytes)
{
	return transfer(fd, (void *)bytes, (size_t)shape->record_bytes, record_at(shape, record), true);
}

void thaw_cache_file_fetch(int fd, const struct cache_shape *shape, uint64_t record)
{
	(void)posix_fadvise(fd, (off_t)record_at(shape, record), (off_t)shape->record_bytes, POSIX_FADV_WILLNEED);
}

static uint64_t place_checksum(const struct cache_shape *shape, uint64_t entry, const struct cache_place *place)
{
	const uint64_t where[] = {shape->digest, entry};
	return thaw_digest(place, offsetof(struct cache_place, self), thaw_digest(where, sizeof(where), 0));
}

bool thaw_cache_file_place(int fd, const struct cache_shape *shape, uint64_t entry, struct cache_place *place)
{
	place->self = place_checksum(shape, entry, place);
	return transfer(fd, place, sizeof(*place), PAGE + (size_t)entry * sizeof(*place), true);
}

static struct header header_of(const struct cache_shape *shape)
{
	struct header h = {.layout = LAYOUT, .shape = *shape};
	memcpy(h.magic, MAGIC, sizeof(h.magic));
	h.self = thaw_digest(&h, offsetof(struct header, self), 0);
	return h;
}

/* Whether every place is what was written there. Two entries never share a record: each is stored in the next free one
 * or in its own. */
static bool check_index(const struct cache_shape *shape, const struct cache_place *index, size_t file_bytes)
{
	const struct cache_place absent = {0};
	uint64_t records = 0;
	bool good = true;
	for (uint64_t i = 0; i < shape->entries && good; i++) {
		const struct cache_place *p = &index[i];
		if (memcmp(p, &absent, sizeof(absent)) == 0)
			continue;
		good = p->self == place_checksum(shape, i, p) && p->record >= 1 && p->record <= shape->entries &&
		       record_at(shape, p->record + 1) <= file_bytes;
		records = p->record > records ? p->record : records;
	}
	bool *used = good ? thaw_alloc((size_t)records + 1, sizeof(*used)) : NULL;
	good = used != NULL;
	for (uint64_t i = 0; i < shape->entries && good; i++) {
		uint64_t record = index[i].record;
		good = record == 0 || !used[record];
		used[record] = true;
	}
	thaw_free(used);
	return good;
}

/* Reads what the file contains, without changing it. */
static enum thaw_cache_found examine(int fd, const struct cache_shape *shape, struct cache_place *index,
				     size_t file_bytes)
{
	struct header h, expected = header_of(shape), absent = {.layout = 0};
	if (file_bytes == 0)
		return THAW_CACHE_NEW;
	if (!transfer(fd, &h, sizeof(h), 0, false))
		return THAW_CACHE_DAMAGED;
	if (memcmp(&h, &absent, sizeof(h)) == 0)
		return THAW_CACHE_NEW; /* killed before the header was written */
	if (memcmp(h.magic, MAGIC, sizeof(h.magic)) == 0 && h.layout != LAYOUT)
		return THAW_CACHE_OTHER;
	if (memcmp(h.magic, MAGIC, sizeof(h.magic)) != 0 || h.self != header_of(&h.shape).self)
		return THAW_CACHE_DAMAGED;
	if (memcmp(&h, &expected, sizeof(h)) != 0)
		return THAW_CACHE_OTHER;
	if (!transfer(fd, index, index_bytes(shape), PAGE, false) || !check_index(shape, index, file_bytes))
		return THAW_CACHE_DAMAGED;
	return THAW_CACHE_REUSED;
}

/* Writes an empty index, and the header last: without one, the file counts as new. The file is not truncated, since to
 * truncate and write it again makes some file systems wait for the disk. */
static bool write_anew(int fd, const struct cache_shape *shape, const struct cache_place *index)
{
	struct header h = {.layout = 0};
	if (!transfer(fd, &h, sizeof(h), 0, true) || !transfer(fd, (void *)index, index_bytes(shape), PAGE, true))
		return false;
	h = header_of(shape);
	return transfer(fd, &h, sizeof(h), 0, true);
}

/* Allocates all blocks of the file, so that a full disk is noticed now. */
static thaw_status allocate(int fd, const char *path, const struct cache_shape *shape, uint64_t capacity)
{
	size_t bytes = record_at(shape, capacity + 1);
	int error = posix_fallocate(fd, 0, (off_t)bytes);
	if (error != 0)
		return thaw_fail(THAW_IO, "no space for %zu bytes: %s: %s: give a smaller --cache", bytes, path,
				 strerror(error));
	return THAW_OK;
}

/* The ranks of a job that was killed may still be ending. */
static thaw_status lock_file(int fd, const char *path)
{
	double end = thaw_clock() + GRACE_SECONDS;
	enum thaw_file_lock lock;
	while ((lock = thaw_file_lock(fd)) == THAW_LOCK_HELD && thaw_clock() < end)
		thaw_pause(POLL_SECONDS);
	if (lock == THAW_LOCK_HELD)
		return thaw_fail(THAW_CONFIG,
				 "feature cache in use by another run: %s: give each run its own --cache-dir", path);
	if (lock == THAW_LOCK_UNSUPPORTED)
		return thaw_fail(THAW_IO, "cannot lock file: %s: %s: give a --cache-dir on a local disk", path,
				 strerror(errno));
	return THAW_OK;
}

thaw_status thaw_cache_file_open(int *fd, const char *path, const struct cache_shape *shape, uint64_t capacity,
				 struct cache_place *index, enum thaw_cache_found *found)
{
	struct stat st;
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (*fd < 0 || fstat(*fd, &st) != 0)
		return thaw_fail(THAW_IO, "cannot open file: %s: %s: give a --cache-dir that is writable", path,
				 strerror(errno));
	if (!S_ISREG(st.st_mode))
		return thaw_fail(THAW_IO, "not a regular file: %s: remove it, or give another --cache-dir", path);
	THAW_TRY(lock_file(*fd, path));
	if (fstat(*fd, &st) != 0) /* its size under the lock */
		return thaw_fail(THAW_IO, "cannot open file: %s: %s", path, strerror(errno));
	*found = examine(*fd, shape, index, (size_t)st.st_size);
	THAW_TRY(allocate(*fd, path, shape, capacity));
	if (*found == THAW_CACHE_REUSED)
		return THAW_OK;
	memset(index, 0, index_bytes(shape));
	if (!write_anew(*fd, shape, index))
		return thaw_fail(THAW_IO, "cannot write: %s: %s: give another --cache-dir", path, strerror(errno));
	return THAW_OK;
}
