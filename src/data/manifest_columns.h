/* Which column of a manifest is what. Internal to src/data. */
#ifndef THAW_SRC_DATA_MANIFEST_COLUMNS_H
#define THAW_SRC_DATA_MANIFEST_COLUMNS_H

#include "src/data/csv.h"
#include "src/data/dataset.h"

struct manifest_columns {
	int count;                      /* of all columns */
	char **name;                    /* [count] */
	int path, split, group, weight; /* -1: there is none */
	int *label;                     /* [labels] */
	int labels;
};

/* Finds the columns by the names in the options, else by customary names. THAW_DATA if there is none for paths or
 * labels, THAW_CONFIG if a named one is missing or two have its name; the message lists the columns. */
thaw_status thaw_manifest_columns_find(struct manifest_columns *c, const struct csv_record *header,
				       const struct thaw_manifest_options *options, const char *file);
void thaw_manifest_columns_free(struct manifest_columns *c); /* zeroed is fine */

/* "path "image", label "dx", group "patient"", in new memory; NULL without memory. */
char *thaw_manifest_columns_text(const struct manifest_columns *c);

/* Calls `add` for each part of the text between commas, without spaces around it, until it fails. */
thaw_status thaw_split_list(const char *text, thaw_status (*add)(void *context, const char *word), void *context);

#endif
