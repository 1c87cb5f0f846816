/* An exported ONNX model against the network that it was made from, on images. */
#ifndef THAW_SRC_CLI_VERIFY_ONNX_H
#define THAW_SRC_CLI_VERIFY_ONNX_H

#include "thaw/model.h"

struct verification {
	int images;
	double difference; /* the largest of any logit, over the largest logit of that image */
};

/* Imports the file and runs `samples` through both: an image file, or a dataset as thaw_dataset_open takes it, of whose
 * test split some images from all over are taken. Damaged images are left out; THAW_DATA where none is left, and for
 * differences beyond 1e-4. */
thaw_status verify_onnx(struct verification *v, const struct thaw_model *m, const char *path, const char *samples);

#endif
