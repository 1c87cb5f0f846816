/* Writes the features that `--unfreeze head` trains a classifier on, for comparison with another framework
 * (onnx_endings.py).
 *
 *     dump_features MODEL IMAGES FEATURES
 *
 * IMAGES: float32 (N,H,W,3) as the network's input. FEATURES receives float32 (N,features). Prints the classifier's
 * name, whether Thaw has added it, and what was noted about the outputs, one per line. */
#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/thaw.h"

#define MAX_BYTES ((size_t)1 << 30)

static thaw_status dump(struct thaw_model *m, const float *images, size_t bytes, const char *path)
{
	thaw_status status;
	struct thaw_executor *executor = NULL;
	struct thaw_file_writer *file = NULL;
	float *features = NULL;
	struct thaw_size input = m->preprocess.size;
	struct thaw_shape image = thaw_shape_of(1, input.height, input.width, 3);
	size_t one = (size_t)thaw_shape_count(&image) * sizeof(*images);
	THAW_TRY_OUT(thaw_graph_unfreeze(m->graph, "head"));
	THAW_TRY_OUT(thaw_executor_create(&executor, m->graph, &image, THAW_TRUNK, false));
	size_t size = (size_t)thaw_executor_features(executor) * sizeof(*features);
	THAW_TRY_OUT((features = thaw_alloc(size, 1)) ? THAW_OK : THAW_RESOURCE);
	THAW_TRY_OUT(thaw_file_writer_open(&file, path));
	struct thaw_sink *sink = thaw_file_writer_sink(file);
	for (size_t at = 0; at + one <= bytes; at += one) {
		memcpy(thaw_executor_input(executor), (const char *)images + at, one);
		thaw_executor_run_trunk(executor, features);
		THAW_TRY_OUT(sink->write(sink, features, size));
	}
	status = thaw_file_writer_commit(file);
	file = NULL;
out:
	thaw_file_writer_discard(file);
	thaw_free(features);
	thaw_executor_destroy(executor);
	return status;
}

int main(int argc, char **argv)
{
	struct thaw_model *m = NULL;
	void *images;
	size_t bytes;
	if (argc != 4) {
		fprintf(stderr, "usage: dump_features MODEL IMAGES FEATURES\n");
		return THAW_USAGE;
	}
	thaw_status status = thaw_model_load(&m, argv[1], 0, 0);
	if (status == THAW_OK)
		status = thaw_file_read(&images, &bytes, argv[2], MAX_BYTES);
	if (status == THAW_OK) {
		printf("%s\n%s\n%s\n", m->graph->nodes[m->graph->head].name, m->features_only ? "added" : "found",
		       m->notes ? m->notes : "");
		status = dump(m, images, bytes, argv[3]);
		thaw_free(images);
	}
	if (status != THAW_OK)
		fprintf(stderr, "dump_features: %s\n", thaw_error_message());
	thaw_model_destroy(m);
	return (int)status;
}
