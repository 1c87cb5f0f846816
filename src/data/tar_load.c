/* The samples of all shards are placed where they belong at once: first they are counted, by the beginnings of the
 * indexes, or by reading the headers of the shards without one; then the memory for all is allocated, of which a node
 * has one, and each shard is read and its samples are placed. So no memory but this grows with the dataset, except for
 * shards without an index, which wait in the memory of each rank until they are placed. */
#include "src/data/tar_load.h"

#include <string.h>
#include <unistd.h>

#include "src/base/open_file.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/tar_index.h"
#include "src/data/tar_list.h"
#include "thaw/digest.h"
#include "thaw/lanes.h"
#include "thaw/memory.h"

void thaw_tar_load_free(struct tar_load *l)
{
	if (l->record_memory.data)
		thaw_node_block_close(&l->record_memory);
	else
		thaw_free(l->records);
	thaw_node_block_close(&l->label_memory);
	thaw_free(l->end);
	thaw_free(l->first_stale);
	thaw_tar_texts_free(&l->texts);
	thaw_tar_counts_free(&l->counts);
	*l = (struct tar_load){0};
}

/* A shard while the samples are counted. */
struct counted {
	int64_t count;
	int64_t first, step;    /* its sample j is sample first + j * step of all */
	bool scanned;           /* its headers were read: `shard` has what is in them */
	struct tar_shard shard; /* else zeroed */
};

struct loading {
	struct tar_load *l;
	const char *root;
	const struct names *files;
	struct counted *shards; /* [files->count] */
	bool wary;              /* indexes are read as a whole before they are believed */
	bool again;             /* one was not what its beginning said */
	bool weighted;
	uint64_t digest; /* of the samples */
};

static void forget_shards(struct loading *g)
{
	for (int64_t i = 0; i < g->files->count; i++) {
		thaw_tar_shard_free(&g->shards[i].shard);
		g->shards[i] = (struct counted){0};
	}
}

static thaw_status note_unindexed(struct tar_load *l, enum tar_index_state state, const char *name)
{
	l->scanned++;
	if (state != TAR_INDEX_STALE || l->stale++ > 0)
		return THAW_OK;
	l->first_stale = thaw_strdup(name);
	return l->first_stale ? THAW_OK : THAW_RESOURCE;
}

/* Counts the samples of the open shard. */
static thaw_status count_samples(struct loading *g, struct counted *c, int fd, const char *path, const char *name)
{
	enum tar_index_state state;
	uint32_t count = 0;
	if (g->wary) {
		THAW_TRY(thaw_tar_index_read(&c->shard, &state, fd, path));
		count = c->shard.count;
		thaw_tar_shard_free(&c->shard);
	} else {
		THAW_TRY(thaw_tar_index_count(&count, &state, fd, path));
	}
	if (state != TAR_INDEX_READ) {
		THAW_TRY(thaw_tar_scan(&c->shard, fd, path));
		THAW_TRY(note_unindexed(g->l, state, name));
		count = c->shard.count;
		c->scanned = true;
	}
	c->count = count;
	return THAW_OK;
}

static thaw_status count_all(struct loading *g)
{
	int64_t count = 0;
	g->l->scanned = g->l->stale = 0;
	for (int64_t i = 0; i < g->files->count; i++) {
		int fd;
		struct stat st;
		char *path = thaw_path_join(g->root, g->files->name[i]);
		thaw_status status = path ? thaw_open_file(&fd, &st, path) : THAW_RESOURCE;
		if (status == THAW_OK) {
			status = count_samples(g, &g->shards[i], fd, path, g->files->name[i]);
			close(fd);
		}
		thaw_free(path);
		THAW_TRY(status);
		count += g->shards[i].count;
		g->l->end[i] = count;
	}
	g->l->count = count;
	return THAW_OK;
}

/* The number of lanes that the shards were packed for; 0: for none. */
static int count_lanes(const struct names *files)
{
	int lane, lanes;
	for (int64_t f = 0; f < files->count; f++)
		if (thaw_tar_lane(files->name[f], &lane, &lanes))
			return lanes;
	return 0;
}

