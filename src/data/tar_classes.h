/* From labels in tar shards to classes. Internal to src/data. */
#ifndef THAW_SRC_DATA_TAR_CLASSES_H
#define THAW_SRC_DATA_TAR_CLASSES_H

#include "src/data/tar_load.h"
#include "thaw/dataset.h"

/* Where the labels of a dataset are. */
enum tar_source { TAR_BY_LABEL, TAR_BY_FOLDER, TAR_BY_CAPTION };

struct tar_classes {
	const char *path; /* of the dataset, for messages; set by the caller */
	enum tar_source source;
	enum thaw_task task;
	size_t depth; /* TAR_BY_FOLDER: folders around those of the classes */
	struct names names;
	bool listed;            /* the names are from a file in the dataset's folder */
	struct tar_map numbers; /* by digest of a name */
};

/* Finds source, task and classes in the training images, or in those that there are; `root` is the folder of the
 * dataset, which may have a file of class names. THAW_DATA if there are no labels. */
thaw_status thaw_tar_classes_find(struct tar_classes *c, const struct tar_load *train, const char *root);
void thaw_tar_classes_free(struct tar_classes *c); /* zeroed is fine */

/* The class of each image: labels[l->count] receives -1 for an image without a label. THAW_DATA if a label is not one
 * of the classes. Only for tasks of one class per image. */
thaw_status thaw_tar_classes_label(const struct tar_classes *c, int32_t *labels, const struct tar_load *l);

/* The targets of the other tasks: targets (l->count, classes), and labels[] 0 or, without targets, -1. */
thaw_status thaw_tar_classes_targets(const struct tar_classes *c, int32_t *labels, float *targets,
				     const struct tar_load *l);

#endif
