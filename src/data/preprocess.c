/* Preprocessing for another input size. */
#include "thaw/transform.h"

struct thaw_preprocess thaw_preprocess_at(const struct thaw_preprocess *p, int size)
{
	struct thaw_preprocess at = *p;
	if (size > 0 && size != p->size) {
		at.resize = (int)(((int64_t)p->resize * size + p->size / 2) / p->size);
		at.size = size;
	}
	return at;
}
