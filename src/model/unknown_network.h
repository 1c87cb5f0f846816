/* What to say about a state dict that no family recognises. Internal to src/model. */
#ifndef THAW_SRC_MODEL_UNKNOWN_NETWORK_H
#define THAW_SRC_MODEL_UNKNOWN_NETWORK_H

#include <jansson.h>

#include "thaw/weights.h"

/* What to do with a network that is not known. The exporter of torch 2.5 and newer needs the package onnxscript. */
#define THAW_EXPORT_HOW                                                                             \
	"export it from PyTorch with torch.onnx.export(model.eval(), torch.zeros(1, 3, 224, 224), " \
	"\"model.onnx\") (pip install onnxscript)"

/* THAW_DATA with a message about a convolution that reads images of another number of channels than three; THAW_OK if
 * the shapes do not differ in this. */
thaw_status thaw_check_channels(const struct thaw_named_tensor *t, const struct thaw_shape *expected,
				const char *source);

/* Fails with what the tensors, or the config.json beside the file (NULL: none), say about the network, and what to do.
 */
thaw_status thaw_fail_unknown_network(struct thaw_weights *w, const json_t *config, const char *source);

#endif
