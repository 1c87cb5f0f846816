#include "src/data/tar_load.h"

#include <string.h>
#include <unistd.h>

#include "src/base/open_file.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/tar_index.h"
#include "src/data/tar_list.h"
#include "thaw/lanes.h"
#include "thaw/memory.h"

#define FIRST_ROOM 1024

void thaw_tar_load_free(struct tar_load *l)
{
	thaw_free(l->records);
	thaw_free(l->labels);
	thaw_free(l->folders);
	thaw_free(l->weights);
	thaw_free(l->end);
	thaw_free(l->first_stale);
	thaw_tar_texts_free(&l->texts);
	thaw_tar_counts_free(&l->counts);
	*l = (struct tar_load){0};
}

/* Moves an array of `count` elements to one with more room. NULL without memory. */
static void *copy_larger(void *array, int64_t count, int64_t room, size_t size)
{
	void *larger = thaw_alloc((size_t)room, size);
	if (larger && count > 0)
		memcpy(larger, array, (size_t)count * size);
	if (larger)
		thaw_free(array);
	return larger;
}

static thaw_status reserve(struct tar_load *l, int64_t more)
{
	if (l->room - l->count >= more)
		return THAW_OK;
	int64_t room = 2 * l->room + more + FIRST_ROOM;
	void *records = copy_larger(l->records, l->count, room, sizeof(*l->records));
	l->records = records ? records : l->records;
	void *labels = copy_larger(l->labels, l->count, room, sizeof(*l->labels));
	l->labels = labels ? labels : l->labels;
	void *folders = copy_larger(l->folders, l->count, room, sizeof(*l->folders));
	l->folders = folders ? folders : l->folders;
	void *weights = l->weights ? copy_larger(l->weights, l->count, room, sizeof(*l->weights)) : NULL;
	l->weights = weights ? weights : l->weights;
	if (!records || !labels || !folders || (l->weights && !weights))
		return THAW_RESOURCE;
	l->room = room;
	return THAW_OK;
}

static thaw_status add_samples(struct tar_load *l, const struct tar_shard *s, uint32_t shard, const uint32_t *number)
{
	THAW_TRY(reserve(l, s->count));
	for (uint32_t i = 0; i < s->count; i++) {
		const struct tar_sample *from = &s->samples[i];
		int64_t at = l->count++;
		l->records[at] = (struct tar_record){.offset = from->offset,
						     .key = from->key,
						     .size = from->size,
						     .header = from->header,
						     .shard = shard,
						     .link = from->link};
		l->labels[at] = from->label == TAR_NONE ? TAR_NONE : number[from->label];
		l->folders[at] = from->folder == TAR_NONE ? TAR_NONE : number[from->folder];
		if (from->weight > 0 && !l->weights && !(l->weights = thaw_alloc((size_t)l->room, sizeof(float))))
			return THAW_RESOURCE;
		if (l->weights)
			l->weights[at] = from->weight;
	}
	return THAW_OK;
}

/* Adds the samples of a shard; its texts get other numbers. */
static thaw_status add_shard(struct tar_load *l, const struct tar_shard *s, uint32_t shard, const char *name)
{
	uint32_t *number = thaw_alloc((size_t)s->texts.count, sizeof(*number));
	thaw_status status = number ? THAW_OK : THAW_RESOURCE;
	for (uint32_t i = 0; status == THAW_OK && i < s->texts.count; i++)
		status = thaw_tar_texts_add(&l->texts, &number[i], s->texts.text[i]);
	if (status == THAW_OK)
		status = add_samples(l, s, shard, number);
	thaw_free(number);
	return status == THAW_OK ? thaw_tar_counts_add(&l->counts, &s->counts, name) : status;
}

static thaw_status read_shard(struct tar_load *l, struct tar_shard *s, const char *path, const char *name)
{
	int fd;
	struct stat st;
	enum tar_index_state state;
	THAW_TRY(thaw_open_file(&fd, &st, path));
	thaw_status status = thaw_tar_index_read(s, &state, fd, path);
	if (status == THAW_OK && state != TAR_INDEX_READ) {
		l->scanned++;
		status = thaw_tar_scan(s, fd, path);
	}
	if (status == THAW_OK && state == TAR_INDEX_STALE && l->stale++ == 0)
		status = (l->first_stale = thaw_strdup(name)) ? THAW_OK : THAW_RESOURCE;
	close(fd);
	return status;
}

thaw_status thaw_tar_load(struct tar_load *l, const char *root, const struct names *files)
{
	if (!(l->end = thaw_alloc((size_t)files->count, sizeof(*l->end))))
		return THAW_RESOURCE;
	for (int64_t i = 0; i < files->count; i++) {
		struct tar_shard s = {0};
		char *path = thaw_path_join(root, files->name[i]);
		thaw_status status = path ? read_shard(l, &s, path, files->name[i]) : THAW_RESOURCE;
		if (status == THAW_OK)
			status = add_shard(l, &s, (uint32_t)i, files->name[i]);
		l->end[i] = l->count;
		thaw_tar_shard_free(&s);
		thaw_free(path);
		THAW_TRY(status);
	}
	return THAW_OK;
}

