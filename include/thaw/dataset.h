/* Datasets: numbered images with class labels, independent of the format on disk. */
#ifndef THAW_DATASET_H
#define THAW_DATASET_H

#include "thaw/api.h"
#include "thaw/exclude.h"
#include "thaw/fingerprint.h"
#include "thaw/image.h"

THAW_BEGIN_DECLS

/* What a network learns of an image. */
enum thaw_task {
	THAW_TASK_CLASS,  /* one of the classes */
	THAW_TASK_LABELS, /* multi-label: any number of the classes */
	THAW_TASK_GRADE,  /* ordinal: one of the classes, which are grades in their order */
	THAW_TASK_VALUE,  /* regression: a number for each of the "classes", which are names of quantities */
	THAW_TASKS
};
const char *thaw_task_name(enum thaw_task task);   /* "class", "labels", "grade" or "value" */
const char *thaw_task_phrase(enum thaw_task task); /* for messages: "several labels per image" */
enum thaw_task thaw_task_find(const char *name);   /* THAW_TASKS: none has this name */

/* Memory that the ranks of a node share; all of them see the same bytes. All zero: no memory. */
struct thaw_node_block {
	void *data;
	size_t bytes;
	bool writes;                               /* this rank fills it; the others read it when it is full */
	void (*release)(struct thaw_node_block *); /* NULL: data is from thaw_alloc */
	void *context;                             /* private to the implementation */
};

struct thaw_dataset {
	int64_t count;
	enum thaw_task task;
	int classes;
	char **class_names; /* [classes] */
	int32_t *labels;    /* [count]; 0 for LABELS and VALUE */
	float *targets;     /* [count][classes], for LABELS (0 or 1) and VALUE; NaN: not known; else NULL */
	float *weights;     /* [count] factors of the loss, above 0; NULL: all 1 */
	uint64_t *groups;   /* [count] digest of the name of the sample's group, such as its patient: the same in all
			     * splits. 0: this sample has no group. NULL: no sample has one. */
	/* Reads sample i (0 .. count - 1). The result is freed with thaw_encoded_image_free before the dataset is
	 * closed; its pixels may be decoded later. Returns THAW_DATA if the sample is damaged and THAW_IO if it cannot
	 * be read (the caller skips it); the message contains the sample's name. May be called from any thread. */
	thaw_status (*read)(const struct thaw_dataset *, int64_t i, struct thaw_encoded_image *encoded);
	/* Reads the fingerprint of sample i as it is stored now, without decoding it. whole: sets f->content too, which
	 * reads all bytes; some formats always do. NULL: unknown. THAW_IO or THAW_DATA if it cannot be read. May be
	 * called from any thread. */
	thaw_status (*fingerprint)(const struct thaw_dataset *, int64_t i, bool whole, struct thaw_fingerprint *f);
	/* Writes the name of sample i, for messages and reports, to text[size]. */
	void (*name)(const struct thaw_dataset *, int64_t i, char *text, size_t size);
	/* Optional. Reads the stored file of sample i without decoding it: *bytes is memory from thaw_alloc, *size
	 * bytes. Fails like `read`. NULL: samples are not files. May be called from any thread. */
	thaw_status (*read_file)(const struct thaw_dataset *, int64_t i, void **bytes, size_t *size);
	/* Optional. A digest that stands for the name of sample i where reading all names would take long. */
	uint64_t (*name_digest)(const struct thaw_dataset *, int64_t i);
	void (*close)(struct thaw_dataset *);
	void *context;            /* private to the format */
	struct thaw_found *found; /* what was found (thaw/found.h), owned; NULL for a dataset that was not opened */
	struct thaw_node_block values; /* memory of labels, targets, weights and groups, then read-only; or no memory */
	const struct thaw_dataset_parts *parts; /* large files that hold the samples, such as tar shards; NULL: none */
};

/* The files of a dataset whose samples are parts of files. */
struct thaw_dataset_parts {
	int64_t (*count)(const struct thaw_dataset *);
	int64_t (*of_sample)(const struct thaw_dataset *, int64_t i);   /* the file that has sample i */
	const char *(*path)(const struct thaw_dataset *, int64_t file); /* memory of the dataset */
	/* From now on the file is read from its copy `path`, which must have the same bytes. No thread may be reading.
	 * THAW_RESOURCE without memory. */
	thaw_status (*replace)(struct thaw_dataset *, int64_t file, const char *path);
};

/* A dataset that has only one held-out part, val/ or test/ or a random one, gives it for both VAL and TEST;
 * `found->split` says which of them it is. */
