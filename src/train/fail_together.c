/* Failures that all ranks have at the same place. */
#include "src/base/try.h"
#include "src/train/run.h"
#include "thaw/memory.h"

thaw_status run_fail_together(const struct run *r, thaw_status status)
{
	char *reason = thaw_strdup(thaw_error_message());
	if (r->writer && thaw_checkpoint_flush(r->writer) != THAW_OK)
		run_log(r, "the last checkpoint was not written: %s", thaw_error_message());
	thaw_status met = r->comm->barrier(r->comm);
	if (met == THAW_OK)
		thaw_fail(status, "%s", reason ? reason : "out of memory");
	thaw_free(reason);
	return met == THAW_OK ? status : met;
}
