/* Plans shards, and begins and ends a packing. */
#include "src/data/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/file_lock.h"
#include "src/base/io_error.h"
#include "src/base/minmax.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/found.h"
#include "src/data/pack_record.h"
#include "thaw/digest.h"
#include "thaw/file.h"
#include "thaw/lanes.h"
#include "thaw/memory.h"
#include "thaw/random.h"

#define SHARD_BYTES  ((double)(256 << 20)) /* of a shard, where the number is not given */
#define SIZE_SAMPLES 64                    /* images whose sizes say how many shards that is */
#define MOST_SHARDS  1000000
#define LOCK_NAME    ".lock"

static thaw_status open_split(struct thaw_pack *p, int at, const char *prefix, enum thaw_split split)
{
	const struct thaw_dataset_options options = {.test_share = p->options.test_share,
						     .seed = p->options.seed,
						     .manifest = p->options.manifest,
						     .exclude = p->options.exclude};
	p->prefix[at] = prefix;
	return thaw_dataset_open(&p->splits[at], p->options.data, split, &options);
}

/* Val and test, where they are two. */
static thaw_status open_held_out(struct thaw_pack *p)
{
	THAW_TRY(open_split(p, 1, "val", THAW_SPLIT_VAL));
	if (p->splits[1].found->split != THAW_SPLIT_VAL) {
		p->prefix[1] = "test";
		return THAW_OK;
	}
	THAW_TRY(open_split(p, 2, "test", THAW_SPLIT_TEST));
	if (p->splits[2].found->split != THAW_SPLIT_TEST)
		thaw_dataset_close(&p->splits[2]);
	return THAW_OK;
}

/* A dataset without splits is packed without them: a training then holds out the same images as of the dataset. */
static thaw_status open_data(struct thaw_pack *p)
{
	THAW_TRY(open_split(p, 0, "train", THAW_SPLIT_TRAIN));
	if (!p->splits[0].found->held_out || p->options.lanes > 0)
		return open_held_out(p);
	thaw_dataset_close(&p->splits[0]);
	return open_split(p, 0, "shard", THAW_SPLIT_ALL);
}

static thaw_status check_options(const struct thaw_pack_options *o)
{
	if (o->shards < 0 || o->shards > MOST_SHARDS || o->lanes < 0)
		return thaw_fail(THAW_USAGE, "number of shards out of range: --shards %d: give 1 to %d", o->shards,
				 MOST_SHARDS);
	if (o->lanes > 0 && o->shards % o->lanes != 0)
		return thaw_fail(THAW_USAGE, "not a multiple of the lanes: --shards %d: with --lanes %d give %d",
				 o->shards, o->lanes, (o->shards / o->lanes + 1) * o->lanes);
	if (o->lanes > 0 && o->shuffle)
		return thaw_fail(THAW_USAGE, "lanes have the order of the dataset: --shuffle: give it without --lanes");
	return THAW_OK;
}

/* Bytes of an image, from a few. */
static thaw_status mean_size(double *mean, const struct thaw_dataset *d)
{
	int64_t samples = min_int64(SIZE_SAMPLES, d->count), read = 0;
	*mean = 0;
	for (int64_t i = 0; d->read_file && i < samples; i++) {
		void *bytes = NULL;
		size_t size = 0;
		if (d->read_file(d, d->count * i / samples, &bytes, &size) != THAW_OK)
			continue;
		*mean += (double)size;
		read++;
		thaw_free(bytes);
	}
	*mean = read > 0 ? *mean / (double)read : 1024;
	return THAW_OK;
}

static thaw_status default_shards(int *shards, const struct thaw_pack *p)
{
	double mean;
	int lanes = max_int(p->options.lanes, 1);
	int64_t count = p->splits[0].count;
	THAW_TRY(mean_size(&mean, &p->splits[0]));
	int64_t wanted = (int64_t)((double)count * (mean + 1536) / SHARD_BYTES) + 1; /* two headers and a label */
	wanted = (wanted + lanes - 1) / lanes * lanes;
	*shards = (int)min_int64(max_int64(min_int64(wanted, count / lanes * lanes), lanes), MOST_SHARDS);
	return THAW_OK;
}

/* Shards of a split, in proportion to those of the first one. */
static int split_shards(const struct thaw_pack *p, int split, int first)
{
	int lanes = max_int(p->options.lanes, 1);
	int64_t count = p->splits[split].count, of = p->splits[0].count;
	if (split == 0)
		return first;
	int64_t wanted = ((int64_t)first * count + of / 2) / of;
	return (int)max_int64(min_int64(wanted, count) / lanes * lanes, lanes);
}

