/* Which shards a node needs follows from its lanes: sample i is in lane i mod L. */
#include "thaw/stage.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/base/size_text.h"
#include "src/base/try.h"
#include "src/data/stage.h"
#include "thaw/lanes.h"
#include "thaw/memory.h"

#define LINE_SIZE 1200
#define REASON    400 /* bytes */

/* What one rank copied. */
struct tally {
	int64_t copied, kept, left; /* files; left: read from where they are */
	int64_t copied_bytes, kept_bytes, left_bytes;
	char reason[REASON]; /* why the first one could not be copied, other than for lack of room */
};

/* Staging while it is done. */
struct staging {
	struct thaw_comm *comm;
	const char *folder;
	int first, end; /* lanes of the ranks that share the copies of this rank */
	int lanes;
	bool leads; /* this rank makes them */
	struct stage_room room;
	struct stage_stop stop;
	struct tally tally;
};

/* needed[files]: whether a lane of this node has an image in the file. */
static thaw_status find_needed(bool **needed, const struct staging *s, const struct thaw_dataset *d)
{
	*needed = thaw_alloc((size_t)d->parts->count(d), sizeof(**needed));
	if (!*needed)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < d->count; i++) {
		int lane = (int)(i % s->lanes);
		if (lane >= s->first && lane < s->end)
			(*needed)[d->parts->of_sample(d, i)] = true;
	}
	return THAW_OK;
}

static thaw_status copy_file(struct staging *s, const char *source)
{
	enum stage_result result;
	int64_t bytes;
	THAW_TRY(thaw_stage_copy(&result, &bytes, s->folder, source, &s->room, &s->stop));
	struct tally *t = &s->tally;
	switch (result) {
	case STAGE_COPIED:
		t->copied++;
		t->copied_bytes += bytes;
		break;
	case STAGE_KEPT:
		t->kept++;
		t->kept_bytes += bytes;
		break;
	case STAGE_FAILED:
		if (!t->reason[0])
			snprintf(t->reason, sizeof(t->reason), "%s", thaw_error_message());
		/* fall through */
	case STAGE_NO_ROOM:
		t->left++;
		t->left_bytes += bytes;
		break;
	}
	return THAW_OK;
}

/* Removes stale copies of files of the folder that this one is in. */
static thaw_status clean_folder_of(const struct staging *s, const char *file)
{
	const char *slash = strrchr(file, '/');
	char *folder = slash ? thaw_format("%.*s", (int)(slash - file) + 1, file) : thaw_strdup(".");
	thaw_status status = folder ? thaw_stage_clean(s->folder, folder) : THAW_RESOURCE;
	thaw_free(folder);
	return status;
}

/* The rank that leads copies what its node needs of one dataset. */
static thaw_status copy_files(struct staging *s, const struct thaw_dataset *d)
{
	bool *needed;
	THAW_TRY(find_needed(&needed, s, d));
	thaw_status status = THAW_OK;
	for (int64_t f = 0; status == THAW_OK && f < d->parts->count(d); f++)
		if (needed[f])
			status = copy_file(s, d->parts->path(d, f));
	thaw_free(needed);
	return status;
}

static thaw_status copy_all(struct staging *s, struct thaw_dataset *const *datasets, int count, const char *limit)
{
	int lock;
	size_t bytes = 0;
	if (limit && !thaw_parse_size(limit, &bytes))
		return thaw_fail(THAW_USAGE, "not a size: --stage-limit %s: give bytes such as 200G", limit);
	if (!s->leads)
		return THAW_OK;
	THAW_TRY(thaw_stage_lock(&lock, s->folder, &s->stop));
	thaw_status status = THAW_OK;
	for (int i = 0; status == THAW_OK && i < count; i++)
		if (datasets[i]->parts && datasets[i]->parts->count(datasets[i]) > 0)
			status = clean_folder_of(s, datasets[i]->parts->path(datasets[i], 0));
	s->room.limited = limit != NULL;
	s->room.bytes = limit ? (int64_t)bytes : thaw_stage_free(s->folder);
	for (int i = 0; status == THAW_OK && i < count; i++)
		if (datasets[i]->parts)
			status = copy_files(s, datasets[i]);
	close(lock);
	return status;
}

