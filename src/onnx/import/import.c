/* ONNX import: from a model's messages to a graph. import_all lists the steps. */
#include "src/onnx/import/import.h"

#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "src/onnx/import/importer.h"
#include "thaw/memory.h"

#define MIN_OPSET    9
#define MAX_OPSET    26    /* the newest whose operators are known */
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
	if (m->opset > MAX_OPSET)
		return thaw_fail(THAW_CONFIG,
				 "unsupported ONNX opset: %s: opset %lld is newer than this program knows: export the "
				 "network with opset %d or older",
				 m->file->path, (long long)m->opset, MAX_OPSET);
	return THAW_OK;
}

/* Sets m->module and m->path to the node's module. A convolution with a folded batch norm is in the norm's module; it
 * belongs to that of its weight, beside it. */
static void name_module(struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	static const char weight[] = ".weight";
	thaw_onnx_node_module(n, m->module, m->path);
	const char *name = n->n_input > 1 ? n->input[1] : "", *dot = strrchr(m->module, '.');
	size_t parent = dot ? (size_t)(dot + 1 - m->module) : 0, length = strlen(name), end = sizeof(weight) - 1;
	if (strcmp(n->op_type, "Conv") != 0 || !m->module[0] || length <= parent + end || length >= THAW_ONNX_MODULE ||
	    strcmp(name + length - end, weight) != 0 || strncmp(name, m->module, parent) != 0)
		return;
	const char *last = name + parent;
	size_t size = length - end - parent, used = strlen(m->path) - 1; /* without the slash at the end */
	while (used > 0 && m->path[used - 1] != '/')
		used--;
	if (memchr(last, '.', size) || (last[0] >= '0' && last[0] <= '9') || used + size + 2 > THAW_ONNX_MODULE)
		return;
	snprintf(m->path + used, THAW_ONNX_MODULE - used, "%.*s/", (int)size, last);
	snprintf(m->module, THAW_ONNX_MODULE, "%.*s", (int)(length - end), name);
}

