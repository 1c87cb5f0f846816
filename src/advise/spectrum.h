/* A table of features F (count,width) = U S V' in the terms that LogME and H-score share: the squares of S, and where
 * the classes lie in U. Neither changes when features are rotated or images change places. */
#ifndef THAW_SRC_ADVISE_SPECTRUM_H
#define THAW_SRC_ADVISE_SPECTRUM_H

#include <stdbool.h>

#include "src/advise/table.h"

struct thaw_spectrum {
	int64_t count, width, rank;
	int classes;
	double *value;      /* [rank] squares of the singular values that are above rounding, rising */
	double *projection; /* (classes,rank) u_i . y_c, where y_c is 1 for images of class c, else 0 */
	int64_t *images;    /* [classes] */
	double fourth;      /* the sum over images of |row|^4 */
};

/* The spectrum of a table, of which thaw_feature_table_check is satisfied; with `centred`, each feature's mean is taken
 * off first. From the smaller of F F' and F' F: the time is of order min(count,width)^2 * (count + width). */
thaw_status thaw_spectrum_create(const struct thaw_feature_table *t, bool centred, struct thaw_spectrum *s);
void thaw_spectrum_destroy(struct thaw_spectrum *s);

#endif
