/* Fuzzes the readers of academic sets by their own files: the input is two files and one of class names (fuzz_split),
 * as CIFAR-100's pickles, as Oxford Flowers-102 and as the Oxford-IIIT Pet dataset. */
#include "tests/fuzz/fuzz_samples.h"
#include "thaw/file.h"

static const struct {
	int count;
	const char *names[3];
} formats[] = {
	{3, {"train", "test", "meta"}},
	{3, {"imagelabels.mat", "setid.mat", "cat_to_name.json"}},
	{2, {"annotations/trainval.txt", "annotations/test.txt"}},
};

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
			fuzz_read_samples(&d);
			thaw_dataset_close(&d);
		}
		fuzz_clear(formats[f].names, formats[f].count);
	}
	return 0;
}
