/* The text page of `thaw advise`, generated from its JSON object. */
#ifndef THAW_SRC_CLI_ADVISE_PAGE_H
#define THAW_SRC_CLI_ADVISE_PAGE_H

#include <jansson.h>
#include <stdio.h>

/* Prints plain ASCII, at most 100 columns wide, except for the command, whose words are not broken so that it can be
 * copied. Parts for which `advice` has no data (null or missing) are omitted. */
void advise_page_print(const json_t *advice, FILE *out);

#endif
