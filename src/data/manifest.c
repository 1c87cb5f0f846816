/* A dataset whose rows are those of one split of a manifest, in their order. What remains in memory per image: its
 * path, where that begins, its label, group and weight. */
#include "src/data/manifest.h"

#include <stdio.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/found.h"
#include "src/data/manifest_labels.h"
#include "src/data/manifest_place.h"
#include "src/data/names.h"
#include "src/data/tar_list.h"
#include "thaw/file.h"
#include "thaw/memory.h"

enum { SPLITS = 3 }; /* THAW_SPLIT_TRAIN, _TEST, _VAL */

/* A manifest while it is opened. */
struct opening {
	const char *file, *root;
	enum thaw_split split;
	struct manifest_rows rows;
	struct manifest_labels labels;
	int64_t size[SPLITS]; /* rows with a label */
	int64_t unlabelled, first_unlabelled;
	int64_t *chosen, count; /* rows of this split */
};

static const char *name_of(const struct manifest_listed *l, int64_t i)
{
	return l->text.text + l->name[i];
}

static thaw_status read_sample(const struct thaw_dataset *d, int64_t i, struct thaw_encoded_image *encoded)
{
	const struct manifest_listed *l = d->context;
	return l->place->read(l->place, i, name_of(l, i), encoded);
}

static thaw_status read_file(const struct thaw_dataset *d, int64_t i, void **bytes, size_t *size)
{
	const struct manifest_listed *l = d->context;
	return l->place->read_file(l->place, i, name_of(l, i), bytes, size);
}

static thaw_status fingerprint_sample(const struct thaw_dataset *d, int64_t i, bool whole, struct thaw_fingerprint *f)
{
	const struct manifest_listed *l = d->context;
	return l->place->fingerprint(l->place, i, name_of(l, i), whole, f);
}

static void name_sample(const struct thaw_dataset *d, int64_t i, char *text, size_t size)
{
	snprintf(text, size, "%s", name_of(d->context, i));
}

static void free_names(struct manifest_listed *l)
{
	thaw_free(l->name);
	thaw_arena_free(&l->text);
}

static void close_listed(struct thaw_dataset *d)
{
	struct manifest_listed *l = d->context;
	if (l->place)
		l->place->destroy(l->place);
	free_names(l);
	thaw_free(l);
}

static void count_rows(struct opening *o)
{
	for (int64_t i = 0; i < o->rows.count; i++) {
		if (thaw_manifest_has_label(&o->labels, &o->rows, i))
			o->size[o->rows.row[i].split]++;
		else if (o->unlabelled++ == 0)
			o->first_unlabelled = o->rows.row[i].line;
	}
}

/* The split whose rows are used for the one that was asked for. *all: there is but one split, for the caller to
 * divide. */
static thaw_status choose_split(struct opening *o, enum thaw_split *from, bool *all)
{
	const int64_t *size = o->size;
	const enum thaw_split other = o->split == THAW_SPLIT_VAL ? THAW_SPLIT_TEST : THAW_SPLIT_VAL;
	*from = o->split;
	*all = size[THAW_SPLIT_VAL] == 0 && size[THAW_SPLIT_TEST] == 0;
	if (*all && size[THAW_SPLIT_TRAIN] == 0)
		return thaw_fail(THAW_DATA, "no row has a label: %s: check --label-column", o->file);
	if (*all || o->split == THAW_SPLIT_ALL) {
		int splits = (size[0] > 0) + (size[1] > 0) + (size[2] > 0);
		if (splits > 1)
			return thaw_fail(THAW_USAGE,
					 "the dataset has splits: %s: give --split train, val or test, not all",
					 o->file);
		*from = *all ? THAW_SPLIT_TRAIN : size[THAW_SPLIT_VAL] > 0 ? THAW_SPLIT_VAL : THAW_SPLIT_TEST;
		return THAW_OK;
	}
	if (size[o->split] == 0 && o->split != THAW_SPLIT_TRAIN)
		*from = other;
	if (size[*from] > 0)
		return THAW_OK;
	return thaw_fail(THAW_IO,
			 "no training images: %s: its column \"%s\" has none: add them, or name another column "
			 "with --split-column",
			 o->file, o->rows.columns.name[o->rows.columns.split]);
}

