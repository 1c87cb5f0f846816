/* The run's words to a person: lines for the callbacks, from rank 0 alone. */
#include <stdarg.h>
#include <stdio.h>

#include "src/train/run.h"

#define LINE_BYTES 1200 /* a message of the library and some words around it */

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
