/* onnx MODEL.onnx IMAGES LOGITS [SIDE]: compares Thaw's logits with those of another program for the same images.
 *
 * Thaw leaves out a softmax at the end of the model, so LOGITS must be its input.
 *
 * IMAGES: float32 (N,H,W,3), of SIDE pixels if that is not the model's image size; LOGITS: float32 (N,classes). Prints
 * the largest difference over the largest logit; the exit code is 1 if it is above 1e-3. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/onnx/import/import.h"
#include "thaw/executor.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define MAX_BYTES ((size_t)1 << 30)
#define TOLERANCE 1e-3

static thaw_status run(const struct thaw_onnx_network *net, const float *images, size_t bytes, const float *expected,
		       size_t expected_bytes, double *error)
{
	struct thaw_shape image = net->image;
	struct thaw_graph *lowered = NULL;
	struct thaw_executor *executor = NULL;
	size_t one = (size_t)thaw_shape_count(&image) * sizeof(float);
	image.dim[0] = (int64_t)(bytes / one);
	thaw_status status = thaw_graph_lower(&lowered, net->graph);
	if (status == THAW_OK)
		status = thaw_executor_create(&executor, lowered, &image, THAW_WHOLE, false);
	if (status == THAW_OK) {
		memcpy(thaw_executor_input(executor), images, bytes);
		const float *y = thaw_executor_forward(executor, image.dim[0], NULL);
		double largest = 0, difference = 0;
		for (size_t i = 0; i < expected_bytes / sizeof(float); i++) {
			largest = fmax(largest, fabs(expected[i]));
			difference = fmax(difference, fabs(y[i] - expected[i]));
		}
		*error = difference / largest;
	}
	thaw_executor_destroy(executor);
	thaw_graph_destroy(lowered);
	return status;
}

int main(int argc, char **argv)
{
	struct thaw_onnx_file *file;
	struct thaw_onnx_network net;
	const struct thaw_onnx_import_options options = {.height = 224, .width = 224};
	void *images, *logits;
	size_t image_bytes, logit_bytes;
	double error = INFINITY;
	if (argc != 4 && argc != 5) {
		fprintf(stderr, "usage: onnx MODEL.onnx IMAGES LOGITS [SIDE]\n");
		return 64;
	}
	if (thaw_file_read(&images, &image_bytes, argv[2], MAX_BYTES) != THAW_OK ||
	    thaw_file_read(&logits, &logit_bytes, argv[3], MAX_BYTES) != THAW_OK ||
	    thaw_onnx_file_open(&file, argv[1]) != THAW_OK || thaw_onnx_import(&net, file, &options) != THAW_OK) {
		fprintf(stderr, "onnx: %s\n", thaw_error_message());
		return 65;
	}
	thaw_onnx_file_close(file);
	if (argc == 5) {
		int side = atoi(argv[4]);
		const struct thaw_shape to = thaw_shape_of(1, side, side, 3);
		if (thaw_graph_resize(net.graph, &net.image, &to) != THAW_OK)
			fprintf(stderr, "onnx: %s\n", thaw_error_message());
		net.image.dim[1] = net.image.dim[2] = side;
	}
	if (run(&net, images, image_bytes, logits, logit_bytes, &error) != THAW_OK)
		fprintf(stderr, "onnx: %s\n", thaw_error_message());
	printf("%s: %d nodes, %.2g\n", argv[1], net.graph->node_count, error);
	thaw_graph_destroy(net.graph);
	thaw_free(images);
	thaw_free(logits);
	return error <= TOLERANCE ? 0 : 1;
}