/* A class of which there is nothing to learn from. */
static thaw_status check_classes(const struct opening *o, bool all)
{
	const struct manifest_labels *l = &o->labels;
	if (!l->label || o->size[THAW_SPLIT_TRAIN] == 0)
		return THAW_OK;
	int64_t *train = thaw_alloc((size_t)l->classes.count, sizeof(*train)), c = 0;
	if (!train)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < o->rows.count; i++)
		if (l->label[i] >= 0 && o->rows.row[i].split == THAW_SPLIT_TRAIN)
			train[l->label[i]]++;
	while (c < l->classes.count && train[c] > 0)
		c++;
	thaw_free(train);
	if (o->split == THAW_SPLIT_TRAIN && l->classes.count == 1)
		return thaw_fail(THAW_CONFIG, "only one class, \"%s\": %s: column \"%s\": there must be two or more",
				 l->classes.name[0], o->file, o->rows.columns.name[o->rows.columns.label[0]]);
	if (c == l->classes.count || l->task == THAW_TASK_GRADE)
		return THAW_OK;
	return thaw_fail(THAW_DATA, "class \"%s\" has no training images: %s: %s", l->classes.name[c], o->file,
			 all ? "remove its column" : "move some of its rows to train, or remove them");
}

static thaw_status choose_rows(struct opening *o, enum thaw_split from)
{
	o->chosen = thaw_alloc((size_t)o->size[from], sizeof(*o->chosen));
	for (int64_t i = 0; o->chosen && i < o->rows.count; i++)
		if (o->rows.row[i].split == (int8_t)from && thaw_manifest_has_label(&o->labels, &o->rows, i))
			o->chosen[o->count++] = i;
	return o->chosen ? THAW_OK : THAW_RESOURCE;
}

/* "manifest: path "image", label "dx"; task "class"", and what a reader of the manifest may not expect. */
static thaw_status note_manifest(struct thaw_found *found, const struct opening *o)
{
	const struct manifest_rows *m = &o->rows;
	char *columns = thaw_manifest_columns_text(&m->columns);
	thaw_status status = columns ? thaw_found_note(found, thaw_format("columns: %s; %s", columns, o->labels.why))
				     : THAW_RESOURCE;
	thaw_free(columns);
	THAW_TRY(status);
	if (o->unlabelled > 0)
		THAW_TRY(
			thaw_found_note(found, thaw_format("rows without a label are not used: %lld (first: line %lld)",
							   (long long)o->unlabelled, (long long)o->first_unlabelled)));
	if (m->doubled > 0)
		THAW_TRY(thaw_found_note(found,
					 thaw_format("rows that repeat an image count once: %lld (first: line %lld)",
						     (long long)m->doubled, (long long)m->first_doubled)));
	if (m->backslashes > 0)
		return thaw_found_note(
			found, thaw_format("backslashes in %lld paths are read as /", (long long)m->backslashes));
	return THAW_OK;
}

static thaw_status describe(struct thaw_found *found, const struct opening *o, enum thaw_split from, bool all)
{
	const char *name = thaw_base_name(o->file);
	found->split = o->split == THAW_SPLIT_ALL ? THAW_SPLIT_ALL : from;
	found->held_out = all && o->split != THAW_SPLIT_ALL;
	found->images = o->count;
	found->manifest = o->rows.digest;
	found->from = all ? thaw_strdup(name) : thaw_format("%s, split %s", name, thaw_split_kind(from));
	return found->from ? note_manifest(found, o) : THAW_RESOURCE;
}

/* Moves the names of the classes to the dataset. */
static void take_classes(struct thaw_dataset *d, struct names *classes)
{
	d->class_names = classes->name;
	d->classes = (int)classes->count;
	*classes = (struct names){0};
}

static thaw_status set_labels(struct thaw_dataset *d, const struct opening *o)
{
	const struct manifest_labels *l = &o->labels;
	const size_t count = (size_t)o->count;
	d->labels = thaw_alloc(count, sizeof(*d->labels));
	for (int64_t i = 0; d->labels && l->label && i < o->count; i++)
		d->labels[i] = l->label[o->chosen[i]];
	if (d->labels && !l->label) {
		d->targets = thaw_alloc(count * (size_t)l->classes.count, sizeof(*d->targets));
		if (d->targets)
			thaw_manifest_targets(d->targets, l, &o->rows, o->chosen, o->count);
	}
	return d->labels && (l->label || d->targets) ? THAW_OK : THAW_RESOURCE;
}

