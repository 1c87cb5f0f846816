/* Tar shards: images in tar files, in WebDataset's layout or in class folders.
 *
 * Opening finds where each image is, from the index of a shard or else from all its headers, and keeps 32 bytes and a
 * label for each; names are read again when they are needed. An image is read by its offset. Samples are in the order
 * of the shards' names and, within a shard, of the images. */
#include "src/data/dataset.h"

#include <stdio.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/found.h"
#include "src/data/hold_out.h"
#include "src/data/image.h"
#include "src/data/pack_record.h"
#include "src/data/tar_classes.h"
#include "src/data/tar_list.h"
#include "src/data/tar_read.h"
#include "thaw/memory.h"

/* A split while it is opened. */
struct opening {
	const char *path;
	enum thaw_split split;
	const struct thaw_dataset_options *options;
	struct tar_list list;
	const struct names *shards; /* of this split */
	bool holds_out, part;       /* a part of the images is held out; whether this split is that part */
	struct tar_load own, train; /* train: loaded where the classes follow from it */
	struct tar_classes classes;
};

static thaw_status read_file(const struct thaw_dataset *d, int64_t i, void **bytes, size_t *size)
{
	int64_t modified;
	return thaw_tar_read(d->context, i, bytes, size, &modified);
}

static thaw_status read_sample(const struct thaw_dataset *d, int64_t i, struct thaw_encoded_image *encoded)
{
	void *bytes;
	size_t size;
	int64_t modified;
	THAW_TRY(thaw_tar_read(d->context, i, &bytes, &size, &modified));
	struct thaw_fingerprint fingerprint = thaw_fingerprint_of(bytes, size, modified);
	THAW_TRY(thaw_encoded_image_open(encoded, bytes, size, (const char *)bytes + size));
	encoded->fingerprint = fingerprint;
	return THAW_OK;
}

static thaw_status fingerprint_sample(const struct thaw_dataset *d, int64_t i, bool whole, struct thaw_fingerprint *f)
{
	return thaw_tar_fingerprint(d->context, i, whole, f);
}

static void name_sample(const struct thaw_dataset *d, int64_t i, char *text, size_t size)
{
	thaw_tar_name(d->context, i, text, size);
}

static uint64_t digest_name(const struct thaw_dataset *d, int64_t i)
{
	return thaw_tar_key(d->context, i);
}

static void close_tar(struct thaw_dataset *d)
{
	thaw_tar_files_close(d->context);
	thaw_free(d->context);
}

static int64_t count_shards(const struct thaw_dataset *d)
{
	const struct tar_files *f = d->context;
	return f->shards.count;
}

static int64_t shard_of(const struct thaw_dataset *d, int64_t i)
{
	return thaw_tar_shard(d->context, i);
}

static const char *shard_path(const struct thaw_dataset *d, int64_t shard)
{
	const struct tar_files *f = d->context;
	return f->path[shard];
}

static thaw_status replace_shard(struct thaw_dataset *d, int64_t shard, const char *path)
{
	return thaw_tar_replace(d->context, shard, path);
}

static const struct thaw_dataset_parts parts = {
	.count = count_shards, .of_sample = shard_of, .path = shard_path, .replace = replace_shard};

static bool has(const struct opening *o, int split)
{
	return o->list.shards[split].count > 0;
}

static thaw_status choose_training(struct opening *o)
{
	o->shards = &o->list.shards[has(o, THAW_SPLIT_TRAIN) ? THAW_SPLIT_TRAIN : TAR_FLAT];
	o->holds_out = !has(o, THAW_SPLIT_VAL) && !has(o, THAW_SPLIT_TEST);
	return o->shards->count > 0
		       ? THAW_OK
		       : thaw_fail(THAW_IO, "no training images: %s: add shards called train-0.tar or a folder train/",
				   o->path);
}

/* The shards of this split, as for folders: of val and test the one that was asked for, else the other, else a part of
 * the training images. */
static thaw_status choose_shards(struct opening *o, struct thaw_found *found)
{
	found->split = o->split;
	if (o->split == THAW_SPLIT_TRAIN)
		return choose_training(o);
	if (o->split == THAW_SPLIT_ALL) {
		int splits = 0;
		for (int s = 0; s <= TAR_SPLITS; s++)
			if (has(o, s))
				splits++, o->shards = &o->list.shards[s];
		return splits == 1 ? THAW_OK
				   : thaw_fail(THAW_USAGE,
					       "the dataset has splits: %s: give --split train, val or test, not all",
					       o->path);
	}
	enum thaw_split other = o->split == THAW_SPLIT_VAL ? THAW_SPLIT_TEST : THAW_SPLIT_VAL;
	found->split = has(o, (int)o->split) ? o->split : has(o, (int)other) ? other : THAW_SPLIT_TEST;
	o->shards = &o->list.shards[found->split];
	o->part = o->shards->count == 0;
	return o->part ? choose_training(o) : THAW_OK;
}

