/* Loads a model from an ONNX file; the preprocessing is taken from its metadata or from a config.json next to it. */
#include <string.h>

#include "src/base/try.h"
#include "src/model/families/layers.h"
#include "src/model/input_scale.h"
#include "src/model/metadata.h"
#include "src/model/model_internal.h"
#include "src/model/preprocess_config.h"
#include "src/model/task.h"
#include "src/onnx/import/import.h"
#include "thaw/memory.h"

/* The value of a metadata entry, or NULL. */
static const char *find_metadata(const struct thaw_onnx_file *f, const char *key)
{
	for (size_t i = 0; i < f->model->n_metadata_props; i++) {
		const Onnx__StringStringEntryProto *e = f->model->metadata_props[i];
		if (e->key && e->value && strcmp(e->key, key) == 0)
			return e->value;
	}
	return NULL;
}

static thaw_status read_preprocess(struct thaw_model *m, const struct thaw_onnx_file *f)
{
	const char *text = find_metadata(f, "thaw.preprocess"), *from = NULL;
	if (text) {
		m->preprocess_from = "the model's metadata";
		m->preprocess_recorded = true;
		return thaw_metadata_read_preprocess(&m->preprocess, text, f->path);
	}
	thaw_preprocess_imagenet(&m->preprocess);
	THAW_TRY(thaw_preprocess_config_read(&m->preprocess, &from, f->path));
	m->preprocess_from = from ? from : "a guess, as usual for ImageNet";
	return THAW_OK;
}

/* A network that normalises its input gets unnormalised values, unless it was trained here: its metadata say all. */
static thaw_status apply_input_scale(struct thaw_model *m, const struct thaw_onnx_file *f, bool bytes)
{
	if (find_metadata(f, "thaw.preprocess") || !thaw_input_scale_apply(&m->preprocess, m->graph, bytes))
		return THAW_OK;
	m->value_from[THAW_VALUE_MEAN] = m->value_from[THAW_VALUE_STD] = THAW_FROM_NETWORK;
	return thaw_model_add_note(m, m->preprocess.std[0] < 1.0f
					      ? "the network normalises its input: it is given values 0 to 255"
					      : "the network normalises its input: it is given values 0 to 1");
}

/* An input size that is fixed in the network overrides that of the preprocessing. */
static thaw_status apply_fixed_size(struct thaw_model *m, const struct thaw_onnx_file *f,
				    const struct thaw_shape *image)
{
	int64_t height = image->dim[1], width = image->dim[2];
	if (height > THAW_MAX_SIDE || width > THAW_MAX_SIDE)
		return thaw_fail(THAW_CONFIG, "input size of %lld x %lld: %s: sides of up to %d are supported",
				 (long long)height, (long long)width, f->path, THAW_MAX_SIDE);
	const struct thaw_size size = {(int)height, (int)width};
	if (!thaw_size_equal(m->preprocess.size, size)) {
		m->preprocess = thaw_preprocess_at(&m->preprocess, size);
		m->value_from[THAW_VALUE_SIZE] = THAW_FROM_NETWORK;
	}
	return THAW_OK;
}

/* The name in the metadata; otherwise the file name without folder and extension. */
static char *make_name(const struct thaw_onnx_file *f)
{
	const char *text = find_metadata(f, "thaw.variant"), *slash = strrchr(f->path, '/');
	if (text)
		return thaw_strdup(text);
	const char *name = slash ? slash + 1 : f->path, *dot = strrchr(name, '.');
	return thaw_format("%.*s", dot ? (int)(dot - name) : (int)strlen(name), name);
}

static thaw_status import_model(struct thaw_model *m, const struct thaw_onnx_file *f, const char *output)
{
	struct thaw_onnx_network network;
	struct thaw_onnx_import_options options = {.output = output, .scores = find_metadata(f, "thaw.variant")};
	const char *labels = find_metadata(f, "thaw.labels");
	THAW_TRY(read_preprocess(m, f));
	options.height = m->preprocess.size.height;
	options.width = m->preprocess.size.width;
	THAW_TRY(thaw_onnx_import(&network, f, &options));
	m->graph = network.graph;
	m->imported = true;
	m->features_only = network.features;
	m->pretrained = true;
	m->variant = make_name(f);
	m->source = thaw_strdup(f->path);
	m->notes = network.notes[0] ? thaw_strdup(network.notes) : NULL;
	if (!m->variant || !m->source || (network.notes[0] && !m->notes))
		return THAW_RESOURCE;
	THAW_TRY(apply_input_scale(m, f, network.bytes));
	THAW_TRY(apply_fixed_size(m, f, &network.image));
	m->classes = thaw_model_output_count(m->graph);
	THAW_TRY(thaw_model_read_task(m, find_metadata(f, THAW_TASK_KEY), find_metadata(f, THAW_THRESHOLDS_KEY),
				      f->path));
	if (labels)
		THAW_TRY(thaw_metadata_read_labels(&m->labels, m->classes, labels, f->path));
	THAW_TRY(thaw_model_read_output(m, find_metadata(f, THAW_OUTPUT_KEY), f->path));
	if (network.sigmoid)
		m->sigmoid_from = "the network ends in a sigmoid";
	if (!find_metadata(f, "thaw.variant"))
		THAW_TRY(thaw_model_read_problem_type(m, f->path));
	m->digest = thaw_model_weights_digest(m->graph);
	return thaw_model_check_finite(m->graph, f->path);
}

thaw_status thaw_model_load_onnx(struct thaw_model **model, const char *path, const char *output)
{
	struct thaw_onnx_file *file = NULL;
	THAW_TRY(thaw_onnx_file_open(&file, path));
	struct thaw_model *m = thaw_alloc(1, sizeof(*m));
	thaw_status status = m ? import_model(m, file, output) : THAW_RESOURCE;
	thaw_onnx_file_close(file);
	if (status != THAW_OK) {
		thaw_model_destroy(m);
		return status;
	}
	*model = m;
	return THAW_OK;
}
