/* The IDX files of a dataset. Internal to src/data. */
#ifndef THAW_SRC_DATA_IDX_FILES_H
#define THAW_SRC_DATA_IDX_FILES_H

#include <stdbool.h>

#include "thaw/dataset.h"

/* Paths of the files of one split, in memory from thaw_alloc; NULL where there is none. */
struct idx_paths {
	char *images, *labels;
};

/* *is: the folder has a file of images under a known name. Here and below, the folder may also be FOLDER/SET, where
 * files of several sets in FOLDER have names such as SET-train-images-idx3-ubyte. */
thaw_status thaw_idx_is_there(bool *is, const char *folder);

/* Finds the files of the training or test split in a zeroed *p, in the first of their spellings: unpacked before
 * packed. THAW_CONFIG if the folder has files of several sets, such as EMNIST's. The caller frees *p, also on failure.
 */
thaw_status thaw_idx_find(struct idx_paths *p, const char *folder, enum thaw_split split);
void thaw_idx_paths_free(struct idx_paths *p);

/* Fails with the name of the file that is NULL in *p. */
thaw_status thaw_idx_fail_missing(const struct idx_paths *p, const char *folder, enum thaw_split split);

/* The file name of samples in messages and in the digest: that of MNIST, whatever the spelling on disk; a set with a
 * prefix keeps its own name. NULL without memory. */
char *thaw_idx_sample_name(const char *images_path, enum thaw_split split);

/* The path of the names of EMNIST's classes, which may not exist: PREFIX-mapping.txt with the prefix of the file of
 * images, else mapping.txt. NULL without memory. */
char *thaw_idx_mapping_path(const char *folder, const char *images);

/* Reads the names of the classes 0 to highest. THAW_DATA, naming the line or the class, if they are not all there. */
thaw_status thaw_idx_read_mapping(struct thaw_dataset *d, const char *path, int highest);

#endif
