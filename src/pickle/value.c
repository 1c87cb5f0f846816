/* The values of a pickle: lists and dicts, and their memory, which is allocated in blocks, limited and freed together.
 */
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/pickle/pickle.h"
#include "thaw/memory.h"

#define BLOCK_BYTES ((size_t)16 << 10)
#define MAX_MEMORY  ((size_t)256 << 20) /* bytes; the pickle of a large network takes a few MB */
#define FIRST_ROOM  8                   /* entries of a list */

struct thaw_pickle_block {
	struct thaw_pickle_block *next;
	size_t used, room; /* bytes after this struct */
};

void *thaw_pickle_alloc(struct thaw_pickle *p, size_t count, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes) || bytes > MAX_MEMORY) {
		p->failed = thaw_fail(THAW_DATA, "refused: %s: its pickle is larger than that of %s", p->file,
				      p->vocabulary->kind);
		return NULL;
	}
	bytes = (bytes + 7) & ~(size_t)7;
	struct thaw_pickle_block *block = p->blocks;
	if (!block || block->room - block->used < bytes) {
		size_t room = max_size(bytes, BLOCK_BYTES);
		if (room > MAX_MEMORY - p->allocated) {
			p->failed = thaw_fail(THAW_DATA, "refused: %s: its pickle is larger than that of %s", p->file,
					      p->vocabulary->kind);
			return NULL;
		}
		block = thaw_alloc(1, sizeof(*block) + room);
		if (!block) {
			p->failed = THAW_RESOURCE;
			return NULL;
		}
		block->room = room;
		block->next = p->blocks;
		p->blocks = block;
		p->allocated += room;
	}
	void *memory = (char *)(block + 1) + block->used;
	block->used += bytes;
	return memory;
}

struct thaw_pickle_value *thaw_pickle_new(struct thaw_pickle *p, enum thaw_pickle_kind kind)
{
	struct thaw_pickle_value *v = thaw_pickle_alloc(p, 1, sizeof(*v));
	if (!v)
		return NULL;
	v->kind = kind;
	if (kind == THAW_PICKLE_TUPLE || kind == THAW_PICKLE_LIST || kind == THAW_PICKLE_DICT)
		v->list = thaw_pickle_alloc(p, 1, sizeof(*v->list));
	return p->failed ? NULL : v;
}

thaw_status thaw_pickle_reserve(struct thaw_pickle *p, struct thaw_pickle_list *list, size_t more)
{
	if (list->room - list->count >= more)
		return THAW_OK;
	size_t room = max_size(list->room > 0 ? list->room * 2 : FIRST_ROOM, list->count + more);
	const struct thaw_pickle_value **items = thaw_pickle_alloc(p, room, sizeof(const struct thaw_pickle_value *));
	if (!items)
		return p->failed;
	if (list->count > 0)
		memcpy(items, list->items, list->count * sizeof(const struct thaw_pickle_value *));
	list->items = items;
	list->room = room;
	return THAW_OK;
}

thaw_status thaw_pickle_append(struct thaw_pickle *p, struct thaw_pickle_list *list, const struct thaw_pickle_value *v)
{
	THAW_TRY(thaw_pickle_reserve(p, list, 1));
	list->items[list->count++] = v;
	return THAW_OK;
}

bool thaw_pickle_text_is(const struct thaw_pickle_value *v, const char *text)
{
	size_t size = strlen(text);
	return v->kind == THAW_PICKLE_TEXT && v->text.size == size && memcmp(v->text.bytes, text, size) == 0;
}

const struct thaw_pickle_value *thaw_pickle_get(const struct thaw_pickle_value *dict, const char *key)
{
	const struct thaw_pickle_value *found = NULL;
	if (dict->kind != THAW_PICKLE_DICT)
		return NULL;
	for (size_t i = 0; i + 1 < dict->list->count; i += 2)
		if (thaw_pickle_text_is(dict->list->items[i], key))
			found = dict->list->items[i + 1];
	return found;
}

void thaw_pickle_free(struct thaw_pickle *p)
{
	while (p->blocks) {
		struct thaw_pickle_block *next = p->blocks->next;
		thaw_free(p->blocks);
		p->blocks = next;
	}
	*p = (struct thaw_pickle){0};
}