/* Adds the shards of one lane, or of a split without lanes; those without images are left out. */
static thaw_status plan_lane(struct thaw_pack *p, int split, int lane, int shards)
{
	int lanes = p->options.lanes;
	int64_t count = lanes > 0 ? thaw_lane_count(p->splits[split].count, lanes, lane) : p->splits[split].count;
	for (int i = 0; i < shards; i++) {
		struct pack_shard s = {
			.split = split, .lane = lane, .first = count * i / shards, .end = count * (i + 1) / shards};
		if (s.first == s.end)
			continue;
		int digits = snprintf(NULL, 0, "%d", lanes > 0 ? lanes - 1 : 0);
		s.name = lanes > 0 ? thaw_format("%s-lane%0*dof%d-%06d.tar", p->prefix[split], digits, lane, lanes, i)
				   : thaw_format("%s-%06d.tar", p->prefix[split], i);
		if (!s.name)
			return THAW_RESOURCE;
		p->shards[p->count++] = s;
	}
	return THAW_OK;
}

static thaw_status plan_shards(struct thaw_pack *p)
{
	int first = p->options.shards, lanes = max_int(p->options.lanes, 1), all = 0;
	if (first == 0)
		THAW_TRY(default_shards(&first, p));
	if (first > p->splits[0].count)
		return thaw_fail(THAW_USAGE, "more shards than images: --shards %d: %s has %lld", first,
				 p->options.data, (long long)p->splits[0].count);
	for (int s = 0; s < PACK_SPLITS; s++)
		all += p->splits[s].count > 0 ? split_shards(p, s, first) : 0;
	if (!(p->shards = thaw_alloc((size_t)all, sizeof(*p->shards))))
		return THAW_RESOURCE;
	for (int s = 0; s < PACK_SPLITS; s++)
		for (int lane = 0; p->splits[s].count > 0 && lane < lanes; lane++)
			THAW_TRY(plan_lane(p, s, lane, split_shards(p, s, first) / lanes));
	return THAW_OK;
}

static thaw_status shuffle(struct thaw_pack *p)
{
	for (int s = 0; p->options.shuffle && s < PACK_SPLITS; s++) {
		int64_t count = p->splits[s].count;
		struct thaw_random random = thaw_random_stream(p->options.seed, THAW_STREAM_PACK, (uint64_t)s, 0);
		if (!(p->order[s] = thaw_alloc((size_t)count, sizeof(*p->order[s]))))
			return THAW_RESOURCE;
		for (int64_t i = 0; i < count; i++)
			p->order[s][i] = i;
		thaw_random_shuffle(&random, p->order[s], count);
	}
	return THAW_OK;
}

static uint64_t digest_plan(const struct thaw_pack *p)
{
	uint64_t digest = thaw_digest("thaw pack", 9, 0);
	for (int s = 0; s < PACK_SPLITS; s++) {
		uint64_t split = thaw_dataset_digest(&p->splits[s]);
		digest = thaw_digest(&split, sizeof(split), digest);
	}
	for (int i = 0; i < p->count; i++)
		digest = thaw_digest(p->shards[i].name, strlen(p->shards[i].name) + 1, digest);
	uint64_t order = p->options.shuffle ? p->options.seed + 1 : 0;
	return thaw_digest(&order, sizeof(order), digest);
}

static thaw_status check_names(const struct thaw_pack *p)
{
	const struct thaw_dataset *d = &p->splits[0];
	for (int c = 0; c < d->classes; c++)
		if (strpbrk(d->class_names[c], "\r\n"))
			return thaw_fail(THAW_DATA,
					 "class name with a line feed: %s: rename it: names are lines of a file",
					 d->class_names[c]);
	return THAW_OK;
}

thaw_status thaw_pack_open(struct thaw_pack **pack, const struct thaw_pack_options *options)
{
	struct thaw_pack *p = thaw_alloc(1, sizeof(*p));
	if (!p)
		return THAW_RESOURCE;
	p->options = *options;
	p->lock = -1;
	thaw_status status = check_options(options);
	if (status == THAW_OK)
		status = open_data(p);
	if (status == THAW_OK)
		status = check_names(p);
	if (status == THAW_OK)
		status = plan_shards(p);
	if (status == THAW_OK)
		status = shuffle(p);
	if (status != THAW_OK) {
		thaw_pack_close(p);
		return status;
	}
	p->plan = digest_plan(p);
	*pack = p;
	return THAW_OK;
}

