/* Fuzzes the labels of ImageNet's validation images: the input is a file of labels and another one (fuzz_split), as
 * Kaggle's, as Caffe's with a list of classes, and as the development kit's with meta.mat. */
#include "tests/fuzz/fuzz.h"
#include "thaw/dataset.h"
#include "thaw/digest.h"
#include "thaw/file.h"

static const char *const forms[][2] = {
	{"LOC_val_solution.csv", "LOC_synset_mapping.txt"},
	{"val.txt", "synsets.txt"},
	{"ILSVRC2012_validation_ground_truth.txt", "meta.mat"},
};

static void make_images(void)
{
	static const char *const folders[] = {"train", "train/n01440764", "train/n02007558", "val"};
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		if (thaw_make_directory(fuzz_path(folders[i])) != THAW_OK)
			abort();
	fuzz_put("train/n01440764/a.JPEG", "", 0);
	fuzz_put("train/n02007558/b.JPEG", "", 0);
	fuzz_put("val/ILSVRC2012_val_00000001.JPEG", "", 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct thaw_dataset_options options = {.test_share = 0.2, .seed = 1};
	struct fuzz_part parts[2] = {0};
	fuzz_split(parts, 2, bytes, size);
	make_images();
	for (size_t f = 0; f < sizeof(forms) / sizeof(*forms); f++) {
		struct thaw_dataset d = {0};
		for (int i = 0; i < 2; i++)
			fuzz_put(forms[f][i], parts[i].bytes, parts[i].size);
		if (thaw_dataset_open(&d, fuzz_folder(), THAW_SPLIT_VAL, &options) != THAW_OK) {
			fuzz_expect_message();
		} else {
			volatile uint64_t digest = thaw_dataset_digest(&d);
			for (int64_t i = 0; i < d.count; i++)
				if (d.labels[i] < 0 || d.labels[i] >= d.classes)
					abort();
			(void)digest;
			thaw_dataset_close(&d);
		}
		fuzz_clear(forms[f], 2);
	}
	return 0;
}
