/* Features of images: what a network computes of them before its classifier. */
#ifndef THAW_EMBED_H
#define THAW_EMBED_H

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/model.h"
#include "thaw/train.h"

THAW_BEGIN_DECLS

struct thaw_embed_options {
	/* The file to write: FILE.npy, or FILE.safetensors with a tensor "features"; both (images,width) in fp32. */
	const char *out;
	int decode_threads;
	double max_damaged; /* see struct thaw_train_options */
};

/* Writes the features of all images, in the order of the dataset, to `out`, and beside it OUT.tsv with a line per row:
 * row, image, class, damaged (0 or 1). The row of a damaged image is NaN. What is written is kept in OUT.partial until
 * the file is complete: after an interruption the same call goes on there. The bytes do not depend on the number of
 * ranks. *result, on rank 0 (a new reference): out, images, damaged, width, continued_at (rows that were there).
 * THAW_USAGE if `out` has another ending, THAW_CONFIG if it exists or OUT.partial is of other images, flags or another
 * network, THAW_DATA if more images are damaged than may be, THAW_UNFINISHED when a callback asks to stop. Collective.
 */
thaw_status thaw_embed(struct thaw_comm *comm, const struct thaw_model *model, const struct thaw_dataset *dataset,
		       const struct thaw_embed_options *options, const struct thaw_callbacks *callbacks,
		       json_t **result);

/* Classifies the images of a dataset by the k nearest images of `reference`, without a classifier: the cosine of the
 * features is the similarity, and each neighbour votes with exp(similarity / 0.07) for its class (Wu et al., CVPR
 * 2018). Both datasets have the same classes. *result, on rank 0 (a new reference): knn, images, damaged,
 * reference_images, top1, top5, per_class (of each class: images, accuracy). The same bits for any number of ranks;
 * each rank holds its share of the reference's features. THAW_CONFIG if k is larger than the reference,
 * THAW_DATA if more images of either are damaged than may be. Collective. */
thaw_status thaw_knn(struct thaw_comm *comm, const struct thaw_model *model, const struct thaw_dataset *reference,
		     const struct thaw_dataset *dataset, int k, const struct thaw_embed_options *options,
		     const struct thaw_callbacks *callbacks, json_t **result);

THAW_END_DECLS

#endif
