/* See pth_dicts.h. Values may be shared and may contain themselves: the search has a list of values still to visit,
 * with a limited depth, instead of recursion. */
#include "src/model/pth_dicts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/model/tensor_name.h"

#define MAX_DEPTH        8     /* of dicts within dicts */
#define MAX_MODULE_DEPTH 64    /* of modules within modules */
#define MAX_VISITS       20000 /* values; a network has a few hundred modules */
#define MAX_PATH         1024  /* bytes */

/* A value still to visit. */
struct visit {
	const struct thaw_pickle_value *value;
	struct thaw_pickle_text path;
	int depth;
};

struct search {
	struct thaw_pickle *p;
	struct visit *visits; /* [count] */
	size_t next, count, room;
};

/* Appends a zeroed element to an array of the pickle's memory. Returns it, or NULL with p->failed set. */
static void *append(struct thaw_pickle *p, void **array, size_t *count, size_t *room, size_t size)
{
	if (*count == *room) {
		size_t larger = max_size(16, 2 * *room);
		char *copy = thaw_pickle_alloc(p, larger, size);
		if (!copy)
			return NULL;
		if (*count > 0)
			memcpy(copy, *array, *count * size);
		*array = copy;
		*room = larger;
	}
	return (char *)*array + (*count)++ * size;
}

/* "PATH.KEY", or KEY alone if the path is empty. The number of a list's item, "[0]", follows without a dot. */
static thaw_status join(struct thaw_pickle *p, struct thaw_pickle_text path, struct thaw_pickle_text key,
			struct thaw_pickle_text *joined)
{
	if (path.size == 0) {
		*joined = key;
		return THAW_OK;
	}
	if (key.size > MAX_PATH || path.size + 1 + key.size > MAX_PATH)
		return thaw_fail(THAW_DATA, "refused: %s: the names of its tensors are too long", p->file);
	char *text = thaw_pickle_alloc(p, path.size + 1 + key.size, 1);
	if (!text)
		return p->failed;
	size_t size = path.size;
	memcpy(text, path.bytes, size);
	if (key.size > 0 && key.bytes[0] != '[')
		text[size++] = '.';
	memcpy(text + size, key.bytes, key.size);
	*joined = (struct thaw_pickle_text){text, size + key.size};
	return THAW_OK;
}

/* Queues a value; `depth` is that of the value which contains it. */
static thaw_status visit_later(struct search *s, const struct visit *from, struct thaw_pickle_text key,
			       const struct thaw_pickle_value *value)
{
	bool container = value->kind == THAW_PICKLE_DICT || value->kind == THAW_PICKLE_LIST ||
			 value->kind == THAW_PICKLE_TUPLE || value->kind == THAW_PICKLE_OBJECT;
	if (!container || s->count >= MAX_VISITS)
		return THAW_OK;
	struct visit *v = append(s->p, (void **)&s->visits, &s->count, &s->room, sizeof(*v));
	if (!v)
		return s->p->failed;
	*v = (struct visit){.value = value, .depth = from->depth + 1};
	return join(s->p, from->path, key, &v->path);
}

static thaw_status add_tensor(struct thaw_pickle *p, struct thaw_pth_dict *d, struct thaw_pickle_text name,
			      const struct thaw_pickle_value *value)
{
	if (value->kind == THAW_PICKLE_OBJECT && value->object->tensor && !d->unreadable) {
		d->unreadable = value->object;
		d->unreadable_name = name;
	}
	if (value->kind != THAW_PICKLE_TENSOR)
		return THAW_OK;
	struct thaw_pth_entry *e = append(p, (void **)&d->entries, &d->count, &d->room, sizeof(*e));
	if (!e)
		return p->failed;
	*e = (struct thaw_pth_entry){name, value->tensor};
	return THAW_OK;
}

static thaw_status add_tensors(struct thaw_pickle *p, struct thaw_pth_dict *d, struct thaw_pickle_text prefix,
			       const struct thaw_pickle_list *items)
{
	for (size_t i = 0; i + 1 < items->count; i += 2) {
		const struct thaw_pickle_value *key = items->items[i], *value = items->items[i + 1];
		struct thaw_pickle_text name = {"", 0};
		if (key->kind != THAW_PICKLE_TEXT ||
		    (value->kind != THAW_PICKLE_TENSOR && value->kind != THAW_PICKLE_OBJECT))
			continue;
		THAW_TRY(join(p, prefix, key->text, &name));
		THAW_TRY(add_tensor(p, d, name, value));
	}
	return THAW_OK;
}

/* The dict of a module's state under this key, or NULL. */
static const struct thaw_pickle_list *part_of(const struct thaw_pickle_value *module, const char *key)
{
	if (module->kind != THAW_PICKLE_OBJECT || !module->object->state)
		return NULL;
	const struct thaw_pickle_value *part = thaw_pickle_get(module->object->state, key);
	return part && part->kind == THAW_PICKLE_DICT ? part->list : NULL;
}

static bool is_module(const struct thaw_pickle_value *v)
{
	return part_of(v, "_modules") && part_of(v, "_parameters");
}