/* Places the samples of a lane one after the other; the k-th is k * lanes + lane of all. held[lanes]: samples of each.
 */
static thaw_status place_in_lanes(struct loading *g, int lanes, int64_t *held)
{
	const struct names *files = g->files;
	for (int64_t f = 0; f < files->count; f++) {
		int own = 0, all = 0;
		if (!thaw_tar_lane(files->name[f], &own, &all) || all != lanes)
			return thaw_fail(THAW_DATA, "shards of other lanes: %s: %s beside %s: remove one of them",
					 g->root, files->name[f], files->name[0]);
		g->shards[f].first = thaw_lane_sample(held[own], lanes, own);
		g->shards[f].step = lanes;
		held[own] += g->shards[f].count;
	}
	for (int lane = 0; lane < lanes; lane++) {
		long long wanted = (long long)thaw_lane_count(g->l->count, lanes, lane);
		if (held[lane] != wanted)
			return thaw_fail(THAW_DATA,
					 "shards are missing or incomplete: %s: lane %d of %d has %lld images, wanted "
					 "are %lld: copy them again",
					 g->root, lane, lanes, (long long)held[lane], wanted);
	}
	return THAW_OK;
}

static thaw_status place_all(struct loading *g)
{
	int lanes = g->l->in_lanes ? count_lanes(g->files) : 0;
	if (lanes > 0) {
		int64_t *held = thaw_alloc((size_t)lanes, sizeof(*held));
		thaw_status status = held ? place_in_lanes(g, lanes, held) : THAW_RESOURCE;
		thaw_free(held);
		return status;
	}
	for (int64_t f = 0; f < g->files->count; f++) {
		g->shards[f].first = f > 0 ? g->l->end[f - 1] : 0;
		g->shards[f].step = 1;
	}
	return THAW_OK;
}

static thaw_status allocate(struct tar_load *l)
{
	size_t count = (size_t)l->count;
	if (!l->labels_only)
		THAW_TRY(thaw_node_block_open(&l->record_memory, l->share, count * sizeof(*l->records)));
	l->records = l->record_memory.data;
	THAW_TRY(thaw_node_block_open(&l->label_memory, l->share, 3 * count * sizeof(*l->labels)));
	l->labels = l->label_memory.data;
	l->folders = l->labels + count;
	l->weights = (float *)(l->folders + count);
	return THAW_OK;
}

static void place_samples(struct loading *g, const struct counted *c, const struct tar_shard *s, uint32_t shard,
			  const uint32_t *number)
{
	struct tar_load *l = g->l;
	for (uint32_t i = 0; i < s->count; i++) {
		const struct tar_sample *from = &s->samples[i];
		int64_t at = c->first + i * c->step;
		g->weighted |= from->weight > 0;
		if (l->records && l->record_memory.writes)
			l->records[at] = (struct tar_record){.offset = from->offset,
							     .key = from->key,
							     .size = from->size,
							     .header = from->header,
							     .shard = shard,
							     .link = from->link};
		if (!l->label_memory.writes)
			continue;
		l->labels[at] = from->label == TAR_NONE ? TAR_NONE : number[from->label];
		l->folders[at] = from->folder == TAR_NONE ? TAR_NONE : number[from->folder];
		l->weights[at] = from->weight;
	}
}

/* Adds what a shard has; its texts get other numbers. */
static thaw_status add_shard(struct loading *g, const struct counted *c, const struct tar_shard *s, int64_t shard)
{
	struct tar_load *l = g->l;
	uint32_t *number = thaw_alloc((size_t)s->texts.count, sizeof(*number));
	thaw_status status = number ? THAW_OK : THAW_RESOURCE;
	for (uint32_t i = 0; status == THAW_OK && i < s->texts.count; i++)
		status = thaw_tar_texts_add(&l->texts, &number[i], s->texts.text[i]);
	if (status == THAW_OK && l->share)
		g->digest = thaw_digest(s->samples, s->count * sizeof(*s->samples), g->digest);
	if (status == THAW_OK)
		place_samples(g, c, s, (uint32_t)shard, number);
	thaw_free(number);
	return status == THAW_OK ? thaw_tar_counts_add(&l->counts, &s->counts, g->files->name[shard]) : status;
}

