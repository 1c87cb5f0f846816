/* The rows of a manifest, while it is opened. Internal to src/data. */
#ifndef THAW_SRC_DATA_MANIFEST_ROWS_H
#define THAW_SRC_DATA_MANIFEST_ROWS_H

#include "src/data/arena.h"
#include "src/data/manifest_columns.h"

#define MANIFEST_LABELS_LIMIT 1000000 /* different labels */

struct manifest_row {
	int64_t line;
	uint64_t group; /* 0: none */
	int64_t cell;   /* of the label column: its number in `cells` */
	float weight;
	int8_t split; /* enum thaw_split */
};

/* Another row of the same path, with another label: an image may have several. */
struct manifest_repeat {
	int64_t row, cell, line;
};

struct manifest_rows {
	const char *file;
	const struct thaw_manifest_options *options;
	struct manifest_columns columns;
	struct intern paths;      /* [count] */
	struct manifest_row *row; /* [count] */
	int64_t count, room;
	bool numbers;                   /* labels are in `number`, else in `cells` */
	struct intern cells;            /* the different texts of the label column */
	float *number;                  /* [count][columns.labels] NaN: empty or unknown */
	struct manifest_repeat *repeat; /* [repeats] in the order of their lines */
	int repeats;
	int64_t doubled;       /* rows of a path that equal its first row, */
	int64_t first_doubled; /* and the line of the first of them */
	int64_t backslashes;   /* paths in which / replaces them */
	uint64_t digest;
};

/* Reads the file into the zeroed *m. THAW_DATA, with the line, for a row that is incomplete or contradicts another one.
 * On failure too the caller frees *m. */
thaw_status thaw_manifest_rows_read(struct manifest_rows *m, const char *file,
				    const struct thaw_manifest_options *options);
void thaw_manifest_rows_free(struct manifest_rows *m);

/* Parses a number with a decimal point; *value becomes NaN for an empty cell or "nan". false: not a number. */
bool thaw_manifest_number(float *value, const char *text);

const char *thaw_manifest_row_path(const struct manifest_rows *m, int64_t row);

#endif
