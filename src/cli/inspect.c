/* thaw inspect: contents of a network or a checkpoint. Rank 0 does the work. */
#include <inttypes.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/cli/command.h"
#include "src/cli/common_options.h"
#include "src/cli/data_options.h"
#include "src/cli/display_text.h"
#include "src/cli/image_options.h"
#include "src/cli/inspect_data.h"
#include "src/cli/result.h"
#include "src/cli/unknown_names.h"
#include "src/cli/wrap.h"
#include "thaw/checkpoint.h"
#include "thaw/memory.h"
#include "thaw/model.h"
#include "thaw/report.h"
#include "thaw/sizes.h"
#include "thaw/train.h"

#define CHECKPOINT_SUFFIX ".safetensors.zst"
#define NUMBER_SIZE       32 /* bytes of a number as text */
#define SHAPE_SIZE        80 /* bytes of a shape as text */

struct values {
	struct common common;
	const char *data;
	bool layers;
	const char *size;
	struct thaw_manifest_options manifest;
	struct thaw_parts_options parts;
	double test_share;
	long long seed;
	const char *weights_key, *exclude;
	struct thaw_preprocess_override images;
};

/* clang-format off */
static const struct option options[] = {
	{.name = "layers", .type = OPTION_FLAG, .offset = offsetof(struct values, layers), .section = "Inspection",
	 .help = "list every layer in addition to the blocks; for a checkpoint, every tensor"},
	SIZE_OPTION("Inspection", offsetof(struct values, size)),
	PREPROCESS_OPTIONS("Inspection", offsetof(struct values, images)),
	{.name = "data", .metavar = "D", .type = OPTION_TEXT, .offset = offsetof(struct values, data),
	 .section = "Inspection", .absent = "none",
	 .help = "dataset, as for thaw train: report what is found in it, instead of a network"},
	MANIFEST_OPTIONS("Inspection", offsetof(struct values, manifest)),
	EXCLUDE_OPTION("Inspection", offsetof(struct values, exclude), ""),
	TEST_SHARE_OPTION("Inspection", offsetof(struct values, test_share), ""),
	PARTS_OPTIONS("Inspection", offsetof(struct values, parts)),
	SEED_OPTION("Inspection", offsetof(struct values, seed), "seed of that selection"),
	WEIGHTS_KEY_OPTION("Inspection", offsetof(struct values, weights_key)),
	COMMON_OPTIONS,
};
/* clang-format on */

/* Dimensions [first, ndim) of a shape as a JSON array. */
static json_t *shape_json(const struct thaw_shape *s, int first)
{
	json_t *dims = json_array();
	for (int i = first; i < s->ndim; i++)
		json_array_append_new(dims, json_integer(s->dim[i]));
	return dims;
}

/* Name, output shape (per image), parameter count and flops of the nodes [first, end). */
static json_t *nodes_json(const struct thaw_graph *g, const struct thaw_shape *shapes, const char *name, int first,
			  int end)
{
	return json_pack("{s:o, s:o, s:I, s:I}", "name", thaw_report_string(name), "output",
			 shape_json(&shapes[end - 1], 1), "parameters",
			 (json_int_t)thaw_graph_parameters(g, first, end), "flops",
			 (json_int_t)thaw_graph_flops(g, shapes, first, end));
}

static json_t *blocks_json(const struct thaw_graph *g, const struct thaw_shape *shapes)
{
	json_t *blocks = json_array();
	for (int first = 1, end; first < g->node_count; first = end) {
		for (end = first + 1; end < g->node_count && g->nodes[end].block == g->nodes[first].block;)
			end++;
		json_t *block = nodes_json(g, shapes, g->blocks[g->nodes[first].block], first, end);
		json_object_set_new(block, "layers", json_integer(end - first));
		json_array_append_new(blocks, block);
	}
	return blocks;
}

/* The names of a node's parameters. */
static json_t *tensors_json(const struct thaw_graph *g, int node)
{
	json_t *names = json_array();
	for (int k = 0; k < g->nodes[node].param_count; k++)
		json_array_append_new(names, thaw_report_string(g->params[g->nodes[node].params[k]].name));
	return names;
}

static json_t *layers_json(const struct thaw_graph *g, const struct thaw_shape *shapes)
{
	json_t *layers = json_array();
	for (int i = 1; i < g->node_count; i++) {
		json_t *layer = nodes_json(g, shapes, g->nodes[i].name, i, i + 1);
		json_object_set_new(layer, "op", json_string(g->nodes[i].op->name));
		json_object_set_new(layer, "block", thaw_report_string(g->blocks[g->nodes[i].block]));
		json_object_set_new(layer, "tensors", tensors_json(g, i));
		json_array_append_new(layers, layer);
	}
	return layers;
}

