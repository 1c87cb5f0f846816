/* Features of batches at the cut: read from the cache, or computed by loader and trunk and then cached.
 *
 * A batch depends only on its request: the same images in the same order without the damaged ones, whether features are
 * cached or computed. The trunk runs one image at a time.
 */
#ifndef THAW_SRC_TRAIN_FEATURES_H
#define THAW_SRC_TRAIN_FEATURES_H

#include "src/train/cache.h"
#include "src/train/contents.h"
#include "src/train/damage.h"
#include "thaw/executor.h"
#include "thaw/loader.h"

struct thaw_features;

/* All members are borrowed and must outlive the features. */
struct thaw_feature_parts {
	const struct thaw_dataset *dataset;
	struct thaw_loader *loader;
	struct thaw_damage *damage;     /* records the damaged images */
	struct thaw_contents *contents; /* records which bytes the images have; NULL: not recorded */
	struct thaw_executor *trunk;
	struct thaw_cache **cache; /* [lanes of this rank], entry number sample / lanes * views + view; NULL: none */
	int lanes, first_lane;     /* of the run; of this rank */
	int views;             /* cached views of each sample; 0: a new view in every epoch, so the cache is not used */
	int64_t cached_floats; /* of one entry; views of images with more features are not cached */
};

/* A batch of samples of one lane. */
struct thaw_feature_request {
	const int64_t *samples; /* [count]; copied */
	int64_t count;
	int lane;
	struct thaw_size size; /* of the inputs, in pixels */
	bool augment;
	uint64_t seed, epoch, view;
	const uint32_t *visits; /* [count] of the samples, earlier in this epoch; copied; NULL: none */
};

struct thaw_feature_batch {
	int64_t count;          /* without damaged images */
	int64_t damaged;        /* number of damaged images */
	int64_t fresh;          /* those that this rank has not met before */
	const int64_t *samples; /* [count] indices into the dataset */
	const uint64_t *keys;   /* see struct thaw_batch */
};

thaw_status thaw_features_create(struct thaw_features **features, const struct thaw_feature_parts *parts);
void thaw_features_destroy(struct thaw_features *features); /* NULL is fine */
/* Starts loading a batch. Batches are returned in the order of their requests. */
thaw_status thaw_features_submit(struct thaw_features *features, const struct thaw_feature_request *request);
/* Writes the features of the oldest request to the input of `tail`, whose batch must be large enough; sets the size of
 * trunk and tail to that of the request. *batch is valid until the next call. THAW_SOFTWARE when there is no request.
 */
thaw_status thaw_features_load_next(struct thaw_features *features, struct thaw_executor *tail,
				    struct thaw_feature_batch *batch);
/* Cancels the requests that were not loaded. */
void thaw_features_drop(struct thaw_features *features);

#endif
