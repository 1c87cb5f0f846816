/* Finds samples by the digests of their keys. */
#include <stdlib.h>
#include <string.h>

#include "src/data/dataset.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

struct entry {
	uint64_t digest;
	int64_t sample;
};

struct thaw_key_finder {
	int64_t count;
	struct entry entry[]; /* by digest, then by sample */
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	if (x->digest != y->digest)
		return x->digest < y->digest ? -1 : 1;
	return (x->sample > y->sample) - (x->sample < y->sample);
}

thaw_status thaw_key_finder_open(struct thaw_key_finder **finder, const struct thaw_dataset *d)
{
	int64_t count = d->name_digest ? d->count : 0;
	struct thaw_key_finder *f = thaw_alloc(1, sizeof(*f) + (size_t)count * sizeof(f->entry[0]));
	if (!f)
		return THAW_RESOURCE;
	f->count = count;
	for (int64_t i = 0; i < count; i++)
		f->entry[i] = (struct entry){d->name_digest(d, i), i};
	qsort(f->entry, (size_t)count, sizeof(f->entry[0]), compare_entries);
	*finder = f;
	return THAW_OK;
}

int64_t thaw_key_find(const struct thaw_key_finder *finder, const char *key)
{
	uint64_t digest = thaw_digest(key, strlen(key), 0);
	int64_t low = 0, high = finder->count;
	while (low < high) {
		int64_t middle = low + (high - low) / 2;
		if (finder->entry[middle].digest < digest)
			low = middle + 1;
		else
			high = middle;
	}
	return low < finder->count && finder->entry[low].digest == digest ? finder->entry[low].sample : -1;
}

void thaw_key_finder_close(struct thaw_key_finder *finder)
{
	thaw_free(finder);
}
