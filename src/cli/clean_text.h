/* Names from untrusted files as text that is safe to print. */
#ifndef THAW_SRC_CLI_CLEAN_TEXT_H
#define THAW_SRC_CLI_CLEAN_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

/* A copy of the value with all names and strings cleaned. If two names become the same, the later one gets further
 * question marks. NULL if out of memory. */
json_t *json_clean(const json_t *value);

/* Prints the value as one line, with such characters escaped (\u202e). False if out of memory. */
bool json_print(const json_t *value, FILE *out);

#endif
