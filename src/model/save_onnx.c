/* Writes a model as an ONNX file, with variant, preprocessing, labels and source in its metadata; the file of a run
 * directory. */
#include <inttypes.h>

#include "src/base/path.h"
#include "src/model/metadata.h"
#include "src/onnx/export.h"

enum { VARIANT, PREPROCESS, SOURCE, LABELS, ENTRIES };

static thaw_status make_metadata(const struct thaw_model *m, struct thaw_pair *entry, int *count)
{
	static const char *const keys[ENTRIES] = {"thaw.variant", "thaw.preprocess", "thaw.source", "thaw.labels"};
	THAW_TRY(thaw_metadata_write_preprocess(&entry[PREPROCESS].value, &m->preprocess));
	entry[VARIANT].value = thaw_strdup(m->variant);
	entry[SOURCE].value = thaw_format("%s, digest %016" PRIx64, m->source, m->digest);
	if (m->labels)
		THAW_TRY(thaw_metadata_write_labels(&entry[LABELS].value, m->labels, m->classes));
	*count = m->labels ? ENTRIES : LABELS;
	for (int i = 0; i < *count; i++) {
		entry[i].key = (char *)keys[i];
		if (!entry[i].value)
			return THAW_RESOURCE;
	}
	return THAW_OK;
}

thaw_status thaw_model_save_onnx(const struct thaw_model *m, const char *path, bool fold)
{
	struct thaw_pair entry[ENTRIES] = {0};
	struct thaw_onnx_export_wish wish = {
		.height = m->preprocess.size, .width = m->preprocess.size, .fold = fold, .metadata = entry};
	thaw_status status = make_metadata(m, entry, &wish.metadata_count);
	if (status == THAW_OK)
		status = thaw_onnx_export(m->graph, &wish, path);
	for (int i = 0; i < ENTRIES; i++)
		thaw_free(entry[i].value);
	return status;
}

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
