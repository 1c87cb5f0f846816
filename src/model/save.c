/* Writes the model of a run directory, in the format it can be loaded from. */
#include "src/base/path.h"
#include "thaw/memory.h"
#include "thaw/model.h"

const char *thaw_model_file_name(const struct thaw_model *m)
{
	return m->imported ? THAW_RUN_ONNX : THAW_RUN_SAFETENSORS;
}

thaw_status thaw_model_save_run(const struct thaw_model *m, const char *directory)
{
	char *path = thaw_path_join(directory, thaw_model_file_name(m));
	if (!path)
		return THAW_RESOURCE;
	thaw_status status = m->imported ? thaw_model_save_onnx(m, path, false) : thaw_model_save(m, path, false);
	thaw_free(path);
	return status;
}
