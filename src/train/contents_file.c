#include "src/train/contents_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/checkpoint/frame.h"
#include "thaw/memory.h"

#define FORMAT_NAME "thaw image digests 1"
#define CHUNK       ((int64_t)1 << 17) /* digests per message */
#define LEVEL       1                  /* of zstd: digests do not compress, but zeros do */
#define LINE_LIMIT  ((size_t)64 << 20) /* bytes of the line of JSON */

static int64_t count_of(const struct thaw_contents *c)
{
	return c ? c->samples : 0;
}

/* ---- Writing ---- */

static bool complete_header(json_t *header, struct thaw_contents *const *part, const char *const *kind)
{
	json_t *parts = json_array();
	for (int i = 0; i < CONTENTS_PARTS; i++)
		if (part[i])
			json_array_append_new(parts, json_pack("{s:s, s:I}", "images", kind[i], "count",
							       (json_int_t)part[i]->samples));
	return json_object_set_new(header, "format", json_string(FORMAT_NAME)) == 0 &&
	       json_object_set_new(header, "lanes", json_integer(part[0]->lanes)) == 0 &&
	       json_object_set_new(header, "parts", parts) == 0;
}

/* Rank 0: starts the file with the line. */
static thaw_status begin_file(struct thaw_frame_writer **file, struct thaw_contents *const *part,
			      const char *const *kind, json_t *header, const char *path)
{
	char *line = complete_header(header, part, kind) ? json_dumps(header, JSON_COMPACT) : NULL;
	size_t length = line ? strlen(line) : 0, bytes = length + 1;
	for (int i = 0; i < CONTENTS_PARTS; i++)
		bytes += (size_t)count_of(part[i]) * sizeof(uint64_t);
	thaw_status status =
		line ? thaw_frame_open(file, path, bytes, LEVEL) : thaw_fail(THAW_RESOURCE, "out of memory: %s", path);
	if (status == THAW_OK) {
		line[length] = '\n';
		status = thaw_frame_append(*file, line, length + 1);
	}
	free(line);
	return status;
}

/* Sends the part's digests to rank 0, rank by rank, so that it needs no more memory than the other ranks. */
static thaw_status write_part(struct thaw_comm *comm, const struct thaw_contents *c, uint64_t *chunk,
			      struct thaw_frame_writer *file, thaw_status *written)
{
	for (int root = 0; root < comm->size; root++) {
		int64_t begin, end;
		thaw_contents_part(c->samples, c->lanes, comm->size, root, &begin, &end);
		for (int64_t at = begin; at < end; at += CHUNK) {
			size_t bytes = (size_t)min_int64(CHUNK, end - at) * sizeof(*chunk);
			if (root == comm->rank)
				memcpy(chunk, c->digest + (at - c->begin), bytes);
			if (root > 0)
				THAW_TRY(comm->broadcast(comm, chunk, bytes, root));
			if (file && *written == THAW_OK)
				*written = thaw_frame_append(file, chunk, bytes);
		}
	}
	return THAW_OK;
}

thaw_status thaw_contents_save(struct thaw_comm *comm, struct thaw_contents *const *part, const char *const *kind,
			       json_t *header, const char *path, thaw_status *written)
{
	struct thaw_frame_writer *file = NULL;
	uint64_t *chunk = thaw_alloc((size_t)CHUNK, sizeof(*chunk));
	thaw_status status = thaw_comm_agree(comm, chunk ? THAW_OK : THAW_RESOURCE);
	*written = THAW_OK;
	if (status == THAW_OK && comm->rank == 0)
		*written = begin_file(&file, part, kind, header, path);
	for (int i = 0; i < CONTENTS_PARTS && status == THAW_OK; i++)
		if (part[i])
			status = write_part(comm, part[i], chunk, file, written);
	if (file && status == THAW_OK && *written == THAW_OK)
		*written = thaw_frame_commit(file);
	else
		thaw_frame_discard(file);
	thaw_free(chunk);
	if (status != THAW_OK)
		return status;
	int64_t failed = *written;
	THAW_TRY(comm->broadcast(comm, &failed, sizeof(failed), 0));
	*written = (thaw_status)failed;
	return THAW_OK;
}

/* ---- Reading ---- */

/* The file in memory. */
struct content {
	void *bytes;
	size_t size, line; /* of all; of the line with its line feed */
	json_t *header;
};

static void content_free(struct content *f)
{
	thaw_free(f->bytes);
	json_decref(f->header);
	*f = (struct content){0};
}

static thaw_status damaged(const char *path)
{
	return thaw_fail(THAW_DATA, "damaged file: %s: restore it from a copy, or remove it", path);
}

