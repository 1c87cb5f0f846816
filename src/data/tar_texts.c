#include "src/data/tar_texts.h"

#include <string.h>

#include "src/base/grow.h"
#include "src/base/try.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

#define FIRST_ROOM 64u

void thaw_tar_map_free(struct tar_map *m)
{
	thaw_free(m->keys);
	thaw_free(m->values);
	*m = (struct tar_map){0};
}

/* The position of the key, or a free one. At least one is free. */
static uint32_t find_slot(const struct tar_map *m, uint64_t key)
{
	uint32_t at = (uint32_t)(key >> 32 ^ key) & (m->room - 1);
	while (m->keys[at] != 0 && m->keys[at] != key)
		at = (at + 1) & (m->room - 1);
	return at;
}

/* Doubles the room. */
static bool grow(struct tar_map *m)
{
	struct tar_map larger = {.count = m->count, .room = m->room ? 2 * m->room : FIRST_ROOM};
	larger.keys = thaw_alloc(larger.room, sizeof(*larger.keys));
	larger.values = thaw_alloc(larger.room, sizeof(*larger.values));
	if (!larger.keys || !larger.values) {
		thaw_tar_map_free(&larger);
		return false;
	}
	for (uint32_t i = 0; i < m->room; i++) {
		if (m->keys[i] == 0)
			continue;
		uint32_t at = find_slot(&larger, m->keys[i]);
		larger.keys[at] = m->keys[i];
		larger.values[at] = m->values[i];
	}
	thaw_tar_map_free(m);
	*m = larger;
	return true;
}

uint32_t *thaw_tar_map_at(struct tar_map *m, uint64_t key)
{
	key = key ? key : 1;
	if (2 * (m->count + 1) > m->room && !grow(m))
		return NULL;
	uint32_t at = find_slot(m, key);
	if (m->keys[at] == 0) {
		m->keys[at] = key;
		m->values[at] = TAR_NONE;
		m->count++;
	}
	return &m->values[at];
}

uint32_t thaw_tar_map_find(const struct tar_map *m, uint64_t key)
{
	key = key ? key : 1;
	uint32_t at = m->room > 0 ? find_slot(m, key) : 0;
	return m->room > 0 && m->keys[at] == key ? m->values[at] : TAR_NONE;
}

thaw_status thaw_tar_texts_add(struct tar_texts *t, uint32_t *number, const char *text)
{
	uint32_t *value = thaw_tar_map_at(&t->numbers, thaw_digest(text, strlen(text), 0));
	if (!value)
		return THAW_RESOURCE;
	if (*value != TAR_NONE && strcmp(t->text[*value], text) == 0) {
		*number = *value;
		return THAW_OK;
	}
	char **grown = thaw_grow(t->text, (int)t->count, sizeof(*grown));
	if (!grown)
		return THAW_RESOURCE;
	t->text = grown;
	if (!(grown[t->count] = thaw_strdup(text)))
		return THAW_RESOURCE;
	*number = *value = t->count++;
	return THAW_OK;
}

void thaw_tar_texts_free(struct tar_texts *t)
{
	for (uint32_t i = 0; i < t->count; i++)
		thaw_free(t->text[i]);
	thaw_free(t->text);
	thaw_tar_map_free(&t->numbers);
	*t = (struct tar_texts){0};
}
