/* Images of a manifest that are members of tar shards. What the shards say about labels and splits is not used. */
#include <stdio.h>

#include "src/base/try.h"
#include "src/data/fingerprint.h"
#include "src/data/image.h"
#include "src/data/manifest_members.h"
#include "src/data/manifest_place.h"
#include "src/data/pack_record.h"
#include "src/data/tar_list.h"
#include "src/data/tar_read.h"
#include "thaw/memory.h"

struct shards {
	struct manifest_place place;
	struct tar_files files; /* all samples of all shards */
	int64_t *sample;        /* [count] of the manifest's images; MANIFEST_MISSING: missing */
};

/* ---- Reading --------------------------------------------------------------------------------------------------- */

static thaw_status read_member(const struct manifest_place *p, int64_t i, const char *path, void **bytes, size_t *size,
			       int64_t *modified)
{
	const struct shards *s = (const struct shards *)p;
	if (s->sample[i] == MANIFEST_MISSING)
		return thaw_fail(THAW_IO, "no such image in the shards: %s: correct its row, or remove it", path);
	THAW_TRY(thaw_tar_read(&s->files, s->sample[i], bytes, size, modified));
	const char *name = (const char *)*bytes + *size;
	if (thaw_manifest_member_fits(&s->files, s->sample[i], name, path))
		return THAW_OK;
	thaw_status status =
		thaw_fail(THAW_DATA,
			  "no such image in the shards: %.1000s: its key is that of %.1000s: name that, or "
			  "give the key alone",
			  path, name);
	thaw_free(*bytes);
	return status;
}

static thaw_status read_image(const struct manifest_place *p, int64_t i, const char *path,
			      struct thaw_encoded_image *encoded)
{
	void *bytes;
	size_t size;
	int64_t modified;
	THAW_TRY(read_member(p, i, path, &bytes, &size, &modified));
	struct thaw_fingerprint fingerprint = thaw_fingerprint_of(bytes, size, modified);
	THAW_TRY(thaw_encoded_image_open(encoded, bytes, size, path));
	encoded->fingerprint = fingerprint;
	return THAW_OK;
}

static thaw_status read_bytes(const struct manifest_place *p, int64_t i, const char *path, void **bytes, size_t *size)
{
	int64_t modified;
	return read_member(p, i, path, bytes, size, &modified);
}

static thaw_status fingerprint_image(const struct manifest_place *p, int64_t i, const char *path, bool whole,
				     struct thaw_fingerprint *f)
{
	const struct shards *s = (const struct shards *)p;
	if (s->sample[i] == MANIFEST_MISSING)
		return thaw_fail(THAW_IO, "no such image in the shards: %s: correct its row, or remove it", path);
	return thaw_tar_fingerprint(&s->files, s->sample[i], whole, f);
}

static thaw_status reduce_shards(struct manifest_place *p, const int64_t *images, int64_t count)
{
	struct shards *s = (struct shards *)p;
	int64_t *kept = thaw_alloc((size_t)count, sizeof(*kept));
	if (!kept)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < count; i++)
		kept[i] = s->sample[images[i]];
	thaw_free(s->sample);
	s->sample = kept;
	return THAW_OK;
}

static void destroy_shards(struct manifest_place *p)
{
	struct shards *s = (struct shards *)p;
	thaw_tar_files_close(&s->files);
	thaw_free(s->sample);
	thaw_free(s);
}

/* ---- Parts ----------------------------------------------------------------------------------------------------- */

static struct shards *shards_of(const struct thaw_dataset *d)
{
	const struct manifest_listed *l = d->context;
	return (struct shards *)l->place;
}

static int64_t count_shards(const struct thaw_dataset *d)
{
	return shards_of(d)->files.shards.count;
}

/* A missing image needs none: it is as well in the first. */
static int64_t shard_of_image(const struct thaw_dataset *d, int64_t i)
{
	const struct shards *s = shards_of(d);
	return s->sample[i] == MANIFEST_MISSING ? 0 : thaw_tar_shard(&s->files, s->sample[i]);
}

static const char *shard_path(const struct thaw_dataset *d, int64_t shard)
{
	return shards_of(d)->files.path[shard];
}