static thaw_status read_file(struct content *f, const char *path, size_t largest)
{
	thaw_status status = thaw_frame_read(&f->bytes, &f->size, path, largest);
	if (status != THAW_OK)
		return status == THAW_DATA ? damaged(path) : status;
	const char *text = f->bytes, *end = f->size > 0 ? memchr(text, '\n', min_size(f->size, LINE_LIMIT)) : NULL;
	f->line = end ? (size_t)(end - text) + 1 : 0;
	f->header = end ? json_loadb(text, f->line, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const char *format = json_string_value(json_object_get(f->header, "format"));
	return format && strcmp(format, FORMAT_NAME) == 0 ? THAW_OK : damaged(path);
}

/* The digests must be those of the images and lanes that the caller has. */
static thaw_status check_counts(const struct content *f, struct thaw_contents *const *part, const char *path)
{
	const json_t *parts = json_object_get(f->header, "parts");
	size_t next = 0, bytes = f->line;
	bool same = json_integer_value(json_object_get(f->header, "lanes")) == part[0]->lanes;
	for (int i = 0; i < CONTENTS_PARTS; i++) {
		if (!part[i])
			continue;
		const json_t *recorded = json_array_get(parts, next++);
		same &= json_integer_value(json_object_get(recorded, "count")) == part[i]->samples;
		bytes += (size_t)part[i]->samples * sizeof(uint64_t);
	}
	if (!same || json_array_size(parts) != next)
		return thaw_fail(THAW_DATA,
				 "the digests are not those of these images: %s: give the data of the run, or remove "
				 "the file",
				 path);
	return bytes == f->size ? THAW_OK : damaged(path);
}

/* Rank 0. f->header stays NULL if there is no file. */
static thaw_status read_here(struct content *f, struct thaw_contents *const *part, const char *path)
{
	size_t largest = LINE_LIMIT;
	if (access(path, F_OK) != 0)
		return THAW_OK;
	for (int i = 0; i < CONTENTS_PARTS; i++)
		largest += (size_t)count_of(part[i]) * sizeof(uint64_t);
	THAW_TRY(read_file(f, path, largest));
	return check_counts(f, part, path);
}

/* Sends the part's digests from rank 0 (from: its copy of them) to all ranks, which keep their own. */
static thaw_status read_part(struct thaw_comm *comm, struct thaw_contents *c, uint64_t *chunk, const char *from)
{
	for (int64_t at = 0; at < c->samples; at += CHUNK) {
		int64_t n = min_int64(CHUNK, c->samples - at);
		int64_t first = max_int64(at, c->begin), end = min_int64(at + n, c->end);
		if (from)
			memcpy(chunk, from + (size_t)at * sizeof(*chunk), (size_t)n * sizeof(*chunk));
		THAW_TRY(comm->broadcast(comm, chunk, (size_t)n * sizeof(*chunk), 0));
		if (first < end)
			memcpy(c->digest + (first - c->begin), chunk + (first - at),
			       (size_t)(end - first) * sizeof(*chunk));
	}
	return THAW_OK;
}

static thaw_status distribute(struct thaw_comm *comm, struct thaw_contents *const *part, const struct content *f,
			      uint64_t *chunk)
{
	const char *from = f->bytes ? (const char *)f->bytes + f->line : NULL;
	for (int i = 0; i < CONTENTS_PARTS; i++) {
		if (!part[i])
			continue;
		THAW_TRY(read_part(comm, part[i], chunk, from));
		from = from ? from + (size_t)part[i]->samples * sizeof(*chunk) : NULL;
	}
	return THAW_OK;
}

thaw_status thaw_contents_load(struct thaw_comm *comm, struct thaw_contents *const *part, json_t **header,
			       const char *path)
{
	struct content f = {0};
	uint64_t *chunk = thaw_alloc((size_t)CHUNK, sizeof(*chunk));
	*header = NULL;
	thaw_status status = chunk ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK && comm->rank == 0)
		status = read_here(&f, part, path);
	status = thaw_comm_agree(comm, status);
	int64_t found = f.header != NULL;
	if (status == THAW_OK)
		status = comm->broadcast(comm, &found, sizeof(found), 0);
	if (status == THAW_OK && found)
		status = distribute(comm, part, &f, chunk);
	if (status == THAW_OK)
		*header = json_incref(f.header);
	content_free(&f);
	thaw_free(chunk);
	return status;
}

thaw_status thaw_contents_read_header(json_t **header, const char *path)
{
	struct content f = {0};
	thaw_status status = read_file(&f, path, SIZE_MAX);
	if (status == THAW_OK)
		*header = json_incref(f.header);
	content_free(&f);
	return status;
}
