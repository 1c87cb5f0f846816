/* Compares a sample of the images across ranks, by content: names and labels may be equal where the files are not, as
 * with another mount or an unfinished copy. */
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/train/run.h"

#define SAMPLES   64   /* images of each split; each costs a rank three reads of 4 KiB */
#define NAME_SIZE 1024 /* bytes of a name in the message */

thaw_status run_compare_images(struct run *r, const struct thaw_dataset *dataset)
{
	uint64_t digests[SAMPLES];
	struct thaw_comm_difference d;
	char name[NAME_SIZE];
	int count = (int)min_int64(dataset->count, SAMPLES);
	if (count == 0 || r->comm->size == 1)
		return THAW_OK;
	for (int i = 0; i < count; i++)
		digests[i] = thaw_dataset_fingerprint(dataset, dataset->count * i / count, false).blocks;
	THAW_TRY(thaw_comm_compare(r->comm, digests, count, &d));
	if (d.item < 0)
		return THAW_OK;
	dataset->name(dataset, dataset->count * d.item / count, name, sizeof(name));
	return thaw_fail(THAW_CONFIG,
			 "an image differs between ranks: %s: rank %d on %s has other bytes than rank %d on %s: give "
			 "every rank the same --data",
			 name, d.rank, d.host, d.other, d.other_host);
}