/* Reads the copies that are there from now on. */
static thaw_status use_copies(const struct staging *s, struct thaw_dataset *d)
{
	for (int64_t f = 0; d->parts && f < d->parts->count(d); f++) {
		char *copy;
		THAW_TRY(thaw_stage_find(&copy, s->folder, d->parts->path(d, f)));
		thaw_status status = copy ? d->parts->replace(d, f, copy) : THAW_OK;
		thaw_free(copy);
		THAW_TRY(status);
	}
	return THAW_OK;
}

static void add_tally(struct tally *sum, const struct tally *t)
{
	sum->copied += t->copied;
	sum->kept += t->kept;
	sum->left += t->left;
	sum->copied_bytes += t->copied_bytes;
	sum->kept_bytes += t->kept_bytes;
	sum->left_bytes += t->left_bytes;
	if (!sum->reason[0])
		memcpy(sum->reason, t->reason, sizeof(sum->reason));
}

static thaw_status report(struct staging *s, const struct thaw_callbacks *callbacks)
{
	char line[LINE_SIZE];
	struct tally *all = thaw_alloc((size_t)s->comm->size, sizeof(*all)), sum = {0};
	THAW_TRY(thaw_comm_agree(s->comm, all ? THAW_OK : THAW_RESOURCE));
	thaw_status status = s->comm->gather(s->comm, &s->tally, sizeof(s->tally), all);
	for (int r = 0; status == THAW_OK && s->comm->rank == 0 && r < s->comm->size; r++)
		add_tally(&sum, &all[r]);
	thaw_free(all);
	if (status != THAW_OK || s->comm->rank != 0 || !callbacks || !callbacks->log)
		return status;
	snprintf(line, sizeof(line), "stage: %s: %lld shards copied (%.1f MB), %lld there (%.1f MB)", s->folder,
		 (long long)sum.copied, (double)sum.copied_bytes / 1e6, (long long)sum.kept,
		 (double)sum.kept_bytes / 1e6);
	callbacks->log(callbacks->context, line);
	if (sum.left == 0)
		return THAW_OK;
	snprintf(line, sizeof(line), "stage: %lld shards (%.1f MB) are read from where they are: %s",
		 (long long)sum.left, (double)sum.left_bytes / 1e6, sum.reason[0] ? sum.reason : "no room for them");
	callbacks->log(callbacks->context, line);
	return THAW_OK;
}

/* The ranks that share the copies of this one: those of its node, as far as they are consecutive. */
static void find_node(struct staging *s)
{
	const struct thaw_comm *c = s->comm;
	int first = c->node_first ? c->node_first[c->rank] : c->rank, end = c->rank + 1;
	while (c->node_first && end < c->size && c->node_first[end] == first)
		end++;
	s->leads = first == c->rank;
	s->first = thaw_lanes_first(s->lanes, c->size, first);
	s->end = thaw_lanes_first(s->lanes, c->size, end);
}

thaw_status thaw_stage(struct thaw_comm *comm, const char *folder, const char *limit,
		       struct thaw_dataset *const *datasets, int count, int lanes,
		       const struct thaw_callbacks *callbacks)
{
	struct staging s = {.comm = comm, .folder = folder, .lanes = lanes};
	if (callbacks)
		s.stop = (struct stage_stop){callbacks->stop, callbacks->context};
	bool any = false;
	for (int i = 0; i < count; i++)
		any |= datasets[i]->parts != NULL;
	if (!any && comm->rank == 0 && callbacks && callbacks->log)
		callbacks->log(callbacks->context, "stage: the dataset is not of tar shards: nothing is copied");
	find_node(&s);
	THAW_TRY(thaw_comm_agree(comm, any ? copy_all(&s, datasets, count, limit) : THAW_OK));
	if (!any)
		return THAW_OK;
	thaw_status status = THAW_OK;
	for (int i = 0; status == THAW_OK && i < count; i++)
		status = use_copies(&s, datasets[i]);
	THAW_TRY(thaw_comm_agree(comm, status));
	return report(&s, callbacks);
}
