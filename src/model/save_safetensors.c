/* Writes a model as a safetensors file: tensors with the original names and in PyTorch's layout, so that
 * load_state_dict(strict=True) accepts it; variant, labels and preprocessing in the metadata. */
#include <string.h>

#include "src/base/try.h"
#include "src/model/metadata.h"
#include "src/model/model_internal.h"
#include "src/model/network_config.h"
#include "src/model/task.h"
#include "thaw/memory.h"

/* format, variant, options, config, preprocess, output, fully_conv, labels; task and thresholds */
#define MAX_METADATA (8 + THAW_TASK_PAIRS)

/* The state dict to write. */
struct export
{
	struct thaw_weights w;
	const struct thaw_param **from; /* [w.count] parameter with the tensor's values; NULL: batches_tracked */
	struct thaw_pair metadata[MAX_METADATA];
	bool half;
};

/* The count of batches that PyTorch stores with the moving statistics of a batch norm and only uses without momentum.
 */
static const int64_t batches_tracked = 0;

static void export_free(struct export *e)
{
	for (int i = 0; i < e->w.count; i++)
		thaw_free(e->w.tensors[i].name);
	thaw_free(e->w.tensors);
	thaw_free(e->from);
	for (int i = 0; i < e->w.metadata_count; i++)
		thaw_free(e->metadata[i].value);
}

/* Takes ownership of `name`, which may be NULL if its allocation failed. */
static thaw_status add_tensor(struct export *e, char *name, enum thaw_dtype dtype, struct thaw_shape shape,
			      const struct thaw_param *from)
{
	if (!name)
		return THAW_RESOURCE;
	e->from[e->w.count] = from;
	e->w.tensors[e->w.count++] = (struct thaw_named_tensor){.name = name, .dtype = dtype, .shape = shape};
	return THAW_OK;
}

static thaw_status add_batch_counter(struct export *e, const struct thaw_param *mean)
{
	static const char ending[] = "running_mean";
	const size_t n = strlen(mean->name);
	if (n < sizeof(ending) || strcmp(mean->name + n - (sizeof(ending) - 1), ending) != 0)
		return THAW_OK;
	char *name = thaw_format("%.*snum_batches_tracked", (int)(n - (sizeof(ending) - 1)), mean->name);
	return add_tensor(e, name, THAW_I64, (struct thaw_shape){.ndim = 0}, NULL);
}

static thaw_status add_tensors(struct export *e, const struct thaw_graph *g)
{
	e->w.tensors = thaw_alloc((size_t)g->param_count * 2, sizeof(*e->w.tensors));
	e->from = thaw_alloc((size_t)g->param_count * 2, sizeof(*e->from));
	if (!e->w.tensors || !e->from)
		return THAW_RESOURCE;
	for (int i = 0; i < g->param_count; i++) {
		const struct thaw_param *p = &g->params[i];
		if (p->computed)
			continue;
		THAW_TRY(add_tensor(e, thaw_strdup(p->name), e->half ? THAW_F16 : THAW_F32, p->file_shape, p));
		if (p->role == THAW_ROLE_MEAN)
			THAW_TRY(add_batch_counter(e, p));
	}
	return THAW_OK;
}

/* Takes ownership of `value`, which may be NULL if its allocation failed. */
static thaw_status add_metadata(struct export *e, char *key, char *value)
{
	if (!value)
		return THAW_RESOURCE;
	e->metadata[e->w.metadata_count++] = (struct thaw_pair){key, value};
	return THAW_OK;
}

static thaw_status make_metadata(struct export *e, const struct thaw_model *m)
{
	char *preprocess = NULL, *labels = NULL, *options = NULL, *config = NULL;
	e->w.metadata = e->metadata;
	THAW_TRY(add_metadata(e, "format", thaw_strdup("pt")));
	THAW_TRY(add_metadata(e, "thaw.variant", thaw_strdup(m->variant)));
	THAW_TRY(thaw_metadata_write_preprocess(&preprocess, &m->preprocess));
	THAW_TRY(add_metadata(e, "thaw.preprocess", preprocess));
	if (m->sigmoid_from)
		THAW_TRY(add_metadata(e, THAW_OUTPUT_KEY, thaw_strdup(THAW_OUTPUT_SIGMOID)));
	if (m->options) {
		THAW_TRY(thaw_metadata_write_object(&options, m->options));
		THAW_TRY(add_metadata(e, THAW_OPTIONS_KEY, options));
	}
	if (m->config) {
		THAW_TRY(thaw_metadata_write_object(&config, m->config));
		THAW_TRY(add_metadata(e, THAW_CONFIG_KEY, config));
	}
	if (m->fully_conv)
		THAW_TRY(add_metadata(e, THAW_FULLY_CONV_KEY, thaw_format("%d", m->fully_conv)));
	THAW_TRY(thaw_model_write_task(m, e->metadata, &e->w.metadata_count));
	if (!m->labels)
		return THAW_OK;
	THAW_TRY(thaw_metadata_write_labels(&labels, m->labels, m->classes));
	return add_metadata(e, "thaw.labels", labels);
}

/* Writes a chunk of a parameter in the file's layout and element type. */
static thaw_status write_chunk(const struct thaw_param *part, bool half, struct thaw_sink *sink)
{
	const size_t n = (size_t)thaw_shape_count(&part->shape);
	float *ordered = thaw_alloc(n, sizeof(*ordered));
	void *halves = half ? thaw_alloc(n, thaw_dtype_size(THAW_F16)) : NULL;
	thaw_status status = THAW_RESOURCE;
	if (ordered && (halves || !half)) {
		thaw_param_export(part, ordered);
		if (half)
			thaw_from_f32(THAW_F16, ordered, halves, (int64_t)n);
		status = sink->write(sink, half ? halves : ordered, n * thaw_dtype_size(half ? THAW_F16 : THAW_F32));
	}
	thaw_free(ordered);
	thaw_free(halves);
	return status;
}

static thaw_status write_content(const struct export *e, struct thaw_sink *sink)
{
	THAW_TRY(thaw_safetensors_write_header(&e->w, sink));
	for (int i = 0; i < e->w.count; i++) {
		struct thaw_param part;
		if (!e->from[i])
			THAW_TRY(sink->write(sink, &batches_tracked, sizeof(batches_tracked)));
		else
			for (int64_t at = 0; thaw_param_chunk(e->from[i], at, &part);
			     at += thaw_shape_count(&part.shape))
				THAW_TRY(write_chunk(&part, e->half, sink));
	}
	return THAW_OK;
}

static thaw_status write_file(const struct export *e, const char *path)
{
	struct thaw_file_writer *file = NULL;
	THAW_TRY(thaw_file_writer_open(&file, path));
	thaw_status status = write_content(e, thaw_file_writer_sink(file));
	if (status != THAW_OK) {
		thaw_file_writer_discard(file);
		return status;
	}
	return thaw_file_writer_commit(file);
}

thaw_status thaw_model_save(const struct thaw_model *model, const char *path, bool half)
{
	thaw_status status = THAW_OK;
	struct export e = {.half = half};
	THAW_TRY_OUT(add_tensors(&e, model->graph));
	THAW_TRY_OUT(make_metadata(&e, model));
	THAW_TRY_OUT(write_file(&e, path));
out:
	export_free(&e);
	return status;
}
