/* Where the splits of a dataset of folders are. Internal to src/data. */
#ifndef THAW_SRC_DATA_LAYOUT_H
#define THAW_SRC_DATA_LAYOUT_H

#include <stdbool.h>

#include "src/data/found.h"

#define LAYOUT_SPLITS 3 /* THAW_SPLIT_TRAIN, _TEST, _VAL */

struct layout {
	char *split[LAYOUT_SPLITS]; /* folder of each split, relative to the dataset's; NULL: none */
	char *flat;                 /* without splits: the folder that holds the class folders, else NULL */
};

/* Finds the splits in the folder `path`; notes go to `found`. THAW_CONFIG if two readings are possible. */
thaw_status thaw_layout_find(struct layout *l, const char *path, struct thaw_found *found);
void thaw_layout_free(struct layout *l); /* zeroed is fine */

/* Whether val/ and test/ are both absent, so that a part of the images is held out. */
bool thaw_layout_holds_out(const struct layout *l);

#endif
