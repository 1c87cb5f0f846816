/* Loading a network: from a family's name, a file, a run directory, or the program itself. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/model/family.h"

#define FAMILY_LIST 512 /* bytes for the names of all variants in a message */
#define SHAPE_TEXT  96

void thaw_model_destroy(struct thaw_model *m)
{
	if (!m)
		return;
	thaw_graph_destroy(m->graph);
	thaw_labels_free(m->labels, m->classes);
	thaw_free(m->variant);
	thaw_free(m->source);
	thaw_free(m);
}

uint64_t thaw_model_digest_of(const struct thaw_graph *g)
{
	uint64_t digest = 0;
	for (int i = 0; i < g->param_count; i++) {
		const struct thaw_param *p = &g->params[i];
		digest = thaw_digest(p->data, (size_t)thaw_shape_count(&p->shape) * sizeof(*p->data), digest);
	}
	return digest;
}

/* The classifier's weight is (O,I), or (O,I,kh,kw), in files. */
int64_t thaw_model_classes_of(const struct thaw_graph *g)
{
	return g->params[g->nodes[g->head].params[0]].file_shape.dim[0];
}

/* A model with its graph, all weights still zero. `w` may be NULL. */
static thaw_status create(struct thaw_model **model, const struct thaw_family *family, const char *variant,
			  int64_t classes, const struct thaw_weights *w, const char *source)
{
	thaw_status status = THAW_OK;
	struct thaw_model *m = thaw_alloc(1, sizeof(*m));
	if (!m)
		return THAW_RESOURCE;
	m->variant = thaw_strdup(variant);
	m->source = thaw_strdup(source);
	m->graph = thaw_graph_create();
	if (!m->variant || !m->source || !m->graph) {
		status = THAW_RESOURCE;
		goto out;
	}
	THAW_TRY_OUT(family->build(m->graph, variant, classes > 0 ? classes : family->classes, w));
	family->preprocess(variant, &m->preprocess);
	m->preprocess_from = "the family";
	m->classes = thaw_model_classes_of(m->graph);
	*model = m;
	m = NULL;
out:
	thaw_model_destroy(m);
	return status;
}

static thaw_status random_weights(struct thaw_model **model, const struct thaw_family *family, const char *variant,
				  int64_t classes, uint64_t seed)
{
	struct thaw_model *m = NULL;
	THAW_TRY(create(&m, family, variant, classes, NULL, "random"));
	thaw_graph_init(m->graph, seed, 0, m->graph->param_count);
	m->digest = thaw_model_digest_of(m->graph);
	*model = m;
	return THAW_OK;
}

/* PyTorch counts the batches a batch norm has seen; nothing here depends on it. */
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
		char is[SHAPE_TEXT], wanted[SHAPE_TEXT];
		return thaw_fail(THAW_DATA, "%s: tensor %s is %s, %s wants %s", source, t->name,
				 thaw_shape_text(&t->shape, is, sizeof(is)), variant,
				 thaw_shape_text(&p->file_shape, wanted, sizeof(wanted)));
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

/* Fills every parameter from the tensor of its name and holds that no tensor is left over. */
static thaw_status fill(struct thaw_graph *g, const struct thaw_weights *w, const char *variant, const char *source)
{
	for (int i = 0; i < g->param_count; i++) {
		const struct thaw_named_tensor *t = thaw_weights_find(w, g->params[i].name);
		if (!t)
			return thaw_fail(THAW_DATA, "%s: tensor %s is missing: %s has it", source, g->params[i].name,
					 variant);
		THAW_TRY(fill_param(&g->params[i], t, variant, source));
		thaw_weights_release_tensor(w, (int)(t - w->tensors));
	}
	for (int i = 0; i < w->count; i++)
		if (!is_batch_counter(w->tensors[i].name) && thaw_graph_find_param(g, w->tensors[i].name) < 0)
			return thaw_fail(THAW_DATA, "%s: tensor %s has no place in %s", source, w->tensors[i].name,
					 variant);
	return THAW_OK;
}

/* The family a file belongs to: by what the caller says, by its metadata, by its tensors. */
static thaw_status family_of(const struct thaw_family **family, const char **variant, const struct thaw_weights *w,
			     const char *wanted, const char *source)
{
	char list[FAMILY_LIST];
	const char *named = wanted ? wanted : thaw_weights_get(w, "thaw.variant");
	*family = named ? thaw_family_find(named, variant) : thaw_family_recognise(w, variant);
	if (*family)
		return THAW_OK;
	if (named)
		return thaw_fail(THAW_CONFIG, "no network is called %.64s: %s: known are %s", named, source,
				 thaw_family_list(list, sizeof(list)));
	return thaw_fail(THAW_DATA,
			 "the names of its tensors belong to no known network: %s: give FAMILY:FILE with one of %s",
			 source, thaw_family_list(list, sizeof(list)));
}

static thaw_status read_metadata(struct thaw_model *m, const struct thaw_weights *w)
{
	const char *labels = thaw_weights_get(w, "thaw.labels");
	const char *preprocess = thaw_weights_get(w, "thaw.preprocess");
	if (labels)
		THAW_TRY(thaw_metadata_read_labels(&m->labels, m->classes, labels));
	if (!preprocess)
		return THAW_OK;
	m->preprocess_from = "the model's metadata";
	return thaw_metadata_read_preprocess(&m->preprocess, preprocess);
}

