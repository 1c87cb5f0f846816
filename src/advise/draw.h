/* Drawing images at random, class by class, so that every class keeps its share. */
#ifndef THAW_SRC_ADVISE_DRAW_H
#define THAW_SRC_ADVISE_DRAW_H

#include <stdint.h>

#include "src/advise/table.h"

/* Splits the rows of labels[count] in two: of each class `node_alloc` of its images, rounded and at least one where it
 * has any, become taken[*taken_count], the others rest[*rest_count], both in rising order; each has room for `count`.
 * Another draw for another (seed, number). */
thaw_status thaw_draw(const int32_t *labels, int64_t count, int classes, double share, uint64_t seed, uint64_t number,
		      int64_t *taken, int64_t *taken_count, int64_t *rest, int64_t *rest_count);

/* The table's rows at row[count]: features and labels are copied into memory of *part, which thaw_draw_release frees.
 */
thaw_status thaw_draw_rows(struct thaw_feature_table *part, const struct thaw_feature_table *t, const int64_t *row,
			   int64_t count);
void thaw_draw_release(struct thaw_feature_table *part); /* zeroed is fine */

#endif
