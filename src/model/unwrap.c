/* See unwrap.h. */
#include "src/model/unwrap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/model/note.h"
#include "src/model/tensor_name.h"
#include "src/model/weights_format.h"
#include "src/model/wrapper_names.h"
#include "thaw/memory.h"

#define MAX_PREFIX     256 /* bytes, of a prefix or of a path with a prefix */
#define MAX_PREFIXES   32  /* per dict: those with the most tensors */
#define MAX_CANDIDATES 256
#define MAX_COUNTED    2048 /* prefixes per dict whose tensors are counted, which bounds the time for hostile names */

/* The tensors of a dict whose names begin with a prefix, which is empty or ends with a dot. */
struct candidate {
	int dict, count, first; /* first: the number of its first tensor in the file */
	char prefix[MAX_PREFIX];
	const struct thaw_family *family; /* that recognises them, or NULL */
	const char *variant;
	bool exact; /* the variant is the wanted one, not only of its family */
};

struct choice {
	struct candidate *candidates; /* [count] */
	int count;
	struct thaw_note *notes; /* per dict: what was changed in all names */
	const char *wanted;      /* see thaw_unwrap */
	const struct thaw_family *only;
};

/* Tensors and path of dict i; a file without dicts has one, its tensors. */
static struct thaw_state_dict dict_of(const struct thaw_weights *w, int i)
{
	static char none[] = "";
	return w->dict_count > 0 ? w->dicts[i]
				 : (struct thaw_state_dict){.path = none, .tensors = w->tensors, .count = w->count};
}

static int count_prefix(const struct thaw_state_dict *d, const char *prefix)
{
	size_t length = strlen(prefix);
	int n = 0;
	for (int i = 0; i < d->count; i++)
		n += strncmp(d->tensors[i].name, prefix, length) == 0;
	return n;
}

static int compare_counts(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;
	if (a->count != b->count)
		return b->count - a->count;
	if (a->first != b->first)
		return a->first - b->first;
	return strcmp(a->prefix, b->prefix); /* shorter before longer */
}

static bool is_listed(const struct candidate *list, int count, const char *prefix, size_t length)
{
	for (int i = 0; i < count; i++)
		if (strlen(list[i].prefix) == length && memcmp(list[i].prefix, prefix, length) == 0)
			return true;
	return false;
}

/* Lists the prefixes of a name that are new. When the list is full, the smaller half is dropped. Returns how many. */
static int list_prefixes(struct candidate *list, int *count, const struct thaw_state_dict *d, int tensor)
{
	const char *name = d->tensors[tensor].name;
	int counted = 0;
	for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
		size_t length = (size_t)(dot - name) + 1;
		if (length >= MAX_PREFIX)
			break;
		if (is_listed(list, *count, name, length))
			continue;
		if (*count == 2 * MAX_PREFIXES) {
			qsort(list, (size_t)*count, sizeof(*list), compare_counts);
			*count = MAX_PREFIXES;
		}
		struct candidate *c = &list[(*count)++];
		snprintf(c->prefix, sizeof(c->prefix), "%.*s", (int)length, name);
		c->count = count_prefix(d, c->prefix);
		c->first = tensor;
		counted++;
	}
	return counted;
}

/* Whether tensor i follows one with the same name up to the last dot: its prefixes are known then. */
static bool is_sibling(const struct thaw_state_dict *d, int i)
{
	const char *dot = strrchr(d->tensors[i].name, '.');
	size_t length = dot ? (size_t)(dot - d->tensors[i].name) + 1 : 0;
	return i > 0 && strncmp(d->tensors[i].name, d->tensors[i - 1].name, length) == 0;
}

/* A set whose tensors are those of the candidate, without prefix, in memory from thaw_alloc; `names` point into w. */
static thaw_status view(struct thaw_weights *v, const struct thaw_weights *w, const struct candidate *c)
{
	const struct thaw_state_dict d = dict_of(w, c->dict);
	size_t length = strlen(c->prefix);
	*v = (struct thaw_weights){.tensors = thaw_alloc((size_t)max_int(c->count, 1), sizeof(*v->tensors))};
	if (!v->tensors)
		return THAW_RESOURCE;
	for (int i = 0; i < d.count; i++) {
		if (strncmp(d.tensors[i].name, c->prefix, length) != 0 || v->count == c->count)
			continue;
		v->tensors[v->count] = d.tensors[i];
		v->tensors[v->count++].name += length;
	}
	return THAW_OK;
}

