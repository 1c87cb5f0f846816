/* What was found in the folder of a dataset: where the samples come from, and what was skipped and why. */
#ifndef THAW_FOUND_H
#define THAW_FOUND_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/dataset.h"

THAW_BEGIN_DECLS

/* Files or folders of one kind that are not used. */
struct thaw_skipped {
	char *what; /* in the plural, with the reason: "AVIF images, which thaw does not read" */
	int64_t count;
	char *example; /* path of the first one, below the dataset's folder */
};

struct thaw_found {
	enum thaw_split split; /* what the samples are: THAW_SPLIT_VAL for val/, whichever split was opened */
	char *from;            /* "train/", "20 % of each class, chosen at random (seed 1)", "t10k-images-idx3-ubyte" */
	bool held_out;         /* one of the two parts of a random split */
	int64_t images;        /* before thaw_dataset_options.limit_per_class */
	int64_t missing;       /* samples of thaw_dataset_options.known whose files are missing */
	uint64_t missing_digest;      /* of their names */
	uint64_t manifest;            /* digest of the manifest's bytes; 0: no manifest */
	int64_t groups;               /* of the samples (thaw_dataset.groups); 0: no groups */
	struct thaw_skipped *skipped; /* [skipped_count] */
	int skipped_count;
	char **notes; /* [note_count] other facts, for the user */
	int note_count;
};

/* "training", "validation" or "test": what the samples of d are. */
const char *thaw_dataset_kind(const struct thaw_dataset *d);

/* A JSON object about the datasets d[count], splits of the dataset in the folder `path`: folder, classes, task, for
 * each split that has samples {images, used, from, groups (if it has groups)} under its kind, skipped [{what, count,
 * first}], notes. A new reference; NULL without memory. */
json_t *thaw_found_json(const char *path, const struct thaw_dataset *const *d, int count);

/* Calls `line` for each line of a short text about such an object; NULL: for none. */
void thaw_found_lines(const json_t *found, void (*line)(void *context, const char *text), void *context);

THAW_END_DECLS

#endif