/* "train-000000.tar and 9 more", "...: 20 % of each class ..." */
static thaw_status describe_source(const struct opening *o, struct thaw_found *found)
{
	char more[64] = "", share[128] = "";
	if (o->shards->count > 1)
		snprintf(more, sizeof(more), " and %lld more", (long long)o->shards->count - 1);
	if (o->holds_out && o->part)
		snprintf(share, sizeof(share), ": %g %% of each class, chosen at random (seed %llu)",
			 100 * o->options->test_share, (unsigned long long)o->options->seed);
	else if (o->holds_out)
		snprintf(share, sizeof(share), ": %g %% of each class, the rest is held out",
			 100 * (1 - o->options->test_share));
	found->held_out = o->holds_out;
	found->from = thaw_format("%s%s%s", o->shards->name[0], more, share);
	return found->from ? THAW_OK : THAW_RESOURCE;
}

/* Loads the split, and the training images if the classes are theirs. */
static thaw_status load_shards(struct opening *o, struct thaw_found *found)
{
	const struct names *train = &o->list.shards[THAW_SPLIT_TRAIN];
	o->own.share = o->train.share = o->options->share;
	o->own.in_lanes = o->train.labels_only = true;
	THAW_TRY(thaw_tar_load(&o->own, o->list.root, o->shards));
	THAW_TRY(thaw_tar_load_report(found, &o->own, o->list.root, o->shards));
	bool other = train->count > 0 && train != o->shards;
	if (other)
		THAW_TRY(thaw_tar_load(&o->train, o->list.root, train));
	THAW_TRY(thaw_tar_classes_find(&o->classes, other ? &o->train : &o->own, o->list.root));
	thaw_tar_load_free(&o->train);
	return THAW_OK;
}

static thaw_status name_classes(struct thaw_dataset *d, struct names *names)
{
	if (!(d->class_names = thaw_alloc((size_t)names->count, sizeof(char *))))
		return THAW_RESOURCE;
	d->classes = (int)names->count;
	for (int c = 0; c < d->classes; c++)
		if (!(d->class_names[c] = thaw_strdup(names->name[c])))
			return THAW_RESOURCE;
	return THAW_OK;
}

/* d->labels, with -1 for images without a label, and the targets. */
static thaw_status set_labels(struct thaw_dataset *d, struct opening *o)
{
	size_t count = (size_t)o->own.count, classes = (size_t)d->classes;
	d->task = o->classes.task;
	d->labels = thaw_alloc(count, sizeof(*d->labels));
	bool targets = d->task == THAW_TASK_LABELS || d->task == THAW_TASK_VALUE;
	if (targets)
		d->targets = thaw_alloc(count * classes, sizeof(*d->targets));
	if (!d->labels || (targets && !d->targets))
		return THAW_RESOURCE;
	if (o->own.weights && !(d->weights = thaw_alloc(count, sizeof(*d->weights))))
		return THAW_RESOURCE;
	for (int64_t i = 0; d->weights && i < o->own.count; i++)
		d->weights[i] = o->own.weights[i] > 0 ? o->own.weights[i] : 1;
	return targets ? thaw_tar_classes_targets(&o->classes, d->labels, d->targets, &o->own)
		       : thaw_tar_classes_label(&o->classes, d->labels, &o->own);
}

/* Keeps the samples with keep[i] == value. */
static thaw_status filter_samples(struct thaw_dataset *d, struct tar_files *f, const struct opening *o,
				  const bool *keep, bool value)
{
	int64_t n = 0;
	size_t classes = (size_t)d->classes;
	for (int64_t i = 0; i < f->count; i++) {
		if (keep[i] != value)
			continue;
		d->labels[n] = d->labels[i];
		if (d->targets)
			memmove(d->targets + (size_t)n * classes, d->targets + (size_t)i * classes,
				classes * sizeof(*d->targets));
		if (d->weights)
			d->weights[n] = d->weights[i];
		n++;
	}
	THAW_TRY(thaw_tar_keep(f, keep, value, n, o->options->share));
	d->count = n;
	return THAW_OK;
}

static thaw_status drop_unlabelled(struct thaw_dataset *d, struct tar_files *f, const struct opening *o, bool *keep)
{
	char target[512], name[sizeof(target) + 16];
	int64_t without = 0, first = 0;
	for (int64_t i = 0; i < f->count; i++) {
		keep[i] = d->labels[i] >= 0;
		if (!keep[i] && without++ == 0)
			first = i;
	}
	if (without == 0)
		return THAW_OK;
	thaw_tar_name(f, first, target, sizeof(target)); /* a link has the name of its target */
	snprintf(name, sizeof(name), "%s%s", thaw_tar_is_link(f, first) ? "a link to " : "", target);
	THAW_TRY(filter_samples(d, f, o, keep, true));
	return thaw_found_skip_many(d->found, "images in shards without a label", without, name);
}

