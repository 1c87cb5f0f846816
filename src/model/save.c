/* Writes the model of a run directory, in the format it can be loaded from. */
#include "src/base/path.h"
#include "src/model/model_internal.h"
#include "thaw/memory.h"
#include "thaw/model.h"

const char *thaw_model_file_name(const struct thaw_model *m)
{
	return m->imported ? THAW_RUN_ONNX : THAW_RUN_SAFETENSORS;
}

static thaw_status save(const struct thaw_model *m, const char *path)
{
	return m->imported ? thaw_model_save_onnx(m, path, false) : thaw_model_save(m, path, false);
}

/* In a file the outputs are in the units of the data. */
static thaw_status save_in_units(const struct thaw_model *m, const char *path)
{
	struct thaw_model copy;
	if (!m->value_mean)
		return save(m, path);
	thaw_status status = thaw_model_copy_in_units(&copy, m);
	if (status == THAW_OK) {
		status = save(&copy, path);
		thaw_graph_destroy(copy.graph);
	}
	return status;
}

thaw_status thaw_model_save_run(const struct thaw_model *m, const char *directory)
{
	char *path = thaw_path_join(directory, thaw_model_file_name(m));
	if (!path)
		return THAW_RESOURCE;
	thaw_status status = save_in_units(m, path);
	thaw_free(path);
	return status;
}
