/* Loads a model from a state dict: finds the family by the tensors, builds the graph and copies the weights. */
#include <string.h>

#include "src/base/try.h"
#include "src/model/metadata.h"
#include "src/model/model_internal.h"
#include "thaw/memory.h"

/* PyTorch counts the batches a batch norm has seen; Thaw does not use the count. */
static bool is_batch_counter(const char *name)
{
	static const char ending[] = ".num_batches_tracked";
	size_t n = strlen(name);
	return n >= sizeof(ending) && strcmp(name + n - (sizeof(ending) - 1), ending) == 0;
}

static thaw_status fill_param(struct thaw_param *p, const struct thaw_named_tensor *t, const char *variant,
			      const char *source)
{
	if (!thaw_shape_equal(&t->shape, &p->file_shape)) {
		char found[THAW_SHAPE_TEXT], expected[THAW_SHAPE_TEXT];
		return thaw_fail(THAW_DATA,
				 "tensor %s is %s, but %s needs %s: %s: use FAMILY:FILE to choose another family",
				 t->name, thaw_shape_text(&t->shape, found, sizeof(found)), variant,
				 thaw_shape_text(&p->file_shape, expected, sizeof(expected)), source);
	}
	struct thaw_param part;
	for (int64_t at = 0, n; thaw_param_chunk(p, at, &part); at += n) {
		n = thaw_shape_count(&part.shape);
		float *values = thaw_alloc((size_t)n, sizeof(*values));
		if (!values)
			return THAW_RESOURCE;
		thaw_to_f32(t->dtype, (const char *)t->data + (size_t)at * thaw_dtype_size(t->dtype), values, n);
		thaw_param_import(&part, values);
		thaw_free(values);
	}
	return THAW_OK;
}

/* Copies every parameter from the tensor of the same name, and checks that every tensor belongs to a parameter. */
static thaw_status fill_params(struct thaw_graph *g, const struct thaw_weights *w, const char *variant,
			       const char *source)
{
	for (int i = 0; i < g->param_count; i++) {
		const struct thaw_named_tensor *t = thaw_weights_find(w, g->params[i].name);
		if (!t)
			return thaw_fail(THAW_DATA,
					 "tensor %s of %s is missing: %s: use FAMILY:FILE to choose another family",
					 g->params[i].name, variant, source);
		THAW_TRY(fill_param(&g->params[i], t, variant, source));
		thaw_weights_release_tensor(w, (int)(t - w->tensors));
	}
	for (int i = 0; i < w->count; i++)
		if (!is_batch_counter(w->tensors[i].name) && thaw_graph_find_param(g, w->tensors[i].name) < 0)
			return thaw_fail(THAW_DATA,
					 "tensor %s is not part of %s: %s: use FAMILY:FILE to choose another family",
					 w->tensors[i].name, variant, source);
	return THAW_OK;
}

/* Finds the family of a state dict: by the caller's variant, by the metadata, or by the tensors. */
static thaw_status find_family(const struct thaw_family **family, const char **variant, const struct thaw_weights *w,
			       const char *requested, const char *source)
{
	char list[THAW_FAMILY_LIST];
	const char *name = requested ? requested : thaw_weights_get(w, "thaw.variant");
	*family = name ? thaw_family_find(name, variant) : thaw_family_recognise(w, variant);
	if (*family)
		return THAW_OK;
	if (name)
		return thaw_fail(THAW_CONFIG, "unknown network %.64s: %s: known are %s", name, source,
				 thaw_family_list(list, sizeof(list)));
	return thaw_fail(THAW_DATA, "its tensors match no known network: %s: give FAMILY:FILE with one of %s", source,
			 thaw_family_list(list, sizeof(list)));
}

static thaw_status read_metadata(struct thaw_model *m, const struct thaw_weights *w, const char *source)
{
	const char *labels = thaw_weights_get(w, "thaw.labels");
	const char *preprocess = thaw_weights_get(w, "thaw.preprocess");
	if (labels)
		THAW_TRY(thaw_metadata_read_labels(&m->labels, m->classes, labels, source));
	if (!preprocess)
		return THAW_OK;
	m->preprocess_from = "the model's metadata";
	return thaw_metadata_read_preprocess(&m->preprocess, preprocess, source);
}

thaw_status thaw_model_from_weights(struct thaw_model **model, const struct thaw_weights *w, const char *requested,
				    const char *source)
{
	const struct thaw_family *family = NULL;
	const char *variant = NULL;
	struct thaw_model *m = NULL;
	THAW_TRY(find_family(&family, &variant, w, requested, source));
	THAW_TRY(thaw_model_create(&m, family, variant, 0, w, source));
	thaw_status status = fill_params(m->graph, w, variant, source);
	if (status == THAW_OK)
		status = read_metadata(m, w, source);
	if (status != THAW_OK) {
		thaw_model_destroy(m);
		return status;
	}
	m->pretrained = true;
	m->digest = thaw_model_weights_digest(m->graph);
	*model = m;
	return THAW_OK;
}
