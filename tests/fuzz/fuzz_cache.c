/* Fuzzes the reader of a feature cache: each entry that counts as present is read, then all are stored and read again.
 *
 * The first byte of the input are flags; the others are the file, without the unused bytes of its pages. Random changes
 * would not get past the checksums, so most inputs have them set right first (SEAL_...). */
#include "src/train/cache_file.h"
#include "tests/fuzz/fuzz.h"
#include "thaw/digest.h"

enum { ENTRIES = 6, FEATURES = 3, PAGE = 4096, RECORD = 64, CAPACITY = 5 };
enum { HALVES = 1, SEAL_INDEX = 2, SEAL_RECORDS = 4, OWN_HEADER = 8 };

/* As in the file (cache_file.c). */
struct header {
	char magic[8];
	uint64_t layout;
	struct cache_shape shape;
	uint64_t self;
};

static struct cache_shape shape_of(int flags)
{
	return (struct cache_shape){1, ENTRIES, RECORD, flags & HALVES ? THAW_F16 : THAW_F32};
}

/* Each entry is of the image of the same number. */
static thaw_status fingerprint(const struct thaw_dataset *d, int64_t i, bool whole, struct thaw_fingerprint *f)
{
	(void)d;
	(void)whole;
	*f = thaw_fingerprint_of(&i, sizeof(i), 1);
	return THAW_OK;
}

static const struct thaw_dataset images = {.count = ENTRIES, .fingerprint = fingerprint};

/* stored: all entries were put, so each that is present has the features it was given. A damaged index may leave no
 * record for some. */
static void read_all(struct thaw_cache *cache, bool stored)
{
	float features[FEATURES];
	volatile uint64_t digest = 0;
	for (int i = 0; i < ENTRIES; i++) {
		if (!thaw_cache_has(cache, i, &images, i) || thaw_cache_get(cache, i, features) != THAW_OK)
			continue;
		digest ^= thaw_digest(features, sizeof(features), 0);
		if (stored && features[0] != (float)i)
			abort();
	}
	(void)digest;
}

/* Moves up to `limit` bytes of the input to the file. */
static void place(unsigned char *file, size_t *file_bytes, size_t at, size_t limit, const uint8_t **bytes, size_t *size)
{
	size_t count = *size < limit ? *size : limit;
	if (count == 0)
		return;
	memcpy(file + at, *bytes, count);
	*file_bytes = at + count;
	*bytes += count;
	*size -= count;
}

static void seal_header(unsigned char *file, int flags)
{
	struct header h = {.magic = "thawfeat", .layout = 3, .shape = shape_of(flags)};
	if (flags & OWN_HEADER)
		memcpy(&h, file, sizeof(h));
	h.self = thaw_digest(&h, offsetof(struct header, self), 0);
	memcpy(file, &h, sizeof(h));
}

static void seal_index(unsigned char *file, int flags)
{
	const struct cache_place absent = {0};
	for (uint64_t i = 0; i < ENTRIES; i++) {
		const uint64_t where[] = {shape_of(flags).digest, i};
		unsigned char *at = file + PAGE + i * sizeof(struct cache_place);
		struct cache_place p;
		memcpy(&p, at, sizeof(p));
		if (flags & SEAL_RECORDS && p.record >= 1 && p.record <= ENTRIES)
			p.checksum = thaw_digest(file + 2 * PAGE + (p.record - 1) * RECORD, RECORD, 0);
		if (memcmp(&p, &absent, sizeof(p)) != 0)
			p.self = thaw_digest(&p, offsetof(struct cache_place, self),
					     thaw_digest(where, sizeof(where), 0));
		memcpy(at, &p, sizeof(p));
	}
}

/* Writes the file that the input describes. */
static void put_file(const uint8_t *bytes, size_t size, int flags)
{
	static unsigned char file[2 * PAGE + ENTRIES * RECORD];
	size_t file_bytes = 0;
	memset(file, 0, sizeof(file));
	place(file, &file_bytes, 0, sizeof(struct header), &bytes, &size);
	place(file, &file_bytes, PAGE, ENTRIES * sizeof(struct cache_place), &bytes, &size);
	place(file, &file_bytes, (size_t)2 * PAGE, ENTRIES * RECORD, &bytes, &size);
	if (flags & SEAL_INDEX && file_bytes > PAGE) {
		seal_header(file, flags);
		seal_index(file, flags);
	}
	fuzz_put("cache", file, file_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const int flags = size > 0 ? bytes[0] : 0;
	const struct thaw_cache_options options = {.entries = ENTRIES,
						   .features = FEATURES,
						   .dtype = flags & HALVES ? THAW_F16 : THAW_F32,
						   .bytes = CAPACITY * RECORD,
						   .path = fuzz_path("cache"),
						   .digest = 1};
	struct thaw_cache *cache = NULL;
	put_file(bytes + (size > 0), size - (size > 0), flags);
	if (thaw_cache_create(&cache, &options) != THAW_OK) {
		fuzz_expect_message();
		return 0;
	}
	read_all(cache, false);
	for (int i = 0; i < ENTRIES; i++) {
		struct thaw_fingerprint image = thaw_dataset_fingerprint(&images, i, true);
		thaw_cache_put(cache, i, &image, (float[FEATURES]){(float)i, 1, 2});
	}
	read_all(cache, true);
	thaw_cache_destroy(cache);
	unlink(fuzz_path("cache"));
	return 0;
}
