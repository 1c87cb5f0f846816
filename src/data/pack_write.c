/* Writes one shard with libarchive: headers of ustar, without owner and time, so that the bytes follow from the images
 * alone. */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/io_error.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/fingerprint.h"
#include "src/data/pack.h"
#include "src/data/tar_index.h"
#include "src/data/tar_label.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define MODE 0644

/* Where libarchive writes to. */
struct output {
	struct thaw_sink *sink;
	thaw_status status; /* of the first failure, after which nothing more is written */
	int64_t bytes;
};

/* libarchive is not told of failures: it does not free all its memory after one. */
static la_ssize_t write_bytes(struct archive *a, void *context, const void *bytes, size_t size)
{
	struct output *o = context;
	(void)a;
	if (o->status != THAW_OK)
		return (la_ssize_t)size;
	o->status = o->sink->write(o->sink, bytes, size);
	if (o->status == THAW_OK)
		o->bytes += (int64_t)size;
	return (la_ssize_t)size;
}

static thaw_status fail_archive(struct archive *a, const struct output *o)
{
	if (o->status != THAW_OK)
		return o->status; /* its message is recorded */
	return thaw_fail(THAW_SOFTWARE, "libarchive cannot write a member: %s", archive_error_string(a));
}

static thaw_status add_member(struct archive *a, const struct output *o, const char *key, const char *extension,
			      const void *bytes, size_t size)
{
	char name[160];
	struct archive_entry *e = archive_entry_new();
	if (!e)
		return thaw_fail(THAW_RESOURCE, "out of memory: a member of a tar file");
	snprintf(name, sizeof(name), "%s.%s", key, extension);
	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, MODE);
	archive_entry_set_size(e, (la_int64_t)size);
	archive_entry_set_mtime(e, 0, 0);
	bool good = archive_write_header(a, e) == ARCHIVE_OK && archive_write_data(a, bytes, size) == (la_ssize_t)size;
	archive_entry_free(e);
	return good && o->status == THAW_OK ? THAW_OK : fail_archive(a, o);
}

static thaw_status add_sample(struct archive *a, const struct output *o, const struct thaw_dataset *d, int64_t i)
{
	struct pack_members m = {0};
	thaw_status status = thaw_pack_make(&m, d, i);
	if (status == THAW_OK)
		status = add_member(a, o, m.key, m.extension, m.image, m.image_size);
	if (status == THAW_OK)
		status = add_member(a, o, m.key, m.json ? "json" : "cls", m.label, strlen(m.label));
	if (status == THAW_OK && m.more)
		status = add_member(a, o, m.key, "json", m.more, strlen(m.more));
	thaw_pack_free_members(&m);
	return status;
}

/* The callback that asks to stop. */
struct asked {
	bool (*stop)(void *context);
	void *context;
};

static thaw_status check_stop(const struct asked *asked)
{
	return asked->stop && asked->stop(asked->context)
		       ? thaw_fail(THAW_UNFINISHED, "asked to stop: run the same command again to continue")
		       : THAW_OK;
}

static thaw_status write_members(const struct thaw_pack *pack, const struct pack_shard *s, struct output *o,
				 const struct asked *asked)
{
	struct archive *a = archive_write_new();
	thaw_status status = THAW_OK;
	if (!a || archive_write_set_format_ustar(a) != ARCHIVE_OK ||
	    archive_write_open(a, o, NULL, write_bytes, NULL) != ARCHIVE_OK)
		status = thaw_fail(THAW_RESOURCE, "libarchive cannot write tar files: %s", s->name);
	for (int64_t k = s->first; status == THAW_OK && k < s->end; k++) {
		status = check_stop(asked);
		if (status == THAW_OK)
			status = add_sample(a, o, &pack->splits[s->split], thaw_pack_sample(pack, s, k));
	}
	if (status == THAW_OK && (archive_write_close(a) != ARCHIVE_OK || o->status != THAW_OK))
		status = fail_archive(a, o);
	if (status != THAW_OK)
		o->status = status;
	archive_write_free(a);
	return status;
}

