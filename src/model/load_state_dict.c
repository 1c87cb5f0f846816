/* Loads a model from a state dict: finds the family by the tensors, builds the graph and copies the weights. */
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/text.h"
#include "src/base/try.h"
#include "src/model/config_labels.h"
#include "src/model/metadata.h"
#include "src/model/model_internal.h"
#include "src/model/network_config.h"
#include "src/model/note.h"
#include "src/model/preprocess_config.h"
#include "src/model/same_tensors.h"
#include "src/model/task.h"
#include "src/model/unknown_network.h"
#include "src/model/unwrap.h"
#include "thaw/memory.h"

#define MAX_TENSORS 16384

/* PyTorch counts the batches a batch norm has seen; Thaw does not use the count. */
static bool is_batch_counter(const char *name)
{
	static const char ending[] = ".num_batches_tracked";
	size_t n = strlen(name);
	return n >= sizeof(ending) && strcmp(name + n - (sizeof(ending) - 1), ending) == 0;
}

/* Whether the last part of a name is in the NULL-terminated list; NULL: there is none. */
static bool is_buffer(const char *name, const char *const *list)
{
	const char *dot = strrchr(name, '.');
	for (; list && *list; list++)
		if (strcmp(dot ? dot + 1 : name, *list) == 0)
			return true;
	return false;
}

