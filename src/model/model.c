/* A model: creating and destroying it, and changing its classes and input size. */
#include <string.h>

#include "src/base/try.h"
#include "src/model/metadata.h"
#include "src/model/model_internal.h"
#include "src/model/task.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

void thaw_model_destroy(struct thaw_model *m)
{
	if (!m)
		return;
	thaw_graph_destroy(m->graph);
	thaw_labels_free(m->labels, m->classes);
	json_decref(m->options);
	json_decref(m->config);
	thaw_free(m->variant);
	thaw_free(m->source);
	thaw_free(m->notes);
	thaw_free(m->thresholds);
	thaw_free(m->value_mean);
	thaw_free(m->value_deviation);
	thaw_free(m);
}

uint64_t thaw_model_weights_digest(const struct thaw_graph *g)
{
	uint64_t digest = 0;
	for (int i = 0; i < g->param_count; i++) {
		const struct thaw_param *p = &g->params[i];
		digest = thaw_digest(p->data, (size_t)thaw_shape_count(&p->shape) * sizeof(*p->data), digest);
	}
	return digest;
}

/* In files the classifier's weight is (O,I) or (O,I,kh,kw). */
int64_t thaw_model_output_count(const struct thaw_graph *g)
{
	return g->params[g->nodes[g->head].params[0]].file_shape.dim[0];
}

thaw_status thaw_model_create(struct thaw_model **model, const struct thaw_family *family, const char *variant,
			      int64_t classes, const struct thaw_weights *w, json_t *options, const char *source)
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
	const struct thaw_architecture a = {
		.variant = variant,
		.classes = classes > 0 ? classes : family->classes,
		.w = w,
		.options = options,
	};
	m->options = json_incref(options);
	THAW_TRY_OUT(family->build(m->graph, &a));
	family->preprocess(&a, &m->preprocess);
	m->preprocess_from = "the family";
	m->classes = thaw_model_output_count(m->graph);
	*model = m;
	m = NULL;
out:
	thaw_model_destroy(m);
	return status;
}

thaw_status thaw_model_check_classifier(const struct thaw_model *m)
{
	if (!m->features_only)
		return THAW_OK;
	return thaw_fail(THAW_DATA, "the network cannot classify yet: %s: %s: train it first with thaw train",
			 m->source, m->notes ? m->notes : "it has no classifier");
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

/* Whether the outputs are of this task; labels may be those of a network that says only that they are independent. */
static bool same_task(const struct thaw_model *m, enum thaw_task task)
{
	return m->task == task || (m->task == THAW_TASK_CLASS && m->sigmoid_from && task == THAW_TASK_LABELS);
}

thaw_status thaw_model_set_task(struct thaw_model *m, enum thaw_task task, int64_t classes, char *const *labels,
				uint64_t seed, bool *replaced)
{
	*replaced = !same_labels(m, classes, labels) || !same_task(m, task);
	if (!*replaced) {
		m->task = task;
		return THAW_OK;
	}
	char **copy = thaw_labels_copy(labels, classes);
	if (!copy)
		return THAW_RESOURCE;
	thaw_status status = thaw_graph_replace_head(m->graph, classes - (task == THAW_TASK_GRADE), seed);
	if (status != THAW_OK) {
		thaw_labels_free(copy, classes);
		return status;
	}
	thaw_labels_free(m->labels, m->classes);
	thaw_free(m->thresholds);
	m->thresholds = NULL;
	m->sigmoid_from = thaw_task_sigmoid(task);
	m->task = task;
	m->labels = copy;
	m->classes = classes;
	return THAW_OK;
}

thaw_status thaw_model_set_classes(struct thaw_model *m, int64_t classes, char *const *labels, uint64_t seed)
{
	bool replaced;
	return thaw_model_set_task(m, THAW_TASK_CLASS, classes, labels, seed, &replaced);
}

static struct thaw_shape image_of(struct thaw_size size)
{
	return thaw_shape_of(1, size.height, size.width, 3);
}

thaw_status thaw_model_set_size(struct thaw_model *m, struct thaw_size size)
{
	if (size.height == 0 || thaw_size_equal(size, m->preprocess.size))
		return THAW_OK;
	const struct thaw_shape from = image_of(m->preprocess.size), to = image_of(size);
	const struct thaw_family *family = thaw_family_find(m->variant, NULL);
	if (!m->imported && family && family->one_size)
		return thaw_fail(THAW_CONFIG,
				 "images of %d x %d: %s: it is for %d x %d only: give no other size, or build the "
				 "network for it where it was made",
				 size.height, size.width, m->variant, m->preprocess.size.height,
				 m->preprocess.size.width);
	THAW_TRY(thaw_graph_resize(m->graph, &from, &to));
	m->preprocess = thaw_preprocess_at(&m->preprocess, size);
	return THAW_OK;
}
