/* From the objects of a .pth file to named tensors: finds the state dict and lays strided tensors out densely. */
#include "src/model/pth.h"

#include <stdlib.h>
#include <string.h>

#include "src/model/text.h"

/* Times the file's size: how much may be unpacked from it. A state dict needs at most its size once, for
 * tensors saved in another order (channels last), and a little more where transposed tensors share storages. */
#define BUDGET_FACTOR 4
#define BUDGET_LEAST  ((size_t)1 << 20)

#define PARALLEL_PREFIX "module." /* what DataParallel puts before every name */

struct thaw_pth_block {
	struct thaw_pth_block *next;
};

void thaw_pth_start(struct thaw_pth *pth, const char *file, size_t file_bytes)
{
	*pth = (struct thaw_pth){.file = file, .budget = file_bytes * BUDGET_FACTOR + BUDGET_LEAST};
}

static void free_blocks(struct thaw_pth_block *block)
{
	while (block) {
		struct thaw_pth_block *next = block->next;
		thaw_free(block);
		block = next;
	}
}

void thaw_pth_close(struct thaw_pth *pth)
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
	int order = memcmp(a.bytes, b.bytes, a.size < b.size ? a.size : b.size);
	return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_storages(const void *left, const void *right)
{
	const struct thaw_pth_storage *a = left, *b = right;
	return compare_text(a->key, b->key);
}

/* One entry per key from the pickle's list, where a storage stands once for each of its tensors. */
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
			return thaw_fail(THAW_DATA, "damaged pickle: %s: a storage larger than memory", pth->file);
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
			return thaw_fail(THAW_DATA, "damaged pickle: %s: a storage with two types or sizes", pth->file);
		}
	}
	return THAW_OK;
}

thaw_status thaw_pth_unpickle(struct thaw_pth *pth, const unsigned char *bytes, size_t size)
{
	THAW_TRY(thaw_pickle_parse(&pth->pickle, bytes, size, pth->file));
	return list_storages(pth);
}

struct thaw_pth_storage *thaw_pth_find(const struct thaw_pth *pth, struct thaw_pickle_text key)
{
	struct thaw_pth_storage wanted = {.key = key};
	if (pth->storage_count == 0)
		return NULL;
	return bsearch(&wanted, pth->storages, pth->storage_count, sizeof(wanted), compare_storages);
}

/* How many tensors a dict holds; 0 for anything else. */
static size_t count_tensors(const struct thaw_pickle_value *v)
{
	size_t n = 0;
	if (v->kind != THAW_PICKLE_DICT)
		return 0;
	for (size_t i = 0; i + 1 < v->list->count; i += 2)
		n += v->list->items[i + 1]->kind == THAW_PICKLE_TENSOR;
	return n;
}

/* The dict of tensors: under one of the keys that training scripts use, or the object itself. */
static const struct thaw_pickle_value *find_state_dict(const struct thaw_pickle_value *top)
{
	static const char *const keys[] = {"state_dict", "model_state_dict", "model", "net"};
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const struct thaw_pickle_value *v = thaw_pickle_get(top, keys[i]);
		if (v && count_tensors(v) > 0)
			return v;
	}
	return count_tensors(top) > 0 ? top : NULL;
}

static bool is_dense(const struct thaw_pickle_tensor *t)
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

/* to = the elements of t, row major; `from` is its first element. */
static void copy_dense(unsigned char *to, const unsigned char *from, const struct thaw_pickle_tensor *t, size_t width)
{
	int64_t index[THAW_MAX_DIMS] = {0};
	int64_t count = thaw_shape_count(&t->shape), at = 0; /* at: elements from the first one */
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

static thaw_status place(struct thaw_pth *pth, struct thaw_named_tensor *to, const struct thaw_pickle_tensor *t)
{
	const struct thaw_pth_storage *storage = thaw_pth_find(pth, t->storage->key);
	size_t width = thaw_dtype_size(storage->dtype);
	to->dtype = storage->dtype;
	to->shape = t->shape;
	to->data = storage->data + (size_t)t->offset * width;
	if (is_dense(t))
		return THAW_OK;
	unsigned char *dense = NULL;
	THAW_TRY(thaw_pth_alloc(pth, (size_t)thaw_shape_count(&t->shape) * width, &dense));
	copy_dense(dense, to->data, t, width);
	to->data = dense;
	return THAW_OK;
}

/* How many bytes at the start of every tensor's name DataParallel has put there. */
static size_t parallel_prefix(const struct thaw_pickle_list *entries)
{
	size_t length = strlen(PARALLEL_PREFIX);
	for (size_t i = 0; i + 1 < entries->count; i += 2) {
		const struct thaw_pickle_value *key = entries->items[i];
		if (entries->items[i + 1]->kind != THAW_PICKLE_TENSOR)
			continue;
		if (key->kind != THAW_PICKLE_TEXT || key->text.size <= length ||
		    memcmp(key->text.bytes, PARALLEL_PREFIX, length) != 0)
			return 0;
	}
	return length;
}

static thaw_status collect(struct thaw_pth *pth, struct thaw_weights *w, const struct thaw_pickle_list *entries)
{
	size_t skip = parallel_prefix(entries);
	for (size_t i = 0; i + 1 < entries->count; i += 2) {
		const struct thaw_pickle_value *key = entries->items[i], *value = entries->items[i + 1];
		if (value->kind != THAW_PICKLE_TENSOR)
			continue;
		if (key->kind != THAW_PICKLE_TEXT)
			return thaw_fail(THAW_DATA, "damaged pickle: %s: a tensor's name is no text", pth->file);
		struct thaw_named_tensor *to = &w->tensors[w->count];
		THAW_TRY(thaw_text_name(&to->name, key->text.bytes + skip, key->text.size - skip, pth->file));
		w->count++;
		THAW_TRY(place(pth, to, value->tensor));
	}
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
			return thaw_fail(THAW_DATA,
					 "damaged file: %s: it does not hold all the storages it names: copy it again",
					 pth->file);
	const struct thaw_pickle_value *dict = find_state_dict(pth->pickle.top);
	if (!dict)
		return thaw_fail(THAW_DATA, "no weights: %s: it holds no dict of tensors: save model.state_dict()",
				 pth->file);
	w->tensors = thaw_alloc(count_tensors(dict), sizeof(*w->tensors));
	if (!w->tensors)
		return THAW_RESOURCE;
	THAW_TRY(collect(pth, w, dict->list));
	w->storage = pth->blocks;
	w->storage_bytes = pth->allocated;
	w->release = release_blocks;
	pth->blocks = NULL;
	return THAW_OK;
}
