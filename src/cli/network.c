#include "src/cli/network.h"

#include "src/base/try.h"
#include "src/cli/log.h"
#include "thaw/train.h"

thaw_status network_load(const struct session *session, struct thaw_model **model, const char *spec, const char *from,
			 int64_t classes, uint64_t seed)
{
	int64_t step;
	if (!from)
		return thaw_model_load(model, spec, classes, seed);
	THAW_TRY(thaw_run_model_load(model, &step, spec, from));
	log_line(session->comm, "network: step %lld of %s (--from %s)", (long long)step, spec, from);
	return THAW_OK;
}
