/* Datasets that are open, of any format: fingerprints, the digest, closing. */
#include <string.h>

#include "src/data/found.h"
#include "src/data/node_block.h"
#include "thaw/dataset.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

#define NAME_SIZE 4096 /* bytes of a sample name that enter the digest */

void thaw_dataset_close(struct thaw_dataset *d)
{
	if (d->close)
		d->close(d);
	for (int c = 0; d->class_names && c < d->classes; c++)
		thaw_free(d->class_names[c]);
	thaw_free(d->class_names);
	if (!d->values.data) {
		thaw_free(d->labels);
		thaw_free(d->groups);
		thaw_free(d->targets);
		thaw_free(d->weights);
	}
	thaw_node_block_close(&d->values);
	thaw_found_destroy(d->found);
	*d = (struct thaw_dataset){0};
}

struct thaw_fingerprint thaw_dataset_fingerprint(const struct thaw_dataset *d, int64_t i, bool whole)
{
	struct thaw_fingerprint f = {0};
	if (!d->fingerprint || d->fingerprint(d, i, whole, &f) != THAW_OK)
		return (struct thaw_fingerprint){0};
	return f;
}

uint64_t thaw_dataset_digest(const struct thaw_dataset *d)
{
	uint64_t digest = 0;
	for (int c = 0; c < d->classes; c++)
		digest = thaw_digest(d->class_names[c], strlen(d->class_names[c]) + 1, digest);
	digest = thaw_digest(d->labels, (size_t)d->count * sizeof(d->labels[0]), digest);
	if (d->task != THAW_TASK_CLASS)
		digest = thaw_digest(&d->task, sizeof(d->task), digest);
	if (d->targets)
		digest = thaw_digest(d->targets, (size_t)d->count * (size_t)d->classes * sizeof(d->targets[0]), digest);
	if (d->weights)
		digest = thaw_digest(d->weights, (size_t)d->count * sizeof(d->weights[0]), digest);
	for (int64_t i = 0; i < d->count; i++) {
		char name[NAME_SIZE];
		if (d->name_digest) {
			uint64_t own = d->name_digest(d, i);
			digest = thaw_digest(&own, sizeof(own), digest);
			continue;
		}
		d->name(d, i, name, sizeof(name));
		digest = thaw_digest(name, strlen(name) + 1, digest);
	}
	return digest;
}
