/* Fuzzes the readers of academic sets by their own files: the input is two files and one of class names (fuzz_split),
 * as CIFAR-100's pickles, as Oxford Flowers-102 and as the Oxford-IIIT Pet dataset. */
#include "tests/fuzz/fuzz.h"
#include "thaw/dataset.h"
#include "thaw/digest.h"
#include "thaw/file.h"
#include "thaw/image.h"

#define MAX_SAMPLES 64

static const struct {
	int count;
	const char *names[3];
} formats[] = {
	{3, {"train", "test", "meta"}},
	{3, {"imagelabels.mat", "setid.mat", "cat_to_name.json"}},
	{2, {"annotations/trainval.txt", "annotations/test.txt"}},
};

static void read_samples(const struct thaw_dataset *d)
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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct thaw_dataset_options options = {.test_share = 0.2, .seed = 1};
	struct fuzz_part parts[3] = {0};
	fuzz_split(parts, 3, bytes, size);
	if (thaw_make_directory(fuzz_path("annotations")) != THAW_OK)
		abort();
	for (size_t f = 0; f < sizeof(formats) / sizeof(*formats); f++) {
		for (int i = 0; i < formats[f].count; i++)
			fuzz_put(formats[f].names[i], parts[i].bytes, parts[i].size);
		for (int split = THAW_SPLIT_TRAIN; split <= THAW_SPLIT_VAL; split++) {
			struct thaw_dataset d = {0};
			if (thaw_dataset_open(&d, fuzz_folder(), (enum thaw_split)split, &options) != THAW_OK) {
				fuzz_expect_message();
				continue;
			}
			read_samples(&d);
			thaw_dataset_close(&d);
		}
		fuzz_clear(formats[f].names, formats[f].count);
	}
	return 0;
}
