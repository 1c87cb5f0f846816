/* An ONNX model from a graph, in opset 17. */
#ifndef THAW_SRC_ONNX_EXPORT_H
#define THAW_SRC_ONNX_EXPORT_H

#include "thaw/graph.h"
#include "thaw/weights.h"

/* What the model shall be like. */
struct thaw_onnx_export_options {
	int64_t height, width; /* of images. Other sizes will do as well where the graph takes them and no node of the
				* model holds a size that follows from them */
	bool fold;             /* batch norms that use moving statistics go into the convolutions before them */
	const struct thaw_pair *metadata; /* [metadata_count], the model's metadata_props */
	int metadata_count;
};

/* Writes the model to the file, atomically: input "image" (N,3,H,W), output "logits" (N,classes), parameters under
 * their names in the file's order. Dropout stays, with its rate, and does nothing when the model is served; batch norms
 * use their moving statistics. THAW_CONFIG for a node that opset 17 cannot express, and for more than 2 GiB, which one
 * file cannot hold. */
thaw_status thaw_onnx_export(const struct thaw_graph *g, const struct thaw_onnx_export_options *options,
			     const char *path);

#endif