enum thaw_split {
	THAW_SPLIT_TRAIN,
	THAW_SPLIT_TEST, /* for the last word on a trained network */
	THAW_SPLIT_VAL,  /* for choices during the training */
	THAW_SPLIT_ALL,  /* all images of a folder that has no splits */
};

/* Names of image files, relative to the dataset's folder. */
struct thaw_image_names {
	char *text; /* the names in the order in which they were listed, each ended by a NUL */
	size_t bytes, room;
};
void thaw_image_names_free(struct thaw_image_names *names); /* zeroed is fine */

/* The ranks of a job open a large dataset together. Each rank lists a part of the folders: the servers of a network
 * file system answer one listing of a million files sooner than one listing per rank. What every rank must know of each
 * image, such as its label and its place in a tar shard, is in memory that the ranks of a node share. */
struct thaw_share {
	int part, parts; /* this rank's part: 0 .. parts - 1 */
	/* Collective: *all (from thaw_alloc) becomes mine[bytes] of all parts in their order; part p has *all +
	 * end[p - 1] .. end[p], with end[parts] from the caller. Fails on all ranks if one has failed before. */
	thaw_status (*exchange)(const struct thaw_share *, const void *mine, size_t bytes, char **all, size_t *end);
	/* Collective: allocates `bytes` of zeroed memory; `bytes` is the same on every rank. Ranks that cannot share
	 * memory with their node get separate memory and fill it themselves. Fails on all ranks if one has failed. */
	thaw_status (*block)(const struct thaw_share *, size_t bytes, struct thaw_node_block *block);
	/* Collective: this rank has filled the blocks that it writes. `digest` is of the data that they were filled
	 * from. *again becomes true on all ranks if it is true on one; otherwise fails if the digests differ. */
	thaw_status (*filled)(const struct thaw_share *, uint64_t digest, bool *again);
	void *context; /* private to the implementation */
};

/* A manifest: a CSV file with a header that has a row for each image. The names of columns are compared without regard
 * to case, spaces, dashes and underscores. All zero: no manifest. */
struct thaw_manifest_options {
	const char *file; /* NULL: none, unless the path of the dataset is a file called .csv or .tsv */
	/* Names of columns; NULL: found by customary names (docs/datasets.md); "none": no split, group or weight. */
	const char *path_column, *split_column, *group_column, *weight_column;
	const char *label_column; /* one, or several separated by commas */
	const char
		*label_separator; /* one character between the labels of a cell; NULL: | or ; where cells have them */
	const char *task;         /* "class", "labels", "grade" or "value"; NULL: what the labels show */
	const char *grades;       /* the grades in their order, separated by commas; NULL: numbers, in theirs */
};

/* Which images are held out, if the dataset does not say it or folds are asked for. All zero: by test_share alone. */
struct thaw_parts_options {
	const char *group_by; /* extended regular expression on the names of images: what its first parentheses match,
			       * or all of the match, names the image's group; NULL: groups of the manifest */
	int folds;            /* cross-validation in so many parts; 0: none */
	int fold;             /* the part that is held out, 1 .. folds */
};

struct thaw_dataset_options {
	double test_share;       /* fraction of each class held out, e.g. 0.2; where neither val/ nor test/ exists */
	uint64_t seed;           /* of the random selections */
	int64_t limit_per_class; /* training images per class, chosen at random; 0: all */
	/* Not NULL: receives all images that are listed, before a part is held out and before the limit. Only folders
	 * of image files are listed. */
	struct thaw_image_names *listed;
	/* Not NULL: such a list of an earlier time. The samples are those of that time; found->missing of them are
	 * missing now and cannot be read. */
	const struct thaw_image_names *known;
	/* Not NULL: the other ranks open the same dataset now; see thaw_dataset_open_together in thaw/train.h. */
	const struct thaw_share *share;
	/* Not NULL: receives the images that are listed now and are not in `known`; they are not samples. NULL: such
	 * images are THAW_CONFIG. Both parts of a random split are listed alike, so a name may come twice. */
	struct thaw_image_names *added;
	struct thaw_manifest_options manifest;
	struct thaw_parts_options parts;
	/* Not NULL: images that do not exist for this dataset: they are in neither part of a random split, and the
	 * limit counts without them. Marks the names that it has. */
	struct thaw_exclude *exclude;
	/* For reports on the dataset: what the splits lack does not make it fail. Their classes may differ, and a class
	 * may be empty or the only one; `found` notes it. */
	bool lenient;
};

/* The manifest's file, else `data`: what messages and reports call the dataset. */
const char *thaw_dataset_place(const char *data, const struct thaw_manifest_options *manifest);

