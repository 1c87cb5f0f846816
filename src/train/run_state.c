/* Whether a run directory has something to continue from. */
#include <unistd.h>

#include "src/base/try.h"
#include "src/train/run.h"
#include "thaw/memory.h"

bool run_is_complete(const struct run *r)
{
	char *path = thaw_format("%s/result.json", r->options.out);
	bool complete = path && access(path, F_OK) == 0;
	thaw_free(path);
	return complete;
}

thaw_status run_has_state(const struct run *r, bool *state)
{
	int64_t *steps = NULL;
	int count = 0;
	THAW_TRY(thaw_checkpoint_list(&steps, &count, r->options.out));
	thaw_free(steps);
	*state = count > 0 || run_is_complete(r);
	return THAW_OK;
}
