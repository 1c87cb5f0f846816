/* The images of all classes of a split. Internal to src/data. */
#ifndef THAW_SRC_DATA_LIST_IMAGES_H
#define THAW_SRC_DATA_LIST_IMAGES_H

#include "src/data/listed.h"
#include "thaw/dataset.h"

struct list_request {
	const char *path;                /* of the dataset */
	const struct names *classes;     /* class folders of the split, sorted, relative to `path` */
	const struct names *all_classes; /* those of all splits */
	bool may_be_empty;               /* a class may have no images, which is noted */
	const struct thaw_share *share;  /* NULL: this rank lists all classes */
};

/* Lists the images of the classes. The result does not depend on q->share. Free *l also after a failure. THAW_DATA if a
 * class has no images. */
thaw_status thaw_list_images(struct listed *l, const struct list_request *q);

#endif
