/* One folder of images per class, in folders of splits or in a folder of which a fraction is held out for testing.
 *
 * Opening reads names, and the first bytes of files whose name does not say that they are images. Names are sorted
 * bytewise, so the order of samples does not depend on machine or locale. Images are read on demand. */
#include "src/data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/class_folders.h"
#include "src/data/fingerprint.h"
#include "src/data/hold_out.h"
#include "src/data/image_file.h"
#include "src/data/known_images.h"
#include "src/data/layout.h"
#include "src/data/list_images.h"
#include "src/data/wrong_folder.h"
#include "thaw/memory.h"

struct folder {
	char *path;                /* of the dataset */
	struct packed_names files; /* by sample, relative to `path` */
};

/* A split while it is opened. */
struct opening {
	const char *path;
	enum thaw_split split;
	const struct thaw_dataset_options *options;
	struct layout layout;
	const char *folder;            /* with the class folders, relative to `path` */
	bool holds_out, part;          /* a part of the images is held out; whether this split is that part */
	struct names classes;          /* class folders of this split, sorted, relative to `path` */
	struct names all_classes;      /* those of all splits */
	struct names training_classes; /* names of the classes, if this split may lack some */
	struct packed_names files;     /* of this split */
	int64_t *end;                  /* [classes] files of the classes up to this one */
	struct names missing;          /* images of options->known that were not listed */
};

static thaw_status read_file(const struct thaw_dataset *d, int64_t i, void **bytes, size_t *size)
{
	const struct folder *f = d->context;
	char *path = thaw_path_join(f->path, thaw_packed_name(&f->files, i));
	thaw_status status = path ? thaw_image_file_bytes(bytes, size, path) : THAW_RESOURCE;
	thaw_free(path);
	return status;
}

static thaw_status read_sample(const struct thaw_dataset *d, int64_t i, struct thaw_encoded_image *encoded)
{
	const struct folder *f = d->context;
	const char *name = thaw_packed_name(&f->files, i);
	char *path = thaw_path_join(f->path, name);
	thaw_status status = path ? thaw_image_file_read(encoded, path, name) : THAW_RESOURCE;
	thaw_free(path);
	return status;
}

static thaw_status fingerprint_sample(const struct thaw_dataset *d, int64_t i, bool whole, struct thaw_fingerprint *f)
{
	const struct folder *folder = d->context;
	char *path = thaw_path_join(folder->path, thaw_packed_name(&folder->files, i));
	thaw_status status = path ? thaw_fingerprint_file(f, path, whole) : THAW_RESOURCE;
	thaw_free(path);
	return status;
}

static void name_sample(const struct thaw_dataset *d, int64_t i, char *text, size_t size)
{
	const struct folder *f = d->context;
	snprintf(text, size, "%s", thaw_packed_name(&f->files, i));
}

static void close_folder(struct thaw_dataset *d)
{
	struct folder *f = d->context;
	thaw_packed_names_free(&f->files);
	thaw_free(f->path);
	thaw_free(f);
}

static thaw_status fail_class(const char *name, const char *in, const char *not_in, const char *path)
{
	return thaw_fail(THAW_DATA, "class \"%s\" is in %s/ but not in %s/: %s: add or remove its folder", name, in,
			 not_in, path);
}

/* The classes b of one folder must be the classes a of another, or, if b_may_lack, some of them. Both are sorted. */
static thaw_status compare_classes(const struct names *a, const char *a_split, const struct names *b,
				   const char *b_split, bool b_may_lack, const char *path)
{
	for (int64_t i = 0, k = 0; i < a->count || k < b->count;) {
		const char *in_a = i < a->count ? thaw_base_name(a->name[i]) : NULL;
		const char *in_b = k < b->count ? thaw_base_name(b->name[k]) : NULL;
		int order = !in_a ? 1 : !in_b ? -1 : strcmp(in_a, in_b);
		if (order < 0 && !b_may_lack)
			return fail_class(in_a, a_split, b_split, path);
		if (order > 0)
			return fail_class(in_b, b_split, a_split, path);
		i += order <= 0;
		k += order >= 0;
	}
	return THAW_OK;
}