static json_t *labels_json(const struct thaw_model *m)
{
	json_t *labels = m->labels ? json_array() : json_null();
	for (int64_t c = 0; m->labels && c < m->classes; c++)
		json_array_append_new(labels, thaw_report_string(m->labels[c]));
	return labels;
}

/* {"sizes": "any", "stride": N, "smallest": N}, or "one", or "fixed" */
static thaw_status add_sizes(json_t *o, const struct thaw_model *m)
{
	static const char *const words[] = {
		[THAW_SIZE_FIXED] = "fixed", [THAW_SIZE_ONE] = "one", [THAW_SIZE_ANY] = "any"};
	enum thaw_size_freedom freedom;
	struct thaw_native limits;
	THAW_TRY(thaw_size_freedom(&freedom, &limits, m));
	json_object_set_new(o, "sizes", json_string(words[freedom]));
	if (freedom == THAW_SIZE_ANY) {
		json_object_set_new(o, "stride", json_integer(limits.stride));
		json_object_set_new(o, "smallest", json_integer(limits.smallest));
	}
	return THAW_OK;
}

static json_t *model_json(const struct thaw_model *m, const struct thaw_shape *image, const struct thaw_shape *shapes,
			  bool layers)
{
	const struct thaw_graph *g = m->graph;
	char digest[NUMBER_SIZE];
	snprintf(digest, sizeof(digest), "%016" PRIx64, m->digest);
	json_t *o =
		json_pack("{s:s, s:o, s:o, s:b, s:s, s:I, s:o, s:I, s:I, s:o, s:o, s:o}", "kind", "model", "variant",
			  thaw_report_string(m->variant), "source", thaw_report_string(m->source), "pretrained",
			  m->pretrained, "digest", digest, "classes", (json_int_t)m->classes, "input",
			  shape_json(image, 1), "parameters", (json_int_t)thaw_graph_parameters(g, 0, g->node_count),
			  "flops", (json_int_t)thaw_graph_flops(g, shapes, 1, g->node_count), "preprocess",
			  thaw_model_preprocess_json(m), "labels", labels_json(m), "blocks", blocks_json(g, shapes));
	if (o)
		json_object_set_new(o, "features_only", json_boolean(m->features_only));
	if (o)
		json_object_set_new(o, "classifier", thaw_report_string(g->nodes[g->head].name));
	if (o && m->task != THAW_TASK_CLASS)
		json_object_set_new(o, "task", json_string(thaw_task_name(m->task)));
	if (o && m->notes)
		json_object_set_new(o, "notes", thaw_report_string(m->notes));
	if (o && layers)
		json_object_set_new(o, "layers", layers_json(g, shapes));
	return o;
}

static thaw_status inspect_model(const char *name, const struct values *v, json_t **result)
{
	struct thaw_model *model = NULL;
	struct thaw_shape *shapes = NULL;
	thaw_status status;
	THAW_TRY(thaw_model_load_key(&model, name, v->weights_key, 0, 0));
	THAW_TRY_OUT(thaw_model_set_preprocess(model, size_of(v->size), &v->images));
	struct thaw_size size = model->preprocess.size;
	struct thaw_shape image = thaw_shape_of(1, size.height, size.width, 3);
	shapes = thaw_alloc((size_t)model->graph->node_count, sizeof(*shapes));
	THAW_TRY_OUT(shapes ? THAW_OK : THAW_RESOURCE);
	THAW_TRY_OUT(thaw_graph_infer(model->graph, &image, shapes));
	THAW_TRY_OUT(give_result(result, model_json(model, &image, shapes, v->layers)));
	THAW_TRY_OUT(add_sizes(*result, model));
out:
	thaw_free(shapes);
	thaw_model_destroy(model);
	return status;
}

