/* Names from untrusted files as text that is safe to print. */
#ifndef THAW_SRC_CLI_CLEAN_TEXT_H
#define THAW_SRC_CLI_CLEAN_TEXT_H

#include <jansson.h>

/* Replaces by a question mark, in place: control characters other than those in `keep`, bytes that are not UTF-8 (0x9B
 * alone starts an escape sequence on some terminals), line separators and the characters that reverse the direction of
 * the text after them. Returns text. */
char *text_clean(char *text, const char *keep);

/* A copy of the value with all names and strings cleaned. If two names become the same, the later one gets further
 * question marks. NULL if out of memory. */
json_t *json_clean(const json_t *value);

#endif
