/* Which output of a model is imported, and where its class scores are.
 *
 * A model may end in operators that turn scores into probabilities (Softmax, Sigmoid) or into an answer (ArgMax, TopK),
 * also in an activation of the scores, and it may have several outputs, such as an embedding beside the scores. The
 * output of a classifier is recognised by its producer, not by its position; names decide between equals. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/onnx/import/importer.h"
#include "thaw/memory.h"

#define MAX_OUTPUTS 64 /* that are compared; further ones are not looked at */
#define MAX_STEPS   64 /* nodes between a classifier and an output */

void thaw_onnx_note(struct thaw_onnx_importer *m, const char *format, ...)
{
	char *notes = m->ending.notes;
	size_t used = strlen(notes);
	va_list args;
	if (used > 0)
		used += (size_t)snprintf(notes + used, THAW_ONNX_NOTES - used, "; ");
	if (used >= THAW_ONNX_NOTES)
		return;
	va_start(args, format);
	vsnprintf(notes + used, THAW_ONNX_NOTES - used, format, args);
	va_end(args);
}

static bool is_one_of(const char *word, const char *const *list)
{
	for (int i = 0; list[i]; i++)
		if (strcmp(word, list[i]) == 0)
			return true;
	return false;
}

static const Onnx__NodeProto *producer_of(const struct thaw_onnx_importer *m, const struct thaw_onnx_value *v)
{
	return v && v->producer >= 0 ? m->nodes[v->producer] : NULL;
}

static const struct thaw_onnx_value *input_of(const struct thaw_onnx_importer *m, const Onnx__NodeProto *n, size_t k)
{
	return k < n->n_input ? thaw_onnx_value_find(m, n->input[k]) : NULL;
}

/* Operators that only change the shape or the type of scores. */
static bool is_plain(const Onnx__NodeProto *n)
{
	static const char *const list[] = {"Cast",    "CastLike", "Dropout",   "Flatten",   "Identity",
					   "Reshape", "Squeeze",  "Transpose", "Unsqueeze", NULL};
	return is_one_of(n->op_type, list);
}

static bool flattens(const Onnx__NodeProto *n)
{
	static const char *const list[] = {"Flatten", "GlobalAveragePool", "ReduceMean", "Reshape", "Squeeze", NULL};
	return is_one_of(n->op_type, list);
}

static bool is_probability(const Onnx__NodeProto *n)
{
	static const char *const list[] = {"Exp", "Log", "LogSoftmax", "Sigmoid", "Softmax", NULL};
	return is_one_of(n->op_type, list);
}

static bool is_constant(const struct thaw_onnx_importer *m, const struct thaw_onnx_value *v)
{
	const Onnx__NodeProto *n = producer_of(m, v);
	return n ? strcmp(n->op_type, "Constant") == 0 : v && v->initializer;
}

/* What the node shifts or scales by a constant, as in 100 * softmax(scores); NULL if it does something else, such as
 * 1 - x, which would reverse the order of scores. */
static const struct thaw_onnx_value *scaled_by(const struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	static const char *const list[] = {"Add", "Div", "Mul", "Sub", NULL};
	const struct thaw_onnx_value *a = input_of(m, n, 0), *b = input_of(m, n, 1);
	if (!is_one_of(n->op_type, list) || is_constant(m, a) == is_constant(m, b))
		return NULL;
	if (is_constant(m, b))
		return a;
	return strcmp(n->op_type, "Add") == 0 || strcmp(n->op_type, "Mul") == 0 ? b : NULL;
}

static bool is_ranking(const Onnx__NodeProto *n)
{
	static const char *const list[] = {"ArgMax", "ReduceMax", "TopK", NULL};
	return is_one_of(n->op_type, list);
}

/* An activation of class scores. That of a hidden layer is a part of the network. */
static bool clips_scores(const struct thaw_onnx_importer *m, const Onnx__NodeProto *n)
{
	bool head = false;
	return thaw_onnx_is_activation(n) && thaw_onnx_activated_layer(m, n, &head) && head;
}

/* The scores that the value is made from; the value itself if nothing follows them. ending: receives what does. */
static const struct thaw_onnx_value *scores_of(const struct thaw_onnx_importer *m, const struct thaw_onnx_value *value,
					       struct thaw_onnx_ending *ending)
{
	const struct thaw_onnx_value *scores = value;
	const Onnx__NodeProto *n;
	for (int step = 0; step < MAX_STEPS && (n = producer_of(m, value)); step++) {
		bool probability = is_probability(n), ranking = is_ranking(n);
		bool clip = !probability && !ranking && clips_scores(m, n);
		const struct thaw_onnx_value *scaled = scaled_by(m, n);
		if (!probability && !ranking && !clip && !scaled && !is_plain(n))
			break;
		value = scaled ? scaled : input_of(m, n, 0);
		if (!value)
			break;
		if (probability || ranking || clip)
			scores = value;
		ending->sigmoid |= strcmp(n->op_type, "Sigmoid") == 0;
		ending->softmax |= probability && strstr(n->op_type, "Softmax");
		ending->ranks |= ranking;
	}
	return scores;
}