/* Groups and weights, if there are such columns. */
static thaw_status set_others(struct thaw_dataset *d, const struct opening *o)
{
	const struct manifest_columns *c = &o->rows.columns;
	if (c->group >= 0 && !(d->groups = thaw_alloc((size_t)o->count, sizeof(*d->groups))))
		return THAW_RESOURCE;
	if (c->weight >= 0 && !(d->weights = thaw_alloc((size_t)o->count, sizeof(*d->weights))))
		return THAW_RESOURCE;
	for (int64_t i = 0; i < o->count; i++) {
		if (d->groups)
			d->groups[i] = o->rows.row[o->chosen[i]].group;
		if (d->weights)
			d->weights[i] = o->rows.row[o->chosen[i]].weight;
	}
	return THAW_OK;
}

static thaw_status fill(struct thaw_dataset *d, struct opening *o)
{
	struct manifest_listed *l = d->context;
	d->task = o->labels.task;
	d->count = o->count;
	THAW_TRY(set_labels(d, o));
	THAW_TRY(set_others(d, o));
	if (!(l->name = thaw_alloc((size_t)o->count, sizeof(*l->name))))
		return THAW_RESOURCE;
	for (int64_t i = 0; i < o->count; i++) {
		const char *path = thaw_manifest_row_path(&o->rows, o->chosen[i]);
		THAW_TRY(thaw_arena_add(&l->text, path, strlen(path), &l->name[i]));
	}
	take_classes(d, &o->labels.classes);
	return THAW_OK;
}

/* Whether the images are in tar shards. A path that leads to a file says that they are not. */
static thaw_status are_in_shards(bool *are, const struct manifest_search *s, const char *root)
{
	const char *first = thaw_manifest_search_path(s, 0);
	*are = thaw_tar_is_named(root);
	if (*are || s->count == 0)
		return THAW_OK;
	char *path = first[0] == '/' ? thaw_strdup(first) : thaw_path_join(root, first);
	thaw_status status = !path ? THAW_RESOURCE : thaw_path_is_file(path) ? THAW_OK : thaw_tar_is_folder(are, root);
	thaw_free(path);
	return status;
}

static thaw_status find_images(struct thaw_dataset *d, const struct opening *o, const struct thaw_share *share)
{
	struct manifest_listed *l = d->context;
	const char *folder = o->root[0] ? o->root : ".";
	bool shards;
	struct manifest_search s = {.m = &o->rows, .rows = o->chosen, .count = o->count};
	if (!(s.found = thaw_alloc((size_t)o->count, sizeof(*s.found))))
		return THAW_RESOURCE;
	thaw_status status = are_in_shards(&shards, &s, folder);
	if (status == THAW_OK)
		status = shards ? thaw_manifest_shards_open(&l->place, d->found, folder, share, &s)
				: thaw_manifest_folder_open(&l->place, d->found, o->root, &s);
	if (status == THAW_OK)
		d->parts = l->place->parts;
	thaw_free(s.found);
	return status;
}

static thaw_status open_rows(struct thaw_dataset *d, struct opening *o, const struct thaw_dataset_options *options)
{
	enum thaw_split from;
	bool all;
	THAW_TRY(thaw_manifest_rows_read(&o->rows, o->file, &options->manifest));
	THAW_TRY(thaw_manifest_labels_find(&o->labels, &o->rows));
	count_rows(o);
	THAW_TRY(choose_split(o, &from, &all));
	if (!options->lenient)
		THAW_TRY(check_classes(o, all));
	THAW_TRY(choose_rows(o, from));
	THAW_TRY(describe(d->found, o, from, all));
	THAW_TRY(find_images(d, o, options->share));
	return fill(d, o);
}

/* The folder of a file, "" for the working directory; NULL without memory. */
static char *folder_of(const char *file)
{
	const char *base = thaw_base_name(file);
	size_t length = base > file + 1 ? (size_t)(base - file) - 1 : (size_t)(base - file);
	return thaw_format("%.*s", (int)length, file);
}

