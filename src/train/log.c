/* Messages of a run to the user, passed to the log callback on rank 0. */
#include <stdarg.h>
#include <stdio.h>

#include "src/train/run.h"

#define LINE_BYTES 1200 /* room for an error message of the library and text around it */

void run_log(const struct run *r, const char *format, ...)
{
	if (r->comm->rank != 0 || !r->callbacks || !r->callbacks->log)
		return;
	char line[LINE_BYTES];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	r->callbacks->log(r->callbacks->context, line);
}
