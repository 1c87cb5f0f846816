/* Scope of an import: the values of a model, the nodes that its output needs, and whether they are supported. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/onnx/import/importer.h"
#include "thaw/memory.h"

#define UNSUPPORTED_TEXT 1024 /* bytes of the list of nodes in a message */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct thaw_onnx_value *)a)->name, ((const struct thaw_onnx_value *)b)->name);
}

static void add_name(struct thaw_onnx_importer *m, int *count, const char *name)
{
	if (name[0])
		m->values[(*count)++].name = name;
}

thaw_status thaw_onnx_check_named(const struct thaw_onnx_importer *m)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	bool named = true;
	for (size_t i = 0; i < g->n_node; i++)
		named &= g->node[i]->op_type != NULL;
	for (size_t i = 0; i < g->n_initializer; i++)
		named &= g->initializer[i]->name != NULL;
	for (size_t i = 0; i < g->n_input; i++)
		named &= g->input[i]->name != NULL;
	for (size_t i = 0; i < g->n_output; i++)
		named &= g->output[i]->name != NULL;
	return named ? THAW_OK
		     : thaw_fail(THAW_DATA,
				 "damaged ONNX model: %s: a node without an operator, or a value without a name: "
				 "export it again",
				 m->file->path);
}

/* The values are the outputs of nodes, the initialisers and the inputs. */
thaw_status thaw_onnx_collect_names(struct thaw_onnx_importer *m)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	size_t room = g->n_initializer + g->n_input;
	for (size_t i = 0; i < g->n_node; i++)
		room += g->node[i]->n_output;
	m->values = thaw_alloc(room, sizeof(*m->values));
	if (!m->values)
		return THAW_RESOURCE;
	int count = 0;
	for (size_t i = 0; i < g->n_initializer; i++)
		add_name(m, &count, g->initializer[i]->name);
	for (size_t i = 0; i < g->n_input; i++)
		add_name(m, &count, g->input[i]->name);
	for (size_t i = 0; i < g->n_node; i++)
		for (size_t k = 0; k < g->node[i]->n_output; k++)
			add_name(m, &count, g->node[i]->output[k]);
	qsort(m->values, (size_t)count, sizeof(*m->values), by_name);
	for (int i = 0; i < count; i++) /* an initialiser may also be an input */
		if (i == 0 || strcmp(m->values[i].name, m->values[m->value_count - 1].name) != 0)
			m->values[m->value_count++] = m->values[i];
	return THAW_OK;
}

thaw_status thaw_onnx_find_needed(const struct thaw_onnx_importer *m, const char *output, bool *needed)
{
	bool *wanted = thaw_alloc((size_t)m->value_count, sizeof(*wanted));
	if (!wanted)
		return THAW_RESOURCE;
	const struct thaw_onnx_value *v = thaw_onnx_value_find(m, output);
	if (v)
		wanted[v - m->values] = true;
	for (int i = m->node_count; i-- > 0;) {
		const Onnx__NodeProto *n = m->nodes[i];
		for (size_t k = 0; k < n->n_output; k++)
			if ((v = thaw_onnx_value_find(m, n->output[k])))
				needed[i] |= wanted[v - m->values];
		for (size_t k = 0; needed[i] && k < n->n_input; k++)
			if ((v = thaw_onnx_value_find(m, n->input[k])))
				wanted[v - m->values] = true;
	}
	thaw_free(wanted);
	return THAW_OK;
}

/* What to do about a model with this unsupported node. */
static const char *advice_for(const Onnx__NodeProto *n)
{
	if (strstr(n->op_type, "Quantize") || strstr(n->op_type, "Integer") || strncmp(n->op_type, "QLinear", 7) == 0)
		return "the model is quantised: give the float model that it was made from";
	if (n->domain && strncmp(n->domain, "com.microsoft", 13) == 0)
		return "ONNX Runtime has optimised the model for itself: give the model as it was exported";
	return "see docs/onnx-operators.md";
}

thaw_status thaw_onnx_check_operators(const struct thaw_onnx_importer *m, const bool *needed)
{
	char text[UNSUPPORTED_TEXT] = "";
	size_t used = 0;
	int count = 0;
	const char *advice = NULL;
	for (int i = 0; i < m->node_count; i++) {
		const Onnx__NodeProto *n = m->nodes[i];
		const bool standard = thaw_onnx_standard_domain(n->domain);
		bool supported = standard && (thaw_onnx_importer_find(n) || thaw_onnx_constant_supports(n->op_type));
		if (!needed[i] || supported)
			continue;
		if (used < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s%s%s (%s)", count ? ", " : "",
						 standard ? "" : n->domain, standard ? "" : ".", n->op_type,
						 n->name && n->name[0] ? n->name : "unnamed");
		if (count++ == 0)
			advice = advice_for(n);
	}
	if (count == 0)
		return THAW_OK;
	return thaw_fail(THAW_CONFIG, "unsupported ONNX operators: %s: %d node%s of opset %lld: %s: %s", m->file->path,
			 count, count == 1 ? "" : "s", (long long)m->opset, text, advice);
}
