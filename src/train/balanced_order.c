/* Systematic sampling: the samples of a lane, class by class and in random order within each, are laid on a line as
 * intervals of the length of their expected number of visits, and every whole number plus one random offset visits the
 * interval that it falls into. So the visits of each sample and of each class differ by less than 1 from what is
 * expected, and images of a frequent class are left out in other epochs. A last shuffle gives the order. */
#include "src/train/balanced_order.h"

#include "thaw/lanes.h"
#include "thaw/memory.h"
#include "thaw/random.h"

/* sorted[count]: the samples by class, in the same order within each. first: working memory for [classes + 1]. */
static void sort_by_class(const struct thaw_dataset *d, const int64_t *samples, int64_t count, int64_t *first,
			  int64_t *sorted)
{
	for (int64_t i = 0; i < count; i++)
		first[d->labels[samples[i]] + 1]++;
	for (int c = 0; c < d->classes; c++)
		first[c + 1] += first[c];
	for (int64_t i = 0; i < count; i++)
		sorted[first[d->labels[samples[i]]]++] = samples[i];
}

static void visit(const struct thaw_dataset *d, const int64_t *class_images, const int64_t *sorted, int64_t count,
		  double offset, int64_t *order)
{
	double total = 0.0, end = 0.0;
	int64_t visits = 0;
	for (int64_t i = 0; i < count; i++)
		total += 1.0 / (double)class_images[d->labels[sorted[i]]];
	for (int64_t i = 0; i < count; i++) {
		end += (double)count / total / (double)class_images[d->labels[sorted[i]]];
		while (visits < count && (double)visits + offset < end)
			order[visits++] = sorted[i];
	}
	while (visits < count) /* rounding of the last end */
		order[visits++] = sorted[count - 1];
}

thaw_status thaw_lane_balanced_order(const struct thaw_dataset *d, const int64_t *class_images, int lanes, int lane,
				     uint64_t seed, uint64_t epoch, int64_t *order, uint32_t *visits)
{
	int64_t count = thaw_lane_count(d->count, lanes, lane);
	int64_t *sorted = thaw_alloc((size_t)count, sizeof(*sorted));
	int64_t *first = thaw_alloc((size_t)d->classes + 1, sizeof(*first));
	uint32_t *seen = thaw_alloc((size_t)count, sizeof(*seen));
	thaw_status status = sorted && first && seen ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK) {
		struct thaw_random random = thaw_random_stream(seed, THAW_STREAM_ORDER, epoch, (uint64_t)lane);
		for (int64_t k = 0; k < count; k++)
			order[k] = thaw_lane_sample(k, lanes, lane);
		thaw_random_shuffle(&random, order, count);
		sort_by_class(d, order, count, first, sorted);
		visit(d, class_images, sorted, count, thaw_random_unit(&random), order);
		thaw_random_shuffle(&random, order, count);
		for (int64_t k = 0; k < count; k++)
			visits[k] = seen[order[k] / lanes]++;
	}
	thaw_free(seen);
	thaw_free(sorted);
	thaw_free(first);
	return status;
}
