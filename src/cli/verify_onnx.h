/* Comparison of an exported ONNX model with the network that it was made from, on images. */
#ifndef THAW_SRC_CLI_VERIFY_ONNX_H
#define THAW_SRC_CLI_VERIFY_ONNX_H

#include "thaw/model.h"

struct verification {
	int images;
	double difference; /* the largest difference of a logit, relative to the largest logit of its image */
};

/* Imports the ONNX file `path` and runs `samples` through both networks. `samples` is an image file or a dataset (see
 * thaw_dataset_open), from whose test split up to 64 evenly spaced images are used. Damaged images are skipped.
 * THAW_DATA if no image can be read, or if a difference exceeds 1e-4. */
thaw_status verify_onnx(struct verification *v, const struct thaw_model *m, const char *path, const char *samples);

#endif
