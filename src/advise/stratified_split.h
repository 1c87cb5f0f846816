/* Random splits of images that keep the proportions of the classes. */
#ifndef THAW_SRC_ADVISE_STRATIFIED_SPLIT_H
#define THAW_SRC_ADVISE_STRATIFIED_SPLIT_H

#include <stdint.h>

#include "thaw/error.h"

/* Splits the rows of labels[count] in two. Of each class, the fraction `share` of its rows, rounded but at least one,
 * goes to taken[*taken_count], the others to rest[*rest_count]; both are ascending and need room for `count` entries.
 * The split is random but depends only on seed and number. */
thaw_status thaw_stratified_split(const int32_t *labels, int64_t count, int classes, double share, uint64_t seed,
				  uint64_t number, int64_t *taken, int64_t *taken_count, int64_t *rest,
				  int64_t *rest_count);

#endif
