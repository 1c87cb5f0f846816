/* The features of a dataset, some images at a time, so that memory does not grow with it. */
#ifndef THAW_SRC_EMBED_FEATURE_CHUNKS_H
#define THAW_SRC_EMBED_FEATURE_CHUNKS_H

#include "src/advise/activations.h"
#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/model.h"
#include "thaw/train.h"

enum { THAW_CHUNK = 1024 }; /* images: also what an interruption may cost */

struct thaw_feature_chunks {
	struct thaw_comm *comm;
	const struct thaw_model *model;
	const struct thaw_dataset *dataset;
	const struct thaw_callbacks *callbacks;
	int decode_threads;
};

/* Features of the images [first, first + THAW_CHUNK) of the dataset, on every rank: *a has those that can be read, with
 * a->samples counted from `first`. The caller releases *a. THAW_UNFINISHED when a callback asks to stop. Collective. */
thaw_status thaw_feature_chunk(const struct thaw_feature_chunks *c, int64_t first, struct thaw_activations *a);

#endif
