/* The singular value decomposition F = U S V' of a feature table F (count,width), as far as LogME and H-score need it:
 * the squares of S, and the projections of the classes onto U. Neither depends on rotations of the features or the
 * order of the images. */
#ifndef THAW_SRC_ADVISE_SPECTRUM_H
#define THAW_SRC_ADVISE_SPECTRUM_H

#include <stdbool.h>

#include "src/advise/feature_table.h"

struct thaw_spectrum {
	int64_t count, width, rank; /* rank of the matrix F */
	int classes;
	double *value;      /* [rank] squares of the singular values that exceed rounding errors, ascending */
	double *projection; /* (classes,rank) u_i . y_c, where y_c is 1 for images of class c, else 0 */
	int64_t *images;    /* [classes] */
	double fourth;      /* the sum over images of |row|^4 */
};

/* Of a table that passes thaw_feature_table_check; with `centred`, the mean of each feature is subtracted first. Uses
 * the smaller of F F' and F' F; takes O(min(count,width)^2 (count + width)) time. THAW_CONFIG if the table is too large
 * for BLAS. */
thaw_status thaw_spectrum_create(const struct thaw_feature_table *t, bool centred, struct thaw_spectrum *s);
void thaw_spectrum_destroy(struct thaw_spectrum *s);

#endif
