/* Values of options as text and back. */
#ifndef THAW_SRC_CLI_OPTION_VALUE_H
#define THAW_SRC_CLI_OPTION_VALUE_H

#include "src/cli/option.h"

/* Parses `text` and stores it as the option's value in `values`. On failure THAW_USAGE, with a message that quotes
 * `place`, the option and value as the user wrote them ("--lr abc", "THAW_LR=abc"), and names the allowed values. */
thaw_status option_store(const struct option *o, void *values, const char *text, const char *place);

/* The value as text that option_store accepts. Returns text. */
const char *option_show(const struct option *o, const void *values, char *text, size_t size);

/* The default as --help shows it: `absent` or the value in `values`. */
const char *option_show_default(const struct option *o, const void *values, char *text, size_t size);

#endif