/* The folder of training images is the first to ask: else the one that exists. */
static thaw_status choose_training(struct opening *o)
{
	o->folder = o->layout.split[THAW_SPLIT_TRAIN] ? o->layout.split[THAW_SPLIT_TRAIN] : o->layout.flat;
	o->holds_out = thaw_layout_holds_out(&o->layout);
	if (o->folder)
		return THAW_OK;
	const char *val = o->layout.split[THAW_SPLIT_VAL];
	const char *other = val ? val : o->layout.split[THAW_SPLIT_TEST];
	if (!other || other[0] == '\0')
		return thaw_fail(THAW_IO, "no training images: %s: give the folder above, which has them", o->path);
	return thaw_fail(THAW_IO, "no folder train/: %s: add it next to %s/", o->path, other);
}

/* Of val/ and test/, the one that was asked for, else the other, else a part of the training images. */
static thaw_status choose_held_out(struct opening *o, struct thaw_found *found)
{
	enum thaw_split other = o->split == THAW_SPLIT_VAL ? THAW_SPLIT_TEST : THAW_SPLIT_VAL;
	found->split = o->layout.split[o->split] ? o->split : o->layout.split[other] ? other : THAW_SPLIT_TEST;
	o->folder = o->layout.split[found->split];
	if (o->folder)
		return THAW_OK;
	o->part = true;
	return choose_training(o);
}

static thaw_status choose_all(struct opening *o)
{
	int splits = 0;
	for (int s = 0; s < LAYOUT_SPLITS; s++) {
		splits += o->layout.split[s] != NULL;
		if (o->layout.split[s])
			o->folder = o->layout.split[s];
	}
	if (o->layout.flat)
		o->folder = o->layout.flat;
	return splits > 1 ? thaw_fail(THAW_USAGE,
				      "the dataset has splits: %s: give --split train, val or test, not all", o->path)
			  : THAW_OK;
}

/* "train/", "20 % of each class ..." */
static thaw_status describe_source(const struct opening *o, struct thaw_found *found)
{
	const char *slash = o->folder[0] == '\0' ? "" : "/";
	double share = o->options->test_share;
	found->held_out = o->holds_out;
	if (!o->holds_out)
		found->from = o->folder[0] == '\0' ? thaw_strdup(o->path) : thaw_format("%s/", o->folder);
	else if (o->part)
		found->from = thaw_format("%s%s%s%g %% of each class, chosen at random (seed %llu)", o->folder, slash,
					  slash[0] ? ": " : "", 100 * share, (unsigned long long)o->options->seed);
	else
		found->from = thaw_format("%s%s%s%g %% of each class, the rest is held out", o->folder, slash,
					  slash[0] ? ": " : "", 100 * (1 - share));
	return found->from ? THAW_OK : THAW_RESOURCE;
}

static thaw_status choose_part(struct opening *o, struct thaw_found *found)
{
	THAW_TRY(thaw_layout_find(&o->layout, o->path, found));
	found->split = o->split;
	if (o->split == THAW_SPLIT_TRAIN)
		THAW_TRY(choose_training(o));
	else if (o->split == THAW_SPLIT_ALL)
		THAW_TRY(choose_all(o));
	else
		THAW_TRY(choose_held_out(o, found));
	return describe_source(o, found);
}

/* test/ beside val/ may lack classes: nothing is chosen by it. */
static bool may_lack(const struct opening *o, const char *folder)
{
	return o->layout.split[THAW_SPLIT_VAL] && folder == o->layout.split[THAW_SPLIT_TEST];
}

/* Compares the classes of this split with those of another folder. */
static thaw_status compare_folder(struct opening *o, const char *other)
{
	struct names classes = {0};
	bool swapped = may_lack(o, o->folder);
	thaw_status status = thaw_list_classes(&classes, o->path, other, NULL);
	if (status == THAW_OK && !o->options->lenient)
		status =
			swapped ? compare_classes(&classes, other, &o->classes, o->folder, true, o->path)
				: compare_classes(&o->classes, o->folder, &classes, other, may_lack(o, other), o->path);
	if (status == THAW_OK && swapped && !o->options->lenient && other == o->layout.split[THAW_SPLIT_TRAIN])
		for (int64_t i = 0; status == THAW_OK && i < classes.count; i++)
			status = thaw_names_add(&o->training_classes, thaw_strdup(thaw_base_name(classes.name[i])));
	if (status == THAW_OK)
		status = thaw_names_move(&o->all_classes, &classes);
	thaw_names_free(&classes);
	return status;
}

