/* Values of options as text and back. */
#ifndef THAW_SRC_CLI_OPTION_VALUE_H
#define THAW_SRC_CLI_OPTION_VALUE_H

#include "src/cli/options.h"

/* Stores `text` as the option's value in `values`. THAW_USAGE with a message that quotes `place`, the words in which
 * the user gave it ("--lr abc", "THAW_LR=abc"), and says what is allowed. */
thaw_status option_store(const struct option *o, void *values, const char *text, const char *place);

/* The value as text that option_store would take. Returns text. */
const char *option_show(const struct option *o, const void *values, char *text, size_t size);

#endif
