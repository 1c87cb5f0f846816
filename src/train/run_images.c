/* images.list in the run directory: the names of all image files that the run began with. Its first line is the digest
 * of the rest, in which each name ends with a NUL, as `find -print0` writes them. Datasets that are not image files
 * have no such list. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/try.h"
#include "src/train/run.h"
#include "thaw/digest.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define FILE_NAME    "images.list"
#define FILE_LIMIT   ((size_t)4 << 30) /* bytes */
#define DIGEST_BYTES 17                /* 16 hex digits and a line feed */

static void write_digest(char line[DIGEST_BYTES + 1], const char *text, size_t bytes)
{
	snprintf(line, DIGEST_BYTES + 1, "%016llx\n", (unsigned long long)thaw_digest(text, bytes, 0));
}

static thaw_status parse(struct thaw_image_names *names, const char *bytes, size_t size, const char *path)
{
	size_t text = size > DIGEST_BYTES ? size - DIGEST_BYTES : 0;
	const char *from = bytes + size - text;
	char digest[DIGEST_BYTES + 1];
	write_digest(digest, from, text);
	if (text == 0 || memcmp(bytes, digest, DIGEST_BYTES) != 0 || from[text - 1] != '\0')
		return thaw_fail(THAW_DATA,
				 "damaged file: %s: restore it from a copy, or remove it if no images were removed "
				 "since the run began",
				 path);
	names->text = thaw_alloc(text, 1);
	if (!names->text)
		return THAW_RESOURCE;
	memcpy(names->text, from, text);
	names->bytes = names->room = text;
	return THAW_OK;
}

thaw_status run_images_load(struct thaw_image_names *names, const char *directory)
{
	void *bytes;
	size_t size;
	char *path = thaw_format("%s/" FILE_NAME, directory);
	if (!path)
		return THAW_RESOURCE;
	thaw_status status = THAW_OK;
	if (access(path, F_OK) == 0) {
		status = thaw_file_read(&bytes, &size, path, FILE_LIMIT);
		if (status == THAW_OK) {
			status = parse(names, bytes, size, path);
			thaw_free(bytes);
		}
	}
	thaw_free(path);
	return status;
}

/* Rank 0. A run that has nothing to go on from takes the images that are there. */
static thaw_status read_here(struct run *r)
{
	bool state = false;
	if (thaw_path_is_directory(r->options.out))
		THAW_TRY(run_has_state(r, &state));
	return state ? run_images_load(&r->known, r->options.out) : THAW_OK;
}

thaw_status run_images_read(struct run *r)
{
	if (!r->options.out)
		return THAW_OK;
	THAW_TRY(thaw_comm_agree(r->comm, r->comm->rank == 0 ? read_here(r) : THAW_OK));
	int64_t bytes = (int64_t)r->known.bytes;
	THAW_TRY(r->comm->broadcast(r->comm, &bytes, sizeof(bytes), 0));
	if (bytes == 0)
		return THAW_OK;
	if (r->comm->rank != 0)
		r->known = (struct thaw_image_names){thaw_alloc((size_t)bytes, 1), (size_t)bytes, (size_t)bytes};
	THAW_TRY(thaw_comm_agree(r->comm, r->known.text ? THAW_OK : THAW_RESOURCE));
	return r->comm->broadcast(r->comm, r->known.text, (size_t)bytes, 0);
}

thaw_status run_images_write(const struct run *r)
{
	struct thaw_file_writer *file;
	char digest[DIGEST_BYTES + 1];
	if (r->known.bytes > 0 || r->listed.bytes == 0)
		return THAW_OK;
	char *path = thaw_format("%s/" FILE_NAME, r->options.out);
	if (!path)
		return THAW_RESOURCE;
	thaw_status status = thaw_file_writer_open(&file, path);
	thaw_free(path);
	THAW_TRY(status);
	struct thaw_sink *sink = thaw_file_writer_sink(file);
	write_digest(digest, r->listed.text, r->listed.bytes);
	status = sink->write(sink, digest, DIGEST_BYTES);
	if (status == THAW_OK)
		status = sink->write(sink, r->listed.text, r->listed.bytes);
	if (status == THAW_OK)
		return thaw_file_writer_commit(file);
	thaw_file_writer_discard(file);
	return status;
}

void run_images_close(struct run *r)
{
	thaw_image_names_free(&r->known);
	thaw_image_names_free(&r->listed);
}