/* A checkpoint's metadata and, if `layers`, its tensors. */
static thaw_status inspect_checkpoint(const char *path, bool layers, json_t **result)
{
	struct thaw_weights w;
	THAW_TRY(thaw_checkpoint_describe(&w, path));
	json_t *metadata = json_object(), *tensors = json_array();
	for (int i = 0; i < w.metadata_count; i++) {
		json_t *value = thaw_report_string(w.metadata[i].value);
		json_object_set_new(metadata, w.metadata[i].key, value);
	}
	int64_t values = 0;
	for (int i = 0; i < w.count; i++) {
		const struct thaw_named_tensor *t = &w.tensors[i];
		values += thaw_shape_count(&t->shape);
		json_array_append_new(tensors,
				      json_pack("{s:o, s:s, s:o}", "name", thaw_report_string(t->name), "dtype",
						thaw_dtype_name(t->dtype), "shape", shape_json(&t->shape, 0)));
	}
	json_t *o = json_pack("{s:s, s:o, s:i, s:I, s:o}", "kind", "checkpoint", "file", thaw_report_string(path),
			      "tensor_count", w.count, "values", (json_int_t)values, "metadata", metadata);
	if (o && layers)
		json_object_set(o, "tensors", tensors);
	json_decref(tensors);
	thaw_weights_free(&w);
	return give_result(result, o);
}

static bool is_checkpoint(const char *path)
{
	size_t length = strlen(path), suffix = strlen(CHECKPOINT_SUFFIX);
	return length >= suffix && strcmp(path + length - suffix, CHECKPOINT_SUFFIX) == 0;
}

static void defaults(void *values)
{
	struct values *v = values;
	struct thaw_train_options train;
	thaw_train_defaults(&train);
	v->test_share = train.test_share;
	v->seed = train.seed;
}

/* Refuses preprocessing for what has none. */
static thaw_status check_preprocess(const struct values *v, const char *name)
{
	const char *data = thaw_dataset_place(v->data, &v->manifest);
	if (!thaw_preprocess_override_given(&v->images) || !(data || is_checkpoint(name)))
		return THAW_OK;
	return thaw_fail(THAW_USAGE,
			 "preprocessing of a %s: %s: --mean, --std, --crop and --interpolation are for networks: omit "
			 "them",
			 data ? "dataset" : "checkpoint", data ? data : name);
}

static thaw_status inspect_dataset(const struct thaw_comm *comm, const struct values *v, json_t **result)
{
	struct thaw_exclude exclude = {0};
	struct thaw_dataset_options o = {
		.test_share = v->test_share, .seed = (uint64_t)v->seed, .manifest = v->manifest, .parts = v->parts};
	thaw_status status = v->exclude ? thaw_exclude_read(&exclude, v->exclude) : THAW_OK;
	if (status == THAW_OK && v->exclude)
		o.exclude = &exclude;
	if (status == THAW_OK)
		status = inspect_data(v->data, &o, result);
	if (status == THAW_OK)
		log_unknown_names(comm, &exclude);
	thaw_exclude_free(&exclude);
	return status;
}

static thaw_status run_inspect(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	int count = session->settings->argument_count;
	const char *data = thaw_dataset_place(v->data, &v->manifest);
	if (data && count > 0)
		return thaw_fail(THAW_USAGE, "a network and a dataset: --data %s: inspect them one by one", data);
	if (!data && count == 0)
		return thaw_fail(THAW_USAGE, "an argument is missing: M|CHECKPOINT: the usage is thaw inspect "
					     "M|CHECKPOINT or thaw inspect --data D");
	THAW_TRY(check_preprocess(v, count > 0 ? session->settings->arguments[0] : NULL));
	if (data)
		return inspect_dataset(session->comm, v, result);
	const char *name = session->settings->arguments[0];
	return is_checkpoint(name) ? inspect_checkpoint(name, v->layers, result) : inspect_model(name, v, result);
}

static const char *dims_text(const json_t *dims, char *text, size_t size)
{
	size_t i, used = 0;
	json_t *dim;
	text[0] = '\0';
	json_array_foreach(dims, i, dim)
	{
		int n = snprintf(text + used, size - used, "%s%lld", i ? " x " : "",
				 (long long)json_integer_value(dim));
		used = n > 0 && (size_t)n < size - used ? used + (size_t)n : used;
	}
	return text;
}

/* Prints blocks or layers. The second column is the layer count or the operator. */
static void print_rows(const json_t *rows, const char *heading, FILE *out)
{
	char shape[SHAPE_SIZE], n[NUMBER_SIZE], work[NUMBER_SIZE], second[NUMBER_SIZE];
	int columns = text_columns(heading);
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row)
	{
		columns = max_int(columns, text_columns(member_text(row, "name")));
	}
	bool op = json_object_get(json_array_get(rows, 0), "op") != NULL;
	fprintf(out, "\n%-*s  %-14s  %-18s  %10s  %10s\n", columns, heading, op ? "operator" : "layers", "output",
		"parameters", "MFLOP");
	json_array_foreach(rows, i, row)
	{
		snprintf(second, sizeof(second), "%.0f", member_real(row, "layers"));
		snprintf(work, sizeof(work), "%.1f", member_real(row, "flops") / 1e6);
		text_pad(out, member_text(row, "name"), columns);
		fprintf(out, "  %-14s  %-18s  %10s  %10s\n", op ? member_text(row, "op") : second,
			dims_text(json_object_get(row, "output"), shape, sizeof(shape)),
			text_count(member_real(row, "parameters"), n, sizeof(n)), work);
	}
}

