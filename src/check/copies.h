/* Pairs of images that are the same picture. */
#ifndef THAW_SRC_CHECK_COPIES_H
#define THAW_SRC_CHECK_COPIES_H

#include <stdint.h>

#include "thaw/error.h"

struct thaw_copy {
	int64_t a, b;     /* images, a < b */
	float similarity; /* 0 .. 1; 1: the same bytes or the same pixels */
};

struct thaw_copies {
	struct thaw_copy *copy; /* [count] */
	int64_t count, room;
};

thaw_status thaw_copies_add(struct thaw_copies *copies, int64_t a, int64_t b, float similarity);
void thaw_copies_release(struct thaw_copies *copies); /* zeroed is fine */

#endif
