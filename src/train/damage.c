/* Damaged images are left out, counted, and each named once, from whatever rank met it. */
#include <stdio.h>
#include <string.h>

#include "src/train/run.h"

#define NOTE_BYTES 320
#define NOTES_MAX  64 /* per rank and epoch that are sent to rank 0; the count is exact all the same */

struct thaw_damage_notes {
	int64_t count;
	char text[NOTES_MAX][NOTE_BYTES];
};

void run_note_damage(struct run *r, const struct thaw_batch *batch)
{
	for (int64_t i = 0; i < batch->damaged_count; i++) {
		int64_t sample = batch->damaged[i];
		if (r->reported[sample])
			continue;
		r->reported[sample] = true;
		if (r->damage->count < NOTES_MAX)
			snprintf(r->damage->text[r->damage->count], NOTE_BYTES, "%s", batch->damaged_why[i]);
		r->damage->count++;
	}
}

static void log_notes(const struct run *r, const char *all, int64_t each)
{
	for (int rank = 0; rank < r->comm->size; rank++)
		for (int64_t i = 0; i < each; i++) {
			const char *text = all + (rank * each + i) * NOTE_BYTES;
			if (*text)
				run_log(r, "left out: %s", text);
		}
}

thaw_status run_report_damage(struct run *r)
{
	int64_t most = r->damage->count < NOTES_MAX ? r->damage->count : NOTES_MAX;
	THAW_TRY(r->comm->max(r->comm, &most, 1));
	if (most == 0)
		return THAW_OK;
	size_t bytes = (size_t)most * NOTE_BYTES;
	char *all = r->comm->rank == 0 ? thaw_alloc((size_t)r->comm->size, bytes) : NULL;
	thaw_status status = thaw_comm_agree(r->comm, r->comm->rank == 0 && !all ? THAW_RESOURCE : THAW_OK);
	if (status == THAW_OK)
		status = r->comm->gather(r->comm, r->damage->text, bytes, all);
	if (status == THAW_OK && all)
		log_notes(r, all, most);
	memset(r->damage, 0, sizeof *r->damage);
	thaw_free(all);
	return status;
}

thaw_status run_damage_create(struct run *r)
{
	r->damage = thaw_alloc(1, sizeof *r->damage);
	r->reported = thaw_alloc((size_t)r->train.count, sizeof *r->reported);
	return r->damage && r->reported ? THAW_OK : THAW_RESOURCE;
}