static thaw_status recognise(const struct choice *choice, struct candidate *c, const struct thaw_weights *w)
{
	struct thaw_weights v;
	THAW_TRY(view(&v, w, c));
	const struct thaw_family *family = thaw_family_recognise(&v, choice->only, &c->variant);
	if (!choice->wanted || family == thaw_family_find(choice->wanted, NULL))
		c->family = family;
	c->exact = family && choice->wanted && strcmp(choice->wanted, c->variant) == 0;
	thaw_free(v.tensors);
	return THAW_OK;
}

/* Adds a dict's candidates: all its tensors, then its prefixes from the most frequent to the least. */
static thaw_status add_dict(struct choice *choice, const struct thaw_weights *w, int dict)
{
	const struct thaw_state_dict d = dict_of(w, dict);
	struct candidate *list = thaw_alloc(2 * MAX_PREFIXES + 1, sizeof(*list));
	if (!list)
		return THAW_RESOURCE;
	int count = 0;
	for (int i = 0, counted = 0; i < d.count && counted < MAX_COUNTED; i++)
		if (!is_sibling(&d, i))
			counted += list_prefixes(list, &count, &d, i);
	qsort(list, (size_t)count, sizeof(*list), compare_counts);
	thaw_status status = THAW_OK;
	for (int i = -1; i < min_int(count, MAX_PREFIXES) && status == THAW_OK && choice->count < MAX_CANDIDATES; i++) {
		struct candidate *c = &choice->candidates[choice->count++];
		if (i >= 0)
			*c = list[i];
		else
			c->count = d.count;
		c->dict = dict;
		status = recognise(choice, c, w);
	}
	thaw_free(list);
	return status;
}

/* Path and prefix without the last dot, such as "state_dict.backbone", to text[2 * MAX_PREFIX]. Returns text. */
static const char *label_of(const struct thaw_weights *w, const struct candidate *c, char *text)
{
	const struct thaw_state_dict d = dict_of(w, c->dict);
	int length = (int)strlen(c->prefix);
	snprintf(text, 2 * MAX_PREFIX, "%.*s%s%.*s", MAX_PREFIX, d.path, *d.path && length ? "." : "",
		 max_int(length - 1, 0), c->prefix);
	return text;
}

/* Rewrites models[0].net as models.0.net, the form in which keys are compared. */
static char *dotted(const char *key, char *text, size_t size)
{
	size_t used = 0;
	for (; *key && used + 1 < size; key++) {
		if (*key == ']' || (*key == '[' && used == 0))
			continue;
		text[used++] = *key == '[' ? '.' : *key;
	}
	text[used] = '\0';
	return text;
}

/* Whether a key names this candidate: its label, its path, its prefix, or the last component of one of them. */
static bool has_key(const struct thaw_weights *w, const struct candidate *c, const char *key)
{
	char text[2 * MAX_PREFIX], label[2 * MAX_PREFIX], path[2 * MAX_PREFIX], wanted[2 * MAX_PREFIX];
	dotted(key, wanted, sizeof(wanted));
	dotted(label_of(w, c, text), label, sizeof(label));
	size_t length = strlen(wanted), total = strlen(label);
	if (strcmp(dotted(dict_of(w, c->dict).path, path, sizeof(path)), wanted) == 0)
		return true;
	return total >= length && strcmp(label + total - length, wanted) == 0 &&
	       (total == length || label[total - length - 1] == '.');
}

static bool is_average(const struct thaw_weights *w, const struct candidate *c)
{
	char label[2 * MAX_PREFIX];
	label_of(w, c, label);
	return thaw_name_is_average(label, strlen(label));
}

static bool is_better(const struct thaw_weights *w, const struct candidate *c, const struct candidate *than)
{
	return c->exact != than->exact ? c->exact : is_average(w, than) && !is_average(w, c);
}

/* The preferred one of the candidates that a family recognises (or of all, unless `recognised`); NULL without any. */
static const struct candidate *prefer(const struct choice *choice, const struct thaw_weights *w, const char *key,
				      bool recognised)
{
	const struct candidate *best = NULL;
	for (int i = 0; i < choice->count; i++) {
		const struct candidate *c = &choice->candidates[i];
		if ((recognised && !c->family) || (key && !has_key(w, c, key)))
			continue;
		if (!best || is_better(w, c, best))
			best = c;
	}
	return best;
}

