/* ONNX import: from a model's messages to a graph. import_all lists the steps. */
#include "src/onnx/import/import.h"

#include <string.h>

#include "src/base/try.h"
#include "src/onnx/import/importer.h"
#include "thaw/memory.h"

#define MIN_OPSET    9
#define MAX_FEATURES 16384 /* of a network without a classifier, which gets a square one */

static thaw_status find_opset(struct thaw_onnx_importer *m, bool any)
{
	const Onnx__ModelProto *model = m->file->model;
	for (size_t i = 0; i < model->n_opset_import; i++) {
		const char *domain = model->opset_import[i]->domain;
		if (thaw_onnx_standard_domain(domain))
			m->opset = model->opset_import[i]->version;
	}
	if (m->opset < MIN_OPSET && !any)
		return thaw_fail(THAW_CONFIG,
				 "unsupported ONNX opset: %s: opset %lld: export the network with opset %d or newer",
				 m->file->path, (long long)m->opset, MIN_OPSET);
	return THAW_OK;
}

static thaw_status import_nodes(struct thaw_onnx_importer *m, const bool *needed)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	for (size_t i = 0; i < g->n_node; i++) {
		const Onnx__NodeProto *n = g->node[i];
		bool computed = false;
		if (!needed[i])
			continue;
		m->added = 0;
		thaw_status status = thaw_onnx_evaluate(m, n, &computed);
		thaw_onnx_node_import import = thaw_onnx_importer_find(n);
		if (status == THAW_OK && !computed)
			status = import ? import(m, n)
					: thaw_onnx_fail_node(n, "it is supported between constants only");
		if (status == THAW_OK)
			status = m->graph->failed;
		if (status != THAW_OK)
			return thaw_fail_in(status, "cannot import ONNX node: %s", m->file->path);
	}
	return THAW_OK;
}

/* Adds an identity classifier to a network that ends in features; a new classifier will replace it. */
static thaw_status add_classifier(struct thaw_onnx_importer *m)
{
	struct thaw_shape shape;
	m->shaped = 0; /* recognition has renumbered the nodes */
	THAW_TRY(thaw_onnx_node_shape(m, m->graph->output, &shape));
	int64_t n = shape.dim[1];
	if (n > MAX_FEATURES)
		return thaw_fail(
			THAW_CONFIG,
			"unsupported ONNX network: %s: %lld features without a classifier; at most %d are supported",
			m->file->path, (long long)n, MAX_FEATURES);
	struct thaw_shape square = thaw_shape_of(n, n), row = thaw_shape_of(n);
	int node = thaw_graph_add(m->graph, "linear", "classifier", NULL, &m->graph->output, 1);
	thaw_graph_param(m->graph, node, "classifier.weight", THAW_ROLE_WEIGHT, THAW_LAYOUT_SAME, &square, NULL);
	thaw_graph_param(m->graph, node, "classifier.bias", THAW_ROLE_BIAS, THAW_LAYOUT_SAME, &row, NULL);
	THAW_TRY(m->graph->failed);
	float *weight = m->graph->params[m->graph->nodes[node].params[0]].data;
	for (int64_t i = 0; i < n; i++)
		weight[i * n + i] = 1.0f;
	m->graph->output = m->graph->head = node;
	return THAW_OK;
}

static thaw_status import_all(struct thaw_onnx_importer *m, bool *needed,
			      const struct thaw_onnx_import_options *options, struct thaw_onnx_network *network)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	if (g->n_output == 0)
		return thaw_fail(THAW_DATA, "damaged ONNX model: %s: it has no output: export it again", m->file->path);
	THAW_TRY(find_opset(m, options->computation));
	THAW_TRY(thaw_onnx_check_named(m));
	THAW_TRY(thaw_onnx_collect_names(m));
	const char *output = g->output[0]->name;
	THAW_TRY(thaw_onnx_find_needed(m, output, needed));
	THAW_TRY(thaw_onnx_check_operators(m, needed));
	THAW_TRY(thaw_onnx_read_initializers(m));
	THAW_TRY(thaw_onnx_set_given(m, options));
	THAW_TRY(thaw_onnx_set_input(m, options, network));
	m->keep_softmax = options->computation;
	m->output = output;
	thaw_graph_block(m->graph, "network");
	THAW_TRY(import_nodes(m, needed));
	THAW_TRY(thaw_onnx_set_output(m, options, network));
	THAW_TRY(thaw_graph_recognise(m->graph, &m->image));
	if (options->computation)
		return m->graph->failed;
	if (thaw_graph_find_head(m->graph) != THAW_OK) {
		network->features = true;
		THAW_TRY(add_classifier(m));
	}
	return thaw_graph_find_blocks(m->graph);
}

static void release(struct thaw_onnx_importer *m)
{
	for (int i = 0; i < m->value_count; i++)
		if (m->values[i].constant) {
			if (!m->values[i].borrowed)
				thaw_onnx_constant_free(m->values[i].constant);
			thaw_free(m->values[i].constant);
		}
	thaw_free(m->values);
	thaw_free(m->shapes);
}

thaw_status thaw_onnx_import(struct thaw_onnx_network *network, const struct thaw_onnx_file *file,
			     const struct thaw_onnx_import_options *options)
{
	struct thaw_onnx_importer m = {.file = file, .graph = thaw_graph_create()};
	bool *needed = thaw_alloc(file->model->graph->n_node, sizeof(*needed));
	*network = (struct thaw_onnx_network){0};
	thaw_status status = m.graph && needed ? import_all(&m, needed, options, network) : THAW_RESOURCE;
	release(&m);
	thaw_free(needed);
	if (status != THAW_OK) {
		thaw_graph_destroy(m.graph);
		return status;
	}
	network->graph = m.graph;
	return THAW_OK;
}
