/* Writes low-rank adapters as PEFT's LoRA files: adapter_config.json, and a state dict with the tensors
 * base_model.model.MODULE.lora_A.weight (rank, inputs), ...lora_B.weight (outputs, rank), and the classifier's under
 * its own name, which the configuration lists as modules_to_save.
 *
 * The names are those of the network's file, which are the names of modules in timm and in transformers 4. Since
 * transformers 5 some modules have other names than their tensors in files; their adapters are written under both
 * names. PEFT takes those that the network has. */
#include <math.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/model.h"
#include "thaw/report.h"

#define PREFIX "base_model.model."

/* Of a parameter: its name without the last part. A new string. */
static char *module_of(const struct thaw_param *p)
{
	const char *dot = strrchr(p->name, '.');
	return dot ? thaw_format("%.*s", (int)(dot - p->name), p->name) : thaw_strdup(p->name);
}

/* Parts of names in files and of modules in transformers 5. */
static const char *const renamed[][2] = {
	{"vit.encoder.layer.", "vit.layers."},
	{"deit.encoder.layer.", "deit.layers."},
	{".attention.attention.query", ".attention.q_proj"},
	{".attention.attention.key", ".attention.k_proj"},
	{".attention.attention.value", ".attention.v_proj"},
	{".attention.output.dense", ".attention.o_proj"},
	{".intermediate.dense", ".mlp.fc1"},
	{".output.dense", ".mlp.fc2"},
};

/* The name in transformers 5: a new string, equal to `name` if that has none of the parts. */
static char *name_of_module(const char *name)
{
	char *now = thaw_strdup(name);
	for (size_t i = 0; now && i < sizeof(renamed) / sizeof(*renamed); i++) {
		const char *at = strstr(now, renamed[i][0]);
		if (!at)
			continue;
		char *next = thaw_format("%.*s%s%s", (int)(at - now), now, renamed[i][1], at + strlen(renamed[i][0]));
		thaw_free(now);
		now = next;
	}
	return now;
}

static bool append_text(json_t *list, const char *text)
{
	return json_array_append_new(list, json_string(text)) == 0;
}

static thaw_status append_module(json_t *list, const struct thaw_param *p)
{
	char *module = module_of(p), *other = module ? name_of_module(module) : NULL;
	bool good = other && append_text(list, module);
	if (good && strcmp(other, module) != 0)
		good = append_text(list, other);
	thaw_free(module);
	thaw_free(other);
	return good ? THAW_OK : THAW_RESOURCE;
}

/* alpha is known as alpha / rank, rounded to fp32. */
static double alpha_of(const struct thaw_adapter *adapter, int64_t rank)
{
	return round(1e5 * (double)adapter->scale * (double)rank) / 1e5;
}

static thaw_status write_config(const struct thaw_model *m, const char *path)
{
	const struct thaw_graph *g = m->graph;
	json_t *targets = json_array(), *saved = json_array();
	thaw_status status =
		targets && saved ? append_module(saved, &g->params[g->nodes[g->head].params[0]]) : THAW_RESOURCE;
	struct thaw_adapter adapter = {0};
	int64_t rank = 0;
	for (int i = 1; i < g->node_count && status == THAW_OK; i++) {
		if (!thaw_graph_adapter(g, i, &adapter))
			continue;
		rank = g->params[g->nodes[adapter.down].params[0]].shape.dim[0];
		status = append_module(targets, &g->params[g->nodes[adapter.layer].params[0]]);
	}
	double alpha = alpha_of(&adapter, rank);
	json_t *config = json_pack(
		"{s:s, s:n, s:o, s:I, s:o, s:f, s:s, s:b, s:b, s:O, s:O}", "peft_type", "LORA", "task_type",
		"base_model_name_or_path", thaw_report_string(m->source), "r", (json_int_t)rank, "lora_alpha",
		alpha == floor(alpha) ? json_integer((json_int_t)alpha) : json_real(alpha), "lora_dropout", 0.0, "bias",
		"none", "fan_in_fan_out", 0, "inference_mode", 1, "target_modules", targets, "modules_to_save", saved);
	if (status == THAW_OK)
		status = config ? thaw_report_file(path, config) : THAW_RESOURCE;
	json_decref(config);
	json_decref(targets);
	json_decref(saved);
	return status;
}

static bool is_saved(const struct thaw_graph *g, const struct thaw_param *p)
{
	return p->role == THAW_ROLE_ADAPTER || p->node == g->head;
}

/* Adds the parameter in file layout. */
static thaw_status add_tensor(struct thaw_weights *w, const struct thaw_param *p, const char *name)
{
	struct thaw_named_tensor *t = &w->tensors[w->count++];
	float *values = thaw_alloc((size_t)thaw_shape_count(&p->shape), sizeof(*values));
	*t = (struct thaw_named_tensor){
		.name = thaw_format(PREFIX "%s", name), .dtype = THAW_F32, .shape = p->file_shape, .data = values};
	if (!t->name || !values)
		return THAW_RESOURCE;
	thaw_param_export(p, values);
	return THAW_OK;
}

static thaw_status add_tensors(struct thaw_weights *w, const struct thaw_param *p)
{
	char *other = name_of_module(p->name);
	thaw_status status = other ? add_tensor(w, p, p->name) : THAW_RESOURCE;
	if (status == THAW_OK && strcmp(other, p->name) != 0)
		status = add_tensor(w, p, other);
	thaw_free(other);
	return status;
}

static thaw_status write_tensors(const struct thaw_weights *w, const char *path)
{
	struct thaw_file_writer *file = NULL;
	THAW_TRY(thaw_file_writer_open(&file, path));
	thaw_status status = thaw_safetensors_write(w, thaw_file_writer_sink(file));
	if (status == THAW_OK)
		return thaw_file_writer_commit(file);
	thaw_file_writer_discard(file);
	return status;
}

static thaw_status write_weights(const struct thaw_graph *g, const char *path)
{
	struct thaw_pair format = {"format", "pt"};
	struct thaw_weights w = {.metadata = &format,
				 .metadata_count = 1,
				 .tensors = thaw_alloc(2 * (size_t)g->param_count, sizeof(*w.tensors))};
	thaw_status status = w.tensors ? THAW_OK : THAW_RESOURCE;
	for (int i = 0; i < g->param_count && status == THAW_OK; i++)
		if (is_saved(g, &g->params[i]))
			status = add_tensors(&w, &g->params[i]);
	if (status == THAW_OK)
		status = write_tensors(&w, path);
	for (int i = 0; i < w.count; i++) {
		thaw_free(w.tensors[i].name);
		thaw_free((void *)(uintptr_t)w.tensors[i].data);
	}
	thaw_free(w.tensors);
	return status;
}

thaw_status thaw_model_save_adapters(const struct thaw_model *model, const char *directory)
{
	if (!thaw_graph_has_adapters(model->graph) || model->imported)
		return thaw_fail(THAW_CONFIG, "%s: %s: adapters for PEFT are of runs with --tune lora:R",
				 model->imported ? "a network from ONNX has no names of modules"
						 : "the network has no adapters",
				 model->variant);
	char *config = thaw_path_join(directory, THAW_ADAPTER_CONFIG);
	char *weights = thaw_path_join(directory, THAW_ADAPTER_WEIGHTS);
	thaw_status status = config && weights ? write_weights(model->graph, weights) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = write_config(model, config);
	thaw_free(config);
	thaw_free(weights);
	return status;
}
