/* Writing a network as a safetensors file: tensors in PyTorch's order and under the names they came with, so
 * that load_state_dict(strict=True) takes it; variant, labels and preprocessing in the metadata. */
#include <string.h>

#include "src/model/family.h"

#define METADATA 4 /* entries at most: format, variant, preprocess, labels */

/* The state dict under construction. The weights' tensors point into memory of its own. */
struct export
{
	struct thaw_weights w;
	void **owned; /* values and names that were made for the file: at most two a parameter */
	int owned_count;
	struct thaw_pair metadata[METADATA];
	bool half;
};

/* Batches seen by a batch norm, which PyTorch keeps beside the moving statistics and only reads when they have no
 * momentum. */
static const int64_t batches_tracked = 0;

static void release(struct export *e)
{
	for (int i = 0; i < e->owned_count; i++)
		thaw_free(e->owned[i]);
	thaw_free(e->owned);
	thaw_free(e->w.tensors);
	for (int i = 0; i < e->w.metadata_count; i++)
		thaw_free(e->metadata[i].value);
}

/* Keeps memory until `release`; false for NULL. */
static bool own(struct export *e, void *memory)
{
	if (memory)
		e->owned[e->owned_count++] = memory;
	return memory;
}

/* The parameter's values in the file's order and type. */
static thaw_status export_values(struct export *e, const struct thaw_param *p, const void **data)
{
	const int64_t n = thaw_shape_count(&p->shape);
	const float *values = p->data;
	float *ordered = NULL;
	if (p->layout != THAW_LAYOUT_SAME) {
		values = ordered = thaw_alloc((size_t)n, sizeof *ordered);
		if (!ordered)
			return THAW_RESOURCE;
		thaw_param_export(p, ordered);
	}
	if (e->half) {
		void *half = thaw_alloc((size_t)n, thaw_dtype_size(THAW_F16));
		if (half)
			thaw_from_f32(THAW_F16, values, half, n);
		thaw_free(ordered);
		*data = half;
		return own(e, half) ? THAW_OK : THAW_RESOURCE;
	}
	if (ordered)
		own(e, ordered);
	*data = values;
	return THAW_OK;
}

static thaw_status add_batch_counter(struct export *e, const struct thaw_param *mean)
{
	static const char ending[] = "running_mean";
	const size_t n = strlen(mean->name);
	if (n < sizeof ending || strcmp(mean->name + n - (sizeof ending - 1), ending) != 0)
		return THAW_OK;
	char *name = thaw_format("%.*snum_batches_tracked", (int)(n - (sizeof ending - 1)), mean->name);
	if (!own(e, name))
		return THAW_RESOURCE;
	e->w.tensors[e->w.count++] = (struct thaw_named_tensor){
		.name = name, .dtype = THAW_I64, .shape = {.rank = 0}, .data = &batches_tracked};
	return THAW_OK;
}

static thaw_status add_tensors(struct export *e, const struct thaw_graph *g)
{
	e->w.tensors = thaw_alloc((size_t)g->param_count * 2, sizeof *e->w.tensors);
	e->owned = thaw_alloc((size_t)g->param_count * 2, sizeof *e->owned);
	if (!e->w.tensors || !e->owned)
		return THAW_RESOURCE;
	for (int i = 0; i < g->param_count; i++) {
		const struct thaw_param *p = &g->params[i];
		const void *data = NULL;
		THAW_TRY(export_values(e, p, &data));
		e->w.tensors[e->w.count++] = (struct thaw_named_tensor){
			.name = p->name, .dtype = e->half ? THAW_F16 : THAW_F32, .shape = p->file_shape, .data = data};
		if (p->role == THAW_ROLE_MEAN)
			THAW_TRY(add_batch_counter(e, p));
	}
	return THAW_OK;
}

/* Takes the value, which is from thaw_alloc. */
static thaw_status add_metadata(struct export *e, char *key, char *value)
{
	if (!value)
		return THAW_RESOURCE;
	e->metadata[e->w.metadata_count++] = (struct thaw_pair){key, value};
	return THAW_OK;
}

static thaw_status describe(struct export *e, const struct thaw_model *m)
{
	char *preprocess = NULL, *labels = NULL;
	e->w.metadata = e->metadata;
	THAW_TRY(add_metadata(e, "format", thaw_strdup("pt")));
	THAW_TRY(add_metadata(e, "thaw.variant", thaw_strdup(m->variant)));
	THAW_TRY(thaw_metadata_write_preprocess(&preprocess, &m->preprocess));
	THAW_TRY(add_metadata(e, "thaw.preprocess", preprocess));
	if (!m->labels)
		return THAW_OK;
	THAW_TRY(thaw_metadata_write_labels(&labels, m->labels, m->classes));
	return add_metadata(e, "thaw.labels", labels);
}

static thaw_status write_file(const struct thaw_weights *w, const char *path)
{
	struct thaw_file_writer *file = NULL;
	THAW_TRY(thaw_file_open(&file, path));
	thaw_status status = thaw_safetensors_write(w, thaw_file_sink(file));
	if (status != THAW_OK) {
		thaw_file_discard(file);
		return status;
	}
	return thaw_file_commit(file);
}

thaw_status thaw_model_save(const struct thaw_model *model, const char *path, bool half)
{
	thaw_status status = THAW_OK;
	struct export e = {.half = half};
	THAW_TRY_OUT(add_tensors(&e, model->graph));
	THAW_TRY_OUT(describe(&e, model));
	THAW_TRY_OUT(write_file(&e.w, path));
out:
	release(&e);
	return status;
}