/* Whether a sample of a shard has the label and weight of sample i. */
static thaw_status same_label(bool *same, const struct thaw_dataset *d, int64_t i, const struct tar_shard *s,
			      const struct tar_sample *sample)
{
	struct pack_members m = {0};
	struct tar_label label = {0};
	thaw_status status = thaw_pack_make_label(&m, d, i);
	if (status == THAW_OK)
		status = thaw_tar_label_parse(&label, m.json ? TAR_FIELD_JSON : TAR_FIELD_CLASS, m.label,
					      strlen(m.label));
	float weight = d->weights ? d->weights[i] : 1;
	*same = status == THAW_OK && label.text && sample->label != TAR_NONE &&
		strcmp(label.text, s->texts.text[sample->label]) == 0 &&
		(sample->weight > 0 ? sample->weight : 1) == weight;
	thaw_free(label.text);
	thaw_pack_free_members(&m);
	return status;
}

/* Whether the images in a shard are the files that the dataset has now, by their fingerprints. */
static thaw_status compare_samples(bool *same, const struct thaw_pack *pack, const struct pack_shard *s,
				   const struct tar_shard *there, int fd, const struct asked *asked)
{
	const struct thaw_dataset *d = &pack->splits[s->split];
	*same = d->read_file && there->count == s->end - s->first;
	for (int64_t k = s->first; *same && k < s->end; k++) {
		const struct tar_sample *sample = &there->samples[k - s->first];
		int64_t i = thaw_pack_sample(pack, s, k);
		struct thaw_fingerprint f, now = thaw_dataset_fingerprint(d, i, false);
		THAW_TRY(check_stop(asked));
		THAW_TRY(same_label(same, d, i, there, sample));
		*same = *same &&
			thaw_fingerprint_part(&f, fd, sample->offset, sample->size, false, s->name) == THAW_OK &&
			f.blocks == now.blocks;
	}
	return THAW_OK;
}

/* Whether the shard is there from an earlier start. Its index is written anew if it is not current. */
static thaw_status find_shard(struct thaw_packed *packed, const struct thaw_pack *pack, const struct pack_shard *s,
			      const char *path, const struct asked *asked)
{
	struct tar_shard there = {0};
	enum tar_index_state state;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return THAW_OK;
	thaw_status status = thaw_tar_index_read(&there, &state, fd, path);
	bool same = status == THAW_OK && (state == TAR_INDEX_READ || thaw_tar_scan(&there, fd, path) == THAW_OK) &&
		    there.counts.count[TAR_CUT] == 0;
	if (same)
		status = compare_samples(&same, pack, s, &there, fd, asked);
	close(fd);
	if (same && status == THAW_OK && state != TAR_INDEX_READ)
		status = thaw_tar_index_write(&there, path);
	if (same && status == THAW_OK)
		*packed = (struct thaw_packed){s->end - s->first, there.size, true};
	thaw_tar_shard_free(&there);
	return status;
}

/* The index of a new shard is what reading it finds. */
static thaw_status write_index(const char *path)
{
	struct tar_shard s = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return thaw_fail_io("cannot open", path);
	thaw_status status = thaw_tar_scan(&s, fd, path);
	close(fd);
	if (status == THAW_OK)
		status = thaw_tar_index_write(&s, path);
	thaw_tar_shard_free(&s);
	return status;
}

static thaw_status write_shard(struct thaw_packed *packed, const struct thaw_pack *pack, const struct pack_shard *s,
			       const char *path, const struct asked *asked)
{
	struct thaw_file_writer *f;
	THAW_TRY(thaw_file_writer_open(&f, path));
	struct output o = {.sink = thaw_file_writer_sink(f)};
	thaw_status status = write_members(pack, s, &o, asked);
	if (status != THAW_OK) {
		thaw_file_writer_discard(f);
		return status;
	}
	THAW_TRY(thaw_file_writer_commit(f));
	*packed = (struct thaw_packed){s->end - s->first, o.bytes, false};
	return write_index(path);
}

thaw_status thaw_pack_write(const struct thaw_pack *pack, int shard, bool (*stop)(void *context), void *context,
			    struct thaw_packed *packed)
{
	const struct asked asked = {stop, context};
	const struct pack_shard *s = &pack->shards[shard];
	char *path = thaw_path_join(pack->options.out, s->name);
	if (!path)
		return THAW_RESOURCE;
	*packed = (struct thaw_packed){0};
	thaw_status status = find_shard(packed, pack, s, path, &asked);
	if (status == THAW_OK && !packed->kept)
		status = write_shard(packed, pack, s, path, &asked);
	thaw_free(path);
	return status;
}
