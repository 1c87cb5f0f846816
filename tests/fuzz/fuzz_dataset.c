/* Fuzzes the readers of datasets in files: the input is a file of images or records, one of labels and one of class
 * names (fuzz_split), as IDX, as CIFAR-10 and as CIFAR-100. */
#include "tests/fuzz/fuzz_samples.h"

/* The names of the files of one format; parts: which part of the input each of them is. */
struct format {
	int count;
	const char *names[7];
	int parts[7];
};

static const struct format formats[] = {
	{5,
	 {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
	  "labels.txt"},
	 {0, 1, 0, 1, 2}},
	{7,
	 {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin",
	  "test_batch.bin", "batches.meta.txt"},
	 {0, 0, 1, 0, 0, 0, 2}},
	{3, {"train.bin", "test.bin", "fine_label_names.txt"}, {0, 1, 2}},
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct thaw_dataset_options options = {.test_share = 0.2, .seed = 1};
	struct fuzz_part parts[3] = {0};
	fuzz_split(parts, 3, bytes, size);
	for (size_t f = 0; f < sizeof(formats) / sizeof(*formats); f++) {
		const struct format *format = &formats[f];
		for (int i = 0; i < format->count; i++)
			fuzz_put(format->names[i], parts[format->parts[i]].bytes, parts[format->parts[i]].size);
		for (int split = THAW_SPLIT_TRAIN; split <= THAW_SPLIT_TEST; split++) {
			struct thaw_dataset d = {0};
			if (thaw_dataset_open(&d, fuzz_folder(), (enum thaw_split)split, &options) != THAW_OK) {
				fuzz_expect_message();
				continue;
			}
			fuzz_read_samples(&d);
			thaw_dataset_close(&d);
		}
		fuzz_clear(format->names, format->count);
	}
	return 0;
}
