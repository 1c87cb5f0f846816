/* What the commands share: the log, the agreement of the ranks, handing over results. */
#include <stdarg.h>

#include "src/cli/command.h"
#include "src/cli/failure.h"
#include "src/cli/signals.h"
#include "src/cli/text.h"

#define LINE_SIZE 1280 /* bytes of a line to the log; a message has at most 1024 */

void log_line(const struct session *session, const char *format, ...)
{
	if (session->comm->rank != 0)
		return;
	char line[LINE_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	text_clean(line, "");
	fprintf(stderr, "%s\n", line);
}

bool stop_requested(void *context)
{
	(void)context;
	return thaw_stop_requested() != 0;
}

void print_error(const char *message)
{
	char line[LINE_SIZE];
	snprintf(line, sizeof(line), "thaw: %s", message);
	text_clean(line, "");
	fprintf(stderr, "%s\n", line);
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
