/* What the labels of a manifest mean: the task, the classes, and each row's label. Internal to src/data. */
#ifndef THAW_SRC_DATA_MANIFEST_LABELS_H
#define THAW_SRC_DATA_MANIFEST_LABELS_H

#include "src/data/manifest_rows.h"
#include "src/data/names.h"

struct manifest_labels {
	enum thaw_task task;
	struct names classes; /* sorted; of GRADE in their order, of VALUE and of several columns as the columns are */
	int32_t *label;       /* [rows] of CLASS and GRADE; -1: none */
	int64_t *start;       /* of LABELS in one column: [cells + 1] and */
	int32_t *class;       /* the classes of cell c: class[start[c]] .. class[start[c + 1] - 1] */
	char *why;            /* "the task is "labels": cells of "tags" have |": what was decided and why */
};

/* THAW_USAGE or THAW_CONFIG if the task is unknown, unclear or does not fit, THAW_DATA for labels that do not. */
thaw_status thaw_manifest_labels_find(struct manifest_labels *l, const struct manifest_rows *m);
void thaw_manifest_labels_free(struct manifest_labels *l); /* zeroed is fine */

/* Whether the row has a label: without one its image is not used. */
bool thaw_manifest_has_label(const struct manifest_labels *l, const struct manifest_rows *m, int64_t row);

/* Sets targets[count][classes] of rows[count], ascending. Of LABELS and VALUE. */
void thaw_manifest_targets(float *targets, const struct manifest_labels *l, const struct manifest_rows *m,
			   const int64_t *rows, int64_t count);

#endif