static thaw_status replace_shard(struct thaw_dataset *d, int64_t shard, const char *path)
{
	return thaw_tar_replace(&shards_of(d)->files, shard, path);
}

static const struct thaw_dataset_parts parts = {
	.count = count_shards, .of_sample = shard_of_image, .path = shard_path, .replace = replace_shard};

/* ---- Opening --------------------------------------------------------------------------------------------------- */

static thaw_status load_files(struct tar_files *f, struct thaw_found *found, const char *root,
			      const struct thaw_share *share)
{
	struct tar_load load = {.share = share};
	thaw_status status = thaw_tar_load(&load, root, &f->shards);
	if (status == THAW_OK)
		status = thaw_tar_load_report(found, &load, root, &f->shards);
	thaw_tar_take(f, &load);
	thaw_tar_load_free(&load);
	return status == THAW_OK ? thaw_tar_files_open(f, root) : status;
}

static thaw_status open_files(struct tar_files *f, struct thaw_found *found, const char *path,
			      const struct thaw_share *share)
{
	char *root = NULL;
	thaw_status status = thaw_tar_list_all(&root, &f->shards, path);
	if (status == THAW_OK)
		status = thaw_pack_check_complete(root);
	if (status == THAW_OK)
		status = load_files(f, found, root, share);
	if (status == THAW_OK)
		status = thaw_found_note(found,
					 thaw_format("images in %lld tar shards (first: %s/%s): their own labels and "
						     "splits are not used",
						     (long long)f->shards.count, root, f->shards.name[0]));
	thaw_free(root);
	return status;
}

/* With the name of an image, so that the user sees what paths may look like. */
static thaw_status end_search(const struct shards *p, const struct manifest_search *s, struct thaw_found *found)
{
	char name[MEMBER_NAME], todo[2 * MEMBER_NAME];
	thaw_tar_name(&p->files, 0, name, sizeof(name));
	snprintf(todo, sizeof(todo), "give keys or names as the shards have them, such as %.300s", name);
	return thaw_manifest_search_end(s, found, "the shards", todo);
}

/* Looks for the images of all splits, so that one that is in two of them by two names is refused, and keeps those of
 * this split. */
static thaw_status find_samples(struct shards *p, struct manifest_search *s, struct thaw_found *found)
{
	const size_t count = (size_t)s->m->count;
	bool *there = thaw_alloc(count, sizeof(*there));
	int64_t *sample = thaw_alloc(count, sizeof(*sample)), *rows = thaw_alloc(count, sizeof(*rows));
	struct manifest_search all = {.m = s->m, .rows = rows, .count = s->m->count, .found = there};
	thaw_status status = there && sample && rows ? THAW_OK : THAW_RESOURCE;
	for (int64_t i = 0; status == THAW_OK && i < all.count; i++)
		rows[i] = i;
	if (status == THAW_OK)
		status = thaw_manifest_members_find(sample, &p->files, &all, found);
	for (int64_t i = 0; status == THAW_OK && i < s->count; i++) {
		p->sample[i] = sample[s->rows[i]];
		s->found[i] = there[s->rows[i]];
	}
	thaw_free(there);
	thaw_free(sample);
	thaw_free(rows);
	return status;
}

thaw_status thaw_manifest_shards_open(struct manifest_place **place, struct thaw_found *found, const char *root,
				      const struct thaw_share *share, struct manifest_search *s)
{
	struct shards *p = thaw_alloc(1, sizeof(*p));
	if (!p)
		return THAW_RESOURCE;
	p->place = (struct manifest_place){.read = read_image,
					   .read_file = read_bytes,
					   .fingerprint = fingerprint_image,
					   .reduce = reduce_shards,
					   .destroy = destroy_shards,
					   .parts = &parts};
	*place = &p->place;
	if (!(p->sample = thaw_alloc((size_t)s->count, sizeof(*p->sample))))
		return THAW_RESOURCE;
	THAW_TRY(open_files(&p->files, found, root, share));
	THAW_TRY(find_samples(p, s, found));
	return end_search(p, s, found);
}
