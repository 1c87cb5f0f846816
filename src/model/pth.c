/* From the pickle of a .pth file to named tensors: collects the dicts and makes strided tensors contiguous. */
#include "src/model/pth.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/text.h"
#include "src/base/try.h"
#include "src/model/note.h"
#include "src/model/pth_dicts.h"
#include "src/model/tensor_name.h"
#include "thaw/memory.h"

/* Limit of the memory unpacked from a file, as a multiple of its size plus a constant. A state dict needs at most its
 * size, for non-contiguous (channels-last) tensors, and a little more if transposed tensors share storages. */
#define BUDGET_FACTOR 4
#define BUDGET_BASE   ((size_t)1 << 20)

#define MAX_KEYS 64 /* that are listed in messages */

struct thaw_pth_block {
	struct thaw_pth_block *next;
};

void thaw_pth_init(struct thaw_pth *pth, const char *file, size_t file_bytes)
{
	*pth = (struct thaw_pth){.file = file, .budget = file_bytes * BUDGET_FACTOR + BUDGET_BASE};
}

static void free_blocks(struct thaw_pth_block *block)
{
	while (block) {
		struct thaw_pth_block *next = block->next;
		thaw_free(block);
		block = next;
	}
}

void thaw_pth_free(struct thaw_pth *pth)
{
	thaw_pickle_free(&pth->pickle);
	thaw_free(pth->storages);
	free_blocks(pth->blocks);
	*pth = (struct thaw_pth){0};
}

thaw_status thaw_pth_alloc(struct thaw_pth *pth, size_t bytes, unsigned char **memory)
{
	if (bytes > pth->budget - pth->allocated)
		return thaw_fail(THAW_DATA, "refused: %s: it unpacks to more than %d times its size", pth->file,
				 BUDGET_FACTOR);
	struct thaw_pth_block *block = thaw_alloc(1, sizeof(*block) + bytes);
	if (!block)
		return THAW_RESOURCE;
	pth->allocated += bytes;
	block->next = pth->blocks;
	pth->blocks = block;
	*memory = (unsigned char *)(block + 1);
	return THAW_OK;
}

