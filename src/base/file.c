/* Files: read as a whole, written atomically.
 *
 * A reader, or a job that restarts after it was killed, finds under the final name either the old file or the complete
 * new one. That takes four steps in this order: write to a temporary file in the same folder, fsync (the bytes are on
 * disk), rename (atomic), fsync of the folder (the name is on disk). Network file systems report some write errors only
 * at fsync or close, so both are checked. */
#include "thaw/file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/io_error.h"
#include "src/base/minmax.h"
#include "src/base/open_file.h"
#include "src/base/target.h"
#include "src/base/try.h"
#include "thaw/memory.h"

#define WRITE_BUFFER  (256 * 1024) /* bytes per write call */
#define FIRST_READ    (64 * 1024)  /* bytes, for files of unknown size */
#define TAG_LENGTH    8            /* random hex digits of a temporary name */
#define TEMPORARY_END ".tmp"
#define NAME_ATTEMPTS 16 /* random temporary names tried */

struct thaw_file_writer {
	struct thaw_sink sink;
	char *path;
	char *temporary;
	int fd;
	bool (*make_room)(void *context); /* or NULL */
	void *room_context;
	size_t used; /* bytes in buffer */
	char buffer[WRITE_BUFFER];
};

/* Fills bytes[0 .. capacity) from fd; *got is less at the end of the file. */
static bool read_full(int fd, char *bytes, size_t capacity, size_t *got)
{
	while (*got < capacity) {
		ssize_t n = read(fd, bytes + *got, capacity - *got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (n == 0)
			return true;
		*got += (size_t)n;
	}
	return true;
}

static thaw_status read_descriptor(char **bytes, size_t *size, int fd, const struct stat *st, const char *path,
				   size_t limit)
{
	if (st->st_size > 0 && (uintmax_t)st->st_size > limit)
		return thaw_fail(THAW_DATA, "file too large: %s: %jd bytes, at most %zu are allowed", path,
				 (intmax_t)st->st_size, limit);
	/* The extra byte shows that the file ends where expected; pipes and growing files continue. */
	size_t capacity = S_ISREG(st->st_mode) ? (size_t)st->st_size + 1 : FIRST_READ, got = 0;
	char *data = thaw_alloc(capacity, 1);
	while (data) {
		if (!read_full(fd, data, capacity, &got)) {
			thaw_status status = thaw_fail_io("cannot read", path);
			thaw_free(data);
			return status;
		}
		if (got > limit) {
			thaw_free(data);
			return thaw_fail(THAW_DATA, "file too large: %s: at most %zu bytes are allowed", path, limit);
		}
		if (got < capacity)
			break;
		char *larger = thaw_alloc(capacity, 2);
		if (larger)
			memcpy(larger, data, got);
		thaw_free(data);
		data = larger;
		capacity *= 2;
	}
	if (!data)
		return thaw_fail_in(THAW_RESOURCE, "%s", path);
	data[got] = '\0';
	*bytes = data;
	*size = got;
	return THAW_OK;
}

thaw_status thaw_file_read(void **bytes, size_t *size, const char *path, size_t limit)
{
	int fd;
	struct stat st;
	char *data = NULL;
	THAW_TRY(thaw_open_file(&fd, &st, path));
	thaw_status status = read_descriptor(&data, size, fd, &st, path, limit);
	close(fd);
	if (status == THAW_OK)
		*bytes = data;
	return status;
}

bool thaw_path_is_directory(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

thaw_status thaw_make_directory(const char *path)
{
	char *prefix = thaw_strdup(path);
	if (!prefix)
		return THAW_RESOURCE;
	thaw_status status = THAW_OK;
	for (char *end = prefix; status == THAW_OK && *end; end++) {
		if (end[1] != '/' && end[1] != '\0')
			continue;
		char separator = end[1];
		end[1] = '\0';
		/* Checked first, so that an existing parent on a read-only file system is not an error. */
		if (!thaw_path_is_directory(prefix) && mkdir(prefix, 0777) != 0 &&
		    !(errno == EEXIST && thaw_path_is_directory(prefix)))
			status = thaw_fail_io("cannot make the folder", prefix);
		end[1] = separator;
	}
	thaw_free(prefix);
	return status;
}

/* Writes the buffer to the file. */
static thaw_status flush(struct thaw_file_writer *f)
{
	size_t done = 0;
	while (done < f->used) {
		ssize_t n = write(f->fd, f->buffer + done, f->used - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			thaw_fail_io("cannot write", f->path);
			if (thaw_is_full(thaw_failed_errno()) && f->make_room && f->make_room(f->room_context))
				continue;
			return THAW_IO;
		}
		done += (size_t)n;
	}
	f->used = 0;
	return THAW_OK;
}

static thaw_status buffered_write(struct thaw_sink *sink, const void *bytes, size_t size)
{
	struct thaw_file_writer *f = sink->context;
	const char *from = bytes;
	while (size > 0) {
		size_t part = min_size(sizeof(f->buffer) - f->used, size);
		memcpy(f->buffer + f->used, from, part);
		f->used += part;
		from += part;
		size -= part;
		if (f->used == sizeof(f->buffer))
			THAW_TRY(flush(f));
	}
	return THAW_OK;
}

static void release(struct thaw_file_writer *f)
{
	thaw_free(f->path);
	thaw_free(f->temporary);
	thaw_free(f);
}

/* Opens PATH.xxxxxxxx.tmp. Not mkstemp: its mode 0600 would hide the file from the user's group. */
static thaw_status open_temporary(struct thaw_file_writer *f)
{
	for (int attempt = 0; attempt < NAME_ATTEMPTS; attempt++) {
		uint32_t tag;
		if (getrandom(&tag, sizeof(tag), 0) != sizeof(tag))
			return thaw_fail_io("cannot get random numbers for a temporary name", f->path);
		thaw_free(f->temporary);
		if (!(f->temporary = thaw_format("%s.%0*x" TEMPORARY_END, f->path, TAG_LENGTH, tag)))
			return THAW_RESOURCE;
		f->fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (f->fd >= 0)
			return THAW_OK;
		if (errno != EEXIST)
			break;
	}
	return thaw_fail_io("cannot create", f->path);
}

thaw_status thaw_file_writer_open(struct thaw_file_writer **f, const char *path)
{
	struct thaw_file_writer *w = thaw_alloc(1, sizeof(*w));
	if (!w)
		return THAW_RESOURCE;
	w->sink = (struct thaw_sink){.write = buffered_write, .context = w};
	w->fd = -1;
	thaw_status status = thaw_path_target(&w->path, path);
	if (status == THAW_OK)
		status = open_temporary(w);
	if (status != THAW_OK) {
		release(w);
		return status;
	}
	*f = w;
	return THAW_OK;
}

struct thaw_sink *thaw_file_writer_sink(struct thaw_file_writer *f)
{
	return &f->sink;
}

void thaw_file_writer_on_full(struct thaw_file_writer *f, bool (*make_room)(void *context), void *context)
{
	f->make_room = make_room;
	f->room_context = context;
}

/* Writes the directory entry of `path` to disk. */
static thaw_status sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? thaw_format("%.*s", (int)(slash - path) + 1, path) : thaw_strdup(".");
	if (!folder)
		return THAW_RESOURCE;
	thaw_status status = THAW_OK;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* EINVAL: the file system does not support fsync of folders, or does not need it. */
	if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
		status = thaw_fail_io("cannot sync the folder", folder);
	if (fd >= 0)
		close(fd);
	thaw_free(folder);
	return status;
}

thaw_status thaw_file_writer_commit(struct thaw_file_writer *f)
{
	thaw_status status = flush(f);
	if (status == THAW_OK && fsync(f->fd) != 0)
		status = thaw_fail_io("cannot write", f->path);
	int closed = close(f->fd);
	f->fd = -1;
	if (status == THAW_OK && closed != 0)
		status = thaw_fail_io("cannot write", f->path);
	if (status == THAW_OK && rename(f->temporary, f->path) != 0)
		status = thaw_fail_io("cannot rename to", f->path);
	if (status != THAW_OK) {
		thaw_file_writer_discard(f);
		return status;
	}
	status = sync_folder(f->path);
	release(f);
	return status;
}

void thaw_file_writer_discard(struct thaw_file_writer *f)
{
	if (!f)
		return;
	if (f->fd >= 0)
		close(f->fd);
	unlink(f->temporary);
	release(f);
}

/* Whether the name is one of open_temporary's, "X.xxxxxxxx.tmp". */
static bool is_temporary(const char *name)
{
	size_t length = strlen(name), end = strlen(TEMPORARY_END);
	if (length < 1 + 1 + TAG_LENGTH + end || strcmp(name + length - end, TEMPORARY_END) != 0)
		return false;
	const char *tag = name + length - end - TAG_LENGTH;
	for (int i = 0; i < TAG_LENGTH; i++)
		if (!isxdigit((unsigned char)tag[i]))
			return false;
	return tag[-1] == '.';
}

thaw_status thaw_file_clean(const char *directory)
{
	DIR *d = opendir(directory);
	if (!d)
		return thaw_fail_io("cannot open the folder", directory);
	thaw_status status = THAW_OK;
	const struct dirent *entry;
	while (status == THAW_OK && (entry = readdir(d)) != NULL)
		if (is_temporary(entry->d_name) && unlinkat(dirfd(d), entry->d_name, 0) != 0 && errno != ENOENT)
			status = thaw_fail_io("cannot remove an old temporary file", entry->d_name);
	closedir(d);
	return status;
}

static thaw_status write_bytes(const char *path, const void *bytes, size_t size)
{
	struct thaw_file_writer *file;
	THAW_TRY(thaw_file_writer_open(&file, path));
	struct thaw_sink *sink = thaw_file_writer_sink(file);
	thaw_status status = sink->write(sink, bytes, size);
	if (status == THAW_OK)
		return thaw_file_writer_commit(file);
	thaw_file_writer_discard(file);
	return status;
}

thaw_status thaw_file_copy(const char *from, const char *to, size_t limit)
{
	void *bytes = NULL;
	size_t size;
	THAW_TRY(thaw_file_read(&bytes, &size, from, limit));
	thaw_status status = write_bytes(to, bytes, size);
	thaw_free(bytes);
	return status;
}
