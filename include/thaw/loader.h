/* Data loader: threads that decode batches ahead of their use. */
#ifndef THAW_LOADER_H
#define THAW_LOADER_H

#include <stdbool.h>

#include "thaw/api.h"
#include "thaw/dataset.h"
#include "thaw/transform.h"

THAW_BEGIN_DECLS

/* A batch to load. */
struct thaw_batch_request {
	const int64_t *samples; /* [count] indices into the dataset; copied */
	int64_t count;          /* may be 0 */
	bool training;          /* augment, with random numbers keyed by (seed, view, sample) */
	uint64_t seed, epoch;   /* key the batch's `keys` */
	struct thaw_size size;  /* of the inputs, in pixels */
	uint64_t view;
	/* [count] earlier visits of the sample in this epoch, which key its augmentation and its entry of `keys` too;
	 * copied; NULL: none. */
	const uint32_t *visits;
};

/* A loaded batch. Images that are damaged, or that cannot be read twice, are skipped, so count may be smaller than
 * requested. */
struct thaw_batch {
	int64_t count;
	float *images;                         /* (count,height,width,3) */
	int32_t *labels;                       /* [count] */
	int64_t *samples;                      /* [count] indices into the dataset */
	uint64_t *keys;                        /* [count] random key of each sample in this epoch, for dropout */
	struct thaw_fingerprint *fingerprints; /* [count] of the images as they were read */
	int64_t damaged_count;
	int64_t *damaged;   /* [damaged_count] indices of the skipped images */
	char **damaged_why; /* [damaged_count] error messages */
};

/* The random key of a sample in an epoch, for dropout. */
uint64_t thaw_sample_key(uint64_t seed, uint64_t epoch, int64_t sample);

/* `epoch` or `view`, below 2^48, for a visit of a sample that has had so many in this epoch. */
uint64_t thaw_visit(uint64_t epoch, uint32_t visits);

struct thaw_loader;

/* Starts `threads` decoding threads (at least 1), which load up to `ahead` batches (at least 1) beyond the last one
 * taken by thaw_loader_next. `augment` may be NULL if no request is for training. `dataset` must stay open until
 * thaw_loader_destroy. */
thaw_status thaw_loader_create(struct thaw_loader **loader, const struct thaw_dataset *dataset,
			       const struct thaw_preprocess *preprocess, const struct thaw_augment *augment,
			       int threads, int ahead);
/* Queues a request without waiting for other batches. The queue has no limit. */
thaw_status thaw_loader_submit(struct thaw_loader *loader, const struct thaw_batch_request *request);
/* Waits for the batch of the oldest request. The loader owns *batch; the caller returns it with thaw_loader_release.
 * Fails if memory or file descriptors ran out (THAW_RESOURCE); the request is then dropped. */
thaw_status thaw_loader_next(struct thaw_loader *loader, struct thaw_batch **batch);
/* Sets a callback that thaw_loader_next calls about ten times per second while it waits, and at its start: true makes
 * it return THAW_UNFINISHED; the request stays. NULL, as at first: it waits until the batch is complete. */
void thaw_loader_on_wait(struct thaw_loader *loader, bool (*stop)(void *context), void *context);
void thaw_loader_release(struct thaw_loader *loader, struct thaw_batch *batch);
/* Stops the threads and frees everything, including queued requests and batches not yet released. NULL is fine. */
void thaw_loader_destroy(struct thaw_loader *loader);

THAW_END_DECLS

#endif
