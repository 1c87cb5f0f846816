/* Records are in memory that the system allocates at their first use, or in a file (cache_file.h). The index is in
 * memory in either case. */
#include "src/train/cache.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/train/cache_file.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

enum state {
	UNKNOWN, /* not looked at yet */
	GOOD,    /* written or verified by this process */
	LOST,    /* damaged, of another image, or not written */
};

struct thaw_cache {
	struct thaw_cache_options options; /* its path is not kept */
	struct cache_shape shape;
	uint64_t capacity, used; /* records */
	enum thaw_cache_found found;
	struct thaw_cache_lost lost;
	int file;     /* descriptor; -1: in memory */
	char *memory; /* the records, without a file */
	size_t memory_bytes;
	struct cache_place *index; /* [entries] */
	unsigned char *state;      /* [entries] enum state; of no meaning without a record */
	char *record;              /* [record_bytes] that is read or written */
};

static size_t record_bytes(const struct thaw_cache_options *o)
{
	size_t bytes = (size_t)o->features * thaw_dtype_size(o->dtype);
	return (bytes + THAW_ALIGNMENT - 1) / THAW_ALIGNMENT * THAW_ALIGNMENT;
}

size_t thaw_cache_full_bytes(const struct thaw_cache_options *o)
{
	return (size_t)o->entries * record_bytes(o);
}