/* Labels are positions in the sorted list of classes, so all splits must have the same classes. */
static thaw_status find_classes(struct opening *o, struct thaw_found *found)
{
	THAW_TRY(thaw_list_classes(&o->classes, o->path, o->folder, found));
	for (int s = 0; s < LAYOUT_SPLITS; s++)
		if (o->layout.split[s] && o->layout.split[s] != o->folder)
			THAW_TRY(compare_folder(o, o->layout.split[s]));
	for (int64_t i = 0; i < o->classes.count; i++)
		THAW_TRY(thaw_names_add(&o->all_classes, thaw_strdup(o->classes.name[i])));
	return THAW_OK;
}

/* Folders in a class folder may be an archive's order of one class, or the classes. */
static thaw_status note_nested(const struct opening *o, const struct class_images *images, struct thaw_found *found)
{
	int64_t nested = images->nested;
	if (o->classes.count < 2 || nested == 0)
		return THAW_OK;
	if (nested < o->classes.count)
		return thaw_found_note(found, thaw_format("class folders that contain only folders of images: %lld "
							  "(first: %s); each counts as one class",
							  (long long)nested, images->first_nested));
	return thaw_found_note(found, thaw_format("every class folder contains folders of images, which count as one "
						  "class: if these are the classes, give a class folder, such as %s/%s",
						  o->path, o->classes.name[0]));
}

/* Moves the files of the list to *o, and removes folders of runs from the classes. */
static thaw_status take_classes(struct opening *o, struct listed *l)
{
	int64_t kept = 0, files = 0;
	if (!(o->end = thaw_alloc((size_t)o->classes.count, sizeof(int64_t))))
		return THAW_RESOURCE;
	for (int64_t c = 0; c < l->classes; c++) {
		char *name = o->classes.name[c];
		o->classes.name[c] = NULL;
		if (l->count[c] == LISTED_RUNS) {
			thaw_free(name);
			continue;
		}
		files += l->count[c];
		o->classes.name[kept] = name;
		o->end[kept++] = files;
	}
	o->classes.count = kept;
	o->files = l->images.files;
	l->images.files = (struct packed_names){0};
	return THAW_OK;
}

static thaw_status list_images(struct opening *o, struct thaw_found *found)
{
	struct listed l = {0};
	const struct list_request request = {
		.path = o->path,
		.classes = &o->classes,
		.all_classes = &o->all_classes,
		.may_be_empty = o->options->lenient || (found->split != THAW_SPLIT_TRAIN && !o->holds_out),
		.share = o->options->share,
	};
	thaw_status status = thaw_list_images(&l, &request);
	if (status == THAW_OK)
		status = thaw_found_merge(found, l.images.found);
	if (status == THAW_OK)
		status = take_classes(o, &l);
	if (status == THAW_OK)
		status = note_nested(o, &l.images, found);
	thaw_listed_free(&l);
	return status;
}

static thaw_status name_classes(struct thaw_dataset *d, const struct names *classes)
{
	if (!(d->class_names = thaw_alloc((size_t)classes->count, sizeof(char *))))
		return THAW_RESOURCE;
	d->classes = (int)classes->count;
	for (int c = 0; c < d->classes; c++)
		if (!(d->class_names[c] = thaw_strdup(thaw_base_name(classes->name[c]))))
			return THAW_RESOURCE;
	return THAW_OK;
}

/* A class needs training images that are not excluded. */
static thaw_status fail_excluded(const struct opening *o, int64_t c)
{
	return thaw_fail(THAW_DATA,
			 "every image of the class \"%s\" is excluded: --exclude %s: leave some, or remove its folder",
			 thaw_base_name(o->classes.name[c]), o->options->exclude->path);
}

/* Forgets the images of options->exclude. */
static thaw_status remove_excluded(struct opening *o, struct thaw_found *found)
{
	int64_t kept = 0, i = 0, before = o->files.count;
	bool empty = o->options->lenient || (found->split != THAW_SPLIT_TRAIN && !o->holds_out);
	bool *keep = thaw_alloc((size_t)before, sizeof(*keep));
	thaw_status status = keep ? THAW_OK : THAW_RESOURCE;
	for (int64_t c = 0; status == THAW_OK && c < o->classes.count; c++) {
		int64_t begin = kept, first = i;
		for (; i < o->end[c]; i++) {
			keep[i] = !thaw_exclude_has(o->options->exclude, thaw_packed_name(&o->files, i));
			kept += keep[i];
		}
		if (kept == begin && i > first && !empty)
			status = fail_excluded(o, c);
		o->end[c] = kept;
	}
	if (status == THAW_OK && kept < before) {
		thaw_packed_names_filter(&o->files, keep, true);
		status = thaw_found_note(found, thaw_format("%s%s%lld images are left out, as %s says", o->folder,
							    o->folder[0] ? "/: " : "", (long long)(before - kept),
							    o->options->exclude->path));
	}
	thaw_free(keep);
	return status;
}

