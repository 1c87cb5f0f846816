/* Lines to stderr, without control characters. */
#include "src/cli/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "src/base/text.h"

#define LINE_SIZE 1280 /* bytes of a line; a message has at most 1024 */

void log_line(const struct thaw_comm *comm, const char *format, ...)
{
	if (comm->rank != 0)
		return;
	char line[LINE_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	thaw_text_clean(line, "");
	fprintf(stderr, "%s\n", line);
}

void print_error(const char *message)
{
	char line[LINE_SIZE];
	snprintf(line, sizeof(line), "thaw: %s", message);
	print_line(line);
}

void print_line(const char *line)
{
	char clean[LINE_SIZE];
	snprintf(clean, sizeof(clean), "%s", line);
	thaw_text_clean(clean, "");
	fprintf(stderr, "%s\n", clean);
}
