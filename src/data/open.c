/* Opens a dataset: as its format has it, or a part that is made here. */
#include "src/base/try.h"
#include "src/data/dataset.h"
#include "src/data/parts.h"

thaw_status thaw_dataset_open(struct thaw_dataset *d, const char *path, enum thaw_split split,
			      const struct thaw_dataset_options *options)
{
	bool parts;
	THAW_TRY(thaw_parts_asked(&parts, path, options));
	return parts ? thaw_parts_open(d, path, split, options) : thaw_dataset_open_given(d, path, split, options);
}