static thaw_status check_data(const char *data, const char *file)
{
	struct thaw_manifest_options none = {0};
	if (thaw_manifest_given(data, &none))
		return thaw_fail(THAW_USAGE,
				 "two manifests: --data %s and --manifest %s: give one, and with --data the "
				 "folder of the images",
				 data, file);
	if (thaw_path_is_file(data) && !thaw_tar_is_named(data))
		return thaw_fail(THAW_IO,
				 "neither a folder nor a tar file: --data %s: unpack it if it is an archive or a "
				 "compressed tar file",
				 data);
	if (!thaw_path_is_directory(data) && !thaw_tar_is_named(data))
		return thaw_fail(THAW_IO,
				 "no such folder: --data %s: give the folder that the paths of the manifest begin "
				 "in, or tar shards",
				 data);
	return THAW_OK;
}

thaw_status thaw_manifest_open(struct thaw_dataset *d, const char *path, enum thaw_split split,
			       const struct thaw_dataset_options *options)
{
	bool own = !options->manifest.file; /* the path is that of the manifest */
	const char *file = own ? path : options->manifest.file, *data = own ? NULL : path;
	if (data)
		THAW_TRY(check_data(data, file));
	struct opening o = {.file = file, .split = split};
	struct manifest_listed *l = thaw_alloc(1, sizeof(*l));
	if (!l)
		return THAW_RESOURCE;
	*d = (struct thaw_dataset){.read = read_sample,
				   .read_file = read_file,
				   .fingerprint = fingerprint_sample,
				   .name = name_sample,
				   .close = close_listed,
				   .context = l,
				   .found = thaw_found_create()};
	char *root = data ? thaw_strdup(data) : folder_of(file);
	o.root = root;
	thaw_status status = root && d->found ? open_rows(d, &o, options) : THAW_RESOURCE;
	thaw_manifest_rows_free(&o.rows);
	thaw_manifest_labels_free(&o.labels);
	thaw_free(o.chosen);
	thaw_free(root);
	return status;
}

/* values[samples[i]] of `width` bytes each, in new memory; NULL for NULL. *failed: there is no memory. */
static void *pick(const void *values, size_t width, const int64_t *samples, int64_t count, bool *failed)
{
	char *picked = values ? thaw_alloc((size_t)count, width) : NULL;
	*failed |= values && !picked;
	for (int64_t i = 0; picked && i < count; i++)
		memcpy(picked + (size_t)i * width, (const char *)values + (size_t)samples[i] * width, width);
	return picked;
}

static thaw_status pick_names(struct manifest_listed *to, const struct manifest_listed *from, const int64_t *samples,
			      int64_t count)
{
	if (!(to->name = thaw_alloc((size_t)count, sizeof(*to->name))))
		return THAW_RESOURCE;
	for (int64_t i = 0; i < count; i++) {
		const char *name = name_of(from, samples[i]);
		THAW_TRY(thaw_arena_add(&to->text, name, strlen(name), &to->name[i]));
	}
	return THAW_OK;
}

static void free_samples(struct thaw_dataset *d)
{
	thaw_free(d->labels);
	thaw_free(d->targets);
	thaw_free(d->weights);
	thaw_free(d->groups);
}

thaw_status thaw_manifest_reduce(bool *is, struct thaw_dataset *d, const int64_t *samples, int64_t count)
{
	*is = d->read == read_sample;
	if (!*is)
		return THAW_OK;
	bool failed = false;
	struct manifest_listed *l = d->context, kept = {.place = l->place};
	struct thaw_dataset part = *d;
	part.count = count;
	part.labels = pick(d->labels, sizeof(*d->labels), samples, count, &failed);
	part.targets = pick(d->targets, (size_t)d->classes * sizeof(*d->targets), samples, count, &failed);
	part.weights = pick(d->weights, sizeof(*d->weights), samples, count, &failed);
	part.groups = pick(d->groups, sizeof(*d->groups), samples, count, &failed);
	thaw_status status = failed ? THAW_RESOURCE : pick_names(&kept, l, samples, count);
	if (status == THAW_OK)
		status = l->place->reduce(l->place, samples, count); /* the last step that can fail */
	free_names(status == THAW_OK ? l : &kept);
	free_samples(status == THAW_OK ? d : &part);
	if (status != THAW_OK)
		return status;
	*l = kept;
	*d = part;
	return THAW_OK;
}
