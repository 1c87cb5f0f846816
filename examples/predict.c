/* Classifies images with a network: decode, preprocess, forward, softmax.
 *
 * Build:  make -C examples predict          (set PKG_CONFIG_PATH when Thaw is not in a standard place)
 * Run:    ./predict MODEL IMAGE...          MODEL: a run directory, a .safetensors, .pth or .onnx file, or builtin */
#include <stdio.h>

#include <thaw/thaw.h>

#define MAX_FILE_BYTES ((size_t)1 << 30)

/* Reads an image file into input (height,width,3) as the network expects it. */
static thaw_status read_image(const char *path, const struct thaw_preprocess *preprocess, float *input)
{
	void *bytes;
	size_t size;
	thaw_status status = thaw_file_read(&bytes, &size, path, MAX_FILE_BYTES);
	if (status != THAW_OK)
		return status;
	struct thaw_encoded_image image;
	status = thaw_encoded_image_open(&image, bytes, size, path); /* owns `bytes` from here on */
	if (status != THAW_OK)
		return status;
	status = thaw_transform_eval(&image, preprocess, input);
	thaw_encoded_image_free(&image);
	return status;
}

static void print_best(const struct thaw_model *model, const char *path, const float *logits, float *probability)
{
	thaw_softmax(logits, 1, model->classes, probability);
	int64_t best = 0;
	for (int64_t c = 1; c < model->classes; c++)
		if (probability[c] > probability[best])
			best = c;
	if (model->labels)
		printf("%s: %s %.3f\n", path, model->labels[best], probability[best]);
	else
		printf("%s: class %lld %.3f\n", path, (long long)best, probability[best]);
}

static thaw_status predict(const char *spec, int count, char **paths)
{
	struct thaw_model *model = NULL;
	struct thaw_graph *graph = NULL; /* the network with its batch norms folded and its activations fused */
	struct thaw_executor *executor = NULL;
	float *probability = NULL;

	thaw_status status = thaw_model_load(&model, spec, 0, 0);
	if (status == THAW_OK)
		status = thaw_graph_unfreeze(model->graph, "none");
	if (status == THAW_OK)
		status = thaw_graph_lower(&graph, model->graph);
	if (status == THAW_OK) {
		const struct thaw_size size = model->preprocess.size;
		const struct thaw_shape image = thaw_shape_of(1, size.height, size.width, 3);
		status = thaw_executor_create(&executor, graph, &image, THAW_WHOLE, false);
	}
	if (status == THAW_OK && !(probability = thaw_alloc((size_t)model->classes, sizeof(*probability))))
		status = THAW_RESOURCE;

	for (int i = 0; i < count && status == THAW_OK; i++) {
		status = read_image(paths[i], &model->preprocess, thaw_executor_input(executor));
		if (status == THAW_OK)
			print_best(model, paths[i], thaw_executor_forward(executor, 1, NULL), probability);
	}

	thaw_free(probability);
	thaw_executor_destroy(executor);
	thaw_graph_destroy(graph);
	thaw_model_destroy(model);
	return status;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: predict MODEL IMAGE...\n");
		return THAW_USAGE;
	}
	thaw_status status = predict(argv[1], argc - 2, argv + 2);
	if (status != THAW_OK)
		fprintf(stderr, "predict: %s\n", thaw_error_message());
	return status;
}