/* Opens one split of the dataset in the folder `path`. Formats (src/data/dataset_formats.h):
 *   - folders of splits, each with one folder of images per class: train or training; val, valid, validation, dev or
 *     eval; test or testing, in any case. Without val/ and test/, a part of train/ is held out;
 *   - one folder of images per class, split at random by options->seed;
 *   - IDX files (train-images..., t10k-images..., optionally .gz), with class names in labels.txt or EMNIST's
 *     mapping.txt, if they exist; of several sets in a folder, as torchvision's EMNIST/raw has, `path` names one:
 *     EMNIST/raw/emnist-letters;
 *   - the binary version or the Python version of CIFAR-10 or CIFAR-100;
 *   - Oxford Flowers-102 (jpg/, imagelabels.mat, setid.mat) and the Oxford-IIIT Pet dataset (images/, annotations/);
 *   - ImageNet as its archives unpack: training images in folders called n01440764, validation images in one
 *     folder, and a file with their labels (src/data/imagenet_labels.c lists the forms);
 *   - tar shards as WebDataset's, img2dataset's and those of thaw pack (thaw/pack.h): *.tar in the folder, or in
 *     folders of splits. `path` may also be one .tar file, or a pattern such as "D/train-{000..127}.tar";
 *   - a manifest: options->manifest.file, or `path`, if it is a file called .csv or .tsv. Paths in it begin in `path`,
 *     or in the folder of the manifest if `path` is NULL or the manifest. Samples are its rows, in their order.
 *
 * With options->parts.folds the training images are divided into that many parts, stratified by class, with groups kept
 * whole: VAL is one part, TRAIN the others, TEST is test/ if there is one, else as VAL. Images that are held out by
 * options->test_share are also stratified; no group is in both parts.
 *
 * The dataset may be inside a folder that contains nothing else. Classes are sorted by name. Files are images if their
 * name has the extension of an image or, without a known extension, by their first bytes; hidden files, folders that
 * operating systems create, and run directories are skipped. Returns THAW_IO if the folder or a file is missing,
 * THAW_DATA if a file is damaged, a class is empty, or the splits have different classes, THAW_CONFIG if there is only
 * one class to train on, the folder seems to be another one than meant, or has images that options->known lacks. On
 * success the caller closes *d with thaw_dataset_close. */
thaw_status thaw_dataset_open(struct thaw_dataset *d, const char *path, enum thaw_split split,
			      const struct thaw_dataset_options *options);
/* Opens all splits that exist: d[0] training images, d[1] validation images, or the only held-out ones, d[2] test
 * images beside validation images. d is zeroed; splits that do not exist stay so. Fails like the training if there are
 * no training images, unless there are others. The caller closes all of them, also after a failure. */
enum { THAW_OPEN_SPLITS = 3 };
thaw_status thaw_dataset_open_splits(struct thaw_dataset d[THAW_OPEN_SPLITS], const char *path,
				     const struct thaw_dataset_options *options);
void thaw_dataset_close(struct thaw_dataset *d); /* zeroed is fine */

/* Opens a dataset of samples[count] of `parent`, in this order, with the same classes. `samples` is copied; `parent`
 * must stay open until *d is closed. */
thaw_status thaw_dataset_subset(struct thaw_dataset *d, const struct thaw_dataset *parent, const int64_t *samples,
				int64_t count);

/* Removes the images of a list from an open dataset. THAW_DATA, with *d unchanged, if none would be left. */
thaw_status thaw_dataset_remove(struct thaw_dataset *d, struct thaw_exclude *exclude);

/* The position in names[count] of a class, -1 if it is not there. Names that are not valid UTF-8 are also found in the
 * form in which JSON files have them. */
int64_t thaw_class_number(char *const *names, int64_t count, const char *name);

/* Changes the numbers of the classes to those of names[count], by name: d->classes becomes count. The dataset may have
 * some of these classes only. THAW_CONFIG, with *d unchanged, if a class of the dataset is not among them. */
thaw_status thaw_dataset_match_classes(struct thaw_dataset *d, char *const *names, int64_t count);

/* Digest of the class names, labels, targets, weights and sample names; pixels are not read. */
uint64_t thaw_dataset_digest(const struct thaw_dataset *d);

/* d->fingerprint, or a fingerprint that equals no other (thaw_fingerprint_same) if the dataset has none or the sample
 * cannot be read. */
struct thaw_fingerprint thaw_dataset_fingerprint(const struct thaw_dataset *d, int64_t i, bool whole);

THAW_END_DECLS

#endif
