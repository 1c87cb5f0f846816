/* The message of the last failure, one per thread: the only state of the library outside its objects. */
#include "thaw/error.h"

#include "src/base/io_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/base/text.h"

#define MESSAGE_SIZE 1024

static _Thread_local char message[MESSAGE_SIZE];
static _Thread_local int failed_errno;

/* Names from files come into messages, so control characters are removed here, for all callers.
 *
 * Both functions format into a local buffer first: the arguments may point into `message`. */

thaw_status thaw_fail(thaw_status status, const char *format, ...)
{
	char text[MESSAGE_SIZE];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(message, sizeof(message), "%s", length < 0 ? "an error whose message cannot be formatted" : text);
	thaw_text_clean(message, "");
	failed_errno = 0;
	return status;
}

void thaw_set_failed_errno(int number)
{
	failed_errno = number;
}

int thaw_failed_errno(void)
{
	return failed_errno;
}

thaw_status thaw_fail_in(thaw_status status, const char *format, ...)
{
	char text[MESSAGE_SIZE];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	size_t used = length < 0 ? 0 : strlen(text);
	if (length >= 0 && snprintf(text + used, sizeof(text) - used, ": %s", message) > 0)
		memcpy(message, thaw_text_clean(text, ""), sizeof(message));
	return status;
}

const char *thaw_error_message(void)
{
	return message;
}