/* Reads parameters and buffers of a pickled module as its state_dict() would have them. */
static thaw_status add_module(struct thaw_pickle *p, struct thaw_pth_dict *d, const struct thaw_pickle_value *module)
{
	struct search s = {.p = p};
	struct visit root = {.depth = -1};
	d->module = module->object;
	THAW_TRY(visit_later(&s, &root, (struct thaw_pickle_text){"", 0}, module));
	while (s.next < s.count) {
		const struct visit v = s.visits[s.next++];
		if (v.depth > MAX_MODULE_DEPTH || s.count >= MAX_VISITS)
			return thaw_fail(THAW_DATA, "refused: %s: its module has too many parts", p->file);
		if (!is_module(v.value))
			continue;
		THAW_TRY(add_tensors(p, d, v.path, part_of(v.value, "_parameters")));
		if (part_of(v.value, "_buffers"))
			THAW_TRY(add_tensors(p, d, v.path, part_of(v.value, "_buffers")));
		const struct thaw_pickle_list *parts = part_of(v.value, "_modules");
		for (size_t i = 0; i + 1 < parts->count; i += 2)
			if (parts->items[i]->kind == THAW_PICKLE_TEXT)
				THAW_TRY(visit_later(&s, &v, parts->items[i]->text, parts->items[i + 1]));
	}
	return THAW_OK;
}

/* Adds the tensors of this value itself as a dict, if it has any. */
static thaw_status add_dict(struct search *s, struct thaw_pth_dicts *dicts, const struct visit *v,
			    const struct thaw_pickle_list *items)
{
	struct thaw_pth_dict d = {.path = v->path, .from = items ? (const void *)items : v->value->object};
	for (int i = 0; i < dicts->count; i++)
		if (dicts->dict[i].from == d.from)
			return THAW_OK;
	if (dicts->count == THAW_PTH_MAX_DICTS)
		return THAW_OK;
	if (items)
		THAW_TRY(add_tensors(s->p, &d, (struct thaw_pickle_text){"", 0}, items));
	else
		THAW_TRY(add_module(s->p, &d, v->value));
	if (d.count > 0)
		dicts->dict[dicts->count++] = d;
	return THAW_OK;
}

static thaw_status visit_items(struct search *s, const struct visit *v, const struct thaw_pickle_list *items)
{
	for (size_t i = 0; i + 1 < items->count; i += 2)
		if (items->items[i]->kind == THAW_PICKLE_TEXT)
			THAW_TRY(visit_later(s, v, items->items[i]->text, items->items[i + 1]));
	return THAW_OK;
}

/* The values of a list are named by their numbers, as in Python: models[0]. */
static thaw_status visit_list(struct search *s, const struct visit *v)
{
	for (size_t i = 0; i < v->value->list->count; i++) {
		char *number = thaw_pickle_alloc(s->p, 1, 24);
		if (!number)
			return s->p->failed;
		int size = snprintf(number, 24, "[%zu]", i);
		THAW_TRY(visit_later(s, v, (struct thaw_pickle_text){number, (size_t)size}, v->value->list->items[i]));
	}
	return THAW_OK;
}

static thaw_status visit(struct search *s, struct thaw_pth_dicts *dicts, const struct visit *v)
{
	if (v->depth > MAX_DEPTH)
		return THAW_OK;
	if (v->value->kind == THAW_PICKLE_LIST || v->value->kind == THAW_PICKLE_TUPLE)
		return visit_list(s, v);
	if (is_module(v->value))
		return add_dict(s, dicts, v, NULL);
	const struct thaw_pickle_object *object = v->value->kind == THAW_PICKLE_OBJECT ? v->value->object : NULL;
	const struct thaw_pickle_list *items = object ? object->items : v->value->list;
	if (items) {
		THAW_TRY(add_dict(s, dicts, v, items));
		THAW_TRY(visit_items(s, v, items));
	}
	return object && object->state ? visit_items(s, v, object->state->list) : THAW_OK;
}

static int compare_dicts(const void *left, const void *right)
{
	const struct thaw_pth_dict *a = left, *b = right;
	bool average_a = thaw_name_is_average(a->path.bytes, a->path.size);
	bool average_b = thaw_name_is_average(b->path.bytes, b->path.size);
	if (average_a != average_b)
		return average_a ? 1 : -1;
	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	size_t n = min_size(a->path.size, b->path.size); /* qsort is not stable */
	int order = n > 0 ? memcmp(a->path.bytes, b->path.bytes, n) : 0;
	return order ? order : (a->path.size > b->path.size) - (a->path.size < b->path.size);
}

thaw_status thaw_pth_find_dicts(struct thaw_pickle *p, struct thaw_pth_dicts *dicts)
{
	struct search s = {.p = p};
	struct visit root = {.depth = -1};
	dicts->count = 0;
	THAW_TRY(visit_later(&s, &root, (struct thaw_pickle_text){"", 0}, p->top));
	while (s.next < s.count) {
		const struct visit v = s.visits[s.next++]; /* a copy, since the array may move */
		THAW_TRY(visit(&s, dicts, &v));
	}
	qsort(dicts->dict, (size_t)dicts->count, sizeof(*dicts->dict), compare_dicts);
	return THAW_OK;
}
