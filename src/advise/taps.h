/* What a pretrained network makes of images it was not trained on: one pass, looked at everywhere.
 *
 * Every image goes through the whole network once, as it was trained, with its own classifier. On the way the values
 * that cross each cut are averaged over pixels (or tokens) to one vector, the image's features at that depth; what each
 * batch norm puts out is added up; and the classifier's probabilities are kept.
 */
#ifndef THAW_SRC_ADVISE_TAPS_H
#define THAW_SRC_ADVISE_TAPS_H

#include "src/advise/cuts.h"
#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/model.h"
#include "thaw/train.h"

/* The output of one batch norm over all images: what its own training data made of it is a mean of `shift` and a
 * standard deviation of |scale|, channel by channel. */
struct thaw_norm_tap {
	const char *name;
	int64_t channels;
	const float *scale, *shift;  /* [channels], the graph's */
	const double *mean, *square; /* [channels] of the output and of its square */
};

struct thaw_taps {
	int64_t count; /* images that could be read, in the dataset's order */
	int64_t damaged;
	int64_t *samples; /* [count] of the dataset */
	int32_t *labels;  /* [count] */
	int cut_count;
	int64_t width[THAW_CUTS_MOST];   /* of the features at each cut; 0: the image itself */
	float *features[THAW_CUTS_MOST]; /* (count,width) */
	bool flat;                       /* the first cut's are what a linear classifier gets, not averages of it */
	int64_t source_classes;
	float *probability; /* (count,source_classes) of the network's own classifier */
	int norm_count;
	struct thaw_norm_tap *norms;
	double *norm_sums;
};

/* The model as it was loaded, its graph cut at these places; all parameters frozen. Lanes spread the images over the
 * ranks; the result is the same on every rank, and the same bits for any number of them. Collective. */
thaw_status thaw_taps_collect(struct thaw_taps *taps, struct thaw_comm *comm, const struct thaw_model *model,
			      const struct thaw_cut *cut, int cut_count, const struct thaw_dataset *dataset, int lanes,
			      int decode_threads, const struct thaw_callbacks *callbacks);
void thaw_taps_release(struct thaw_taps *taps); /* zeroed is fine */

#endif
