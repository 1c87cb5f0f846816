/* A model from an ONNX file: its graph, and what its metadata or a config.json beside it says of its input. */
#include <string.h>

#include "src/model/config_json.h"
#include "src/model/family.h"
#include "src/onnx/import/import.h"

#define DEFAULT_SIZE 224 /* of images where nobody says it: ImageNet's */
#define RESIZE_OF    256 /* that an image of this size is cropped from, by torchvision's custom */

/* The model's own entry of that name, or NULL. */
static const char *metadata(const struct thaw_onnx_file *f, const char *key)
{
	for (size_t i = 0; i < f->model->n_metadata_props; i++) {
		const Onnx__StringStringEntryProto *e = f->model->metadata_props[i];
		if (e->key && e->value && strcmp(e->key, key) == 0)
			return e->value;
	}
	return NULL;
}

/* What networks trained on ImageNet usually want. */
static struct thaw_preprocess usual_preprocess(void)
{
	return (struct thaw_preprocess){
		.size = DEFAULT_SIZE,
		.resize = RESIZE_OF,
		.filter = THAW_BILINEAR,
		.mean = {0.485f, 0.456f, 0.406f},
		.std = {0.229f, 0.224f, 0.225f},
	};
}

static thaw_status read_preprocess(struct thaw_model *m, const struct thaw_onnx_file *f)
{
	const char *text = metadata(f, "thaw.preprocess"), *from = NULL;
	if (text) {
		m->preprocess_from = "the model's metadata";
		return thaw_metadata_read_preprocess(&m->preprocess, text);
	}
	m->preprocess = usual_preprocess();
	THAW_TRY(thaw_config_json_read(&m->preprocess, &from, f->path));
	m->preprocess_from = from ? from : "a guess, ImageNet's custom";
	return THAW_OK;
}

/* A size that is written into the network counts more than what is said beside it. */
static thaw_status take_size(struct thaw_model *m, const struct thaw_onnx_file *f, const struct thaw_shape *image)
{
	int64_t height = image->dim[1], width = image->dim[2];
	if (height != width || height > THAW_MAX_SIDE)
		return thaw_fail(THAW_CONFIG, "%s: it wants images of %lld x %lld: square ones up to %d are supported",
				 f->path, (long long)height, (long long)width, THAW_MAX_SIDE);
	if (m->preprocess.size != (int)height)
		m->preprocess = thaw_preprocess_at(&m->preprocess, (int)height);
	return THAW_OK;
}

/* "models/vit_tiny.onnx" is called vit_tiny, unless its metadata names it. */
static char *name_of(const struct thaw_onnx_file *f)
{
	const char *text = metadata(f, "thaw.variant"), *slash = strrchr(f->path, '/');
	if (text)
		return thaw_strdup(text);
	const char *name = slash ? slash + 1 : f->path, *dot = strrchr(name, '.');
	return thaw_format("%.*s", dot ? (int)(dot - name) : (int)strlen(name), name);
}

static thaw_status fill(struct thaw_model *m, const struct thaw_onnx_file *f)
{
	struct thaw_onnx_network network;
	struct thaw_onnx_import_options options = {0};
	const char *labels = metadata(f, "thaw.labels");
	THAW_TRY(read_preprocess(m, f));
	options.size = m->preprocess.size;
	THAW_TRY(thaw_onnx_import(&network, f, &options));
	m->graph = network.graph;
	m->imported = true;
	m->features_only = network.features;
	m->pretrained = true;
	m->variant = name_of(f);
	m->source = thaw_strdup(f->path);
	if (!m->variant || !m->source)
		return THAW_RESOURCE;
	THAW_TRY(take_size(m, f, &network.image));
	m->classes = thaw_model_classes_of(m->graph);
	if (labels)
		THAW_TRY(thaw_metadata_read_labels(&m->labels, m->classes, labels));
	m->digest = thaw_model_digest_of(m->graph);
	return THAW_OK;
}

bool thaw_model_is_onnx(const char *path)
{
	static const char ending[] = ".onnx";
	size_t n = strlen(path), e = sizeof(ending) - 1;
	return n >= e && strcmp(path + n - e, ending) == 0;
}

thaw_status thaw_model_load_onnx(struct thaw_model **model, const char *path)
{
	struct thaw_onnx_file *file = NULL;
	THAW_TRY(thaw_onnx_file_open(&file, path));
	struct thaw_model *m = thaw_alloc(1, sizeof(*m));
	thaw_status status = m ? fill(m, file) : THAW_RESOURCE;
	thaw_onnx_file_close(file);
	if (status != THAW_OK) {
		thaw_model_destroy(m);
		return status;
	}
	*model = m;
	return THAW_OK;
}
