/* Which bytes of the images of one dataset were read: a digest of each image (thaw_fingerprint.content), held by the
 * rank that has the image's lane. Images that were not read have the digest 0.
 *
 * A rank's digests are in the order of its lanes, and within a lane in that of thaw_lane_sample. */
#ifndef THAW_SRC_TRAIN_CONTENTS_H
#define THAW_SRC_TRAIN_CONTENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "thaw/comm.h"
#include "thaw/error.h"

#define CONTENTS_CHANGES 64 /* per rank, between two saves; more are only counted */

/* An image that had other bytes when it was read again. */
struct content_change {
	int64_t sample;
	uint64_t was, is;
	int64_t phase, epoch; /* in which that was noticed, from 0 */
};

struct thaw_contents {
	int64_t samples; /* of the dataset */
	int lanes;
	int64_t begin, end; /* this rank's part of all digests in the order of the lanes */
	uint64_t *digest;   /* [end - begin] */
	int64_t phase, epoch;
	bool dirty; /* not saved yet */
	int64_t change_count;
	struct content_change change[CONTENTS_CHANGES];
};

/* For the lanes of this rank; *contents must be destroyed after a failure too. */
thaw_status thaw_contents_create(struct thaw_contents **contents, int64_t samples, int lanes, int ranks, int rank);
void thaw_contents_destroy(struct thaw_contents *contents); /* NULL is fine */

/* The same for an equal part of all digests, for a rank that reads images without training on them. */
thaw_status thaw_contents_create_even(struct thaw_contents **contents, int64_t samples, int lanes, int ranks, int rank);

/* The part [*begin, *end) of a rank, of all digests in the order of the lanes. */
void thaw_contents_part(int64_t samples, int lanes, int ranks, int rank, int64_t *begin, int64_t *end);
/* The sample whose digest is at `position` of all digests in the order of the lanes. */
int64_t thaw_contents_sample(const struct thaw_contents *contents, int64_t position);

/* Records that a sample of this rank's lanes was read with these bytes. NULL or a content of 0: does nothing. */
void thaw_contents_note(struct thaw_contents *contents, int64_t sample, uint64_t content);

/* A digest of this rank's digests that does not depend on lanes and ranks, once it is summed over the ranks. *unread:
 * images that have none. */
uint64_t thaw_contents_sum(const struct thaw_contents *contents, int64_t *unread);

#endif
