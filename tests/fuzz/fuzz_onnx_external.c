/* Fuzzes external data of ONNX files: the input is a model and the files "data" and "sub/data" beside it (fuzz_split).
 */
#include <sys/stat.h>

#include "src/onnx/wire/file.h"
#include "src/onnx/wire/tensor.h"
#include "tests/fuzz/fuzz.h"
#include "thaw/digest.h"
#include "thaw/dtype.h"

static void read_tensors(const struct thaw_onnx_file *f)
{
	const Onnx__GraphProto *g = f->model->graph;
	volatile uint64_t digest = 0;
	for (size_t i = 0; i < g->n_initializer; i++) {
		struct thaw_onnx_tensor t;
		if (thaw_onnx_tensor_read(&t, g->initializer[i], f) != THAW_OK) {
			fuzz_expect_message();
			continue;
		}
		digest ^= thaw_digest(t.data, (size_t)thaw_shape_count(&t.shape) * thaw_dtype_size(t.type), 0);
		thaw_onnx_tensor_free(&t);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char *const names[] = {"model.onnx", "data", "sub/data"};
	struct fuzz_part parts[3] = {0};
	struct thaw_onnx_file *f = NULL;
	fuzz_split(parts, 3, bytes, size);
	mkdir(fuzz_path("sub"), 0700);
	for (int i = 0; i < 3; i++)
		fuzz_put(names[i], parts[i].bytes, parts[i].size);
	if (thaw_onnx_file_open(&f, fuzz_path("model.onnx")) == THAW_OK)
		read_tensors(f);
	else
		fuzz_expect_message();
	thaw_onnx_file_close(f);
	fuzz_clear(names, 3);
	return 0;
}
