/* One digest of all images of a run. */
#include "src/base/try.h"
#include "src/train/contents_file.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

thaw_status thaw_contents_digest(struct thaw_comm *comm, struct thaw_contents *const *part,
				 const struct thaw_dataset *const *dataset, uint64_t *digest, int64_t *unread)
{
	uint64_t mine[CONTENTS_PARTS + 1] = {0}, *all = NULL;
	*digest = 0;
	*unread = 0;
	for (int i = 0; i < CONTENTS_PARTS; i++)
		if (part[i])
			mine[i] = thaw_contents_sum(part[i], unread);
	mine[CONTENTS_PARTS] = (uint64_t)*unread;
	if (comm->rank == 0)
		all = thaw_alloc((size_t)comm->size, sizeof(mine));
	thaw_status status = thaw_comm_agree(comm, all || comm->rank != 0 ? THAW_OK : THAW_RESOURCE);
	if (status == THAW_OK)
		status = comm->gather(comm, mine, sizeof(mine), all);
	for (int rank = 1; all && status == THAW_OK && rank < comm->size; rank++)
		for (int i = 0; i <= CONTENTS_PARTS; i++)
			all[i] += all[rank * (CONTENTS_PARTS + 1) + i];
	for (int i = 0; all && status == THAW_OK && i < CONTENTS_PARTS; i++) {
		uint64_t whole[] = {part[i] ? thaw_dataset_digest(dataset[i]) : 0, all[i]};
		*digest = thaw_digest(whole, sizeof(whole), *digest);
	}
	if (all)
		*unread = (int64_t)all[CONTENTS_PARTS];
	thaw_free(all);
	return status;
}
