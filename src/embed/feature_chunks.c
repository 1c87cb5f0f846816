/* See feature_chunks.h. */
#include "src/embed/feature_chunks.h"

#include "src/advise/cuts.h"
#include "src/base/minmax.h"
#include "src/base/try.h"

#define DEFAULT_LANES 8

thaw_status thaw_feature_chunk(const struct thaw_feature_chunks *c, int64_t first, struct thaw_activations *a)
{
	struct thaw_cut cut[THAW_MAX_CUTS];
	struct thaw_dataset images = {0};
	int64_t samples[THAW_CHUNK], count = 0;
	int cuts;
	for (int64_t i = first; i < c->dataset->count && count < THAW_CHUNK; i++)
		samples[count++] = i;
	thaw_status status = thaw_dataset_subset(&images, c->dataset, samples, count);
	if (status == THAW_OK)
		status = thaw_cuts_choose(c->model->graph, c->model->preprocess.size, cut, &cuts);
	status = thaw_comm_agree(c->comm, status);
	if (status == THAW_OK)
		status = thaw_activations_collect(a, c->comm, c->model, cut, 1, &images,
						  max_int(c->comm->size, DEFAULT_LANES), c->decode_threads,
						  c->callbacks);
	thaw_dataset_close(&images);
	return status;
}
