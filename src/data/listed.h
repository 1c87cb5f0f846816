/* The images of some consecutive classes of a split, and what was skipped there. Internal to src/data. */
#ifndef THAW_SRC_DATA_LISTED_H
#define THAW_SRC_DATA_LISTED_H

#include <stdbool.h>

#include "src/data/class_images.h"

#define LISTED_RUNS (-1) /* as a class's count: a folder of runs, and no class */

struct listed {
	struct class_images images; /* `files` has class after class; `found` is owned */
	int64_t *count;             /* [classes] files of each class, or LISTED_RUNS */
	int64_t classes;
	bool linked; /* folders were reached through links: which ones depends on the classes before */
};

/* room: most classes that will be added. root and classes: see struct class_images. */
thaw_status thaw_listed_create(struct listed *l, int64_t room, const char *root, const struct names *classes);
void thaw_listed_free(struct listed *l); /* zeroed is fine */

/* Appends *l, as text for other ranks, to the message. */
thaw_status thaw_listed_write(const struct listed *l, struct packed_names *message);

/* Appends to *l what such a message of text[bytes] has: classes that follow those of *l. THAW_SOFTWARE if there are
 * more than `room`, or the message is damaged. */
thaw_status thaw_listed_read(struct listed *l, int64_t room, const char *text, size_t bytes);

#endif
