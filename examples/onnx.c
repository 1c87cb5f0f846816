/* Imports an ONNX network, gives it a new classifier, cuts it, and exports it again.
 *
 * Build:  make -C examples onnx             (set PKG_CONFIG_PATH when Thaw is not in a standard place)
 * Run:    ./onnx IN.onnx CLASSES UNFREEZE OUT.onnx
 *         ./onnx mobilenet.onnx 5 last:2 mobilenet-5.onnx */
#include <stdio.h>
#include <stdlib.h>

#include <thaw/thaw.h>

/* Nodes before the cut form the trunk, which stays frozen; nodes from the cut on form the tail, which trains. */
static void print_cut(const struct thaw_graph *graph)
{
	int cut = thaw_graph_cut(graph);
	int64_t trained = 0, frozen = 0;
	for (int i = 0; i < graph->param_count; i++) {
		const struct thaw_param *p = &graph->params[i];
		*(p->trainable ? &trained : &frozen) += thaw_shape_count(&p->shape);
	}
	printf("blocks:");
	for (int i = 0; i < graph->block_count; i++)
		printf(" %s", graph->blocks[i]);
	printf("\ntrunk: %d nodes, %lld values frozen\n", cut, (long long)frozen);
	printf("tail: %d nodes from %s, %lld values to train\n", graph->node_count - cut,
	       cut < graph->node_count ? graph->nodes[cut].name : "the end", (long long)trained);
}

static thaw_status convert(const char *in, int64_t classes, const char *unfreeze, const char *out)
{
	struct thaw_model *model = NULL;
	char **labels = thaw_alloc((size_t)classes, sizeof(*labels));
	thaw_status status = labels ? THAW_OK : THAW_RESOURCE;
	for (int64_t c = 0; c < classes && status == THAW_OK; c++)
		if (!(labels[c] = thaw_format("class %lld", (long long)c)))
			status = THAW_RESOURCE;

	if (status == THAW_OK)
		status = thaw_model_load_onnx(&model, in, NULL);
	if (status == THAW_OK)
		status = thaw_model_set_classes(model, classes, labels, 1); /* fresh weights from seed 1 */
	if (status == THAW_OK)
		status = thaw_graph_unfreeze(model->graph, unfreeze);
	if (status == THAW_OK) {
		print_cut(model->graph);
		status = thaw_model_save_onnx(model, out, true); /* batch norms folded into convolutions */
	}

	thaw_model_destroy(model);
	for (int64_t c = 0; labels && c < classes; c++)
		thaw_free(labels[c]);
	thaw_free(labels);
	return status;
}

int main(int argc, char **argv)
{
	int64_t classes = argc == 5 ? strtoll(argv[2], NULL, 10) : 0;
	if (classes < 1) {
		fprintf(stderr, "usage: onnx IN.onnx CLASSES UNFREEZE OUT.onnx\n");
		return THAW_USAGE;
	}
	thaw_status status = convert(argv[1], classes, argv[3], argv[4]);
	if (status != THAW_OK)
		fprintf(stderr, "onnx: %s\n", thaw_error_message());
	return status;
}
