/* What the parts of a verification share: lines of the report, text for all ranks, the request to stop. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "src/train/verify.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define LINE_SIZE 2048 /* bytes */

static void append(json_t *lines, const char *format, va_list arguments)
{
	char line[LINE_SIZE];
	if (!lines)
		return;
	vsnprintf(line, sizeof(line), format, arguments);
	json_t *text = thaw_report_string(line), *other;
	size_t i;
	bool there = false; /* a damaged file may be met twice */
	json_array_foreach(lines, i, other)
	{
		there |= json_equal(text, other) != 0;
	}
	if (!there)
		json_array_append(lines, text);
	json_decref(text);
}

void verify_change(struct verification *v, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	append(v->changes, format, arguments);
	va_end(arguments);
}

void verify_note(struct verification *v, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	append(v->notes, format, arguments);
	va_end(arguments);
}

thaw_status verify_share(struct thaw_comm *comm, char **text)
{
	int64_t bytes = comm->rank == 0 ? (int64_t)strlen(*text) + 1 : 0;
	THAW_TRY(comm->broadcast(comm, &bytes, sizeof(bytes), 0));
	if (comm->rank != 0)
		*text = thaw_alloc((size_t)bytes, 1);
	THAW_TRY(thaw_comm_agree(comm, *text ? THAW_OK : THAW_RESOURCE));
	return comm->broadcast(comm, *text, (size_t)bytes, 0);
}

bool verify_stops(const struct verification *v)
{
	return v->callbacks && v->callbacks->stop && v->callbacks->stop(v->callbacks->context);
}
