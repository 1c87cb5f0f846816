/* Layout, in memory and in a file: a header, an index of all entries, then the records in the order in which they were
 * stored. A record is written before its index entry, so a process killed in between loses only that entry. After a
 * power failure, checksums detect the records that did not reach the disk.
 */
#include "src/train/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/base/minmax.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

#define MAGIC         "thawfeat"
#define LAYOUT        2 /* increases with every change of the file format */
#define CHECKSUM_SEED 0
#define PAGE          4096

struct header {
	char magic[8];
	uint64_t layout, digest, entries, record_bytes, dtype;
};

/* Index entry. All zero, as in a new file: the entry is absent. */
struct place {
	uint64_t record; /* number, from 1; 0: absent */
	uint64_t checksum;
};

struct thaw_cache {
	struct thaw_cache_options options;
	size_t record_bytes;
	uint64_t capacity, used; /* records */
	int file;                /* descriptor; -1: in memory */
	char *map;
	size_t map_bytes;
	struct place *index; /* [entries], in the map */
	char *records;       /* in the map */
	bool *verified;      /* [entries] written or verified by this process */
	char *spare;         /* [record_bytes] for rounding an entry that is not stored */
};

static size_t whole_pages(size_t bytes)
{
	return (bytes + PAGE - 1) / PAGE * PAGE;
}

static size_t record_bytes(const struct thaw_cache_options *o)
{
	size_t bytes = (size_t)o->features * thaw_dtype_size(o->dtype);
	return (bytes + THAW_ALIGNMENT - 1) / THAW_ALIGNMENT * THAW_ALIGNMENT;
}

size_t thaw_cache_full_bytes(const struct thaw_cache_options *o)
{
	return (size_t)o->entries * record_bytes(o);
}

