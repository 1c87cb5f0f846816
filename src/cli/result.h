/* Results of commands: JSON objects, printed as they are or as text. */
#ifndef THAW_SRC_CLI_RESULT_H
#define THAW_SRC_CLI_RESULT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "thaw/error.h"

/* Sets *result to `object` and takes the reference. THAW_RESOURCE if `object` is NULL: jansson ran out of memory. */
thaw_status give_result(json_t **result, json_t *object);

/* Members of a result object; a missing member is 0 or "". */
double member_real(const json_t *object, const char *key);
const char *member_text(const json_t *object, const char *key);
bool member_is_number(const json_t *object, const char *key);

/* Appends a line of text to a JSON array; bytes that are not UTF-8 are replaced. */
void append_line(json_t *lines, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the metrics of a result, those of any task, as far as it has them, and their table per class, label or
 * value. */
void print_metrics(const json_t *result, FILE *out);

#endif
