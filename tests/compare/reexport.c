/* reexport FROM.onnx TO.onnx: imports a model and exports it again without training, for roundtrip.py. */
#include <stdio.h>

#include "src/base/try.h"
#include "src/onnx/export/export.h"
#include "src/onnx/import/import.h"

static thaw_status run(const char *from, const char *to)
{
	enum { OPEN_SIZE = 224 };
	struct thaw_onnx_file *file;
	struct thaw_onnx_network net;
	const struct thaw_onnx_import_options options = {.height = OPEN_SIZE, .width = OPEN_SIZE};
	THAW_TRY(thaw_onnx_file_open(&file, from));
	thaw_status status = thaw_onnx_import(&net, file, &options);
	thaw_onnx_file_close(file);
	THAW_TRY(status);
	const struct thaw_onnx_export_options want = {.height = net.image.dim[1], .width = net.image.dim[2]};
	status = thaw_onnx_export(net.graph, &want, to);
	thaw_graph_destroy(net.graph);
	return status;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: reexport FROM.onnx TO.onnx\n");
		return 64;
	}
	if (run(argv[1], argv[2]) != THAW_OK) {
		fprintf(stderr, "reexport: %s\n", thaw_error_message());
		return 65;
	}
	return 0;
}
