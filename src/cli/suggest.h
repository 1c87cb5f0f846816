/* "Did you mean": the nearest of several words. */
#ifndef THAW_SRC_CLI_SUGGEST_H
#define THAW_SRC_CLI_SUGGEST_H

#include <stddef.h>

/* The nearest candidate so far. Start from a zeroed structure. */
struct suggestion {
	const char *word; /* NULL: no candidate was near enough */
	size_t distance;
};

/* Compares `word` with a candidate, and keeps the candidate if it is the nearest so far and its edit distance is at
 * most a third of the longer word (rounded up). */
void suggest(struct suggestion *s, const char *word, const char *candidate);

#endif