static thaw_status allocate_memory(struct thaw_cache *c)
{
	c->memory_bytes = max_size((size_t)c->capacity * c->shape.record_bytes, 1);
	c->memory =
		mmap(NULL, c->memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (c->memory != MAP_FAILED)
		return THAW_OK;
	c->memory = NULL;
	return thaw_fail(THAW_RESOURCE, "no memory for %zu bytes of features: --cache: give a smaller size",
			 c->memory_bytes);
}

/* Entries beyond a size limit that is smaller than before count as absent. */
static void apply_limit(struct thaw_cache *c)
{
	for (int64_t i = 0; i < c->options.entries; i++)
		if (c->index[i].record > c->capacity)
			c->index[i] = (struct cache_place){0};
		else if (c->index[i].record > c->used)
			c->used = c->index[i].record;
}

static thaw_status open_storage(struct thaw_cache *c, const char *path)
{
	if (!c->index || !c->state || !c->record)
		return THAW_RESOURCE;
	if (!path)
		return allocate_memory(c);
	THAW_TRY(thaw_cache_file_open(&c->file, path, &c->shape, c->capacity, c->index, &c->found));
	apply_limit(c);
	return THAW_OK;
}

thaw_status thaw_cache_create(struct thaw_cache **cache, const struct thaw_cache_options *options)
{
	struct thaw_cache *c = thaw_alloc(1, sizeof(*c));
	if (!c)
		return THAW_RESOURCE;
	size_t entries = (size_t)options->entries, bytes = record_bytes(options);
	c->options = *options;
	c->options.path = NULL;
	c->shape = (struct cache_shape){options->digest, entries, bytes, (uint64_t)options->dtype};
	c->capacity = min_size(options->bytes / bytes, entries);
	c->file = -1;
	c->index = thaw_alloc(entries, sizeof(*c->index));
	c->state = thaw_alloc(entries, sizeof(*c->state));
	c->record = thaw_alloc(bytes, 1);
	thaw_status status = open_storage(c, options->path);
	if (status == THAW_OK)
		*cache = c;
	else
		thaw_cache_destroy(c);
	return status;
}

void thaw_cache_destroy(struct thaw_cache *c)
{
	if (!c)
		return;
	if (c->memory)
		munmap(c->memory, c->memory_bytes);
	if (c->file >= 0)
		close(c->file);
	thaw_free(c->index);
	thaw_free(c->state);
	thaw_free(c->record);
	thaw_free(c);
}

enum thaw_cache_found thaw_cache_found(const struct thaw_cache *c)
{
	return c->found;
}

struct thaw_cache_lost thaw_cache_lost(const struct thaw_cache *c)
{
	return c->lost;
}

/* The bytes of an entry's record; NULL if they cannot be read or are not those that were written. */
static const char *read_record(struct thaw_cache *c, int64_t entry)
{
	const struct cache_place *p = &c->index[entry];
	size_t bytes = (size_t)c->shape.record_bytes;
	if (c->memory)
		return c->memory + (p->record - 1) * bytes;
	if (!thaw_cache_file_read(c->file, &c->shape, p->record, c->record))
		return NULL;
	return thaw_digest(c->record, bytes, 0) == p->checksum ? c->record : NULL;
}

/* Compares the image with the one of the entry. If only its time differs, the entry gets the new time. */
static bool same_image(struct thaw_cache *c, int64_t entry, const struct thaw_dataset *dataset, int64_t sample)
{
	struct cache_place *p = &c->index[entry];
	struct thaw_fingerprint now = thaw_dataset_fingerprint(dataset, sample, false);
	if (thaw_fingerprint_same(&p->image, &now))
		return true;
	if (now.blocks != p->image.blocks)
		return false;
	now = thaw_dataset_fingerprint(dataset, sample, true);
	if (!thaw_fingerprint_same(&p->image, &now))
		return false;
	p->image = now;
	thaw_cache_file_place(c->file, &c->shape, (uint64_t)entry, p); /* else all bytes are read next time too */
	return true;
}

bool thaw_cache_has(struct thaw_cache *c, int64_t entry, const struct thaw_dataset *dataset, int64_t sample)
{
	if (c->index[entry].record == 0)
		return false;
	if (c->state[entry] == UNKNOWN) {
		bool same = same_image(c, entry, dataset, sample), good = same && read_record(c, entry);
		c->lost.changed += !same;
		c->lost.damaged += same && !good;
		c->state[entry] = good ? GOOD : LOST;
	}
	return c->state[entry] == GOOD;
}

void thaw_cache_fetch(const struct thaw_cache *c, int64_t entry)
{
	if (!c->memory)
		thaw_cache_file_fetch(c->file, &c->shape, c->index[entry].record);
}

thaw_status thaw_cache_get(struct thaw_cache *c, int64_t entry, float *features)
{
	const char *record = read_record(c, entry);
	if (!record) {
		c->state[entry] = LOST;
		return thaw_fail(THAW_IO, "the feature cache was changed by another program: --cache-dir: run the same "
					  "command again, which computes these features anew");
	}
	thaw_to_f32(c->options.dtype, record, features, c->options.features);
	return THAW_OK;
}

uint64_t thaw_cache_content(const struct thaw_cache *c, int64_t entry)
{
	return c->index[entry].image.content;
}

/* The number of the record to write: the entry's own if it has one (damaged, or of another image), else a new one; 0:
 * no space. */
static uint64_t record_for(struct thaw_cache *c, int64_t entry)
{
	if (c->index[entry].record > 0)
		return c->index[entry].record;
	return c->used < c->capacity ? c->used + 1 : 0;
}

/* Writes c->record. An entry that cannot be written counts as lost. */
static void store(struct thaw_cache *c, int64_t entry, uint64_t number, const struct thaw_fingerprint *image)
{
	struct cache_place *p = &c->index[entry];
	size_t bytes = (size_t)c->shape.record_bytes;
	*p = (struct cache_place){.record = number, .image = *image};
	c->used = number > c->used ? number : c->used;
	if (c->memory) {
		memcpy(c->memory + (number - 1) * bytes, c->record, bytes);
		c->state[entry] = GOOD;
		return;
	}
	p->checksum = thaw_digest(c->record, bytes, 0);
	bool written = thaw_cache_file_write(c->file, &c->shape, number, c->record) &&
		       thaw_cache_file_place(c->file, &c->shape, (uint64_t)entry, p);
	c->state[entry] = written ? GOOD : LOST;
}

void thaw_cache_put(struct thaw_cache *c, int64_t entry, const struct thaw_fingerprint *image, float *features)
{
	size_t bytes = (size_t)c->options.features * thaw_dtype_size(c->options.dtype);
	uint64_t number = record_for(c, entry);
	thaw_from_f32(c->options.dtype, features, c->record, c->options.features);
	thaw_to_f32(c->options.dtype, c->record, features, c->options.features);
	memset(c->record + bytes, 0, c->shape.record_bytes - bytes);
	if (number > 0)
		store(c, entry, number, image);
}
