/* Whether the ranks of a job loaded the same model. */
#include "src/base/try.h"
#include "src/model/metadata.h"
#include "thaw/memory.h"
#include "thaw/model.h"

thaw_status thaw_model_same(struct thaw_comm *comm, const struct thaw_model *m)
{
	char *preprocess = NULL;
	THAW_TRY(thaw_comm_same_digest(comm, m->digest, "model file", "give every rank the same --model"));
	thaw_status status = thaw_comm_agree(comm, thaw_metadata_write_preprocess(&preprocess, &m->preprocess));
	if (status == THAW_OK)
		status = thaw_comm_same(comm, preprocess, "preprocessing",
					"give every rank the same files in the folder of --model");
	thaw_free(preprocess);
	return status;
}
