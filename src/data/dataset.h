/* Shared by the dataset formats. Internal to src/data. */
#ifndef THAW_SRC_DATA_DATASET_H
#define THAW_SRC_DATA_DATASET_H

#include <stdbool.h>

#include "thaw/dataset.h"

/* A dataset format: one file in src/data and one line in dataset_formats.h. */
struct dataset_format {
	bool splits;   /* finds the splits itself: any may be asked for */
	bool excludes; /* `open` leaves out the images of options->exclude; else the caller removes them */
	/* *is: the folder looks like this format; its files are not validated. THAW_RESOURCE without memory. */
	thaw_status (*recognises)(bool *is, const char *path);
	/* Fills a zeroed *d. On failure the caller calls thaw_dataset_close, so *d may be partly filled, but `close`
	 * and `context` must be set together. */
	thaw_status (*open)(struct thaw_dataset *d, const char *path, enum thaw_split split,
			    const struct thaw_dataset_options *options);
	bool validation; /* it has validation images beside test images */
};

#define FORMAT(name) extern const struct dataset_format thaw_dataset_##name;
#include "src/data/dataset_formats.h"
#undef FORMAT

/* Sets selected[i] (zeroed, [count]) for quota[class] random samples of each class of d, which has its class names. The
 * choice depends only on the seed, the purpose, and the name and size of the class. The samples of a smaller quota are
 * a subset of those of a larger one. */
enum select_purpose { SELECT_TEST, SELECT_LIMIT, SELECT_PARTS };
thaw_status thaw_select_per_class(bool *selected, const struct thaw_dataset *d, const int32_t *labels, int64_t count,
				  uint64_t seed, enum select_purpose purpose, const int64_t *quota);

/* Applies options->limit_per_class (training split only): writes the indices (0 .. count - 1, ascending) of the samples
 * that are used to *selected, an array of *selected_count from thaw_alloc. */
thaw_status thaw_limit_per_class(int64_t **selected, int64_t *selected_count, const struct thaw_dataset *d,
				 const int32_t *labels, int64_t count, enum thaw_split split,
				 const struct thaw_dataset_options *options);

/* thaw_dataset_open without options->parts; of a manifest, whose rows have one split or none, all rows are training,
 * validation and test images: found->held_out says so, and the caller divides them. */
thaw_status thaw_dataset_open_given(struct thaw_dataset *d, const char *path, enum thaw_split split,
				    const struct thaw_dataset_options *options);

/* Reduces *d to samples[count] of it, ascending, with d->found. On failure *d is unchanged. */
thaw_status thaw_dataset_reduce(struct thaw_dataset *d, const int64_t *samples, int64_t count);

/* Sets d->count = selected_count and d->labels[i] = labels[selected[i]]. */
thaw_status thaw_dataset_set_labels(struct thaw_dataset *d, const int32_t *labels, const int64_t *selected,
				    int64_t selected_count);

/* Reads d->class_names from a text file with one name per line; ignores empty lines at the end. */
thaw_status thaw_dataset_read_names(struct thaw_dataset *d, const char *path);

#endif