static thaw_status limit_samples(struct thaw_dataset *d, struct tar_files *f, const struct opening *o, bool *keep)
{
	int64_t *selected, count;
	if (o->split != THAW_SPLIT_TRAIN || o->options->limit_per_class <= 0)
		return THAW_OK;
	THAW_TRY(thaw_limit_per_class(&selected, &count, d, d->labels, f->count, o->split, o->options));
	memset(keep, 0, (size_t)f->count);
	for (int64_t i = 0; i < count; i++)
		keep[selected[i]] = true;
	thaw_free(selected);
	return filter_samples(d, f, o, keep, true);
}

/* Which of the samples this split has. */
static thaw_status select_samples(struct thaw_dataset *d, struct tar_files *f, const struct opening *o)
{
	bool *keep = thaw_alloc((size_t)f->count, sizeof(*keep));
	thaw_status status = keep ? drop_unlabelled(d, f, o, keep) : THAW_RESOURCE;
	if (status == THAW_OK && o->holds_out && o->split != THAW_SPLIT_ALL) {
		memset(keep, 0, (size_t)f->count);
		status = thaw_hold_out_select(keep, d->labels, f->count, d, o->options);
		if (status == THAW_OK)
			status = filter_samples(d, f, o, keep, o->part);
	}
	d->found->images = d->count = f->count;
	if (status == THAW_OK)
		status = limit_samples(d, f, o, keep);
	thaw_free(keep);
	return status;
}

/* Names classes that no image of this split has. */
static thaw_status note_lacking(struct thaw_dataset *d)
{
	int64_t lacking = 0;
	const char *first = "";
	bool *has_images = thaw_alloc((size_t)d->classes, sizeof(*has_images));
	if (!has_images)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < d->count; i++)
		has_images[d->labels[i]] = true;
	for (int c = 0; c < d->classes; c++)
		if (!has_images[c] && lacking++ == 0)
			first = d->class_names[c];
	thaw_free(has_images);
	if (lacking == 0 || d->targets)
		return THAW_OK;
	return thaw_found_note(d->found, thaw_format("the %s images are of %lld of the %d classes (first without: %s)",
						     thaw_split_kind(d->found->split), (long long)d->classes - lacking,
						     d->classes, first));
}

static thaw_status read_shards(struct thaw_dataset *d, struct opening *o)
{
	struct tar_files *f = d->context;
	THAW_TRY(thaw_tar_list(&o->list, o->path, d->found));
	THAW_TRY(thaw_pack_check_complete(o->list.root));
	THAW_TRY(choose_shards(o, d->found));
	THAW_TRY(describe_source(o, d->found));
	THAW_TRY(load_shards(o, d->found));
	THAW_TRY(name_classes(d, &o->classes.names));
	THAW_TRY(set_labels(d, o));
	for (int64_t i = 0; i < o->shards->count; i++)
		THAW_TRY(thaw_names_add(&f->shards, thaw_strdup(o->shards->name[i])));
	thaw_tar_take(f, &o->own);
	THAW_TRY(thaw_tar_files_open(f, o->list.root));
	THAW_TRY(select_samples(d, f, o));
	return note_lacking(d);
}

static thaw_status open_tar(struct thaw_dataset *d, const char *path, enum thaw_split split,
			    const struct thaw_dataset_options *options)
{
	struct opening o = {.path = path, .split = split, .options = options, .classes = {.path = path}};
	struct tar_files *f = thaw_alloc(1, sizeof(*f));
	if (!f)
		return THAW_RESOURCE;
	*d = (struct thaw_dataset){.read = read_sample,
				   .fingerprint = fingerprint_sample,
				   .name = name_sample,
				   .read_file = read_file,
				   .name_digest = digest_name,
				   .close = close_tar,
				   .context = f,
				   .found = thaw_found_create(),
				   .parts = &parts};
	thaw_status status = d->found ? read_shards(d, &o) : THAW_RESOURCE;
	thaw_tar_list_free(&o.list);
	thaw_tar_load_free(&o.own);
	thaw_tar_load_free(&o.train);
	thaw_tar_classes_free(&o.classes);
	return status;
}

static thaw_status recognises_tar(bool *is, const char *path)
{
	return thaw_tar_is_folder(is, path);
}

const struct dataset_format thaw_dataset_tar = {.splits = true, .recognises = recognises_tar, .open = open_tar};
