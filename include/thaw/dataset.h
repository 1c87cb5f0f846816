/* Datasets: numbered images with classes, in whatever form they lie on disk. */
#ifndef THAW_DATASET_H
#define THAW_DATASET_H

#include "thaw/api.h"
#include "thaw/image.h"

THAW_BEGIN_DECLS

struct thaw_dataset {
	int64_t count;
	int classes;
	char **class_names; /* [classes] */
	int32_t *labels;    /* [count] */
	/* Reads sample i; its pixels may still have to be decoded, while the dataset is open. With the sample's name:
	 * THAW_DATA when it is damaged (it is then left out), THAW_IO when it cannot be reached (whoever wants it
	 * fails). May be called from any thread. */
	thaw_status (*read)(const struct thaw_dataset *, int64_t i, struct thaw_encoded_image *encoded);
	/* Name of sample i for messages and reports, written to text[size]. */
	void (*name)(const struct thaw_dataset *, int64_t i, char *text, size_t size);
	void (*close)(struct thaw_dataset *);
	void *context; /* of the format */
};

enum thaw_split { THAW_SPLIT_TRAIN, THAW_SPLIT_TEST };

struct thaw_dataset_options {
	double test_share;       /* of a folder without train/: the share of each class held out, e.g. 0.2 */
	uint64_t seed;           /* of that split */
	int64_t limit_per_class; /* 0: all; else the first so many of each class after a shuffle by seed (training only)
				  */
};

/* Opens one split of D: a folder with train/ and val/ or test/, one folder of classes (split by the
 * seed), a folder of IDX files (train-images..., t10k-images..., also .gz; class names from labels.txt if it
 * is there), or one of the binary version of CIFAR-10 or -100. Formats: table in src/data/dataset_formats.h.
 * Classes are sorted by name; hidden files and folders are no classes. THAW_IO for a missing folder, THAW_DATA
 * for an empty class or classes that differ between the splits. */
thaw_status thaw_dataset_open(struct thaw_dataset *d, const char *path, enum thaw_split split,
			      const struct thaw_dataset_options *options);
void thaw_dataset_close(struct thaw_dataset *d); /* zeroed is fine */

/* Some of the samples of `of`, in this order, as a dataset of the same classes. `of` must stay open longer. */
thaw_status thaw_dataset_subset(struct thaw_dataset *d, const struct thaw_dataset *of, const int64_t *samples,
				int64_t count);

/* Digest of the class names, labels and sample names: tells whether a resumed run sees the same data. */
uint64_t thaw_dataset_digest(const struct thaw_dataset *d);

THAW_END_DECLS

#endif
