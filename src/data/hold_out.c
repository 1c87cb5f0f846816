#include "src/data/hold_out.h"

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/memory.h"

/* Keeps the files and labels where keep[i] == value. Returns their number. */
static int64_t filter_samples(struct names *files, int32_t *labels, const bool *keep, bool value)
{
	int64_t n = 0;
	for (int64_t i = 0; i < files->count; i++) {
		if (keep[i] != value) {
			thaw_free(files->name[i]);
			continue;
		}
		files->name[n] = files->name[i];
		labels[n++] = labels[i];
	}
	return files->count = n;
}

thaw_status thaw_hold_out_select(bool *held, const int32_t *labels, int64_t count, const struct thaw_dataset *d,
				 const struct thaw_dataset_options *options)
{
	if (!(options->test_share >= 0 && options->test_share < 1))
		return thaw_fail(THAW_CONFIG,
				 "fraction of test images is %g: --test-share: give a value from 0 to below 1",
				 options->test_share);
	int64_t *quota = thaw_alloc((size_t)d->classes, sizeof(int64_t));
	if (!quota)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < count; i++)
		quota[labels[i]]++;
	for (int c = 0; c < d->classes; c++) {
		int64_t size = quota[c], share = (int64_t)((double)size * options->test_share + 0.5);
		share = max_int64(1, min_int64(share, size - 1));
		quota[c] = size < 2 || options->test_share == 0 ? 0 : share;
	}
	thaw_status status = thaw_select_per_class(held, d, labels, count, options->seed, SELECT_TEST, quota);
	thaw_free(quota);
	return status;
}

thaw_status thaw_hold_out(struct names *files, int32_t *labels, const struct thaw_dataset *d, bool part,
			  const struct thaw_dataset_options *options)
{
	bool *held = thaw_alloc((size_t)files->count, sizeof(bool));
	thaw_status status = held ? thaw_hold_out_select(held, labels, files->count, d, options) : THAW_RESOURCE;
	if (status == THAW_OK)
		filter_samples(files, labels, held, part);
	thaw_free(held);
	return status;
}

thaw_status thaw_apply_limit(struct names *files, int32_t *labels, const struct thaw_dataset *d,
			     const struct thaw_dataset_options *options)
{
	int64_t *selected, count;
	THAW_TRY(thaw_limit_per_class(&selected, &count, d, labels, files->count, THAW_SPLIT_TRAIN, options));
	bool *keep = thaw_alloc((size_t)files->count, sizeof(bool));
	for (int64_t i = 0; keep && i < count; i++)
		keep[selected[i]] = true;
	if (keep)
		filter_samples(files, labels, keep, true);
	thaw_free(selected);
	thaw_free(keep);
	return keep ? THAW_OK : THAW_RESOURCE;
}