static thaw_status fail_key(const struct choice *choice, const struct thaw_weights *w, const char *key,
			    const char *source)
{
	struct thaw_note list = {0};
	char label[2 * MAX_PREFIX];
	thaw_note_list(&list);
	for (int i = 0; i < choice->count; i++)
		if (choice->candidates[i].family || !*choice->candidates[i].prefix)
			if (*label_of(w, &choice->candidates[i], label))
				thaw_note_item(&list, "it has", label);
	return thaw_fail(THAW_USAGE, "no weights of this name: --weights-key %.64s: %s: %s", key, source,
			 list.used ? list.text : "it has only one set of weights, without a name");
}

/* Whether `part` is the path, or the path continues after it. */
static bool leads_to(const char *part, const char *path)
{
	size_t length = strlen(part);
	return strncmp(path, part, length) == 0 && (path[length] == '\0' || path[length] == '.' || path[length] == '[');
}

/* Whether other weights that can be chosen are under this key of the file. */
static bool has_others(const struct choice *choice, const struct thaw_weights *w, const char *file_key)
{
	for (int i = 0; i < choice->count; i++)
		if (choice->candidates[i].family && leads_to(file_key, dict_of(w, choice->candidates[i].dict).path))
			return true;
	return false;
}

/* Whether a tensor belongs to weights of this dict that can be chosen, under a prefix. */
static bool is_in_candidate(const struct choice *choice, int dict, const char *name)
{
	for (int i = 0; i < choice->count; i++) {
		const struct candidate *c = &choice->candidates[i];
		size_t length = strlen(c->prefix);
		if (c->family && c->dict == dict && length > 0 && strncmp(name, c->prefix, length) == 0)
			return true;
	}
	return false;
}

/* Notes the first components of names beside the prefix. */
static void note_skipped_names(struct thaw_note *note, const struct choice *choice, const struct thaw_weights *w,
			       const struct candidate *chosen)
{
	const struct thaw_state_dict d = dict_of(w, chosen->dict);
	char first[MAX_PREFIX], before[MAX_PREFIX] = "";
	for (int i = 0; i < d.count && *chosen->prefix; i++) {
		const char *name = d.tensors[i].name;
		if (is_in_candidate(choice, chosen->dict, name))
			continue;
		snprintf(first, sizeof(first), "%.*s", (int)strcspn(name, "."), name);
		if (strcmp(first, before) != 0)
			thaw_note_item(note, "passed over:", first);
		memcpy(before, first, sizeof(before));
	}
}

/* The name of a linear layer beside the prefix, NULL without one: the prefix is then a part of a network that goes on.
 * States of losses and metrics have no such layers. */
static const char *find_follower(const struct choice *choice, const struct thaw_weights *w,
				 const struct candidate *chosen)
{
	static const char ending[] = ".weight";
	const struct thaw_state_dict d = dict_of(w, chosen->dict);
	for (int i = 0; i < d.count && *chosen->prefix; i++) {
		const char *name = d.tensors[i].name;
		const size_t n = strlen(name), e = sizeof(ending) - 1;
		if (d.tensors[i].shape.ndim == 2 && n > e && strcmp(name + n - e, ending) == 0 &&
		    !is_in_candidate(choice, chosen->dict, name))
			return name;
	}
	return NULL;
}

/* Whether a candidate's tensors are a part of the chosen ones, such as a network without its classifier. */
static bool is_part(const struct candidate *c, const struct candidate *chosen)
{
	return c->dict == chosen->dict && strncmp(c->prefix, chosen->prefix, strlen(chosen->prefix)) == 0;
}

/* Notes the other weights, then the keys of the file and the names that are not used. */
static void note_others(struct thaw_note *note, const struct choice *choice, const struct thaw_weights *w,
			const struct candidate *chosen)
{
	const struct thaw_state_dict d = dict_of(w, chosen->dict);
	char label[2 * MAX_PREFIX];
	thaw_note_list(note);
	for (int i = 0; i < choice->count; i++) {
		const struct candidate *c = &choice->candidates[i];
		if (!is_part(c, chosen) && c->family && *label_of(w, c, label))
			thaw_note_item(note, "other weights, for --weights-key:", label);
	}
	thaw_note_list(note);
	for (int i = 0; i < w->key_count && *d.path; i++)
		if (!leads_to(w->keys[i], d.path) && !has_others(choice, w, w->keys[i]))
			thaw_note_item(note, "passed over:", w->keys[i]);
	note_skipped_names(note, choice, w, chosen);
}

