/* One read per image: its header and its bytes. The header must be that of the image that was found when the shard was
 * opened, so that an index that is not of this file, or a shard that is written anew meanwhile, gives an error and not
 * another image. */
#include "src/data/tar_read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "src/base/io_error.h"
#include "src/base/open_file.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/fingerprint.h"
#include "src/data/tar_name.h"
#include "thaw/memory.h"

void thaw_tar_take(struct tar_files *f, struct tar_load *l)
{
	f->records = l->records;
	f->memory = l->record_memory;
	f->count = l->count;
	l->records = NULL;
	l->record_memory = (struct thaw_node_block){0};
}

thaw_status thaw_tar_files_open(struct tar_files *f, const char *root)
{
	f->path = thaw_alloc((size_t)f->shards.count, sizeof(*f->path));
	f->source = thaw_alloc((size_t)f->shards.count, sizeof(*f->source));
	if (!f->path || !f->source)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < f->shards.count; i++)
		if (!(f->path[i] = thaw_path_join(root, f->shards.name[i])))
			return THAW_RESOURCE;
	return thaw_tar_handles_create(&f->handles, f->path, f->shards.count);
}

static void free_records(struct tar_files *f)
{
	if (f->memory.data)
		thaw_node_block_close(&f->memory);
	else
		thaw_free(f->records);
}

void thaw_tar_files_close(struct tar_files *f)
{
	thaw_tar_handles_destroy(f->handles);
	for (int64_t i = 0; f->path && i < f->shards.count; i++)
		thaw_free(f->path[i]);
	for (int64_t i = 0; f->source && i < f->shards.count; i++)
		thaw_free(f->source[i]);
	thaw_free(f->path);
	thaw_free(f->source);
	thaw_names_free(&f->shards);
	free_records(f);
	*f = (struct tar_files){0};
}

static void keep_records(struct tar_record *to, const struct tar_files *f, const bool *keep, bool value)
{
	for (int64_t i = 0; i < f->count; i++)
		if (keep[i] == value)
			*to++ = f->records[i];
}

thaw_status thaw_tar_keep(struct tar_files *f, const bool *keep, bool value, int64_t count,
			  const struct thaw_share *share)
{
	bool again = false;
	struct thaw_node_block kept = {0};
	if (!share) {
		keep_records(f->records, f, keep, value);
		f->count = count;
		return THAW_OK;
	}
	thaw_status status = thaw_node_block_open(&kept, share, (size_t)count * sizeof(*f->records));
	if (status == THAW_OK && kept.writes)
		keep_records(kept.data, f, keep, value);
	if (status == THAW_OK)
		status = thaw_node_block_filled(share, (uint64_t)count, &again);
	if (status != THAW_OK) {
		thaw_node_block_close(&kept);
		return status;
	}
	free_records(f);
	f->records = kept.data;
	f->memory = kept;
	f->count = count;
	return THAW_OK;
}

uint64_t thaw_tar_key(const struct tar_files *f, int64_t i)
{
	return f->records[i].key;
}

int64_t thaw_tar_shard(const struct tar_files *f, int64_t i)
{
	return f->records[i].shard;
}

bool thaw_tar_is_link(const struct tar_files *f, int64_t i)
{
	return f->records[i].link != 0;
}

