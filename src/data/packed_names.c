#include "src/data/packed_names.h"

#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/memory.h"

#define FIRST_ROOM ((size_t)4096) /* bytes, of text and of offsets */

void thaw_packed_names_free(struct packed_names *n)
{
	thaw_free(n->text);
	thaw_free(n->start);
	*n = (struct packed_names){0};
}

/* Moves *block, of `used` bytes, to memory of `room` bytes. */
static thaw_status move_block(void *block, size_t used, size_t room)
{
	void **at = block, *moved = thaw_alloc(room, 1);
	if (!moved)
		return THAW_RESOURCE;
	if (used > 0)
		memcpy(moved, *at, used);
	thaw_free(*at);
	*at = moved;
	return THAW_OK;
}

thaw_status thaw_packed_names_add(struct packed_names *n, const char *name)
{
	size_t bytes = strlen(name) + 1;
	if (n->room - n->bytes < bytes) {
		size_t room = max_size(2 * n->room, n->bytes + bytes + FIRST_ROOM);
		THAW_TRY(move_block(&n->text, n->bytes, room));
		n->room = room;
	}
	if (n->count == n->start_room) {
		int64_t room = max_int64(2 * n->start_room, (int64_t)(FIRST_ROOM / sizeof(*n->start)));
		size_t size = sizeof(*n->start);
		THAW_TRY(move_block(&n->start, (size_t)n->count * size, (size_t)room * size));
		n->start_room = room;
	}
	memcpy(n->text + n->bytes, name, bytes);
	n->start[n->count++] = n->bytes;
	n->bytes += bytes;
	return THAW_OK;
}

const char *thaw_packed_name(const struct packed_names *n, int64_t i)
{
	return n->text + n->start[i];
}

void thaw_packed_names_filter(struct packed_names *n, const bool *keep, bool value)
{
	int64_t kept = 0;
	size_t to = 0;
	for (int64_t i = 0; i < n->count; i++) {
		size_t from = n->start[i], bytes = strlen(n->text + from) + 1;
		if (keep[i] != value)
			continue;
		memmove(n->text + to, n->text + from, bytes);
		n->start[kept++] = to;
		to += bytes;
	}
	n->count = kept;
	n->bytes = to;
}

void thaw_packed_names_trim(struct packed_names *n)
{
	size_t size = sizeof(*n->start);
	if (n->bytes < n->room && move_block(&n->text, n->bytes, n->bytes) == THAW_OK)
		n->room = n->bytes;
	if (n->count < n->start_room &&
	    move_block(&n->start, (size_t)n->count * size, (size_t)n->count * size) == THAW_OK)
		n->start_room = n->count;
}