static thaw_status map_memory(struct thaw_cache *c)
{
	c->map = mmap(NULL, c->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (c->map != MAP_FAILED)
		return THAW_OK;
	c->map = NULL;
	return thaw_fail(THAW_RESOURCE, "no memory for %zu bytes of features: --cache: give a smaller size",
			 c->map_bytes);
}

/* Allocates every block of the file now: otherwise a full disk would be a SIGBUS later. */
static thaw_status map_file(struct thaw_cache *c)
{
	const char *path = c->options.path;
	c->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (c->file < 0)
		return thaw_fail(THAW_IO, "cannot open file: %s: %s: give a --cache-dir that is writable", path,
				 strerror(errno));
	if (flock(c->file, LOCK_EX | LOCK_NB) != 0)
		return thaw_fail(THAW_CONFIG,
				 "feature cache in use by another run: %s: give each run its own --cache-dir", path);
	int error = posix_fallocate(c->file, 0, (off_t)c->map_bytes);
	if (error != 0)
		return thaw_fail(THAW_IO, "no space for %zu bytes: %s: %s: give a smaller --cache", c->map_bytes, path,
				 strerror(error));
	c->map = mmap(NULL, c->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, c->file, 0);
	if (c->map != MAP_FAILED)
		return THAW_OK;
	c->map = NULL;
	return thaw_fail(THAW_RESOURCE, "cannot map file: %s: %s: give --cache off to train without", path,
			 strerror(errno));
}

/* An index in which two entries have one record is damaged: what is stored for one would be read for the other. */
static bool shares_records(const struct thaw_cache *c)
{
	bool *taken = thaw_alloc((size_t)c->capacity + 1, sizeof(*taken)), shared = !taken;
	for (int64_t i = 0; i < c->options.entries && !shared; i++) {
		uint64_t record = c->index[i].record;
		shared = record > 0 && taken[record];
		taken[record] = true;
	}
	thaw_free(taken);
	return shared;
}

/* Reuses the contents of the file if its header matches, else starts empty. */
static void load_index(struct thaw_cache *c)
{
	struct header expected = {
		.layout = LAYOUT,
		.digest = c->options.digest,
		.entries = (uint64_t)c->options.entries,
		.record_bytes = c->record_bytes,
		.dtype = (uint64_t)c->options.dtype,
	};
	memcpy(expected.magic, MAGIC, sizeof(expected.magic));
	if (memcmp(c->map, &expected, sizeof(expected)) != 0) {
		memset(c->map, 0, (size_t)(c->records - c->map));
		memcpy(c->map, &expected, sizeof(expected));
	}
	for (int64_t i = 0; i < c->options.entries; i++) {
		if (c->index[i].record > c->capacity)
			c->index[i].record = 0; /* the size limit was larger before */
		else if (c->index[i].record > c->used)
			c->used = c->index[i].record;
	}
	if (shares_records(c)) {
		memset(c->index, 0, (size_t)c->options.entries * sizeof(*c->index));
		c->used = 0;
	}
}

thaw_status thaw_cache_create(struct thaw_cache **cache, const struct thaw_cache_options *options)
{
	struct thaw_cache *c = thaw_alloc(1, sizeof(*c));
	if (!c)
		return THAW_RESOURCE;
	size_t index = whole_pages((size_t)options->entries * sizeof(*c->index));
	c->options = *options;
	c->file = -1;
	c->record_bytes = record_bytes(options);
	c->capacity = min_size(options->bytes / c->record_bytes, (size_t)options->entries);
	c->map_bytes = PAGE + index + (size_t)c->capacity * c->record_bytes;
	c->verified = thaw_alloc((size_t)options->entries, sizeof(*c->verified));
	c->spare = thaw_alloc(c->record_bytes, 1);
	thaw_status status = c->verified && c->spare ? options->path ? map_file(c) : map_memory(c) : THAW_RESOURCE;
	if (status != THAW_OK) {
		thaw_cache_destroy(c);
		return status;
	}
	c->index = (struct place *)(c->map + PAGE);
	c->records = c->map + PAGE + index;
	load_index(c);
	*cache = c;
	return THAW_OK;
}

void thaw_cache_destroy(struct thaw_cache *c)
{
	if (!c)
		return;
	if (c->map)
		munmap(c->map, c->map_bytes);
	if (c->file >= 0)
		close(c->file);
	thaw_free(c->verified);
	thaw_free(c->spare);
	thaw_free(c);
}

static char *record(const struct thaw_cache *c, int64_t entry)
{
	return c->records + (c->index[entry].record - 1) * c->record_bytes;
}

static uint64_t checksum(const struct thaw_cache *c, int64_t entry)
{
	return thaw_digest(record(c, entry), c->record_bytes, CHECKSUM_SEED);
}

bool thaw_cache_has(struct thaw_cache *c, int64_t entry)
{
	if (c->index[entry].record == 0)
		return false;
	if (!c->verified[entry])
		c->verified[entry] = checksum(c, entry) == c->index[entry].checksum;
	return c->verified[entry];
}

void thaw_cache_get(const struct thaw_cache *c, int64_t entry, float *features)
{
	thaw_to_f32(c->options.dtype, record(c, entry), features, c->options.features);
}

/* The number of the record to write: the entry's own if it has one (damaged), else a new one; 0: no space. */
static uint64_t record_for(struct thaw_cache *c, int64_t entry)
{
	if (c->index[entry].record > 0)
		return c->index[entry].record;
	return c->used < c->capacity ? ++c->used : 0;
}

void thaw_cache_put(struct thaw_cache *c, int64_t entry, float *features)
{
	size_t bytes = (size_t)c->options.features * thaw_dtype_size(c->options.dtype);
	uint64_t number = record_for(c, entry);
	char *to = number > 0 ? c->records + (number - 1) * c->record_bytes : c->spare;
	thaw_from_f32(c->options.dtype, features, to, c->options.features);
	thaw_to_f32(c->options.dtype, to, features, c->options.features);
	if (number == 0)
		return;
	memset(to + bytes, 0, c->record_bytes - bytes);
	c->index[entry].checksum = thaw_digest(to, c->record_bytes, CHECKSUM_SEED);
	__atomic_store_n(&c->index[entry].record, number, __ATOMIC_RELEASE);
	c->verified[entry] = true;
}