static thaw_status fill_param(struct thaw_param *p, const struct thaw_named_tensor *t, const char *variant,
			      const char *source)
{
	if (!thaw_shape_equal(&t->shape, &p->file_shape)) {
		THAW_TRY(thaw_check_channels(t, &p->file_shape, source));
		char found[THAW_SHAPE_TEXT], expected[THAW_SHAPE_TEXT];
		return thaw_fail(THAW_DATA,
				 "tensor %s is %s, but %s needs %s: %s: if it is another network, " THAW_EXPORT_HOW,
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

static bool is_head_param(const struct thaw_graph *g, int param)
{
	const struct thaw_node *head = &g->nodes[g->head];
	for (int k = 0; k < head->param_count; k++)
		if (head->params[k] == param)
			return true;
	return false;
}

/* Notes the first parameter of the classifier that the file does not have in the right shape. Returns whether it has
 * all of them. */
static bool has_classifier(const struct thaw_graph *g, const struct thaw_weights *w, struct thaw_note *note)
{
	const struct thaw_node *head = &g->nodes[g->head];
	for (int k = 0; k < head->param_count; k++) {
		const struct thaw_param *p = &g->params[head->params[k]];
		const struct thaw_named_tensor *t = thaw_weights_find(w, p->name);
		if (t && thaw_shape_equal(&t->shape, &p->file_shape))
			continue;
		thaw_note_part(note, "no classifier: %s %s", p->name, t ? "has another shape" : "is missing");
		return false;
	}
	return true;
}

/* Copies every parameter from the tensor of the same name, except those of a classifier that the file does not have. */
static thaw_status fill_params(struct thaw_model *m, const struct thaw_weights *w, const char *source)
{
	struct thaw_graph *g = m->graph;
	for (int i = 0; i < g->param_count; i++) {
		if (g->params[i].computed || (m->features_only && is_head_param(g, i)))
			continue;
		const struct thaw_named_tensor *t = thaw_weights_find(w, g->params[i].name);
		if (!t)
			return thaw_fail(THAW_DATA,
					 "tensor %s of %s is missing: %s: if it is another network, " THAW_EXPORT_HOW,
					 g->params[i].name, m->variant, source);
		THAW_TRY(fill_param(&g->params[i], t, m->variant, source));
		thaw_weights_release_tensor(w, (int)(t - w->tensors));
	}
	return THAW_OK;
}

/* Whether a module of the network, apart from the classifier, contains a tensor of this name. */
static bool is_inside(const struct thaw_graph *g, const char *name)
{
	const size_t first = strcspn(name, ".");
	for (int i = 0; i < g->param_count; i++)
		if (!is_head_param(g, i) && strcspn(g->params[i].name, ".") == first &&
		    strncmp(g->params[i].name, name, first) == 0)
			return true;
	return false;
}

/* Whether a tensor belongs to another classifier than the network's: it is in the same module, or in one with one of
 * the usual names, beside the network's own modules. */
static bool is_other_classifier(const struct thaw_graph *g, const char *name)
{
	static const char *const names[] = {"fc.", "head.", "heads.", "classifier.", "linear.", "last_linear.", "_fc."};
	const char *own = g->params[g->nodes[g->head].params[0]].name, *dot = strrchr(own, '.');
	const size_t layer = dot ? (size_t)(dot - own) : strlen(own);
	if (strncmp(name, own, layer) == 0 && name[layer] == '.')
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return !is_inside(g, name);
	return false;
}

/* Whether a tensor is not part of a network: the state of a loss or a metric, or a single number such as n_averaged. */
static bool is_trainer_state(const struct thaw_graph *g, const struct thaw_named_tensor *t)
{
	static const char *const names[] = {"criterion", "loss", "metric", "train_", "val_", "valid_", "test_"};
	if (is_inside(g, t->name))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strncmp(t->name, names[i], strlen(names[i])) == 0)
			return true;
	return thaw_shape_count(&t->shape) <= 1 && !is_other_classifier(g, t->name);
}

/* Whether a tensor is for another task than classification. */
static bool is_unused(const struct thaw_model *m, const char *name)
{
	const struct thaw_family *family = thaw_family_find(m->variant, NULL);
	for (const char *const *part = family ? family->unused : NULL; part && *part; part++)
		if (strstr(name, *part))
			return true;
	return false;
}

/* Checks that every tensor belongs to a parameter, or has a known reason not to. */
static thaw_status check_others(const struct thaw_model *m, const struct thaw_weights *w, struct thaw_note *note,
				const char *source)
{
	const char *const *buffers = thaw_family_find(m->variant, NULL)->buffers;
	thaw_note_list(note);
	for (int i = 0; i < w->count; i++) {
		const char *name = w->tensors[i].name;
		if (is_batch_counter(name) || is_buffer(name, buffers) || thaw_graph_find_param(m->graph, name) >= 0)
			continue;
		if (!is_trainer_state(m->graph, &w->tensors[i]) && !is_unused(m, name) &&
		    !(m->features_only && is_other_classifier(m->graph, name)))
			return thaw_fail(THAW_DATA,
					 "tensor %s is not part of %s: %s: if it is another network, " THAW_EXPORT_HOW,
					 name, m->variant, source);
		thaw_note_item(note, "passed over:", name);
	}
	return THAW_OK;
}

/* Copies the weights, and appends to the note what did not fit. */
static thaw_status fill(struct thaw_model *m, const struct thaw_weights *w, bool is_part, struct thaw_note *note,
			const char *source)
{
	m->features_only = is_part || !has_classifier(m->graph, w, note);
	THAW_TRY(fill_params(m, w, source));
	THAW_TRY(check_others(m, w, note, source));
	return thaw_model_check_finite(m->graph, source);
}

/* A family that the user and config.json name must be the same. A config.json of a network that no family has is only
 * passed over where the user says what the network is. */
static thaw_status check_named(const struct thaw_named_network *named, const char *variant,
			       const struct thaw_weights_request *request)
{
	const struct thaw_family *family = variant ? thaw_family_find(variant, NULL) : NULL;
	if (!named->family || !family || named->family == family)
		return THAW_OK;
	return thaw_fail(THAW_CONFIG,
			 "%s, but config.json beside it names %.64s: %s: leave the name out, or remove config.json",
			 variant, named->name, request->source);
}

static thaw_status fail_not_named(const struct thaw_named_network *named, const char *source)
{
	char name[THAW_NETWORK_NAME];
	thaw_text_printable(name, sizeof(name), named->name, strlen(named->name));
	return thaw_fail(
		THAW_CONFIG,
		"config.json names %s, but the tensors are not those of a %s that is known: %s: repair or remove "
		"config.json, or " THAW_EXPORT_HOW,
		name, named->family->name, source);
}

/* The work grows with the square of the number of tensors, which a hostile file may have without many bytes. */
static thaw_status check_count(const struct thaw_weights *w, const char *source)
{
	int count = w->count;
	for (int i = 0; i < w->dict_count; i++)
		count = max_int(count, w->dicts[i].count);
	if (count <= MAX_TENSORS)
		return THAW_OK;
	return thaw_fail(THAW_DATA, "refused: %s: %d tensors: networks that are known have at most %d", source, count,
			 MAX_TENSORS);
}

/* Finds the family of a state dict: by the caller's variant, by the metadata, by config.json, or by the tensors. */
static thaw_status find_family(struct thaw_unwrapped *u, struct thaw_weights *w,
			       const struct thaw_weights_request *request, struct thaw_note *note)
{
	char list[THAW_FAMILY_LIST];
	const char *recorded = thaw_weights_get(w, "thaw.variant");
	const char *name = request->variant ? request->variant : recorded;
	const struct thaw_named_network named = thaw_family_of_config(request->config);
	if (recorded && request->variant)
		THAW_TRY(thaw_keep_recorded(&name, recorded, request->source));
	if (name && !thaw_family_find(name, NULL))
		return thaw_fail(THAW_CONFIG, "unknown network %.64s: %s: known are %s", name, request->source,
				 thaw_family_list(list, sizeof(list)));
	THAW_TRY(check_named(&named, name, request));
	THAW_TRY(thaw_unwrap(w, request->key, thaw_recognised_name(name), name ? NULL : named.family, u,
			     request->source));
	if (u->note)
		thaw_note_part(note, "%s", u->note);
	if (name)
		u->family = thaw_family_find(name, &u->variant);
	else if (named.family && named.variant)
		thaw_family_find(named.variant, &u->variant);
	u->named = name || named.variant;
	if (!u->family)
		return named.family && !name ? fail_not_named(&named, request->source)
					     : thaw_fail_unknown_network(w, request->config, request->source);
	/* Files that Thaw wrote say which network they are. */
	if (recorded)
		return THAW_OK;
	if (!name && named.name && !named.family)
		return thaw_fail_unknown_network(w, request->config, request->source);
	return thaw_choose_variant(&u->variant, u->family, w, request, note);
}

/* A configuration beside the file wins over the family's convention. */
static thaw_status read_config(struct thaw_model *m, const char *source)
{
	struct thaw_preprocess read;
	const char *from = NULL;
	THAW_TRY(thaw_preprocess_config_read(&read, &from, source));
	if (!from)
		return THAW_OK;
	THAW_TRY(thaw_model_set_size(m, read.size));
	m->preprocess = read;
	m->preprocess_from = from;
	return THAW_OK;
}

static thaw_status read_metadata(struct thaw_model *m, const struct thaw_weights *w,
				 const struct thaw_weights_request *request)
{
	const char *source = request->source;
	const char *labels = m->features_only ? NULL : thaw_weights_get(w, "thaw.labels");
	const char *preprocess = thaw_weights_get(w, "thaw.preprocess");
	if (!m->features_only)
		THAW_TRY(thaw_model_read_task(m, thaw_weights_get(w, THAW_TASK_KEY),
					      thaw_weights_get(w, THAW_THRESHOLDS_KEY), source));
	if (labels)
		THAW_TRY(thaw_metadata_read_labels(&m->labels, m->classes, labels, source));
	THAW_TRY(thaw_model_read_output(m, thaw_weights_get(w, THAW_OUTPUT_KEY), source));
	if (!thaw_weights_get(w, "thaw.variant")) {
		THAW_TRY(thaw_model_read_problem_type(m, source));
		if (!m->features_only)
			THAW_TRY(thaw_model_read_config_labels(m, request->config));
	}
	if (!preprocess)
		return read_config(m, source);
	m->preprocess_from = "the model's metadata";
	m->preprocess_recorded = true;
	return thaw_metadata_read_preprocess(&m->preprocess, preprocess, source);
}

static thaw_status fill_model(struct thaw_model *m, const struct thaw_weights *w, bool is_part, struct thaw_note *note,
			      const struct thaw_weights_request *request)
{
	THAW_TRY(fill(m, w, is_part, note, request->source));
	THAW_TRY(read_metadata(m, w, request));
	m->pretrained = true;
	m->digest = thaw_model_weights_digest(m->graph);
	m->notes = note->used ? thaw_strdup(note->text) : NULL;
	if (note->used && !m->notes)
		return THAW_RESOURCE;
	return thaw_model_read_fully_conv(m, thaw_weights_get(w, THAW_FULLY_CONV_KEY), request->source);
}

/* The options of the network: as Thaw recorded them, or by its config.json. *options is a new reference, or NULL. */
static thaw_status find_options(json_t **options, const struct thaw_unwrapped *u, const struct thaw_weights *w,
				const struct thaw_weights_request *request)
{
	const char *recorded = thaw_weights_get(w, THAW_OPTIONS_KEY);
	const struct thaw_architecture a = {.variant = u->variant, .named = u->named, .w = w};
	if (!recorded)
		return u->family->options ? u->family->options(options, &a, request->config, request->source) : THAW_OK;
	*options = json_loads(recorded, JSON_REJECT_DUPLICATES, NULL);
	return json_is_object(*options)
		       ? THAW_OK
		       : thaw_fail(THAW_DATA, "invalid metadata " THAW_OPTIONS_KEY ": %s: it must be an object",
				   request->source);
}

/* What a trained network records of its config.json: that of its file, or what an earlier training has recorded. */
static thaw_status record_config(struct thaw_model *m, const struct thaw_unwrapped *u, const struct thaw_weights *w,
				 const struct thaw_weights_request *request)
{
	const char *recorded = thaw_weights_get(w, THAW_CONFIG_KEY);
	if (recorded)
		return thaw_network_config_read_record(&m->config, recorded, request->source);
	if (thaw_family_of_config(request->config).family != u->family)
		return THAW_OK;
	return thaw_network_config_record(&m->config, request->config);
}

static thaw_status load(struct thaw_model **model, struct thaw_weights *w, const struct thaw_weights_request *request,
			struct thaw_unwrapped *u, json_t **options, void **memory)
{
	struct thaw_note note = {0};
	THAW_TRY(check_count(w, request->source));
	THAW_TRY(find_family(u, w, request, &note));
	if (u->family->change)
		THAW_TRY(u->family->change(w, memory));
	THAW_TRY(find_options(options, u, w, request));
	THAW_TRY(thaw_model_create(model, u->family, u->variant, 0, w, *options, request->source));
	if (!*memory) /* else what is saved has not the tensors of the config.json's network */
		THAW_TRY(record_config(*model, u, w, request));
	return fill_model(*model, w, u->is_part, &note, request);
}

thaw_status thaw_model_from_weights(struct thaw_model **model, struct thaw_weights *w,
				    const struct thaw_weights_request *request)
{
	struct thaw_weights_request with_config = *request;
	struct thaw_unwrapped u = {0};
	struct thaw_model *m = NULL;
	json_t *options = NULL, *config = NULL;
	void *memory = NULL;
	/* What Thaw wrote says all itself, and has another config.json beside it: that of the run. */
	if (!thaw_weights_get(w, "thaw.variant"))
		THAW_TRY(thaw_network_config_read(&config, request->source));
	with_config.config = config;
	thaw_status status = load(&m, w, &with_config, &u, &options, &memory);
	thaw_free(u.note);
	thaw_free(memory);
	json_decref(options);
	json_decref(config);
	if (status != THAW_OK) {
		thaw_model_destroy(m);
		return status;
	}
	*model = m;
	return THAW_OK;
}
