/* Reading what a fuzzed dataset has. */
#ifndef THAW_TESTS_FUZZ_SAMPLES_H
#define THAW_TESTS_FUZZ_SAMPLES_H

#include "tests/fuzz/fuzz.h"
#include "thaw/dataset.h"
#include "thaw/digest.h"
#include "thaw/image.h"

#define MAX_SAMPLES 64

/* Names, labels and pixels of the first samples. */
static inline void fuzz_read_samples(const struct thaw_dataset *d)
{
	char name[256];
	volatile uint64_t digest = thaw_dataset_digest(d);
	for (int64_t i = 0; i < d->count && i < MAX_SAMPLES; i++) {
		struct thaw_encoded_image encoded;
		d->name(d, i, name, sizeof(name));
		if (d->labels[i] < 0 || d->labels[i] >= d->classes)
			abort();
		if (d->read(d, i, &encoded) != THAW_OK) {
			fuzz_expect_message();
			continue;
		}
		if (encoded.image.pixels)
			digest ^= thaw_digest(encoded.image.pixels, (size_t)encoded.width * (size_t)encoded.height * 3,
					      0);
		thaw_encoded_image_free(&encoded);
	}
	(void)digest;
}

#endif
