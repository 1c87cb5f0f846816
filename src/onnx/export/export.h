/* ONNX export: writes a graph as a model of opset 17. */
#ifndef THAW_ONNX_EXPORT_H
#define THAW_ONNX_EXPORT_H

#include "thaw/graph.h"
#include "thaw/pair.h"

struct thaw_onnx_export_options {
	int64_t height, width; /* of images; left symbolic in the model if the graph accepts other sizes and no node has
				* an attribute or constant that depends on them */
	bool fold;             /* fold batch norms with moving statistics into the convolutions before them */
	bool grid; /* a second output "grid" (N,classes,h,w): see thaw_graph_find_grid; THAW_CONFIG without one */
	const struct thaw_pair *metadata; /* [metadata_count] of the model's metadata_props */
	int metadata_count;
};

/* Writes the model atomically: input "image" (N,3,H,W), output "logits" (N,classes), parameters with their names and in
 * the layout of weight files. Dropout nodes keep their rate and are inactive in inference; batch norms use moving
 * statistics. THAW_CONFIG if opset 17 cannot express a node or the model exceeds 2 GiB, the limit of one file; THAW_IO
 * if the file cannot be written. */
thaw_status thaw_onnx_export(const struct thaw_graph *g, const struct thaw_onnx_export_options *options,
			     const char *path);

#endif
