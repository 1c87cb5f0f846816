#include "src/advise/look.h"

#include <inttypes.h>
#include <stdio.h>

#define LOOK_IMAGES     2048
#define LEAST_PER_CLASS 2
#define DEFAULT_LANES   8

static thaw_status open_limited(struct thaw_dataset *d, const struct thaw_advise_options *o, long long per_class)
{
	const struct thaw_dataset_options how = {
		.test_share = o->test_share, .seed = (uint64_t)o->seed, .limit_per_class = per_class};
	return thaw_dataset_open(d, o->data, THAW_SPLIT_TRAIN, &how);
}

/* How many classes there are, and so how many images of each, is known once it has been opened. */
thaw_status thaw_look_open(struct thaw_dataset *d, const struct thaw_advise_options *o)
{
	THAW_TRY(open_limited(d, o, o->per_class));
	if (d->count <= LOOK_IMAGES)
		return THAW_OK;
	long long share = LOOK_IMAGES / d->classes;
	share = share > LEAST_PER_CLASS ? share : LEAST_PER_CLASS;
	if (o->per_class > 0 && o->per_class <= share)
		return THAW_OK;
	thaw_dataset_close(d);
	return open_limited(d, o, share);
}

int thaw_look_lanes(const struct thaw_advise_options *o, const struct thaw_comm *comm)
{
	if (o->lanes > 0)
		return o->lanes;
	return comm->size > DEFAULT_LANES ? comm->size : DEFAULT_LANES;
}

thaw_status thaw_look_same(struct thaw_comm *comm, uint64_t digest, const char *what, const char *remedy)
{
	char text[32];
	snprintf(text, sizeof(text), "%016" PRIx64, digest);
	return thaw_comm_same(comm, text, what, remedy);
}
