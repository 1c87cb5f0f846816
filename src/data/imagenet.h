/* The labels of ImageNet's validation images. Internal to src/data. */
#ifndef THAW_SRC_DATA_IMAGENET_H
#define THAW_SRC_DATA_IMAGENET_H

#include "src/data/names.h"
#include "thaw/error.h"

/* The labels as they are read. */
struct imagenet_labels {
	struct imagenet_label {
		char *image; /* name of the file in val/ */
		int32_t class;
	} * entry;
	int64_t count, room;
	int64_t others; /* images of classes that are not among `classes` */
};

/* The file with the labels below the folder, relative to it, in new memory; NULL if there is none. */
char *thaw_imagenet_find_labels(const char *folder);

/* Reads the file folder/labels, sorted by image. classes: WordNet's numbers, sorted. THAW_DATA if a line is not
 * understood. The caller frees *l, also after an error. */
thaw_status thaw_imagenet_read_labels(struct imagenet_labels *l, const char *folder, const char *labels,
				      const struct names *classes);
void thaw_imagenet_labels_free(struct imagenet_labels *l);

/* Reads which class each number of the development kit is: meta.mat at `path`. *wnids: their WordNet's numbers; the
 * class of number i is name[i - 1]. THAW_DATA if the file is damaged. */
thaw_status thaw_imagenet_read_meta(struct names *wnids, const char *path);

#endif
