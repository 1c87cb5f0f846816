#include "src/data/arena.h"

#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

#define FIRST_BYTES ((size_t)4096)
#define FIRST_SLOTS 64

/* Moves array[count] of elements of `size` bytes to room for `room` of them. */
static thaw_status resize(void **array, size_t count, size_t room, size_t size)
{
	void *larger = thaw_alloc(room, size);
	if (!larger)
		return THAW_RESOURCE;
	if (count > 0)
		memcpy(larger, *array, count * size);
	thaw_free(*array);
	*array = larger;
	return THAW_OK;
}

thaw_status thaw_arena_add(struct arena *a, const char *text, size_t length, size_t *offset)
{
	if (a->room - a->bytes < length + 1) {
		size_t room = max_size(a->room + a->room / 2, a->bytes + length + FIRST_BYTES);
		THAW_TRY(resize((void **)&a->text, a->bytes, room, 1));
		a->room = room;
	}
	memcpy(a->text + a->bytes, text, length);
	a->text[a->bytes + length] = '\0';
	*offset = a->bytes;
	a->bytes += length + 1;
	return THAW_OK;
}

void thaw_arena_free(struct arena *a)
{
	thaw_free(a->text);
	*a = (struct arena){0};
}

const char *thaw_intern_text(const struct intern *t, int64_t number)
{
	return t->arena.text + t->offset[number];
}

/* The slot of the text, or the empty one where it belongs. */
static int64_t find_slot(const struct intern *t, const char *text)
{
	uint64_t mask = (uint64_t)t->slots - 1;
	uint64_t at = thaw_digest(text, strlen(text), 0) & mask;
	while (t->slot[at] != 0 && strcmp(thaw_intern_text(t, t->slot[at] - 1), text) != 0)
		at = (at + 1) & mask;
	return (int64_t)at;
}

static thaw_status grow_slots(struct intern *t)
{
	int64_t slots = t->slots == 0 ? FIRST_SLOTS : 2 * t->slots;
	int64_t *slot = thaw_alloc((size_t)slots, sizeof(*slot));
	if (!slot)
		return THAW_RESOURCE;
	thaw_free(t->slot);
	t->slot = slot;
	t->slots = slots;
	for (int64_t i = 0; i < t->count; i++)
		slot[find_slot(t, thaw_intern_text(t, i))] = i + 1;
	return THAW_OK;
}

int64_t thaw_intern_find(const struct intern *t, const char *text)
{
	return t->slots > 0 ? t->slot[find_slot(t, text)] - 1 : -1;
}

thaw_status thaw_intern(struct intern *t, const char *text, int64_t *number)
{
	if (2 * t->count >= t->slots)
		THAW_TRY(grow_slots(t));
	int64_t at = find_slot(t, text);
	if (t->slot[at] == 0) {
		size_t offset;
		if (t->count == t->room) {
			int64_t room = t->room == 0 ? FIRST_SLOTS : 2 * t->room;
			THAW_TRY(resize((void **)&t->offset, (size_t)t->count, (size_t)room, sizeof(*t->offset)));
			t->room = room;
		}
		THAW_TRY(thaw_arena_add(&t->arena, text, strlen(text), &offset));
		t->offset[t->count++] = offset;
		t->slot[at] = t->count;
	}
	*number = t->slot[at] - 1;
	return THAW_OK;
}

void thaw_intern_free(struct intern *t)
{
	thaw_arena_free(&t->arena);
	thaw_free(t->offset);
	thaw_free(t->slot);
	*t = (struct intern){0};
}
