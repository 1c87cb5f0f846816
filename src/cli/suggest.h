/* "Did you mean": the nearest of several words. */
#ifndef THAW_SRC_CLI_SUGGEST_H
#define THAW_SRC_CLI_SUGGEST_H

#include <stddef.h>

/* Compares `word` with one candidate after the other and keeps the nearest. Start from a zeroed one. */
struct suggestion {
	const char *word; /* NULL while nothing was near enough */
	size_t distance;
};

/* Offers a candidate. It is near enough when at most a third of the longer word was mistyped. */
void suggest(struct suggestion *s, const char *word, const char *candidate);

#endif