static int compare_text(struct thaw_pickle_text a, struct thaw_pickle_text b)
{
	int order = memcmp(a.bytes, b.bytes, min_size(a.size, b.size));
	return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_storages(const void *left, const void *right)
{
	const struct thaw_pth_storage *a = left, *b = right;
	return compare_text(a->key, b->key);
}

/* Lists the storages of the pickle, which names a storage once per tensor, with one entry per key. */
static thaw_status list_storages(struct thaw_pth *pth)
{
	const struct thaw_pickle *p = &pth->pickle;
	pth->storages = thaw_alloc(p->storage_count, sizeof(*pth->storages));
	if (!pth->storages)
		return THAW_RESOURCE;
	for (size_t i = 0; i < p->storage_count; i++) {
		const struct thaw_pickle_storage *s = p->storages[i];
		struct thaw_pth_storage *to = &pth->storages[i];
		*to = (struct thaw_pth_storage){.key = s->key, .dtype = s->dtype, .count = s->count};
		if (__builtin_mul_overflow((uint64_t)s->count, thaw_dtype_size(s->dtype), &to->bytes))
			return thaw_fail(THAW_DATA, "damaged pickle: %s: the size of a storage overflows", pth->file);
	}
	if (p->storage_count > 0)
		qsort(pth->storages, p->storage_count, sizeof(*pth->storages), compare_storages);
	for (size_t i = 0; i < p->storage_count; i++) {
		const struct thaw_pth_storage *s = &pth->storages[i];
		struct thaw_pth_storage *last = pth->storages + pth->storage_count;
		if (pth->storage_count == 0 || compare_storages(last - 1, s) != 0) {
			*last = *s;
			pth->storage_count++;
		} else if (last[-1].dtype != s->dtype || last[-1].count != s->count) {
			return thaw_fail(THAW_DATA, "damaged pickle: %s: a storage has two types or sizes", pth->file);
		}
	}
	return THAW_OK;
}

thaw_status thaw_pth_unpickle(struct thaw_pth *pth, const unsigned char *bytes, size_t size)
{
	THAW_TRY(thaw_pickle_parse(&pth->pickle, &thaw_pickle_torch, bytes, size, pth->file));
	return list_storages(pth);
}

struct thaw_pth_storage *thaw_pth_find(const struct thaw_pth *pth, struct thaw_pickle_text key)
{
	struct thaw_pth_storage wanted = {.key = key};
	if (pth->storage_count == 0)
		return NULL;
	return bsearch(&wanted, pth->storages, pth->storage_count, sizeof(wanted), compare_storages);
}

static bool is_contiguous(const struct thaw_pickle_tensor *t)
{
	int64_t stride = 1;
	if (thaw_shape_count(&t->shape) == 0)
		return true;
	for (int i = t->shape.ndim - 1; i >= 0; i--) {
		if (t->shape.dim[i] != 1 && t->stride[i] != stride)
			return false;
		stride *= t->shape.dim[i];
	}
	return true;
}

/* Copies the elements of t, of `width` bytes, to `to` in row-major order; `from` is the first element. */
static void copy_contiguous(unsigned char *to, const unsigned char *from, const struct thaw_pickle_tensor *t,
			    size_t width)
{
	int64_t index[THAW_MAX_DIMS] = {0};
	int64_t count = thaw_shape_count(&t->shape), at = 0; /* at: offset in elements */
	for (int64_t n = 0; n < count; n++) {
		memcpy(to + (size_t)n * width, from + (size_t)at * width, width);
		for (int axis = t->shape.ndim - 1; axis >= 0; axis--) {
			at += t->stride[axis];
			if (++index[axis] < t->shape.dim[axis])
				break;
			at -= t->stride[axis] * t->shape.dim[axis];
			index[axis] = 0;
		}
	}
}

/* Sets the tensor's data, in place if it is contiguous. */
static thaw_status map_tensor(struct thaw_pth *pth, struct thaw_named_tensor *to, const struct thaw_pickle_tensor *t)
{
	const struct thaw_pth_storage *storage = thaw_pth_find(pth, t->storage->key);
	size_t width = thaw_dtype_size(storage->dtype);
	to->dtype = storage->dtype;
	to->shape = t->shape;
	to->data = storage->data + (size_t)t->offset * width;
	if (is_contiguous(t))
		return THAW_OK;
	unsigned char *copy = NULL;
	THAW_TRY(thaw_pth_alloc(pth, (size_t)thaw_shape_count(&t->shape) * width, &copy));
	copy_contiguous(copy, to->data, t, width);
	to->data = copy;
	return THAW_OK;
}

static thaw_status collect_tensors(struct thaw_pth *pth, struct thaw_state_dict *to, const struct thaw_pth_dict *from)
{
	to->tensors = thaw_alloc(from->count, sizeof(*to->tensors));
	if (!to->tensors)
		return THAW_RESOURCE;
	for (size_t i = 0; i < from->count; i++) {
		const struct thaw_pth_entry *e = &from->entries[i];
		struct thaw_named_tensor *t = &to->tensors[to->count];
		THAW_TRY(thaw_tensor_name_copy(&t->name, e->name.bytes, e->name.size, pth->file));
		to->count++;
		THAW_TRY(map_tensor(pth, t, e->tensor));
	}
	return THAW_OK;
}

static char *printable(struct thaw_pickle_text text)
{
	char copy[128];
	thaw_text_printable(copy, sizeof(copy), text.bytes, text.size);
	return thaw_strdup(copy);
}

/* "NAME (MODULE.CLASS)", or the class alone if there is no name. */
static char *describe(struct thaw_pickle_text name, const struct thaw_pickle_object *o)
{
	char a[128], b[128], c[128];
	thaw_text_printable(a, sizeof(a), name.bytes, name.size);
	thaw_text_printable(b, sizeof(b), o->module.bytes, o->module.size);
	thaw_text_printable(c, sizeof(c), o->name.bytes, o->name.size);
	return name.size > 0 ? thaw_format("%s (%s.%s)", a, b, c) : thaw_format("%s.%s", b, c);
}

static thaw_status collect_dict(struct thaw_pth *pth, struct thaw_state_dict *to, const struct thaw_pth_dict *from)
{
	to->path = printable(from->path);
	if (from->module)
		to->module = describe((struct thaw_pickle_text){"", 0}, from->module);
	if (from->unreadable)
		to->unreadable = describe(from->unreadable_name, from->unreadable);
	if (!to->path || (from->module && !to->module) || (from->unreadable && !to->unreadable))
		return THAW_RESOURCE;
	return collect_tensors(pth, to, from);
}

/* A key for each item of a list: "[0]". */
static thaw_status number_items(const struct thaw_pickle_value *top, struct thaw_weights *w)
{
	for (size_t i = 0; i < top->list->count && w->key_count < MAX_KEYS; i++)
		if (!(w->keys[w->key_count++] = thaw_format("[%zu]", i)))
			return THAW_RESOURCE;
	return THAW_OK;
}

/* The keys of the file's dict or list, for the message that says what was passed over. */
static thaw_status collect_keys(const struct thaw_pickle_value *top, struct thaw_weights *w)
{
	w->keys = thaw_alloc(MAX_KEYS, sizeof(*w->keys));
	if (!w->keys)
		return THAW_RESOURCE;
	if (top->kind == THAW_PICKLE_LIST || top->kind == THAW_PICKLE_TUPLE)
		return number_items(top, w);
	if (top->kind != THAW_PICKLE_DICT)
		return THAW_OK;
	for (size_t i = 0; i + 1 < top->list->count && w->key_count < MAX_KEYS; i += 2) {
		if (top->list->items[i]->kind != THAW_PICKLE_TEXT)
			continue;
		w->keys[w->key_count] = printable(top->list->items[i]->text);
		if (!w->keys[w->key_count++])
			return THAW_RESOURCE;
	}
	return THAW_OK;
}

static thaw_status fail_empty(const struct thaw_pth *pth, const struct thaw_weights *w)
{
	struct thaw_note list = {0};
	thaw_note_list(&list);
	const enum thaw_pickle_kind kind = pth->pickle.top->kind;
	if (kind == THAW_PICKLE_LIST || kind == THAW_PICKLE_TUPLE)
		thaw_note_item(&list, ", only", "a list");
	else
		for (int i = 0; i < w->key_count; i++)
			thaw_note_item(&list, ", only", w->keys[i]);
	return thaw_fail(THAW_DATA, "no weights: %s: it has no dict of tensors%s: save model.state_dict()", pth->file,
			 list.text);
}

static thaw_status collect_dicts(struct thaw_pth *pth, struct thaw_weights *w)
{
	struct thaw_pth_dicts found;
	THAW_TRY(collect_keys(pth->pickle.top, w));
	THAW_TRY(thaw_pth_find_dicts(&pth->pickle, &found));
	if (found.count == 0)
		return fail_empty(pth, w);
	w->dicts = thaw_alloc((size_t)found.count, sizeof(*w->dicts));
	if (!w->dicts)
		return THAW_RESOURCE;
	for (int i = 0; i < found.count; i++) {
		w->dict_count++;
		THAW_TRY(collect_dict(pth, &w->dicts[i], &found.dict[i]));
	}
	thaw_weights_select(w, 0);
	return THAW_OK;
}

static void release_blocks(struct thaw_weights *w)
{
	free_blocks(w->storage);
}

thaw_status thaw_pth_finish(struct thaw_pth *pth, struct thaw_weights *w)
{
	for (size_t i = 0; i < pth->storage_count; i++)
		if (!pth->storages[i].data)
			return thaw_fail(THAW_DATA, "damaged file: %s: a storage is missing: copy it again", pth->file);
	THAW_TRY(collect_dicts(pth, w));
	w->storage = pth->blocks;
	w->storage_bytes = pth->allocated;
	w->release = release_blocks;
	pth->blocks = NULL;
	return THAW_OK;
}