/* "took state_dict", "took item 0 of the list", "took state_dict in item 0 of the list". */
static void note_path(struct thaw_note *note, const char *path)
{
	const char *end = path[0] == '[' ? strchr(path, ']') : NULL;
	if (!end) {
		thaw_note_part(note, "took %s", path);
		return;
	}
	const char *rest = end[1] == '.' ? end + 2 : end + 1;
	thaw_note_part(note, "took %s%sitem %.*s of the list", rest, *rest ? " in " : "", (int)(end - path - 1),
		       path + 1);
}

static void note_chosen(struct thaw_note *note, const struct choice *choice, const struct thaw_weights *w,
			const struct candidate *chosen)
{
	const struct thaw_state_dict d = dict_of(w, chosen->dict);
	const struct thaw_note *names = &choice->notes[chosen->dict];
	if (*d.path)
		note_path(note, d.path);
	if (d.module)
		thaw_note_part(note, "parameters of a pickled %s, whose code was not run", d.module);
	if (names->used)
		thaw_note_part(note, "%s", names->text);
	if (*chosen->prefix)
		thaw_note_part(note, "removed the prefix %s", chosen->prefix);
	note_others(note, choice, w, chosen);
}

/* Reduces the selected tensors to those of the candidate, and their names to what follows the prefix. */
static void apply(struct thaw_weights *w, const struct candidate *c)
{
	size_t length = strlen(c->prefix);
	int kept = 0;
	if (w->dict_count > 0)
		thaw_weights_select(w, c->dict);
	if (length == 0)
		return;
	for (int i = 0; i < w->count; i++) {
		char *name = w->tensors[i].name;
		if (strncmp(name, c->prefix, length) != 0) {
			thaw_free(name);
			continue;
		}
		memmove(name, name + length, strlen(name + length) + 1);
		w->tensors[kept++] = w->tensors[i];
	}
	w->count = kept;
	if (w->dict_count > 0)
		w->dicts[c->dict].count = kept;
}

static thaw_status list_candidates(struct choice *choice, struct thaw_weights *w)
{
	const int dicts = max_int(w->dict_count, 1);
	choice->candidates = thaw_alloc(MAX_CANDIDATES, sizeof(*choice->candidates));
	choice->notes = thaw_alloc((size_t)dicts, sizeof(*choice->notes));
	if (!choice->candidates || !choice->notes)
		return THAW_RESOURCE;
	for (int i = 0; i < dicts; i++) {
		const struct thaw_state_dict d = dict_of(w, i);
		thaw_names_remove_wrappers(d.tensors, d.count, &choice->notes[i]);
		THAW_TRY(thaw_names_from_sequence(d.tensors, d.count, &choice->notes[i]));
		if (choice->count < MAX_CANDIDATES)
			THAW_TRY(add_dict(choice, w, i));
	}
	return THAW_OK;
}

thaw_status thaw_unwrap(struct thaw_weights *w, const char *key, const char *wanted, const struct thaw_family *only,
			struct thaw_unwrapped *result, const char *source)
{
	struct choice choice = {.wanted = wanted, .only = only};
	struct thaw_note text = {0};
	thaw_status status;
	THAW_TRY_OUT(list_candidates(&choice, w));
	const struct candidate *chosen = prefer(&choice, w, key, true);
	if (!chosen)
		chosen = prefer(&choice, w, key, false);
	if (!chosen) {
		status = fail_key(&choice, w, key, source);
		goto out;
	}
	*result = (struct thaw_unwrapped){.family = chosen->family, .variant = chosen->variant};
	note_chosen(&text, &choice, w, chosen);
	const char *follower = find_follower(&choice, w, chosen);
	if (follower)
		thaw_note_part(&text, "no classifier: %s follows the network", follower);
	result->is_part = follower != NULL;
	apply(w, chosen);
	THAW_TRY_OUT(thaw_weights_check_names(w->tensors, w->count, source));
	result->note = text.used ? thaw_strdup(text.text) : NULL;
	if (text.used && !result->note)
		status = THAW_RESOURCE;
out:
	thaw_free(choice.candidates);
	thaw_free(choice.notes);
	return status;
}