/* The images of an earlier time in place of those that are there now, if the caller knows them. */
static thaw_status apply_known(struct opening *o)
{
	struct packed_names *files = &o->files;
	if (o->options->known)
		THAW_TRY(thaw_known_images_apply(files, o->end, &o->classes, o->options, &o->missing));
	return o->options->listed ? thaw_known_images_add(o->options->listed, files) : THAW_OK;
}

/* Moves the listed images to the dataset, with their labels. */
static thaw_status take_samples(struct thaw_dataset *d, struct opening *o)
{
	struct folder *f = d->context;
	f->files = o->files;
	o->files = (struct packed_names){0};
	if (!(d->labels = thaw_alloc((size_t)f->files.count, sizeof(int32_t))))
		return THAW_RESOURCE;
	for (int64_t c = 0, i = 0; c < o->classes.count; c++)
		for (; i < o->end[c]; i++)
			d->labels[i] = (int32_t)c;
	if (o->holds_out)
		THAW_TRY(thaw_hold_out(&f->files, d->labels, d, o->part, o->options));
	d->found->images = f->files.count;
	if (o->split == THAW_SPLIT_TRAIN)
		THAW_TRY(thaw_apply_limit(&f->files, d->labels, d, o->options));
	thaw_packed_names_trim(&f->files);
	d->count = f->files.count;
	return thaw_known_images_report(d->found, &f->files, &o->missing);
}

/* Gives the classes the numbers that they have in train/. */
static thaw_status add_lacking_classes(struct thaw_dataset *d, const struct opening *o)
{
	int64_t lacking = o->training_classes.count - d->classes;
	if (lacking <= 0)
		return THAW_OK;
	THAW_TRY(thaw_found_note(d->found, thaw_format("%s/ has no images of %lld of the %lld classes", o->folder,
						       (long long)lacking, (long long)o->training_classes.count)));
	return thaw_dataset_match_classes(d, o->training_classes.name, o->training_classes.count);
}

static thaw_status read_folder(struct thaw_dataset *d, struct opening *o)
{
	THAW_TRY(choose_part(o, d->found));
	THAW_TRY(find_classes(o, d->found));
	THAW_TRY(list_images(o, d->found));
	if (o->split == THAW_SPLIT_TRAIN && o->classes.count == 1 && !o->options->lenient)
		return thaw_fail_one_class(o->path, o->classes.name[0], o->files.count);
	if (o->options->exclude)
		THAW_TRY(remove_excluded(o, d->found));
	THAW_TRY(apply_known(o));
	THAW_TRY(name_classes(d, &o->classes));
	THAW_TRY(take_samples(d, o));
	return add_lacking_classes(d, o);
}

static thaw_status open_folder(struct thaw_dataset *d, const char *path, enum thaw_split split,
			       const struct thaw_dataset_options *options)
{
	struct opening o = {.path = path, .split = split, .options = options};
	struct folder *f = thaw_alloc(1, sizeof(*f));
	if (!f)
		return THAW_RESOURCE;
	*d = (struct thaw_dataset){.read = read_sample,
				   .read_file = read_file,
				   .fingerprint = fingerprint_sample,
				   .name = name_sample,
				   .close = close_folder,
				   .context = f,
				   .found = thaw_found_create()};
	f->path = thaw_strdup(path);
	thaw_status status = f->path && d->found ? read_folder(d, &o) : THAW_RESOURCE;
	thaw_layout_free(&o.layout);
	thaw_names_free(&o.classes);
	thaw_names_free(&o.all_classes);
	thaw_names_free(&o.training_classes);
	thaw_names_free(&o.missing);
	thaw_packed_names_free(&o.files);
	thaw_free(o.end);
	return status;
}

/* Accepts any folder, so it must be the last format in the table. */
static thaw_status recognises_folder(bool *is, const char *path)
{
	(void)path;
	*is = true;
	return THAW_OK;
}

const struct dataset_format thaw_dataset_folder = {
	.splits = true,
	.excludes = true,
	.recognises = recognises_folder,
	.open = open_folder,
};
