/* The page of `thaw advise` that a person reads, made from its JSON object alone. */
#ifndef THAW_SRC_CLI_ADVISE_PAGE_H
#define THAW_SRC_CLI_ADVISE_PAGE_H

#include <jansson.h>
#include <stdio.h>

/* At most 100 columns of plain ASCII, but for the command, whose words stay as they are, so that it can be copied.
 * What is null or missing in `advice` leaves its part out. */
void advise_page_print(const json_t *advice, FILE *out);

#endif
