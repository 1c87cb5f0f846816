/* What the commands share: the log, the agreement of the ranks, handing over results. */
#include <stdarg.h>

#include "src/cli/command.h"
#include "src/cli/failure.h"

void log_line(const struct session *session, const char *format, ...)
{
	if (session->comm->rank != 0)
		return;
	va_list args;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

thaw_status agree(const struct session *session, thaw_status status)
{
	return failure_agree(session->comm, status);
}

thaw_status give_result(json_t **result, json_t *object)
{
	if (!object)
		return thaw_fail(THAW_RESOURCE, "out of memory: the result: use more nodes");
	*result = object;
	return THAW_OK;
}
