/* Fuzzes the reader of a feature cache: the input is the file; each entry that counts as present is read, then all are
 * stored and read again. */
#include "src/train/cache.h"
#include "tests/fuzz/fuzz.h"
#include "thaw/digest.h"

enum { ENTRIES = 6, FEATURES = 3 };

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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct thaw_cache_options options = {.entries = ENTRIES,
						   .features = FEATURES,
						   .dtype = size & 1 ? THAW_F16 : THAW_F32,
						   .bytes = 1 << 16,
						   .path = fuzz_path("cache"),
						   .digest = 1};
	struct thaw_cache *cache = NULL;
	fuzz_put("cache", bytes, size);
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