/* Reads the index of a shard again, now as a whole. */
static thaw_status read_index(struct loading *g, struct counted *c, int64_t shard)
{
	int fd;
	struct stat st;
	enum tar_index_state state;
	char *path = thaw_path_join(g->root, g->files->name[shard]);
	thaw_status status = path ? thaw_open_file(&fd, &st, path) : THAW_RESOURCE;
	if (status == THAW_OK) {
		status = thaw_tar_index_read(&c->shard, &state, fd, path);
		close(fd);
		g->again = status == THAW_OK && (state != TAR_INDEX_READ || c->shard.count != c->count);
	}
	thaw_free(path);
	return status;
}

/* Reads and places the samples, up to an index that is not what its beginning said. */
static thaw_status fill(struct loading *g)
{
	for (int64_t f = 0; f < g->files->count && !g->again; f++) {
		struct counted *c = &g->shards[f];
		if (!c->scanned)
			THAW_TRY(read_index(g, c, f));
		if (!g->again)
			THAW_TRY(add_shard(g, c, &c->shard, f));
		thaw_tar_shard_free(&c->shard);
	}
	return thaw_node_block_filled(g->l->share, g->digest, &g->again);
}

static thaw_status load_all(struct loading *g)
{
	THAW_TRY(count_all(g));
	THAW_TRY(place_all(g));
	THAW_TRY(allocate(g->l));
	return fill(g);
}

/* Begins anew, and reads all indexes as a whole first. */
static thaw_status load_warily(struct loading *g)
{
	struct tar_load *l = g->l, empty = {.share = l->share, .in_lanes = l->in_lanes, .labels_only = l->labels_only};
	thaw_tar_load_free(l);
	forget_shards(g);
	*l = empty;
	if (!(l->end = thaw_alloc((size_t)g->files->count, sizeof(*l->end))))
		return THAW_RESOURCE;
	g->wary = true;
	g->again = g->weighted = false;
	g->digest = 0;
	THAW_TRY(load_all(g));
	return !g->again ? THAW_OK
			 : thaw_fail(THAW_DATA,
				     "the shards change while they are opened: %s: try again when they are "
				     "complete",
				     g->root);
}

thaw_status thaw_tar_load(struct tar_load *l, const char *root, const struct names *files)
{
	struct loading g = {.l = l, .root = root, .files = files};
	g.shards = thaw_alloc((size_t)files->count, sizeof(*g.shards));
	l->end = thaw_alloc((size_t)files->count, sizeof(*l->end));
	thaw_status status = g.shards && l->end ? load_all(&g) : THAW_RESOURCE;
	if (status == THAW_OK && g.again)
		status = load_warily(&g);
	if (!g.weighted)
		l->weights = NULL;
	if (l->record_memory.data && !l->record_memory.release)
		l->record_memory = (struct thaw_node_block){0}; /* `records` is from thaw_alloc */
	for (int64_t i = 0; g.shards && i < files->count; i++)
		thaw_tar_shard_free(&g.shards[i].shard);
	thaw_free(g.shards);
	return status;
}

thaw_status thaw_tar_load_report(struct thaw_found *found, const struct tar_load *l, const char *root,
				 const struct names *files)
{
	long long stale = (long long)l->stale, without = (long long)(l->scanned - l->stale);
	THAW_TRY(thaw_tar_counts_report(found, &l->counts));
	if (stale > 0)
		THAW_TRY(
			thaw_found_note(found, thaw_format("indexes that are not of their shards as they are now: %lld "
							   "(first: %s): the headers of the shards are read instead",
							   stale, l->first_stale)));
	if (without > 0)
		THAW_TRY(thaw_found_note(found, thaw_format("%lld of %lld shards have no index: all headers are read "
							    "at each start (thaw pack writes shards with indexes)",
							    without, (long long)files->count)));
	if (l->count == 0)
		return thaw_fail(THAW_DATA, "no images in the shards: %s/%s: add images, or remove the shards", root,
				 files->name[0]);
	return THAW_OK;
}
