/* What the dataset formats share; nothing here leaves src/data. */
#ifndef THAW_SRC_DATA_DATASET_H
#define THAW_SRC_DATA_DATASET_H

#include <stdbool.h>

#include "thaw/dataset.h"

/* One way in which a dataset lies in a folder. */
struct dataset_format {
	bool (*recognises)(const char *path);
	/* Fills a zeroed *d. On failure the caller releases what is in it: the fields below `close` in
	 * thaw_dataset_close may be set or not, `close` itself only together with `context`. */
	thaw_status (*open)(struct thaw_dataset *d, const char *path, enum thaw_split split,
			    const struct thaw_dataset_options *options);
};

#define FORMAT(name) extern const struct dataset_format thaw_dataset_##name;
#include "src/data/dataset_formats.h"
#undef FORMAT

/* Marks in the zeroed picked[count] `quota[class]` samples of each class, taken by a shuffle that depends on the seed,
 * on `purpose` and on the class's name and size alone. A smaller quota picks a part of what a larger one does. */
enum pick_purpose { PICK_HELD_OUT, PICK_LIMIT };
thaw_status thaw_pick(bool *picked, const int32_t *labels, int64_t count, int classes, char *const *class_names,
		      uint64_t seed, enum pick_purpose purpose, const int64_t *quota);

/* The indices 0 .. count that a limit per class leaves, ascending, in memory from thaw_alloc. */
thaw_status thaw_limit_classes(int64_t **kept, int64_t *kept_count, const int32_t *labels, int64_t count, int classes,
			       char *const *class_names, enum thaw_split split,
			       const struct thaw_dataset_options *options);

/* Sets the labels to those of the `kept_count` samples kept[]. */
thaw_status thaw_dataset_keep(struct thaw_dataset *d, const int32_t *labels, const int64_t *kept, int64_t kept_count);

/* Class names of a file with one a line; empty lines at the end do not count. */
thaw_status thaw_dataset_read_names(struct thaw_dataset *d, const char *path);

/* "folder/file" in memory from thaw_alloc. */
char *thaw_path_join(const char *folder, const char *file);
bool thaw_path_is_file(const char *path);

#endif