/* Whether the value looks like that of a classifier: a linear layer, perhaps with a bias and a scale, or a flattened
 * convolution, or the sum of two linear layers. */
static bool looks_linear(const struct thaw_onnx_importer *m, const struct thaw_onnx_value *v, bool flat, int steps)
{
	static const char *const sums[] = {"Add", "Div", "Mul", "Sub", NULL};
	static const char *const layers[] = {"FusedGemm", "FusedMatMul", "Gemm", "MatMul", NULL};
	const Onnx__NodeProto *n = producer_of(m, v);
	if (!n || steps == 0)
		return false;
	if (is_one_of(n->op_type, layers))
		return true;
	if (strcmp(n->op_type, "Conv") == 0)
		return flat;
	if (is_plain(n) || flattens(n))
		return looks_linear(m, input_of(m, n, 0), flat || flattens(n), steps - 1);
	if (!is_one_of(n->op_type, sums))
		return false;
	const struct thaw_onnx_value *a = input_of(m, n, 0), *b = input_of(m, n, 1);
	if (is_constant(m, a) || is_constant(m, b))
		return looks_linear(m, is_constant(m, b) ? a : b, flat, steps - 1);
	enum { FEW = 8 }; /* both branches are followed */
	steps = min_int(steps, FEW) - 1;
	return strcmp(n->op_type, "Add") == 0 && looks_linear(m, a, flat, steps) && looks_linear(m, b, flat, steps);
}

/* An output of the model. */
struct candidate {
	const char *name;
	const struct thaw_onnx_value *value, *scores;
	bool linear;
	bool inner; /* another output is computed from its scores */
	int words;  /* how much its name says that it holds class scores */
	bool named; /* its layer is called like a classifier */
	int nodes;  /* that it needs */
};

/* Whether the scores are those of a layer with a classifier's name. */
static bool is_named_head(const struct thaw_onnx_importer *m, const struct thaw_onnx_value *scores)
{
	const Onnx__NodeProto *n = producer_of(m, scores);
	while (n && (is_plain(n) || scaled_by(m, n)))
		n = producer_of(m, is_plain(n) ? input_of(m, n, 0) : scaled_by(m, n));
	return n && thaw_onnx_is_called_head(m, n);
}

static bool contains(const char *text, const char *word)
{
	size_t length = strlen(word);
	for (; *text; text++)
		if (strncasecmp(text, word, length) == 0)
			return true;
	return false;
}

static int words_in(const char *name)
{
	return contains(name, "logit")                                                         ? 3
	       : contains(name, "prob") || contains(name, "score")                             ? 2
	       : contains(name, "output") || contains(name, "class") || contains(name, "pred") ? 1
											       : 0;
}

/* Marks the candidates among list[count] whose scores `this` one needs, and counts the nodes that it needs. */
static thaw_status mark_inner(const struct thaw_onnx_importer *m, struct candidate *list, int count,
			      struct candidate *this)
{
	bool *needed = thaw_alloc((size_t)m->node_count, sizeof(*needed));
	thaw_status status = needed ? thaw_onnx_find_needed(m, this->scores->name, needed) : THAW_RESOURCE;
	for (int i = 0; status == THAW_OK && i < m->node_count; i++)
		this->nodes += needed[i];
	for (int i = 0; status == THAW_OK && i < count; i++) {
		int producer = list[i].scores->producer;
		bool counts = this->linear || !list[i].linear; /* features computed from scores do not replace them */
		if (list[i].scores != this->scores && producer >= 0 && needed[producer] && counts)
			list[i].inner = true;
	}
	thaw_free(needed);
	return status;
}

/* Whether a is to be taken rather than b, which comes first in the model. */
static bool better(const struct candidate *a, const struct candidate *b)
{
	if (a->linear != b->linear)
		return a->linear;
	if (a->inner != b->inner)
		return b->inner;
	if (a->scores == b->scores)
		return a->value == a->scores && b->value != b->scores;
	if (a->words != b->words)
		return a->words > b->words;
	return a->named != b->named ? a->named : a->nodes > b->nodes;
}