void thaw_pack_close(struct thaw_pack *p)
{
	if (!p)
		return;
	for (int i = 0; i < p->count; i++)
		thaw_free(p->shards[i].name);
	for (int s = 0; s < PACK_SPLITS; s++) {
		thaw_dataset_close(&p->splits[s]);
		thaw_free(p->order[s]);
	}
	if (p->lock >= 0)
		close(p->lock);
	thaw_free(p->shards);
	thaw_free(p);
}

bool thaw_pack_drops_groups(const struct thaw_pack *p)
{
	return p->splits[0].groups || p->splits[1].groups || p->splits[2].groups;
}

int thaw_pack_count(const struct thaw_pack *pack)
{
	return pack->count;
}

uint64_t thaw_pack_digest(const struct thaw_pack *pack)
{
	return pack->plan;
}

int64_t thaw_pack_sample(const struct thaw_pack *p, const struct pack_shard *shard, int64_t k)
{
	if (p->options.lanes > 0)
		return thaw_lane_sample(k, p->options.lanes, shard->lane);
	return p->order[shard->split] ? p->order[shard->split][k] : k;
}

/* Shards among the images would be taken for a class by the next start. */
static thaw_status check_place(const struct thaw_pack *p)
{
	char *data = thaw_path_real(p->options.data, "."), *out = thaw_path_real(p->options.out, ".");
	bool inside = data && out && thaw_path_is_inside(out, data);
	thaw_free(data);
	thaw_free(out);
	return inside ? thaw_fail(THAW_CONFIG, "the shards would be inside the dataset: --out %s: give another folder",
				  p->options.out)
		      : THAW_OK;
}

/* Whether the folder has anything but what an interrupted start may leave before its record. */
static thaw_status find_files(bool *any, const char *folder)
{
	DIR *dir = opendir(folder);
	*any = false;
	if (!dir)
		return thaw_fail_io("cannot open the folder", folder);
	for (const struct dirent *e; (e = readdir(dir));)
		*any |= strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
			strcmp(e->d_name, LOCK_NAME) != 0;
	closedir(dir);
	return THAW_OK;
}

static thaw_status lock_folder(struct thaw_pack *p)
{
	char *path = thaw_path_join(p->options.out, LOCK_NAME);
	if (!path)
		return THAW_RESOURCE;
	p->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	thaw_status status = p->lock >= 0 ? THAW_OK : thaw_fail_io("cannot create", path);
	if (p->lock >= 0 && thaw_file_lock(p->lock) == THAW_LOCK_HELD)
		status = thaw_fail(THAW_CONFIG, "another process is packing to it: %s: wait, or give another folder",
				   p->options.out);
	thaw_free(path);
	return status;
}

static thaw_status write_names(const struct thaw_pack *p)
{
	struct thaw_file_writer *f;
	const struct thaw_dataset *d = &p->splits[0];
	char *path = thaw_path_join(p->options.out, "classnames.txt");
	thaw_status status = path ? thaw_file_writer_open(&f, path) : THAW_RESOURCE;
	thaw_free(path);
	THAW_TRY(status);
	struct thaw_sink *sink = thaw_file_writer_sink(f);
	for (int c = 0; status == THAW_OK && c < d->classes; c++) {
		status = sink->write(sink, d->class_names[c], strlen(d->class_names[c]));
		if (status == THAW_OK)
			status = sink->write(sink, "\n", 1);
	}
	if (status == THAW_OK)
		return thaw_file_writer_commit(f);
	thaw_file_writer_discard(f);
	return status;
}

thaw_status thaw_pack_begin(struct thaw_pack *p)
{
	bool any;
	struct pack_record record = {0};
	const char *out = p->options.out;
	bool there = thaw_path_is_directory(out);
	if (there) {
		THAW_TRY(thaw_pack_record_read(&record, out));
		THAW_TRY(find_files(&any, out));
		if (!record.found && any)
			return thaw_fail(THAW_CONFIG, "the folder has other files: --out %s: give a new folder", out);
		if (record.found && record.plan != p->plan)
			return thaw_fail(
				THAW_CONFIG,
				"the folder has shards of other images, or of other flags: --out %s: give a new "
				"folder",
				out);
	}
	THAW_TRY(thaw_make_directory(out));
	thaw_status status = check_place(p);
	if (status != THAW_OK) {
		if (!there)
			rmdir(out);
		return status;
	}
	THAW_TRY(lock_folder(p));
	THAW_TRY(thaw_file_clean(out));
	record = (struct pack_record){.found = true, .complete = false, .plan = p->plan};
	THAW_TRY(thaw_pack_record_write(&record, out));
	return write_names(p);
}

thaw_status thaw_pack_end(const struct thaw_pack *p)
{
	const struct pack_record record = {.found = true, .complete = true, .plan = p->plan};
	return thaw_pack_record_write(&record, p->options.out);
}
