#include "src/check/copies.h"

#include <string.h>

#include "src/base/minmax.h"
#include "thaw/memory.h"

#define FIRST_ROOM 256

thaw_status thaw_copies_add(struct thaw_copies *copies, int64_t a, int64_t b, float similarity)
{
	if (copies->count == copies->room) {
		int64_t room = 2 * copies->room + FIRST_ROOM;
		struct thaw_copy *grown = thaw_alloc((size_t)room, sizeof(*grown));
		if (!grown)
			return THAW_RESOURCE;
		if (copies->count > 0)
			memcpy(grown, copies->copy, (size_t)copies->count * sizeof(*grown));
		thaw_free(copies->copy);
		copies->copy = grown;
		copies->room = room;
	}
	copies->copy[copies->count++] = (struct thaw_copy){min_int64(a, b), max_int64(a, b), similarity};
	return THAW_OK;
}

void thaw_copies_release(struct thaw_copies *copies)
{
	thaw_free(copies->copy);
	*copies = (struct thaw_copies){0};
}
