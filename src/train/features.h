/* Features of batches: read from the cache, or made by loader and trunk and then kept.
 *
 * What a batch becomes depends on its request alone: the same images, in the same order, damaged ones left out,
 * whether features come from the cache or from the trunk, which runs one image at a time.
 */
#ifndef THAW_SRC_TRAIN_FEATURES_H
#define THAW_SRC_TRAIN_FEATURES_H

#include "src/train/cache.h"
#include "src/train/damage.h"
#include "thaw/executor.h"
#include "thaw/loader.h"

struct thaw_features;

/* Whose parts these are: the maker's, which outlive the features. */
struct thaw_feature_parts {
	const struct thaw_dataset *dataset;
	struct thaw_loader *loader;
	struct thaw_damage *damage; /* is told what is left out */
	struct thaw_executor *trunk;
	struct thaw_cache **cache; /* [lanes of this rank], an entry is sample / lanes * views + view; NULL: none */
	int lanes, first_lane;     /* of the run; of this rank */
	int views;                 /* kept of each sample; 0: every epoch shows another view, the cache stays unused */
	int size;                  /* side of the input */
};

/* One batch, of samples of one lane. */
struct thaw_feature_request {
	const int64_t *samples; /* [count]; copied */
	int64_t count;
	int lane;
	bool augment;
	uint64_t seed, epoch, view;
};

struct thaw_feature_batch {
	int64_t count;   /* damaged images are left out */
	int64_t damaged; /* so many of them */
	const int32_t *labels;
	const uint64_t *keys; /* see struct thaw_batch */
};

thaw_status thaw_features_create(struct thaw_features **features, const struct thaw_feature_parts *parts);
void thaw_features_destroy(struct thaw_features *features); /* NULL is fine */
thaw_status thaw_features_submit(struct thaw_features *features, const struct thaw_feature_request *request);
/* Puts the oldest request's features into the executor, a tail executor with room for them. The batch is valid until
 * the next call. */
thaw_status thaw_features_load_next(struct thaw_features *features, struct thaw_executor *tail,
				    struct thaw_feature_batch *batch);
/* Drops the requests that were not fetched. */
void thaw_features_drop(struct thaw_features *features);

#endif
