/* A copy is a pair of files: X, with the bytes, and X.stage, which says of what. Both appear as a whole. X has a digest
 * of its source's path in its name, so without a record it is what an interrupted start left, and is written again.
 * Other files are never touched. */
#include "src/data/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "src/base/file_lock.h"
#include "src/base/io_error.h"
#include "src/base/minmax.h"
#include "src/base/open_file.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/names.h"
#include "thaw/digest.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define CHUNK       ((size_t)1 << 20) /* bytes per read */
#define RECORD_END  ".stage"
#define RECORD_MOST ((size_t)64 << 10) /* bytes */
#define POLL        50000000L          /* nanoseconds */

struct record {
	char *source; /* real path; from thaw_alloc */
	int64_t size, modified;
	uint64_t digest;
};

static bool is_stopped(const struct stage_stop *stop)
{
	return stop && stop->stop && stop->stop(stop->context);
}

static thaw_status fail_stopped(void)
{
	return thaw_fail(THAW_UNFINISHED, "asked to stop while files were staged: run the same command again");
}

static int64_t nanoseconds(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* The real path of a source, and the path of its copy. */
static thaw_status name_copy(char **real, char **copy, const char *folder, const char *source)
{
	char *found = realpath(source, NULL);
	if (!found)
		return thaw_fail_io("cannot read", source);
	*real = thaw_strdup(found);
	*copy = thaw_format("%s/%016" PRIx64 "-%s", folder, thaw_digest(found, strlen(found), 0),
			    thaw_base_name(found));
	free(found);
	if (*real && *copy)
		return THAW_OK;
	thaw_free(*real);
	thaw_free(*copy);
	return THAW_RESOURCE;
}

/* Reads PATH.stage; false if there is none that can be understood. */
static bool read_record(struct record *r, const char *path)
{
	void *bytes = NULL;
	size_t size;
	char *file = thaw_format("%s" RECORD_END, path);
	bool read = file && thaw_path_is_file(file) && thaw_file_read(&bytes, &size, file, RECORD_MOST) == THAW_OK;
	json_t *o = read ? json_loadb(bytes, size, 0, NULL) : NULL;
	const char *source = json_string_value(json_object_get(o, "source"));
	const char *digest = json_string_value(json_object_get(o, "digest"));
	*r = (struct record){.source = source && digest ? thaw_strdup(source) : NULL,
			     .size = json_integer_value(json_object_get(o, "size")),
			     .modified = json_integer_value(json_object_get(o, "modified")),
			     .digest = digest ? strtoull(digest, NULL, 16) : 0};
	json_decref(o);
	thaw_free(bytes);
	thaw_free(file);
	return r->source != NULL;
}

static thaw_status write_record(const struct record *r, const char *path)
{
	char digest[17];
	snprintf(digest, sizeof(digest), "%016" PRIx64, r->digest);
	json_t *o = json_pack("{s:s, s:I, s:I, s:s}", "source", r->source, "size", (json_int_t)r->size, "modified",
			      (json_int_t)r->modified, "digest", digest);
	if (!o)
		return thaw_fail(THAW_DATA, "cannot name the copy: %s: its name is not UTF-8", path);
	char *file = thaw_format("%s" RECORD_END, path);
	thaw_status status = file ? thaw_report_file(file, o) : THAW_RESOURCE;
	thaw_free(file);
	json_decref(o);
	return status;
}

/* Whether the record is of this source as it is now, and the copy has its size. */
static bool is_current(const struct record *r, const char *real, const char *copy)
{
	struct stat from, to;
	return strcmp(r->source, real) == 0 && stat(real, &from) == 0 && stat(copy, &to) == 0 && S_ISREG(to.st_mode) &&
	       from.st_size == r->size && nanoseconds(&from) == r->modified && to.st_size == r->size;
}

thaw_status thaw_stage_find(char **copy, const char *folder, const char *source)
{
	char *real, *path;
	struct record r;
	*copy = NULL;
	thaw_status status = name_copy(&real, &path, folder, source);
	if (status != THAW_OK)
		return status == THAW_RESOURCE ? status : THAW_OK;
	bool found = read_record(&r, path) && is_current(&r, real, path);
	thaw_free(r.source);
	thaw_free(real);
	if (found)
		*copy = path;
	else
		thaw_free(path);
	return THAW_OK;
}

/* Reads a file to its end: digests it and, with a sink, writes it there. */
static thaw_status pass_through(uint64_t *digest, int64_t *size, const char *path, struct thaw_sink *sink,
				const struct stage_stop *stop)
{
	int fd;
	struct stat st;
	THAW_TRY(thaw_open_file(&fd, &st, path));
	if (!sink)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* read what is on the disk */
	char *bytes = thaw_alloc(CHUNK, 1);
	thaw_status status = bytes ? THAW_OK : THAW_RESOURCE;
	*digest = 0;
	*size = 0;
	while (status == THAW_OK) {
		size_t got = 0;
		ssize_t n = 0;
		while (got < CHUNK && ((n = read(fd, bytes + got, CHUNK - got)) > 0 || (n < 0 && errno == EINTR)))
			got += n > 0 ? (size_t)n : 0;
		if (n < 0)
			status = thaw_fail_io("cannot read", path);
		else if (got == 0)
			break;
		*digest = thaw_digest(bytes, got, *digest);
		*size += (int64_t)got;
		if (status == THAW_OK && sink)
			status = sink->write(sink, bytes, got);
		if (status == THAW_OK && is_stopped(stop))
			status = fail_stopped();
	}
	close(fd);
	thaw_free(bytes);
	return status;
}

static thaw_status write_copy(struct record *r, const char *copy, const struct stage_stop *stop)
{
	struct thaw_file_writer *f;
	uint64_t again;
	int64_t size;
	THAW_TRY(thaw_file_writer_open(&f, copy));
	thaw_status status = pass_through(&r->digest, &size, r->source, thaw_file_writer_sink(f), stop);
	if (status != THAW_OK) {
		thaw_file_writer_discard(f);
		return status;
	}
	THAW_TRY(thaw_file_writer_commit(f));
	if (size == r->size)
		status = pass_through(&again, &size, copy, NULL, stop);
	if (status == THAW_OK && (size != r->size || again != r->digest))
		status = thaw_fail(THAW_IO, "a copy has other bytes than its source: %s: check the disk", copy);
	const struct timespec time = {r->modified / 1000000000, r->modified % 1000000000}, times[2] = {time, time};
	if (status == THAW_OK && utimensat(AT_FDCWD, copy, times, 0) != 0)
		status = thaw_fail_io("cannot set the time", copy);
	if (status == THAW_OK)
		status = write_record(r, copy);
	if (status != THAW_OK)
		unlink(copy);
	return status;
}

/* Removes a copy and its record. */
static void remove_copy(const char *copy)
{
	char *record = thaw_format("%s" RECORD_END, copy);
	unlink(copy);
	if (record)
		unlink(record);
	thaw_free(record);
}

/* Whether an earlier copy can be used: its bytes are read. */
static thaw_status check_copy(bool *good, const struct record *r, const char *real, const char *copy,
			      const struct stage_stop *stop)
{
	uint64_t digest = 0;
	int64_t size = 0;
	*good = is_current(r, real, copy);
	if (!*good)
		return THAW_OK;
	thaw_status status = pass_through(&digest, &size, copy, NULL, stop);
	*good = status == THAW_OK && size == r->size && digest == r->digest;
	return status == THAW_UNFINISHED || status == THAW_RESOURCE ? status : THAW_OK;
}

static thaw_status make_copy(enum stage_result *result, int64_t *bytes, const char *real, const char *copy,
			     struct stage_room *room, const struct stage_stop *stop)
{
	struct stat st;
	struct record old, made = {.source = thaw_strdup(real)};
	bool good = false, ours = read_record(&old, copy);
	thaw_status status = made.source ? THAW_OK : THAW_RESOURCE;
	*result = STAGE_FAILED;
	if (status == THAW_OK && ours)
		status = check_copy(&good, &old, real, copy, stop);
	if (status == THAW_OK && stat(real, &st) != 0)
		thaw_fail_io("cannot read", real);
	else if (status == THAW_OK) {
		made.size = *bytes = st.st_size;
		made.modified = nanoseconds(&st);
		bool fits = made.size <= room->bytes || (good && !room->limited);
		if (!(good && fits))
			remove_copy(copy);
		*result = !fits ? STAGE_NO_ROOM : good ? STAGE_KEPT : STAGE_COPIED;
		if (*result == STAGE_COPIED)
			status = write_copy(&made, copy, stop);
		if (status == THAW_IO || status == THAW_DATA) {
			*result = thaw_is_full(thaw_failed_errno()) ? STAGE_NO_ROOM : STAGE_FAILED;
			status = THAW_OK;
		}
		bool counts = *result == STAGE_COPIED || (*result == STAGE_KEPT && room->limited);
		room->bytes -= counts ? made.size : 0;
	}
	thaw_free(old.source);
	thaw_free(made.source);
	return status;
}

thaw_status thaw_stage_copy(enum stage_result *result, int64_t *bytes, const char *folder, const char *source,
			    struct stage_room *room, const struct stage_stop *stop)
{
	char *real, *copy;
	*bytes = 0;
	*result = STAGE_FAILED;
	thaw_status status = name_copy(&real, &copy, folder, source);
	if (status != THAW_OK)
		return status == THAW_RESOURCE ? status : THAW_OK;
	status = make_copy(result, bytes, real, copy, room, stop);
	thaw_free(real);
	thaw_free(copy);
	return status;
}

thaw_status thaw_stage_clean(const char *folder, const char *sources)
{
	char *from = thaw_path_real(sources, ".");
	DIR *dir = from ? opendir(folder) : NULL;
	for (const struct dirent *e; dir && (e = readdir(dir));) {
		struct record r;
		size_t length = strlen(e->d_name), end = strlen(RECORD_END);
		if (length <= end || strcmp(e->d_name + length - end, RECORD_END) != 0)
			continue;
		char *copy = thaw_format("%s/%.*s", folder, (int)(length - end), e->d_name);
		if (copy && read_record(&r, copy)) {
			if (thaw_path_is_inside(r.source, from) && !is_current(&r, r.source, copy))
				remove_copy(copy);
			thaw_free(r.source);
		}
		thaw_free(copy);
	}
	if (dir)
		closedir(dir);
	thaw_free(from);
	return thaw_file_clean(folder);
}

thaw_status thaw_stage_lock(int *fd, const char *folder, const struct stage_stop *stop)
{
	THAW_TRY(thaw_make_directory(folder));
	char *path = thaw_path_join(folder, ".lock");
	if (!path)
		return THAW_RESOURCE;
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	thaw_status status = *fd >= 0 ? THAW_OK : thaw_fail_io("cannot create", path);
	while (status == THAW_OK && thaw_file_lock(*fd) == THAW_LOCK_HELD) {
		const struct timespec pause = {.tv_nsec = POLL};
		nanosleep(&pause, NULL);
		if (is_stopped(stop))
			status = fail_stopped();
	}
	if (status != THAW_OK && *fd >= 0)
		close(*fd);
	thaw_free(path);
	return status;
}

int64_t thaw_stage_free(const char *folder)
{
	struct statvfs disk;
	if (statvfs(folder, &disk) != 0)
		return 0;
	return (int64_t)((double)disk.f_bavail * (double)disk.f_frsize * 0.9);
}
