/* Balanced sampling: an epoch that visits images of all classes alike. */
#ifndef THAW_SRC_TRAIN_BALANCED_ORDER_H
#define THAW_SRC_TRAIN_BALANCED_ORDER_H

#include "thaw/dataset.h"

/* order[thaw_lane_count] receives as many samples of the lane as it has, some of them more than once and some not at
 * all: in proportion to 1 / class_images[class], the number of images of their class in the whole dataset, rounded up
 * or down by chance. Depends on (seed, epoch, lane) and the labels only. A class with images in few lanes is visited
 * less than the others, since the other lanes have none to visit. visits[thaw_lane_count] receives how often each
 * sample of `order` is in it before. */
thaw_status thaw_lane_balanced_order(const struct thaw_dataset *dataset, const int64_t *class_images, int lanes,
				     int lane, uint64_t seed, uint64_t epoch, int64_t *order, uint32_t *visits);

#endif