static void print_labels(const json_t *labels, FILE *out)
{
	struct wrapped w = {.out = out, .indent = 2, .column = 2};
	size_t i, count = json_array_size(labels);
	json_t *label;
	if (!count)
		return;
	fprintf(out, "\nlabels\n  ");
	json_array_foreach(labels, i, label)
	{
		char text[SHAPE_SIZE];
		snprintf(text, sizeof(text), "%s%s", json_string_value(label), i + 1 < count ? "," : "");
		wrap_words(&w, text);
	}
	fputc('\n', out);
}

static void print_sizes(const json_t *o, FILE *out)
{
	const char *sizes = member_text(o, "sizes");
	if (strcmp(sizes, "any") == 0)
		fprintf(out, "sizes: any from %.0f pixels; multiples of %.0f are best\n", member_real(o, "smallest"),
			member_real(o, "stride"));
	else if (strcmp(sizes, "one") == 0)
		fprintf(out, "sizes: any, but one only in a run: position embeddings are resampled\n");
	else
		fprintf(out, "sizes: this one only\n");
}

static void print_model(const json_t *o, FILE *out)
{
	char a[NUMBER_SIZE], b[SHAPE_SIZE];
	const json_t *p = json_object_get(o, "preprocess");
	fprintf(out, "%s from %s, digest %s\n", member_text(o, "variant"), member_text(o, "source"),
		member_text(o, "digest"));
	fprintf(out, "%s parameters, %.1f MFLOP for an image of %s, ",
		text_count(member_real(o, "parameters"), a, sizeof(a)), member_real(o, "flops") / 1e6,
		dims_text(json_object_get(o, "input"), b, sizeof(b)));
	if (json_is_true(json_object_get(o, "features_only")))
		fprintf(out, "no classifier\n");
	else
		fprintf(out, "%.0f classes\n", member_real(o, "classes"));
	if (json_object_get(o, "notes"))
		fprintf(out, "the file: %s\n", member_text(o, "notes"));
	if (json_is_true(json_object_get(o, "features_only")))
		fprintf(out, "the file has no classifier: thaw train adds a new one\n");
	fprintf(out, "images (%s): %s", member_text(p, "from"), member_text(p, "text"));
	fputc('\n', out);
	print_sizes(o, out);
	if (json_object_get(o, "layers"))
		print_rows(json_object_get(o, "layers"), "layer", out);
	print_rows(json_object_get(o, "blocks"), "block", out);
	print_labels(json_object_get(o, "labels"), out);
}

static void print_checkpoint(const json_t *o, FILE *out)
{
	char text[SHAPE_SIZE];
	const char *key;
	size_t i;
	json_t *value;
	fprintf(out, "%s: %.0f tensors, %s values\n", member_text(o, "file"), member_real(o, "tensor_count"),
		text_count(member_real(o, "values"), text, sizeof(text)));
	json_object_foreach(json_object_get(o, "metadata"), key, value)
		fprintf(out, "  %-18s %s\n", key, json_string_value(value));
	json_array_foreach(json_object_get(o, "tensors"), i, value)
		fprintf(out, "  %-5s %-18s %s\n", member_text(value, "dtype"),
			dims_text(json_object_get(value, "shape"), text, sizeof(text)), member_text(value, "name"));
}

static void print_inspect(const json_t *result, FILE *out)
{
	if (strcmp(member_text(result, "kind"), "dataset") == 0)
		print_data(result, out);
	else if (strcmp(member_text(result, "kind"), "checkpoint") == 0)
		print_checkpoint(result, out);
	else
		print_model(result, out);
}

const struct command command_inspect = {
	.name = "inspect",
	.usage = "M|CHECKPOINT [--layers], or --data D",
	.summary = "list the blocks of a network, or the contents of a checkpoint or a dataset",
	.about = "Block names are valid in --unfreeze from:BLOCK. MFLOP counts a multiply-add as two operations.",
	.max_arguments = 1,
	.argument = "M|CHECKPOINT",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.alone = true,
	.run = run_inspect,
	.print = print_inspect,
};
