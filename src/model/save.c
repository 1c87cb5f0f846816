/* Writes the model of a run directory, in the format it can be loaded from. */
#include "src/base/path.h"
#include "src/base/try.h"
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

/* Other programs, and Thaw itself, load the network without knowing of adapters. */
static thaw_status save_merged(const struct thaw_model *m, const char *directory)
{
	struct thaw_model copy = *m;
	copy.graph = thaw_graph_copy(m->graph);
	char *path = thaw_path_join(directory, thaw_model_file_name(m));
	thaw_status status = copy.graph && path ? thaw_graph_merge_adapters(copy.graph) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = save(&copy, path);
	thaw_graph_destroy(copy.graph);
	thaw_free(path);
	return status;
}

static thaw_status save_all(const struct thaw_model *m, const char *directory)
{
	if (thaw_graph_has_adapters(m->graph) && !m->imported)
		THAW_TRY(thaw_model_save_adapters(m, directory));
	return save_merged(m, directory);
}

/* In files the outputs are in the units of the data. */
thaw_status thaw_model_save_run(const struct thaw_model *m, const char *directory)
{
	struct thaw_model copy;
	if (!m->value_mean)
		return save_all(m, directory);
	THAW_TRY(thaw_model_copy_in_units(&copy, m));
	thaw_status status = save_all(&copy, directory);
	thaw_graph_destroy(copy.graph);
	return status;
}
