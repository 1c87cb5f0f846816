/* Each rank records the damaged images that it finds; rank 0 gathers and logs them. */
#include "src/train/damage.h"

#include <stdio.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/found.h"
#include "thaw/memory.h"

#define NOTE_BYTES 320
#define NOTES_MAX  64 /* per rank and report that rank 0 receives; more are only counted */
#define LINE_BYTES (NOTE_BYTES + 32)

#define DEFAULT_SHARE 0.1 /* of the images that may be damaged */
#define DEFAULT_LEAST 10  /* images, where that is more */

struct thaw_damage {
	const struct thaw_dataset *dataset;
	uint8_t *known;     /* [dataset->count / 8 + 1] a bit per sample: this rank has found it damaged */
	int64_t *per_class; /* [dataset->classes] number of known damaged samples */
	int64_t *total;     /* [dataset->classes] number of samples */
	int64_t fresh;      /* found since the last report */
	char text[NOTES_MAX][NOTE_BYTES];
};

thaw_status thaw_damage_create(struct thaw_damage **damage, const struct thaw_dataset *dataset)
{
	struct thaw_damage *d = thaw_alloc(1, sizeof(*d));
	if (!d)
		return THAW_RESOURCE;
	d->dataset = dataset;
	d->known = thaw_alloc((size_t)dataset->count / 8 + 1, sizeof(*d->known));
	d->per_class = thaw_alloc((size_t)dataset->classes, sizeof(*d->per_class));
	d->total = thaw_alloc((size_t)dataset->classes, sizeof(*d->total));
	*damage = d;
	if (!d->known || !d->per_class || !d->total)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < dataset->count; i++)
		d->total[dataset->labels[i]]++;
	return THAW_OK;
}

void thaw_damage_destroy(struct thaw_damage *d)
{
	if (!d)
		return;
	thaw_free(d->known);
	thaw_free(d->per_class);
	thaw_free(d->total);
	thaw_free(d);
}

int64_t thaw_damage_note(struct thaw_damage *d, const struct thaw_batch *batch)
{
	int64_t fresh = 0;
	for (int64_t i = 0; i < batch->damaged_count; i++) {
		int64_t sample = batch->damaged[i];
		uint8_t bit = (uint8_t)(1u << sample % 8);
		if (d->known[sample / 8] & bit)
			continue;
		fresh++;
		d->known[sample / 8] |= bit;
		d->per_class[d->dataset->labels[sample]]++;
		if (d->fresh < NOTES_MAX)
			snprintf(d->text[d->fresh], NOTE_BYTES, "%s", batch->damaged_why[i]);
		d->fresh++;
	}
	return fresh;
}

/* The note without its last part: a skipped image needs no remedy. */
static int without_remedy(const char *note)
{
	const char *remedy = strstr(note, ": remove or replace it");
	return (int)(remedy ? (size_t)(remedy - note) : strlen(note));
}

/* Logs what rank 0 gathered: counts each[size], texts (size, most, NOTE_BYTES). */
static void log_notes(const struct thaw_comm *comm, const struct thaw_callbacks *callbacks, const int64_t *each,
		      const char *texts, int64_t most)
{
	char line[LINE_BYTES];
	int64_t more = 0;
	for (int rank = 0; rank < comm->size; rank++) {
		for (int64_t i = 0; i < each[rank] && i < most; i++) {
			const char *note = texts + (rank * most + i) * NOTE_BYTES;
			snprintf(line, sizeof(line), "skipped: %.*s", without_remedy(note), note);
			callbacks->log(callbacks->context, line);
		}
		more += max_int64(each[rank] - most, 0);
	}
	if (more == 0)
		return;
	snprintf(line, sizeof(line), "skipped: %lld more damaged images", (long long)more);
	callbacks->log(callbacks->context, line);
}

/* A class whose samples are all damaged, from counts (size, classes); -1: none. */
static int find_lost(const struct thaw_damage *d, const int64_t *counts, int ranks)
{
	for (int c = 0; c < d->dataset->classes; c++) {
		int64_t damaged = 0;
		for (int rank = 0; rank < ranks; rank++)
			damaged += counts[(int64_t)rank * d->dataset->classes + c];
		if (damaged > 0 && damaged == d->total[c])
			return c;
	}
	return -1;
}

static thaw_status gather_notes(struct thaw_damage *d, struct thaw_comm *comm, const struct thaw_callbacks *callbacks,
				int64_t most, int *lost)
{
	size_t ranks = comm->rank == 0 ? (size_t)comm->size : 0;
	size_t text_bytes = (size_t)most * NOTE_BYTES, class_bytes = (size_t)d->dataset->classes * sizeof(int64_t);
	int64_t *each = thaw_alloc(ranks, sizeof(*each)), *counts = thaw_alloc(ranks, class_bytes);
	char *texts = thaw_alloc(ranks, text_bytes);
	thaw_status status;
	THAW_TRY_OUT(thaw_comm_agree(comm, each && counts && texts ? THAW_OK : THAW_RESOURCE));
	THAW_TRY_OUT(comm->gather(comm, &d->fresh, sizeof(d->fresh), each));
	THAW_TRY_OUT(comm->gather(comm, d->text, text_bytes, texts));
	THAW_TRY_OUT(comm->gather(comm, d->per_class, class_bytes, counts));
	if (comm->rank == 0 && callbacks && callbacks->log)
		log_notes(comm, callbacks, each, texts, most);
	if (comm->rank == 0)
		*lost = find_lost(d, counts, comm->size);
	status = comm->broadcast(comm, lost, sizeof(*lost), 0);
out:
	thaw_free(each);
	thaw_free(counts);
	thaw_free(texts);
	return status;
}

thaw_status thaw_damage_report(struct thaw_damage *d, struct thaw_comm *comm, const struct thaw_callbacks *callbacks,
			       int *lost)
{
	*lost = -1;
	int64_t most = min_int64(d->fresh, NOTES_MAX);
	THAW_TRY(comm->max(comm, &most, 1));
	if (most == 0)
		return THAW_OK;
	THAW_TRY(gather_notes(d, comm, callbacks, most, lost));
	d->fresh = 0;
	return THAW_OK;
}

int64_t thaw_damage_limit(const struct thaw_dataset *dataset, double share)
{
	if (share < 0.0)
		return max_int64((int64_t)(DEFAULT_SHARE * (double)dataset->count), DEFAULT_LEAST);
	return (int64_t)(share * (double)dataset->count);
}

thaw_status thaw_fail_damaged(const struct thaw_dataset *dataset, int64_t count, int64_t limit)
{
	return thaw_fail(THAW_DATA,
			 "%lld of the %lld %s images are damaged or cannot be read, at most %lld may be: "
			 "--max-damaged: repair them, or allow a larger share",
			 (long long)count, (long long)dataset->count, thaw_dataset_kind(dataset), (long long)limit);
}
