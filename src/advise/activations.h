/* Activations of a pretrained network on a dataset, collected in one pass.
 *
 * Every image is run once through the whole network with its original classifier. The values that cross each cut are
 * averaged over pixels (or tokens) to one vector, the image's features at that depth; the outputs of every batch norm
 * are summed; and the class probabilities are stored.
 */
#ifndef THAW_SRC_ADVISE_ACTIVATIONS_H
#define THAW_SRC_ADVISE_ACTIVATIONS_H

#include "src/advise/cuts.h"
#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/model.h"
#include "thaw/train.h"

/* Output statistics of one batch norm over all images. Over its training data the output has, in each channel, mean
 * `shift` and standard deviation |scale|. */
struct thaw_norm_statistics {
	const char *name;
	int64_t channels;
	const float *scale, *shift;  /* [channels], owned by the graph */
	const double *mean, *square; /* [channels] means of the output and of its square */
};

struct thaw_activations {
	int64_t count; /* readable images, in the order of the dataset */
	int64_t damaged;
	int64_t *samples; /* [count] indices in the dataset */
	int32_t *labels;  /* [count] */
	int cut_count;
	int64_t width[THAW_MAX_CUTS];   /* features at each cut; 0: the cut is at the image */
	float *features[THAW_MAX_CUTS]; /* (count,width) */
	bool flat; /* the features at the first cut are the unpooled input of a linear classifier */
	int64_t source_classes;
	float *probability; /* (count,source_classes) of the network's classifier */
	int norm_count;
	struct thaw_norm_statistics *norms;
	double *norm_sums; /* memory of the means in `norms` */
};

/* Runs the dataset through the model with all parameters frozen. Lanes spread the images over the ranks; the result is
 * on every rank, with the same bits for any rank count. THAW_DATA if an activation is not finite, THAW_UNFINISHED if
 * callbacks->stop returns true. The caller releases *activations. Collective. */
thaw_status thaw_activations_collect(struct thaw_activations *activations, struct thaw_comm *comm,
				     const struct thaw_model *model, const struct thaw_cut *cut, int cut_count,
				     const struct thaw_dataset *dataset, int lanes, int decode_threads,
				     const struct thaw_callbacks *callbacks);
void thaw_activations_release(struct thaw_activations *activations); /* zeroed is fine */

#endif