thaw_status thaw_model_from_weights(struct thaw_model **model, const struct thaw_weights *w, const char *wanted,
				    const char *source)
{
	const struct thaw_family *family = NULL;
	const char *variant = NULL;
	struct thaw_model *m = NULL;
	THAW_TRY(family_of(&family, &variant, w, wanted, source));
	THAW_TRY(create(&m, family, variant, 0, w, source));
	thaw_status status = fill(m->graph, w, variant, source);
	if (status == THAW_OK && (status = read_metadata(m, w)) != THAW_OK)
		status = thaw_fail_in(status, "%s", source);
	if (status != THAW_OK) {
		thaw_model_destroy(m);
		return status;
	}
	m->pretrained = true;
	m->digest = thaw_model_digest_of(m->graph);
	*model = m;
	return THAW_OK;
}

static thaw_status load_file(struct thaw_model **model, const char *path, const char *variant)
{
	struct thaw_weights w = {0};
	if (thaw_model_is_onnx(path))
		return thaw_model_load_onnx(model, path);
	THAW_TRY(thaw_weights_read(&w, path));
	thaw_status status = thaw_model_from_weights(model, &w, variant, path);
	thaw_weights_free(&w);
	return status;
}

static thaw_status load_run(struct thaw_model **model, const char *directory)
{
	char *path = thaw_format("%s/%s", directory, THAW_RUN_ONNX);
	if (path && access(path, F_OK) != 0) {
		thaw_free(path);
		path = thaw_format("%s/%s", directory, THAW_RUN_SAFETENSORS);
	}
	if (!path)
		return THAW_RESOURCE;
	thaw_status status =
		access(path, F_OK) == 0 || errno != ENOENT
			? load_file(model, path, NULL)
			: thaw_fail(THAW_IO,
				    "no trained network in it: %s: a run directory has one when the run is done",
				    directory);
	thaw_free(path);
	return status;
}

static thaw_status load_builtin(struct thaw_model **model)
{
	const void *bytes = NULL;
	size_t size = 0;
	struct thaw_weights w = {0};
	THAW_TRY(thaw_builtin_bytes(&bytes, &size));
	THAW_TRY(thaw_weights_parse(&w, bytes, size, "builtin"));
	thaw_status status = thaw_model_from_weights(model, &w, NULL, "builtin");
	thaw_weights_free(&w);
	return status;
}

/* FAMILY:FILE, if what stands before the first colon is a variant; otherwise *file is NULL. */
static thaw_status split(const char *spec, const char **variant, const char **file)
{
	const char *colon = strchr(spec, ':');
	*file = NULL;
	if (!colon)
		return THAW_OK;
	char *name = thaw_format("%.*s", (int)(colon - spec), spec);
	if (!name)
		return THAW_RESOURCE;
	if (thaw_family_find(name, variant))
		*file = colon + 1;
	thaw_free(name);
	return THAW_OK;
}

thaw_status thaw_model_load(struct thaw_model **model, const char *spec, int64_t classes, uint64_t seed)
{
	const char *variant = NULL, *file = NULL;
	if (strcmp(spec, "builtin") == 0)
		return load_builtin(model);
	const struct thaw_family *family = thaw_family_find(spec, &variant);
	if (family)
		return random_weights(model, family, variant, classes, seed);
	THAW_TRY(split(spec, &variant, &file));
	if (file)
		return load_file(model, file, variant);
	if (thaw_path_is_directory(spec))
		return load_run(model, spec);
	if (access(spec, F_OK) != 0 && errno == ENOENT) {
		char list[FAMILY_LIST];
		return thaw_fail(
			THAW_IO,
			"no such file or network: %s: give a model file, a run directory, builtin or one of %s", spec,
			thaw_family_list(list, sizeof(list)));
	}
	return load_file(model, spec, NULL);
}

static bool same_labels(const struct thaw_model *m, int64_t classes, char *const *labels)
{
	if (m->classes != classes || !m->labels)
		return false;
	for (int64_t i = 0; i < classes; i++)
		if (strcmp(m->labels[i], labels[i]) != 0)
			return false;
	return true;
}

thaw_status thaw_model_set_classes(struct thaw_model *m, int64_t classes, char *const *labels, uint64_t seed)
{
	if (same_labels(m, classes, labels))
		return THAW_OK;
	char **copy = thaw_labels_copy(labels, classes);
	if (!copy)
		return THAW_RESOURCE;
	thaw_status status = thaw_graph_replace_head(m->graph, classes, seed);
	if (status != THAW_OK) {
		thaw_labels_free(copy, classes);
		return status;
	}
	thaw_labels_free(m->labels, m->classes);
	m->labels = copy;
	m->classes = classes;
	return THAW_OK;
}

thaw_status thaw_model_set_size(struct thaw_model *m, int size)
{
	if (size == 0 || size == m->preprocess.size)
		return THAW_OK;
	THAW_TRY(thaw_graph_resize(m->graph, m->preprocess.size, size));
	m->preprocess = thaw_preprocess_at(&m->preprocess, size);
	return THAW_OK;
}
