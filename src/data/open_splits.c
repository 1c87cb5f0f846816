/* thaw_dataset_open_splits: everything that is in a dataset. */
#include "thaw/dataset.h"
#include "thaw/error.h"
#include "thaw/found.h"
#include "thaw/memory.h"

thaw_status thaw_dataset_open_splits(struct thaw_dataset d[THAW_OPEN_SPLITS], const char *path,
				     const struct thaw_dataset_options *options)
{
	thaw_status train = thaw_dataset_open(&d[0], path, THAW_SPLIT_TRAIN, options);
	char *why = train == THAW_OK ? NULL : thaw_strdup(thaw_error_message());
	thaw_status val = thaw_dataset_open(&d[1], path, THAW_SPLIT_VAL, options);
	thaw_status test = val;
	if (val == THAW_OK && d[1].found->split == THAW_SPLIT_VAL)
		test = thaw_dataset_open(&d[2], path, THAW_SPLIT_TEST, options);
	if (test == THAW_OK && d[2].found && d[2].found->split != THAW_SPLIT_TEST)
		thaw_dataset_close(&d[2]); /* the validation images again */
	/* Without train/ the folder can be evaluated on; with training images that are refused it cannot be used. */
	thaw_status status = train == THAW_IO && val == THAW_OK ? THAW_OK : train;
	/* Of the folders none may be unreadable. */
	bool folders = train == THAW_OK && !d[0].found->held_out && !d[0].found->manifest;
	if (status != THAW_OK)
		thaw_fail(status, "%s", why ? why : "out of memory");
	else if (folders && (val != THAW_OK || test != THAW_OK))
		status = val != THAW_OK ? val : test;
	thaw_free(why);
	return status;
}