thaw_status thaw_tar_load_report(struct thaw_found *found, const struct tar_load *l, int64_t shards)
{
	long long stale = (long long)l->stale, without = (long long)(l->scanned - l->stale);
	THAW_TRY(thaw_tar_counts_report(found, &l->counts));
	if (stale > 0)
		THAW_TRY(
			thaw_found_note(found, thaw_format("indexes that are not of their shards as they are now: %lld "
							   "(first: %s): the headers of the shards are read instead",
							   stale, l->first_stale)));
	if (without == 0)
		return THAW_OK;
	return thaw_found_note(found,
			       thaw_format("%lld of %lld shards have no index: all headers are read at each start "
					   "(thaw pack writes shards with indexes)",
					   without, (long long)shards));
}

/* order[i]: which of the samples, in the order of the shards, is sample i: the k-th of a lane is k * lanes + lane. */
static void interleave(int64_t *order, const struct tar_load *l, const struct names *files, int lanes)
{
	for (int lane = 0; lane < lanes; lane++) {
		int64_t k = 0;
		for (int64_t f = 0; f < files->count; f++) {
			int own, all;
			if (!thaw_tar_lane(files->name[f], &own, &all) || own != lane)
				continue;
			for (int64_t i = f > 0 ? l->end[f - 1] : 0; i < l->end[f]; i++, k++)
				if (k * lanes + lane < l->count)
					order[k * lanes + lane] = i;
		}
	}
}

static thaw_status check_lanes(const struct tar_load *l, const struct names *files, int lanes, const char *root)
{
	int64_t *size = thaw_alloc((size_t)lanes, sizeof(*size));
	thaw_status status = size ? THAW_OK : THAW_RESOURCE;
	for (int64_t f = 0; status == THAW_OK && f < files->count; f++) {
		int own = 0, all = 0;
		if (!thaw_tar_lane(files->name[f], &own, &all) || all != lanes)
			status = thaw_fail(THAW_DATA, "shards of other lanes: %s: %s beside %s: remove one of them",
					   root, files->name[f], files->name[0]);
		else
			size[own] += l->end[f] - (f > 0 ? l->end[f - 1] : 0);
	}
	for (int lane = 0; status == THAW_OK && lane < lanes; lane++) {
		long long wanted = (long long)thaw_lane_count(l->count, lanes, lane);
		if (size[lane] != wanted)
			status =
				thaw_fail(THAW_DATA,
					  "shards are missing or incomplete: %s: lane %d of %d has %lld images, wanted "
					  "are %lld: copy them again",
					  root, lane, lanes, (long long)size[lane], wanted);
	}
	thaw_free(size);
	return status;
}

static thaw_status reorder(struct tar_load *l, const int64_t *order)
{
	struct tar_load o = {.room = l->count};
	size_t n = (size_t)l->count;
	o.records = thaw_alloc(n, sizeof(*o.records));
	o.labels = thaw_alloc(n, sizeof(*o.labels));
	o.folders = thaw_alloc(n, sizeof(*o.folders));
	o.weights = l->weights ? thaw_alloc(n, sizeof(*o.weights)) : NULL;
	if (!o.records || !o.labels || !o.folders || (l->weights && !o.weights)) {
		thaw_tar_load_free(&o);
		return THAW_RESOURCE;
	}
	for (int64_t i = 0; i < l->count; i++) {
		o.records[i] = l->records[order[i]];
		o.labels[i] = l->labels[order[i]];
		o.folders[i] = l->folders[order[i]];
		if (o.weights)
			o.weights[i] = l->weights[order[i]];
	}
	thaw_free(l->records);
	thaw_free(l->labels);
	thaw_free(l->folders);
	thaw_free(l->weights);
	l->records = o.records;
	l->labels = o.labels;
	l->folders = o.folders;
	l->weights = o.weights;
	l->room = o.room;
	return THAW_OK;
}

thaw_status thaw_tar_order(struct tar_load *l, const struct names *files, const char *root)
{
	int lane, lanes = 0;
	for (int64_t f = 0; f < files->count && lanes == 0; f++)
		if (!thaw_tar_lane(files->name[f], &lane, &lanes))
			lanes = 0;
	if (lanes == 0)
		return THAW_OK;
	THAW_TRY(check_lanes(l, files, lanes, root));
	int64_t *order = thaw_alloc((size_t)l->count, sizeof(*order));
	if (!order)
		return THAW_RESOURCE;
	interleave(order, l, files, lanes);
	thaw_status status = reorder(l, order);
	thaw_free(order);
	return status;
}
