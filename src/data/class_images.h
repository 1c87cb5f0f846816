/* The images of a class folder. Internal to src/data. */
#ifndef THAW_SRC_DATA_CLASS_IMAGES_H
#define THAW_SRC_DATA_CLASS_IMAGES_H

#include "src/data/listing.h"
#include "src/data/packed_names.h"

/* A folder that was reached through a link. */
struct followed {
	unsigned long long device, inode;
};

struct class_images {
	const char *root;            /* the dataset's folder */
	const struct names *classes; /* all class folders of the dataset: links to them are not followed */
	struct names targets;        /* real paths of `classes`, once a link was found */
	struct followed *followed;   /* [followed_count] */
	int followed_count;
	struct packed_names files; /* relative to `root` */
	int64_t nested;            /* classes that consist of two or more folders, without images of their own */
	char *first_nested;        /* the first of these, or NULL */
	struct thaw_found *found;
};

/* Appends all images below the class folder root/relative to c->files, sorted. Links to folders are followed, each
 * target once, unless the target is read anyway as a class folder, or contains one. */
thaw_status thaw_class_images_add(struct class_images *c, const char *relative);
void thaw_class_images_free(struct class_images *c);

#endif
