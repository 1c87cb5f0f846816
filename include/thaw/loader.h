/* Loaders: batches of ready tensors, decoded ahead on threads of their own. */
#ifndef THAW_LOADER_H
#define THAW_LOADER_H

#include <stdbool.h>

#include "thaw/api.h"
#include "thaw/dataset.h"
#include "thaw/transform.h"

THAW_BEGIN_DECLS

/* One batch to make. */
struct thaw_batch_request {
	const int64_t *samples; /* [count] indices into the dataset, count may be 0; copied */
	int64_t count;
	bool training;        /* augment, keyed by (seed, view, sample) */
	uint64_t seed, epoch; /* key the samples' own random numbers, for dropout */
	int size;             /* side of the square input */
	uint64_t view;
};

/* One batch as made. Damaged images are left out, so count may be smaller than asked for. A file that cannot be
 * reached fails the batch. */
struct thaw_batch {
	int64_t count;
	float *images;    /* (count,size,size,3) */
	int32_t *labels;  /* [count] */
	int64_t *samples; /* [count] indices that are in it */
	uint64_t *keys;   /* [count] random key of each sample in this epoch, for dropout */
	int64_t damaged_count;
	int64_t *damaged;   /* [damaged_count] indices that were left out */
	char **damaged_why; /* [damaged_count] messages */
};

/* The random key of a sample in an epoch. */
uint64_t thaw_sample_key(uint64_t seed, uint64_t epoch, int64_t sample);

struct thaw_loader;

/* augment: NULL when no request will be for training. `ahead`: how many batches may be waiting; `threads`: how many
 * decode (1 or more). */
thaw_status thaw_loader_create(struct thaw_loader **loader, const struct thaw_dataset *dataset,
			       const struct thaw_preprocess *preprocess, const struct thaw_augment *augment,
			       int threads, int ahead);
/* Queues a request; never blocks for long, the queue grows as needed. */
thaw_status thaw_loader_submit(struct thaw_loader *loader, const struct thaw_batch_request *request);
/* Waits for the oldest request's batch. The batch is the loader's until thaw_loader_release. */
thaw_status thaw_loader_next(struct thaw_loader *loader, struct thaw_batch **batch);
void thaw_loader_release(struct thaw_loader *loader, struct thaw_batch *batch);
void thaw_loader_destroy(struct thaw_loader *loader); /* NULL is fine; drops what is queued */

THAW_END_DECLS

#endif