/* *best = the output to import, of several. */
static thaw_status choose(const struct thaw_onnx_importer *m, const char **best)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	struct candidate list[MAX_OUTPUTS], *taken = list;
	int count = 0;
	for (size_t i = 0; i < g->n_output && count < MAX_OUTPUTS; i++) {
		struct thaw_onnx_ending ignored = {0};
		struct candidate c = {.name = g->output[i]->name, .words = words_in(g->output[i]->name)};
		c.value = thaw_onnx_value_find(m, c.name);
		if (!producer_of(m, c.value))
			continue; /* a constant, or the image */
		c.scores = scores_of(m, c.value, &ignored);
		c.linear = looks_linear(m, c.scores, false, MAX_STEPS);
		c.named = is_named_head(m, c.scores);
		list[count++] = c;
	}
	*best = g->output[0]->name;
	if (count == 0)
		return THAW_OK;
	for (int i = 0; i < count; i++)
		THAW_TRY(mark_inner(m, list, count, &list[i]));
	for (int i = 1; i < count; i++)
		if (better(&list[i], taken))
			taken = &list[i];
	*best = taken->name;
	return THAW_OK;
}

/* The names of the model's outputs except one, for messages. */
static void list_outputs(const struct thaw_onnx_importer *m, const char *except, char *text, size_t size)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	size_t used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < g->n_output && used < size; i++)
		if (!except || strcmp(g->output[i]->name, except) != 0)
			used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
						 g->output[i]->name);
}

static thaw_status check_name(const struct thaw_onnx_importer *m, const char *name)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	char names[THAW_ONNX_NOTES / 2];
	for (size_t i = 0; i < g->n_output; i++)
		if (strcmp(g->output[i]->name, name) == 0)
			return THAW_OK;
	list_outputs(m, NULL, names, sizeof(names));
	return thaw_fail(THAW_USAGE, "no such output: %s: %s: give one of %s", m->file->path, name, names);
}

/* Notes the operators between the scores and the output that are left out. */
static void note_ending(struct thaw_onnx_importer *m, const struct thaw_onnx_value *value,
			const struct thaw_onnx_value *scores)
{
	char text[THAW_ONNX_NOTES / 4] = "";
	size_t used = 0;
	const Onnx__NodeProto *n;
	for (; value != scores && (n = producer_of(m, value)) && used < sizeof(text);
	     value = scaled_by(m, n) ? scaled_by(m, n) : input_of(m, n, 0))
		if (is_probability(n) || is_ranking(n) || thaw_onnx_is_activation(n))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", used ? ", " : "",
						 n->op_type);
	if (used > 0)
		thaw_onnx_note(m, "left out after the class scores: %s", text);
}

/* Notes that the network ends in the activation of a linear layer, which may be taken for a classifier. */
static void note_activation(struct thaw_onnx_importer *m, const struct thaw_onnx_value *value)
{
	bool head = false;
	const Onnx__NodeProto *n = producer_of(m, value), *layer;
	while (n && is_plain(n))
		n = producer_of(m, input_of(m, n, 0));
	m->ending.activated = n && thaw_onnx_is_activation(n) && (layer = thaw_onnx_activated_layer(m, n, &head));
	if (m->ending.activated)
		thaw_onnx_note(m,
			       "features: the output of %s after the linear layer %s, which is not called a classifier",
			       n->op_type, layer->name && layer->name[0] ? layer->name : layer->output[0]);
}

/* Whether an output of the model is a sigmoid of these scores and none is a softmax of them. */
static bool is_sigmoid(const struct thaw_onnx_importer *m, const struct thaw_onnx_value *scores)
{
	const Onnx__GraphProto *g = m->file->model->graph;
	bool sigmoid = false;
	for (size_t i = 0; i < g->n_output; i++) {
		struct thaw_onnx_ending ending = {0};
		const struct thaw_onnx_value *value = thaw_onnx_value_find(m, g->output[i]->name);
		if (!value || scores_of(m, value, &ending) != scores)
			continue;
		sigmoid |= ending.sigmoid;
		if (ending.softmax)
			return false;
	}
	return sigmoid;
}

thaw_status thaw_onnx_choose_output(struct thaw_onnx_importer *m, const char *name, bool peel)
{
	struct thaw_onnx_ending *e = &m->ending;
	*e = (struct thaw_onnx_ending){.output = name};
	if (name)
		THAW_TRY(check_name(m, name));
	else
		THAW_TRY(choose(m, &e->output));
	e->value = e->output;
	if (m->file->model->graph->n_output > 1) {
		char others[THAW_ONNX_NOTES / 4];
		list_outputs(m, e->output, others, sizeof(others));
		thaw_onnx_note(m, "output %s is used, not %s (--model FILE:OUTPUT chooses)", e->output, others);
	}
	struct thaw_onnx_value *value = thaw_onnx_value_find(m, e->output);
	if (!value)
		return THAW_OK;
	value->read = true;
	if (!peel)
		return THAW_OK;
	const struct thaw_onnx_value *scores = scores_of(m, value, e);
	note_ending(m, value, scores);
	note_activation(m, scores);
	e->value = scores->name;
	e->sigmoid = is_sigmoid(m, scores);
	return THAW_OK;
}
