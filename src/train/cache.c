/* Layout, in memory as in a file: a header, an index of all entries, then records in the order of their coming.
 * A record is complete before its index says so, so a program killed in between leaves a cache that is short of one
 * entry; after a power cut, checksums find the records that never reached the disk.
 */
#include "src/train/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAGIC         "thawfeat"
#define LAYOUT        2 /* rises with every change of what is in a file */
#define CHECKSUM_SEED 0
#define PAGE          4096

struct header {
	char magic[8];
	uint64_t layout, digest, entries, record_bytes, dtype;
};

/* Where an entry's record is. Zero bytes, as in a fresh file, are an absent entry. */
struct place {
	uint64_t record; /* from 1; 0: absent */
	uint64_t checksum;
};

struct thaw_cache {
	struct thaw_cache_options options;
	size_t record_bytes;
	uint64_t capacity, used; /* records */
	int file;                /* -1: memory */
	char *map;
	size_t map_bytes;
	struct place *index; /* [entries], in the map */
	char *records;       /* in the map */
	bool *sound;         /* [entries]: written or checked by this program */
	char *spare;         /* [record_bytes]: for rounding what is not kept */
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
	return thaw_fail(THAW_RESOURCE, "no room for %zu bytes of features: --cache: give a smaller bound",
			 c->map_bytes);
}

/* The file at its full length, every block of it allocated: a full disk shows here, not as a signal later. */
static thaw_status map_file(struct thaw_cache *c)
{
	const char *path = c->options.path;
	c->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (c->file < 0)
		return thaw_fail(THAW_IO, "cannot open %s: %s: --cache-dir: name a folder that can be written", path,
				 strerror(errno));
	if (flock(c->file, LOCK_EX | LOCK_NB) != 0)
		return thaw_fail(THAW_CONFIG, "%s is in use by another run: --cache-dir: give each run its own", path);
	int error = posix_fallocate(c->file, 0, (off_t)c->map_bytes);
	if (error != 0)
		return thaw_fail(THAW_IO, "no room for %zu bytes in %s: %s: --cache: give a smaller bound",
				 c->map_bytes, path, strerror(error));
	c->map = mmap(NULL, c->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, c->file, 0);
	if (c->map != MAP_FAILED)
		return THAW_OK;
	c->map = NULL;
	return thaw_fail(THAW_RESOURCE, "cannot map %s: %s: --cache off does without", path, strerror(errno));
}

/* Takes over what the file holds, or begins anew. */
static void adopt(struct thaw_cache *c)
{
	struct header want = {
		.layout = LAYOUT,
		.digest = c->options.digest,
		.entries = (uint64_t)c->options.entries,
		.record_bytes = c->record_bytes,
		.dtype = (uint64_t)c->options.dtype,
	};
	memcpy(want.magic, MAGIC, sizeof(want.magic));
	if (memcmp(c->map, &want, sizeof(want)) != 0) {
		memset(c->map, 0, (size_t)(c->records - c->map));
		memcpy(c->map, &want, sizeof(want));
	}
	for (int64_t i = 0; i < c->options.entries; i++) {
		if (c->index[i].record > c->capacity)
			c->index[i].record = 0; /* beyond a bound that was larger before */
		else if (c->index[i].record > c->used)
			c->used = c->index[i].record;
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
	c->capacity = options->bytes / c->record_bytes;
	if (c->capacity > (uint64_t)options->entries)
		c->capacity = (uint64_t)options->entries;
	c->map_bytes = PAGE + index + (size_t)c->capacity * c->record_bytes;
	c->sound = thaw_alloc((size_t)options->entries, sizeof(*c->sound));
	c->spare = thaw_alloc(c->record_bytes, 1);
	thaw_status status = c->sound && c->spare ? options->path ? map_file(c) : map_memory(c) : THAW_RESOURCE;
	if (status != THAW_OK) {
		thaw_cache_destroy(c);
		return status;
	}
	c->index = (struct place *)(c->map + PAGE);
	c->records = c->map + PAGE + index;
	adopt(c);
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
	thaw_free(c->sound);
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
	if (!c->sound[entry])
		c->sound[entry] = checksum(c, entry) == c->index[entry].checksum;
	return c->sound[entry];
}

void thaw_cache_get(const struct thaw_cache *c, int64_t entry, float *features)
{
	thaw_to_f32(c->options.dtype, record(c, entry), features, c->options.features);
}

/* The entry's record, a new one if there is room; a damaged one is written again where it is. 0: no room. */
static uint64_t record_for(struct thaw_cache *c, int64_t entry)
{
	if (c->index[entry].record > 0)
		return c->index[entry].record;
	return c->used < c->capacity ? ++c->used : 0;
}

void thaw_cache_put(struct thaw_cache *c, int64_t entry, float *features)
{
	size_t bytes = (size_t)c->options.features * thaw_dtype_size(c->options.dtype);
	uint64_t at = record_for(c, entry);
	char *to = at > 0 ? c->records + (at - 1) * c->record_bytes : c->spare;
	thaw_from_f32(c->options.dtype, features, to, c->options.features);
	thaw_to_f32(c->options.dtype, to, features, c->options.features);
	if (at == 0)
		return;
	memset(to + bytes, 0, c->record_bytes - bytes);
	c->index[entry].checksum = thaw_digest(to, c->record_bytes, CHECKSUM_SEED);
	__atomic_store_n(&c->index[entry].record, at, __ATOMIC_RELEASE);
	c->sound[entry] = true;
}