/* Reads a header and the `size` bytes after it. Returns false, with errno 0 if the file ends before. */
static bool read_parts(int fd, uint8_t header[TAR_BLOCK], void *bytes, size_t size, uint64_t at)
{
	size_t done = 0, all = TAR_BLOCK + size;
	while (done < all) {
		struct iovec parts[2] = {{header + done, done < TAR_BLOCK ? TAR_BLOCK - done : 0}, {bytes, size}};
		if (done >= TAR_BLOCK)
			parts[1] = (struct iovec){(char *)bytes + (done - TAR_BLOCK), all - done};
		bool first = done < TAR_BLOCK;
		ssize_t n = preadv(fd, first ? parts : parts + 1, first ? 2 : 1, (off_t)(at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? 0 : errno;
			return false;
		}
		done += (size_t)n;
	}
	return true;
}

static bool is_named(const struct tar_record *r, const struct tar_name *n)
{
	return r->link || thaw_tar_key_digest(n) == r->key || thaw_tar_name_digest(n) == r->key;
}

/* The name of the member, if it is the one that the record is of. Its last header has it, unless it is a long one. */
static thaw_status identify(struct tar_name *n, const struct tar_record *r, const uint8_t header[TAR_BLOCK], int fd,
			    const char *shard)
{
	uint64_t size;
	bool same = thaw_tar_header_parse(n, &size, header) && size == r->size;
	if (same && is_named(r, n))
		return THAW_OK;
	if (same && r->header > TAR_BLOCK &&
	    thaw_tar_name_read(n, fd, r->offset - r->header, r->header, shard) == THAW_OK && is_named(r, n))
		return THAW_OK;
	return thaw_fail(THAW_DATA, "another member at byte %llu: %s: the shard has changed since it was opened",
			 (unsigned long long)r->offset, shard);
}

thaw_status thaw_tar_replace(struct tar_files *f, int64_t shard, const char *copy)
{
	char *path = thaw_strdup(copy);
	if (!path)
		return THAW_RESOURCE;
	thaw_tar_handles_forget(f->handles, shard);
	if (f->source[shard])
		thaw_free(f->path[shard]);
	else
		f->source[shard] = f->path[shard];
	f->path[shard] = path;
	return THAW_OK;
}

/* Reads image i from the open file `path`. */
static thaw_status read_member(const struct tar_files *f, int64_t i, char *bytes, struct tar_name *n, int fd,
			       const char *path)
{
	uint8_t header[TAR_BLOCK];
	const struct tar_record *r = &f->records[i];
	if (!read_parts(fd, header, bytes, r->size, r->offset - TAR_BLOCK))
		return errno == 0
			       ? thaw_fail(THAW_DATA,
					   "shard ends before its image at byte %llu: %s: it has changed since it was "
					   "opened",
					   (unsigned long long)r->offset, path)
			       : thaw_fail_io("cannot read", path);
	THAW_TRY(identify(n, r, header, fd, path));
	snprintf(bytes + r->size, TAR_NAME, "%.999s/%.3000s", f->shards.name[r->shard], n->text); /* the name follows */
	return THAW_OK;
}

static int64_t time_of(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 ? (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec : 0;
}

/* From the shard, or from its copy. */
static thaw_status read_usual(const struct tar_files *f, int64_t i, char *bytes, struct tar_name *n, int64_t *modified)
{
	int fd;
	uint32_t shard = f->records[i].shard;
	THAW_TRY(thaw_tar_handles_acquire(f->handles, shard, &fd));
	*modified = time_of(fd); /* before the bytes are read: a later change shows */
	thaw_status status = read_member(f, i, bytes, n, fd, f->path[shard]);
	thaw_tar_handles_release(f->handles, shard);
	return status;
}

/* Where a copy fails: another program may have removed it from the local disk. */
static thaw_status read_source(const struct tar_files *f, int64_t i, char *bytes, struct tar_name *n, int64_t *modified)
{
	int fd;
	struct stat st;
	const char *source = f->source[f->records[i].shard];
	THAW_TRY(thaw_open_file(&fd, &st, source));
	*modified = time_of(fd);
	thaw_status status = read_member(f, i, bytes, n, fd, source);
	close(fd);
	return status;
}

thaw_status thaw_tar_read(const struct tar_files *f, int64_t i, void **bytes, size_t *size, int64_t *modified)
{
	const struct tar_record *r = &f->records[i];
	struct tar_name *n = thaw_alloc(1, sizeof(*n));
	char *read = thaw_alloc((size_t)r->size + TAR_NAME, 1);
	thaw_status status = n && read ? read_usual(f, i, read, n, modified) : THAW_RESOURCE;
	if ((status == THAW_IO || status == THAW_DATA) && f->source[r->shard])
		status = read_source(f, i, read, n, modified);
	thaw_free(n);
	if (status != THAW_OK) {
		thaw_free(read);
		return status;
	}
	*bytes = read;
	*size = r->size;
	return THAW_OK;
}

void thaw_tar_name(const struct tar_files *f, int64_t i, char *text, size_t size)
{
	int fd;
	uint8_t header[TAR_BLOCK];
	const struct tar_record *r = &f->records[i];
	const char *shard = f->shards.name[r->shard];
	struct tar_name *n = thaw_alloc(1, sizeof(*n));
	bool named = false;
	if (n && thaw_tar_handles_acquire(f->handles, r->shard, &fd) == THAW_OK) {
		named = read_parts(fd, header, NULL, 0, r->offset - TAR_BLOCK) &&
			identify(n, r, header, fd, shard) == THAW_OK;
		thaw_tar_handles_release(f->handles, r->shard);
	}
	if (named)
		snprintf(text, size, "%s/%s", shard, n->text);
	else
		snprintf(text, size, "%s, byte %llu", shard, (unsigned long long)r->offset);
	thaw_free(n);
}

thaw_status thaw_tar_fingerprint(const struct tar_files *f, int64_t i, bool whole, struct thaw_fingerprint *fingerprint)
{
	int fd;
	const struct tar_record *r = &f->records[i];
	THAW_TRY(thaw_tar_handles_acquire(f->handles, r->shard, &fd));
	thaw_status status = thaw_fingerprint_part(fingerprint, fd, r->offset, r->size, whole, f->path[r->shard]);
	thaw_tar_handles_release(f->handles, r->shard);
	return status;
}
