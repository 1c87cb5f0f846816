/* One pass over the images of a dataset, on all ranks and threads. */
#ifndef THAW_SRC_CHECK_IMAGE_PASS_H
#define THAW_SRC_CHECK_IMAGE_PASS_H

#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/train.h"

struct thaw_image_pass {
	const struct thaw_dataset *dataset;
	const int64_t *samples; /* [count] which images, the same on all ranks; NULL: the first `count` */
	int64_t count;
	int threads; /* of each rank */
	/* Fills the zeroed record of an image. Called from several threads at once, once per image. A failure ends the
	 * pass: an image that cannot be read is not one. */
	thaw_status (*work)(const struct thaw_dataset *dataset, int64_t sample, void *record);
	size_t record_size;
	const struct thaw_callbacks *callbacks; /* may be NULL */
	const char *what;                       /* "images read", for the log */
};

/* Gives each rank a contiguous share of the images. *records: on rank 0 [count] records in the order of the samples,
 * which the caller frees; on other ranks NULL. Collective. */
thaw_status thaw_image_pass_run(struct thaw_comm *comm, const struct thaw_image_pass *pass, void **records);

#endif