static thaw_status import_nodes(struct thaw_onnx_importer *m, const bool *needed)
{
	for (int i = 0; i < m->node_count; i++) {
		const Onnx__NodeProto *n = m->nodes[i];
		bool computed = false;
		if (!needed[i])
			continue;
		m->added = 0;
		name_module(m, n);
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

/* Notes which values get a new classifier. */
static void note_features(struct thaw_onnx_importer *m)
{
	const struct thaw_onnx_value *v = thaw_onnx_value_find(m, m->ending.value);
	if (v && v->producer >= 0)
		thaw_onnx_note(m, "features: the output of %s, by %s", v->name, m->nodes[v->producer]->op_type);
}

/* Notes that the exporter has folded all batch norms into convolutions. */
static void note_folded_norms(struct thaw_onnx_importer *m)
{
	bool folded = false;
	for (int i = 0; i < m->node_count && !folded; i++)
		folded = strcmp(m->nodes[i]->op_type, "Conv") == 0 && thaw_onnx_node_folded_norm(m->nodes[i]);
	for (int i = 1; i < m->graph->node_count && folded; i++)
		folded = strcmp(m->graph->nodes[i].op->name, "batch_norm") != 0;
	if (folded)
		thaw_onnx_note(m,
			       "its exporter has folded the batch norms into the convolutions: none is left to train");
}

/* Finds the classifier, or adds one to a network that ends in features. *peeled: class scores were expected, but what
 * is before the operators that were left out is not computed by a classifier. */
static thaw_status set_classifier(struct thaw_onnx_importer *m, struct thaw_onnx_network *network, bool *peeled)
{
	const struct thaw_onnx_ending *e = &m->ending;
	if (!e->pooled && thaw_graph_find_head(m->graph, &m->image, e->softmax) == THAW_OK) {
		const struct thaw_param *weight = &m->graph->params[m->graph->nodes[m->graph->head].params[0]];
		if (strchr(weight->name, '+')) /* see src/graph/recognise/heads.c */
			thaw_onnx_note(m, "the averaged classifiers %s are one layer on both vectors of features",
				       weight->name);
		return THAW_OK;
	}
	*peeled = strcmp(e->value, e->output) != 0;
	if (*peeled && e->ranks)
		return thaw_fail(THAW_CONFIG,
				 "unsupported ONNX output: %s: output %s ranks values that a classifier does not "
				 "compute: export the network with its class scores or features as the output",
				 m->file->path, e->output);
	if (*peeled)
		return THAW_OK; /* imported again, with these operators */
	network->features = true;
	if (!e->pooled && !e->activated)
		note_features(m);
	return add_classifier(m);
}

static thaw_status import_all(struct thaw_onnx_importer *m, bool *needed,
			      const struct thaw_onnx_import_options *options, struct thaw_onnx_network *network,
			      bool *peeled)
{
	THAW_TRY(find_opset(m, options->computation));
	THAW_TRY(thaw_onnx_collect_names(m));
	THAW_TRY(thaw_onnx_read_initializers(m));
	THAW_TRY(thaw_onnx_sort_nodes(m));
	const char *name = options->computation ? m->file->model->graph->output[0]->name : options->output;
	THAW_TRY(thaw_onnx_choose_output(m, name, *peeled));
	m->ending.softmax |= options->scores;
	THAW_TRY(thaw_onnx_find_needed(m, m->ending.value, needed));
	THAW_TRY(thaw_onnx_check_operators(m, needed));
	THAW_TRY(thaw_onnx_set_given(m, options));
	THAW_TRY(thaw_onnx_set_input(m, options, network));
	*peeled = false;
	thaw_graph_block(m->graph, "network");
	THAW_TRY(import_nodes(m, needed));
	m->module[0] = m->path[0] = '\0';
	THAW_TRY(thaw_onnx_set_output(m, options, network));
	THAW_TRY(thaw_graph_recognise(m->graph, &m->image));
	if (options->computation)
		return m->graph->failed;
	THAW_TRY(set_classifier(m, network, peeled));
	note_folded_norms(m);
	network->sigmoid = m->ending.sigmoid && !network->features;
	memcpy(network->notes, m->ending.notes, sizeof(network->notes));
	return *peeled ? THAW_OK : thaw_graph_find_blocks(m->graph);
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
	thaw_free(m->nodes);
	thaw_free(m->names);
}

/* *peeled: whether to leave out what may follow class scores; set if the network has to be imported without that. */
static thaw_status import_once(struct thaw_onnx_network *network, const struct thaw_onnx_file *file,
			       const struct thaw_onnx_import_options *options, bool *peeled)
{
	struct thaw_onnx_importer m = {.file = file, .graph = thaw_graph_create()};
	bool *needed = thaw_alloc(file->model->graph->n_node, sizeof(*needed));
	*network = (struct thaw_onnx_network){0};
	thaw_status status = m.graph && needed ? thaw_onnx_check_named(&m) : THAW_RESOURCE;
	if (status == THAW_OK && file->model->graph->n_output == 0)
		status = thaw_fail(THAW_DATA, "damaged ONNX model: %s: it has no output: export it again", file->path);
	if (status == THAW_OK)
		status = import_all(&m, needed, options, network, peeled);
	release(&m);
	thaw_free(needed);
	if (status == THAW_OK && !*peeled)
		network->graph = m.graph;
	else
		thaw_graph_destroy(m.graph);
	return status;
}

thaw_status thaw_onnx_import(struct thaw_onnx_network *network, const struct thaw_onnx_file *file,
			     const struct thaw_onnx_import_options *options)
{
	bool peeled = !options->computation;
	THAW_TRY(import_once(network, file, options, &peeled));
	return peeled ? import_once(network, file, options, &(bool){false}) : THAW_OK;
}
