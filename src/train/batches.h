/* Which images of a lane are in which batch. Where images have their own sizes, a batch has images of one size. */
#ifndef THAW_SRC_TRAIN_BATCHES_H
#define THAW_SRC_TRAIN_BATCHES_H

#include "thaw/dataset.h"
#include "thaw/random.h"
#include "thaw/transform.h"

/* The input sizes of the images of some lanes. Zeroed: images have no sizes of their own. */
struct thaw_own_sizes {
	struct thaw_native limits;
	int lanes, first_lane, lane_count;
	struct thaw_size **of;              /* [lane_count][images of the lane] */
	struct thaw_size **distinct;        /* [lane_count][distinct_count]: the different ones, in ascending order */
	int64_t *distinct_count;            /* [lane_count] */
	struct thaw_size smallest, largest; /* by area; 0: no images */
};

/* Reads the headers of the images of lanes [first_lane, end_lane). An image that cannot be read gets the smallest size;
 * it will be skipped. Fails only if out of memory. Release it in any case. */
thaw_status thaw_own_sizes_read(struct thaw_own_sizes *sizes, const struct thaw_dataset *dataset,
				const struct thaw_native *limits, int lanes, int first_lane, int end_lane);
void thaw_own_sizes_release(struct thaw_own_sizes *sizes); /* zeroed is fine */

static inline bool thaw_own_sizes_known(const struct thaw_own_sizes *sizes)
{
	return sizes->of != NULL;
}

/* The size of a sample of one of these lanes. */
static inline struct thaw_size thaw_own_size(const struct thaw_own_sizes *sizes, int lane, int64_t sample)
{
	return sizes->of[lane - sizes->first_lane][sample / sizes->lanes];
}

/* The number of batches of up to `batch` images that the lane has; -1 if out of memory, only with own sizes. */
int64_t thaw_batches_count(const struct thaw_own_sizes *sizes, int64_t images, int lane, int64_t batch);

/* Divides order[images], the samples of a lane, into batches of up to `batch`: batch k has those from first[k] to
 * first[k + 1]. With own sizes, reorders them so that a batch has one size; else first[k] is k times `batch`. shuffle:
 * orders the batches, so that small ones are not at the end; NULL: keeps the order in which they are complete.
 * first[thaw_batches_count + 1]. Fails only if out of memory. */
thaw_status thaw_batches_arrange(const struct thaw_own_sizes *sizes, int64_t *order, int64_t images, int lane,
				 int64_t batch, struct thaw_random *shuffle, int64_t *first);

#endif
