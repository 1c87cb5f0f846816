/* Writes a model as an ONNX file, with variant, preprocessing, labels and source in its metadata. */
#include <inttypes.h>

#include "src/base/try.h"
#include "src/model/task.h"
#include "src/onnx/export/export.h"
#include "thaw/memory.h"

enum { VARIANT, PREPROCESS, SOURCE, REQUIRED, ENTRIES = REQUIRED + 2 + THAW_TASK_PAIRS };

static thaw_status make_metadata(const struct thaw_model *m, struct thaw_pair *entry, int *count)
{
	entry[VARIANT] = (struct thaw_pair){"thaw.variant", thaw_strdup(m->variant)};
	entry[PREPROCESS].key = "thaw.preprocess";
	entry[SOURCE] = (struct thaw_pair){"thaw.source", thaw_format("%s, digest %016" PRIx64, m->source, m->digest)};
	if (!entry[VARIANT].value || !entry[SOURCE].value)
		return THAW_RESOURCE;
	THAW_TRY(thaw_metadata_write_preprocess(&entry[PREPROCESS].value, &m->preprocess));
	*count = REQUIRED;
	if (m->sigmoid_from) {
		entry[*count] = (struct thaw_pair){THAW_OUTPUT_KEY, thaw_strdup(THAW_OUTPUT_SIGMOID)};
		if (!entry[(*count)++].value)
			return THAW_RESOURCE;
	}
	THAW_TRY(thaw_model_write_task(m, entry, count));
	if (!m->labels)
		return THAW_OK;
	entry[*count].key = "thaw.labels";
	return thaw_metadata_write_labels(&entry[(*count)++].value, m->labels, m->classes);
}

static thaw_status save(const struct thaw_model *m, const char *path, bool fold, bool grid)
{
	struct thaw_pair entry[ENTRIES] = {0};
	struct thaw_onnx_export_options options = {.height = m->preprocess.size.height,
						   .width = m->preprocess.size.width,
						   .fold = fold,
						   .grid = grid,
						   .metadata = entry};
	thaw_status status = make_metadata(m, entry, &options.metadata_count);
	if (status == THAW_OK)
		status = thaw_onnx_export(m->graph, &options, path);
	for (int i = 0; i < ENTRIES; i++)
		thaw_free(entry[i].value);
	return status;
}

thaw_status thaw_model_save_onnx(const struct thaw_model *m, const char *path, bool fold)
{
	return save(m, path, fold, false);
}

thaw_status thaw_model_save_onnx_grid(const struct thaw_model *m, const char *path, bool fold)
{
	return save(m, path, fold, true);
}
